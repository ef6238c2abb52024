"""HTML of a result, for notebooks: its images, its index map, and a caption."""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.display import contact_sheet, index_colours, middle_slices
from pnncupy.images.intensity_encoding import value_range

# Images of a sheet, and the longest side of a single image and of one of a sheet, in pixels.
_MOST_IMAGES = 12
_SINGLE_SIDE, _SHEET_SIDE = 512, 192
# Small images are enlarged by a whole number, up to about this width.
_COMFORTABLE_WIDTH = 240
# Width of the index map beside the image.
_THUMB_WIDTH = 160


class _Views(NamedTuple):
    """Results of a call, each as planes.

    Attributes
    ----------
    images : sequence of (C, H, W) or (C, Z, Y, X) NumPy arrays
    maps : sequence of (H, W, 3) or (Z, Y, X, 4) NumPy arrays
        Their index maps, if there are any.
    sides : tuple of int
        Size of each without its channels.
    """

    images: Sequence[Array]
    maps: Sequence[Array]
    sides: tuple[int, ...]


def result_html(image: Any, index: Any, info: Any) -> str | None:
    """HTML with the images of a result; None where nothing can be shown.

    Parameters
    ----------
    image, index, info
        As in `Result`, which anyone may fill with anything.
    """
    views = _views(image, index, info)
    if views is None:
        return None
    shown = views.images[:_MOST_IMAGES]
    shown_range = _shown_range(shown, info)
    if shown_range is None:
        return None
    side = _SINGLE_SIDE if len(shown) == 1 else _SHEET_SIDE
    sheet = contact_sheet([_flat(planes, side) for planes in shown], shown_range)
    text = _caption(views, image.dtype, info)
    elements = [_element(sheet, text, max(1, _COMFORTABLE_WIDTH // sheet.shape[1]))]
    if views.maps:
        colours = [_index_image(each, side) for each in views.maps[:_MOST_IMAGES]]
        thumb = contact_sheet(colours, (0, 255))
        words = "index map: hue by the position in the source"
        elements.append(_element(thumb, words, _THUMB_WIDTH / thumb.shape[1]))
    return (
        '<figure style="margin:0"><div style="display:flex;gap:8px;align-items:flex-start">'
        f"{''.join(elements)}</div><figcaption>{html.escape(text)}</figcaption></figure>"
    )


def _views(image: Any, index: Any, info: Any) -> _Views | None:
    """The images of a result; None of something that no task returns."""
    try:
        pixels = arrays.on_host(image)
        maps = None if index is None else arrays.on_host(index)
    except TypeError:
        return None
    if pixels.dtype.kind not in "biuf" or not pixels.size:
        return None
    facts = info if isinstance(info, Mapping) else {}
    sides = _sides(maps, facts)
    if sides is None:
        return None
    axes = len(sides)
    samples = facts.get("samples")
    several = pixels.ndim == axes + 2 or (isinstance(samples, list) and len(samples) > 1)
    stacked = several if maps is None else maps.ndim == axes + 2
    images = [_planes(each, sides) for each in (pixels if stacked else [pixels])]
    if any(planes is None for planes in images):
        return None
    each_map = [] if maps is None else list(maps) if stacked else [maps]
    return _Views(images, each_map, sides)


def _sides(maps: Array | None, facts: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Size of one image without its channels: two sides, or three of a volume."""
    if maps is not None:
        if maps.dtype.kind not in "iu" or maps.ndim < 3 or not maps.size:
            return None
        axes = maps.shape[-1] - 1
        sides = maps.shape[-1 - axes : -1]
    else:
        sides = facts.get("shape")
        if not isinstance(sides, (list, tuple)) or not all(type(side) is int for side in sides):
            return None
    return tuple(sides) if len(sides) in (2, 3) else None


def _planes(image: Array, sides: tuple[int, ...]) -> Array | None:
    """(C, ...) of an image in the caller's form; None if it has another size."""
    if image.shape == sides:
        return image[None]
    for axis in reversed(range(image.ndim)):
        if image.shape[:axis] + image.shape[axis + 1 :] == sides:
            return np.moveaxis(image, axis, 0)
    return None


def _flat(planes: Array, most: int) -> Array:
    """(H, W, C) of an image, or of three slices of a volume, with sides of at most about `most`."""
    flat = middle_slices(planes) if planes.ndim == 4 else planes
    every = math.ceil(max(flat.shape[1:]) / most)
    if every > 1:
        height, width = (max(1, side // every) for side in flat.shape[1:])
        down, across = (min(every, side) for side in flat.shape[1:])
        blocks = flat[:, : height * down, : width * across].reshape(
            len(flat), height, down, width, across
        )
        flat = blocks.mean(axis=(2, 4), dtype=np.float64)
    return np.moveaxis(flat, 0, -1)


def _index_image(index: Array, most: int) -> Array:
    """Colours of an index map, of volumes of three slices, with sides of at most about `most`."""
    index = index.clip(0).astype(np.int64)
    numbers, source = np.unique(index[..., 0], return_inverse=True)
    index[..., 0] = source.reshape(index.shape[:-1])
    ends = [index[index[..., 0] == number][:, -2:].max(axis=0) for number in range(len(numbers))]
    gaps: Any = False
    if index.ndim == 4:
        flat = middle_slices(np.moveaxis(index, -1, 0)[[0, 2, 3]])
        gaps = np.isnan(flat[0])
        index = np.moveaxis(np.nan_to_num(flat), 0, -1).astype(np.int64)
    colours = index_colours(index, [(int(row) + 1, int(column) + 1) for row, column in ends])
    colours = np.where(np.expand_dims(gaps, -1), np.uint8(255), colours)
    every = math.ceil(max(colours.shape[:2]) / most)
    return colours[::every, ::every]


def _shown_range(images: Sequence[Array], info: Any) -> tuple[float, float] | None:
    """Values shown black and white: those of the call, or of the dtype, or of the images.

    None where the values span more than float64 holds.
    """
    finite = [values for each in images if (values := each[np.isfinite(each)]).size]
    given = info.get("data_range", ()) if isinstance(info, Mapping) else ()
    if isinstance(given, (list, tuple)) and len(given) == 2:
        low, high = given
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low < high:
            return low, high
    if not finite:
        return 0.0, 1.0
    if given is None:  # labels
        finite = [values.astype(np.float64) for values in finite]
    try:
        return value_range(finite, None)
    except ValueError:
        return None


def _caption(views: _Views, dtype: Any, info: Any) -> str:
    """The task, the number and the size of its results, in words."""
    count, channels = len(views.images), len(views.images[0])
    what = "volume" if len(views.sides) == 3 else "image"
    size = " × ".join(map(str, views.sides))
    words = f"{what} of {size}" if count == 1 else f"{count} {what}s of {size}"
    facts = [words + (f", {channels} channels" if channels > 1 else ""), str(dtype)]
    if count > _MOST_IMAGES:
        facts.append(f"the first {_MOST_IMAGES} shown")
    if isinstance(info, Mapping):
        if isinstance(info.get("seed"), (int, str)):
            facts.append(f"seed {info['seed']}")
        if isinstance(info.get("task"), str):
            facts[0] = f"{info['task']}: {facts[0]}"
    return ", ".join(facts)


def _element(pixels: Array, text: str, zoom: float) -> str:
    """An image element that holds its pixels."""
    import imagecodecs

    height, width = pixels.shape[:2]
    data = base64.b64encode(imagecodecs.png_encode(np.ascontiguousarray(pixels))).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(text)}" '
        f'width="{round(width * zoom)}" height="{round(height * zoom)}" '
        'style="image-rendering:pixelated">'
    )
