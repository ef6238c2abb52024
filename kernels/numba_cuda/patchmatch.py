"""Passes of PatchMatch of engine `numba-cuda`; see `cuda/patchmatch.cu`."""

import math
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
    launch,
    multiply,
    smaller,
    subtract,
    thread_place,
    word_of,
)
from pnncupy.kernels.protocol import Array, PassRequest, Tick
from pnncupy.kernels.slabs import volume_of, volume_sides
from pnncupy.patch_shape import PatchSize

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
def _pixel_difference(
    query: Array, z: int, y: int, x: int, key: Array, slice_: int, row: int, column: int,
    depth: int,
) -> Any:  # fmt: skip
    """Squared differences of two pixels, slice by slice and in each channel by channel."""
    total = float32(0)
    for dz in range(depth):
        for channel in range(query.shape[0]):
            difference = subtract(
                query[channel, z + dz, y, x], key[channel, slice_ + dz, row, column]
            )
            squared = multiply(difference, difference)
            total = squared if dz == 0 and channel == 0 else add(total, squared)
    return total


@device_function
def _patch_sum(
    query: Array, z: int, y: int, x: int, key: Array, slice_: int, row: int, column: int,
    depth: int, patch_rows: int, patch_columns: int, limit: Any, row_levels: Array,
    column_levels: Array,
) -> Any:  # fmt: skip
    """Sum of squared differences of two patches, or what is above the limit and not above that."""
    top = 1
    while 2 * top <= patch_columns:
        top *= 2
    for dx in range(patch_columns):
        for dy in range(patch_rows):
            total = _pixel_difference(
                query, z, y + dy, x + dx, key, slice_, row + dy, column + dx, depth
            )
            _append(row_levels, dy, total)
        _append(column_levels, dx, _total(row_levels, patch_rows))
        count = dx + 1
        # Sums of the first 1, 2, 4, ... columns, and what follows the largest of these.
        if count < patch_columns and (count & (count - 1) == 0 or count > top):
            so_far = _total(column_levels, count)
            if so_far > limit:
                return so_far
    return _total(column_levels, patch_columns)


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
def _place_of(number: Any, image: Array) -> Any:
    """Slice, row and column of a pixel number; images are volumes of one slice."""
    line = number // image.shape[3]
    return line // image.shape[2], line % image.shape[2], number % image.shape[3]


@device_function
def _propagated_key(
    index: Array, z: int, y: int, x: int, neighbour: int, step: int, key: Array,
) -> Any:  # fmt: skip
    """Match of a neighbour, moved back to this query patch; (-1, -1, -1) without one.

    Neighbours are `step` patches before and behind along the slices, the rows, and the columns.
    """
    axis, shift = neighbour >> 1, step * (2 * (neighbour & 1) - 1)
    dz, dy, dx = 0, 0, 0
    if axis == 0:
        dz = shift
    elif axis == 1:
        dy = shift
    else:
        dx = shift
    if z + dz < 0 or y + dy < 0 or x + dx < 0:
        return int64(-1), int64(-1), int64(-1)
    if z + dz >= index.shape[0] or y + dy >= index.shape[1] or x + dx >= index.shape[2]:
        return int64(-1), int64(-1), int64(-1)
    slice_, row, column = _place_of(int64(index[z + dz, y + dy, x + dx]), key)
    return slice_ - dz, row - dy, column - dx


