"""Search of the query patches of a tile: the compiled loops of engine `numba`.

Displacements are walked instead of unfolding patches: for one displacement between query and key
the squared differences of pixels are summed over the patch by sliding sums, which neighbouring
patches share, so that a pair of patches costs about 2 C + 10 operations whatever the patch size
is. Known from fast non-local means (Darbon et al. 2008, doi:10.1109/ISBI.2008.4541250).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.candidate_list import aligned, insert_lanes
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.padding import left_padding
from pnncupy.kernels.numba_cpu.simd import (
    LANES,
    broadcast,
    either_less,
    infinite_history,
    less_lanes,
    load,
    load_history,
    lowest_bit,
    push,
    squared_difference,
    store,
    store_history,
)
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.tiling import WIDEST_TILE


@inlined
def _note_two_rows(
    upper: Any, lower: Any, upper_score: Any, lower_score: Any, lanes: Array, limit: Any,
    upper_limit: int, lower_limit: int, score: Array, index: Array, row: int, column: int,
    first_key: int, index_stride: int, key_best: Array, key_match: Array, upper_key: int,
    lower_key: int, query_number: int, query_columns: int,
) -> None:  # fmt: skip
    """Insert into the lists of two queries, one below the other, and lower the bests of their keys.

    One function for all of it, too large to be inlined: else the compiler runs short of registers
    in the loop around it.
    """
    insert_lanes(upper_score, lanes, limit, upper_limit, score, index, row, column, first_key)
    insert_lanes(
        lower_score, lanes, limit, lower_limit, score, index, row + 1, column,
        first_key + index_stride,
    )  # fmt: skip
    if key_best.size > 0:
        _lower_keys(upper, lanes, key_best, key_match, upper_key, query_number)
        _lower_keys(lower, lanes, key_best, key_match, lower_key, query_number + query_columns)


@inlined
def _lower_keys(
    sums: Array, lanes: Array, key_best: Array, key_match: Array, first_key: int, query_number: int,
) -> None:  # fmt: skip
    """Note the query for the keys of the lanes that it is nearest to so far."""
    bits = less_lanes(sums, load(key_best, first_key))
    store(lanes, 0, sums)
    while bits != 0:
        lane = lowest_bit(bits)
        bits &= bits - 1
        key_best[first_key + lane] = lanes[lane]
        key_match[first_key + lane] = query_number


@inlined
def _copy_query_tile(
    query: Array, top: int, left: int, rows: int, columns: int, tile: Array, tile_stride: int,
) -> None:  # fmt: skip
    """Query pixels of a tile with interleaved channels, in rows of `tile_stride` floats."""
    channels = query.shape[0]
    for row in range(rows):
        for channel in range(channels):
            for column in range(columns):
                tile[row * tile_stride + column * channels + channel] = query[
                    channel, top + row, left + column
                ]


@inlined
def _copy_strip(
    key: Array, position: int, key_stride: int, key_plane: int, columns: int, strip: Array,
    strip_stride: int,
) -> None:  # fmt: skip
    """Key pixels of two rows, all channels of the upper one first, for `columns` x `LANES`."""
    channels = strip.size // (2 * strip_stride)
    for row in range(2):
        for channel in range(channels):
            source = position + row * key_stride + channel * key_plane
            target = (row * channels + channel) * strip_stride
            for x in range(0, columns + LANES, LANES):
                store(strip, target + x, load(key, source + x))


@inlined
def _copy_limits(
    score: Array, active: Array, top: int, left: int, rows: int, columns: int, limit: Any,
    stride: int,
) -> None:  # fmt: skip
    """The worst score listed of each query, from row 1 on, over minus infinities.

    Nothing is found where those stay.
    """
    for row in range(rows):
        for column in range(columns):
            if active.size == 0 or active[top + row, left + column]:
                limit[(row + 1) * stride + column] = score[top + row, left + column, -1]


def tile_width(patch_columns: int) -> int:
    """Query columns in a tile: enough that the columns of incomplete sums beside it are few."""
    return max(WIDEST_TILE, 4 * patch_columns)


@cache
def nearest_kernel(
    patch_rows: int, patch_columns: int, channels: int, weighted: bool, both_ways: bool
) -> Callable[..., None]:
    """Search kernel for one patch shape and channel count; compiled at its first call.

    One call lowers the lists of the query patches of one tile over the displacement rows
    [first_dy, end_dy) and, if `both_ways`, the best query of each key. Lanes are consecutive
    horizontal displacements: the query pixel is broadcast, the key pixels are loaded, and lane `i`
    of every vector belongs to the key `i` columns further right. Rows are walked in pairs,
    downwards; the sliding sums along the rows live in registers, those along the columns in
    `history`, one per column.

    `key`, `weight`, `key_best` and `key_match` are flat and padded by `pad`: displacements that
    stick out of the image meet infinite pixels and lose by themselves. Only closure constants that
    are integers keep Numba's cache valid across processes, so the whole loop nest is one function.
    """
    row_margin, margin = patch_rows - 1, patch_columns - 1
    tile_columns = tile_width(patch_columns) + margin
    query_stride = tile_columns * channels
    strip_stride = -(-(tile_columns + LANES) // LANES) * LANES
    history_stride = row_margin * LANES
    left_pad = left_padding(patch_columns)
    revision = HELPERS_REVISION
    is_weighted, is_both_ways = int(weighted), int(both_ways)

    @compiled
    def search_tile(
        query: Array, key: Array, key_rows: int, key_columns: int, key_stride: int, key_plane: int,
        weight: Array, score: Array, index: Array, key_best: Array, key_match: Array,
        first_index: int, index_stride: int, active: Array, top: int, bottom: int, left: int,
        right: int, first_dy: int, end_dy: int,
    ) -> None:  # fmt: skip
        lanes = np.empty(LANES + 0 * revision, np.float32)
        history = aligned(tile_columns * history_stride, np.float32(0))
        strip = aligned(2 * channels * strip_stride, np.float32(0))
        rows, columns = bottom - top, right - left
        tile = np.zeros((rows + patch_rows) * query_stride, np.float32)
        _copy_query_tile(query, top, left, rows + row_margin, columns + margin, tile, query_stride)
        # Positions in `limit` are shifted by `margin`: sums are complete only there in a row.
        limit = np.full((rows + 2) * tile_columns + margin, -np.inf, np.float32)
        _copy_limits(score, active, top, left, rows, columns, limit[margin:], tile_columns)
        for dy in range(first_dy, end_dy):
            start, stop = max(top, -dy), min(bottom, key_rows - dy)
            for dx in range(1 - right, key_columns - left, LANES):
                begin, end = max(left, -dx - LANES + 1), min(right, key_columns - dx)
                for row in range(start, stop + row_margin, 2):
                    _copy_strip(key, (row + dy) * key_stride + begin + dx + left_pad, key_stride,
                                key_plane, end - begin + margin, strip, strip_stride)  # fmt: skip
                    # Rows whose sums are not complete yet meet rows of minus infinities: the first
                    # one of the limits, and the one below the keys.
                    done = row - row_margin
                    upper_row = done - top + 1 if done >= start else 0
                    lower_row = done - top + 2 if start - 1 <= done < stop - 1 else 0
                    upper_limit = upper_row * tile_columns + begin - left
                    lower_limit = lower_row * tile_columns + begin - left
                    upper_key_row = done + dy if upper_row > 0 else key_rows
                    lower_key_row = done + dy + 1 if lower_row > 0 else key_rows
                    key_column = begin + dx - margin
                    upper_key = upper_key_row * key_stride + key_column + left_pad
                    lower_key = lower_key_row * key_stride + key_column + left_pad
                    first_key = first_index + (done + dy) * index_stride + key_column
                    pixel = (row - top) * query_stride + (begin - left) * channels
                    upper_history = infinite_history(margin)
                    lower_history = infinite_history(margin)
                    for x in range(end - begin + margin):
                        upper = squared_difference(tile, pixel, strip, x, channels, strip_stride)
                        lower = squared_difference(
                            tile, pixel + query_stride, strip, x + channels * strip_stride,
                            channels, strip_stride,
                        )  # fmt: skip
                        columns_so_far = load_history(history, x * history_stride, row_margin)
                        columns_so_far, upper = push(columns_so_far, upper)
                        columns_so_far, lower = push(columns_so_far, lower)
                        store_history(history, x * history_stride, columns_so_far)
                        upper_history, upper = push(upper_history, upper)
                        lower_history, lower = push(lower_history, lower)
                        upper_score, lower_score = upper, lower
                        if is_weighted:
                            upper_score = upper * load(weight, upper_key + x)
                            lower_score = lower * load(weight, lower_key + x)
                        found = either_less(
                            upper_score, broadcast(limit, upper_limit + x),
                            lower_score, broadcast(limit, lower_limit + x),
                        )  # fmt: skip
                        if is_both_ways:
                            found |= either_less(
                                upper, load(key_best, upper_key + x),
                                lower, load(key_best, lower_key + x),
                            )  # fmt: skip
                        if found:
                            column = begin + x - margin
                            _note_two_rows(
                                upper, lower, upper_score, lower_score, lanes, limit,
                                upper_limit + x, lower_limit + x, score, index, done, column,
                                first_key + x, index_stride, key_best, key_match, upper_key + x,
                                lower_key + x, done * query.shape[2] + column, query.shape[2],
                            )  # fmt: skip
                        pixel += channels

    return search_tile
