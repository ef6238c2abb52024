"""Vote of engine `numba`, parallel over rows of pixels."""

from collections.abc import Sequence

import numpy as np

from pnncupy.kernels.compiling import compiled
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.tiling import run_all


@compiled
def _vote_mean(value, index, index_stride, weight, out, first_row, last_row):
    """Weighted mean of the patches that cover each pixel; one row of pixels at a time."""
    patch_size = weight.shape[0]
    rows, columns = index.shape
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            total = np.float32(0)
            for channel in range(out.shape[0]):
                out[channel, y, x] = 0
            for dy in range(max(0, y - rows + 1), min(patch_size, y + 1)):
                for dx in range(max(0, x - columns + 1), min(patch_size, x + 1)):
                    here = index[y - dy, x - dx]
                    row, column = here // index_stride + dy, here % index_stride + dx
                    total += weight[dy, dx]
                    for channel in range(out.shape[0]):
                        out[channel, y, x] += weight[dy, dx] * value[channel, row, column]
            for channel in range(out.shape[0]):
                out[channel, y, x] /= total


@compiled
def _vote_median(value, index, index_stride, patch_size, out, first_row, last_row):
    """Lower median of the patches that cover each pixel, per channel."""
    rows, columns = index.shape
    covering = np.empty(patch_size * patch_size, np.float32)
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            for channel in range(out.shape[0]):
                count = 0
                for dy in range(max(0, y - rows + 1), min(patch_size, y + 1)):
                    for dx in range(max(0, x - columns + 1), min(patch_size, x + 1)):
                        here = index[y - dy, x - dx]
                        row, column = here // index_stride + dy, here % index_stride + dx
                        # Insertion sort: at most p * p values, mostly nearly equal.
                        new = value[channel, row, column]
                        place = count
                        while place > 0 and covering[place - 1] > new:
                            covering[place] = covering[place - 1]
                            place -= 1
                        covering[place] = new
                        count += 1
                out[channel, y, x] = covering[(count - 1) // 2]


def vote(
    value: Array,
    index: Array,
    index_stride: int,
    patch_size: int,
    weight: Sequence[float] | None,
    out: Array,
    *,
    threads: int,
) -> None:
    """Vote row by row of the output; see `protocol.Engine.vote`."""
    height = out.shape[1]
    count = min(height, 4 * threads)
    bands = [(height * k // count, height * (k + 1) // count) for k in range(count)]
    if weight is None:
        run_all(
            lambda band: _vote_median(value, index, index_stride, patch_size, out, *band),
            bands, threads,
        )  # fmt: skip
        return
    side = np.asarray(weight, np.float32)
    table = side[:, None] * side[None, :]
    run_all(lambda band: _vote_mean(value, index, index_stride, table, out, *band), bands, threads)