@device_function
def _random_key(
    of_patch: int, draw: int, axes: int, slice_: int, row: int, column: int, radius: int,
    usable: Array,
) -> Any:  # fmt: skip
    """A key drawn within a radius of the best one, by a number for each axis."""
    first = axes * draw
    if axes > 2:
        slice_ = _drawn(_combined(of_patch, first), slice_, radius, usable.shape[0])
        first += 1
    return (
        slice_,
        _drawn(_combined(of_patch, first), row, radius, usable.shape[1]),
        _drawn(_combined(of_patch, first + 1), column, radius, usable.shape[2]),
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
def _note_query(words: Array, slice_: int, row: int, column: int, found: Any, place: int) -> None:
    """Lower what a key knows of its nearest query."""
    word = word_of(found, place)
    if word < words[slice_, row, column]:
        cuda.atomic.min(words, (slice_, row, column), word)


@device_function
def _is_usable(usable: Array, slice_: int, row: int, column: int) -> Any:
    """Test whether there is a key patch at a place, and it may be matched."""
    if slice_ < 0 or row < 0 or column < 0:
        return False
    if slice_ >= usable.shape[0] or row >= usable.shape[1] or column >= usable.shape[2]:
        return False
    return usable[slice_, row, column]


@device_function
def _accept(score: Array, number: int, best_score: float, best: int) -> Any:
    """Test whether a key is better than the best one; ties go to the lower flat index."""
    return score < best_score or (score == best_score and number < best)


@cache
def patchmatch_kernel(
    axes: int, depth: int, patch_rows: int, patch_columns: int, normalised: bool
) -> Any:
    """Pass of PatchMatch: a thread works for one query patch; see `cuda/patchmatch.cu`."""
    first_neighbour = 6 - 2 * axes

    @device_kernel
    def pass_over_patches(
        query: Array, key: Array, usable: Array, index: Array, sums: Array, out_index: Array,
        out_sums: Array, step: int, radius: int, draws: int, stream: int, bound: Array,
        factor: float, alpha: float, words: Array, active: Array, masked: bool,
    ) -> None:  # fmt: skip
        line, x = thread_place(index.shape[2])
        z, y = line // index.shape[1], line % index.shape[1]
        if x >= index.shape[2]:
            return
        row_levels = cuda.local.array(_LEVELS, float32)
        column_levels = cuda.local.array(_LEVELS, float32)
        best, best_sum = int64(index[z, y, x]), sums[z, y, x]
        if masked and not active[z, y, x]:
            out_index[z, y, x], out_sums[z, y, x] = best, best_sum
            return
        best_z, best_row, best_column = _place_of(best, key)
        place = (z * query.shape[2] + y) * query.shape[3] + x
        limit, score = best_sum, best_sum
        if normalised:
            score = _normalised(best_sum, bound[best_z, best_row, best_column], factor, alpha)
        of_patch = _combined(stream, int64(place))
        tries = 0
        while draws > 0 and radius >> tries // draws > 0:
            tries += draws
        for attempt in range(first_neighbour if step > 0 else 6, 6 + tries):
            if attempt < 6:
                slice_, row, column = _propagated_key(index, z, y, x, attempt, step, key)
                if slice_ == best_z and row == best_row and column == best_column:
                    continue
            else:
                draw = attempt - 6
                slice_, row, column = _random_key(
                    of_patch, draw, axes, best_z, best_row, best_column, radius >> draw // draws,
                    usable,
                )  # fmt: skip
            if not _is_usable(usable, slice_, row, column):
                continue
            if normalised:
                limit = _limit(score, bound[slice_, row, column], factor, alpha)
            found = _patch_sum(
                query, z, y, x, key, slice_, row, column, depth, patch_rows, patch_columns, limit,
                row_levels, column_levels,
            )  # fmt: skip
            if not found <= limit:
                continue
            found_score = found
            if normalised:
                _note_query(words, slice_, row, column, found, place)
                found_score = _normalised(found, bound[slice_, row, column], factor, alpha)
            number = (slice_ * key.shape[2] + row) * key.shape[3] + column
            if _accept(found_score, number, score, best):
                best, best_sum, score = number, found, found_score
                best_z, best_row, best_column = slice_, row, column
                if not normalised:
                    limit = found
        out_index[z, y, x], out_sums[z, y, x] = best, best_sum

    return pass_over_patches


def _field(array: Array) -> Array:
    """Field of an image as one of a volume of one slice; of volumes as it is."""
    return array[None] if array.ndim == 2 else array


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work for one query patch a thread; see `protocol.Engine.patchmatch_pass`."""
    axes = 2 if isinstance(request.patch_size, int) and request.query.ndim == 3 else 3
    sides = volume_sides(request.patch_size, request.index.ndim)
    kernel = patchmatch_kernel(axes, *sides, request.bound is not None)
    # Arrays that are missing are never read.
    bound = request.sums if request.bound is None else request.bound
    words = request.index if request.key_words is None else request.key_words
    active = request.usable if request.active is None else request.active
    fields = (request.usable, request.index, request.sums, request.out_index, request.out_sums)
    *lines, columns = request.index.shape
    launch(
        kernel, math.prod(lines) * -(-columns // THREADS), volume_of(request.query),
        volume_of(request.key), *map(_field, fields), request.step, request.radius, request.draws,
        request.stream, _field(bound), request.mean_factor, np.float32(request.alpha),
        _field(words), _field(active), request.active is not None,
    )  # fmt: skip
    tick(request.index.size)


@device_kernel
def _sum_pairs(
    query: Array, key: Array, depth: int, patch_rows: int, patch_columns: int,
    query_number: Array, key_number: Array, out: Array,
) -> None:  # fmt: skip
    i = cuda.grid(1)
    if i >= out.shape[0]:
        return
    row_levels = cuda.local.array(_LEVELS, float32)
    column_levels = cuda.local.array(_LEVELS, float32)
    z, y, x = _place_of(query_number[i], query)
    slice_, row, column = _place_of(key_number[i], key)
    out[i] = _patch_sum(
        query, z, y, x, key, slice_, row, column, depth, patch_rows, patch_columns,
        float32(np.inf), row_levels, column_levels,
    )  # fmt: skip


def pair_sums(
    query: Array,
    key: Array,
    patch_size: PatchSize,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate one pair a thread; see `protocol.Engine.pair_sums`."""
    if out.size:
        sides = volume_sides(patch_size, query.ndim - 1)
        launch(
            _sum_pairs, -(-out.size // THREADS), volume_of(query), volume_of(key), *sides,
            query_number, key_number, out,
        )  # fmt: skip


@device_kernel
def _lower_words(words: Array, places: Array, values: Array) -> None:
    i = cuda.grid(1)
    if i < places.shape[0] and values[i] < words[places[i]]:
        cuda.atomic.min(words, places[i], values[i])


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    if places.size:
        launch(_lower_words, -(-places.size // THREADS), words, places, values)
