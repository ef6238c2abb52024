"""Lists of keys by PatchMatch, and means of the values they name, for engine `numba`.

PatchMatch with several keys: Barnes et al. 2010, doi:10.1007/978-3-642-15558-1_3. Here lists are
those of the pass before, as in `patchmatch`, so that results do not depend on threads.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.patchmatch import combined, drawn
from pnncupy.kernels.numba_cpu.simd import LANES, broadcast, load, patch_sum, store
from pnncupy.kernels.protocol import Array, ListRequest, Tick
from pnncupy.kernels.tiling import run, run_all

# Query rows in one step of a thread of a pass.
_ROWS_PER_STEP = 4
# Rows of the result in a band: each band passes over one patch height of queries more.
_LEAST_BAND = 64


@inlined
def _moved_key(
    index: Array, y: int, x: int, attempt: int, step: int, key_stride: int,
) -> Any:  # fmt: skip
    """Key of a neighbour, moved along; (-1, -1) where there is no other.

    Neighbours are above, below, left and right, each with its whole list.
    """
    neighbour, entry = attempt // index.shape[2], attempt % index.shape[2]
    dy, dx = step * (2 * (neighbour & 1) - 1), 0
    if neighbour >= 2:
        dy, dx = dx, dy
    if y + dy < 0 or x + dx < 0 or y + dy >= index.shape[0] or x + dx >= index.shape[1]:
        return np.int64(-1), np.int64(-1)
    there = np.int64(index[y + dy, x + dx, entry])
    if there < 0:
        return np.int64(-1), np.int64(-1)
    return there // key_stride - dy, there % key_stride - dx


@inlined
def _random_key(
    index: Array, y: int, x: int, of_patch: int, draw: int, radius: int, key_stride: int,
    key_rows: int, key_columns: int,
) -> Any:  # fmt: skip
    """Key drawn within a radius of a listed one, or of the query's own position."""
    row: Any = np.int64(y)
    column: Any = np.int64(x)
    own = np.int64(index[y, x, draw % index.shape[2]])
    if own >= 0:
        row, column = own // key_stride, own % key_stride
    row, column = min(row, key_rows - 1), min(column, key_columns - 1)
    return (
        drawn(combined(of_patch, 2 * draw), row, radius, key_rows),
        drawn(combined(of_patch, 2 * draw + 1), column, radius, key_columns),
    )


@inlined
def _holds(numbers: Array, number: Any) -> Any:
    """Test whether a list has a key."""
    found = False
    for k in range(len(numbers)):
        found |= numbers[k] == number
    return found


@inlined
def _insert(found: float, number: Any, numbers: Array, sums: Array) -> None:
    """Insert a key by its sum, then its number, where it is before the last one."""
    at = len(sums) - 1
    if found > sums[at] or (found == sums[at] and numbers[at] >= 0 and number > numbers[at]):
        return
    while at > 0 and (found < sums[at - 1] or (found == sums[at - 1] and number < numbers[at - 1])):
        numbers[at], sums[at] = numbers[at - 1], sums[at - 1]
        at -= 1
    numbers[at], sums[at] = number, found


@cache
def list_kernel(patch_size: int, channels: int) -> Callable[..., None]:
    """Kernel of one pass over rows of queries, for one patch size and channel count.

    Images are flat, with some vectors' length behind their last pixel.
    """
    revision = HELPERS_REVISION

    @compiled
    def pass_over_rows(
        query: Array, query_stride: int, query_plane: int, key: Array, key_stride: int,
        key_plane: int, usable: Array, index: Array, sums: Array, out_index: Array,
        out_sums: Array, step: int, radius: int, draws: int, stream: int, top: int, bottom: int,
    ) -> None:  # fmt: skip
        key_rows, key_columns = usable.shape
        length = index.shape[2]
        numbers, best = np.empty(length, np.int64), np.empty(length, np.float32)
        tries = 0 * revision
        while draws > 0 and radius >> tries // draws > 0:
            tries += draws
        known = sums.size > 0
        # Attempts below 0 are the list itself, and those from `drawn_from` on are random.
        first = 0 if known else -length
        drawn_from = 4 * length if step > 0 else 0
        for y in range(top, bottom):
            for x in range(index.shape[1]):
                place = y * query_stride + x
                of_patch = combined(stream, place) if tries > 0 else 0
                for k in range(length):
                    numbers[k] = index[y, x, k] if known else -1
                    best[k] = sums[y, x, k] if known else np.float32(np.inf)
                for attempt in range(first, drawn_from + tries):
                    if attempt < 0:
                        own = np.int64(index[y, x, attempt + length])
                        if own < 0:
                            continue
                        row, column = own // key_stride, own % key_stride
                    elif attempt < drawn_from:
                        row, column = _moved_key(index, y, x, attempt, step, key_stride)
                    else:
                        draw = attempt - drawn_from
                        row, column = _random_key(
                            index, y, x, of_patch, draw, radius >> draw // draws, key_stride,
                            key_rows, key_columns,
                        )  # fmt: skip
                    if row < 0 or column < 0 or row >= key_rows or column >= key_columns:
                        continue
                    if not usable[row, column]:
                        continue
                    number = row * key_stride + column
                    if _holds(numbers, number):
                        continue
                    limit = best[length - 1]
                    found = patch_sum(
                        query, place, query_stride, query_plane, key, number, key_stride, key_plane,
                        patch_size, patch_size, channels, limit,
                    )  # fmt: skip
                    if found <= limit and found < np.inf:
                        _insert(found, number, numbers, best)
                for k in range(length):
                    out_index[y, x, k], out_sums[y, x, k] = numbers[k], best[k]

    return pass_over_rows


