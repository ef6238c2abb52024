"""Weighted means of all patches: engines beside each other, and beside plain loops."""

import math
from dataclasses import replace

import naive
import numpy as np
import pytest

from pnncupy.kernels import reference
from pnncupy.kernels.exp2 import exp2
from pnncupy.kernels.numba_cpu import weighted_mean
from pnncupy.kernels.protocol import MeanRequest, SearchRequest

# Channels, pixels of query and key, patch size, noise, channels of values.
CASES = [
    (3, (14, 21), (10, 17), 5, 0.3, 3),
    (3, (14, 21), (10, 17), 5, 0.02, 1),
    (1, (20, 40), (33, 17), 7, 0.3, 2),
    (2, (17, 45), (16, 37), 15, 0.4, 3),
    (1, (9, 70), (9, 70), 4, 0.15, 3),
]


def no_tick(pairs):
    """Count nothing."""


def case_of(random, channels, shape, key_shape, size, sigma, values, unusable=True):
    """A request, and values, of random images."""
    query = random.random((channels, *shape), np.float32)
    key = random.random((channels, *key_shape), np.float32)
    if unusable and 1 < size < 7:
        key[0, 2, 3] = np.inf
    counts = tuple(side - size + 1 for side in shape)
    scale = np.float32(1 / (2 * sigma**2 * math.log(2)))
    # The key of some patch may be the best one, or near it.
    bound = np.full(counts, np.inf, np.float32)
    bound[::2] = bound_of(query, key, size)[::2]
    request = MeanRequest(
        query, key, size, bound, bound + np.float32(30) / scale, scale, key_shape[1] + 3, 11
    )
    return request, random.random((values, *key_shape), np.float32)


def bound_of(query, key, size):
    """Sums of the query patches and the key patch in the last corner."""
    rows, columns = (side - size for side in key.shape[1:])
    corner = key[:, None, None, rows:, columns:]
    patches = np.lib.stride_tricks.sliding_window_view(query, (size, size), axis=(1, 2))
    return ((patches - corner) ** 2).sum(axis=(0, 3, 4)).astype(np.float32) * np.float32(1.001)


def side_of(size):
    return np.exp(-(np.linspace(-1, 1, size) ** 2) / 0.2).astype(np.float32) if size > 1 else (
        np.ones(1, np.float32)
    )  # fmt: skip


def means(engine, request, value, threads=1):
    """Smallest sums, totals, nearest keys and weighted sums of values."""
    how = {"threads": threads, "tick": no_tick}
    least = request.least.copy()
    reached = engine.lower_least(replace(request, least=least), **how)
    request = replace(request, least=least, limit=least + np.float32(30) / request.scale)
    total = np.zeros(request.shape, np.float32)
    index = np.full(request.shape, -1, np.int32)
    engine.add_weights(request, reached, total, index, **how)
    out = np.zeros((len(value), *request.query.shape[1:]), np.float32)
    engine.add_values(
        request, reached, np.float32(1) / total, value, side_of(request.patch_size), out, **how
    )
    return least, total, index, out


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_engines_have_the_same_bits(random, case, threads):
    request, value = case_of(random, *case)
    expected = means(reference, request, value)
    found = means(weighted_mean, request, value, threads)
    assert (expected[1] >= 1).all()
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("pairs", [1, 700])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_neither_steps_nor_blocks_of_rows_change_a_bit(random, monkeypatch, pairs, rows):
    request, value = case_of(random, *CASES[0])
    expected = means(reference, request, value)
    monkeypatch.setattr(weighted_mean, "_MOST_PAIRS_PER_STEP", pairs)
    monkeypatch.setattr(weighted_mean, "_LEAST_ROWS", rows)
    for one, other in zip(expected, means(weighted_mean, request, value, 3), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", [reference, weighted_mean], ids=["numpy", "numba"])
@pytest.mark.parametrize("sigma", [1.0, 0.3, 0.1])
def test_means_are_those_of_plain_loops(random, engine, sigma):
    request, value = case_of(random, 2, (9, 8), (8, 10), 3, sigma, 2, unusable=False)
    *_, out = means(engine, request, value)
    side = side_of(3)
    weights = np.multiply.outer(
        np.convolve(np.ones(7), side), np.convolve(np.ones(6), side)
    )  # fmt: skip
    expected = naive.weighted_mean(
        request.query.astype(float), [request.key.astype(float)], [value.astype(float)], 3, sigma,
        side.astype(float),
    )  # fmt: skip
    np.testing.assert_allclose(out / weights, expected, rtol=2e-5)


def test_sums_and_nearest_keys_are_those_of_the_search(random):
    request, value = case_of(random, *CASES[0])
    score = np.full((*request.shape, 1), np.inf, np.float32)
    index = np.full(score.shape, -1, np.int32)
    search = SearchRequest(request.query, request.key, 5, None, score, index, 20, 11)
    reference.update_nearest(search, threads=1, tick=no_tick)
    least, _, nearest, _ = means(weighted_mean, request, value, 2)
    np.testing.assert_array_equal(least, score[..., 0])
    np.testing.assert_array_equal(nearest, index[..., 0])


def test_what_has_no_weight_is_passed_over(random):
    request, _ = case_of(random, *CASES[1])
    bound = request.least.copy()
    reached = weighted_mean.lower_least(request, threads=1, tick=no_tick)
    assert reached.any()
    assert np.isinf(bound).any()
    again = replace(request, limit=request.least + np.float32(30) / request.scale)
    assert weighted_mean.lower_least(again, threads=1, tick=no_tick).sum() < reached.sum() / 2


@pytest.mark.parametrize("engine", [reference, weighted_mean], ids=["numpy", "numba"])
def test_progress_counts_all_pairs(random, engine):
    request, _ = case_of(random, *CASES[0])
    counted = []
    engine.lower_least(request, threads=2, tick=counted.append)
    assert sum(counted) == math.prod(request.shape) * math.prod(request.key_shape)


def test_powers_of_two_are_as_exact_as_is_said():
    power = -np.linspace(0, 60, 200_001, dtype=np.float32)
    exact = 2.0 ** power.astype(np.float64)
    error = np.abs(exp2(power) / exact - 1)
    assert (error <= 2e-7 + 4e-8 * np.abs(power)).all()
    whole = -np.arange(127, dtype=np.float32)
    np.testing.assert_array_equal(exp2(whole), 2.0**whole)
    np.testing.assert_array_equal(exp2(np.float32([-127, -np.inf])), 2.0**-126)
