"""8-bit RGB views of images and index maps, and contact sheets of several."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# White pixels between images.
_GAP = 4


def preview(image: Any, data_range: tuple[float, float]) -> Any:
    """An image as 8-bit RGB.

    Parameters
    ----------
    image : (H, W) or (H, W, C) NumPy array
        Of more than four channels the first three are shown as RGB; of two, the first; a fourth
        channel is opacity over white. What is NaN is white.
    data_range : (float, float)
        The values that become black and white.

    Returns
    -------
    (H, W, 3) uint8 array.
    """
    low, high = data_range
    values = (np.atleast_3d(image).astype(np.float64) - low) / (high - low)
    if values.shape[2] == 4:
        opacity = values[..., 3:]
        values = values[..., :3] * opacity + (1 - opacity)
    colours = values[..., :3] if values.shape[2] >= 3 else values[..., [0, 0, 0]]
    colours = np.where(np.isnan(colours), 1, colours)
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


def middle_slices(planes: Any) -> Any:
    """Arrange the three middle slices of a volume as one image, with gaps of NaN.

    Parameters
    ----------
    planes : (C, Z, Y, X) NumPy array

    Returns
    -------
    (C, Y + Z + gap, X + Z + gap) float64 array
        The slice of rows and columns at the top left, beside it that of rows and slices, below it
        that of slices and columns.
    """
    return slices_at(planes, [side // 2 for side in planes.shape[1:]])


def slices_at(planes: Any, point: Sequence[int]) -> Any:
    """Arrange the three slices of a volume through a point as `middle_slices` does.

    Of a coordinate that is beyond the volume the last slice is taken.
    """
    channels, depth, height, width = planes.shape
    z, y, x = (min(place, side - 1) for place, side in zip(point, planes.shape[1:], strict=True))
    shown = np.full((channels, height + _GAP + depth, width + _GAP + depth), np.nan)
    shown[:, :height, :width] = planes[:, z]
    shown[:, :height, width + _GAP :] = np.swapaxes(planes[:, :, :, x], 1, 2)
    shown[:, height + _GAP :, :width] = planes[:, :, y]
    return shown


def index_colours(index: Any, shapes: Sequence[tuple[int, int]]) -> Any:
    """An index map as colours: equal hues are near each other in a source.

    Parameters
    ----------
    index : (H, W, 3) or (H, W, 2) integer NumPy array
        (source, row, column) of each pixel, as tasks return it, or (row, column).
    shapes : sequence of (int, int)
        Height and width of each source.

    Returns
    -------
    (H, W, 3) uint8 array
        Red rises with the column, green with the row; blue tells sources apart. A region that was
        copied in one piece is a smooth gradient, and a seam is an edge.
    """
    source = index[..., 0] if index.shape[2] == 3 else np.zeros(index.shape[:2], np.int64)
    longest = np.maximum(np.asarray(shapes)[source] - 1, 1)
    row, column = index[..., -2] / longest[..., 0], index[..., -1] / longest[..., 1]
    blue = 1 - source / max(1, len(shapes) - 1) if len(shapes) > 1 else 1 - (row + column) / 2
    return np.rint(np.stack([column, row, blue], axis=-1) * 255).astype(np.uint8)


_ASPECT = 16 / 9
_WHITE = 255


def contact_sheet(
    images: Sequence[Any], data_range: tuple[float, float], columns: int | None = None
) -> Any:
    """Arrange images in a grid, row by row, with white gaps.

    Parameters
    ----------
    images : sequence of (H, W) or (H, W, C) NumPy arrays
        Sizes may differ; shown as `preview` does.
    data_range : (float, float)
        The values that become black and white.
    columns : int, optional
        Images in a row; default: as many as make the sheet about as wide as a screen.

    Returns
    -------
    (h, w, 3) uint8 array.
    """
    tiles = [preview(image, data_range) for image in images]
    if columns is None:
        height = max(tile.shape[0] for tile in tiles)
        width = max(tile.shape[1] for tile in tiles)
        columns = max(1, round(math.sqrt(len(tiles) * height / width * _ASPECT)))
    columns = min(columns, len(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    widths = [max(tile.shape[1] for tile in tiles[column::columns]) for column in range(columns)]
    heights = [max(tile.shape[0] for tile in row) for row in rows]
    lefts, tops = (
        [_GAP + sum(sizes[:k]) + k * _GAP for k in range(len(sizes) + 1)]
        for sizes in (widths, heights)
    )
    sheet = np.full((tops[-1], lefts[-1], 3), _WHITE, np.uint8)
    for row, top in zip(rows, tops, strict=False):
        for tile, left in zip(row, lefts, strict=False):
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