def update_lists(request: ListRequest, *, threads: int, tick: Tick) -> None:
    """Work on bands of rows; see `protocol.Engine.update_lists`."""
    query, key, size = request.query, request.key, request.patch_size
    kernel = list_kernel(size, len(query))
    tail = np.zeros((-(-size // LANES) + 1) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, key))
    sums = np.empty((0, 0, 0), np.float32) if request.sums is None else request.sums
    rows, columns, _ = request.index.shape

    def band(top: int) -> Iterator[int]:
        bottom = min(top + _ROWS_PER_STEP, rows)
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2],
            flat_key, key.shape[2], key.shape[1] * key.shape[2], request.usable, request.index,
            sums, request.out_index, request.out_sums, request.step, request.radius,
            request.draws, request.stream, top, bottom,
        )  # fmt: skip
        yield (bottom - top) * columns

    run(map(band, range(0, rows, _ROWS_PER_STEP)), threads, tick)


@compiled
def _add_means(
    value: Array, value_stride: int, value_plane: int, index: Array, weight: Array, window: Array,
    out: Array, stride: int, plane: int, channels: int, size: int, lanes: int, top: int,
    bottom: int,
) -> None:  # fmt: skip
    """Add the means of the queries that cover some rows of the result, in those rows.

    `window` has a row of `lanes` values for each row of the patch, 0 behind the patch's columns:
    what is read beyond those adds nothing.
    """
    rows, columns, length = index.shape
    places, weights = np.empty(length, np.int64), np.empty(length, np.float32)
    for y in range(max(0, top - size + 1), min(rows, bottom)):
        first, end = max(0, top - y), min(size, bottom - y)
        for x in range(columns):
            count = 0
            for k in range(length):
                if weight[y, x, k] > 0:
                    places[count], weights[count] = index[y, x, k], weight[y, x, k]
                    count += 1
            for channel in range(channels):
                for dy in range(first, end):
                    shift = channel * value_plane + dy * value_stride
                    at = channel * plane + (y + dy) * stride + x
                    for block in range(0, lanes, LANES):
                        mean = broadcast(weights, 0) * load(value, places[0] + shift + block)
                        for k in range(1, count):
                            mean = mean + broadcast(weights, k) * load(
                                value, places[k] + shift + block
                            )
                        added = load(window, dy * lanes + block) * mean
                        store(out, at + block, load(out, at + block) + added)


def add_listed_values(
    index: Array, weight: Array, value: Array, window: Array, out: Array, *, threads: int
) -> None:  # fmt: skip
    """Work on bands of rows of the result; see `protocol.Engine.add_listed_values`."""
    size = len(window)
    lanes = -(-size // LANES) * LANES
    table = np.zeros((size, lanes), np.float32)
    table[:, :size] = np.multiply.outer(window, window)
    tail = np.zeros(lanes, np.float32)
    flat = np.concatenate([value.ravel(), tail])
    channels, height, width = out.shape
    stride = width + lanes
    made = np.zeros((channels, height, stride), np.float32)
    made[..., :width] = out
    bands = max(1, min(threads, height // _LEAST_BAND))
    edges = [height * k // bands for k in range(bands + 1)]

    def work(band: int) -> None:
        _add_means(
            flat, value.shape[2], value.shape[1] * value.shape[2], index, weight, table.ravel(),
            made.reshape(-1), stride, height * stride, channels, size, lanes, edges[band],
            edges[band + 1],
        )  # fmt: skip

    run_all(work, range(bands), threads)
    out[...] = made[..., :width]
