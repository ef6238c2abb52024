"""Passes of PatchMatch for engine `numba`: see `protocol.Engine.patchmatch_pass`.

Barnes et al. 2009, doi:10.1145/1531326.1531330; propagation in parallel by steps as in jump
flooding (Rong and Tan 2006, doi:10.1145/1111411.1111431).
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels import random_bits
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.simd import LANES, atomic_minimum, float_bits, patch_sum
from pnncupy.kernels.protocol import Array, PassRequest, Tick
from pnncupy.kernels.tiling import run, run_all

# Query rows in one step of a thread: some milliseconds.
_ROWS_PER_STEP = 8
_NOTHING = np.empty((0, 0), np.float32)
_NO_WORDS = np.empty(0, np.uint64)
_NO_TOTALS = np.empty((0, 0, 0), np.uint8)
_NO_MASK = np.empty((0, 0), np.bool_)
# Widens the limit of sums for the rounding of a score.
_WIDENING = np.float32(1 + 1e-5)
_TINY = np.float32(1e-37)
# The same for the rounding of bounds from the patches' totals.
_FILTER_WIDENING = np.float32(1 + 1e-3)

_mixed = inlined(random_bits.mixed)


@inlined
def combined(stream: int, value: Array) -> Any:
    """Hash of a hash and an integer, see `random_bits`."""
    return _mixed((stream ^ value * 0x1E3779B1) & 0xFFFFFFFF)


@inlined
def drawn(stream: int, best: int, radius: int, count: int) -> Any:
    """A position within a radius of the best one, inside of [0, count)."""
    first, last = max(best - radius, 0), min(best + radius, count - 1)
    return first + (stream * (last - first + 1) >> 32)


@inlined
def _propagated_key(
    index: Array, y: int, x: int, neighbour: int, step: int, key_stride: int, best: Any,
) -> Any:  # fmt: skip
    """Match of a neighbour, moved back to this query patch; (-1, -1) where there is no other.

    Neighbours 0 to 3 are `step` patches above, below, left and right.
    """
    dy, dx = step * (2 * (neighbour & 1) - 1), 0
    if neighbour >= 2:
        dy, dx = dx, dy
    if y + dy < 0 or x + dx < 0 or y + dy >= index.shape[0] or x + dx >= index.shape[1]:
        return np.int64(-1), np.int64(-1)
    there = np.int64(index[y + dy, x + dx])
    if there - dy * key_stride - dx == best:
        return np.int64(-1), np.int64(-1)
    return there // key_stride - dy, there % key_stride - dx


@inlined
def _random_key(
    of_patch: int, draw: int, row: Any, column: Any, radius: int, key_rows: int, key_columns: int,
) -> Any:  # fmt: skip
    """Row and column of a key drawn within a radius of the best one."""
    return (
        drawn(combined(of_patch, 2 * draw), row, radius, key_rows),
        drawn(combined(of_patch, 2 * draw + 1), column, radius, key_columns),
    )


@inlined
def normalised_score(total: float, bound: Array, factor: float, alpha: float) -> Any:
    """Score of a sum to a key whose smallest sum has an upper bound."""
    return total * (factor / (alpha + min(bound, total) * factor))


@inlined
def limit_of(score: Array, bound: Array, factor: float, alpha: float) -> Any:
    """Sums above it neither score less than `score` nor lower the key's bound.

    A sum D of at least M, the bound, scores ``D f / (alpha + M f)``, which is below `score` only
    for ``D < score (alpha + M f) / f``; widened for rounding. Sums up to M count for the key,
    whatever they score.
    """
    return max((score + _TINY) * ((alpha + bound * factor) / factor) * _WIDENING, bound)


@inlined
def _totals_exceed(
    query_totals: Array, key_totals: Array, y: int, x: int, row: int, column: int,
    step_squared: float, limit: Any,
) -> Any:  # fmt: skip
    """Test whether the totals of two patches alone push their sum above a limit.

    Most random keys are far off already in their mean colours, which are in one cache line; a
    patch is in many.
    """
    steps = 0
    for channel in range(query_totals.shape[2]):
        difference = abs(int(query_totals[y, x, channel]) - int(key_totals[row, column, channel]))
        # Each may be rounded by half a step.
        difference = max(difference - 1, 0)
        steps += difference * difference
    return steps * step_squared > limit * _FILTER_WIDENING


@inlined
def note_query(key_words: Array, at: int, found: Any, place: int) -> None:
    """Lower what a key knows of its nearest query.

    A look is cheaper than an atomic operation, and mostly shows it needless.
    """
    word = float_bits(found) << np.uint64(32) | np.uint64(place)
    if word < key_words[at]:
        atomic_minimum(key_words, at, word)


@inlined
def accept(score: Array, number: Any, best_score: float, best: Any) -> Any:
    """Test whether a key is better than the best one; ties go to the lower flat index."""
    return score < best_score or (score == best_score and number < best)


@compiled
def _totals_of_rows(
    image: Array, patch_size: int, low: float, step: int, out: Array, top: int, bottom: int,
) -> None:  # fmt: skip
    """Sum of each patch's pixels over p, channel by channel, in steps from `low`, as bytes."""
    line = np.empty(image.shape[2], np.float64)
    for row in range(top, bottom):
        for channel in range(image.shape[0]):
            line[:] = 0
            for dy in range(patch_size):
                for x in range(image.shape[2]):
                    line[x] += image[channel, row + dy, x]
            for column in range(out.shape[1]):
                total = 0.0
                for dx in range(patch_size):
                    total += line[column + dx]
                steps = (total / patch_size - low) / step
                # Patches with infinite pixels are not usable.
                out[row, column, channel] = np.uint8(steps + 0.5) if steps < 255.5 else 0


