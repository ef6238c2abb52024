"""Statistics of images of materials: shares of phases, and how they are correlated."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.result_images import check_one_source, for_each_result
from pnncupy.metrics.common import fast_length
from pnncupy.parameter_hints import hint_at_names

# Arrays with a last axis up to this are images with channels, which are no labels.
_MOST_CHANNELS = 4


class PhaseFractions(NamedTuple):
    """Measure the volume fraction of each phase of an image.

    Attributes
    ----------
    labels : tuple of int or bool
        The phases, ascending: all that are in the result or in its source;
        always False and True for bool and thresholded images.
    fractions : tuple of float
        Share of the pixels of each, 0 to 1; they add up to 1.
    difference : tuple of float, or None
        The fractions less those of the source; None without a result.
    """

    labels: tuple[int | bool, ...]
    fractions: tuple[float, ...]
    difference: tuple[float, ...] | None


class TwoPointCorrelation(NamedTuple):
    """Measure the probability that two pixels at a distance are both in a phase.

    Attributes
    ----------
    distance : (R + 1,) int64 NumPy array
        0, 1, ... R pixels.
    probability : (R + 1,) float64 NumPy array
        The probability at each distance, 0 to 1; the first is the phase's share of the pixels.
    difference : (R + 1,) float64 NumPy array, or None
        The probability less that of the source; None without a result.
    """

    distance: Any
    probability: Any
    difference: Any


@hint_at_names
@on_engine_device
def phase_fractions(source: Any, result: Any = None, *, threshold: Any = None) -> Any:
    """Share of each phase in an image of labels, and how far it is from that in the source.

    Parameters
    ----------
    source : (HS, WS) or (Z, Y, X) array of bool or integers; with a `threshold`, any real dtype
        A label for each pixel.
    result : (H, W) or (Z, Y, X) array like `source`, or several, optional
        What is compared with the source; sizes may differ. Several are a list or a stack. Default:
        the fractions of the source alone are measured.
    threshold : float, optional
        Makes two phases: whether ``image > threshold``.

    Returns
    -------
    PhaseFractions, or list of PhaseFractions for several results
        Of the result, or of the source without one.

    Raises
    ------
    TypeError
        An image is no array or holds floating-point numbers without a `threshold`, one holds
        bool and the other integers, or the arrays belong to different libraries.
    ValueError
        An image is not 2-D or 3-D, empty or not finite.

    Notes
    -----
    Cost O(pixels log pixels), memory O(pixels). The fraction of a phase is its one-point
    probability function (Torquato 2002, doi:10.1007/978-1-4757-6355-3).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> metrics.phase_fractions(np.array([[0, 1]]), np.array([[0, 2], [2, 2]]))
    PhaseFractions(labels=(0, 1, 2), fractions=(0.25, 0.0, 0.75), difference=(-0.25, -0.5, 0.75))
    """
    check_one_source(source)

    def measure(image: Any, name: str) -> PhaseFractions:
        images = _labelled(source, image, name, threshold)
        counts = [_counts(each) for each in images]
        labels = tuple(sorted(set().union(*counts)))
        shares = [
            tuple(count.get(label, 0) / each.size for label in labels)
            for count, each in zip(counts, images, strict=True)
        ]
        difference = None
        if image is not None:
            difference = tuple(here - there for there, here in zip(*shares, strict=True))
        return PhaseFractions(labels, shares[-1], difference)

    return for_each_result(measure, source, result, None)


@hint_at_names
@on_engine_device
def two_point_correlation(
    source: Any,
    result: Any = None,
    *,
    phase: Any = None,
    threshold: Any = None,
    largest_distance: int | None = None,
    axis: int | None = None,
) -> Any:
    """Probability that two pixels at a distance both lie in a phase, S2(r).

    Parameters
    ----------
    source : (HS, WS) or (Z, Y, X) array of bool or integers; with a `threshold`, any real dtype
        A label for each pixel.
    result : (H, W) or (Z, Y, X) array like `source`, or several, optional
        What is compared with the source; sizes may differ. Several are a list or a stack. Default:
        the source alone is measured.
    phase : int or bool, optional
        The label of the phase. Default: True for bool and thresholded images; labels need it.
    threshold : float, optional
        Makes two phases: whether ``image > threshold``.
    largest_distance : int, optional
        R in pixels, less than the smallest side of both images. Default: half of that side, as
        long distances have few independent pairs.
    axis : int, optional
        Measure along one axis only, whose length limits `largest_distance` then. Default: in all
        directions.

    Returns
    -------
    TwoPointCorrelation, or list of TwoPointCorrelation for several results
        Of the result, or of the source without one. NumPy arrays whatever the images are: it is a
        small table. A phase that does not occur has 0
        everywhere.

    Raises
    ------
    TypeError
        An argument has the wrong type, an image holds floating-point numbers without a
        `threshold`, one holds bool and the other integers, or the arrays belong to different
        libraries.
    ValueError
        An image is not 2-D or 3-D, empty or not finite, `axis` is not one of its axes, `phase` is
        missing, or `largest_distance` is too large.

    Notes
    -----
    S2 of Torquato 2002, doi:10.1007/978-1-4757-6355-3. Borders are not periodic: at each distance
    it is the number of pairs of pixels that both lie in the phase over the number of all pairs in
    the image, over all displacements whose length rounds to the distance. Pairs are counted by a
    zero-padded FFT in float64 and rounded, which is exact. Cost O(pixels log pixels), memory
    O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> stripes = np.arange(8)[None, :] % 4 < 2
    >>> found = metrics.two_point_correlation(np.repeat(stripes, 8, axis=0), largest_distance=2)
    >>> found.distance.tolist(), found.probability.round(3).tolist()
    ([0, 1, 2], [0.5, 0.343, 0.182])
    """
    check_one_source(source)

    def measure(image: Any, name: str) -> TwoPointCorrelation:
        images = _labelled(source, image, name, threshold)
        wanted = _checked_phase(phase, images[0])
        along = _checked_axis(axis, images[0].ndim)
        reach = _checked_distance(largest_distance, images, along)
        curves = [_probabilities(_in_phase(each, wanted), reach, along) for each in images]
        difference = None if image is None else curves[1] - curves[0]
        return TwoPointCorrelation(np.arange(reach + 1), curves[-1], difference)

    return for_each_result(measure, source, result, None)


def _labelled(source: Any, result: Any, name: str, threshold: Any) -> list[Array]:
    """The source, and the result if there is one, as labels of one kind."""
    limit = None if threshold is None else validation.finite("threshold", threshold)
    given = {"source": source} if result is None else {"source": source, name: result}
    arrays.same_library(**given)
    labelled = [_labels(whose, each, limit) for whose, each in given.items()]
    if len({each.ndim for each in labelled}) > 1:
        raise ValueError(
            f"`{name}` must have as many axes as `source`, {source.ndim}, got {result.ndim}"
        )
    if len({each.dtype.kind == "b" for each in labelled}) > 1:
        raise TypeError(
            f"`{name}` must hold labels like those of `source`, {source.dtype}, got "
            f"{result.dtype}; convert one, or give a `threshold`"
        )
    return labelled


def _labels(name: str, image: Any, threshold: float | None) -> Array:
    arrays.check_real(name, image)
    if image.ndim == 3 and 0 < image.shape[2] <= _MOST_CHANNELS:
        raise ValueError(
            f"`{name}` must be a 2-D array, or a volume of more than {_MOST_CHANNELS} columns, "
            f"with one label for each pixel, got shape {tuple(image.shape)}"
        )
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"`{name}` must be a 2-D or 3-D array that is not empty, got shape {tuple(image.shape)}"
        )
    image = arrays.native(image)
    if threshold is not None:
        arrays.check_finite(name, image, arrays.namespace(image))
        return image > threshold
    if image.dtype.kind == "f":
        raise TypeError(
            f"`{name}` must hold labels, bool or integers, got dtype {image.dtype}; give a "
            "`threshold`"
        )
    return image


def _counts(labels: Array) -> dict[int | bool, int]:
    """Pixels of each label."""
    xp = arrays.namespace(labels)
    if labels.dtype.kind == "b":
        count = int(xp.sum(labels))
        return {False: int(labels.size) - count, True: count}
    values, counts = (
        arrays.on_host(each).tolist() for each in xp.unique(labels, return_counts=True)
    )
    return dict(zip(values, counts, strict=True))


def _checked_phase(phase: Any, labels: Array) -> int | bool:
    """The label of the phase."""
    if labels.dtype.kind == "b":
        return True if phase is None else validation.flag("phase", phase)
    if phase is None:
        raise ValueError(
            f"`phase` must be given for labels of dtype {labels.dtype}: the label of the phase to "
            "measure"
        )
    return validation.integer("phase", phase, -(2**63))


def _in_phase(labels: Array, phase: int | bool) -> Array:
    """Indicator of the phase, float64 of 0 and 1."""
    xp = arrays.namespace(labels)
    if labels.dtype.kind != "b":
        limits = np.iinfo(labels.dtype)
        if not limits.min <= phase <= limits.max:
            return xp.zeros(labels.shape, dtype=xp.float64)
    return xp.astype(labels == phase, xp.float64)


def _checked_axis(axis: Any, axes: int) -> int | None:
    """The axis along which is measured, from 0; None is every direction."""
    if axis is None:
        return None
    rule = f"an axis of the image, {-axes} to {axes - 1}"
    number = validation.integer("axis", axis, -axes, rule)
    if number >= axes:
        raise ValueError(f"`axis` must be {rule}, got {number}")
    return number % axes


def _checked_distance(largest: Any, images: list[Array], axis: int | None) -> int:
    """The largest distance that is measured."""
    sides = [image.shape if axis is None else image.shape[axis : axis + 1] for image in images]
    side = min(int(side) for each in sides for side in each)
    if largest is None:
        return side // 2
    reach = validation.integer("largest_distance", largest, 0)
    if reach >= side:
        raise ValueError(
            f"`largest_distance` must be less than the smallest side, {side} pixels, got {reach}"
        )
    return reach


def _probabilities(phase: Array, reach: int, axis: int | None) -> Any:
    """S2 at the distances 0 to `reach`, along one axis or in all directions."""
    steps = np.arange(-reach, reach + 1)
    axes = tuple(range(phase.ndim)) if axis is None else (axis,)
    overlap = [phase.shape[each] - np.abs(steps) for each in axes]
    others = phase.size // math.prod(phase.shape[each] for each in axes)
    pairs = others * functools.reduce(np.multiply.outer, overlap).astype(np.float64)
    squares = functools.reduce(np.add.outer, [steps**2] * len(axes))
    distance = np.rint(np.sqrt(squares)).astype(np.int64)
    inside = distance <= reach
    hits = np.bincount(distance[inside], weights=_pair_counts(phase, steps, axes)[inside])
    return hits / np.bincount(distance[inside], weights=pairs[inside])


def _pair_counts(phase: Array, steps: Any, axes: tuple[int, ...]) -> Any:
    """Pairs of pixels of the phase for all displacements by these steps, on the host."""
    xp = arrays.namespace(phase)
    # Padded to this, displacements do not reach round to the other side.
    shape = tuple(fast_length(phase.shape[axis] + int(steps[-1])) for axis in axes)
    spectrum = xp.fft.rfftn(phase, s=shape, axes=axes)
    power = xp.abs(spectrum) ** 2
    counts = xp.fft.irfftn(power, s=shape, axes=axes)
    for axis, length in zip(axes, shape, strict=True):
        counts = xp.take(counts, xp.asarray(steps % length), axis=axis)
    for axis in reversed([each for each in range(phase.ndim) if each not in axes]):
        counts = xp.sum(counts, axis=axis)
    return np.rint(arrays.on_host(counts))
