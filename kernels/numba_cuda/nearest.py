"""Exact search of engine `numba-cuda`: threads walk down the rows; `cuda/nearest.cu` is faster."""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32

from pnncupy.kernels.match_words import pack, unpack
from pnncupy.kernels.numba_cuda.device import (
    THREADS,
    add,
    device_function,
    device_kernel,
    larger,
    launch,
    multiply,
    smaller,
    subtract,
    word_of,
)
from pnncupy.kernels.protocol import Array, SearchRequest, Tick
from pnncupy.kernels.slabs import interleaved
from pnncupy.kernels.sum_order import tree_sum
from pnncupy.kernels.tiling import pairs_of_rows

_STRIP = 4
_CHUNK_ROWS = 64
_PAIRS_PER_LAUNCH = 5e9
_MOST_BLOCKS_Z = 65535


@device_function
def _push(history: Array, column: int, value: float, patch_size: int, levels: Array) -> Any:
    """Sum of the last values pushed to a column's history, by powers of two; see `sums.cuh`."""
    levels[0] = value
    top = 0
    while 2 << top <= patch_size:
        levels[top + 1] = add(history[column, (1 << top) - 1], levels[top])
        top += 1
    covered = 1 << top
    total = levels[top] if covered == patch_size else history[column, covered - 1]
    for k in range(top - 1, -1, -1):
        if patch_size >> k & 1:
            covered += 1 << k
            back = patch_size - covered
            newer = levels[k] if back == 0 else history[column, (2 << k) - 1 - back]
            total = add(total, newer)
    for k in range(top + 1):
        first = (1 << k) - 1
        depth = 1 << k if k < top else patch_size - (1 << top)
        for i in range(depth - 1):
            history[column, first + i] = history[column, first + i + 1]
        if depth > 0:
            history[column, first + depth - 1] = levels[k]
    return total


_total = device_function(tree_sum(add))


@device_function
def _window(sums: Array, first: int, patch_size: int, scratch: Array) -> Any:
    """Sum of neighbouring values."""
    for i in range(patch_size):
        scratch[i] = sums[first + i]
    return _total(scratch, patch_size)


@device_function
def _squared_difference(
    query: Array, first_plane: int, y: int, x: int, key: Array, row: int, column: int,
) -> Any:  # fmt: skip
    """Squared differences of two pixels, summed over planes; infinite outside of an image."""
    if x >= query.shape[2] or column < 0 or column >= key.shape[2]:
        return float32(np.inf)
    total = float32(0)
    for plane in range(key.shape[0]):
        difference = subtract(query[first_plane + plane, y, x], key[plane, row, column])
        squared = multiply(difference, difference)
        total = squared if plane == 0 else add(total, squared)
    return total


@device_function
def _lower_list(best: Array, slab: int, y: int, x: int, score: float, number: int) -> None:
    """Put a key into the list of a query patch, if it is better than the last one.

    Scores are not negative, so their bits order as integers. A look is cheaper than an atomic
    operation, and mostly shows it needless. What a minimum drives out is offered to the next place.
    """
    word = word_of(score, number + 1)
    last = best.shape[3] - 1
    if word < best[slab, y, x, last]:
        for place in range(last + 1):
            word = larger(word, cuda.atomic.min(best, (slab, y, x, place), word))


@device_function
def _lower_key(words: Array, row: int, column: int, total: float, number: int) -> None:
    """Lower what a key patch knows of its nearest query."""
    word = word_of(total, number + 1)
    if word < words[row, column]:
        cuda.atomic.min(words, (row, column), word)


