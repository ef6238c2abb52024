"""Search of separate query patches, for engine `numba`: when few of a tile are left to search.

Nothing is shared between neighbours here, so keys are sorted out by a bound first. By the
inequality of Cauchy and Schwarz the sum of squared differences of two patches is at least, channel
by channel, the squared difference of their pixel sums over the root of their pixel count. Where
that is not below the worst key listed, the key need not be looked at.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from pnncupy.kernels.numba_cpu.candidate_list import aligned, insert_lanes
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.padding import left_padding
from pnncupy.kernels.numba_cpu.simd import (
    LANES,
    any_less,
    broadcast,
    load,
    squared_difference,
    store,
    sum_of_stored,
)  # fmt: skip
from pnncupy.kernels.protocol import Array

# Share by which the bound is widened, so that rounding of the patch sums can be paid for.
_WIDENING = 1e-3


@compiled
def patch_sums(
    image: Array, patch_rows: int, patch_columns: int, root: float, out: Array,
) -> None:  # fmt: skip
    """Sum of each patch's pixels over the root of their count, channel by channel.

    `out` is (C, rows, columns) float32.
    """
    rows, columns = out.shape[1:]
    line = np.empty(image.shape[2], np.float64)
    for channel in range(image.shape[0]):
        for row in range(rows):
            line[:] = 0
            for dy in range(patch_rows):
                for x in range(image.shape[2]):
                    line[x] += image[channel, row + dy, x]
            for column in range(columns):
                total = 0.0
                for dx in range(patch_columns):
                    total += line[column + dx]
                out[channel, row, column] = total / root


def bound_slack(query_sums: Array, key_sums: Array, weight: Array | None) -> float:
    """Bound of what the rounding of patch sums adds to the left side of the inequality."""
    finite = key_sums[np.isfinite(key_sums)]
    largest = max(float(np.abs(query_sums).max()), float(np.abs(finite).max(initial=0)))
    # Each of two sums is rounded, their difference once more.
    error = 4 * float(np.finfo(np.float32).eps) * largest
    heaviest = 1.0 if weight is None else float(weight.max())
    return float((1 + 1 / _WIDENING) * len(key_sums) * error * error * heaviest)


@inlined
def _copy_patch(
    query: Array, row: int, column: int, patch_rows: int, patch_columns: int, patch: Array,
) -> None:  # fmt: skip
    """Pixels of a query patch, column by column, with interleaved channels."""
    at = 0
    for x in range(patch_columns):
        for y in range(patch_rows):
            for channel in range(query.shape[0]):
                patch[at] = query[channel, row + y, column + x]
                at += 1


@cache
def sparse_kernel(
    patch_rows: int, patch_columns: int, channels: int, weighted: bool
) -> Callable[..., None]:
    """Search kernel for separate query patches; compiled at its first call.

    `places` are numbers ``row * columns + column`` of query patches; the keys of rows
    [first_row, end_row) are compared. Lanes are consecutive keys of a row. `key`, `key_sums` and
    `weight` are flat and padded by `pad`. `slack` is that of `bound_slack`.
    """
    left_pad = left_padding(patch_columns)
    area = patch_rows * patch_columns
    revision = HELPERS_REVISION
    is_weighted = int(weighted)
    widening = 1 + _WIDENING

    @compiled
    def search_sparse(
        query: Array, query_sums: Array, key: Array, key_sums: Array, key_columns: int,
        key_stride: int, key_plane: int, sums_plane: int, weight: Array, slack: float, score: Array,
        index: Array, first_index: int, index_stride: int, places: Array, first_row: int,
        end_row: int,
    ) -> None:  # fmt: skip
        lanes = np.empty(LANES + 0 * revision, np.float32)
        patch = np.empty(area * channels, np.float32)
        patch_sum = np.empty(channels, np.float32)
        column_values = aligned(patch_rows * LANES, np.float32(0))
        column_sums = aligned(patch_columns * LANES, np.float32(0))
        limits = np.empty(2, np.float32)
        for place in places:
            row, column = place // score.shape[1], place % score.shape[1]
            _copy_patch(query, row, column, patch_rows, patch_columns, patch)
            for channel in range(channels):
                patch_sum[channel] = query_sums[channel, row, column]
            limits[0] = score[row, column, -1]
            limits[1] = widening * limits[0] + slack
            for key_row in range(first_row, end_row):
                line = key_row * key_stride + left_pad
                for first in range(0, key_columns, LANES):
                    bound = squared_difference(
                        patch_sum, 0, key_sums, line + first, channels, sums_plane
                    )
                    if is_weighted:
                        bound = bound * load(weight, line + first)
                    if not any_less(bound, broadcast(limits, 1)):
                        continue
                    at = 0
                    alive = True
                    so_far = bound
                    for x in range(patch_columns):
                        for y in range(patch_rows):
                            pixel = line + first + y * key_stride + x
                            value = squared_difference(patch, at, key, pixel, channels, key_plane)
                            at += channels
                            store(column_values, y * LANES, value)
                        value = sum_of_stored(column_values, 0, patch_rows)
                        store(column_sums, x * LANES, value)
                        # The first columns alone may be too much already; their sum is rounded
                        # otherwise than the total, which the widened limit allows for.
                        so_far = value if x == 0 else so_far + value
                        partial = so_far
                        if is_weighted:
                            partial = partial * load(weight, line + first)
                        if not any_less(partial, broadcast(limits, 1)):
                            alive = False
                            break
                    if not alive:
                        continue
                    total = sum_of_stored(column_sums, 0, patch_columns)
                    if is_weighted:
                        total = total * load(weight, line + first)
                    insert_lanes(total, lanes, limits, 0, score, index, row, column,
                                 first_index + key_row * index_stride + first)  # fmt: skip
                    limits[1] = widening * limits[0] + slack

    return search_sparse
