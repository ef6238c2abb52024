"""Engine `numpy`: the same search and vote in plain NumPy, short and slow, as a second opinion.

One displacement between query and key at a time, over the whole image: memory O(n + m).
"""

import functools
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from pnncupy.kernels.exp2 import exp2
from pnncupy.kernels.listed_means import add_listed_values as add_listed_values
from pnncupy.kernels.listed_means import pass_over_lists
from pnncupy.kernels.match_words import pack
from pnncupy.kernels.protocol import (
    Array,
    ListRequest,
    MeanRequest,
    PassRequest,
    SearchRequest,
    Tick,
)
from pnncupy.kernels.random_bits import combined, drawn
from pnncupy.kernels.slabs import in_slabs, lifted_pass, search_slabs, weight_table
from pnncupy.kernels.slice_votes import add_slice_votes as add_slice_votes
from pnncupy.kernels.sum_order import powers
from pnncupy.patch_shape import PatchSize, patch_sides

SUPPORTS_TOP_K = True
LEAST_PAIRS_FOR_LISTS = 0
TREE_AXES = ()
STEPS_ON_DEVICE = False
QUERIES_PER_SEARCH = 1
_PAIRS_AT_ONCE = 4096


def window_sums(values: Array, size: int, axis: int) -> Array:
    """Sums over windows of `size` values along an axis, in the order that `protocol` fixes."""
    values = np.moveaxis(values, axis, 0)
    count = values.shape[0] - size + 1
    sums = [values]
    while 2 ** len(sums) <= size:
        half = 2 ** (len(sums) - 1)
        sums.append(sums[-1][:-half] + sums[-1][half:])
    parts = [sums[length.bit_length() - 1][first : first + count] for first, length in powers(size)]
    return np.moveaxis(functools.reduce(np.add, parts), 0, axis)


def patch_distances(query: Array, key: Array, patch_size: PatchSize) -> Array:
    """Sums of squared differences of the patches at equal places of two images of one shape."""
    rows, columns = patch_sides(patch_size, 2)
    total = (query[0] - key[0]) ** 2
    for query_plane, key_plane in zip(query[1:], key[1:], strict=True):
        total += (query_plane - key_plane) ** 2
    return window_sums(window_sums(total, rows, axis=0), columns, axis=1)


