"""Passes of PatchMatch over volumes for engine `numba`: see `protocol.Engine.patchmatch_pass`.

The same steps as in `patchmatch`, with one axis more. Voxels are read from planes with the channels
of a slice side by side, in which a patch is one of an image with more planes: see `slabs`.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.patchmatch import (
    accept,
    combined,
    drawn,
    finite_range,
    limit_of,
    normalised_score,
    note_query,
)
from pnncupy.kernels.numba_cpu.patchmatch import patchmatch_pass as image_pass
from pnncupy.kernels.numba_cpu.simd import LANES, patch_sum
from pnncupy.kernels.protocol import Array, PassRequest, Tick
from pnncupy.kernels.slabs import interleaved, is_volume, lifted_pass
from pnncupy.kernels.tiling import run, run_all

# Query rows in one step of a thread: some milliseconds.
_ROWS_PER_STEP = 16
_NOTHING = np.empty((0, 0, 0), np.float32)
_NO_WORDS = np.empty(0, np.uint64)
_NO_TOTALS = np.empty((0, 0, 0, 0), np.uint8)
_NO_MASK = np.empty((0, 0, 0), np.bool_)
# Widens the limit of bounds for the rounding of the patches' totals.
_FILTER_WIDENING = np.float32(1 + 1e-3)


@inlined
def _propagated_key(
    index: Array, z: int, y: int, x: int, neighbour: int, step: int, key_height: int,
    key_width: int,
) -> Any:  # fmt: skip
    """Match of a neighbour, moved back to this query patch; negative beyond the border.

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
        return np.int64(-1), np.int64(-1), np.int64(-1)
    if z + dz >= index.shape[0] or y + dy >= index.shape[1] or x + dx >= index.shape[2]:
        return np.int64(-1), np.int64(-1), np.int64(-1)
    there = np.int64(index[z + dz, y + dy, x + dx])
    line = there // key_width
    return line // key_height - dz, line % key_height - dy, there % key_width - dx


@inlined
def _totals_exceed(
    query_totals: Array, key_totals: Array, z: int, y: int, x: int, key_z: int, row: int,
    column: int, step_squared: float, limit: Any,
) -> Any:  # fmt: skip
    """Test whether the totals of two patches alone push their sum above a limit."""
    steps = 0
    for channel in range(query_totals.shape[3]):
        difference = abs(
            int(query_totals[z, y, x, channel]) - int(key_totals[key_z, row, column, channel])
        )
        # Each may be rounded by half a step.
        difference = max(difference - 1, 0)
        steps += difference * difference
    return steps * step_squared > limit * _FILTER_WIDENING


@compiled
def _totals_of_slab(
    planes: Array, z: int, depth: int, patch_rows: int, patch_columns: int, root: float,
    low: float, step: float, out: Array,
) -> None:  # fmt: skip
    """Sum of each patch's voxels over the root of their count, in steps from `low`, as bytes.

    `out` is (slices, rows, columns, C); slice z is filled.
    """
    _, rows, columns, channels = out.shape
    line = np.empty(planes.shape[2], np.float64)
    for row in range(rows):
        for channel in range(channels):
            line[:] = 0
            for dz in range(depth):
                plane = (z + dz) * channels + channel
                for dy in range(patch_rows):
                    for x in range(planes.shape[2]):
                        line[x] += planes[plane, row + dy, x]
            for column in range(columns):
                total = 0.0
                for dx in range(patch_columns):
                    total += line[column + dx]
                steps = (total / root - low) / step
                # Patches with infinite voxels are not usable.
                out[z, row, column, channel] = np.uint8(steps + 0.5) if steps < 255.5 else 0


def _totals(
    volumes: tuple[Array, Array], sides: tuple[int, ...], threads: int
) -> tuple[Array, Array, np.float32]:
    """Totals of the patches of both volumes as bytes, and their step squared.

    See `patchmatch._totals`.
    """
    root = math.sqrt(math.prod(sides))
    ranges = [finite_range(volume) for volume in volumes]
    low = root * min(least for least, _ in ranges)
    high = root * max(most for _, most in ranges)
    step = (high - low) / 255 or 1.0

    def totals(volume: Array) -> Array:
        shape = [pixels - side + 1 for pixels, side in zip(volume.shape[1:], sides, strict=True)]
        planes, out = interleaved(volume), np.empty((*shape, len(volume)), np.uint8)

        def slab(z: int) -> None:
            _totals_of_slab(planes, z, *sides, root, low, step, out)

        run_all(slab, range(shape[0]), threads)
        return out

    return totals(volumes[0]), totals(volumes[1]), np.float32(step**2)


