"""Engine `numba-cuda`: the search and the vote of engine `cupy`, written in Python.

For reading and changing; see `cuda/nearest.cu` for the faster form of the same loops. The arrays
are CuPy's, or in Numba's simulator NumPy's.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import config, cuda, float32, int64

from pnncupy.kernels import random_bits
from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.tiling import pairs_of_rows

if config.ENABLE_CUDASIM:

    def _add(a, b):
        return a + b

    def _subtract(a, b):
        return a - b

    def _multiply(a, b):
        return a * b

    def _divide(a, b):
        return a / b

    def _bits(value):
        return np.float32(value).view(np.int32)

else:
    from numba.cuda import libdevice

    # Rounded one by one: the compiler would fuse plain products and sums.
    _add, _subtract, _multiply = libdevice.fadd_rn, libdevice.fsub_rn, libdevice.fmul_rn
    _divide, _bits = libdevice.fdiv_rn, libdevice.float_as_int

LISTS = False
# A device holds some hundred thousand threads, and the coarse levels of a picture have few patches.
QUERIES_TOGETHER = 1 << 20

_STRIP = 4
_THREADS = 64
_CHUNK_ROWS = 64
_PAIRS_PER_LAUNCH = 5e9
_MOST_BLOCKS_Z = 65535


@cuda.jit(device=True)
def _smaller(a, b):
    # Python's own `min` does not compile in every version of Numba's CUDA target.
    return a if a < b else b


@cuda.jit(device=True)
def _larger(a, b):
    return a if a > b else b


@cuda.jit(device=True)
def _place(columns):
    """Row and column of a thread whose blocks are over parts of rows and, slower, rows."""
    blocks = (columns + cuda.blockDim.x - 1) // cuda.blockDim.x
    column = cuda.blockIdx.x % blocks * cuda.blockDim.x + cuda.threadIdx.x
    return cuda.blockIdx.x // blocks, column


@cuda.jit(device=True)
def _push(history, column, value, patch_size, levels):
    """Sum of the last values pushed to a column's history, by powers of two; see `sums.cuh`."""
    levels[0] = value
    top = 0
    while 2 << top <= patch_size:
        levels[top + 1] = _add(history[column, (1 << top) - 1], levels[top])
        top += 1
    covered = 1 << top
    total = levels[top] if covered == patch_size else history[column, covered - 1]
    for k in range(top - 1, -1, -1):
        if patch_size >> k & 1:
            covered += 1 << k
            back = patch_size - covered
            newer = levels[k] if back == 0 else history[column, (2 << k) - 1 - back]
            total = _add(total, newer)
    for k in range(top + 1):
        first = (1 << k) - 1
        depth = 1 << k if k < top else patch_size - (1 << top)
        for i in range(depth - 1):
            history[column, first + i] = history[column, first + i + 1]
        if depth > 0:
            history[column, first + depth - 1] = levels[k]
    return total


@cuda.jit(device=True)
def _window(sums, first, patch_size, scratch):
    """Sum of neighbouring values, by powers of two."""
    for i in range(patch_size):
        scratch[i] = sums[first + i]
    power = 1
    while 2 * power <= patch_size:
        power *= 2
    start, total = 0, float32(0)
    while power > 0:
        if patch_size & power:
            step = 1
            while step < power:
                for i in range(start, start + power, 2 * step):
                    scratch[i] = _add(scratch[i], scratch[i + step])
                step *= 2
            total = scratch[start] if start == 0 else _add(total, scratch[start])
            start += power
        power //= 2
    return total


