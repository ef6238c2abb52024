"""Image pyramids: their shapes, their depth, and the images in them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images import planes
from pnncupy.images.resize import resize_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, patch_sides

# Side of a level over that of the next finer one, or that along each axis.
Ratio = float | tuple[float, ...]

_SMALLEST_DOWNSCALE = 1.01
_SMALLEST_SHARE = 0.05
# Far above the rounding of a share in float64, and far below what can be seen: a share that should
# be a threshold is on the same side of it wherever the pixel is.
_MARGIN = 1e-9
_SHRINKING_STEP = 0.9
_GROWING_STEP = 1.2


@hint_at_names
def pyramid(
    image: Any,
    levels: int,
    downscale: float | Sequence[float] = 4 / 3,
    *,
    channel_axis: planes.ChannelAxis = "auto",
    periodic: bool | Sequence[bool] = False,
) -> list[Array]:
    """Successively smaller versions of an image, each resized from the one before.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of any real dtype, or a volume (Z, Y, X) or (Z, Y, X, C)
        Taken as it is: values are not scaled.
    levels : int
        Number of levels below full size.
    downscale : float or one per axis, default 4/3
        Factor between the sides of neighbouring levels, at least 1.01, or 1 along an axis that
        keeps its length. Level l has ``ceil(H / downscale**l)`` rows.
    channel_axis : int, None or "auto", default "auto"
        As in `nearest_patches`.
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
    sides = values.shape[1:]
    ratio = ratio_of(checked_downscale(downscale), len(sides))
    most = _levels_to_one_pixel(sides, ratio)
    if count > most:
        raise ValueError(
            f"`levels` must be at most {most}, where one pixel is left of "
            f"{planes.side_words(sides)}, got {count}"
        )
    wraps = validation.axes("periodic", periodic, values.ndim - 1)
    lower = planes_pyramid(values, count, ratio, wraps)[1:]
    return [image, *(planes.from_planes(level, image, channel_axis) for level in lower)]


def checked_downscale(downscale: Any) -> Ratio:
    """A finite factor well above 1: closer to it, the levels would be without number.

    Of one for each axis, some may be 1.
    """
    if validation.is_sequence(downscale):
        factors = [validation.positive("downscale", factor) for factor in downscale]
        if (
            not factors
            or any(factor != 1 and factor < _SMALLEST_DOWNSCALE for factor in factors)
            or all(factor == 1 for factor in factors)
        ):
            raise ValueError(
                f"`downscale` must be 1 or at least {_SMALLEST_DOWNSCALE} along each axis, and not "
                f"1 along all, got {validation.shortened(downscale)}"
            )
        return tuple(factors)
    factor = validation.positive("downscale", downscale)
    if factor < _SMALLEST_DOWNSCALE:
        raise ValueError(f"`downscale` must be at least {_SMALLEST_DOWNSCALE}, got {downscale!r}")
    return factor


def ratio_of(downscale: Ratio, axes: int) -> Ratio:
    """Reciprocal of a `downscale` for images with this number of axes."""
    if not isinstance(downscale, tuple):
        return 1 / downscale
    if len(downscale) != axes:
        raise ValueError(
            f"`downscale` must be one number, or one for each axis ({axes}), got {downscale}"
        )
    return tuple(1 / factor for factor in downscale)


def axis_ratios(ratio: Ratio, axes: int) -> tuple[float, ...]:
    """Ratio along each axis."""
    return ratio if isinstance(ratio, tuple) else (ratio,) * axes


def level_shape(shape: Sequence[int], level: int, ratio: Ratio) -> tuple[int, ...]:
    """Pixels of a level; the small term undoes rounding: 250 * .8**2 is 160, not 161."""
    return tuple(
        max(1, math.ceil(side * factor**level - 1e-9))
        for side, factor in zip(shape, axis_ratios(ratio, len(shape)), strict=True)
    )


def _levels_to_one_pixel(shape: Sequence[int], ratio: Ratio) -> int:
    level = 0
    shrinking = axis_ratios(ratio, len(shape))
    sides = [side for side, factor in zip(shape, shrinking, strict=True) if factor < 1]
    ratio = tuple(factor for factor in shrinking if factor < 1)
    while max(level_shape(sides, level, ratio)) > 1:
        level += 1
    return level


def planes_pyramid(
    values: Array, levels: int, ratio: Ratio, periodic: tuple[bool, ...] = ()
) -> list[Array]:
    """Levels 0 to `levels` of a planar float32 image; see `resize_planes` for `periodic`."""
    images = [values]
    scales = axis_ratios(ratio, values.ndim - 1)
    for level in range(1, levels + 1):
        shape = level_shape(values.shape[1:], level, ratio)
        images.append(resize_planes(images[-1], scales, shape, periodic))
    return images


