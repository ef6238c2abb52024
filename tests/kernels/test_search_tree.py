"""Search by pruning: the bits of a search that compares all pairs."""

import itertools

import numpy as np
import pytest

from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.numba_cpu.search_tree import projection
from pnncupy.kernels.numba_cpu.search_tree.search import search
from pnncupy.kernels.numba_cpu.search_tree.tree import build
from pnncupy.kernels.protocol import SearchRequest
from pnncupy.search import pruned_search
from pnncupy.search.pruned_search import PairSearch

EPSILON = np.finfo(np.float32).eps
CASES = 1000


def noise(random, shape):
    return random.random(shape)


def smooth(random, shape):
    return np.cumsum(np.cumsum(random.normal(size=shape), axis=2), axis=1) / 50


def constant(random, shape):
    return np.full(shape, random.random())


def mostly_constant(random, shape):
    image = np.full(shape, 0.5)
    image[:, : shape[1] // 2, : shape[2] // 2] = random.random(
        image[:, : shape[1] // 2, : shape[2] // 2].shape
    )
    return image


def two_values(random, shape):
    return random.integers(0, 2, shape)


def periodic(random, shape):
    tile = random.random((shape[0], *random.integers(1, 7, 2)))
    return np.resize(np.tile(tile, (1, *shape[1:])), shape)


def near_ties(random, shape):
    return 1 + random.integers(0, 3, shape) * EPSILON


def an_outlier(random, shape):
    image = random.random(shape)
    image[:, random.integers(shape[1]), random.integers(shape[2])] = random.choice(
        [1e6, 1e15, 1e18, 1e30]
    )
    return image


def large(random, shape):
    return random.random(shape) * 1e15


def small(random, shape):
    return random.random(shape) * random.choice([1e-14, 1e-20, 1e-38, 1e-44])


def around_a_large_value(random, shape):
    return 1e4 + random.random(shape)


KINDS = (
    noise, smooth, constant, mostly_constant, two_values, periodic, near_ties, an_outlier, large,
    small, around_a_large_value,
)  # fmt: skip
# Patch sizes, channels and list lengths; each takes seconds to compile.
SIZES = ((7, 3, 1), (2, 1, 4), (3, 2, 2), (5, 1, 1), (9, 4, 1), (16, 2, 1))


def a_case(number, sizes):
    """Images, and the rest of a search, made from a number."""
    random = np.random.default_rng(number)
    size, channels, length = sizes
    shape = (channels, *random.integers(size + 1, 30, 2))
    key = KINDS[random.integers(len(KINDS))](random, shape).astype(np.float32)
    query = [
        lambda: (key + np.roll(key, 1, axis=2)) / np.float32(2),
        lambda: key + (random.normal(size=shape) * 1e-6).astype(np.float32),
        lambda: KINDS[random.integers(len(KINDS))](random, shape),
        lambda: key[:, random.integers(2) :, random.integers(2) :],
    ][random.integers(4)]()
    query = np.ascontiguousarray(query, np.float32)
    if random.random() < 0.3:
        top, left = random.integers(0, shape[1]), random.integers(0, shape[2])
        key[:, top : top + 4, left : left + 4] = np.inf
    queries, keys = ([side - size + 1 for side in image.shape[1:]] for image in (query, key))
    weight = active = None
    if random.random() < 0.5:
        weight = (random.random(keys) * random.choice([1, 1e-5]) + 1e-6).astype(np.float32)
    if random.random() < 0.3:
        active = random.random(queries) < 0.4
    score = np.full((*queries, length), np.inf, np.float32)
    index = np.full((*queries, length), -1, np.int32)
    if random.random() < 0.3:  # limits
        score[...] = random.random((*queries, 1))
    options = {"weight": weight, "active": active, "threads": int(random.integers(1, 3))}
    return random, size, query, key, score, index, options


def compared(size, query, key, score, index, options):
    """Lists lowered by the search of all pairs."""
    score, index = score.copy(), index.copy()
    numba_cpu.update_nearest(
        SearchRequest(
            query, key, size, options["weight"], score, index, first_index=0,
            index_stride=key.shape[2], active=options["active"],
        ),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    return score, index


def of_active(lists, options):
    return [each if options["active"] is None else each[options["active"]] for each in lists]


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(SIZES[0], marks=pytest.mark.slow),
        *(pytest.param(sizes, marks=pytest.mark.exhaustive) for sizes in SIZES[1:]),
    ],
)
def test_pruning_finds_what_all_pairs_find(sizes, monkeypatch):
    for number in range(CASES):
        random, size, query, key, score, index, options = a_case(number, sizes)
        expected = compared(size, query, key, score, index, options)
        # Sometimes nearly all queries give up, or some, or none.
        monkeypatch.setattr(pruned_search, "_MOST_OF_QUERY", random.choice([0, 1, 1e9]))
        # With several keys a query, or weights that are not those of the pixels, all are needed.
        distinct = index.shape[2] == 1 and options["weight"] is None and random.random() < 0.7
        count = int(random.choice(numba_cpu.TREE_AXES))
        tree = build(key, size, 1, distinct=distinct, count=count)
        pair = PairSearch(
            numba_cpu, size, options["threads"], lambda pairs: None, query, key, key.shape[2],
            weight=options["weight"], active=options["active"],
        )  # fmt: skip
        if tree is not None:
            pair.prune(tree, score, index)
        for found, wanted in zip(
            of_active((score, index), options), of_active(expected, options), strict=True
        ):
            np.testing.assert_array_equal(found, wanted, f"case {number}")


@pytest.mark.parametrize("number", range(5000, 5200))
def test_axes_change_no_bit(number, monkeypatch):
    random, size, query, key, score, index, options = a_case(number, SIZES[0])
    usable = np.isfinite(key).all()
    if not usable:
        key = np.nan_to_num(key, posinf=0).astype(np.float32)
    expected = compared(size, query, key, score, index, options)
    axes = random_axes(random, len(key), size)
    tree = build(key, size, 1, axes=axes)
    request = SearchRequest(
        query, key, size, options["weight"], score, index, key.shape[2], active=options["active"]
    )
    search(tree, request, threads=options["threads"])
    for found, wanted in zip(
        of_active((score, index), options), of_active(expected, options), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def random_axes(random, channels, size):
    """Orthonormal directions that have nothing to do with an image, in any order."""
    directions, _ = np.linalg.qr(random.normal(size=(channels, channels)))
    waves, _ = np.linalg.qr(random.normal(size=(size, size)))
    products = list(itertools.product(range(channels), range(size), range(size)))
    some = random.permutation(len(products))[: projection.AXES]
    chosen = np.full((projection.AXES, 2), -1, np.int64)
    lines = sorted({products[each][:2] for each in some})
    for axis, each in enumerate(some):
        chosen[axis] = lines.index(products[each][:2]), products[each][2]
    return projection.Axes(
        np.ascontiguousarray(directions), random.normal(size=channels),
        np.ascontiguousarray(waves), np.ascontiguousarray(waves), np.array(lines, np.int64), chosen,
    )  # fmt: skip
