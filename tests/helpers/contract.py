"""What every engine has to do, checked against the plain loops of `naive`.

Each check takes an engine (a module with the functions of `protocol.Engine`), the array library
that it works with, and a generator of random numbers.
"""

import math

import naive
import numpy as np
import pytest

from pnncupy.kernels import reference
from pnncupy.kernels.protocol import PassRequest, SearchRequest

# p, channels, and the patches of query and key: odd sizes and one patch.
SHAPES = ((2, 1, (3, 4), (2, 5)), (4, 2, (1, 1), (4, 3)), (4, 2, (4, 3), (1, 1)))
VOTES = {"mean": "mean", "median": "median", "trimmed_mean": "trimmed_mean"}


def on_host(xp, array):
    return np.asarray(array) if xp is np else xp.asnumpy(array)


def images(random, p, channels, *patches):
    """Images with few values, so that sums are exact and ties are many."""
    return [
        random.integers(0, 4, (channels, rows + p - 1, columns + p - 1)).astype(np.float32)
        for rows, columns in patches
    ]


def moved(xp, arrays):
    return [None if array is None else xp.asarray(array) for array in arrays]


def searched(engine, xp, query, key, p, *, weight=None, active=None, length=1, both_ways=False):
    """Lists lowered by an engine, what keys learn, and the pairs it told of."""
    shape = tuple(side - p + 1 for side in query.shape[1:])
    key_shape = tuple(side - p + 1 for side in key.shape[1:])
    score, index = (
        np.full((*shape, length), fill, dtype) for fill, dtype in ((np.inf, "f4"), (-1, "i4"))
    )
    key_score = key_index = None
    if both_ways:
        key_score, key_index = np.full(key_shape, np.inf, "f4"), np.full(key_shape, -1, "i4")
    given = moved(xp, [query, key, weight, score, index, active, key_score, key_index])
    ticks = []
    request = SearchRequest(
        given[0], given[1], p, given[2], given[3], given[4], index_stride=key.shape[2],
        first_index=5, active=given[5], key_score=given[6], key_index=given[7],
    )  # fmt: skip
    engine.update_nearest(request, threads=2, tick=ticks.append)
    lists = [on_host(xp, each) for each in given[3:5]]
    minima = [each if each is None else on_host(xp, each) for each in given[6:]]
    return (*lists, *minima, sum(ticks))


def check_update_nearest(engine, xp, random):
    for p, channels, queries, keys in SHAPES:
        query, key = images(random, p, channels, queries, keys)
        key[:, -1, -1] = np.inf if keys != (1, 1) else key[:, -1, -1]
        weight = random.integers(1, 4, keys).astype(np.float32)
        active = random.random(queries) < 0.7
        for factors, some in ((None, None), (weight, None), (weight, active)):
            score, index, *_, pairs = searched(
                engine, xp, query, key, p, weight=factors, active=some
            )
            assert some is not None or pairs == math.prod(queries) * math.prod(keys)
            for y, x in np.ndindex(queries):
                best, number = math.inf, -1
                for row, column in np.ndindex(keys):
                    if some is not None and not some[y, x]:
                        break
                    patch = key[:, row : row + p, column : column + p]
                    if not np.isfinite(patch).all():
                        continue
                    total = naive.patch_distance(query, key, y, x, row, column, p)
                    total *= p * p * channels * (1 if factors is None else factors[row, column])
                    if total < best - 1e-9:
                        best, number = total, 5 + row * key.shape[2] + column
                assert index[y, x, 0] == number
                assert score[y, x, 0] == np.float32(best)