@cache
def volume_kernel(
    depth: int, patch_rows: int, patch_columns: int, channels: int, normalised: bool
) -> Callable[..., None]:
    """Kernel of one pass over rows of queries, for one patch shape and channel count.

    Volumes are flat interleaved planes, with some vectors' length behind their last voxel. Rows are
    those of all slices, one slice after the other.
    """
    revision = HELPERS_REVISION
    is_normalised = int(normalised)
    planes = depth * channels

    @compiled
    def pass_over_rows(
        query: Array, query_height: int, query_width: int, query_totals: Array, key: Array,
        key_height: int, key_width: int, key_totals: Array, usable: Array, index: Array,
        sums: Array, out_index: Array, out_sums: Array, step: int, radius: int, draws: int,
        stream: int, bound: Array, factor: float, alpha: float, key_words: Array, active: Array,
        step_squared: float, first_row: int, end_row: int,
    ) -> None:  # fmt: skip
        _, rows, columns = index.shape
        key_slices, key_rows, key_columns = usable.shape
        query_plane, key_plane = query_height * query_width, key_height * key_width
        tries = 0 * revision
        while draws > 0 and radius >> tries // draws > 0:
            tries += draws
        for line in range(first_row, end_row):
            z, y = line // rows, line % rows
            for x in range(columns):
                best: Any = np.int64(index[z, y, x])
                best_sum = sums[z, y, x]
                if active.size > 0 and not active[z, y, x]:
                    out_index[z, y, x], out_sums[z, y, x] = best, best_sum
                    continue
                slice_, row = best // key_plane, best // key_width % key_height
                column = best % key_width
                place = z * query_plane + y * query_width + x
                address = place + z * (channels - 1) * query_plane
                limit, score = best_sum, best_sum
                if is_normalised:
                    score = normalised_score(best_sum, bound[slice_, row, column], factor, alpha)
                of_patch = combined(stream, place) if tries > 0 else 0
                for attempt in range(0 if step > 0 else 6, 6 + tries):
                    if attempt < 6:
                        key_z, key_row, key_column = _propagated_key(
                            index, z, y, x, attempt, step, key_height, key_width
                        )
                        if key_z < 0 or key_row < 0 or key_column < 0:
                            continue
                        if key_z >= key_slices or key_row >= key_rows or key_column >= key_columns:
                            continue
                        if key_z == slice_ and key_row == row and key_column == column:
                            continue
                    else:
                        draw, reach = attempt - 6, radius >> (attempt - 6) // draws
                        key_z = drawn(combined(of_patch, 3 * draw), slice_, reach, key_slices)
                        key_row = drawn(combined(of_patch, 3 * draw + 1), row, reach, key_rows)
                        key_column = drawn(
                            combined(of_patch, 3 * draw + 2), column, reach, key_columns
                        )
                    if is_normalised:
                        limit = limit_of(score, bound[key_z, key_row, key_column], factor, alpha)
                    if attempt >= 6 and _totals_exceed(
                        query_totals, key_totals, z, y, x, key_z, key_row, key_column,
                        step_squared, limit,
                    ):  # fmt: skip
                        continue
                    if not usable[key_z, key_row, key_column]:
                        continue
                    number = key_z * key_plane + key_row * key_width + key_column
                    found = patch_sum(
                        query, address, query_width, query_plane, key,
                        number + key_z * (channels - 1) * key_plane, key_width, key_plane,
                        patch_rows, patch_columns, planes, limit,
                    )  # fmt: skip
                    if not found <= limit:
                        continue
                    found_score = found
                    if is_normalised:
                        at = (key_z * key_rows + key_row) * key_columns + key_column
                        note_query(key_words, at, found, place)
                        found_score = normalised_score(
                            found, bound[key_z, key_row, key_column], factor, alpha
                        )
                    if accept(found_score, number, score, best):
                        best, best_sum, score = number, found, found_score
                        slice_, row, column = key_z, key_row, key_column
                        if not is_normalised:
                            limit = found
                out_index[z, y, x], out_sums[z, y, x] = best, best_sum

    return pass_over_rows


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Pass over an image or a volume; see `protocol.Engine.patchmatch_pass`."""
    if is_volume(request.query, request.patch_size):
        _volume_pass(lifted_pass(request), threads, tick)
    else:
        image_pass(request, threads=threads, tick=tick)


def _volume_pass(request: PassRequest, threads: int, tick: Tick) -> None:
    """Work on bands of rows of a volume."""
    query, key, sides = request.query, request.key, request.sides
    depth, patch_rows, patch_columns = sides
    kernel = volume_kernel(depth, patch_rows, patch_columns, len(query), request.bound is not None)
    tail = np.zeros((-(-patch_columns // LANES) + 1) * LANES, np.float32)
    flat_query, flat_key = (
        np.concatenate([interleaved(volume).ravel(), tail]) for volume in (query, key)
    )
    words = _NO_WORDS if request.key_words is None else request.key_words.reshape(-1)
    bound = _NOTHING if request.bound is None else request.bound
    active = _NO_MASK if request.active is None else request.active
    query_totals = key_totals = _NO_TOTALS
    step_squared = np.float32(0)
    if request.radius > 0:
        query_totals, key_totals, step_squared = _totals((query, key), sides, threads)
    slices, rows, columns = request.index.shape

    def band(first: int) -> Iterator[int]:
        end = min(first + _ROWS_PER_STEP, slices * rows)
        kernel(
            flat_query, *query.shape[2:], query_totals, flat_key, *key.shape[2:], key_totals,
            request.usable, request.index, request.sums, request.out_index, request.out_sums,
            request.step, request.radius, request.draws, request.stream, bound,
            request.mean_factor, np.float32(request.alpha), words, active, step_squared, first,
            end,
        )  # fmt: skip
        yield (end - first) * columns

    run(map(band, range(0, slices * rows, _ROWS_PER_STEP)), threads, tick)
