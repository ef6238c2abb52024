"""Engine `numba-cuda` without a device against engine `numpy`; run by test_numba_cuda.py.

In Numba's simulator, or with a compute capability as argument, such as 9.0, from Numba's PTX; a
second argument leaves all out but what every engine has to do.
"""

import sys

import numpy as np
from contract import CHECKS

if sys.argv[1:]:
    import numba_on_host

    numba_on_host.install(tuple(map(int, sys.argv[1].split("."))))

from pnncupy.kernels import reference
from pnncupy.kernels.numba_cuda import engine as numba_cuda  # fmt: skip
from pnncupy.kernels.numba_cuda import nearest, patchmatch, vote
from pnncupy.kernels.protocol import PassRequest, SearchRequest

for module in (nearest, patchmatch, vote):
    module.THREADS = 8
random = np.random.default_rng(5)
for check in CHECKS:
    check(numba_cuda, np, np.random.default_rng(20220103))
    print(check.__name__, "holds, the bits are equal")
if sys.argv[2:]:
    sys.exit()


def search(engine, query, key, p, weight, active):
    shape = (query.shape[1] - p + 1, query.shape[2] - p + 1, 1)
    score, index = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
    ticks = []
    engine.update_nearest(
        SearchRequest(
            query, key, p, weight, score, index, first_index=3, index_stride=key.shape[2],
            active=active,
        ),
        threads=1, tick=ticks.append,
    )  # fmt: skip
    return score, index, sum(ticks)


for p, channels, weighted, masked, chunk_rows, pairs in (
    (7, 3, False, False, 64, 1e9),
    (3, 1, True, False, 2, 50),
    (4, 2, False, True, 3, 1e9),
    (5, 1, True, True, 64, 1),
    (8, 1, False, False, 64, 1e9),
    (2, 4, False, False, 1, 100),
):
    nearest._CHUNK_ROWS, nearest._PAIRS_PER_LAUNCH = chunk_rows, pairs
    # Small integers: many ties.
    query = random.integers(0, 4, (channels, p + 3, p + 4)).astype(np.float32)
    key = random.integers(0, 4, (channels, p + 2, p + 6)).astype(np.float32)
    key[0, 1, 1] = np.inf
    weight = random.random((3, 7)).astype(np.float32) if weighted else None
    active = random.random((4, 5)) > 0.4 if masked else None
    results = [search(engine, query, key, p, weight, active) for engine in (numba_cuda, reference)]
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, expected)
    index = random.integers(0, 3, (4, 5)).astype(np.int32) + np.int32(p + 6)
    pixels = random.random((p + 3, p + 4)) > 0.4 if masked else None
    mean, edge = [1.0] * p, np.linspace(0.3, 1, p)
    for reduction, sides in (
        ("mean", mean),
        ("median", None),
        ("trimmed_mean", None),
        ("mean", edge),
    ):
        outs = [np.full((channels, p + 3, p + 4), 7, np.float32) for _ in range(2)]
        for engine, out in zip((numba_cuda, reference), outs, strict=True):
            engine.vote(
                np.nan_to_num(key), index, p, reduction, sides, out, active=pixels, threads=1
            )
        np.testing.assert_array_equal(*outs)
    print(p, channels, "equal")


def approximate(engine, query, key, p, index, bound, active, stream):
    """Passes of PatchMatch; returns everything they lower."""
    size = query[0].size
    numbers = np.arange(size, dtype=np.int32).reshape(query.shape[1:])
    numbers = numbers[: len(index), : index.shape[1]]
    sums = np.full(index.shape, np.nan, np.float32)
    engine.pair_sums(query, key, p, numbers.ravel(), index.ravel(), sums.reshape(-1), threads=1)
    usable = np.ones((key.shape[1] - p + 1, key.shape[2] - p + 1), bool)
    usable[1, 1] = False
    words = None
    if bound is not None:
        words = bound.view(np.uint32).astype(np.uint64) << np.uint64(32) | np.uint64(7)
    for step, radius, draws in ((2, 0, 0), (1, max(key.shape), 2), (0, 3, 1)):
        found = np.empty_like(index), np.empty_like(sums)
        engine.patchmatch_pass(
            PassRequest(
                query, key, p, usable, index, sums, *found, step=step, radius=radius,
                draws=draws, stream=stream, bound=bound, alpha=0.01, key_words=words,
                active=active,
            ),
            threads=1, tick=lambda patches: None,
        )  # fmt: skip
        index, sums = found
    flat = np.full(5, 9, np.uint64)
    engine.scatter_minimum(flat, np.array([1, 1, 4], np.int32), np.array([7, 3, 11], np.uint64))
    return index, sums, words, flat


for p, channels, normalised, masked in (
    (7, 3, False, False),
    (2, 1, True, True),
    (5, 2, True, False),
    (3, 4, False, True),
):
    query = random.random((channels, p + 3, p + 5), np.float32)
    key = random.random((channels, p + 4, p + 2), np.float32)
    index = random.integers(0, 3, (4, 6)).astype(np.int32) + np.int32(2 * key.shape[2])
    bound = random.random((5, 3), np.float32) * p * p * channels / 9 if normalised else None
    bound = None if bound is None else bound.astype(np.float32)
    active = random.random((4, 6)) > 0.3 if masked else None
    results = [
        approximate(engine, query, key, p, index, bound, active, 4_000_000_000 + p)
        for engine in (numba_cuda, reference)
    ]
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, expected)
    print(p, channels, "equal approximately")
