"""Straight segments inside a phase: lineal path and chord lengths."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.phases import checked_axis, checked_distance, indicator
from pnncupy.parameter_hints import hint_at_names


class LinealPath(NamedTuple):
    """Probability that a whole segment is in a phase.

    Attributes
    ----------
    distance : (R + 1,) int64 NumPy array
        Distance of the segment's end pixels: 0, 1, ... R.
    probability : (R + 1,) float64 NumPy array
        The probability at each distance, 0 to 1; the first is the phase's share of the image.
    """

    distance: Any
    probability: Any


class ChordLengths(NamedTuple):
    """Distribution of the chord lengths of a phase.

    Attributes
    ----------
    length : (L,) int64 NumPy array
        1, 2, ... pixels, up to the longest chord.
    count : (L,) int64 NumPy array
        Number of chords of each length.
    probability : (L,) float64 NumPy array
        Share of each length among the chords; they add up to 1.
    mean : float
        Mean length of the chords in pixels; NaN without one.
    """

    length: Any
    count: Any
    probability: Any
    mean: float


class Runs(NamedTuple):
    """Runs of pixels of a phase along lines.

    Attributes
    ----------
    length : (n,) int64 array
    is_cut : (n,) bool array
        Whether a border cuts the run.
    is_closed : (n,) bool array
        Whether the run is a whole line that wraps around: it has no end.
    """

    length: Any
    is_cut: Any
    is_closed: Any


@hint_at_names
@on_engine_device
def lineal_path(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    largest_distance: int | None = None,
    axis: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
) -> LinealPath:
    """Probability that a segment along an axis is wholly inside of a phase, L(r).

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    largest_distance : int, optional
        R in pixels, less than the smallest side. Default: half of that side.
    axis : int, optional
        Measure along one axis only. Default: the segments along all axes together.
    periodic : bool or tuple of bool, default False
        Whether segments continue at the other border: along all axes, or one value for each.

    Returns
    -------
    LinealPath

    Raises
    ------
    TypeError, ValueError
        As `metrics.two_point_correlation`.

    Notes
    -----
    Lu & Torquato 1992, doi:10.1103/PhysRevA.45.922. A segment of distance r has r + 1 pixels; all
    of them count, and all positions inside of the image. Exact counts, cost O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> line = np.array([[1, 1, 1, 0, 1, 1]], bool)
    >>> metrics.lineal_path(line, axis=1, largest_distance=2).probability.round(3).tolist()
    [0.833, 0.6, 0.25]
    """
    inside = indicator(image, phase, threshold)
    along = checked_axis(axis, inside.ndim)
    wraps = validation.axes("periodic", periodic, inside.ndim)
    # Unlike pairs, segments may be as long as a periodic line.
    reach = checked_distance(largest_distance, [inside.shape], along, (False,) * inside.ndim)
    hits, places = np.zeros(reach + 1), np.zeros(reach + 1)
    distance = np.arange(reach + 1)
    for each in range(inside.ndim) if along is None else [along]:
        side = inside.shape[each]
        runs = runs_of(inside, each, wraps[each])
        numbers = np.bincount(runs.length[~runs.is_closed], minlength=side + 1)
        fitting = np.maximum(np.arange(len(numbers))[:, None] - distance, 0)
        hits += numbers @ fitting + side * int(runs.is_closed.sum())
        free = np.full(reach + 1, side) if wraps[each] else side - distance
        places += inside.size // side * free
    return LinealPath(distance, hits / places)


@hint_at_names
@on_engine_device
def chord_lengths(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    axis: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
    cut_chords: bool = False,
) -> ChordLengths:
    """Distribution of the lengths of the chords of a phase: its pieces of straight lines.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    axis : int, optional
        Measure along one axis only. Default: the chords along all axes together.
    periodic : bool or tuple of bool, default False
        Whether chords continue at the other border: along all axes, or one value for each.
    cut_chords : bool, default False
        Whether to count chords that a border of the image cuts too, by their visible part.

    Returns
    -------
    ChordLengths

    Raises
    ------
    TypeError, ValueError
        As `metrics.two_point_correlation`; or `cut_chords` is not a bool.

    Notes
    -----
    Torquato & Lu 1993, doi:10.1103/PhysRevE.47.2950. A chord is a longest run of pixels of the
    phase along a line of pixels. Lines that wrap around and are wholly in the phase have no chord.
    Long chords are cut more often than short ones: without the cut ones the mean is too small
    where chords are not short beside the image. Exact counts, cost O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> line = np.array([[0, 1, 1, 1, 0, 1, 0, 1]], bool)
    >>> metrics.chord_lengths(line, axis=1).count.tolist()
    [1, 0, 1]
    """
    inside = indicator(image, phase, threshold)
    along = checked_axis(axis, inside.ndim)
    wraps = validation.axes("periodic", periodic, inside.ndim)
    with_cut = validation.flag("cut_chords", cut_chords)
    lengths = []
    for each in range(inside.ndim) if along is None else [along]:
        runs = runs_of(inside, each, wraps[each])
        lengths.append(runs.length[~runs.is_closed & (with_cut | ~runs.is_cut)])
    count = np.bincount(np.concatenate(lengths), minlength=1)[1:]
    length = np.arange(1, len(count) + 1)
    chords = int(count.sum())
    if not chords:
        return ChordLengths(length, count, count.astype(np.float64), float("nan"))
    return ChordLengths(length, count, count / chords, int(count @ length) / chords)


def runs_of(inside: Any, axis: int, wraps: bool) -> Runs:
    """Runs of True along all lines of an axis."""
    lines = np.moveaxis(inside, axis, -1).reshape(-1, inside.shape[axis])
    side = lines.shape[1]
    edges = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    line, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    length, closed = end - start, np.zeros(len(start), bool)
    cut = (start == 0) | (end == side)
    if not wraps:
        return Runs(length, cut, closed)
    closed = length == side
    # A run at the end of a line continues in the one at its beginning.
    first = np.full(len(lines), -1)
    begins, ends = (start == 0) & ~closed, (end == side) & ~closed
    first[line[begins]] = np.nonzero(begins)[0]
    joined = ends & (first[line] >= 0)
    length = length.copy()
    length[first[line[joined]]] += length[joined]
    return Runs(length[~joined], np.zeros(int((~joined).sum()), bool), closed[~joined])
