"""Images, titles and index maps as figures take them, checked and on the host."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.planes import MOST_CHANNELS, ChannelAxis, as_planes
from pnncupy.images.result_images import check_one_source, check_order, is_list
from pnncupy.search.index_map import checked_index


def named_images(name: str, images: Any, titles: Any) -> tuple[list[Any], list[str]]:
    """Images and their titles, which a dict has as keys."""
    if isinstance(images, Mapping):
        if titles is not None:
            raise ValueError(
                f"`titles` must be None where `{name}` is a dict, whose keys are titles, got "
                f"{validation.shortened(titles)}"
            )
        titles, images = list(images), list(images.values())
    given = image_list(name, images)
    return given, _titles(titles, len(given))


def volume_planes(name: str, volume: Any, channel_axis: ChannelAxis) -> Array:
    """A checked volume as a (C, Z, Y, X) NumPy array."""
    if channel_axis is None and getattr(volume, "ndim", 0) == 4:
        channel_axis = -1 if volume.shape[-1] <= MOST_CHANNELS else None
    planes = host_planes(name, volume, channel_axis)
    if planes.ndim != 4:
        raise ValueError(f"`{name}` must be a volume, got an image of shape {tuple(volume.shape)}")
    return planes


def point_in_volumes(position: Any, first: Sequence[int], sides: Sequence[int]) -> list[int]:
    """Slice, row and column inside of these sides; by default the middle of the first volume."""
    if position is None:
        return [side // 2 for side in first]
    rule = "(slice, row, column), three integers of at least 0"
    if not validation.is_sequence(position) or len(position) != 3:
        raise ValueError(f"`position` must be {rule}, got {validation.shortened(position)}")
    point = [validation.integer("position", place, 0, rule) for place in position]
    if any(place >= side for place, side in zip(point, sides, strict=True)):
        raise ValueError(
            f"`position` must be inside of the volumes, of {tuple(sides)} voxels, got {point}"
        )
    return point


def image_list(name: str, images: Any) -> list[Any]:
    """Images that are given one by one; an array could be a single image."""
    alone = hasattr(images, "dtype") or isinstance(images, (str, bytes))
    if alone or not isinstance(images, Iterable):
        raise TypeError(
            f"`{name}` must be a list of arrays, got {type(images).__qualname__}; put a single "
            "image into a list"
        )
    found = list(images)
    if not found:
        raise ValueError(f"`{name}` must hold at least one image, got none")
    return found


def check_source(source: Any, result: Any, channel_axis: ChannelAxis) -> None:
    """Refuse several images, which can only be the results."""
    if source is not None:
        check_one_source(source)
        check_order(source, result, channel_axis)


def result_list(result: Any) -> list[Any]:
    """Images along the first axis of an array, or those of a list."""
    if not hasattr(result, "dtype"):
        return image_list("result", result)
    arrays.library("result", result)
    if result.ndim not in (3, 4, 5) or len(result) == 0:
        raise ValueError(
            "`result` must be a list of images or an array of shape (n, H, W) or (n, H, W, C), "
            f"or of volumes, got shape {result.shape}"
        )
    return [result[number] for number in range(len(result))]


def _titles(titles: Any, count: int) -> list[str]:
    """As many titles as images."""
    if titles is None:
        return [""] * count
    if isinstance(titles, (str, bytes)) or not isinstance(titles, Iterable):
        raise TypeError(f"`titles` must be a list of strings, got {titles!r}")
    found = [str(title) for title in titles]
    if len(found) != count:
        raise ValueError(f"`titles` must hold one for each of the {count} images, got {len(found)}")
    return found


def checked_opacity(opacity: Any) -> float:
    """A number from 0 to 1."""
    value = validation.non_negative("opacity", opacity)
    if value > 1:
        raise ValueError(f"`opacity` must be a number from 0 to 1, got {opacity!r}")
    return value


def host_planes(name: str, image: Any, channel_axis: ChannelAxis) -> Array:
    """A checked image as a (C, H, W) NumPy array."""
    arrays.library(name, image)
    on_host = arrays.on_host(image)
    planes = as_planes(name, on_host, channel_axis)
    arrays.check_finite(name, on_host, np)
    return planes


def check_index_map(source: Any, index: Any) -> None:
    """Refuse what can only be a source: a list, or an array of other than index numbers."""
    order = "the order is (source, index, result)"
    if is_list(index):
        raise TypeError(f"`index` must be an array of integers, got a list; {order}")
    arrays.library("index", index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"`index` must hold integers, got dtype {index.dtype}; {order}")
    of_source = getattr(source, "dtype", None)
    if index.dtype == np.uint8 and of_source in (np.int32, np.int64):
        raise TypeError(f"`index` must hold positions, got 8-bit colours; {order}")
    if index.ndim < 3 or index.shape[-1] not in (2, 3):
        raise ValueError(
            "`index` must have shape (rows, columns, 3), or (rows, columns, 2) for one source, got "
            f"{tuple(index.shape)}; {order}"
        )


def host_index(index: Any, shapes: Sequence[tuple[int, int]]) -> Array:
    """An index map that is inside of its sources, as a NumPy array."""
    arrays.library("index", index)
    numbers = arrays.on_host(index)
    without_source = numbers.ndim == 3 and numbers.shape[2] == 2 and len(shapes) == 1
    parts = checked_index("index", numbers, shapes, not without_source, 1)
    return np.stack(parts, axis=-1)


def check_same_size(image: Array, index: Array) -> None:
    """Refuse a result of another height and width than its index map."""
    if image.shape[:2] != index.shape[:2]:
        raise ValueError(
            f"`result` must have the height and width of `index`, {index.shape[:2]}, got "
            f"{image.shape[:2]}"
        )
