"""Vote of engine `numba-cuda`; see `cuda/vote.cu`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32

from pnncupy.kernels.numba_cuda.device import (
    THREADS,
    add,
    device_kernel,
    larger,
    multiply,
    smaller,
    thread_place,
)
from pnncupy.kernels.protocol import Array


@device_kernel
def _vote_mean(
    value: Array, index: Array, weight: Array, active: Array, masked: bool, out: Array,
) -> None:  # fmt: skip
    rows, columns = index.shape
    y, x = thread_place(out.shape[2])
    if x >= out.shape[2]:
        return
    if masked and not active[y, x]:
        return
    patch_size, width = weight.shape[0], value.shape[2]
    for channel in range(out.shape[0]):
        total, weights = float32(0), float32(0)
        for dy in range(larger(0, y - rows + 1), smaller(patch_size, y + 1)):
            for dx in range(larger(0, x - columns + 1), smaller(patch_size, x + 1)):
                here = index[y - dy, x - dx]
                row, column = here // width + dy, here % width + dx
                weights = add(weights, weight[dy, dx])
                total = add(total, multiply(weight[dy, dx], value[channel, row, column]))
        out[channel, y, x] = total / weights


@cache
def _ranked_kernel(patch_size: int, trimmed: bool) -> Any:
    size = patch_size * patch_size

    @device_kernel
    def vote_ranked(value: Array, index: Array, active: Array, masked: bool, out: Array) -> None:
        rows, columns = index.shape
        y, x = thread_place(out.shape[2])
        channel = cuda.blockIdx.y
        if x >= out.shape[2]:
            return
        if masked and not active[y, x]:
            return
        width = value.shape[2]
        covering = cuda.local.array(size, float32)
        count = 0
        for dy in range(larger(0, y - rows + 1), smaller(patch_size, y + 1)):
            for dx in range(larger(0, x - columns + 1), smaller(patch_size, x + 1)):
                here = index[y - dy, x - dx]
                new = value[channel, here // width + dy, here % width + dx]
                place = count
                while place > 0 and covering[place - 1] > new:
                    covering[place] = covering[place - 1]
                    place -= 1
                covering[place] = new
                count += 1
        first, end = (count - 1) // 2, (count - 1) // 2 + 1
        if trimmed:
            first, end = count // 4, count - count // 4
        total = covering[first]
        for rank in range(first + 1, end):
            total = add(total, covering[rank])
        out[channel, y, x] = total / float32(end - first)

    return vote_ranked


def vote(
    value: Array,
    index: Array,
    patch_size: int,
    reduction: str,
    weight: Sequence[float] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    channels, height, width = out.shape
    columns = -(-width // THREADS)
    # Arrays that are missing are never read.
    mask = (out[0] if active is None else active, active is not None)
    if reduction != "mean":
        kernel = _ranked_kernel(patch_size, reduction == "trimmed_mean")
        kernel[(columns * height, channels), THREADS](value, index, *mask, out)
        return
    side = np.asarray(weight, np.float32)
    table = cuda.to_device(side[:, None] * side[None, :])
    _vote_mean[columns * height, THREADS](value, index, table, *mask, out)