@cache
def nearest_kernel(patch_size: int, channels: int, weighted: bool, masked: bool) -> Any:
    """Search kernel: a thread owns one displacement and a strip of query columns.

    Blocks: x over strips and, slower, blocks of dx; y over chunks of rows; z over dy.
    """
    margin = patch_size - 1
    columns = _STRIP + margin

    @cuda.jit
    def search(
        query, key, weight, active, best, first_index, index_stride, first_dy, chunk_rows, strips
    ):  # fmt: skip
        history = cuda.local.array((columns, margin), float32)
        sums = cuda.local.array(columns, float32)
        scratch = cuda.local.array(patch_size, float32)
        rows, row_columns = query.shape[1] - margin, query.shape[2] - margin
        key_rows, key_columns = key.shape[1] - margin, key.shape[2] - margin
        dy = first_dy + cuda.blockIdx.z
        left = cuda.blockIdx.x % strips * _STRIP
        dx = 1 - left - _STRIP + cuda.blockIdx.x // strips * cuda.blockDim.x + cuda.threadIdx.x
        top = cuda.blockIdx.y * chunk_rows
        start = _larger(top, -dy)
        stop = _smaller(_smaller(top + chunk_rows, rows), key_rows - dy)
        if start >= stop or left + dx >= key_columns or left + _STRIP + dx <= 0:
            return
        for column in range(columns):
            for k in range(margin):
                history[column, k] = float32(np.inf)
        for y in range(start, stop + margin):
            for column in range(columns):
                x = left + column
                total = float32(np.inf)
                if x < query.shape[2] and 0 <= x + dx < key.shape[2]:
                    for channel in range(channels):
                        difference = _subtract(query[channel, y, x], key[channel, y + dy, x + dx])
                        squared = _multiply(difference, difference)
                        total = squared if channel == 0 else _add(total, squared)
                sums[column] = _push(history, column, total, patch_size, scratch)
            done = y - margin
            if done < start:
                continue
            for i in range(_STRIP):
                x = left + i
                if x >= row_columns or x + dx < 0 or x + dx >= key_columns:
                    continue
                if masked and not active[done, x]:
                    continue
                score = _window(sums, i, patch_size, scratch)
                if weighted:
                    score = _multiply(score, weight[done + dy, x + dx])
                if score < np.inf:
                    number = first_index + (done + dy) * index_stride + x + dx
                    # Scores are not negative, so their bits order as integers.
                    match = np.uint64(_bits(score)) << np.uint64(32) | np.uint64(number + 1)
                    # A look is cheaper than an atomic operation, and mostly shows it needless.
                    if match < best[done, x]:
                        cuda.atomic.min(best, (done, x), match)

    return search


