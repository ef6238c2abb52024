"""Volumes, and patches with sides of different lengths, against plain loops."""

import math

import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.kernels import reference
from pnncupy.kernels.match_words import pack
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.protocol import PassRequest, SearchRequest
from pnncupy.search.patch_grid import Layout

INF = math.inf
ENGINES = ("numpy", "numba")
HOWS = ("weighted_mean", "mean", "median", "trimmed_mean", "copy")
# Sides of the patch, shapes of query and key, and channels.
CASES = (
    ((2, 3, 3), (3, 5, 6), (4, 5, 5), 2),
    ((3, 2, 4), (4, 3, 6), (3, 5, 5), 1),
    ((1, 3, 2), (2, 4, 4), (3, 4, 3), 3),
    ((2, 2, 2), (2, 2, 2), (3, 4, 5), 1),
    ((3, 2), (5, 4), (4, 6), 2),
)


def channels_last(planes):
    return np.moveaxis(planes, 0, -1)


def integers(random, channels, shape):
    """Few values, so that sums are exact and ties are many."""
    return random.integers(0, 3, (channels, *shape)).astype(np.float32)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("sides", "shape", "key_shape", "channels"), CASES)
def test_nearest_patches_are_those_of_the_oracle(sides, shape, key_shape, channels, engine, random):
    query, key = integers(random, channels, shape), integers(random, channels, key_shape)
    for alpha in (INF, 0.25):
        found = pnn.nearest_patches(
            channels_last(query), channels_last(key), patch_size=sides, alpha=alpha,
            engine=engine, channel_axis=-1,
        )  # fmt: skip
        matches, scores = naive.nearest_of_patches(query, [key], sides, alpha)
        for place, match in matches.items():
            assert found.score[place] == pytest.approx(scores[place], rel=1e-5, abs=1e-7)
            if math.isinf(alpha):
                assert tuple(found.index[place]) == match[1:]


