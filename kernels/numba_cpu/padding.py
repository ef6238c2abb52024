"""Padding of key images, so that vectors may stick out of them."""

import numpy as np

from pnncupy.kernels.numba_cpu.simd import LANES
from pnncupy.kernels.protocol import Array


def left_padding(patch_columns: int) -> int:
    """Columns before the first key: a vector that sticks out, and sums not complete yet."""
    return LANES + patch_columns


def pad(values: Array, key_shape: tuple[int, ...], patch_columns: int, fill: float) -> Array:
    """`fill` around planes of at most the key's size: left, right and one row below."""
    _, rows, columns = key_shape
    left = left_padding(patch_columns)
    padded = np.full((len(values), rows + 1, left + columns + 3 * LANES), fill, values.dtype)
    padded[:, : values.shape[1], left : left + values.shape[2]] = values
    return padded
