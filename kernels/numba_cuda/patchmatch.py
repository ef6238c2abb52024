"""Passes of PatchMatch of engine `numba-cuda`; see `cuda/patchmatch.cu`."""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32, int64

from pnncupy.kernels import random_bits
from pnncupy.kernels.numba_cuda.device import (
    THREADS,
    add,
    device_function,
    device_kernel,
    divide,
    larger,
    multiply,
    smaller,
    subtract,
    thread_place,
    word_of,
)
from pnncupy.kernels.protocol import Array, PassRequest, Tick

_LEVELS = 8


@device_function
def _append(levels: Array, count: int, value: Array) -> None:
    """Add a value to sums by powers of two: level k is set where bit k of the count is."""
    k = 0
    while count >> k & 1:
        value = add(levels[k], value)
        k += 1
    levels[k] = value


@device_function
def _total(levels: Array, count: int) -> Any:
    k = _LEVELS - 1
    while not count >> k & 1:
        k -= 1
    total = levels[k]
    for lower in range(k - 1, -1, -1):
        if count >> lower & 1:
            total = add(total, levels[lower])
    return total


@device_function
def _patch_sum(
    query: Array, y: int, x: int, key: Array, row: int, column: int, patch_size: int, limit: Any,
    row_levels: Array, column_levels: Array,
) -> Any:  # fmt: skip
    """Sum of squared differences of two patches, or what is above the limit and not above that."""
    top = 1
    while 2 * top <= patch_size:
        top *= 2
    for dx in range(patch_size):
        for dy in range(patch_size):
            total = float32(0)
            for channel in range(query.shape[0]):
                difference = subtract(
                    query[channel, y + dy, x + dx], key[channel, row + dy, column + dx]
                )
                squared = multiply(difference, difference)
                total = squared if channel == 0 else add(total, squared)
            _append(row_levels, dy, total)
        _append(column_levels, dx, _total(row_levels, patch_size))
        count = dx + 1
        # Sums of the first 1, 2, 4, ... columns, and what follows the largest of these.
        if count < patch_size and (count & (count - 1) == 0 or count > top):
            so_far = _total(column_levels, count)
            if so_far > limit:
                return so_far
    return _total(column_levels, patch_size)


_mixed = device_function(random_bits.mixed)


@device_function
def _combined(stream: int, value: Array) -> Any:
    return _mixed((stream ^ value * 0x1E3779B1) & 0xFFFFFFFF)


@device_function
def _drawn(stream: int, best: int, radius: int, count: int) -> Any:
    """A position within a radius of the best one, inside of [0, count)."""
    first, last = larger(best - radius, 0), smaller(best + radius, count - 1)
    return first + (stream * (last - first + 1) >> 32)


@device_function
def _normalised(total: float, bound: Array, factor: float, alpha: float) -> Any:
    smallest = bound if bound < total else total
    return multiply(total, divide(factor, add(alpha, multiply(smallest, factor))))


@device_function
def _propagated_key(index: Array, y: int, x: int, neighbour: int, step: int, width: int) -> Any:
    """Match of a neighbour, moved back to this query patch; (-1, -1) without one.

    Neighbours 0 to 3 are `step` patches above, below, left and right.
    """
    dy, dx = step * (2 * (neighbour & 1) - 1), 0
    if neighbour >= 2:
        dy, dx = dx, dy
    if y + dy < 0 or x + dx < 0 or y + dy >= index.shape[0] or x + dx >= index.shape[1]:
        return int64(-1), int64(-1)
    there = int64(index[y + dy, x + dx])
    return there // width - dy, there % width - dx


@device_function
def _random_key(
    of_patch: int, draw: int, row: int, column: int, radius: int, rows: int, columns: int,
) -> Any:  # fmt: skip
    """Row and column of a key drawn within a radius of the best one."""
    return (
        _drawn(_combined(of_patch, 2 * draw), row, radius, rows),
        _drawn(_combined(of_patch, 2 * draw + 1), column, radius, columns),
    )