def check_lists(engine, xp, random):
    """Engines without lists say so; the others have those of the reference."""
    p, channels = 3, 2
    query, key = images(random, p, channels, (4, 5), (3, 6))
    for options in ({"length": 3}, {"both_ways": True}):
        if not engine.SUPPORTS_TOP_K:
            with pytest.raises(NotImplementedError, match="SUPPORTS_TOP_K"):
                searched(engine, xp, query, key, p, **options)
            continue
        found = searched(engine, xp, query, key, p, **options)
        expected = searched(reference, np, query, key, p, **options)
        for mine, wanted in zip(found[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(mine, wanted)


def check_pair_sums(engine, xp, random):
    for p, channels, queries, keys in SHAPES:
        query, key = images(random, p, channels, queries, keys)
        pairs = [(q, k) for q in np.ndindex(queries) for k in np.ndindex(keys)]
        numbers = np.array([y * query.shape[2] + x for (y, x), _ in pairs], np.int32)
        key_numbers = np.array([y * key.shape[2] + x for _, (y, x) in pairs], np.int32)
        out = xp.zeros(len(pairs), np.float32)
        engine.pair_sums(*moved(xp, [query, key]), p, *moved(xp, [numbers, key_numbers]), out,
                         threads=2)  # fmt: skip
        expected = [
            naive.patch_distance(query, key, *q, *k, p) * p * p * channels for q, k in pairs
        ]
        np.testing.assert_array_equal(on_host(xp, out), np.float32(np.round(expected)))


def check_patchmatch_pass(engine, xp, random):
    p, channels, queries, keys = 3, 2, (4, 5), (5, 4)
    query, key = images(random, p, channels, queries, keys)
    places = np.argwhere(np.ones(keys, bool))
    index = places[random.integers(0, len(places), queries)]
    numbers = (index[..., 0] * key.shape[2] + index[..., 1]).astype(np.int32)
    sums = np.array([
        naive.patch_distance(query, key, y, x, *index[y, x], p) * p * p * channels
        for y, x in np.ndindex(queries)
    ]).round().astype(np.float32).reshape(queries)  # fmt: skip
    usable, active = random.random(keys) < 0.8, random.random(queries) < 0.8
    usable[tuple(index.reshape(-1, 2).T)] = True
    for step, radius, draws in ((2, 0, 0), (1, 4, 2)):
        given = moved(xp, [query, key, usable, numbers, sums, active])
        out, out_sums = xp.empty(queries, np.int32), xp.empty(queries, np.float32)
        request = PassRequest(
            given[0], given[1], p, given[2], given[3], given[4], out, out_sums, step, radius, draws,
            stream=4_000_000_000, active=given[5],
        )  # fmt: skip
        ticks = []
        engine.patchmatch_pass(request, threads=2, tick=ticks.append)
        expected, _ = naive.patchmatch_pass(
            query, key, p, usable, index, step, radius, draws, 4_000_000_000, None, 1.0, active
        )
        found = np.stack(np.divmod(on_host(xp, out), key.shape[2]), axis=-1)
        np.testing.assert_array_equal(found, expected)
        assert sum(ticks) == numbers.size


def check_scatter_minimum(engine, xp, random):
    words = random.integers(0, 2**60, 30).astype(np.uint64)
    places = random.integers(0, 30, 80).astype(np.int32)
    values = random.integers(0, 2**60, 80).astype(np.uint64)
    expected = [
        min([int(word), *(int(v) for k, v in zip(places, values, strict=True) if k == place)])
        for place, word in enumerate(words)
    ]
    given = moved(xp, [words, places, values])
    engine.scatter_minimum(*given)
    assert on_host(xp, given[0]).tolist() == expected


def check_vote(engine, xp, random):
    for p, channels, rows_and_columns, keys in SHAPES:
        (value,) = images(random, p, channels, keys)
        index = np.stack([random.integers(0, side, rows_and_columns) for side in keys], axis=-1)
        numbers = (index[..., 0] * value.shape[2] + index[..., 1]).astype(np.int32)
        places = np.concatenate([np.zeros((*rows_and_columns, 1), int), index], axis=-1)
        shape = tuple(side + p - 1 for side in rows_and_columns)
        active = random.random(shape) < 0.7
        for how, reduction in VOTES.items():
            expected = naive.vote([value], places, p, how)
            weight = [1.0] * p if reduction == "mean" else None
            for some in (None, active):
                out = xp.full((channels, *shape), 7, np.float32)
                given = moved(xp, [value, numbers, some])
                engine.vote(
                    given[0], given[1], p, reduction, weight, out, active=given[2], threads=2
                )
                found = on_host(xp, out)
                here = np.ones(shape, bool) if some is None else some
                np.testing.assert_allclose(found[:, here], expected[:, here], rtol=1e-6)
                assert (found[:, ~here] == 7).all()


def check_add_slice_votes(engine, xp, random):
    for p, channels, (rows, columns), keys in SHAPES:
        (value,) = images(random, p, channels, keys)
        shape = (3, rows + p - 1, columns + p - 1)
        index = [random.integers(0, side, (3, rows, columns)) for side in keys]
        numbers = (index[0] * value.shape[2] + index[1]).astype(np.int32)
        weight, side = random.random(numbers.shape, np.float32), random.random(p).tolist()
        total, weights = random.random((channels, *shape)), random.random(shape)
        # Slices of an axis that is not the first of the volume are no contiguous arrays.
        given = [
            xp.moveaxis(xp.asarray(np.moveaxis(each, -3, -1).astype(np.float32)), -1, -3)
            for each in (total, weights)
        ]
        engine.add_slice_votes(
            *moved(xp, [value, numbers]), p, *moved(xp, [weight]), side, *given, threads=2
        )
        for slice_, y, x in np.ndindex(numbers.shape):
            row, column = (places[slice_, y, x] for places in index)
            for dy, dx in np.ndindex(p, p):
                factor = weight[slice_, y, x] * side[dy] * side[dx]
                total[:, slice_, y + dy, x + dx] += factor * value[:, row + dy, column + dx]
                weights[slice_, y + dy, x + dx] += factor
        np.testing.assert_allclose(on_host(xp, given[0]), total, rtol=1e-5)
        np.testing.assert_allclose(on_host(xp, given[1]), weights, rtol=1e-5)


CHECKS = (
    check_update_nearest, check_lists, check_pair_sums, check_patchmatch_pass,
    check_scatter_minimum, check_vote, check_add_slice_votes,
)  # fmt: skip
