"""The user's images and the planar float32 form that everything inside works on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize, patch_sides, shape_for

# "auto", None where all axes are space, or an axis.
ChannelAxis = int | str | None
# Most channels that "auto" takes the last axis for.
MOST_CHANNELS = 4


def as_planes(name: str, image: Any, channel_axis: ChannelAxis = "auto") -> Array:
    """An image as (C, H, W), or a volume as (C, Z, Y, X), in its own dtype: a view where possible.

    2-D arrays are one channel; other arrays have their channels on `channel_axis`.
    """
    arrays.library(name, image)
    arrays.check_real(name, image)
    if image.ndim not in (2, 3, 4):
        raise ValueError(
            f"`{name}` must be a 2-D array or a 3-D array with channels, or a volume of 3 axes "
            f"with or without channels, got shape {image.shape}"
        )
    if 0 in image.shape:
        raise ValueError(f"`{name}` must not be empty, got shape {image.shape}")
    axis = channel_axis_of(name, image.shape, channel_axis)
    xp = arrays.namespace(image)
    return arrays.native(image[None] if axis is None else xp.moveaxis(image, axis, 0))


def checked_channel_axis(channel_axis: Any) -> ChannelAxis:
    """Return the words "auto", None, or an axis that an array with channels may have."""
    if channel_axis is None or (isinstance(channel_axis, str) and channel_axis == "auto"):
        return channel_axis
    rule = 'an axis of a 3-D array (-3 to 2) or of a 4-D one (-4 to 3), None or "auto"'
    axis = validation.integer("channel_axis", channel_axis, -4, rule)
    if axis > 3:
        raise ValueError(f"`channel_axis` must be {rule}, got {axis}")
    return axis


def channel_axis_of(name: str, shape: Sequence[int], channel_axis: ChannelAxis) -> int | None:
    """Return the axis of the channels of an array, from 0; None where all axes are space.

    "auto" takes a last axis of 1 to 4 behind two or three others for the channels.
    """
    axis, axes = checked_channel_axis(channel_axis), len(shape)
    if axes == 2:
        return None
    if axis == "auto":
        if shape[-1] <= MOST_CHANNELS:
            return axes - 1
        remedy = "`channel_axis=None` for a volume, all of whose axes are space, or "
        raise ValueError(
            f"`{name}` of shape {tuple(shape)} has an axis whose meaning is not clear; set "
            f"{remedy if axes == 3 else ''}`channel_axis=-1` for channels on the last axis"
        )
    if axis is None:
        if axes == 4:
            raise ValueError(
                f"`{name}` must have at most 3 axes of space, got shape {tuple(shape)}; set "
                "`channel_axis=-1` for a volume with channels on the last axis"
            )
        return None
    assert isinstance(axis, int)
    if not -axes <= axis < axes:
        raise ValueError(
            f"`channel_axis` must be an axis of `{name}` ({-axes} to {axes - 1}), got {axis}"
        )
    return axis % axes


def image_shape(name: str, image: Any, channel_axis: ChannelAxis) -> tuple[int, ...]:
    """Height and width of an image, or the pixels of a volume along its axes."""
    return tuple(as_planes(name, image, channel_axis).shape[1:])


def check_mask(name: str, mask: Array, shape: tuple[int, ...], owner: str) -> None:
    """Refuse a mask that is not bool or not of the height and width of what it belongs to."""
    if mask.dtype.kind != "b":
        half = {"uint8": "127", "float32": "0.5", "float64": "0.5"}.get(str(mask.dtype), "0")
        raise TypeError(
            f"`{name}` must be bool, got dtype {mask.dtype}; compare first, for example "
            f"`mask > {half}`"
        )
    if tuple(mask.shape) != tuple(shape):
        raise ValueError(
            f"`{name}` must have the {axes_of(shape)} of {owner}, {tuple(shape)}, got {mask.shape}"
        )


def checked_mask(name: str, mask: Any, shape: tuple[int, ...], image: Array) -> Array:
    """A bool mask of an image's height and width that is neither empty nor full."""
    xp = arrays.same_library(**{name: mask, "image": image})
    check_mask(name, mask, shape, "the image")
    if not bool(xp.any(mask)):
        raise ValueError(f"`{name}` must be True somewhere, got False everywhere: nothing to do")
    if bool(xp.all(mask)):
        raise ValueError(f"`{name}` must be False somewhere, got True everywhere: nothing is known")
    return mask


def axes_of(shape: Sequence[int]) -> str:
    """Names of the axes of an image or a volume."""
    return "height and width" if len(shape) == 2 else "depth, height and width"


def side_words(sides: Sequence[int]) -> str:
    """Sides as they are written in messages, such as 7 x 7."""
    return " x ".join(map(str, sides))


def check_fits_patch(name: str, image_planes: Array, patch_size: PatchSize) -> None:
    """Refuse an image that has no patch."""
    sides = tuple(image_planes.shape[1:])
    wanted = patch_sides(shape_for(patch_size, len(sides), f"`{name}`"), len(sides))
    if any(side < least for side, least in zip(sides, wanted, strict=True)):
        raise ValueError(
            f"`{name}` must be at least `patch_size` = {patch_size} pixels on "
            f"{'either' if len(sides) == 2 else 'every'} side, got {side_words(sides)}; if its "
            "channels lie elsewhere, set `channel_axis`"
        )


def raw_planes(name: str, image: Any, channel_axis: ChannelAxis) -> Array:
    """An image as finite (C, H, W) float32, its values taken as they are."""
    result = as_planes(name, image, channel_axis)
    xp = arrays.namespace(result)
    arrays.check_finite(name, image, xp)
    with np.errstate(over="ignore"):
        single = xp.astype(result, xp.float32)
    if not bool(xp.all(xp.isfinite(single))):
        raise ValueError(
            f"`{name}` has values beyond the range of float32, got up to "
            f"{float(xp.max(xp.abs(result))):.3g}; scale it first"
        )
    return xp.ascontiguousarray(single)


def from_planes(result: Array, like: Array, channel_axis: ChannelAxis) -> Array:
    """(C, H, W) with the axes of the image `like`."""
    axis = channel_axis_of("image", like.shape, channel_axis)
    if axis is None:
        return result[0]
    xp = arrays.namespace(result)
    return xp.ascontiguousarray(xp.moveaxis(result, 0, axis))
