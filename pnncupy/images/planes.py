"""The user's images and the planar float32 form that everything inside works on."""

from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array


def as_planes(name: str, image: Any, channel_axis: int = -1) -> Array:
    """An image as (C, H, W) in its own dtype: a view where possible.

    2-D arrays are one channel; 3-D arrays have their channels on `channel_axis`.
    """
    arrays.library(name, image)
    arrays.check_real(name, image)
    if image.ndim not in (2, 3):
        raise ValueError(
            f"`{name}` must be a 2-D array or a 3-D array with channels, got shape {image.shape}"
        )
    xp = arrays.namespace(image)
    if image.ndim == 2:
        result = image[None]
    else:
        result = xp.moveaxis(image, checked_channel_axis(channel_axis), 0)
    if 0 in image.shape:
        raise ValueError(f"`{name}` must not be empty, got shape {image.shape}")
    return arrays.native(result)


def checked_channel_axis(channel_axis: Any) -> int:
    """An axis of a 3-D array."""
    rule = "an axis of a 3-D array (-3 to 2)"
    axis = validation.integer("channel_axis", channel_axis, -3, rule)
    if axis > 2:
        raise ValueError(f"`channel_axis` must be {rule}, got {axis}")
    return axis


def image_shape(name: str, image: Any, channel_axis: int) -> tuple[int, ...]:
    """Height and width of an image."""
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
            f"`{name}` must have the height and width of {owner}, {tuple(shape)}, got {mask.shape}"
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


def check_fits_patch(name: str, image_planes: Array, patch_size: int) -> None:
    """Refuse an image that has no patch."""
    height, width = image_planes.shape[1:]
    if min(height, width) < patch_size:
        raise ValueError(
            f"`{name}` must be at least `patch_size` = {patch_size} pixels on either side, got "
            f"{height} x {width}; if its channels lie elsewhere, set `channel_axis`"
        )


def raw_planes(name: str, image: Any, channel_axis: int) -> Array:
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


def from_planes(result: Array, like: Array, channel_axis: int) -> Array:
    """(C, H, W) with the axes of the image `like`."""
    if like.ndim == 2:
        return result[0]
    xp = arrays.namespace(result)
    return xp.ascontiguousarray(xp.moveaxis(result, 0, channel_axis))
