"""Engine `numba-cuda` in Numba's simulator, in a process of its own, against the other engines."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from pnncupy.kernels import numba_cuda, reference

numba_cuda._THREADS = 8
random = np.random.default_rng(5)


def search(engine, query, key, p, weight, active):
    shape = (query.shape[1] - p + 1, query.shape[2] - p + 1, 1)
    score, index = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
    ticks = []
    engine.lower_nearest(
        query, key, p, weight, score, index, first_index=3, index_stride=key.shape[2],
        active=active, threads=1, tick=ticks.append,
    )
    return score, index, sum(ticks)


for p, channels, weighted, masked, chunk_rows, pairs in (
    (7, 3, False, False, 64, 1e9), (3, 1, True, False, 2, 50), (4, 2, False, True, 3, 1e9),
    (5, 1, True, True, 64, 1), (8, 1, False, False, 64, 1e9), (2, 4, False, False, 1, 100),
):
    numba_cuda._CHUNK_ROWS, numba_cuda._PAIRS_PER_LAUNCH = chunk_rows, pairs
    # Small integers: many ties.
    query = random.integers(0, 4, (channels, p + 3, p + 4)).astype(np.float32)
    key = random.integers(0, 4, (channels, p + 2, p + 6)).astype(np.float32)
    key[0, 1, 1] = np.inf
    weight = random.random((3, 7)).astype(np.float32) if weighted else None
    active = random.random((4, 5)) > 0.4 if masked else None
    results = [
        search(engine, query, key, p, weight, active) for engine in (numba_cuda, reference)
    ]
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, expected)
    index = random.integers(0, 3, (4, 5)).astype(np.int32) + np.int32(p + 6)
    for sides in ([1.0] * p, None, np.linspace(0.3, 1, p)):
        outs = [np.empty((channels, p + 3, p + 4), np.float32) for _ in range(2)]
        for engine, out in zip((numba_cuda, reference), outs, strict=True):
            engine.vote(np.nan_to_num(key), index, p + 6, p, sides, out, threads=1)
        np.testing.assert_array_equal(*outs)
    print(p, channels, "equal")
"""


def test_kernels_have_the_bits_of_the_other_engines():
    pytest.importorskip("numba")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("equal") == 6
