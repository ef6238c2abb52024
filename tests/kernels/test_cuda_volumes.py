"""The CUDA kernels on volumes, compiled for the host, against the other engines."""

import math

import host_cuda
import numpy as np
import pytest
from cuda_launches import approximate_pass, search_volume_on_host

from pnncupy.kernels import reference
from pnncupy.kernels.protocol import SearchRequest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]

VOLUMES = [
    ((2, 3, 4), 2, (4, 5, 20), (3, 6, 9)),
    ((3, 1, 2), 1, (4, 3, 33), (5, 4, 3)),
    ((1, 5, 3), 3, (2, 9, 7), (3, 6, 35)),
]


def pair_of_volumes(random, sides, channels, shape, key_shape):
    """Query and key with patches that must not be used, and how many patches they have."""
    query, key = (random.random((channels, *each), np.float32) for each in (shape, key_shape))
    key[0, 1, 2, 2] = np.inf
    counts = (
        tuple(pixels - side + 1 for pixels, side in zip(each, sides, strict=True))
        for each in (shape, key_shape)
    )
    return query, key, *counts


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("sides", "channels", "shape", "key_shape"), VOLUMES)
def test_searches_of_volumes_have_the_bits_of_the_other_engines(
    sides, channels, shape, key_shape, backwards, random
):
    query, key, counts, key_counts = pair_of_volumes(random, sides, channels, shape, key_shape)
    weight, active = random.random(key_counts, np.float32), random.random(counts) > 0.2
    found = search_volume_on_host(query, key, sides, weight, active, backwards)
    score, index = np.full((*counts, 1), np.inf, "f4"), np.full((*counts, 1), -1, "i4")
    reference.update_nearest(
        SearchRequest(query, key, sides, weight, score, index, key_shape[2], active=active),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    for mine, expected in zip(found, (score, index), strict=True):
        np.testing.assert_array_equal(mine[active], expected[active][..., 0])


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(
    ("sides", "channels", "shape", "key_shape"), [*VOLUMES, ((7, 7, 7), 1, (8, 8, 8), (7, 8, 9))]
)
def test_passes_over_volumes_have_the_bits_of_the_oracle(
    sides, channels, shape, key_shape, normalised, backwards, random
):
    # Few values: many ties.
    query, key = (
        random.integers(0, 4, (channels, *each)).astype(np.float32) for each in (shape, key_shape)
    )
    counts, key_counts = (
        tuple(pixels - side + 1 for pixels, side in zip(each, sides, strict=True))
        for each in (shape, key_shape)
    )
    # The first patch may be matched.
    start = np.zeros(counts, np.int32)
    bound = None
    if normalised:
        bound = (random.random(key_counts) * math.prod(sides) * channels).astype(np.float32)
    active = random.random(counts) > 0.2
    for options in (
        {"step": 1, "radius": max(key_shape), "draws": 3, "stream": 4_000_000_000},
        {"step": 2, "radius": 0, "draws": 0, "stream": 1},
    ):
        results = [
            approximate_pass(engine, query, key, sides, start, bound, active, options, backwards)
            for engine in (None, reference)
        ]
        for mine, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(mine, expected)
        start = results[0][1]
