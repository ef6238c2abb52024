"""Votes of patches of the slices of a volume, in array operations of NumPy or CuPy."""

from collections.abc import Sequence

import numpy as np

from pnncupy.kernels.protocol import Array


def add_slice_votes(
    value: Array,
    index: Array,
    patch_size: int,
    weight: Array,
    side: Sequence[float],
    total: Array,
    weights: Array,
    *,
    threads: int,
) -> None:
    """Add offset by offset in the patch; see `protocol.Engine.add_slice_votes`."""
    rows, columns = index.shape[1:]
    flat, width = value.reshape(len(value), -1), value.shape[2]
    factors = np.asarray(side, np.float32)
    for dy in range(patch_size):
        for dx in range(patch_size):
            factor = weight * (factors[dy] * factors[dx])
            inside = (slice(None), slice(dy, dy + rows), slice(dx, dx + columns))
            places = index + np.int32(dy * width + dx)
            for channel in range(len(value)):
                total[channel][inside] += factor * flat[channel][places]
            weights[inside] += factor