def enlarge(
    values: Array, ratio: Ratio, shape: tuple[int, ...], periodic: tuple[bool, ...] = ()
) -> Array:
    """A planar image of one level in the shape of the next finer one."""
    return arrays.namespace(values).ascontiguousarray(
        resize_planes(values, _enlarging(ratio, len(shape)), shape, periodic)
    )


def _enlarging(ratio: Ratio, axes: int) -> tuple[float, ...]:
    """Scales from one level to the next finer one."""
    return tuple(1 / factor for factor in axis_ratios(ratio, axes))


def valid_shares(
    valid: Array, levels: int, ratio: Ratio, periodic: tuple[bool, ...] = ()
) -> list[Array]:
    """Share of the True pixels of a bool mask in each pixel of levels 0 to `levels`, 0 to 1.

    They are float64, so that what is decided by them, as by `more_than_half`, does not depend on
    rounding: a mirrored or transposed mask gives mirrored or transposed pixels.
    """
    shares = [arrays.namespace(valid).astype(valid, np.float64)]
    for level in range(1, levels + 1):
        scales, shape = axis_ratios(ratio, valid.ndim), level_shape(valid.shape, level, ratio)
        shares.append(_resize_share(shares[-1], scales, shape, periodic))
    return shares


def more_than_half(share: Array) -> Array:
    """Mask of float64 shares above one half; one of exactly a half is not."""
    return share > 0.5 + _MARGIN


def valid_pyramid(
    values: Array, shares: Sequence[Array], ratio: Ratio, periodic: tuple[bool, ...] = ()
) -> tuple[list[Array], list[Array]]:
    """Levels of a planar image of which only the valid pixels count, by their `valid_shares`.

    Returns the images, resized with weights that are normalised over valid pixels, so that
    nothing of the others leaks in, and the weights of their pixels: the shares in float32.
    """
    weights = [arrays.namespace(values).astype(shares[0], values.dtype)]
    images = [values * weights[0]]
    scales = axis_ratios(ratio, values.ndim - 1)
    for share in shares[1:]:
        image, weight = _resize_valid(images[-1], weights[-1], share > 0, scales, periodic)
        images.append(image)
        weights.append(weight)
    return images, weights


def enlarge_valid(
    values: Array,
    weight: Array,
    share: Array,
    ratio: Ratio,
    shape: tuple[int, ...],
    periodic: tuple[bool, ...] = (),
) -> tuple[Array, Array]:
    """`enlarge` for one level of a `valid_pyramid`; and where anything valid is near, bool."""
    scales = _enlarging(ratio, len(shape))
    enough = _resize_share(share, scales, shape, periodic) > 0
    return _resize_valid(values, weight, enough, scales, periodic)[0], enough


def _resize_share(
    share: Array, scales: tuple[float, ...], shape: tuple[int, ...], periodic: tuple[bool, ...]
) -> Array:
    """A share of valid pixels resized; 0 where it is small."""
    xp = arrays.namespace(share)
    resized = arrays.clipped(resize_planes(share[None], scales, shape, periodic)[0], 0.0, 1.0)
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
    resized = resize_planes(weight[None], scales, enough.shape, periodic)[0]
    resized = arrays.clipped(resized, 0.0, 1.0)
    one, zero = xp.asarray(1, dtype=xp.float32), xp.asarray(0, dtype=xp.float32)
    result = xp.where(enough, weighted / xp.where(enough, resized, one), zero)
    return xp.ascontiguousarray(result), xp.where(enough, resized, zero)


def fitting_levels(shapes: Sequence[Sequence[int]], patch_size: PatchSize, ratio: Ratio) -> int:
    """The largest number of levels at which every shape still holds a patch."""
    level = 0
    while all(holds_patch(level_shape(shape, level + 1, ratio), patch_size) for shape in shapes):
        level += 1
    return level


def holds_patch(shape: Sequence[int], patch_size: PatchSize) -> bool:
    """Test whether an image of a shape is at least one patch large."""
    sides = patch_sides(patch_size, len(shape))
    return all(side >= least for side, least in zip(shape, sides, strict=True))


def default_levels(
    shapes: Sequence[Sequence[int]], patch_size: PatchSize, ratio: Ratio, patches: float = 2.0
) -> int:
    """The depth at which the smallest side is `patches` patches long, where that fits.

    Sides that keep their length do not count.
    """
    axes = len(shapes[0])
    wanted = min(
        round(math.log(patches * side / min(pixels)) / math.log(factor))
        for pixels, side, factor in zip(
            zip(*shapes, strict=True), patch_sides(patch_size, axes), axis_ratios(ratio, axes),
            strict=True,
        )
        if factor < 1
    )  # fmt: skip
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