@cache
def nearest_kernel(
    patch_rows: int, patch_columns: int, weighted: bool, masked: bool, reverse: bool
) -> Any:
    """Search kernel: a thread owns one displacement and a strip of query columns.

    Blocks: x over strips and, slower, blocks of dx; y over chunks of rows and, slower, slabs of a
    volume, which begin `channels` planes after each other; z over dy.
    """
    columns = _STRIP + patch_columns - 1
    margin = patch_rows - 1
    scratch_size = max(patch_rows, patch_columns)

    @device_kernel
    def search(
        query: Array, channels: int, key: Array, weight: Array, active: Array, best: Array,
        key_words: Array, first_index: int, index_stride: int, first_dy: int, chunk_rows: int,
        strips: int,
    ) -> None:  # fmt: skip
        history = cuda.local.array((columns, scratch_size), float32)
        sums = cuda.local.array(columns, float32)
        scratch = cuda.local.array(scratch_size, float32)
        rows, row_columns = best.shape[1], best.shape[2]
        key_rows, key_columns = key.shape[1] - margin, key.shape[2] - patch_columns + 1
        dy = first_dy + cuda.blockIdx.z
        left = cuda.blockIdx.x % strips * _STRIP
        dx = 1 - left - _STRIP + cuda.blockIdx.x // strips * cuda.blockDim.x + cuda.threadIdx.x
        chunks = (rows + chunk_rows - 1) // chunk_rows
        slab, top = cuda.blockIdx.y // chunks, cuda.blockIdx.y % chunks * chunk_rows
        start = larger(top, -dy)
        stop = smaller(smaller(top + chunk_rows, rows), key_rows - dy)
        if start >= stop or left + dx >= key_columns or left + _STRIP + dx <= 0:
            return
        for column in range(columns):
            for k in range(margin):
                history[column, k] = float32(np.inf)
        for y in range(start, stop + margin):
            for column in range(columns):
                x = left + column
                total = _squared_difference(query, slab * channels, y, x, key, y + dy, x + dx)
                sums[column] = _push(history, column, total, patch_rows, scratch)
            done = y - margin
            if done < start:
                continue
            for i in range(_STRIP):
                x = left + i
                if x >= row_columns or x + dx < 0 or x + dx >= key_columns:
                    continue
                if masked and not active[slab, done, x]:
                    continue
                score = _window(sums, i, patch_columns, scratch)
                if reverse and score < np.inf:
                    place = (slab * query.shape[1] + done) * query.shape[2] + x
                    _lower_key(key_words, done + dy, x + dx, score, place)
                if weighted:
                    score = multiply(score, weight[done + dy, x + dx])
                if score < np.inf:
                    number = first_index + (done + dy) * index_stride + x + dx
                    _lower_list(best, slab, done, x, score, number)

    return search


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search by launches of many displacements; see `protocol.Engine.update_nearest`."""
    # 0 is no key yet.
    best = pack(request.score, request.index + np.int32(1))
    key_words, key_lists = None, (request.key_score, request.key_index)
    if key_lists[0] is not None and key_lists[1] is not None:
        key_words = pack(key_lists[0], key_lists[1] + np.int32(1))
    key, active, weight = request.key, request.active, request.weight
    if request.query.ndim == 3:
        _search(
            request, request.query, key, weight, None if active is None else active[None],
            best[None], key_words, request.first_index, tick,
        )  # fmt: skip
    else:
        query, keys = interleaved(request.query), interleaved(key)
        slice_stride = request.slice_stride or key.shape[2] * request.index_stride
        for z in range(request.key_shape[0]):
            slab = keys[z * len(key) : (z + request.sides[0]) * len(key)]
            _search(
                request, query, slab, None if weight is None else weight[z], active, best,
                None if key_words is None else key_words[z],
                request.first_index + z * slice_stride, tick,
            )  # fmt: skip
    _unpack_into(best, request.score, request.index)
    if key_words is not None:
        _unpack_into(key_words, *key_lists)


def _unpack_into(words: Array, score: Any, index: Any) -> None:
    score[...], numbers = unpack(words)
    index[...] = numbers - np.int32(1)


def _search(
    request: SearchRequest,
    query: Array,
    key: Array,
    weight: Array | None,
    active: Array | None,
    best: Array,
    key_words: Array | None,
    first_index: int,
    tick: Tick,
) -> None:
    """Lower lists (slabs, rows, columns, length) of an image, or of all slabs in one of the key."""
    *_, patch_rows, patch_columns = request.sides
    slabs, rows, columns, _ = best.shape
    key_rows, key_columns = key.shape[1] - patch_rows + 1, key.shape[2] - patch_columns + 1
    strips = -(-columns // _STRIP)
    blocks = strips * -(-(key_columns + _STRIP - 1) // THREADS)
    chunk_rows = min(rows, _CHUNK_ROWS)
    kernel = nearest_kernel(
        patch_rows, patch_columns, weight is not None, active is not None, key_words is not None
    )
    pairs_per_dy = slabs * columns * key_columns * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS_Z))
    unused = best[0, 0].copy()  # no view: the simulator copies all arrays back
    for first_dy in range(1 - rows, key_rows, step):
        count = min(step, key_rows - first_dy)
        # Arrays that are missing are never read.
        launch(
            kernel, (blocks, slabs * -(-rows // chunk_rows), count), query, len(request.query), key,
            query[0] if weight is None else weight, query if active is None else active, best,
            unused if key_words is None else key_words, first_index, request.index_stride, first_dy,
            chunk_rows, strips, wait=True,
        )  # fmt: skip
        row_pairs = pairs_of_rows(0, rows, key_rows, first_dy, first_dy + count)
        tick(slabs * row_pairs * columns * key_columns)
