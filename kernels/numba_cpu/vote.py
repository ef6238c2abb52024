"""Vote of engine `numba`, parallel over rows of pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import compiled, inlined
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.slabs import is_volume, volume_of, volume_sides, weight_table
from pnncupy.kernels.tiling import run_all
from pnncupy.patch_shape import PatchSize, patch_sides

_ALL = np.empty((0, 0), np.bool_)
_ALL_OF_VOLUME = np.empty((0, 0, 0), np.bool_)
_MOST_PIXELS_PER_BAND = 2**16


@inlined
def _cover(
    index: Array, y: int, x: int, patch_size: int, value_width: int, places: Array, offsets: Array,
) -> Any:  # fmt: skip
    """Value pixels that the patches over a pixel put there, row by row, and how many."""
    rows, columns = index.shape
    count = 0
    for dy in range(max(0, y - rows + 1), min(patch_size, y + 1)):
        for dx in range(max(0, x - columns + 1), min(patch_size, x + 1)):
            places[count] = index[y - dy, x - dx] + dy * value_width + dx
            offsets[count] = dy * patch_size + dx
            count += 1
    return count


@compiled
def _vote_mean(
    value: Array, value_width: int, index: Array, patch_size: int, weight: Array, active: Array,
    out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Weighted mean of the patches that cover each pixel; `value` is (C, pixels)."""
    places = np.empty(patch_size * patch_size, np.int64)
    offsets = np.empty(patch_size * patch_size, np.int64)
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            if active.size > 0 and not active[y, x]:
                continue
            count = _cover(index, y, x, patch_size, value_width, places, offsets)
            weights = np.float32(0)
            for k in range(count):
                weights += weight[offsets[k]]
            for channel in range(out.shape[0]):
                total = np.float32(0)
                for k in range(count):
                    total += weight[offsets[k]] * value[channel, places[k]]
                out[channel, y, x] = total / weights


@inlined
def _cover_volume(
    index: Array, z: int, y: int, x: int, sides: Any, value_height: int, value_width: int,
    places: Array, offsets: Array,
) -> Any:  # fmt: skip
    """The same in a volume, slice by slice."""
    slices, rows, columns = index.shape
    depth, patch_rows, patch_columns = sides
    count = 0
    for dz in range(max(0, z - slices + 1), min(depth, z + 1)):
        for dy in range(max(0, y - rows + 1), min(patch_rows, y + 1)):
            shift = (dz * value_height + dy) * value_width
            offset = (dz * patch_rows + dy) * patch_columns
            for dx in range(max(0, x - columns + 1), min(patch_columns, x + 1)):
                places[count] = index[z - dz, y - dy, x - dx] + shift + dx
                offsets[count] = offset + dx
                count += 1
    return count


