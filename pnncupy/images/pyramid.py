"""Image pyramids: their shapes, their depth, and the images in them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images import planes
from pnncupy.images.resize import resize_planes

_SMALLEST_DOWNSCALE = 1.01
_SMALLEST_SHARE = 0.05
# Far above the rounding of a share in float64, and far below what can be seen: a share that should
# be a threshold is on the same side of it wherever the pixel is.
_MARGIN = 1e-9
_SHRINKING_STEP = 0.9
_GROWING_STEP = 1.2


def pyramid(
    image: Any,
    levels: int,
    downscale: float = 4 / 3,
    *,
    channel_axis: int = -1,
    periodic: bool | Sequence[bool] = False,
) -> list[Array]:
    """Successively smaller versions of an image, each resized from the one before.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of any real dtype
        Taken as it is: values are not scaled.
    levels : int
        Number of levels below full size.
    downscale : float, default 4/3
        Factor between the sides of neighbouring levels, at least 1.01. Level l has
        ``ceil(H / downscale**l)`` rows.
    channel_axis : int, default -1
        Axis of the channels of a 3-D `image`.
    periodic : bool or one per axis, default False
        Axes along which the image, and so each level, wraps around; as in `resize`.

    Returns
    -------
    list of ``levels + 1`` arrays
        ``[x_0, x_1, ...]``; ``x_0`` is `image` itself, the others are float32.

    Raises
    ------
    TypeError
        `image` is no array, or not of real numbers.
    ValueError
        `levels` is negative or more than leave one pixel, `downscale` below 1.01, or `image` empty
        or not finite.
    """
    values = planes.raw_planes("image", image, channel_axis)
    count = validation.integer("levels", levels, 0)
    ratio = 1 / checked_downscale(downscale)
    most = _levels_to_one_pixel(values.shape[1:], ratio)
    if count > most:
        raise ValueError(
            f"`levels` must be at most {most}, where one pixel is left of {values.shape[1]} x "
            f"{values.shape[2]}, got {count}"
        )
    wraps = validation.axes("periodic", periodic, values.ndim - 1)
    lower = planes_pyramid(values, count, ratio, wraps)[1:]
    return [image, *(planes.from_planes(level, image, channel_axis) for level in lower)]


def checked_downscale(downscale: Any) -> float:
    """A finite factor well above 1: closer to it, the levels would be without number."""
    factor = validation.positive("downscale", downscale)
    if factor < _SMALLEST_DOWNSCALE:
        raise ValueError(f"`downscale` must be at least {_SMALLEST_DOWNSCALE}, got {downscale!r}")
    return factor


def level_shape(shape: Sequence[int], level: int, ratio: float) -> tuple[int, ...]:
    """Pixels of a level; the small term undoes rounding: 250 * .8**2 is 160, not 161."""
    return tuple(max(1, math.ceil(side * ratio**level - 1e-9)) for side in shape)


def _levels_to_one_pixel(shape: Sequence[int], ratio: float) -> int:
    level = 0
    while max(level_shape(shape, level, ratio)) > 1:
        level += 1
    return level


def planes_pyramid(
    values: Array, levels: int, ratio: float, periodic: tuple[bool, ...] = ()
) -> list[Array]:
    """Levels 0 to `levels` of a planar float32 image; see `resize_planes` for `periodic`."""
    images = [values]
    scales = (ratio,) * (values.ndim - 1)
    for level in range(1, levels + 1):
        shape = level_shape(values.shape[1:], level, ratio)
        images.append(resize_planes(images[-1], scales, shape, periodic))
    return images


def enlarge(
    values: Array, ratio: float, shape: tuple[int, ...], periodic: tuple[bool, ...] = ()
) -> Array:
    """A planar image of one level in the shape of the next finer one."""
    return arrays.namespace(values).ascontiguousarray(
        resize_planes(values, (1 / ratio,) * len(shape), shape, periodic)
    )


def valid_shares(
    valid: Array, levels: int, ratio: float, periodic: tuple[bool, ...] = ()
) -> list[Array]:
    """Share of the True pixels of a bool mask in each pixel of levels 0 to `levels`, 0 to 1.

    They are float64, so that what is decided by them, as by `more_than_half`, does not depend on
    rounding: a mirrored or transposed mask gives mirrored or transposed pixels.
    """
    shares = [arrays.namespace(valid).astype(valid, np.float64)]
    for level in range(1, levels + 1):
        scales, shape = (ratio,) * valid.ndim, level_shape(valid.shape, level, ratio)
        shares.append(_resize_share(shares[-1], scales, shape, periodic))
    return shares


def more_than_half(share: Array) -> Array:
    """Mask of float64 shares above one half; one of exactly a half is not."""
    return share > 0.5 + _MARGIN


def valid_pyramid(
    values: Array, shares: Sequence[Array], ratio: float, periodic: tuple[bool, ...] = ()
) -> tuple[list[Array], list[Array]]:
    """Levels of a planar image of which only the valid pixels count, by their `valid_shares`.

    Returns the images, resized with weights that are normalised over valid pixels, so that
    nothing of the others leaks in, and the weights of their pixels: the shares in float32.
    """
    weights = [arrays.namespace(values).astype(shares[0], values.dtype)]
    images = [values * weights[0]]
    scales = (ratio,) * (values.ndim - 1)
    for share in shares[1:]:
        image, weight = _resize_valid(images[-1], weights[-1], share > 0, scales, periodic)
        images.append(image)
        weights.append(weight)
    return images, weights


def enlarge_valid(
    values: Array,
    weight: Array,
    share: Array,
    ratio: float,
    shape: tuple[int, ...],
    periodic: tuple[bool, ...] = (),
) -> tuple[Array, Array]:
    """`enlarge` for one level of a `valid_pyramid`; and where anything valid is near, bool."""
    scales = (1 / ratio,) * len(shape)
    enough = _resize_share(share, scales, shape, periodic) > 0
    return _resize_valid(values, weight, enough, scales, periodic)[0], enough


def _resize_share(
    share: Array, scales: tuple[float, ...], shape: tuple[int, ...], periodic: tuple[bool, ...]
) -> Array:
    """A share of valid pixels resized; 0 where it is small."""
    xp = arrays.namespace(share)
    resized = xp.clip(resize_planes(share[None], scales, shape, periodic)[0], 0.0, 1.0)
    # The kernel's negative lobes make small shares meaningless.
    return xp.where(resized > _SMALLEST_SHARE + _MARGIN, resized, xp.zeros_like(resized))


def _resize_valid(
    values: Array,
    weight: Array,
    enough: Array,
    scales: tuple[float, ...],
    periodic: tuple[bool, ...],
) -> tuple[Array, Array]:
    """An image and its pixels' weights, resized to the shape of a mask and 0 where it is False."""
    xp = arrays.namespace(values)
    weighted = resize_planes(values * weight, scales, enough.shape, periodic)
    resized = xp.clip(resize_planes(weight[None], scales, enough.shape, periodic)[0], 0.0, 1.0)
    one, zero = xp.asarray(1, dtype=xp.float32), xp.asarray(0, dtype=xp.float32)
    result = xp.where(enough, weighted / xp.where(enough, resized, one), zero)
    return xp.ascontiguousarray(result), xp.where(enough, resized, zero)


