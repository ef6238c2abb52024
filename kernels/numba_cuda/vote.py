"""Vote of engine `numba-cuda`; see `cuda/vote.cu`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from numba import cuda, float32

from pnncupy.kernels.numba_cuda.device import (
    THREADS,
    add,
    beside,
    device_function,
    device_kernel,
    larger,
    launch,
    multiply,
    smaller,
    thread_place,
)
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.slabs import volume_of, volume_sides, weight_table
from pnncupy.patch_shape import PatchSize, patch_sides


@device_function
def _pixel_of_thread(index: Array, out: Array, masked: bool, active: Array) -> Any:
    """Position of a thread's pixel, and whether its vote is wanted."""
    line, x = thread_place(out.shape[3])
    z, y = line // out.shape[2], line % out.shape[2]
    wanted = x < out.shape[3]
    if wanted and masked:
        wanted = active[z, y, x]
    return z, y, x, wanted


@device_function
def _offsets(at: int, count: int, side: int) -> Any:
    """Offsets along an axis in a patch of those of `count` patches that cover a pixel."""
    return larger(0, at - count + 1), smaller(side, at + 1)


@device_function
def _voted(
    value: Array, channel: int, index: Array, z: int, y: int, x: int, dz: int, dy: int, dx: int,
) -> Any:  # fmt: skip
    """Value that the patch which is (dz, dy, dx) before a pixel puts there."""
    here = index[z - dz, y - dy, x - dx]
    line = here // value.shape[3]
    slice_, row = line // value.shape[2], line % value.shape[2]
    return value[channel, slice_ + dz, row + dy, here % value.shape[3] + dx]


@device_kernel
def _vote_mean(
    value: Array, index: Array, weight: Array, active: Array, masked: bool, out: Array,
) -> None:  # fmt: skip
    z, y, x, wanted = _pixel_of_thread(index, out, masked, active)
    if not wanted:
        return
    first_dz, end_dz = _offsets(z, index.shape[0], weight.shape[0])
    first_dy, end_dy = _offsets(y, index.shape[1], weight.shape[1])
    first_dx, end_dx = _offsets(x, index.shape[2], weight.shape[2])
    for channel in range(out.shape[0]):
        total, weights = float32(0), float32(0)
        for dz in range(first_dz, end_dz):
            for dy in range(first_dy, end_dy):
                for dx in range(first_dx, end_dx):
                    here = _voted(value, channel, index, z, y, x, dz, dy, dx)
                    weights = add(weights, weight[dz, dy, dx])
                    total = add(total, multiply(weight[dz, dy, dx], here))
        out[channel, z, y, x] = total / weights


@cache
def _ranked_kernel(depth: int, rows: int, columns: int, trimmed: bool) -> Any:
    size = depth * rows * columns

    @device_kernel
    def vote_ranked(value: Array, index: Array, active: Array, masked: bool, out: Array) -> None:
        z, y, x, wanted = _pixel_of_thread(index, out, masked, active)
        channel = cuda.blockIdx.y
        if not wanted:
            return
        first_dz, end_dz = _offsets(z, index.shape[0], depth)
        first_dy, end_dy = _offsets(y, index.shape[1], rows)
        first_dx, end_dx = _offsets(x, index.shape[2], columns)
        covering = cuda.local.array(size, float32)
        count = 0
        for dz in range(first_dz, end_dz):
            for dy in range(first_dy, end_dy):
                for dx in range(first_dx, end_dx):
                    new = _voted(value, channel, index, z, y, x, dz, dy, dx)
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
        out[channel, z, y, x] = total / float32(end - first)

    return vote_ranked


def vote(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    axes = index.ndim
    sides = volume_sides(patch_size, axes)
    value, out = volume_of(value), volume_of(out)
    index = index.reshape((1, *index.shape)[-3:])  # images are volumes of one slice
    channels, depth, height, width = out.shape
    blocks = depth * height * -(-width // THREADS)
    # Arrays that are missing are never read.
    mask = (out[0], False) if active is None else (active.reshape(out.shape[1:]), True)
    if reduction != "mean":
        kernel = _ranked_kernel(*sides, reduction == "trimmed_mean")
        launch(kernel, (blocks, channels), value, index, *mask, out)
        return
    table = beside(value, weight_table(weight, patch_sides(patch_size, axes)).reshape(sides))
    launch(_vote_mean, blocks, value, index, table, *mask, out)