def _overlap(size: int, key_size: int, shift: int) -> tuple[slice, slice]:
    """Positions of the patches on one axis that have a key at `shift`, and those keys."""
    start, stop = max(0, -shift), min(size, key_size - shift)
    return slice(start, stop), slice(start + shift, stop + shift)


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search displacement by displacement; see `protocol.Engine.update_nearest`."""
    if in_slabs(request):
        search_slabs(update_nearest, request, threads, tick)
        return
    query, key = request.query, request.key
    margin, column_margin = (side - 1 for side in request.sides)
    (rows, columns), (key_rows, key_columns) = request.shape, request.key_shape
    numbers = request.first_index + np.add.outer(
        np.arange(key_rows, dtype=np.int32) * np.int32(request.index_stride),
        np.arange(key_columns, dtype=np.int32),
    )
    # Infinite key pixels make infinities and, times a weight of 0, NaN: neither ever wins.
    with np.errstate(invalid="ignore", over="ignore"):
        for dy in range(1 - rows, key_rows):
            ys, key_ys = _overlap(rows, key_rows, dy)
            for dx in range(1 - columns, key_columns):
                xs, key_xs = _overlap(columns, key_columns, dx)
                found = patch_distances(
                    query[:, ys.start : ys.stop + margin, xs.start : xs.stop + column_margin],
                    key[
                        :, key_ys.start : key_ys.stop + margin,
                        key_xs.start : key_xs.stop + column_margin,
                    ],
                    request.patch_size,
                )  # fmt: skip
                if request.key_score is not None and request.key_index is not None:
                    _lower_keys(
                        found, (ys.start * query.shape[2] + xs.start, query.shape[2]),
                        request.key_score[key_ys, key_xs], request.key_index[key_ys, key_xs],
                    )  # fmt: skip
                if request.weight is not None:
                    found = found * request.weight[key_ys, key_xs]
                if request.active is not None:
                    found = np.where(request.active[ys, xs], found, np.float32(np.inf))
                _insert(
                    found, numbers[key_ys, key_xs], request.score[ys, xs], request.index[ys, xs]
                )
            tick((ys.stop - ys.start) * columns * key_columns)


def _insert(found: Array, number: Array, score: Array, index: Array) -> None:
    """Insert one key for each query into its list of best ones, behind its equals."""
    worse = [found < score[..., place] for place in range(score.shape[2])]
    for place in reversed(range(1, score.shape[2])):
        # What stood in front moves back where the new one goes before it.
        score[..., place] = np.where(
            worse[place - 1], score[..., place - 1],
            np.where(worse[place], found, score[..., place]),
        )  # fmt: skip
        index[..., place] = np.where(
            worse[place - 1], index[..., place - 1],
            np.where(worse[place], number, index[..., place]),
        )  # fmt: skip
    np.copyto(score[..., 0], found, where=worse[0])
    np.copyto(index[..., 0], number, where=worse[0])


def _lower_keys(
    found: Array, first_and_stride: tuple[int, int], key_score: Array, key_index: Array
) -> None:
    first, stride = first_and_stride
    queries = first + np.add.outer(
        np.arange(found.shape[0], dtype=np.int32) * np.int32(stride),
        np.arange(found.shape[1], dtype=np.int32),
    )
    better = found < key_score
    np.copyto(key_score, found, where=better)
    np.copyto(key_index, queries, where=better)


def pair_sums(
    query: Array,
    key: Array,
    patch_size: PatchSize,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate some pairs at a time; see `protocol.Engine.pair_sums`."""
    *depth, rows, columns = patch_sides(patch_size, query.ndim - 1)
    y, x = np.arange(rows)[:, None], np.arange(columns)
    for start in range(0, len(out), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        numbers, key_numbers = query_number[some, None, None], key_number[some, None, None]
        *first, row, column = np.unravel_index(numbers, query.shape[1:])
        *key_first, key_row, key_column = np.unravel_index(key_numbers, key.shape[1:])
        total: Array = None
        for offset in product(*map(range, depth)):
            places = [place + k for place, k in zip(first, offset, strict=True)]
            key_places = [place + k for place, k in zip(key_first, offset, strict=True)]
            for channel in range(len(query)):
                pixels = query[(channel, *places, row + y, column + x)]
                key_pixels = key[(channel, *key_places, key_row + y, key_column + x)]
                squared = (pixels - key_pixels) ** 2
                total = squared if total is None else total + squared
        sums = window_sums(window_sums(total, rows, axis=1), columns, axis=2)
        out[some] = sums[:, 0, 0]


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Try one key for all query patches at a time; see `protocol.Engine.patchmatch_pass`."""
    request = lifted_pass(request)
    query, key, usable, index = request.query, request.key, request.usable, request.index
    out_index, out_sums, step, radius = (
        request.out_index, request.out_sums, request.step, request.radius,
    )  # fmt: skip
    out_index[...], out_sums[...] = index, request.sums
    key_image = key.shape[1:]
    here = np.indices(index.shape)
    place = np.ravel_multi_index(tuple(here), query.shape[1:]).astype(np.int32)

    def attempt(position: Sequence[Array], allowed: Array) -> None:
        """Try a key for each query patch where it is allowed."""
        allowed = allowed.copy() if request.active is None else allowed & request.active
        for at, count in zip(position, usable.shape, strict=True):
            allowed &= (at >= 0) & (at < count)
        at_key = [at[allowed] for at in position]
        may_be = usable[tuple(at_key)]
        allowed[allowed] = may_be
        at_key = [at[may_be] for at in at_key]
        number = np.ravel_multi_index(at_key, key_image).astype(np.int32)
        found = np.empty(number.size, np.float32)
        pair_sums(query, key, request.patch_size, place[allowed], number, found, threads=threads)
        old_number, old_sum = out_index[allowed], out_sums[allowed]
        score, old_score = found, old_sum
        if request.bound is not None:
            score = _normalised(request, found, number)
            old_score = _normalised(request, old_sum, old_number)
        if request.key_words is not None:
            words = pack(found, place[allowed])
            np.minimum.at(request.key_words, tuple(at_key), words)
        better = (score < old_score) | ((score == old_score) & (number < old_number))
        out_index[allowed] = np.where(better, number, old_number)
        out_sums[allowed] = np.where(better, found, old_sum)

    for axis in range(index.ndim) if step else ():
        for shift in (-step, step):
            moved = here[axis] + shift
            inside = (moved >= 0) & (moved < index.shape[axis])
            there: list[Array] = list(here)
            there[axis] = np.where(inside, moved, 0)
            position = list(np.unravel_index(index[tuple(there)], key_image))
            position[axis] = position[axis] - shift
            best = np.unravel_index(out_index, key_image)
            new = np.any([mine != own for mine, own in zip(position, best, strict=True)], axis=0)
            attempt(position, inside & new)
    of_patch = combined(request.stream, place.astype(np.int64))
    draw = 0
    while radius > 0:
        for _ in range(request.draws):
            sides = []
            best = np.unravel_index(out_index, key_image)
            for own, last in zip(best, usable.shape, strict=True):
                first, end = np.maximum(own - radius, 0), np.minimum(own + radius, last - 1)
                sides.append(drawn(combined(of_patch, draw), first, end))
                draw += 1
            attempt(sides, np.ones(index.shape, bool))
        radius //= 2
    tick(index.size)


def update_lists(request: ListRequest, *, threads: int, tick: Tick) -> None:
    """Try one key for all query patches at a time; see `protocol.Engine.update_lists`."""
    pass_over_lists(request, pair_sums, tick)


def _normalised(request: PassRequest, sums: Array, number: Array) -> Array:
    """Scores of sums of squared differences to keys whose minima have an upper bound."""
    assert request.bound is not None
    place, factor = np.unravel_index(number, request.key.shape[1:]), request.mean_factor
    smallest = np.minimum(request.bound[place], sums)
    return sums * (factor / (np.float32(request.alpha) + smallest * factor))


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """See `protocol.Engine.scatter_minimum`."""
    np.minimum.at(words, places, values)


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
    """Vote offset by offset in the patch; see `protocol.Engine.vote`."""
    sides = patch_sides(patch_size, index.ndim)
    place = np.unravel_index(index, value.shape[1:])
    made = np.zeros_like(out)
    if reduction != "mean":
        _vote_ranked(value, place, sides, reduction == "trimmed_mean", made)
    else:
        table = weight_table(weight, sides)
        total = np.zeros(out.shape[1:], np.float32)
        for offset in np.ndindex(sides):
            inside = tuple(
                slice(k, k + count) for k, count in zip(offset, index.shape, strict=True)
            )
            pixels = value[(slice(None), *(at + k for at, k in zip(place, offset, strict=True)))]
            made[(slice(None), *inside)] += table[offset] * pixels
            total[inside] += table[offset]
        made /= total
    np.copyto(out, made, where=True if active is None else active)


def _vote_ranked(
    value: Array, place: Sequence[Array], sides: Sequence[int], trimmed: bool, out: Array
) -> None:
    """Mean of the values in the middle: one, or all but a quarter on either side."""
    for pixel in np.ndindex(out.shape[1:]):
        offsets = [
            np.arange(max(0, at - count + 1), min(side, at + 1))
            for at, count, side in zip(pixel, place[0].shape, sides, strict=True)
        ]
        here = np.ix_(*(at - offset for at, offset in zip(pixel, offsets, strict=True)))
        there = [at[here] + offset for at, offset in zip(place, np.ix_(*offsets), strict=True)]
        covering = value[(slice(None), *there)].reshape(len(out), -1)
        covering, count = np.sort(covering, axis=1), covering.shape[1]
        first, end = (count - 1) // 2, (count - 1) // 2 + 1
        if trimmed:
            first, end = count // 4, count - count // 4
        total = covering[:, first].copy()
        for rank in range(first + 1, end):
            total += covering[:, rank]
        out[(slice(None), *pixel)] = total / np.float32(end - first)


def _walk(
    request: MeanRequest, tick: Tick
) -> Iterator[tuple[Array, tuple[slice, slice], tuple[slice, slice]]]:
    """Sums of squared differences at one displacement after the other: queries and their keys."""
    margin = request.patch_size - 1
    (rows, columns), (key_rows, key_columns) = request.shape, request.key_shape
    with np.errstate(invalid="ignore", over="ignore"):
        for dy in range(1 - rows, key_rows):
            ys, key_ys = _overlap(rows, key_rows, dy)
            for dx in range(1 - columns, key_columns):
                xs, key_xs = _overlap(columns, key_columns, dx)
                sums = patch_distances(
                    request.query[:, ys.start : ys.stop + margin, xs.start : xs.stop + margin],
                    request.key[
                        :, key_ys.start : key_ys.stop + margin, key_xs.start : key_xs.stop + margin
                    ],
                    request.patch_size,
                )  # fmt: skip
                yield sums, (ys, xs), (key_ys, key_xs)
            tick((ys.stop - ys.start) * columns * key_columns)


def _weights(request: MeanRequest, sums: Array, here: tuple[slice, slice]) -> Array:
    """Weights of keys by their sums."""
    weights = exp2((request.least[here] - sums) * request.scale)
    return np.where(sums < request.limit[here], weights, np.float32(0))


def lower_least(request: MeanRequest, *, threads: int, tick: Tick) -> None:
    """Lower displacement by displacement; see `protocol.Engine.lower_least`."""
    for sums, here, _ in _walk(request, tick):
        request.least[here] = np.fmin(request.least[here], sums)


def add_weights(
    request: MeanRequest, reached: None, total: Array, index: Array, *, threads: int, tick: Tick
) -> None:  # fmt: skip
    """Add displacement by displacement; see `protocol.Engine.add_weights`."""
    numbers = request.first_index + np.add.outer(
        np.arange(request.key_shape[0], dtype=np.int32) * np.int32(request.index_stride),
        np.arange(request.key_shape[1], dtype=np.int32),
    )
    for sums, here, there in _walk(request, tick):
        total[here] += _weights(request, sums, here)
        nearest = (sums == request.least[here]) & (index[here] < 0)
        np.copyto(index[here], numbers[there], where=nearest)


def add_values(
    request: MeanRequest, reached: None, factor: Array, value: Array, window: Array, out: Array,
    *, threads: int, tick: Tick,
) -> None:  # fmt: skip
    """Add displacement by displacement; see `protocol.Engine.add_values`."""
    for sums, here, there in _walk(request, tick):
        weights = _weights(request, sums, here)
        if not weights.any():
            continue
        spread = weights * factor[here]
        for axis in (1, 0):
            spread = _convolved(spread, window, axis)
        pixels, key_pixels = (
            tuple(slice(at.start, at.start + count)
                  for at, count in zip(place, spread.shape, strict=True))
            for place in (here, there)
        )  # fmt: skip
        out[(slice(None), *pixels)] += spread * value[(slice(None), *key_pixels)]


def _convolved(values: Array, window: Array, axis: int) -> Array:
    """Full convolution along an axis, summed from the first offset on."""
    values = np.moveaxis(values, axis, 0)
    made = np.zeros((len(values) + len(window) - 1, *values.shape[1:]), np.float32)
    for offset, weight in enumerate(window):
        made[offset : offset + len(values)] += weight * values
    return np.moveaxis(made, 0, axis)
