"""Contact sheets: a source and its samples in one small 8-bit picture."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy.previews import preview

_GAP = 4
_ASPECT = 16 / 9
_WHITE = 255


def contact_sheet(
    pictures: Sequence[Any], data_range: tuple[float, float], columns: int | None = None
) -> Any:
    """Arrange pictures in a grid, row by row, with white gaps.

    Parameters
    ----------
    pictures : sequence of (H, W) or (H, W, C) NumPy arrays
        Sizes may differ; shown as `previews.preview` does.
    data_range : (float, float)
        The values that become black and white.
    columns : int, optional
        Pictures in a row; default: as many as make the sheet about as wide as a screen.

    Returns
    -------
    (h, w, 3) uint8 array.
    """
    tiles = [preview(picture, data_range) for picture in pictures]
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