@compiled
def _vote_mean_of_volume(
    value: Array, value_height: int, value_width: int, index: Array, sides: Any, weight: Array,
    active: Array, out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Weighted mean of the patches that cover each voxel; `value` is (C, voxels).

    Rows are those of all slices, one slice after the other.
    """
    places = np.empty(sides[0] * sides[1] * sides[2], np.int64)
    offsets = np.empty(len(places), np.int64)
    for line in range(first_row, last_row):
        z, y = line // out.shape[2], line % out.shape[2]
        for x in range(out.shape[3]):
            if active.size > 0 and not active[z, y, x]:
                continue
            count = _cover_volume(index, z, y, x, sides, value_height, value_width, places, offsets)
            weights = np.float32(0)
            for k in range(count):
                weights += weight[offsets[k]]
            for channel in range(out.shape[0]):
                total = np.float32(0)
                for k in range(count):
                    total += weight[offsets[k]] * value[channel, places[k]]
                out[channel, z, y, x] = total / weights


@inlined
def _middle_mean(value: Array, places: Array, count: int, trimmed: int, covering: Array) -> Any:
    """Lower median or trimmed mean of some values of a plane."""
    # Insertion sort: at most the values of a patch, mostly nearly equal.
    for k in range(count):
        new = value[places[k]]
        place = k
        while place > 0 and covering[place - 1] > new:
            covering[place] = covering[place - 1]
            place -= 1
        covering[place] = new
    first, end = (count - 1) // 2, (count - 1) // 2 + 1
    if trimmed:
        first, end = count // 4, count - count // 4
    total = covering[first]
    for rank in range(first + 1, end):
        total += covering[rank]
    return total / np.float32(end - first)


@compiled
def _vote_ranked_of_volume(
    value: Array, value_height: int, value_width: int, index: Array, sides: Any, trimmed: int,
    active: Array, out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Lower median or trimmed mean of the patches that cover each voxel."""
    places = np.empty(sides[0] * sides[1] * sides[2], np.int64)
    offsets = np.empty(len(places), np.int64)
    covering = np.empty(len(places), np.float32)
    for line in range(first_row, last_row):
        z, y = line // out.shape[2], line % out.shape[2]
        for x in range(out.shape[3]):
            if active.size > 0 and not active[z, y, x]:
                continue
            count = _cover_volume(index, z, y, x, sides, value_height, value_width, places, offsets)
            for channel in range(out.shape[0]):
                out[channel, z, y, x] = _middle_mean(
                    value[channel], places, count, trimmed, covering
                )


@compiled
def _vote_ranked(
    value: Array, value_width: int, index: Array, patch_size: int, trimmed: int, active: Array,
    out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Lower median or trimmed mean of the patches that cover each pixel; `value` is (C, pixels)."""
    places = np.empty(patch_size * patch_size, np.int64)
    offsets = np.empty(patch_size * patch_size, np.int64)
    covering = np.empty(patch_size * patch_size, np.float32)
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            if active.size > 0 and not active[y, x]:
                continue
            count = _cover(index, y, x, patch_size, value_width, places, offsets)
            for channel in range(out.shape[0]):
                out[channel, y, x] = _middle_mean(value[channel], places, count, trimmed, covering)


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
    """Vote row by row of the output; see `protocol.Engine.vote`."""
    if is_volume(value, patch_size):
        _vote_of_volume(
            volume_of(value), index if index.ndim == 3 else index[None],
            volume_sides(patch_size, index.ndim), reduction,
            None if weight is None else weight_table(weight, index.shape), volume_of(out),
            None if active is None else active.reshape(volume_of(out).shape[1:]), threads,
        )  # fmt: skip
        return
    size = patch_sides(patch_size, 2)[0]
    bands = _bands(out.shape[1], out[0].size, threads)
    planes, width = value.reshape(len(value), -1), value.shape[2]
    pixels = _ALL if active is None else active
    if reduction != "mean":
        trimmed = reduction == "trimmed_mean"
        run_all(
            lambda band: _vote_ranked(planes, width, index, size, trimmed, pixels, out, *band),
            bands, threads,
        )  # fmt: skip
        return
    table = weight_table(weight, index.shape).ravel()
    run_all(
        lambda band: _vote_mean(planes, width, index, size, table, pixels, out, *band),
        bands, threads,
    )  # fmt: skip


def _bands(height: int, pixels: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of rows: small ones, since a thread does not stop within one."""
    count = min(height, max(8 * threads, pixels // _MOST_PIXELS_PER_BAND))
    return [(height * k // count, height * (k + 1) // count) for k in range(count)]


def _vote_of_volume(
    value: Array,
    index: Array,
    sides: tuple[int, int, int],
    reduction: str,
    table: Array | None,
    out: Array,
    active: Array | None,
    threads: int,
) -> None:
    """Vote row by row of all slices."""
    bands = _bands(out.shape[1] * out.shape[2], out[0].size, threads)
    planes, (height, width) = value.reshape(len(value), -1), value.shape[2:]
    voxels = _ALL_OF_VOLUME if active is None else active
    if table is None:
        trimmed = reduction == "trimmed_mean"
        run_all(
            lambda band: _vote_ranked_of_volume(
                planes, height, width, index, sides, trimmed, voxels, out, *band
            ),
            bands, threads,
        )  # fmt: skip
        return
    weights = table.ravel()
    run_all(
        lambda band: _vote_mean_of_volume(
            planes, height, width, index, sides, weights, voxels, out, *band
        ),
        bands, threads,
    )  # fmt: skip