@device_function
def _limit(score: Array, bound: Array, factor: float, alpha: float) -> Any:
    """Sums above it neither score less than `score` nor lower the key's bound.

    Widened for the rounding of a score; and sums up to the bound count for the key.
    """
    limit = (score + float32(1e-37)) * ((alpha + bound * factor) / factor)
    limit *= float32(1.00001)
    return bound if bound > limit else limit


@device_function
def _note_query(words: Array, row: int, column: int, found: Any, place: int) -> None:
    """Lower what a key knows of its nearest query."""
    word = word_of(found, place)
    if word < words[row, column]:
        cuda.atomic.min(words, (row, column), word)


@device_function
def _accept(score: Array, number: int, best_score: float, best: int) -> Any:
    """Test whether a key is better than the best one; ties go to the lower flat index."""
    return score < best_score or (score == best_score and number < best)


@cache
def patchmatch_kernel(patch_size: int, normalised: bool) -> Any:
    """Pass of PatchMatch: a thread works for one query patch; see `cuda/patchmatch.cu`."""

    @device_kernel
    def pass_over_patches(
        query: Array, key: Array, usable: Array, index: Array, sums: Array, out_index: Array,
        out_sums: Array, step: int, radius: int, draws: int, stream: int, bound: Array,
        factor: float, alpha: float, words: Array, active: Array, masked: bool,
    ) -> None:  # fmt: skip
        columns = index.shape[1]
        y, x = thread_place(columns)
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
                row, column = _propagated_key(index, y, x, attempt, step, width)
                if row == best_row and column == best_column:
                    continue
                if row < 0 or column < 0 or row >= usable.shape[0] or column >= usable.shape[1]:
                    continue
            else:
                draw = attempt - 4
                row, column = _random_key(
                    of_patch, draw, best_row, best_column, radius >> draw // draws,
                    usable.shape[0], usable.shape[1],
                )  # fmt: skip
            if not usable[row, column]:
                continue
            if normalised:
                limit = _limit(score, bound[row, column], factor, alpha)
            found = _patch_sum(
                query, y, x, key, row, column, patch_size, limit, row_levels, column_levels
            )
            if not found <= limit:
                continue
            found_score = found
            if normalised:
                _note_query(words, row, column, found, place)
                found_score = _normalised(found, bound[row, column], factor, alpha)
            number = row * width + column
            if _accept(found_score, number, score, best):
                best, best_sum, score = number, found, found_score
                best_row, best_column = row, column
                if not normalised:
                    limit = found
        out_index[y, x], out_sums[y, x] = best, best_sum

    return pass_over_patches


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work for one query patch a thread; see `protocol.Engine.patchmatch_pass`."""
    rows, columns = request.index.shape
    kernel = patchmatch_kernel(request.patch_size, request.bound is not None)
    # Arrays that are missing are never read.
    bound = request.sums if request.bound is None else request.bound
    words = request.index if request.key_words is None else request.key_words
    active = request.usable if request.active is None else request.active
    kernel[rows * -(-columns // THREADS), THREADS](
        request.query, request.key, request.usable, request.index, request.sums,
        request.out_index, request.out_sums, request.step, request.radius, request.draws,
        request.stream, bound, request.mean_factor, np.float32(request.alpha), words, active,
        request.active is not None,
    )  # fmt: skip
    tick(request.index.size)


@device_kernel
def _sum_pairs(
    query: Array, key: Array, patch_size: int, query_number: Array, key_number: Array, out: Array,
) -> None:  # fmt: skip
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
        _sum_pairs[-(-out.size // THREADS), THREADS](
            query, key, patch_size, query_number, key_number, out
        )


@device_kernel
def _lower_words(words: Array, places: Array, values: Array) -> None:
    i = cuda.grid(1)
    if i < places.shape[0] and values[i] < words[places[i]]:
        cuda.atomic.min(words, places[i], values[i])


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    if places.size:
        _lower_words[-(-places.size // THREADS), THREADS](words, places, values)
