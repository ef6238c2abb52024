"""Votes of patches of the slices of a volume, parallel over slices and rows."""

from collections.abc import Sequence

import numpy as np

from pnncupy.kernels.numba_cpu.compile import compiled
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.tiling import run_all

_BANDS_PER_THREAD = 4


@compiled
def _add_votes(
    value: Array, value_width: int, index: Array, weight: Array, table: Array, patch_size: int,
    total: Array, weights: Array, first: int, end: int,
) -> None:  # fmt: skip
    """Add the votes of the slices [first, end), patch by patch as they cover a pixel.

    `value` is (C, pixels), `table` the weights of the offsets in a patch, row by row.
    """
    rows, columns = index.shape[1:]
    channels, _, height, width = total.shape
    for number in range(first, end):
        for y in range(height):
            for x in range(width):
                weight_sum = weights[number, y, x]
                for dy in range(max(0, y - rows + 1), min(patch_size, y + 1)):
                    for dx in range(max(0, x - columns + 1), min(patch_size, x + 1)):
                        factor = weight[number, y - dy, x - dx] * table[dy * patch_size + dx]
                        place = index[number, y - dy, x - dx] + dy * value_width + dx
                        for channel in range(channels):
                            total[channel, number, y, x] += factor * value[channel, place]
                        weight_sum += factor
                weights[number, y, x] = weight_sum


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
    """Add pixel by pixel; see `protocol.Engine.add_slice_votes`."""
    factors = np.asarray(side, np.float32)
    table = (factors[:, None] * factors[None, :]).ravel()
    planes, width = value.reshape(len(value), -1), value.shape[2]
    slices = len(index)
    count = min(slices, _BANDS_PER_THREAD * threads)
    bands = [(slices * k // count, slices * (k + 1) // count) for k in range(count)]
    run_all(
        lambda band: _add_votes(
            planes, width, index, weight, table, patch_size, total, weights, *band
        ),
        bands, threads,
    )  # fmt: skip
