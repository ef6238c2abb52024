"""The tree of key patches: the bits of a search that compares all pairs."""

import numpy as np
import pytest

from pnncupy.kernels import numba_cpu
from pnncupy.kernels.search_tree.search import search
from pnncupy.kernels.search_tree.tree import build


def compared(query, key, size, weight=None):
    """Scores and matches of the plain search."""
    shape = tuple(side - size + 1 for side in query.shape[1:])
    score = np.full((*shape, 1), np.inf, np.float32)
    index = np.full((*shape, 1), -1, np.int32)
    numba_cpu.lower_nearest(
        query, key, size, weight, score, index, first_index=0, index_stride=key.shape[2],
        active=None, threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    return score[..., 0], index[..., 0]


def images(kind, channels, random):
    shape = (channels, 30, 37)
    key = {
        "noise": lambda: random.random(shape),
        "smooth": lambda: np.cumsum(random.normal(size=shape), axis=2),
        "constant": lambda: np.full(shape, 0.3),
        "two values": lambda: random.integers(0, 2, shape),
        "periodic": lambda: np.tile(random.random((channels, 5, 6)), (1, 6, 7))[:, :30, :37],
        "an outlier": lambda: np.where(np.arange(37) == 20, 1e15, random.random(shape)),
        "near ties": lambda: 1 + random.integers(0, 3, shape) * np.finfo(np.float32).eps,
        "large": lambda: random.random(shape) * 1e15,
        "small": lambda: random.random(shape) * 1e-14,
    }[kind]()
    key = key.astype(np.float32)
    query = (key + np.roll(key, 1, axis=2))[:, 3:27, 2:] / np.float32(2)
    return np.ascontiguousarray(query, np.float32), key


KINDS = (
    "noise", "smooth", "constant", "two values", "periodic", "an outlier", "near ties", "large",
    "small",
)  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("size", "channels"), [(7, 3), (3, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_finds_what_all_pairs_find(kind, size, channels, weighted, random):
    query, key = images(kind, channels, random)
    key[:, 12:15, 20:25] = np.inf  # excluded
    weight = None
    if weighted:
        weight = random.random([side - size + 1 for side in key.shape[1:]]).astype(np.float32)
        weight += np.float32(0.01)
    expected = compared(query, key, size, weight)
    for threads, propagate in ((1, True), (2, False)):
        score = np.full(expected[0].shape, np.inf, np.float32)
        index = np.full(expected[0].shape, -1, np.int32)
        search(
            build(key, size, threads), query, score, index, weight=weight,
            index_stride=key.shape[2], propagate=propagate, threads=threads,
        )  # fmt: skip
        np.testing.assert_array_equal(score, expected[0])
        np.testing.assert_array_equal(index, expected[1])
