"""Engine `numpy`: the same search and vote in plain NumPy, short and slow, as a second opinion.

One displacement between query and key at a time, over the whole image: memory O(n + m).
"""

import functools
from collections.abc import Sequence

import numpy as np

from pnncupy.kernels.match_words import pack
from pnncupy.kernels.protocol import Array, PassRequest, SearchRequest, Tick
from pnncupy.kernels.random_bits import combined, drawn
from pnncupy.kernels.slice_votes import add_slice_votes as add_slice_votes
from pnncupy.kernels.sum_order import powers

SUPPORTS_TOP_K = True
TREE_AXES = ()
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


def patch_distances(query: Array, key: Array, patch_size: int) -> Array:
    """Sums of squared differences of the patches at equal places of two images of one shape."""
    total = (query[0] - key[0]) ** 2
    for query_plane, key_plane in zip(query[1:], key[1:], strict=True):
        total += (query_plane - key_plane) ** 2
    return window_sums(window_sums(total, patch_size, axis=0), patch_size, axis=1)


def _overlap(size: int, key_size: int, shift: int) -> tuple[slice, slice]:
    """Positions of the patches on one axis that have a key at `shift`, and those keys."""
    start, stop = max(0, -shift), min(size, key_size - shift)
    return slice(start, stop), slice(start + shift, stop + shift)


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search displacement by displacement; see `protocol.Engine.update_nearest`."""
    query, key, margin = request.query, request.key, request.patch_size - 1
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
                    query[:, ys.start : ys.stop + margin, xs.start : xs.stop + margin],
                    key[
                        :, key_ys.start : key_ys.stop + margin, key_xs.start : key_xs.stop + margin
                    ],
                    request.patch_size,
                )
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
    patch_size: int,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate some pairs at a time; see `protocol.Engine.pair_sums`."""
    y, x = np.arange(patch_size)[:, None], np.arange(patch_size)
    for start in range(0, len(out), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        row, column = np.divmod(query_number[some, None, None], np.int32(query.shape[2]))
        key_row, key_column = np.divmod(key_number[some, None, None], np.int32(key.shape[2]))
        total = np.float32(0)
        for channel in range(len(query)):
            pixels = query[channel, row + y, column + x]
            squared = (pixels - key[channel, key_row + y, key_column + x]) ** 2
            total = squared if channel == 0 else total + squared
        sums = window_sums(window_sums(total, patch_size, axis=1), patch_size, axis=2)
        out[some] = sums[:, 0, 0]


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Try one key for all query patches at a time; see `protocol.Engine.patchmatch_pass`."""
    query, key, usable, index = request.query, request.key, request.usable, request.index
    out_index, out_sums, step, radius = (
        request.out_index, request.out_sums, request.step, request.radius,
    )  # fmt: skip
    out_index[...], out_sums[...] = index, request.sums
    rows, columns = index.shape
    stride = np.int32(key.shape[2])
    place = np.add.outer(
        np.arange(rows, dtype=np.int32) * np.int32(query.shape[2]),
        np.arange(columns, dtype=np.int32),
    )

    def attempt(row: Array, column: Array, allowed: Array) -> None:
        """Try a key for each query patch where it is allowed."""
        allowed = allowed & (row >= 0) & (column >= 0)
        allowed &= (row < usable.shape[0]) & (column < usable.shape[1])
        if request.active is not None:
            allowed &= request.active
        allowed[allowed] = usable[row[allowed], column[allowed]]
        number = (row * stride + column)[allowed].astype(np.int32)
        found = np.empty(number.size, np.float32)
        pair_sums(query, key, request.patch_size, place[allowed], number, found, threads=threads)
        old_number, old_sum = out_index[allowed], out_sums[allowed]
        score, old_score = found, old_sum
        if request.bound is not None:
            score = _normalised(request, found, number)
            old_score = _normalised(request, old_sum, old_number)
        if request.key_words is not None:
            words = pack(found, place[allowed])
            np.minimum.at(request.key_words, (number // stride, number % stride), words)
        better = (score < old_score) | ((score == old_score) & (number < old_number))
        out_index[allowed] = np.where(better, number, old_number)
        out_sums[allowed] = np.where(better, found, old_sum)

    for dy, dx in ((-step, 0), (step, 0), (0, -step), (0, step)) if step else ():
        row, column = np.indices(index.shape)
        inside = (row + dy >= 0) & (row + dy < rows) & (column + dx >= 0) & (column + dx < columns)
        there = index[np.where(inside, row + dy, 0), np.where(inside, column + dx, 0)]
        row, column = there // stride - dy, there % stride - dx
        new = (row != out_index // stride) | (column != out_index % stride)
        attempt(row, column, inside & new)
    of_patch = combined(request.stream, place.astype(np.int64))
    draw = 0
    while radius > 0:
        for _ in range(request.draws):
            sides = []
            for best, last in zip(np.divmod(out_index, stride), usable.shape, strict=True):
                first, end = np.maximum(best - radius, 0), np.minimum(best + radius, last - 1)
                sides.append(drawn(combined(of_patch, draw), first, end))
                draw += 1
            attempt(sides[0], sides[1], np.ones(index.shape, bool))
        radius //= 2
    tick(index.size)


def _normalised(request: PassRequest, sums: Array, number: Array) -> Array:
    """Scores of sums of squared differences to keys whose minima have an upper bound."""
    assert request.bound is not None
    stride, factor = np.int32(request.key.shape[2]), request.mean_factor
    smallest = np.minimum(request.bound[number // stride, number % stride], sums)
    return sums * (factor / (np.float32(request.alpha) + smallest * factor))


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """See `protocol.Engine.scatter_minimum`."""
    np.minimum.at(words, places, values)


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
    """Vote offset by offset in the patch; see `protocol.Engine.vote`."""
    row, column = np.divmod(index, np.int32(value.shape[2]))
    made = np.zeros_like(out)
    if reduction != "mean":
        _vote_ranked(value, row, column, patch_size, reduction == "trimmed_mean", made)
    else:
        rows, columns = index.shape
        side = np.asarray(weight, np.float32)
        total = np.zeros(out.shape[1:], np.float32)
        for dy in range(patch_size):
            for dx in range(patch_size):
                inside = (slice(dy, dy + rows), slice(dx, dx + columns))
                factor = side[dy] * side[dx]
                made[:, *inside] += factor * value[:, row + dy, column + dx]
                total[inside] += factor
        made /= total
    np.copyto(out, made, where=True if active is None else active)


def _vote_ranked(
    value: Array, row: Array, column: Array, patch_size: int, trimmed: bool, out: Array
) -> None:
    """Mean of the values in the middle: one, or all but a quarter on either side."""
    rows, columns = row.shape
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            ys = np.arange(max(0, y - rows + 1), min(patch_size, y + 1))
            xs = np.arange(max(0, x - columns + 1), min(patch_size, x + 1))
            here = np.ix_(y - ys, x - xs)
            covering = value[:, row[here] + ys[:, None], column[here] + xs].reshape(len(out), -1)
            covering, count = np.sort(covering, axis=1), covering.shape[1]
            first, end = (count - 1) // 2, (count - 1) // 2 + 1
            if trimmed:
                first, end = count // 4, count - count // 4
            total = covering[:, first].copy()
            for rank in range(first + 1, end):
                total += covering[:, rank]
            out[:, y, x] = total / np.float32(end - first)
