"""Weighted means of engine `cupy` on the stand-in for a device, beside those of plain NumPy."""

import math
from dataclasses import replace
from importlib import import_module

import host_cuda
import numpy as np
import pytest
from contract import on_host
from ptx_on_host import COMPILERS
from weighted_means import CASES, case_of, means, no_tick, side_of

from pnncupy.kernels import reference
from pnncupy.kernels.protocol import MeanRequest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture
def engine(cupy):
    """The module of weighted means, on the stand-in."""
    return import_module("pnncupy.kernels.cupy_raw.weighted_mean")


def check_equal(found, expected):
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


# Patches so large that blocks are, and pixels of so many channels that none stay in registers.
LARGE = [(2, (37, 40), (39, 35), 17, 0.4, 1), (1, (66, 99), (34, 35), 31, 0.3, 1)]
MANY = [(20, (9, 12), (10, 11), 3, 0.6, 2), (1, (3, 4), (5, 3), 1, 0.3, 1)]


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(
    "case",
    [
        CASES[3],
        *(pytest.param(each, marks=pytest.mark.exhaustive)
          for each in (*CASES[:3], CASES[4], *LARGE, *MANY)),
    ],
    ids=str,
)  # fmt: skip
def test_means_have_the_bits_of_plain_numpy(random, case, engine, cupy):
    request, value = case_of(random, *case)
    pairs = []
    found = means(engine, request, value, xp=cupy, tick=pairs.append)
    check_equal(found, means(reference, request, value))
    assert sum(pairs) == 3 * math.prod(request.shape) * math.prod(request.key_shape)


def test_neither_launches_nor_bands_change_a_bit(random, engine, cupy, monkeypatch):
    request, value = case_of(random, 1, (22, 8), (16, 9), 4, 0.3, 1)
    expected = means(reference, request, value)
    for pairs, bands, blocks in ((4_000, 2, 1), (1, 1, 7)):
        monkeypatch.setattr(engine, "_PAIRS_PER_LAUNCH", pairs)
        monkeypatch.setattr(engine, "_MOST_BANDS", bands)
        monkeypatch.setattr(engine, "_MANY_BLOCKS", blocks)
        check_equal(means(engine, request, value, xp=cupy), expected)


def tied_images(random, size):
    """Images of two sources with few values: some patches are equal, and all sums exact."""
    query, *keys = (
        random.integers(0, 2, (1, *shape)).astype(np.float32) for shape in ((6, 12), (5, 9), (7, 6))
    )
    # The best patch of some queries is in both.
    for key in keys:
        key[:, :size, :size] = query[:, :size, :size]
    return query, keys


def sums_of_sources(engine, xp, query, keys, size):
    """Totals, first keys and means of two sources, one after the other."""
    how = {"threads": 1, "tick": no_tick}
    counts = tuple(side - size + 1 for side in query.shape[1:])
    least = xp.full(counts, np.inf, np.float32)
    requests = [
        MeanRequest(xp.asarray(query), xp.asarray(key), size, least, xp.full_like(least, np.inf),
                    np.float32(0.5), 20, first)
        for key, first in zip(keys, (0, 100), strict=True)
    ]  # fmt: skip
    reached = [engine.lower_least(request, **how) for request in requests]
    limit = xp.asarray(on_host(xp, least) + np.float32(5))
    requests = [replace(request, limit=limit) for request in requests]
    total, index = xp.zeros(counts, np.float32), xp.full(counts, -1, np.int32)
    out = xp.zeros((1, *query.shape[1:]), np.float32)
    for request, noted in zip(requests, reached, strict=True):
        engine.add_weights(request, noted, total, index, **how)
    for request, noted in zip(requests, reached, strict=True):
        engine.add_values(
            request, noted, xp.ones(counts, np.float32), request.key, xp.asarray(side_of(size)),
            out, **how,
        )  # fmt: skip
    return [on_host(xp, each) for each in (least, total, index, out)]


def test_sources_follow_each_other_and_the_first_of_equal_keys_is_noted(random, engine, cupy):
    query, keys = tied_images(random, 4)
    found = sums_of_sources(engine, cupy, query, keys, 4)
    check_equal(found, sums_of_sources(reference, np, query, keys, 4))
    index = found[2]
    assert index[0, 0] == 0
    assert (index >= 100).any()


def test_what_is_not_reached_is_not_weighed(random, engine, cupy):
    request, _ = case_of(random, 1, (36, 11), (30, 13), 4, 0.02, 1)
    how = {"threads": 1, "tick": no_tick}
    query, key, least, limit = (
        cupy.asarray(each) for each in (request.query, request.key, request.least, request.limit)
    )
    request = replace(request, query=query, key=key, least=least, limit=limit)
    first = engine.lower_least(request, **how).notes.host
    near = cupy.asarray(least.host + np.float32(30) / request.scale)
    again = engine.lower_least(replace(request, limit=near), **how)
    assert 0 < again.notes.host.sum() < first.sum() / 2
    # Nothing is added for displacements that are said to reach nothing.
    again.notes[...] = np.uint8(0)
    total, index = cupy.zeros(least.shape, np.float32), cupy.full(least.shape, -1, np.int32)
    engine.add_weights(replace(request, limit=near), again, total, index, **how)
    assert (total.host == 0).all()


def test_the_size_of_an_image_does_not_matter_for_the_number_of_launches(random, engine, cupy):
    import cupy_stand_in

    counts = []
    for side in (12, 24):
        request, value = case_of(random, 1, (side, side), (side, side), 4, 0.3, 1)
        cupy_stand_in.counts.clear()
        means(engine, request, value, xp=cupy)
        counts.append(dict(cupy_stand_in.counts))
    assert counts[0] == counts[1]
    assert counts[0]["operation"] < 12


def test_patches_too_large_are_refused(random, engine, cupy):
    request, _ = case_of(random, 1, (32, 33), (32, 33), 32, 0.3, 1)
    with pytest.raises(ValueError, match="`patch_sizes` must be at most 31, got 32"):
        engine.lower_least(request, threads=1, tick=no_tick)


def tiny(random, shape):
    """Pixels of both signs whose squared differences are subnormal."""
    return ((random.random(shape) - 0.5) * 1e-20).astype(np.float32)


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(
    "code",
    [each if each == (12, 90) else pytest.param(each, marks=pytest.mark.exhaustive)
     for each in COMPILERS],
    indirect=True, ids=str,
)  # fmt: skip
def test_tiny_values_are_those_of_plain_numpy(random, engine, cupy):
    query, key = tiny(random, (2, 6, 10)), tiny(random, (2, 5, 8))
    limit = np.full((5, 9), np.inf, np.float32)
    request = MeanRequest(query, key, 2, limit.copy(), limit, np.float32(3e38), 8)
    value = tiny(random, (1, 5, 8)) * np.float32(1e-19)
    totals = []
    # Weights halve for each 3e-39: with the smaller limit those of some keys are 0.
    for halvings in (0.03, 30):
        found = means(engine, request, value, xp=cupy, halvings=halvings)
        check_equal(found, means(reference, request, value, halvings=halvings))
        totals.append(found[1].mean())
    assert 1 < totals[0] < totals[1]
    assert 0 < found[0].max() < np.finfo(np.float32).tiny
    assert 0 < abs(found[3]).max() < np.finfo(np.float32).tiny
