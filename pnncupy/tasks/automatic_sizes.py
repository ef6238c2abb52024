"""Patch size chosen from the sources alone."""

import math
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.characteristic_scales import CharacteristicScales, characteristic_scales
from pnncupy.images.missing import checked_nodata, split_missing
from pnncupy.images.planes import ChannelAxis, as_planes, checked_channel_axis, checked_mask
from pnncupy.patch_shape import PatchSize, checked_patch_size

AUTO = "auto"
# The side for sharp images, the scale of their finest details, and the largest side.
_SHARP_PATCH, _SHARP_DETAIL = 7, 0.9
LARGEST_PATCH = 13


def chosen_patch_size(
    name: str,
    images: Any,
    patch_size: PatchSize | str,
    *,
    channel_axis: ChannelAxis,
    nodata: Any,
    categorical: bool | None,
    hole: Any = None,
) -> tuple[PatchSize, dict[str, Any]]:
    """The side of a patch, and what it was chosen by, for `Result.info`.

    `images` is one source or a list of them, `hole` the mask of an image that is inpainted, or
    "nodata": its pixels do not count.
    """
    if not is_auto("patch_size", patch_size):
        return checked_patch_size(patch_size), {}
    several = images if isinstance(images, (list, tuple)) else [images]
    if not several:
        raise ValueError(f"`{name}` must hold at least one image, got an empty list")
    missing = checked_nodata("nan" if isinstance(hole, str) and nodata is None else nodata)
    axis = checked_channel_axis(channel_axis)
    labels = bool(validation.optional_flag("categorical", categorical))
    known = [_known_planes(name, image, axis, missing, labels) for image in several]
    if hole is not None and not isinstance(hole, str):
        known = [(planes, _without(mask, hole, planes)) for planes, mask in known]
    # Of several sources the one that asks for the largest patch counts.
    scales = CharacteristicScales(
        *map(max, zip(*(characteristic_scales(*each) for each in known), strict=True))
    )
    size = _side(scales, min(min(planes.shape[1:]) for planes, _ in known))
    measured = {
        name: round(float(value), 4) if math.isfinite(value) else None
        for name, value in scales._asdict().items()
    }
    return size, {"patch_size_chosen_by": measured}


def is_auto(name: str, value: Any) -> bool:
    """Test whether a number is to be chosen from the sources; refuse other words."""
    if isinstance(value, str) and value != AUTO:
        raise ValueError(f'`{name}` must be an integer or "auto", got {value!r}')
    return isinstance(value, str)


def _side(scales: CharacteristicScales, smallest_side: int) -> int:
    """Odd side of a patch that holds as much detail as the default does in a sharp image."""
    wanted = _SHARP_PATCH * max(1.0, scales.detail / _SHARP_DETAIL)
    largest = max(2, min(LARGEST_PATCH, smallest_side))
    if wanted >= largest:
        return largest
    return min(largest, 2 * int(wanted // 2) + 1)


def _known_planes(
    name: str, image: Any, channel_axis: ChannelAxis, nodata: float | None, labels: bool
) -> tuple[Any, Array | None]:
    """The planes of an image, one for each label, and its known pixels."""
    plain, known = split_missing(name, image, nodata, channel_axis, categorical=labels)
    arrays.check_finite(name, plain, arrays.namespace(plain))
    planes = as_planes(name, plain, channel_axis)
    return (_one_hot(planes) if labels else planes), known


def _without(known: Array | None, hole: Any, planes: Array) -> Array:
    """Known pixels outside of a hole."""
    hole = checked_mask("mask", hole, planes.shape[1:], planes)
    return ~hole if known is None else known & ~hole


def _one_hot(planes: Array) -> Any:
    """A plane for each label."""
    values = arrays.on_host(planes)[0]
    return np.stack([values == label for label in np.unique(values)])
