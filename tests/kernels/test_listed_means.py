"""Lists of near keys and means of what they name: engines beside each other, and plain loops."""

import naive
import numpy as np
import pytest

from pnncupy.kernels import reference
from pnncupy.kernels.numba_cpu import engine as numba
from pnncupy.kernels.numba_cpu import listed_means
from pnncupy.kernels.protocol import ListRequest

ENGINES = pytest.mark.parametrize("engine", [reference, numba], ids=["numpy", "numba"])
# Channels, pixels of query and key, patch size, keys of a list.
CASES = [
    (3, (14, 21), (10, 17), 5, 4),
    (1, (11, 30), (33, 17), 7, 3),
    (2, (17, 35), (16, 37), 15, 8),
    (1, (12, 9), (9, 12), 4, 1),
]
# Step, radius and draws of passes that follow each other.
PASSES = [(2, 0, 1), (1, 16, 2), (0, 5, 1)]


def lists_of(random, key, patches, usable, length):
    """Random keys, some of them none, not usable or the same twice."""
    rows, columns = (random.integers(0, count, (*patches, length)) for count in usable.shape)
    index = (rows * key.shape[2] + columns).astype(np.int32)
    index[random.random(index.shape) < 0.1] = -1
    index[0, :, -1] = index[0, :, 0]
    return index


def case_of(random, channels, shape, key_shape, size, length):
    """Images of few integers, whose sums are exact and often equal; usable keys, and lists."""
    query, key = (
        random.integers(0, 4, (channels, *sides)).astype(np.float32)
        for sides in (shape, key_shape)
    )  # fmt: skip
    usable = random.random(tuple(side - size + 1 for side in key_shape)) > 0.2
    usable[0, 0] = True
    patches = tuple(side - size + 1 for side in shape)
    return query, key, usable, lists_of(random, key, patches, usable, length)


def passed(engine, case, size, given, sums=None, threads=1, tick=lambda pairs: None):
    """Lists after a pass, and their sums."""
    query, key, usable, index = case
    out_index, out_sums = np.empty_like(index), np.empty(index.shape, np.float32)
    engine.update_lists(
        ListRequest(query, key, size, usable, index, sums, out_index, out_sums, *given, stream=77),
        threads=threads, tick=tick,
    )  # fmt: skip
    return out_index, out_sums


@pytest.mark.parametrize("case", CASES, ids=str)
@ENGINES
def test_passes_keep_the_best_keys_of_plain_loops(random, engine, case):
    query, key, usable, index = case_of(random, *case)
    size, length, sums = case[3], case[4], None
    for step, radius, draws in PASSES:
        expected = naive.update_lists(
            query, key, size, usable, index, length, step, radius, draws, 77
        )  # fmt: skip
        index, sums = passed(
            engine, (query, key, usable, index), size, (step, radius, draws), sums
        )  # fmt: skip
        for place, best in expected.items():
            missing = length - len(best)
            assert index[place].tolist() == [number for _, number in best] + [-1] * missing
            assert sums[place].tolist() == [total for total, _ in best] + [np.inf] * missing


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_engines_have_the_same_bits(random, monkeypatch, case, threads):
    monkeypatch.setattr(listed_means, "_LEAST_BAND", 5)
    query, key, usable, index = case_of(random, *case)
    query, key = query + random.random(query.shape, np.float32), key * np.float32(0.7)
    size = case[3]
    value, side = random.random((2, *key.shape[1:]), np.float32), window(size)
    found = []
    for engine, count in ((reference, 1), (numba, threads)):
        lists, sums = index, None
        for given in PASSES:
            lists, sums = passed(engine, (query, key, usable, lists), size, given, sums, count)
        out = np.ones((2, *query.shape[1:]), np.float32)
        engine.add_listed_values(lists, weights(sums), value, side, out, threads=count)
        found.append((lists, sums, out))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def window(size):
    return np.exp(-3 * np.linspace(-1, 1, size) ** 2).astype(np.float32)


def weights(sums):
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.exp(sums[..., :1] - sums)).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
@ENGINES
def test_values_are_those_of_plain_loops(random, engine, case):
    query, key, _, index = case_of(random, *case)
    value, side = random.random((3, *key.shape[1:]), np.float32), window(case[3])
    weight = np.where(index < 0, 0, random.random(index.shape)).astype(np.float32)
    weight[..., 0], index[..., 0] = 1, np.maximum(index[..., 0], 0)
    out = np.zeros((3, *query.shape[1:]), np.float32)
    engine.add_listed_values(index, weight, value, side, out, threads=2)
    expected = naive.listed_values(index, weight, value, side.astype(float), query.shape[1:])
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@ENGINES
def test_progress_counts_all_queries(random, engine):
    counted = []
    case = case_of(random, *CASES[0])
    passed(engine, case, 5, PASSES[1], threads=2, tick=counted.append)
    assert sum(counted) == 10 * 17
