"""Bicubic, antialiased resizing, gathered in a fixed order so that its bits are reproducible."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.axis_sums import AxisSum, Taps, sum_along
from pnncupy.images import planes
from pnncupy.parameter_hints import hint_at_names

# float64 sample positions that should be integers may miss them by this much.
_EPSILON = 1e-9
# A kernel is 4 / scale pixels wide.
_SMALLEST_SCALE = 1e-4


@hint_at_names
def resize(
    image: Any,
    scale: Any,
    shape: Any = None,
    *,
    channel_axis: planes.ChannelAxis = "auto",
    periodic: bool | Sequence[bool] = False,
) -> Array:
    """Resize an image by bicubic interpolation, antialiased where it shrinks.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of any real dtype, or a volume (Z, Y, X) or (Z, Y, X, C)
        Taken as it is: values are not scaled.
    scale : float or one per axis
        Factor of all sides, or of the height and the width (of volumes the depth first). It sets
        the spacing of the samples and the width of the kernel.
    shape : one int per axis, optional
        Height and width (of volumes the depth first) of the result in pixels; it sets how many
        samples are taken around the centre. Default: each side times its scale, rounded up.
    channel_axis : int, None or "auto", default "auto"
        As in `nearest_patches`.
    periodic : bool or one per axis, default False
        Axes along which the image wraps around. Samples are ``side / new side`` apart there,
        whatever the scale, so that the result wraps around too.

    Returns
    -------
    float32 array of the same library, the axes of `image`.

    Raises
    ------
    TypeError
        `image` is no array, or not of real numbers.
    ValueError
        A scale or side is not positive, or `image` is empty or not finite.

    Notes
    -----
    Keys' kernel with a = -1/2 (doi:10.1109/TASSP.1981.1163711), stretched by 1/scale when
    shrinking, weights normalised to a sum of 1; the image centre stays where it is and borders that
    are not periodic are mirrored with the edge pixel repeated. Cost O(4 pixels of the result and of
    the intermediate image), divided by the scale when shrinking.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> pnn.resize(np.ones((20, 30)), 0.5).shape
    (10, 15)
    """
    values = planes.raw_planes("image", image, channel_axis)
    axes = values.ndim - 1
    scales = _scales(scale, axes)
    wraps = validation.axes("periodic", periodic, axes)
    if shape is None:
        sides = tuple(
            max(1, math.ceil(side * factor - _EPSILON))
            for side, factor in zip(values.shape[1:], scales, strict=True)
        )
        if math.prod(sides) > validation.MOST_PIXELS:
            raise ValueError(
                f"`scale` must make at most {validation.MOST_PIXELS} pixels, got {scale!r}, which "
                f"makes {planes.side_words(sides)}"
            )
    else:
        sides = validation.shape("shape", shape, 1, axes)
    return planes.from_planes(resize_planes(values, scales, sides, wraps), image, channel_axis)


def _scales(scale: Any, axes: int) -> tuple[float, ...]:
    try:
        each = list(scale) if not isinstance(scale, str) and np.ndim(scale) else [scale] * axes
        fits = np.shape(each) == (axes,)
    except ValueError:  # lists of different lengths
        fits = False
    if not fits:
        raise ValueError(
            f"`scale` must be one number or one per axis ({axes}), got "
            f"{validation.shortened(scale)}"
        )
    factors = tuple(validation.positive("scale", factor) for factor in each)
    if min(factors) < _SMALLEST_SCALE:
        raise ValueError(f"`scale` must be at least {_SMALLEST_SCALE}, got {scale!r}")
    return factors


def resize_planes(
    values: Array,
    scales: tuple[float, ...],
    shape: tuple[int, ...],
    periodic: tuple[bool, ...] = (),
) -> Array:
    """Resize the trailing axes of a planar (C, ...) array one after the other, in its dtype.

    Along `periodic` axes (empty for none) the array wraps around, and the scale is that of the
    sides, so that the samples are as far apart at the seam as elsewhere.
    """
    wraps = periodic or (False,) * len(shape)
    sums, given = [], []
    for axis, (scale, size) in enumerate(zip(scales, shape, strict=True), start=1):
        side, wrapped = values.shape[axis], wraps[axis - 1]
        scale = size / side if wrapped else scale
        if scale != 1 or size != side:
            sums.append(AxisSum(axis, size, partial(_taps, side, size, scale, wrapped)))
            given.append((side, size, scale, wrapped))
    return sum_along(values, sums, tuple(given)) if sums else values


def _taps(size: int, new_size: int, scale: float, wraps: bool) -> Taps:
    """Input positions of each output sample, and their weights."""
    stretch = min(scale, 1.0)
    support = 4.0 / stretch
    centre = np.arange(new_size) / scale + (size - 1) / 2 - (new_size - 1) / (2 * scale)
    first = np.ceil(centre - support / 2 - _EPSILON)
    positions = first[None, :] + np.arange(math.ceil(support - _EPSILON))[:, None]
    weights = _cubic((centre - positions) * stretch)
    weights /= weights.sum(axis=0)
    if wraps:
        return Taps(np.mod(positions, size).astype(np.int64), weights)
    mirrored = np.mod(positions, 2 * size)
    mirrored = np.minimum(mirrored, 2 * size - 1 - mirrored)
    return Taps(mirrored.astype(np.int64), weights)


def _cubic(distance: Array) -> Array:
    """Keys' cubic convolution kernel with a = -1/2."""
    x = np.abs(distance)
    inner = (1.5 * x - 2.5) * x**2 + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))
