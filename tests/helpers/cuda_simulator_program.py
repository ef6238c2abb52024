"""Engine `numba-cuda` without a device against engine `numpy`; run by test_numba_cuda.py.

In Numba's simulator, or with a compute capability as argument, such as 9.0, from Numba's PTX; a
second argument leaves all out but what every engine has to do.
"""

import sys
import warnings

import contract
import numpy as np
from contract import CHECKS
from numba.cuda import config
from numba.cuda.simulator.kernel import FakeCUDAKernel

if sys.argv[1:]:
    import numba_on_host

    numba_on_host.install(tuple(map(int, sys.argv[1].split("."))))

from pnncupy.kernels import reference
from pnncupy.kernels.numba_cuda import device, nearest, patchmatch, vote
from pnncupy.kernels.numba_cuda import engine as numba_cuda
from pnncupy.kernels.protocol import PassRequest, SearchRequest

if sys.argv[1:]:
    numba_on_host.let_launch(device, nearest, patchmatch, vote)
for module in (device, nearest, patchmatch, vote):
    module.THREADS = 8

# The compiler warns of small grids where they are configured; the simulator has to be made to.
configured = FakeCUDAKernel.__getitem__


def with_warning(kernel, configuration):
    if config.CUDA_LOW_OCCUPANCY_WARNINGS:
        warnings.warn("Grid size: low occupancy", stacklevel=2)
    return configured(kernel, configuration)


FakeCUDAKernel.__getitem__ = with_warning
warnings.filterwarnings("error", "Grid size")
random = np.random.default_rng(5)
if sys.argv[2:]:  # an image and a volume: each kind of kernel is compiled in seconds
    contract.SHAPES = contract.SHAPES[::4][:2]
for check in CHECKS:
    check(numba_cuda, np, np.random.default_rng(20220103))
    print(check.__name__, "holds, the bits are equal")
if sys.argv[2:]:
    sys.exit()


def patches_of(image, p):
    sides = (p,) * (image.ndim - 1) if isinstance(p, int) else p
    return tuple(pixels - side + 1 for pixels, side in zip(image.shape[1:], sides, strict=True))


def search(engine, query, key, p, weight, active):
    shape = (*patches_of(query, p), 1)
    score, index = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
    ticks = []
    engine.update_nearest(
        SearchRequest(
            query, key, p, weight, score, index, first_index=3, index_stride=key.shape[-1],
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
    numbers = numbers[tuple(map(slice, index.shape))]
    sums = np.full(index.shape, np.nan, np.float32)
    engine.pair_sums(query, key, p, numbers.ravel(), index.ravel(), sums.reshape(-1), threads=1)
    usable = np.ones(patches_of(key, p), bool)
    usable[(1,) * usable.ndim] = False
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


def field_of(random, counts, image, places):
    """Flat indices of random patches of an image, one for each place; int32."""
    position = [random.integers(0, count, places) for count in counts]
    return np.ravel_multi_index(position, image.shape[1:]).astype(np.int32)


for sides, channels, shape, key_shape in (
    ((2, 3, 4), 2, (4, 5, 6), (3, 6, 5)),
    ((3, 1, 2), 1, (4, 3, 3), (5, 4, 3)),
    ((1, 3, 3), 3, (2, 5, 4), (3, 4, 5)),
    ((3, 5), 2, (7, 9), (6, 8)),
):
    query, key = (random.random((channels, *each), np.float32) for each in (shape, key_shape))
    counts, key_counts = patches_of(query, sides), patches_of(key, sides)
    weight, active = random.random(key_counts, np.float32), random.random(counts) > 0.3
    bound = (random.random(key_counts, np.float32) * query[0].size / 9).astype(np.float32)
    index = field_of(random, key_counts, key, counts)
    for chunk_rows, pairs, factors, some in ((64, 1e9, None, None), (1, 300, weight, active)):
        nearest._CHUNK_ROWS, nearest._PAIRS_PER_LAUNCH = chunk_rows, pairs
        limit = None if factors is None else bound
        results = [
            (
                *search(engine, query, key, sides, factors, some),
                *approximate(engine, query, key, sides, index, limit, some, 4_000_000_000),
            )
            for engine in (numba_cuda, reference)
        ]
        for mine, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(mine, expected)
    pixels = random.random(shape) > 0.3
    edges = [np.linspace(0.3, 1, side).tolist() for side in sides]
    for reduction, weights in (("mean", edges), ("median", None), ("trimmed_mean", None)):
        outs = [np.full(query.shape, 7, np.float32) for _ in range(2)]
        for engine, out in zip((numba_cuda, reference), outs, strict=True):
            engine.vote(key, index, sides, reduction, weights, out, active=pixels, threads=1)
        np.testing.assert_array_equal(*outs)
    print(sides, channels, "equal")
