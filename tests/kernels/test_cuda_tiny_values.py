"""The CUDA kernels as NVIDIA's compilers translate them, where subnormal numbers decide."""

import host_cuda
import numpy as np
import pytest
from cuda_launches import approximate_pass, plain_search, search_on_host, vote_on_host
from ptx_on_host import COMPILERS

from pnncupy.kernels import reference

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
    pytest.mark.usefixtures("code"),
    pytest.mark.parametrize(
        "code",
        [
            each
            if each in ((12, 90), (13, 75))
            else pytest.param(each, marks=pytest.mark.exhaustive)
            for each in COMPILERS
        ],
        indirect=True,
        ids=str,
    ),
]


def tiny(random, shape):
    """Pixels of both signs whose squared differences, sums and scores are mostly subnormal."""
    scale = np.where(random.random(shape) < 0.9, 1e-20, 1e-39)
    return ((random.random(shape) - 0.5) * scale).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
def test_searches_of_tiny_values_have_the_bits_of_the_cpu(weighted, random):
    p, channels = (4, 1) if weighted else (7, 3)
    query, key = tiny(random, (channels, p + 5, p + 20)), tiny(random, (channels, p + 3, p + 9))
    weight = random.random((4, 10)).astype(np.float32) if weighted else None
    expected = plain_search(query, key, p, weight)
    assert 0 < expected[0].max() < np.finfo(np.float32).tiny
    found = search_on_host(query, key, p, weight)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("normalised", [False, True])
def test_passes_over_tiny_values_have_the_bits_of_the_cpu(normalised, random):
    p, channels = 7, 3
    query, key = tiny(random, (channels, p + 4, p + 36)), tiny(random, (channels, p + 2, p + 5))
    start = random.integers(0, 3, (5, 37)) * key.shape[2] + random.integers(3, 6, (5, 37))
    bound = (random.random((3, 6)) * 2e-39).astype(np.float32) if normalised else None
    options = {"step": 1, "radius": p + 5, "draws": 2, "stream": 4_000_000_000}
    results = [
        approximate_pass(engine, query, key, p, start.astype(np.int32), bound, None, options)
        for engine in (None, reference)
    ]
    for mine, other in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert (results[0][1] != start).mean() > 0.5


@pytest.mark.parametrize("how", ["mean", "median", "trimmed_mean"])
def test_votes_of_tiny_values_have_the_bits_of_the_cpu(how, random):
    p = 5
    value = tiny(random, (3, 11, 16)) * np.float32(1e-19)
    index = (random.integers(0, 7, (5, 9)) * 16 + random.integers(0, 12, (5, 9))).astype(np.int32)
    found = vote_on_host(value, index, p, how)
    expected = np.empty_like(found)
    weight = [1.0] * p if how == "mean" else None
    reference.vote(value, index, p, how, weight, expected, active=None, threads=1)
    np.testing.assert_array_equal(found, expected)
    assert 0 < abs(found).max() < np.finfo(np.float32).tiny
