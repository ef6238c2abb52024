"""Weighted means of all patches: engines beside each other, and beside plain loops."""

import math
from dataclasses import replace

import naive
import numpy as np
import pytest
from weighted_means import CASES, case_of, means, no_tick, side_of

from pnncupy.kernels import reference
from pnncupy.kernels.exp2 import exp2
from pnncupy.kernels.numba_cpu import weighted_mean
from pnncupy.kernels.protocol import SearchRequest


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