def fitting_levels(shapes: Sequence[Sequence[int]], patch_size: int, ratio: float) -> int:
    """The largest number of levels at which every shape still holds a patch."""
    level = 0
    while all(min(level_shape(shape, level + 1, ratio)) >= patch_size for shape in shapes):
        level += 1
    return level


def default_levels(
    shapes: Sequence[Sequence[int]], patch_size: int, ratio: float, patches: float = 2.0
) -> int:
    """The depth at which the smallest side is `patches` patches long, where that fits."""
    smallest = min(min(shape) for shape in shapes)
    wanted = round(math.log(patches * patch_size / smallest) / math.log(ratio))
    return max(0, min(wanted, fitting_levels(shapes, patch_size, ratio)))


def step_shapes(
    start: Sequence[int],
    stop: Sequence[int],
    shrinking: float = _SHRINKING_STEP,
    growing: float = _GROWING_STEP,
) -> list[tuple[int, ...]]:
    """Shapes from `start` (not included) to `stop`; no step changes a side by more than a factor.

    `shrinking` and `growing` are these factors.
    """
    count = 1
    for old, new in zip(start, stop, strict=True):
        step = shrinking if new < old else growing
        count = max(count, math.ceil(math.log(new / old) / math.log(step) - 1e-9))
    return [
        tuple(
            round(old * (new / old) ** (number / count))
            for old, new in zip(start, stop, strict=True)
        )
        for number in range(1, count + 1)
    ]
