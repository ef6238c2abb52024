"""Passes of PatchMatch for engine `numba`: see `protocol.Engine.improve`.

Barnes et al. 2009, doi:10.1145/1531326.1531330; propagation in parallel by steps as in jump
flooding (Rong and Tan 2006, doi:10.1145/1111411.1111431).
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numba import njit

from pnncupy.kernels import random_bits
from pnncupy.kernels.compiling import HELPERS_REVISION, compiled
from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.random_bits import DRAWS
from pnncupy.kernels.simd import LANES, float_bits, patch_sum
from pnncupy.kernels.tiling import run

# Query rows in one step of a thread: some milliseconds.
_ROWS_PER_STEP = 8
_NOTHING = np.empty((0, 0), np.float32)
_NO_WORDS = np.empty((0, 0), np.uint64)
_NO_MASK = np.empty((0, 0), np.bool_)
# Widens the limit of sums for the rounding of a score.
_WIDENING = np.float32(1 + 1e-5)

_mixed = njit(nogil=True)(random_bits.mixed)


@njit(nogil=True)
def _combined(stream, value):
    return _mixed((stream ^ value * 0x1E3779B1) & 0xFFFFFFFF)


@njit(nogil=True)
def _drawn(stream, best, radius, count):
    """A position within a radius of the best one, inside of [0, count)."""
    first, last = max(best - radius, 0), min(best + radius, count - 1)
    return first + (stream * (last - first + 1) >> 32)


@cache
def improve_kernel(patch_size: int, channels: int, normalised: bool) -> Callable[..., None]:
    """Kernel of one pass over rows of queries, for one patch size and channel count.

    Images are flat, with some vectors' length behind their last pixel.
    """
    revision = HELPERS_REVISION
    is_normalised = int(normalised)

    @compiled
    def improve_rows(
        query, query_stride, query_plane, key, key_stride, key_plane, usable, index, sums,
        out_index, out_sums, step, radius, stream, bound, factor, alpha, key_words, active, top,
        bottom,
    ):  # fmt: skip
        rows, columns = index.shape
        key_rows, key_columns = usable.shape
        draws = 0 * revision
        while radius >> draws // DRAWS > 0:
            draws += DRAWS
        for y in range(top, bottom):
            for x in range(columns):
                best, best_sum = np.int64(index[y, x]), sums[y, x]
                if active.size > 0 and not active[y, x]:
                    out_index[y, x], out_sums[y, x] = best, best_sum
                    continue
                row, column = best // key_stride, best % key_stride
                place = y * query_stride + x
                limit, score = best_sum, best_sum
                if is_normalised:
                    smallest = min(bound[row, column], best_sum)
                    score = best_sum * (factor / (alpha + smallest * factor))
                of_patch = _combined(stream, place) if draws > 0 else 0
                for attempt in range(0 if step > 0 else 4, 4 + draws):
                    if attempt < 4:
                        dy, dx = step * (2 * (attempt & 1) - 1), 0
                        if attempt >= 2:
                            dy, dx = dx, dy
                        if y + dy < 0 or x + dx < 0 or y + dy >= rows or x + dx >= columns:
                            continue
                        there = np.int64(index[y + dy, x + dx])
                        if there - dy * key_stride - dx == best:
                            continue
                        key_row, key_column = there // key_stride - dy, there % key_stride - dx
                        if key_row < 0 or key_column < 0:
                            continue
                        if key_row >= key_rows or key_column >= key_columns:
                            continue
                    else:
                        draw = attempt - 4
                        reach = radius >> draw // DRAWS
                        key_row = _drawn(_combined(of_patch, 2 * draw), row, reach, key_rows)
                        key_column = _drawn(
                            _combined(of_patch, 2 * draw + 1), column, reach, key_columns
                        )
                    if not usable[key_row, key_column]:
                        continue
                    number = key_row * key_stride + key_column
                    if is_normalised:
                        smallest = bound[key_row, key_column]
                        limit = score * ((alpha + smallest * factor) / factor) * _WIDENING
                        # Sums up to the bound count for the key, whatever they score.
                        limit = max(limit, smallest)
                    found = patch_sum(
                        query, place, query_stride, query_plane, key, number, key_stride, key_plane,
                        patch_size, channels, limit,
                    )  # fmt: skip
                    if not found <= limit:
                        continue
                    found_score = found
                    if is_normalised:
                        word = float_bits(found) << np.uint64(32) | np.uint64(place)
                        if word < key_words[key_row, key_column]:
                            key_words[key_row, key_column] = word
                        smallest = min(smallest, found)
                        found_score = found * (factor / (alpha + smallest * factor))
                    if found_score < score or (found_score == score and number < best):
                        best, best_sum, score = number, found, found_score
                        row, column = key_row, key_column
                        if not is_normalised:
                            limit = found
                out_index[y, x], out_sums[y, x] = best, best_sum

    return improve_rows


def improve(
    query: Array,
    key: Array,
    patch_size: int,
    usable: Array,
    index: Array,
    sums: Array,
    out_index: Array,
    out_sums: Array,
    *,
    step: int,
    radius: int,
    stream: int,
    bound: Array | None,
    alpha: float,
    key_words: Array | None,
    active: Array | None,
    threads: int,
    tick: Tick,
) -> None:
    """Work on bands of rows; see `protocol.Engine.improve`."""
    kernel = improve_kernel(patch_size, len(query), bound is not None)
    tail = np.zeros((-(-patch_size // LANES) + 1) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, key))
    # One copy of what is known of the keys for each thread.
    copies = deque(_NO_WORDS if key_words is None else key_words.copy() for _ in range(threads))
    factor = np.float32(1 / (patch_size**2 * len(query)))

    def band(top: int) -> Iterator[int]:
        words = copies.popleft()
        bottom = min(top + _ROWS_PER_STEP, len(index))
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2],
            flat_key, key.shape[2], key.shape[1] * key.shape[2],
            usable, index, sums, out_index, out_sums, step, radius, stream,
            _NOTHING if bound is None else bound, factor, np.float32(alpha), words,
            _NO_MASK if active is None else active, top, bottom,
        )  # fmt: skip
        copies.append(words)
        yield (bottom - top) * index.shape[1]

    run(map(band, range(0, len(index), _ROWS_PER_STEP)), threads, tick)
    if key_words is not None:
        for words in copies:
            np.minimum(key_words, words, out=key_words)


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """See `protocol.Engine.scatter_minimum`."""
    np.minimum.at(words, places, values)