def finite_range(image: Array) -> tuple[float, float]:
    """Return the smallest and the largest finite pixel."""
    low, high = float(image.min()), float(image.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = np.isfinite(image)  # reductions with `where` take ten times as long
    low = float(image.min(where=finite, initial=math.inf))
    return low, float(image.max(where=finite, initial=-math.inf))


def _totals(
    images: tuple[Array, Array], patch_size: int, threads: int
) -> tuple[Array, Array, np.float32]:
    """Totals of the patches of both images, (H-p+1, W-p+1, C) bytes, and their step squared.

    By the inequality of Cauchy and Schwarz the squared differences of totals, channel by channel,
    add up to no more than the distance of two patches. Bytes, since a key's then mostly lie in the
    processor's cache even where the image does not.
    """
    ranges = [finite_range(image) for image in images]
    low = patch_size * min(least for least, _ in ranges)
    high = patch_size * max(most for _, most in ranges)
    step = (high - low) / 255 or 1.0

    def totals(image: Array) -> Array:
        rows, columns = (side - patch_size + 1 for side in image.shape[1:])
        out = np.empty((rows, columns, len(image)), np.uint8)

        def band(top: int) -> None:
            bottom = min(top + _ROWS_PER_STEP, rows)
            _totals_of_rows(image, patch_size, low, step, out, top, bottom)

        run_all(band, range(0, rows, _ROWS_PER_STEP), threads)
        return out

    return totals(images[0]), totals(images[1]), np.float32(step**2)


@cache
def patchmatch_kernel(patch_size: int, channels: int, normalised: bool) -> Callable[..., None]:
    """Kernel of one pass over rows of queries, for one patch size and channel count.

    Images are flat, with some vectors' length behind their last pixel.
    """
    revision = HELPERS_REVISION
    is_normalised = int(normalised)

    @compiled
    def pass_over_rows(
        query: Array, query_stride: int, query_plane: int, query_totals: Array, key: Array,
        key_stride: int, key_plane: int, key_totals: Array, usable: Array, index: Array,
        sums: Array, out_index: Array, out_sums: Array, step: int, radius: int, draws: int,
        stream: int, bound: Array, factor: float, alpha: float, key_words: Array, active: Array,
        step_squared: float, top: int, bottom: int,
    ) -> None:  # fmt: skip
        columns = index.shape[1]
        key_rows, key_columns = usable.shape
        tries = 0 * revision
        while draws > 0 and radius >> tries // draws > 0:
            tries += draws
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
                    score = normalised_score(best_sum, bound[row, column], factor, alpha)
                of_patch = combined(stream, place) if tries > 0 else 0
                for attempt in range(0 if step > 0 else 4, 4 + tries):
                    if attempt < 4:
                        key_row, key_column = _propagated_key(
                            index, y, x, attempt, step, key_stride, best
                        )
                        if key_row < 0 or key_column < 0:
                            continue
                        if key_row >= key_rows or key_column >= key_columns:
                            continue
                    else:
                        draw = attempt - 4
                        key_row, key_column = _random_key(
                            of_patch, draw, row, column, radius >> draw // draws, key_rows,
                            key_columns,
                        )  # fmt: skip
                    if is_normalised:
                        limit = limit_of(score, bound[key_row, key_column], factor, alpha)
                    if attempt >= 4 and _totals_exceed(
                        query_totals, key_totals, y, x, key_row, key_column, step_squared, limit
                    ):
                        continue
                    if not usable[key_row, key_column]:
                        continue
                    number = key_row * key_stride + key_column
                    found = patch_sum(
                        query, place, query_stride, query_plane, key, number, key_stride, key_plane,
                        patch_size, patch_size, channels, limit,
                    )  # fmt: skip
                    if not found <= limit:
                        continue
                    found_score = found
                    if is_normalised:
                        note_query(key_words, key_row * key_columns + key_column, found, place)
                        found_score = normalised_score(
                            found, bound[key_row, key_column], factor, alpha
                        )
                    if accept(found_score, number, score, best):
                        best, best_sum, score = number, found, found_score
                        row, column = key_row, key_column
                        if not is_normalised:
                            limit = found
                out_index[y, x], out_sums[y, x] = best, best_sum

    return pass_over_rows


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work on bands of rows; see `protocol.Engine.patchmatch_pass`."""
    query, key, size = request.query, request.key, request.sides[0]
    kernel = patchmatch_kernel(size, len(query), request.bound is not None)
    tail = np.zeros((-(-size // LANES) + 1) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, key))
    words = _NO_WORDS if request.key_words is None else request.key_words.reshape(-1)
    bound = _NOTHING if request.bound is None else request.bound
    active = _NO_MASK if request.active is None else request.active
    query_totals = key_totals = _NO_TOTALS
    step_squared = np.float32(0)
    if request.radius > 0:
        query_totals, key_totals, step_squared = _totals((query, key), size, threads)
    rows, columns = request.index.shape

    def band(top: int) -> Iterator[int]:
        bottom = min(top + _ROWS_PER_STEP, rows)
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2], query_totals,
            flat_key, key.shape[2], key.shape[1] * key.shape[2], key_totals,
            request.usable, request.index, request.sums, request.out_index, request.out_sums,
            request.step, request.radius, request.draws, request.stream, bound,
            request.mean_factor, np.float32(request.alpha), words, active, step_squared, top,
            bottom,
        )  # fmt: skip
        yield (bottom - top) * columns

    run(map(band, range(0, rows, _ROWS_PER_STEP)), threads, tick)


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """See `protocol.Engine.scatter_minimum`."""
    np.minimum.at(words, places, values)
