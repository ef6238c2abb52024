"""Engine `numba`: exact search and vote on the CPU, parallel over tiles of the query image.

The search walks displacements instead of unfolding patches: for one displacement between query
and key the squared differences of pixels are summed over the patch by sliding sums, which
neighbouring patches share, so that a pair of patches costs about 2 C + 10 operations whatever the
patch size is. Known from fast non-local means (Darbon et al. 2008, doi:10.1109/ISBI.2008.4541250).
"""

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numba import config, njit

from pnncupy.kernels import simd
from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.simd import (
    LANES,
    any_less,
    broadcast,
    infinite_history,
    load,
    load_history,
    push,
    store,
    store_history,
)
from pnncupy.kernels.tiling import WIDEST_TILE, Tile, run, tiles

if config.DISABLE_JIT:
    raise ImportError("Numba's compiler is switched off; unset NUMBA_DISABLE_JIT")


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile at the first call, and keep the machine code on disk if there is a place for it."""
    try:
        return njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no writable folder
        return njit(nogil=True)(function)  # type: ignore[no-any-return]


# Numba's on-disk cache of a function looks at the function's own file only. The search depends on
# `simd` too, whose checksum is made one of the constants that tell cached kernels apart; the small
# functions that it calls are not cached by themselves but as parts of it.
_SIMD_REVISION = zlib.crc32(Path(simd.__file__).read_bytes())

# The history of one row of a tile should stay in the first-level cache beside the pixels.
_HISTORY_BYTES = 28 * 1024
# Pairs in one call of a kernel: about a tenth of a second, the time to react to an interruption.
_PAIRS_PER_CALL = 3e8


@njit(nogil=True)
def _lower_one(sums, lanes, score, index, position, first_key):
    """Lower one query's best to the lowest lane, the first one of equals."""
    store(lanes, 0, sums)
    best = score[position]
    for lane in range(LANES):
        if lanes[lane] < best:
            best = lanes[lane]
            index[position] = first_key + lane
    score[position] = best


@njit(nogil=True)
def _copy_query_tile(query, top, left, rows, columns, tile, tile_stride):
    """Query pixels of a tile with interleaved channels, in rows of `tile_stride` floats."""
    channels = query.shape[0]
    for row in range(rows):
        for channel in range(channels):
            for column in range(columns):
                tile[row * tile_stride + column * channels + channel] = query[
                    channel, top + row, left + column
                ]


@njit(nogil=True)
def _copy_strip(key, position, key_stride, key_plane, columns, strip, strip_stride):
    """Key pixels of two rows, all channels of the upper one first, for `columns` x `LANES`."""
    channels = strip.size // (2 * strip_stride)
    for row in range(2):
        for channel in range(channels):
            source = position + row * key_stride + channel * key_plane
            target = (row * channels + channel) * strip_stride
            for x in range(0, columns + LANES, LANES):
                store(strip, target + x, load(key, source + x))


@njit(nogil=True)
def _copy_best(score, index, active, top, left, rows, columns, best, best_index, stride):
    """Scores of a tile from row 1 on, over minus infinities: nothing is found where those stay."""
    for row in range(rows):
        for column in range(columns):
            if active.size == 0 or active[top + row, left + column]:
                position = (row + 1) * stride + column
                best[position] = score[top + row, left + column]
                best_index[position] = index[top + row, left + column]


@njit(nogil=True)
def _return_best(score, index, active, top, left, rows, columns, best, best_index, stride):
    for row in range(rows):
        for column in range(columns):
            if active.size == 0 or active[top + row, left + column]:
                position = (row + 1) * stride + column
                score[top + row, left + column] = best[position]
                index[top + row, left + column] = best_index[position]


