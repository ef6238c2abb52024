"""The CUDA kernels without a GPU: compiled for the host, against the oracle."""

import os
import re
import subprocess
import sys
from pathlib import Path

import host_cuda
import naive
import numpy as np
import pytest
from cuda_launches import (
    EMPTY,
    NOTHING,
    approximate_pass,
    bordered,
    plain_search,
    search_on_host,
    vote_on_host,
)

from pnncupy.kernels import reference
from pnncupy.kernels.cupy_raw import sources
from pnncupy.kernels.match_words import unpack
from pnncupy.kernels.protocol import SearchRequest

# `code` runs the kernels from their source, and exhaustively from the PTX of compilers.
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("code")]
needs_compiler = pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")


def integers(random, shape):
    """Pixels whose squared differences are summed without rounding, with many ties."""
    return random.integers(0, 4, shape).astype(np.float32)


SIZES = [
    (7, 3, (9, 20), (8, 23)),
    (7, 1, (7, 7), (7, 7)),
    (7, 4, (8, 7), (13, 31)),
    (2, 1, (5, 21), (4, 40)),
    (3, 2, (13, 4), (6, 7)),
    (4, 5, (6, 9), (7, 5)),
    (5, 3, (5, 37), (19, 5)),
    (6, 1, (8, 8), (6, 11)),
    (8, 1, (9, 10), (11, 9)),
    (9, 2, (10, 17), (9, 9)),
    (11, 1, (12, 13), (13, 12)),
    (15, 1, (16, 15), (15, 18)),
    (16, 1, (17, 16), (16, 16)),
    (23, 2, (23, 24), (24, 23)),
    (31, 1, (32, 31), (31, 33)),
    (2, 64, (4, 5), (3, 6)),
    (7, 20, (7, 8), (8, 9)),
]


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("p", "channels", "query_shape", "key_shape"), SIZES)
def test_search_equals_the_oracle(p, channels, query_shape, key_shape, backwards, random):
    query = integers(random, (channels, *query_shape))
    key = integers(random, (channels, *key_shape))
    score, number = search_on_host(query, key, p, backwards=backwards)
    index, expected = naive.nearest(query, [key], p)
    np.testing.assert_allclose(score / (p * p * channels), expected, rtol=1e-6)
    np.testing.assert_array_equal(number, index[..., 1] * key.shape[2] + index[..., 2])


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "cut", [{}, {"band": (5, 17), "chunk_columns": 5, "slices": 3}, {"chunk_columns": 1}]
)
def test_search_has_the_bits_of_the_other_engines(cut, backwards, random):
    query = random.random((3, 24, 31), np.float32)
    key = random.random((3, 19, 80), np.float32)
    key[:, 3, 70] = np.inf
    weight = random.random((13, 74)).astype(np.float32)
    for weights in (None, weight):
        found = search_on_host(query, key, 7, weights, backwards=backwards, **cut)
        rows = slice(*cut.get("band", (None,)))
        for mine, expected in zip(found, plain_search(query, key, 7, weights), strict=True):
            np.testing.assert_array_equal(mine, expected[rows])


