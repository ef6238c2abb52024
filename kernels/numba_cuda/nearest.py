"""Exact search of engine `numba-cuda`; see `cuda/nearest.cu` for the faster form of these loops."""

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
    multiply,
    smaller,
    subtract,
    word_of,
)
from pnncupy.kernels.protocol import Array, SearchRequest, Tick, refuse_lists
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
def _squared_difference(query: Array, y: int, x: int, key: Array, row: int, column: int) -> Any:
    """Squared differences of two pixels, summed over channels; infinite outside of an image."""
    if x >= query.shape[2] or column < 0 or column >= key.shape[2]:
        return float32(np.inf)
    total = float32(0)
    for channel in range(query.shape[0]):
        difference = subtract(query[channel, y, x], key[channel, row, column])
        squared = multiply(difference, difference)
        total = squared if channel == 0 else add(total, squared)
    return total


@device_function
def _lower_match(best: Array, y: int, x: int, score: float, number: int) -> None:
    """Lower the match of a query patch, if a key is better.

    Scores are not negative, so their bits order as integers. A look is cheaper than an atomic
    operation, and mostly shows it needless.
    """
    match = word_of(score, number + 1)
    if match < best[y, x]:
        cuda.atomic.min(best, (y, x), match)


@cache
def nearest_kernel(patch_size: int, channels: int, weighted: bool, masked: bool) -> Any:
    """Search kernel: a thread owns one displacement and a strip of query columns.

    Blocks: x over strips and, slower, blocks of dx; y over chunks of rows; z over dy.
    """
    margin = patch_size - 1
    columns = _STRIP + margin

    @device_kernel
    def search(
        query: Array, key: Array, weight: Array, active: Array, best: int, first_index: int,
        index_stride: int, first_dy: int, chunk_rows: int, strips: int,
    ) -> None:  # fmt: skip
        history = cuda.local.array((columns, margin), float32)
        sums = cuda.local.array(columns, float32)
        scratch = cuda.local.array(patch_size, float32)
        rows, row_columns = query.shape[1] - margin, query.shape[2] - margin
        key_rows, key_columns = key.shape[1] - margin, key.shape[2] - margin
        dy = first_dy + cuda.blockIdx.z
        left = cuda.blockIdx.x % strips * _STRIP
        dx = 1 - left - _STRIP + cuda.blockIdx.x // strips * cuda.blockDim.x + cuda.threadIdx.x
        top = cuda.blockIdx.y * chunk_rows
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
                total = _squared_difference(query, y, x, key, y + dy, x + dx)
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
                    score = multiply(score, weight[done + dy, x + dx])
                if score < np.inf:
                    number = first_index + (done + dy) * index_stride + x + dx
                    _lower_match(best, done, x, score, number)

    return search


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search by launches of many displacements; see `protocol.Engine.update_nearest`."""
    refuse_lists(request)
    query, weight, active = request.query, request.weight, request.active
    (rows, columns), (key_rows, key_columns) = request.shape, request.key_shape
    strips = -(-columns // _STRIP)
    blocks = strips * -(-(key_columns + _STRIP - 1) // THREADS)
    chunk_rows = min(rows, _CHUNK_ROWS)
    # 0 is no key yet.
    best = pack(request.score[..., 0], request.index[..., 0] + np.int32(1))
    kernel = nearest_kernel(request.patch_size, len(query), weight is not None, active is not None)
    pairs_per_dy = columns * key_columns * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS_Z))
    for first_dy in range(1 - rows, key_rows, step):
        count = min(step, key_rows - first_dy)
        # Arrays that are missing are never read.
        kernel[(blocks, -(-rows // chunk_rows), count), THREADS](
            query, request.key, query[0] if weight is None else weight,
            query[0] if active is None else active, best, request.first_index,
            request.index_stride, first_dy, chunk_rows, strips,
        )  # fmt: skip
        cuda.synchronize()
        row_pairs = pairs_of_rows(0, rows, key_rows, first_dy, first_dy + count)
        tick(row_pairs * columns * key_columns)
    request.score[..., 0], index = unpack(best)
    request.index[..., 0] = index - np.int32(1)