@cache
def tile_width(patch_size: int) -> int:
    """Query columns in a tile, so that the sliding sums of a row fit the cache."""
    column_bytes = (patch_size - 1) * LANES * 4
    return int(min(max(_HISTORY_BYTES // column_bytes - patch_size + 1, 8), WIDEST_TILE))


@cache
def nearest_kernel(patch_size: int, channels: int, weighted: bool) -> Callable[..., None]:
    """Search kernel for one patch size and channel count; compiled at its first call.

    One call lowers the best of the query patches of one tile over the displacement rows
    [first_dy, end_dy). Lanes are consecutive horizontal displacements: the query pixel is
    broadcast, the key pixels are loaded, and lane `i` of every vector belongs to the key `i`
    columns further right. Rows are walked in pairs, downwards; the sliding sums along the rows
    live in registers, those along the columns in `history`, one per column.

    `key` and `weight` are flat and padded by `_pad`: displacements that stick out of the image meet
    infinite pixels and lose by themselves. Only closure constants that are integers keep Numba's
    cache valid across processes, so the whole loop nest is one function.
    """
    margin = patch_size - 1
    tile_columns = tile_width(patch_size) + margin
    query_stride = tile_columns * channels
    strip_stride = -(-(tile_columns + LANES) // LANES) * LANES
    history_stride = margin * LANES
    left_pad = left_padding(patch_size)
    revision = _SIMD_REVISION
    is_weighted = int(weighted)

    @_compiled
    def search_tile(
        query, key, key_rows, key_columns, key_stride, key_plane, weight, score, index,
        first_index, index_stride, active, top, bottom, left, right, first_dy, end_dy,
    ):  # fmt: skip
        lanes = np.empty(LANES + 0 * revision, np.float32)
        history = np.zeros(tile_columns * history_stride, np.float32)
        strip = np.zeros(2 * channels * strip_stride, np.float32)
        rows, columns = bottom - top, right - left
        tile = np.zeros((rows + patch_size) * query_stride, np.float32)
        _copy_query_tile(query, top, left, rows + margin, columns + margin, tile, query_stride)
        # Positions in `best` are shifted by `margin`: sums are complete only there in a row.
        best = np.full((rows + 2) * tile_columns + margin, -np.inf, np.float32)
        best_index = np.empty((rows + 2) * tile_columns + margin, np.int32)
        _copy_best(score, index, active, top, left, rows, columns,
                   best[margin:], best_index[margin:], tile_columns)  # fmt: skip
        for dy in range(first_dy, end_dy):
            start, stop = max(top, -dy), min(bottom, key_rows - dy)
            for dx in range(1 - right, key_columns - left, LANES):
                begin, end = max(left, -dx - LANES + 1), min(right, key_columns - dx)
                for row in range(start, stop + margin, 2):
                    _copy_strip(key, (row + dy) * key_stride + begin + dx + left_pad, key_stride,
                                key_plane, end - begin + margin, strip, strip_stride)  # fmt: skip
                    # Rows whose sums are not complete yet meet the row of minus infinities.
                    done = row - margin
                    upper_row = done - top + 1 if done >= start else 0
                    lower_row = done - top + 2 if start - 1 <= done < stop - 1 else 0
                    upper_best = upper_row * tile_columns + begin - left
                    lower_best = lower_row * tile_columns + begin - left
                    key_at = max(done + dy, 0) * key_stride + begin + dx - margin + left_pad
                    next_key_at = (
                        max(done + dy + 1, 0) * key_stride + begin + dx - margin + left_pad
                    )
                    first_key = first_index + (done + dy) * index_stride + begin + dx - margin
                    pixel = (row - top) * query_stride + (begin - left) * channels
                    upper_history = infinite_history(margin)
                    lower_history = infinite_history(margin)
                    for x in range(end - begin + margin):
                        difference = broadcast(tile, pixel) - load(strip, x)
                        upper = difference * difference
                        difference = broadcast(tile, pixel + query_stride) - load(
                            strip, x + channels * strip_stride
                        )
                        lower = difference * difference
                        for channel in range(1, channels):
                            at = x + channel * strip_stride
                            difference = broadcast(tile, pixel + channel) - load(strip, at)
                            upper = upper + difference * difference
                            difference = broadcast(tile, pixel + query_stride + channel) - load(
                                strip, at + channels * strip_stride
                            )
                            lower = lower + difference * difference
                        columns_so_far = load_history(history, x * history_stride, margin)
                        columns_so_far, upper = push(columns_so_far, upper)
                        columns_so_far, lower = push(columns_so_far, lower)
                        store_history(history, x * history_stride, columns_so_far)
                        upper_history, upper = push(upper_history, upper)
                        lower_history, lower = push(lower_history, lower)
                        if is_weighted:
                            upper = upper * load(weight, key_at + x)
                            lower = lower * load(weight, next_key_at + x)
                        if any_less(
                            upper, broadcast(best, upper_best + x),
                            lower, broadcast(best, lower_best + x),
                        ):  # fmt: skip
                            _lower_one(upper, lanes, best, best_index, upper_best + x,
                                       first_key + x)  # fmt: skip
                            _lower_one(lower, lanes, best, best_index, lower_best + x,
                                       first_key + index_stride + x)  # fmt: skip
                        pixel += channels
        _return_best(score, index, active, top, left, rows, columns,
                     best[margin:], best_index[margin:], tile_columns)  # fmt: skip

    return search_tile


def lower_nearest(
    query: Array,
    key: Array,
    patch_size: int,
    weight: Array | None,
    score: Array,
    index: Array,
    *,
    first_index: int,
    index_stride: int,
    active: Array | None,
    threads: int,
    tick: Tick,
) -> None:
    """Search tile by tile; see `protocol.Engine.lower_nearest`."""
    key_rows, key_columns = (side - patch_size + 1 for side in key.shape[1:])
    padded = _pad(key, key.shape, patch_size)
    # Whatever the weight of infinite distances is, they never win.
    padded_weight = _NO_WEIGHT if weight is None else _pad(weight[None], key.shape, patch_size)
    kernel = nearest_kernel(patch_size, key.shape[0], weight is not None)
    boxes = tiles(score.shape, active, tile_width(patch_size), threads)

    def search(tile: Tile, report: Tick) -> None:
        top, bottom, left, right = tile
        patches = (bottom - top) * (right - left)
        step = max(1, int(_PAIRS_PER_CALL / (patches * key_columns)))
        for first_dy in range(1 - bottom, key_rows - top, step):
            end_dy = min(first_dy + step, key_rows - top)
            kernel(
                query, padded.ravel(), key_rows, key_columns, padded.shape[2],
                padded.shape[1] * padded.shape[2], padded_weight.ravel(), score, index,
                first_index, index_stride, _NO_MASK if active is None else active,
                top, bottom, left, right, first_dy, end_dy,
            )  # fmt: skip
            rows_left = [
                min(bottom, key_rows - dy) - max(top, -dy) for dy in range(first_dy, end_dy)
            ]
            report(sum(rows_left) * (right - left) * key_columns)

    run(search, boxes, threads, tick)


_NO_MASK = np.empty((0, 0), np.bool_)
_NO_WEIGHT = np.empty(0, np.float32)


def left_padding(patch_size: int) -> int:
    """Columns before the first key: a vector that sticks out, and sums not complete yet."""
    return LANES + patch_size


def _pad(values: Array, key_shape: tuple[int, int, int], patch_size: int) -> Array:
    """Infinity around planes of at most the key's size: left, right and one row below."""
    _, rows, columns = key_shape
    left = left_padding(patch_size)
    padded = np.full((len(values), rows + 1, left + columns + 3 * LANES), np.inf, np.float32)
    padded[:, : values.shape[1], left : left + values.shape[2]] = values
    return padded


@_compiled
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


@_compiled
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
        run(
            lambda band, _: _vote_median(value, index, index_stride, patch_size, out, *band),
            bands, threads, _ignore,
        )  # fmt: skip
        return
    side = np.asarray(weight, np.float32)
    table = side[:, None] * side[None, :]
    run(
        lambda band, _: _vote_mean(value, index, index_stride, table, out, *band),
        bands, threads, _ignore,
    )  # fmt: skip


def _ignore(pairs: int) -> None:
    """Accept a report of progress and do nothing."""