@needs_compiler
def test_search_of_active_queries_only(random):
    query, key = integers(random, (2, 20, 40)), integers(random, (2, 9, 30))
    active = random.random((17, 37)) > 0.7
    active[:, :16] = False
    strip = sources.nearest_tiling(4, 2, False).strip
    busy = np.zeros((-(-17 // strip), 8), bool)
    for y, x in np.argwhere(active):
        busy[y // strip, x // 5] = True
    assert not busy.all()
    found = search_on_host(query, key, 4, None, active, busy, chunk_columns=5)
    for mine, expected in zip(found, plain_search(query, key, 4, None, active), strict=True):
        np.testing.assert_array_equal(mine, expected)


@needs_compiler
def test_what_was_found_before_stays_unless_it_is_beaten(random):
    query, key = integers(random, (1, 10, 12)), integers(random, (1, 11, 9))
    score, number = plain_search(query, key, 3)
    best = (score.view(np.uint32).astype(np.uint64) << np.uint64(32)) | np.uint64(1)
    # The same scores by key 0: none is better, and equal ones have higher numbers.
    again, kept = search_on_host(query, key, 3, best=best.copy(), first_index=5)
    np.testing.assert_array_equal(again, score)
    assert (kept == 0).all()
    # A limit without a key, just above: the first key that is below is found.
    above = np.nextafter(score, np.float32(np.inf))
    limit = above.view(np.uint32).astype(np.uint64) << np.uint64(32)
    np.testing.assert_array_equal(search_on_host(query, key, 3, best=limit)[1], number)
    exact = score.view(np.uint32).astype(np.uint64) << np.uint64(32)
    assert (search_on_host(query, key, 3, best=exact)[1] == -1).all()


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(
    ("p", "channels"), [(7, 3), (2, 1), (3, 64), (5, 4), (8, 2), (15, 1), (31, 1)]
)
def test_approximate_passes_have_the_bits_of_the_oracle(p, channels, normalised, backwards, random):
    query = integers(random, (channels, p + 4, p + 36))
    key = integers(random, (channels, p + 2, p + 5))
    start = random.integers(0, 3, (5, 37)) * key.shape[2] + random.integers(3, 6, (5, 37))
    start = start.astype(np.int32)
    bound = None
    if normalised:
        bound = (random.random((3, 6)) * p * p * channels).astype(np.float32)
    active = random.random((5, 37)) > 0.2
    for options in (
        {"step": 2, "radius": 0, "draws": 0, "stream": 1},
        {"step": 1, "radius": p + 5, "draws": 2, "stream": 4_000_000_000},
    ):
        results = [
            approximate_pass(engine, query, key, p, start, bound, mask, options, backwards)
            for engine, mask in ((None, active), (reference, active))
        ]
        for mine, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(mine, expected)


@needs_compiler
def test_scattered_minima_have_the_bits_of_the_other_engines(random):
    words = random.integers(0, 100, 40).astype(np.uint64) << np.uint64(40)
    places = random.integers(0, 40, 99).astype(np.int32)
    values = random.integers(0, 100, 99).astype(np.uint64) << np.uint64(40)
    expected = words.copy()
    reference.scatter_minimum(expected, places, values)
    options = sources.patchmatch_options(2, 1, False)
    launch = host_cuda.build(sources.text("patchmatch.cu"), "scatter_minimum", options)
    launch((4, 1, 1), 32, (words, places, values, np.int64(99)))
    np.testing.assert_array_equal(words, expected)


@needs_compiler
def test_lists_do_not_depend_on_the_order_of_threads(random):
    p, length = 2, 3
    query, key = integers(random, (1, 3, 9)), integers(random, (1, 3, 9))
    counts = (2, 8)
    expected = np.full((*counts, length), np.inf, np.float32), np.full((*counts, length), -1, "i4")
    learnt = np.full(counts, np.inf, np.float32), np.full(counts, -1, np.int32)
    reference.update_nearest(
        SearchRequest(query, key, p, None, *expected, key.shape[2], 0, None, *learnt),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    options = sources.nearest_options(p, 1, False, length, True)
    launch = host_cuda.build(sources.text("nearest.cu"), "update_nearest", options)
    tiling, number = sources.nearest_tiling(p, 1, False, True), np.int32
    assert tiling.strip >= counts[0]
    blocks = -(-(2 * counts[1] - 1) // sources.THREADS)
    wide = bordered(key, tiling)
    orders = 1000
    for order in range(orders):
        lists, key_words = np.full((*counts, length), EMPTY), np.full(counts, EMPTY)
        launch(
            (blocks, 1, 2 * counts[0] - 1), sources.THREADS,
            (query, number(3), number(9), wide, number(3), number(9), NOTHING, NOTHING, NOTHING,
             lists, key_words, *map(number, (0, 9, 0, 1 - counts[0], 0, counts[0], 64, 1, 0))),
            order,
        )  # fmt: skip
        score, index = unpack(lists)
        np.testing.assert_array_equal(score, expected[0])
        np.testing.assert_array_equal(index - 1, expected[1])
        np.testing.assert_array_equal(unpack(key_words)[0], learnt[0])
        if order == 0:
            first = key_words
        # Of equally near queries the first one is noted, in any order.
        np.testing.assert_array_equal(key_words, first)


@needs_compiler
@pytest.mark.parametrize("how", ["weighted_mean", "mean", "median", "trimmed_mean"])
@pytest.mark.parametrize(("p", "channels"), [(7, 3), (2, 1), (5, 4), (15, 1), (17, 2), (3, 64)])
def test_vote_equals_the_oracle(p, channels, how, random):
    shape = (channels, p + 6, p + 11)
    # Ties where large patches make the kernel count equal values.
    value = integers(random, shape) if p > 16 else random.random(shape, np.float32)
    places = np.stack(
        [np.zeros((5, 9)), *(random.integers(0, n, (5, 9)) for n in (7, 12))], axis=-1
    ).astype(int)
    index = (places[..., 1] * value.shape[2] + places[..., 2]).astype(np.int32)
    expected = naive.vote([value], places, p, how)
    found = vote_on_host(value, index, p, how)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found, vote_on_host(value, index, p, how, backwards=True))
    same = np.empty_like(found)
    weight = [1.0] * p if how == "mean" else None
    if how != "weighted_mean":
        reference.vote(value, index, p, how, weight, same, active=None, threads=1)
        np.testing.assert_array_equal(found, same)
    pixels = random.random(found.shape[1:]) > 0.5
    some = vote_on_host(value, index, p, how, active=pixels)
    np.testing.assert_array_equal(some[:, pixels], found[:, pixels])
    assert np.isnan(some[:, ~pixels]).all()
    # Two matches differ: other pixels are copied from what the last ones are said to have made.
    before, made = index.copy(), np.full_like(found, -1)
    before[2, 3] += 1
    before[4, 8] -= 1
    again = vote_on_host(value, index, p, how, last=(before, made))
    changed = np.zeros(found.shape[1:], bool)
    changed[2 : 2 + p, 3 : 3 + p] = changed[4:, 8:] = True
    np.testing.assert_array_equal(again, np.where(changed, found, made))


@needs_compiler
@pytest.mark.parametrize("code", ["source"], indirect=True)
@pytest.mark.skipif(host_cuda.SANITIZE, reason="this is the sanitized run")
@pytest.mark.exhaustive
def test_no_access_out_of_bounds_and_nothing_undefined():
    library = subprocess.run(
        [host_cuda.COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    others = ("test_cuda_volumes.py", "test_cupy_weighted_mean.py")
    files = [__file__, *(Path(__file__).with_name(name) for name in others)]
    # Two halves at the same time.
    halves = ("oracle", "(bits or active or stays) and not oracle")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files, "-k",
             half],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PNNCUPY_SANITIZE": "1", "LD_PRELOAD": library,
                 "ASAN_OPTIONS": "detect_leaks=0"},
        )
        for half in halves
    ]  # fmt: skip
    for run in runs:
        output, _ = run.communicate()
        assert run.returncode == 0, output[-6000:]
        assert re.search(r"\d+ passed", output)
