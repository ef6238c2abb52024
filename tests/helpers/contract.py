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

# Sides of a patch, channels, and the patches of query and key: odd sizes and one patch, images with
# patches of one side and of two, and volumes.
SHAPES = (
    (2, 1, (3, 4), (2, 5)),
    (4, 2, (1, 1), (4, 3)),
    (4, 2, (4, 3), (1, 1)),
    ((3, 1), 2, (3, 4), (4, 2)),
    ((2, 3, 4), 2, (2, 3, 2), (3, 2, 2)),
    ((2, 2, 1), 1, (1, 1, 3), (2, 3, 2)),
    ((1, 2, 2), 3, (3, 2, 2), (1, 1, 1)),
)
IMAGES = tuple(case for case in SHAPES if isinstance(case[0], int))
# What indices of neighbouring slices and rows differ by.
STRIDES = (300, 20)
VOTES = {"mean": "mean", "median": "median", "trimmed_mean": "trimmed_mean"}


def on_host(xp, array):
    return np.asarray(array) if xp is np else xp.asnumpy(array)


def sides_of(p, patches):
    return (p,) * len(patches) if isinstance(p, int) else p


def pixels_of(patches, p):
    """Pixels along each axis of an image with so many patches."""
    return tuple(
        count + side - 1 for count, side in zip(patches, sides_of(p, patches), strict=True)
    )


def images(random, p, channels, *patches):
    """Images with few values, so that sums are exact and ties are many."""
    return [
        random.integers(0, 4, (channels, *pixels_of(each, p))).astype(np.float32)
        for each in patches
    ]


def numbers_of(places, image):
    """Flat indices of positions (..., axes) in an image, int32."""
    return np.ravel_multi_index(np.moveaxis(places, -1, 0), image.shape[1:]).astype(np.int32)


def places_among(random, counts, shape):
    """Random positions (*shape, axes) among so many patches along each axis."""
    return np.stack([random.integers(0, count, shape) for count in counts], axis=-1)


def distance(query, key, p, place, other):
    """Sum of squared differences of two patches by the oracle."""
    sides = sides_of(p, place)
    mean = naive.distance_of_patches(query, key, place, other, sides)
    return np.float32(round(mean * math.prod(sides) * len(query)))


def moved(xp, arrays):
    return [None if array is None else xp.asarray(array) for array in arrays]


def searched(engine, xp, query, key, p, *, weight=None, active=None, length=1, both_ways=False):
    """Lists lowered by an engine, what keys learn, and the pairs it told of."""
    shape, key_shape = (
        tuple(pixels - side + 1 for pixels, side in zip(image.shape[1:], sides, strict=True))
        for image in (query, key)
        for sides in [sides_of(p, image.shape[1:])]
    )
    score, index = (
        np.full((*shape, length), fill, dtype) for fill, dtype in ((np.inf, "f4"), (-1, "i4"))
    )
    key_score = key_index = None
    if both_ways:
        key_score, key_index = np.full(key_shape, np.inf, "f4"), np.full(key_shape, -1, "i4")
    given = moved(xp, [query, key, weight, score, index, active, key_score, key_index])
    ticks = []
    request = SearchRequest(
        given[0], given[1], p, given[2], given[3], given[4], index_stride=STRIDES[-1],
        first_index=5, active=given[5], key_score=given[6], key_index=given[7],
        slice_stride=STRIDES[0] if key.ndim == 4 else 0,
    )  # fmt: skip
    engine.update_nearest(request, threads=2, tick=ticks.append)
    lists = [on_host(xp, each) for each in given[3:5]]
    minima = [each if each is None else on_host(xp, each) for each in given[6:]]
    return (*lists, *minima, sum(ticks))


def check_update_nearest(engine, xp, random):
    for p, channels, queries, keys in SHAPES:
        query, key = images(random, p, channels, queries, keys)
        if math.prod(keys) > 1:
            key[(slice(None), *(-1,) * len(keys))] = np.inf
        weight = random.integers(1, 4, keys).astype(np.float32)
        active = random.random(queries) < 0.7
        for factors, some in ((None, None), (weight, None), (weight, active)):
            score, index, *_, pairs = searched(
                engine, xp, query, key, p, weight=factors, active=some
            )
            assert some is not None or pairs == math.prod(queries) * math.prod(keys)
            for place in np.ndindex(queries):
                best, number = math.inf, -1
                for other in np.ndindex(keys):
                    if some is not None and not some[place]:
                        break
                    if not np.isfinite(naive.patch_of(key, other, sides_of(p, keys))).all():
                        continue
                    total = distance(query, key, p, place, other)
                    total *= 1 if factors is None else factors[other]
                    if total < best:
                        strides = (*STRIDES, 1)[-len(keys) :]
                        best, number = total, 5 + np.dot(other, strides)
                assert index[place] == number
                assert score[place] == best


