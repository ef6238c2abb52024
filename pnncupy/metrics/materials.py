"""Statistics of images of materials: shares of phases, and how they are correlated."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.result_images import check_one_source, for_each_result
from pnncupy.metrics.displacements import Displacements, all_axes, pair_counts
from pnncupy.metrics.phases import (
    checked_axis,
    checked_distance,
    checked_phase,
    counts,
    in_phase,
    labelled,
)
from pnncupy.parameter_hints import hint_at_names


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
        images = labelled(source, image, name, threshold)
        found = [counts(each) for each in images]
        labels = tuple(sorted(set().union(*found)))
        shares = [
            tuple(count.get(label, 0) / each.size for label in labels)
            for count, each in zip(found, images, strict=True)
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
    periodic: bool | tuple[bool, ...] = False,
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
    periodic : bool or tuple of bool, default False
        Whether the images wrap around: along all axes, or one value for each. Then each pixel
        begins a pair of each displacement, and `largest_distance` is at most half of the side.

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
        missing, `periodic` has another number of axes, or `largest_distance` is too large.

    Notes
    -----
    S2 of Torquato 2002, doi:10.1007/978-1-4757-6355-3. At each distance it is the number of pairs
    of pixels that both lie in the phase over the number of all pairs in the image, over all
    displacements whose length rounds to the distance. Pairs are counted by an FFT in float64, which
    is padded along axes that do not wrap around, and rounded, which is exact. Cost O(pixels log
    pixels), memory O(pixels).

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
        images = labelled(source, image, name, threshold)
        wanted = checked_phase(phase, images[0])
        along = checked_axis(axis, images[0].ndim)
        wraps = validation.axes("periodic", periodic, images[0].ndim)
        shapes = [tuple(map(int, each.shape)) for each in images]
        reach = checked_distance(largest_distance, shapes, along, wraps)
        curves = []
        for each, shape in zip(images, shapes, strict=True):
            grid = Displacements(shape, all_axes(along, len(shape)), reach, wraps)
            pairs = grid.totals(pair_counts(in_phase(each, wanted), grid))
            curves.append(pairs / grid.totals(grid.pairs))
        difference = None if image is None else curves[1] - curves[0]
        return TwoPointCorrelation(np.arange(reach + 1), curves[-1], difference)

    return for_each_result(measure, source, result, None)
