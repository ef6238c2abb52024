"""Measures of whole images: noise, blur, and how much samples differ."""

import math
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images import intensity_encoding
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.result_images import (
    check_one_source,
    check_order,
    for_each_result,
    is_list,
    named_results,
)
from pnncupy.metrics.common import check_channels, finite_planes, grey, pair_of_planes
from pnncupy.parameter_hints import hint_at_names


@hint_at_names
def psnr(source: Any, result: Any, data_range: tuple[float, float]) -> Any:
    """Peak signal-to-noise ratio of a result of the shape of its source, in decibels.

    Parameters
    ----------
    source : array of any shape and any real dtype
    result : array of the shape of `source`, or several
        Several are a list or a stack.
    data_range : (float, float)
        Lowest and highest possible value.

    Returns
    -------
    float, or list of float for several results
        ``10 log10(width**2 / mean((source - result)**2))``; infinity for equal images.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        The shapes differ, a value is not finite, or not low < high.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> metrics.psnr(np.zeros((4, 4)), np.full((4, 4), 0.1), (0, 1))
    20.0
    """
    check_one_source(source)

    def measure(image: Any, name: str) -> float:
        xp = arrays.same_library(**{"source": source, name: image})
        for whose, each in (("source", source), (name, image)):
            arrays.check_real(whose, each)
            if each.size == 0:
                raise ValueError(f"`{whose}` must not be empty, got shape {each.shape}")
            arrays.check_finite(whose, each, xp)
        width = _range_width(data_range)
        if source.shape != image.shape:
            raise ValueError(
                f"`{name}` must have the shape of `source`, {source.shape}, got {image.shape}"
            )
        return decibels(source, image, width)

    return for_each_result(measure, source, result)


def decibels(image: Array, other: Array, width: float) -> float:
    """Peak signal-to-noise ratio of two images that were checked, for a value range so wide."""
    xp = arrays.namespace(image)
    error = float(xp.mean(_difference(image, other, xp) ** 2))
    return math.inf if error == 0 else 10 * math.log10(width**2 / error)


def _range_width(data_range: Any) -> float:
    """High less low, also of integers that float64 cannot tell apart."""
    low, high = intensity_encoding.given_range(data_range)
    return float(high - low)


def _difference(image: Array, other: Array, xp: Any) -> Array:
    """Difference of two images in float64; of 64-bit integers rounded only once."""
    if image.dtype == other.dtype and image.dtype.kind in "iu" and image.dtype.itemsize == 8:
        one, two = xp.astype(image, xp.uint64), xp.astype(other, xp.uint64)
        return xp.astype(xp.where(image >= other, one - two, two - one), xp.float64)
    return xp.astype(image, xp.float64) - xp.astype(other, xp.float64)


@hint_at_names
@on_engine_device
def diversity(source: Any, result: Any, *, channel_axis: ChannelAxis = "auto") -> float:
    """Measure how much results differ, in units of the source's contrast.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype
        Their source; not constant.
    result : (n, H, W) or (n, H, W, C) array, or a list of n arrays (H, W) or (H, W, C)
        At least 2 images of one shape, in the units of `source`; or volumes, (n, Z, Y, X) or
        (n, Z, Y, X, C).
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of a single 3-D image, not of the stack.

    Returns
    -------
    float
        One value for all of them: the standard deviation over the results (divided by n, not
        n - 1) of the grey value, mean over pixels, divided by the standard deviation of the grey
        source. 0 for equal results; below about 1, which results that share nothing but the
        source's histogram come to.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        There are less than 2 results, their shapes or channels differ, or `source` is constant.

    Notes
    -----
    The measure of Rott Shaham et al. 2019, doi:10.1109/ICCV.2019.00467, and of Granot et al.
    2022, doi:10.48550/arXiv.2103.15545. Grey is the mean over the channels. Cost O(n pixels),
    memory O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.array([[0.0, 2.0], [2.0, 0.0]])
    >>> metrics.diversity(source, [source, 2 - source])
    1.0
    """
    source_planes, images = _checked_results(source, result, channel_axis)
    xp = arrays.namespace(source_planes)
    spread = float(xp.std(grey(source_planes)))
    if spread == 0:
        raise ValueError(
            "`source` must not be constant, got a standard deviation of 0 to measure by"
        )
    # Two passes: a sum of squares would lose digits, and all results at once memory.
    mean = sum(grey(planes) for planes in images) / len(images)
    variance = sum((grey(planes) - mean) ** 2 for planes in images) / len(images)
    return float(xp.mean(xp.sqrt(variance))) / spread


def _checked_results(
    source: Any, result: Any, channel_axis: ChannelAxis
) -> tuple[Array, list[Array]]:
    """Planes of the source, and of at least two results of one shape."""
    check_one_source(source)
    if not is_list(result):
        arrays.same_library(source=source, result=result)
        check_order(source, result, channel_axis)
        if result.ndim not in (3, 4, 5):
            raise ValueError(
                "`result` must be a list of images or an array (n, H, W) or (n, H, W, C), got "
                f"shape {result.shape}"
            )
    given = dict(named_results(result))
    if len(given) < 2:
        raise ValueError(f"`result` must hold at least 2 images, got {len(given)}")
    arrays.same_library(source=source, **given)
    shapes = sorted({tuple(image.shape) for image in given.values()})
    if len(shapes) > 1:
        raise ValueError(f"`result` must all have one shape, got {shapes}; crop or resize them")
    source_planes = finite_planes("source", source, channel_axis, volumes=True)
    planes = [
        finite_planes(name, image, channel_axis, volumes=True) for name, image in given.items()
    ]
    check_channels("result", planes[0], source_planes)
    return source_planes, planes


@hint_at_names
@on_engine_device
def sharpness_ratio(source: Any, result: Any, *, channel_axis: ChannelAxis = "auto") -> Any:
    """Sharpness of a result, in units of that of its source.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype
        At least 3 x 3 pixels, with some detail.
    result : (H, W) or (H, W, C) array with the channels of `source`, or several
        At least 3 x 3 pixels, in the units of `source`. Several are a list or a stack.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of 3-D arrays.

    Returns
    -------
    float, or list of float for several results
        Mean over the inner pixels of the squared Laplacian (the four neighbours less four times
        the pixel) of the grey image, of `result` over that of `source`. GPNN's own results
        have 0.98 to 1.00; less is blur.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An image is too small, channels differ, or the Laplacian of `source` is 0 everywhere.

    Notes
    -----
    Grey is the mean over the channels. Cost and memory O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.sharpness_ratio(source, source / 2)
    0.25
    """
    check_one_source(source)

    def measure(image: Any, name: str) -> float:
        source_planes, result_planes = pair_of_planes(source, image, channel_axis, name=name)
        of_source = _squared_laplacian("source", source_planes)
        if of_source == 0:
            raise ValueError(
                "`source` must have a Laplacian other than 0 somewhere, got 0 everywhere to "
                "measure by"
            )
        return _squared_laplacian(name, result_planes) / of_source

    return for_each_result(measure, source, result, channel_axis)


def _squared_laplacian(name: str, planes: Array) -> float:
    """Mean over the pixels that have four neighbours."""
    if min(planes.shape[1:]) < 3:
        height, width = planes.shape[1:]
        raise ValueError(f"`{name}` must be at least 3 x 3 pixels, got {height} x {width}")
    values = grey(planes)
    sides = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float(arrays.namespace(values).mean((sides - 4 * values[1:-1, 1:-1]) ** 2))