def lower_nearest(
    query: Array,
    key: Array,
    patch_size: int,
    weight: Array | None,
    score: Array,
    index: Array,
    *,
    key_score: Array | None = None,
    key_index: Array | None = None,
    first_index: int,
    index_stride: int,
    active: Array | None,
    threads: int,
    tick: Tick,
) -> None:
    """Search by launches of many displacements; see `protocol.Engine.lower_nearest`."""
    rows, columns = score.shape[:2]
    key_rows, key_columns = (side - patch_size + 1 for side in key.shape[1:])
    strips = -(-columns // _STRIP)
    blocks = strips * -(-(key_columns + _STRIP - 1) // _THREADS)
    chunk_rows = min(rows, _CHUNK_ROWS)
    best = _pack(score[..., 0], index[..., 0])
    kernel = nearest_kernel(patch_size, key.shape[0], weight is not None, active is not None)
    pairs_per_dy = columns * key_columns * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS_Z))
    for first_dy in range(1 - rows, key_rows, step):
        count = min(step, key_rows - first_dy)
        # Arrays that are missing are never read.
        kernel[(blocks, -(-rows // chunk_rows), count), _THREADS](
            query, key, query[0] if weight is None else weight,
            query[0] if active is None else active, best, first_index, index_stride, first_dy,
            chunk_rows, strips,
        )  # fmt: skip
        cuda.synchronize()
        row_pairs = pairs_of_rows(0, rows, key_rows, first_dy, first_dy + count)
        tick(row_pairs * columns * key_columns)
    score[..., 0] = (best >> np.uint64(32)).astype(np.uint32).view(np.float32)
    index[..., 0] = (best & np.uint64(0xFFFFFFFF)).astype(np.int32) - np.int32(1)


def _pack(score: Array, index: Array) -> Array:
    """Score and key in one word that orders by score, then key; 0 for no key yet."""
    high = score.copy().view(np.uint32).astype(np.uint64)
    return (high << np.uint64(32)) | (index + np.int32(1)).astype(np.uint64)


# Levels of sums by powers of two, enough for patches of any side that fits into memory.
_LEVELS = 8


@cuda.jit(device=True)
def _append(levels, count, value):
    """Add a value to sums by powers of two: level k is set where bit k of the count is."""
    k = 0
    while count >> k & 1:
        value = _add(levels[k], value)
        k += 1
    levels[k] = value


@cuda.jit(device=True)
def _total(levels, count):
    k = _LEVELS - 1
    while not count >> k & 1:
        k -= 1
    total = levels[k]
    for lower in range(k - 1, -1, -1):
        if count >> lower & 1:
            total = _add(total, levels[lower])
    return total


@cuda.jit(device=True)
def _patch_sum(query, y, x, key, row, column, patch_size, limit, row_levels, column_levels):
    """Sum of squared differences of two patches, or what is above the limit and not above that."""
    top = 1
    while 2 * top <= patch_size:
        top *= 2
    for dx in range(patch_size):
        for dy in range(patch_size):
            total = float32(0)
            for channel in range(query.shape[0]):
                difference = _subtract(
                    query[channel, y + dy, x + dx], key[channel, row + dy, column + dx]
                )
                squared = _multiply(difference, difference)
                total = squared if channel == 0 else _add(total, squared)
            _append(row_levels, dy, total)
        _append(column_levels, dx, _total(row_levels, patch_size))
        count = dx + 1
        # Sums of the first 1, 2, 4, ... columns, and what follows the largest of these.
        if count < patch_size and (count & (count - 1) == 0 or count > top):
            so_far = _total(column_levels, count)
            if so_far > limit:
                return so_far
    return _total(column_levels, patch_size)


_mixed = cuda.jit(device=True)(random_bits.mixed)


@cuda.jit(device=True)
def _combined(stream, value):
    return _mixed((stream ^ value * 0x1E3779B1) & 0xFFFFFFFF)


@cuda.jit(device=True)
def _drawn(stream, best, radius, count):
    """A position within a radius of the best one, inside of [0, count)."""
    first, last = _larger(best - radius, 0), _smaller(best + radius, count - 1)
    return first + (stream * (last - first + 1) >> 32)


@cuda.jit(device=True)
def _normalised(total, bound, factor, alpha):
    smallest = bound if bound < total else total
    return _multiply(total, _divide(factor, _add(alpha, _multiply(smallest, factor))))


@cache
def improve_kernel(patch_size: int, normalised: bool) -> Any:
    """Pass of PatchMatch: a thread works for one query patch; see `cuda/patchmatch.cu`."""

    @cuda.jit
    def improve_patches(
        query, key, usable, index, sums, out_index, out_sums, step, radius, draws, stream, bound,
        factor, alpha, words, active, masked,
    ):  # fmt: skip
        rows, columns = index.shape
        y, x = _place(columns)
        if x >= columns:
            return
        row_levels = cuda.local.array(_LEVELS, float32)
        column_levels = cuda.local.array(_LEVELS, float32)
        width = key.shape[2]
        best, best_sum = int64(index[y, x]), sums[y, x]
        if masked and not active[y, x]:
            out_index[y, x], out_sums[y, x] = best, best_sum
            return
        best_row, best_column = best // width, best % width
        place = y * query.shape[2] + x
        limit, score = best_sum, best_sum
        if normalised:
            score = _normalised(best_sum, bound[best_row, best_column], factor, alpha)
        of_patch = _combined(stream, int64(place))
        tries = 0
        while draws > 0 and radius >> tries // draws > 0:
            tries += draws
        for attempt in range(0 if step > 0 else 4, 4 + tries):
            if attempt < 4:
                dy, dx = step * (2 * (attempt & 1) - 1), 0
                if attempt >= 2:
                    dy, dx = dx, dy
                if y + dy < 0 or x + dx < 0 or y + dy >= rows or x + dx >= columns:
                    continue
                there = int64(index[y + dy, x + dx])
                row, column = there // width - dy, there % width - dx
                if row == best_row and column == best_column:
                    continue
                if row < 0 or column < 0 or row >= usable.shape[0] or column >= usable.shape[1]:
                    continue
            else:
                draw = attempt - 4
                reach = radius >> draw // draws
                row = _drawn(_combined(of_patch, 2 * draw), best_row, reach, usable.shape[0])
                column = _drawn(
                    _combined(of_patch, 2 * draw + 1), best_column, reach, usable.shape[1]
                )
            if not usable[row, column]:
                continue
            if normalised:
                # Widened for the rounding of a score; and sums up to the bound count for the key.
                smallest = bound[row, column]
                limit = (score + float32(1e-37)) * ((alpha + smallest * factor) / factor)
                limit *= float32(1.00001)
                limit = smallest if smallest > limit else limit
            found = _patch_sum(
                query, y, x, key, row, column, patch_size, limit, row_levels, column_levels
            )
            if not found <= limit:
                continue
            found_score = found
            if normalised:
                word = np.uint64(_bits(found)) << np.uint64(32) | np.uint64(place)
                if word < words[row, column]:
                    cuda.atomic.min(words, (row, column), word)
                found_score = _normalised(found, bound[row, column], factor, alpha)
            number = row * width + column
            if found_score < score or (found_score == score and number < best):
                best, best_sum, score = number, found, found_score
                best_row, best_column = row, column
                if not normalised:
                    limit = found
        out_index[y, x], out_sums[y, x] = best, best_sum

    return improve_patches


def improve(
    query: Array,
    key: Array,
    patch_size: int,
    usable: Array,
    index: Array,
    sums: Array,
    out_index: Array,
    out_sums: Array,
    *,
    step: int,
    radius: int,
    draws: int,
    stream: int,
    bound: Array | None,
    alpha: float,
    key_words: Array | None,
    active: Array | None,
    threads: int,
    tick: Tick,
) -> None:
    """Work for one query patch a thread; see `protocol.Engine.improve`."""
    rows, columns = index.shape
    factor = np.float32(1 / (patch_size**2 * len(query)))
    # Arrays that are missing are never read.
    improve_kernel(patch_size, bound is not None)[rows * -(-columns // _THREADS), _THREADS](
        query, key, usable, index, sums, out_index, out_sums, step, radius, draws, stream,
        sums if bound is None else bound, factor, np.float32(alpha),
        index if key_words is None else key_words, usable if active is None else active,
        active is not None,
    )  # fmt: skip
    tick(index.size)


@cuda.jit
def _sum_pairs(query, key, patch_size, query_number, key_number, out):
    i = cuda.grid(1)
    if i >= out.shape[0]:
        return
    row_levels = cuda.local.array(_LEVELS, float32)
    column_levels = cuda.local.array(_LEVELS, float32)
    width, key_width = query.shape[2], key.shape[2]
    out[i] = _patch_sum(
        query, query_number[i] // width, query_number[i] % width, key, key_number[i] // key_width,
        key_number[i] % key_width, patch_size, float32(np.inf), row_levels, column_levels,
    )  # fmt: skip


def pair_sums(
    query: Array,
    key: Array,
    patch_size: int,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate one pair a thread; see `protocol.Engine.pair_sums`."""
    if out.size:
        _sum_pairs[-(-out.size // _THREADS), _THREADS](
            query, key, patch_size, query_number, key_number, out
        )


@cuda.jit
def _lower_words(words, places, values):
    i = cuda.grid(1)
    if i < places.shape[0] and values[i] < words[places[i]]:
        cuda.atomic.min(words, places[i], values[i])


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    if places.size:
        _lower_words[-(-places.size // _THREADS), _THREADS](words, places, values)


@cuda.jit
def _vote_mean(value, index, weight, active, masked, out):
    rows, columns = index.shape
    y, x = _place(out.shape[2])
    if x >= out.shape[2]:
        return
    if masked and not active[y, x]:
        return
    patch_size, width = weight.shape[0], value.shape[2]
    for channel in range(out.shape[0]):
        total, weights = float32(0), float32(0)
        for dy in range(_larger(0, y - rows + 1), _smaller(patch_size, y + 1)):
            for dx in range(_larger(0, x - columns + 1), _smaller(patch_size, x + 1)):
                here = index[y - dy, x - dx]
                row, column = here // width + dy, here % width + dx
                weights = _add(weights, weight[dy, dx])
                total = _add(total, _multiply(weight[dy, dx], value[channel, row, column]))
        out[channel, y, x] = total / weights


@cache
def _median_kernel(patch_size: int) -> Any:
    size = patch_size * patch_size

    @cuda.jit
    def vote_median(value, index, active, masked, out):
        rows, columns = index.shape
        y, x = _place(out.shape[2])
        channel = cuda.blockIdx.y
        if x >= out.shape[2]:
            return
        if masked and not active[y, x]:
            return
        width = value.shape[2]
        covering = cuda.local.array(size, float32)
        count = 0
        for dy in range(_larger(0, y - rows + 1), _smaller(patch_size, y + 1)):
            for dx in range(_larger(0, x - columns + 1), _smaller(patch_size, x + 1)):
                here = index[y - dy, x - dx]
                new = value[channel, here // width + dy, here % width + dx]
                place = count
                while place > 0 and covering[place - 1] > new:
                    covering[place] = covering[place - 1]
                    place -= 1
                covering[place] = new
                count += 1
        out[channel, y, x] = covering[(count - 1) // 2]

    return vote_median


def vote(
    value: Array,
    index: Array,
    patch_size: int,
    weight: Sequence[float] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    channels, height, width = out.shape
    columns = -(-width // _THREADS)
    # Arrays that are missing are never read.
    mask = (out[0] if active is None else active, active is not None)
    if weight is None:
        _median_kernel(patch_size)[(columns * height, channels), _THREADS](value, index, *mask, out)
        return
    side = np.asarray(weight, np.float32)
    table = cuda.to_device(side[:, None] * side[None, :])
    _vote_mean[columns * height, _THREADS](value, index, table, *mask, out)
