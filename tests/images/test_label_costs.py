"""Costs of labels: vectors whose squared distances they are, and what is refused."""

import itertools

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.images.label_costs import label_embedding


def squared_distances(rows):
    points = np.array(rows).T
    return ((points[:, None] - points[None]) ** 2).sum(axis=2)


@pytest.mark.parametrize(
    "costs",
    [
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[abs(a - b) for a in range(5)] for b in range(5)],
        [[(a - b) ** 2 for a in (0, 1, 3)] for b in (0, 1, 3)],
        [[0, 0, 2], [0, 0, 2], [2, 2, 0]],
        np.array([[0, 0.5], [0.5, 0]]),
    ],
)
def test_costs_are_squared_distances(costs):
    rows = label_embedding(costs, range(len(costs)))
    np.testing.assert_allclose(squared_distances(rows), np.array(costs, float), atol=1e-12)


def test_weights_of_labels_are_averaged():
    rows = label_embedding({3: 5, 7: 2}, [1, 3, 7])
    weights = [1, 5, 2]
    expected = [[0 if a == b else (a + b) / 2 for b in weights] for a in weights]
    np.testing.assert_allclose(squared_distances(rows), expected, atol=1e-12)


def test_points_on_a_line_have_one_plane():
    assert len(label_embedding([[(a - b) ** 2 for a in range(4)] for b in range(4)], range(4))) == 1


@pytest.mark.parametrize(
    ("costs", "error", "message"),
    [
        ([[0, 1, 9], [1, 0, 1], [9, 1, 0]], ValueError, "must be squared distances.*add at least"),
        ([[0, 1], [2, 0]], ValueError, "symmetric"),
        ([[1, 1], [1, 0]], ValueError, "0 from a label to itself"),
        ([[0, 1]], ValueError, r"\(3, 3\)|\(2, 2\)"),
        ([[0, -1], [-1, 0]], ValueError, "label_costs"),
        ([[0, 0], [0, 0]], ValueError, "must not all be 0"),
        ({5: 1}, ValueError, "labels of the source only, got 5"),
        (3, TypeError, "a mapping of labels to weights"),
    ],
)
def test_other_costs_are_refused(costs, error, message):
    count = 3 if len(np.shape(costs)) == 2 and len(costs) == 3 else 2
    with pytest.raises(error, match=message):
        label_embedding(costs, range(count))


def test_the_constant_that_is_named_makes_costs_distances():
    costs = np.array([[0, 1, 9], [1, 0, 1], [9, 1, 0]], float)
    with pytest.raises(ValueError, match="add at least") as found:
        label_embedding(costs, range(3))
    constant = float(str(found.value).partition("add at least ")[2].split()[0])
    for extra, works in [(1.01, True), (0.9, False)]:
        moved = costs + extra * constant * (1 - np.eye(3))
        if works:
            label_embedding(moved, range(3))
        else:
            with pytest.raises(ValueError, match="squared distances"):
                label_embedding(moved, range(3))


def mean_cost(one, other, costs):
    return np.mean([costs[a][b] for a, b in zip(one.ravel(), other.ravel(), strict=True)])


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_the_nearest_patch_is_that_of_the_least_mean_cost(random, engine):
    p, costs = 3, [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    source = random.integers(0, 3, (9, 10), dtype=np.uint8)
    target = random.integers(0, 3, (7, 8), dtype=np.uint8)
    found = pnn.analogy(
        source, target, categorical=True, label_costs=costs, patch_size=p, levels=0, alpha=np.inf,
        coarse_iterations=1, vote="copy", keys="sharp", return_index=True, engine=engine,
    )  # fmt: skip
    places = itertools.product(range(9 - p + 1), range(10 - p + 1))
    windows = [source[y : y + p, x : x + p] for y, x in places]
    # The vote weighs the patch around a pixel most, so that its match is where the index points.
    for y, x in itertools.product(range(7 - p + 1), range(8 - p + 1)):
        query = target[y : y + p, x : x + p]
        row, column = found.index[y + 1, x + 1, 1:] - 1
        match = source[row : row + p, column : column + p]
        least = min(mean_cost(query, each, costs) for each in windows)
        assert mean_cost(query, match, costs) == pytest.approx(least)
