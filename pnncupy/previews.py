"""Pictures of any dtype and any number of channels as something that a screen shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def preview(picture: Any, data_range: tuple[float, float]) -> Any:
    """A picture as 8-bit RGB.

    Parameters
    ----------
    picture : (H, W) or (H, W, C) NumPy array
        Of more than four channels the first three are shown as RGB; of two, the first; a fourth
        channel is opacity over white. What is NaN is white.
    data_range : (float, float)
        The values that become black and white.

    Returns
    -------
    (H, W, 3) uint8 array.
    """
    low, high = data_range
    values = (np.atleast_3d(picture).astype(np.float64) - low) / (high - low)
    if values.shape[2] == 4:
        opacity = values[..., 3:]
        values = values[..., :3] * opacity + (1 - opacity)
    colours = values[..., :3] if values.shape[2] >= 3 else values[..., [0, 0, 0]]
    colours = np.where(np.isnan(colours), 1, colours)
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


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
