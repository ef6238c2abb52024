"""Aligned memory and lists of best keys, shared by the search kernels of engine `numba`."""

from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import inlined
from pnncupy.kernels.numba_cpu.simd import LANES, broadcast, less_lanes, lowest_bit, store
from pnncupy.kernels.protocol import Array


@inlined
def aligned(length: int, value: Array) -> Any:
    """A flat array that starts on a cache line, where a vector costs one access and not two."""
    array = np.full(length + LANES, value, np.float32)
    first = -(array.ctypes.data // 4) % LANES
    return array[first : first + length]


@inlined
def insert_lanes(
    sums: Array, lanes: Array, limit: Any, position: int, score: Array, index: Array, row: int,
    column: int, first_key: int,
) -> None:  # fmt: skip
    """Insert the lanes that are below the limit into a query's list of best keys, in order."""
    store(lanes, 0, sums)
    last = score.shape[2] - 1
    bits = less_lanes(sums, broadcast(limit, position))
    while bits != 0:
        lane = lowest_bit(bits)
        bits &= bits - 1
        value = lanes[lane]
        if value < limit[position]:
            place = last
            # Of equal values the key that was there first stays in front.
            while place > 0 and score[row, column, place - 1] > value:
                score[row, column, place] = score[row, column, place - 1]
                index[row, column, place] = index[row, column, place - 1]
                place -= 1
            score[row, column, place] = value
            index[row, column, place] = first_key + lane
            limit[position] = score[row, column, last]