@pytest.mark.parametrize("engine", ENGINES)
def test_several_masked_volumes(engine, random):
    sides = (2, 3, 2)
    query = integers(random, 2, (3, 5, 4))
    keys = [integers(random, 2, shape) for shape in ((3, 6, 3), (2, 4, 7), (4, 3, 5))]
    masks = [random.random(key.shape[1:]) > 0.1 for key in keys]
    found = pnn.nearest_patches(
        channels_last(query), [channels_last(key) for key in keys], key_mask=masks,
        patch_size=sides, engine=engine,
    )  # fmt: skip
    matches, scores = naive.nearest_of_patches(query, keys, sides, masks=masks)
    for place, match in matches.items():
        assert tuple(found.index[place]) == match
        assert found.score[place] == pytest.approx(scores[place], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_ties_go_to_the_lowest_source_slice_row_and_column(engine, random):
    tile = random.random((2, 3, 2))
    texture = np.tile(tile, (3, 3, 4))
    options = {"patch_size": (3, 3, 2), "engine": engine, "channel_axis": None}
    index = pnn.nearest_patches(texture, [texture, texture], **options).index
    places = np.indices(index.shape[:3])
    assert not index[..., 0].any()
    for axis, period in enumerate(tile.shape):
        np.testing.assert_array_equal(index[..., axis + 1], places[axis] % period)


def test_key_minimum_of_a_volume(random):
    query, key = integers(random, 1, (3, 4, 5)), integers(random, 1, (4, 3, 4))
    found = [
        pnn.key_minimum(query[0], key[0], patch_size=2, engine=engine, channel_axis=None)
        for engine in ENGINES
    ]
    np.testing.assert_array_equal(*found)
    for other in naive.places_of(key.shape[1:], (2, 2, 2)):
        distances = [
            naive.distance_of_patches(query, key, place, other, (2, 2, 2))
            for place in naive.places_of(query.shape[1:], (2, 2, 2))
        ]
        assert found[0][other] == pytest.approx(min(distances), rel=1e-6)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("sides", [(2, 3, 2), (3, 3, 3), (1, 2, 3), (2, 3)])
def test_votes_are_those_of_the_oracle(sides, how, random):
    values = [random.random((2, *(side + k for side in sides))) for k in (3, 4)]
    counts = [2, 3, 3][-len(sides) :]
    index = np.empty((*counts, len(sides) + 1), int)
    for place in np.ndindex(*counts):
        source = random.integers(2)
        index[place] = source, *(random.integers(0, 4 + source) for _ in sides)
    expected = naive.vote_of_patches(values, index, sides, how)
    found = [
        pnn.vote(
            [channels_last(value) for value in values], index, patch_size=sides, how=how,
            engine=engine, channel_axis=-1,
        )
        for engine in ENGINES
    ]  # fmt: skip
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(np.moveaxis(found[0], -1, 0), expected, rtol=3e-6)


@pytest.mark.parametrize(("sides", "shape", "key_shape", "channels"), CASES)
def test_engines_have_the_same_bits(sides, shape, key_shape, channels, random):
    """Sums, lists, keys' nearest queries and passes of PatchMatch, with any number of threads."""
    query, key = (random.random((channels, *each), np.float32) for each in (shape, key_shape))
    counts, key_counts = (
        tuple(pixels - side + 1 for pixels, side in zip(each, sides, strict=True))
        for each in (shape, key_shape)
    )
    weight = random.random(key_counts, np.float32)
    lists = []
    for engine, threads in ((reference, 1), (numba_cpu, 1), (numba_cpu, 2)):
        score, index = np.full((*counts, 3), INF, "f4"), np.full((*counts, 3), -1, "i4")
        key_score, key_index = np.full(key_counts, INF, "f4"), np.full(key_counts, -1, "i4")
        request = SearchRequest(
            query, key, sides, weight, score, index, key_shape[-1], key_score=key_score,
            key_index=key_index,
        )  # fmt: skip
        ticks = []
        engine.update_nearest(request, threads=threads, tick=ticks.append)
        assert sum(ticks) == math.prod(counts) * math.prod(key_counts)
        lists.append((score, index, key_score, key_index))
    for other in lists[1:]:
        for one, two in zip(lists[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    usable = random.random(key_counts) < 0.8
    usable.ravel()[0] = True
    numbers = np.ravel_multi_index(np.argwhere(usable).T, key_shape).astype(np.int32)
    matches = random.choice(numbers, counts)
    places = np.ravel_multi_index(np.indices(counts).reshape(len(counts), -1), shape)
    sums = np.empty(matches.size, np.float32)
    other_sums = sums.copy()
    for engine, out in ((reference, sums), (numba_cpu, other_sums)):
        engine.pair_sums(
            query, key, sides, places.astype(np.int32), matches.ravel(), out, threads=2
        )
    np.testing.assert_array_equal(sums, other_sums)
    bound = random.random(key_counts, np.float32)
    for limit in (None, bound):
        made = []
        for engine, threads in ((reference, 1), (numba_cpu, 1), (numba_cpu, 2)):
            words = None if limit is None else pack(limit, np.zeros(key_counts, np.int32))
            out_index, out_sums = np.empty_like(matches), np.empty(counts, np.float32)
            request = PassRequest(
                query, key, sides, usable, matches, sums.reshape(counts), out_index, out_sums,
                step=1, radius=3, draws=2, stream=77, bound=limit, alpha=0.1, key_words=words,
                active=random.random(counts) < 2,
            )  # fmt: skip
            engine.patchmatch_pass(request, threads=threads, tick=lambda done: None)
            made.append((out_index, out_sums, *([] if words is None else [words])))
        for other in made[1:]:
            for one, two in zip(made[0], other, strict=True):
                np.testing.assert_array_equal(one, two)


# Each case takes seconds to compile: all lengths and weights of one shape, and some of the others.
TREES = {
    (3, 3, 3): [(1, False), (1, True), (3, False), (3, True)],
    (2, 3, 4): [(3, True)], (1, 3, 3): [(1, False)], (3, 4): [(3, True)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("sides", "length", "weighted"),
    [
        pytest.param(
            sides, length, weighted,
            marks=() if (length, weighted) in TREES[sides] else pytest.mark.exhaustive,
        )
        for sides in TREES
        for length in (1, 3)
        for weighted in (False, True)
    ],
)  # fmt: skip
def test_trees_find_what_comparing_all_pairs_does(sides, length, weighted, random):
    shape, key_shape = (9, 10, 11)[-len(sides) :], (8, 12, 9)[-len(sides) :]
    query = random.integers(0, 5, (2, *shape)).astype(np.float32)
    key = random.integers(0, 5, (2, *key_shape)).astype(np.float32)
    shared = tuple(slice(6) for _ in sides)
    query[(slice(None), *shared)] = key[(slice(None), *shared)]
    key[(0, *(-1,) * len(sides))] = np.inf
    counts, key_counts = (
        tuple(pixels - side + 1 for pixels, side in zip(each, sides, strict=True))
        for each in (shape, key_shape)
    )
    weight = random.random(key_counts, np.float32) if weighted else None
    active = random.random(counts) < 0.8
    found = []
    for through_tree, threads in ((False, 1), (True, 1), (True, 2)):
        score, index = np.full((*counts, length), INF, "f4"), np.full((*counts, length), -1, "i4")
        request = SearchRequest(
            query, key, sides, weight, score, index, key_shape[-1] + 3, 7, active,
            slice_stride=(key_shape[-2] + 2) * (key_shape[-1] + 3) if len(sides) > 2 else 0,
        )  # fmt: skip
        if through_tree:
            tree = numba_cpu.build_tree(
                key, sides, threads, distinct=length == 1 and not weighted, count=16
            )
            numba_cpu.search_tree(tree, request, threads=threads, tick=lambda pairs: None)
        else:
            reference.update_nearest(request, threads=1, tick=lambda pairs: None)
        found.append((score, index))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0])
        np.testing.assert_array_equal(found[0][1], other[1])


@pytest.mark.parametrize("alpha", [INF, 0.01])
def test_patchmatch_finds_a_moved_volume(alpha, random):
    volume = random.random((9, 12, 13))
    options = {"patch_size": 3, "channel_axis": None, "method": "patchmatch", "alpha": alpha}
    found = [
        pnn.nearest_patches(
            volume[2:, 1:, 3:], volume, engine=engine, threads=threads, rounds=6, **options
        )
        for engine, threads in (("numpy", 1), ("numba", 1), ("numba", 2))
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].index, other.index)
        np.testing.assert_array_equal(found[0].score, other.score)
    places = np.stack(np.indices(found[0].score.shape), axis=-1) + np.array([2, 1, 3])
    assert (found[0].index == places).all(axis=-1).mean() > 0.99


def test_square_patches_as_a_tuple_are_the_same(random):
    image, other = random.random((12, 14, 3)), random.random((13, 11, 3))
    for method in ("exact", "patchmatch"):
        one, two = (
            pnn.nearest_patches(image, other, patch_size=size, method=method)
            for size in (4, (4, 4))
        )
        np.testing.assert_array_equal(one.index, two.index)


def test_layouts_of_volumes(random):
    volumes = [random.random((2, *shape)) for shape in ((3, 5, 4), (2, 3, 6))]
    layout = Layout.of(volumes)
    assert layout.canvas_shape == (5, 5, 6)
    canvas = layout.stack(volumes)
    for source, volume in enumerate(volumes):
        places = [axis.ravel() for axis in np.indices(volume.shape[1:])]
        numbers = layout.encode(np.full(places[0].shape, source), *places)
        np.testing.assert_array_equal(canvas.reshape(2, -1)[:, numbers], volume.reshape(2, -1))
        decoded = layout.decode(numbers)
        np.testing.assert_array_equal(decoded[0], source)
        for mine, place in zip(decoded[1:], places, strict=True):
            np.testing.assert_array_equal(mine, place)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_axis": "auto"}, r"`query` of shape \(9, 9, 9\) has an axis whose meaning is not "
         "clear; set `channel_axis=None` for a volume, .* `channel_axis=-1` for channels"),
        ({"patch_size": (3, 3)}, r"`patch_size` must be one integer, or one for each axis"),
        ({"patch_size": (3, 3, 10)}, "`query` must be at least `patch_size` = .* on every side, "
         "got 9 x 9 x 9"),
        ({"patch_size": (1, 1, 1)}, "`patch_size` must be an integer of at least 2, or one for"),
        ({"key": np.zeros((9, 9))}, "`key` must have the axes of `query`, 3 of space, got 2"),
        ({"key_mask": np.ones((9, 9), bool)}, "must have the depth, height and width of `key`"),
        ({"initial": np.zeros((7, 7, 7, 2), int)}, r"`initial` must have shape \(slices, rows, "),
    ],
)  # fmt: skip
def test_wrong_calls_say_what_would_be_right(changes, message):
    volume = np.zeros((9, 9, 9))
    right = {"query": volume, "key": volume, "patch_size": 3, "channel_axis": None}
    with pytest.raises(ValueError, match=message):
        pnn.nearest_patches(**{**right, **changes})
