"""Searches with savings against plain searches, bit for bit, and against float64 brute force."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnncupy.kernels import reference, tiling
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.protocol import SearchRequest
from pnncupy.search import candidate_lists, incremental
from pnncupy.search.exact import SearchSettings, search
from pnncupy.search.incremental import ReuseStatistics, incremental_search
from pnncupy.search.nearest import mask_keys
from pnncupy.search.patch_grid import Layout, PatchGrid

pytestmark = pytest.mark.slow

INF = math.inf
KINDS = ("noise", "flat", "tiles", "steps", "waves")


def picture(random, kind, shape):
    """A planar image; some kinds have many equal and nearly equal patches."""
    _, height, width = shape
    image = random.random(shape, np.float32)
    if kind == "flat":
        image[...] = image[:, :1, :1]
    elif kind == "tiles":
        tile = image[:, : min(3, height), : min(4, width)]
        image = np.tile(tile, (1, -(-height // 3), -(-width // 4)))[:, :height, :width]
    elif kind == "steps":
        image = np.round(image * 2)
    elif kind == "waves":
        y, x = np.mgrid[:height, :width]
        image = 0.01 * image + np.sin(y / 5 + x / 7).astype(np.float32)
    return np.ascontiguousarray(image, np.float32)


def next_query(random, query, how):
    """What a PNN step may make of a query: little changes, local ones, none, or another image."""
    if how == "drift":
        change = random.normal(0, 1e-3, query.shape)
    elif how == "local":
        change = np.zeros(query.shape)
        row, column = (random.integers(0, side) for side in query.shape[1:])
        change[:, row : row + 4, column : column + 5] = random.normal(0, 0.3)
    elif how == "tiny":
        change = random.normal(0, 1e-7, query.shape) * (random.random(query.shape) > 0.9)
    elif how == "same":
        return query.copy()
    else:
        return random.random(query.shape, np.float32)
    return (query + change).astype(np.float32)


@st.composite
def cases(draw):
    p = draw(st.sampled_from([2, 3, 5, 7]))
    rows = st.sampled_from([0, 0, 1, 5, 11, 18])
    columns = st.integers(0, 45)
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "p": p,
        "channels": draw(st.sampled_from([1, 3])),
        "query": (p + draw(rows), p + draw(columns)),
        "keys": [(p + draw(rows), p + draw(columns)) for _ in range(draw(st.integers(1, 3)))],
        "alpha": draw(st.sampled_from([INF, INF, 1e-4, 5e-3, 0.5])),
        "kinds": (draw(st.sampled_from(KINDS)), draw(st.sampled_from(KINDS))),
        "changes": draw(
            st.lists(
                st.sampled_from(["drift", "local", "tiny", "same", "new"]), min_size=1, max_size=5
            )
        ),
        "masked": draw(st.booleans()),
        "needed": draw(st.sampled_from([None, None, 0.1, 0.7])),
        "start": draw(st.booleans()),
        "cost_of_one": draw(st.sampled_from([0.0, tiling.COST_OF_ONE, 1e9])),
    }


def prepare(case, random):
    """Query, masked keys, needed and start of a case."""
    p, channels = case["p"], case["channels"]
    query = picture(random, case["kinds"][0], (channels, *case["query"]))
    keys = [picture(random, case["kinds"][1], (channels, *shape)) for shape in case["keys"]]
    if case["masked"]:
        masks = [random.random(key.shape[1:]) > 0.02 for key in keys]
        masks[0][:p, :p] = True
        keys = mask_keys(keys, masks, ["key"] * len(keys), p)
    places = tuple(side - p + 1 for side in case["query"])
    needed = None if case["needed"] is None else random.random(places) < case["needed"]
    start = None
    layout = Layout.of(keys)
    if case["start"]:
        matches = np.zeros((max(1, places[0] // 2), max(1, places[1] // 2)), np.int32)
        start = candidate_lists.finer_candidates(matches, layout, layout, places, p)
    return query, keys, layout, needed, start


@settings(deadline=None)
@given(case=cases())
def test_followers_return_the_bits_of_plain_searches(case):
    random = np.random.default_rng(case["seed"])
    query, keys, layout, needed, start = prepare(case, random)
    patch = SearchSettings(numba_cpu, case["p"], case["channels"], case["alpha"], 2)
    follow = incremental_search(patch, keys, layout, needed, start, ReuseStatistics())
    inside = np.ones(1, bool) if needed is None else needed
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tiling, "COST_OF_ONE", case["cost_of_one"])
        for change in ["same", *case["changes"]]:
            query = next_query(random, query, change)
            plain, fast = search(patch, query, keys, layout), follow(query)
            for expected, found in ((plain.index, fast.index), (plain.score, fast.score)):
                np.testing.assert_array_equal(
                    np.where(inside, found, 0), np.where(inside, expected, 0)
                )
    check_with_brute_force(query, keys, layout, case["p"], case["alpha"], plain)


def patches(image, p):
    windows = np.lib.stride_tricks.sliding_window_view(image, (p, p), axis=(1, 2))
    return np.moveaxis(windows, 0, 2).reshape(windows.shape[1] * windows.shape[2], -1)


def check_with_brute_force(query, keys, layout, p, alpha, found):
    """All distances in float64: the key found is the best one wherever one is clearly best."""
    queries = patches(query, p).astype(float)
    scores, numbers = [], []
    for key, top in zip(keys, layout.tops, strict=True):
        values = patches(key, p).astype(float)
        usable = np.isfinite(values).all(axis=1)
        places = np.add.outer(np.arange(key.shape[1] - p + 1), np.zeros(key.shape[2] - p + 1, int))
        columns = np.arange(key.shape[2] - p + 1)
        number = ((places + top) * layout.width + columns).ravel()[usable]
        distances = ((queries[:, None] - values[usable]) ** 2).mean(axis=2)
        if not math.isinf(alpha) and distances.size:
            distances = distances / (alpha + distances.min(axis=0))
        scores.append(distances)
        numbers.append(number)
    scores, numbers = np.concatenate(scores, axis=1), np.concatenate(numbers)
    best = scores.min(axis=1)
    slack = 1e-5 * best + 1e-12
    matched = scores[np.arange(len(scores)), np.searchsorted(numbers, found.index.ravel())]
    assert (matched <= best + slack).all()
    clear = (scores <= (best + 2 * slack)[:, None]).sum(axis=1) == 1
    np.testing.assert_array_equal(found.index.ravel()[clear], numbers[scores.argmin(axis=1)][clear])


@pytest.mark.parametrize("alpha", [INF, 5e-3])
def test_followers_of_the_numpy_engine_too(alpha, random):
    query, key = (picture(random, "waves", (2, 12, 14)) for _ in range(2))
    patch = SearchSettings(reference, 4, 2, alpha, 1)
    layout = Layout.of([key])
    follow = incremental_search(patch, [key], layout, None, None, ReuseStatistics())
    for change in ("same", "drift", "local", "new", "tiny"):
        query = next_query(random, query, change)
        plain, fast = search(patch, query, [key], layout), follow(query)
        np.testing.assert_array_equal(plain.index, fast.index)
        np.testing.assert_array_equal(plain.score, fast.score)


@pytest.mark.parametrize("alpha", [INF, 5e-3])
def test_most_little_changes_need_no_search(alpha, random):
    query, key = (picture(random, "noise", (3, 40, 50)) for _ in range(2))
    pairs, proofs = [], ReuseStatistics()
    patch = SearchSettings(numba_cpu, 7, 3, alpha, 2, tick=pairs.append)
    follow = incremental_search(patch, [key], Layout.of([key]), None, None, proofs)
    follow(query)
    first = sum(pairs)
    follow(next_query(random, query, "drift"))
    assert proofs.tried == 34 * 44
    assert proofs.held > 0.95 * proofs.tried
    # One scan where there were two; with plain distances next to nothing.
    assert sum(pairs) - first < (0.6 if alpha < INF else 0.05) * first


def test_a_moved_query_is_searched_when_its_second_best_key_has_come_near():
    # Two keys almost as good as each other: the better one changes with a small step.
    key = np.zeros((1, 2, 12), np.float32)
    key[0, :, 2:4], key[0, :, 8:10] = 1.0, 1.001
    query = np.full((1, 2, 2), 1.0004, np.float32)
    patch = SearchSettings(numba_cpu, 2, 1, INF, 1)
    layout = Layout.of([key])
    for length in (1, 2):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(incremental, "PLAIN_LENGTH", length)
            follow = incremental_search(patch, [key], layout, None, None, ReuseStatistics())
            assert follow(query).index.item() == 2
            assert follow(query + np.float32(2e-4)).index.item() == 8


def everything(random, length, channels, both_ways):
    """Empty lists and key minima for images of 14 x 30 and 11 x 26 pixels, patches of 4."""
    query = np.round(random.random((channels, 14, 30), np.float32) * 3)
    key = np.round(random.random((channels, 11, 26), np.float32) * 3)
    lists = np.full((11, 27, length), np.inf, np.float32), np.full((11, 27, length), -1, np.int32)
    minima = None, None
    if both_ways:
        minima = np.full((8, 23), np.inf, np.float32), np.full((8, 23), -1, np.int32)
    return query, key, lists, minima


@pytest.mark.parametrize("length", [1, 2, pytest.param(3, marks=pytest.mark.exhaustive), 6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("both_ways", [False, True])
def test_lists_and_minima_are_the_same_on_all_engines(length, weighted, both_ways, random):
    seed = random.integers(1 << 30)
    results = []
    weight = random.random((8, 23)).astype(np.float32) if weighted else None
    for kernels, threads in ((reference, 1), (numba_cpu, 1), (numba_cpu, 3)):
        query, key, lists, minima = everything(np.random.default_rng(seed), length, 2, both_ways)
        kernels.update_nearest(
            SearchRequest(
                query, key, 4, weight, *lists, key_score=minima[0], key_index=minima[1],
                first_index=5, index_stride=26, active=None,
            ),
            threads=threads, tick=lambda pairs: None,
        )  # fmt: skip
        results.append((*lists, *minima))
    for score, index, key_score, key_index in results[1:]:
        np.testing.assert_array_equal(score, results[0][0])
        np.testing.assert_array_equal(index, results[0][1])
        assert (np.diff(score, axis=-1) >= 0).all()
        if both_ways:
            np.testing.assert_array_equal(key_score, results[0][2])
            expected = naive.key_minimum(query, key, 4) * (4 * 4 * 2)
            np.testing.assert_allclose(key_score, expected, rtol=1e-6)
            again = np.empty(key_score.size, np.float32)
            keys = PatchGrid.of(key, 4).flat_indices(np).ravel()
            numba_cpu.pair_sums(query, key, 4, key_index.ravel(), keys, again, threads=2)
            np.testing.assert_array_equal(again, key_score.ravel())


def test_lists_hold_the_best_keys_in_order(engine, random):
    kernels = {"numpy": reference, "numba": numba_cpu}[engine]
    query, key, (score, index), _ = everything(random, 5, 1, both_ways=False)
    kernels.update_nearest(
        SearchRequest(
            query, key, 4, None, score, index, first_index=0, index_stride=26, active=None,
        ),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    expected = naive.scores(query, [key], 4)
    for (y, x), scores in expected.items():
        best = sorted(scores)[:5]
        np.testing.assert_allclose(score[y, x] / 16, [entry[0] for entry in best], rtol=1e-6)
        assert index[y, x].tolist() == [row * 26 + column for _, _, row, column in best]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    p=st.sampled_from([2, 3, 5, 7, 9, 17]),
    channels=st.sampled_from([1, 2, 3]),
)
def test_pairs_have_the_sums_of_the_search(seed, p, channels):
    random = np.random.default_rng(seed)
    query = random.random((channels, p + 3, p + 20), np.float32)
    key = random.random((channels, p + 6, p + 9), np.float32)
    shape = (4, 21)
    score = np.full((*shape, 1), np.inf, np.float32)
    index = np.full((*shape, 1), -1, np.int32)
    reference.update_nearest(
        SearchRequest(
            query, key, p, None, score, index, first_index=0, index_stride=p + 9, active=None,
        ),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    for kernels in (reference, numba_cpu):
        sums = np.empty(84, np.float32)
        numbers = PatchGrid.of(query, p).flat_indices(np).ravel()
        kernels.pair_sums(query, key, p, numbers, index.ravel(), sums, threads=2)
        np.testing.assert_array_equal(sums, score.ravel())