def check_lists(engine, xp, random):
    """Engines without lists say so; the others have those of the reference.

    Of the queries that are nearest to a key any one may be named.
    """
    for p, channels, queries, keys in (
        (3, 2, (4, 5), (3, 6)),
        ((2, 3, 1), 1, (3, 4, 5), (2, 4, 3)),
    ):
        query, key = images(random, p, channels, queries, keys)
        key[(slice(None), *(-1,) * len(keys))] = np.inf
        weight = random.integers(1, 4, keys).astype(np.float32)
        both = {"length": 3, "both_ways": True, "weight": weight}
        for options in [{"length": 4}, both] if len(keys) == 2 else [both]:
            if not engine.SUPPORTS_TOP_K:
                with pytest.raises(NotImplementedError, match="SUPPORTS_TOP_K"):
                    searched(engine, xp, query, key, p, **options)
                continue
            found = searched(engine, xp, query, key, p, **options)
            expected = searched(reference, np, query, key, p, **options)
            for mine, wanted in zip(found[:3], expected[:3], strict=True):
                np.testing.assert_array_equal(mine, wanted)
            if "both_ways" in options:
                for place in np.ndindex(keys):
                    number = found[3][place]
                    if np.isinf(found[2][place]):
                        assert number == -1
                        continue
                    nearest = np.unravel_index(number, query.shape[1:])
                    assert distance(query, key, p, nearest, place) == found[2][place]


def check_pair_sums(engine, xp, random):
    for p, channels, queries, keys in SHAPES:
        query, key = images(random, p, channels, queries, keys)
        pairs = [(q, k) for q in np.ndindex(queries) for k in np.ndindex(keys)]
        numbers = [
            numbers_of(np.array(places), image)
            for places, image in zip(zip(*pairs, strict=True), (query, key), strict=True)
        ]
        out = xp.zeros(len(pairs), np.float32)
        engine.pair_sums(*moved(xp, [query, key]), p, *moved(xp, numbers), out, threads=2)
        expected = [distance(query, key, p, *pair) for pair in pairs]
        np.testing.assert_array_equal(on_host(xp, out), expected)


def check_patchmatch_pass(engine, xp, random):
    for p, channels, queries, keys in (
        (3, 2, (4, 5), (5, 4)), ((2, 3, 1), 2, (3, 3, 4), (4, 3, 2)),
    ):  # fmt: skip
        query, key = images(random, p, channels, queries, keys)
        index = places_among(random, keys, queries)
        sums = np.array([
            distance(query, key, p, place, tuple(index[place])) for place in np.ndindex(queries)
        ]).reshape(queries)  # fmt: skip
        usable, active = random.random(keys) < 0.8, random.random(queries) < 0.8
        usable[tuple(index.reshape(-1, len(keys)).T)] = True
        for step, radius, draws in ((2, 0, 0), (1, 4, 2)):
            given = moved(xp, [query, key, usable, numbers_of(index, key), sums, active])
            out, out_sums = xp.empty(queries, np.int32), xp.empty(queries, np.float32)
            request = PassRequest(
                given[0], given[1], p, given[2], given[3], given[4], out, out_sums, step, radius,
                draws, stream=4_000_000_000, active=given[5],
            )  # fmt: skip
            ticks = []
            engine.patchmatch_pass(request, threads=2, tick=ticks.append)
            expected, _ = naive.patchmatch_pass(
                query, key, p, usable, index, step, radius, draws, 4_000_000_000, None, 1.0, active
            )
            np.testing.assert_array_equal(on_host(xp, out), numbers_of(expected, key))
            for place in np.ndindex(queries):
                best = distance(query, key, p, place, tuple(expected[place]))
                assert on_host(xp, out_sums)[place] == best
            assert sum(ticks) == sums.size


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
    for p, channels, patches, keys in SHAPES:
        (value,) = images(random, p, channels, keys)
        places = places_among(random, keys, patches)
        sources = np.concatenate([np.zeros((*patches, 1), int), places], axis=-1)
        shape = pixels_of(patches, p)
        active = random.random(shape) < 0.7
        for how, reduction in VOTES.items():
            expected = naive.vote_of_patches([value], sources, sides_of(p, patches), how)
            weight = [1.0] * p if isinstance(p, int) else [[1.0] * side for side in p]
            for some in (None, active):
                out = xp.full((channels, *shape), 7, np.float32)
                given = moved(xp, [value, numbers_of(places, value), some])
                engine.vote(
                    given[0], given[1], p, reduction, weight if reduction == "mean" else None, out,
                    active=given[2], threads=2,
                )  # fmt: skip
                found = on_host(xp, out)
                here = np.ones(shape, bool) if some is None else some
                np.testing.assert_allclose(found[:, here], expected[:, here], rtol=1e-6)
                assert (found[:, ~here] == 7).all()


def check_add_slice_votes(engine, xp, random):
    for p, channels, (rows, columns), keys in IMAGES:
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
