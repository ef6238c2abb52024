"""Engine `numba-cuda` without a GPU: in Numba's simulator, and through NVIDIA's NVVM compiler.

Each in a process of its own, as the simulator is chosen when Numba is imported.
"""

import importlib.util
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
    pixels = random.random((p + 3, p + 4)) > 0.4 if masked else None
    for sides in ([1.0] * p, None, np.linspace(0.3, 1, p)):
        outs = [np.full((channels, p + 3, p + 4), 7, np.float32) for _ in range(2)]
        for engine, out in zip((numba_cuda, reference), outs, strict=True):
            engine.vote(np.nan_to_num(key), index, p, sides, out, active=pixels, threads=1)
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


# Numba asks the device for its architecture when it compiles a function that a kernel calls.
COMPILATION = """
import sys
from types import SimpleNamespace
from numba import cuda, types
from numba.cuda import dispatcher
from pnncupy.kernels import numba_cuda

images, table = types.Array(types.float32, 3, "C"), types.Array(types.float32, 2, "C")
flags, matches = types.Array(types.boolean, 2, "C"), types.Array(types.uint64, 2, "C")
field, number = types.Array(types.int32, 2, "C"), types.int64
searches = [
    (numba_cuda.nearest_kernel(p, channels, weighted, masked),
     (images, images, table, flags if masked else table, matches, *[number] * 5))
    for p, channels, weighted, masked in ((7, 3, True, True), (2, 1, False, False))
]
votes = [
    (numba_cuda._vote_mean, (images, field, table, flags, types.boolean, images)),
    (numba_cuda._median_kernel(7), (images, field, flags, types.boolean, images)),
]
for capability in ((7, 5), (9, 0)):
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    for kernel, signature in searches + votes:
        code, _ = cuda.compile(kernel.py_func, signature, cc=capability, device=False, abi="numba")
        # Products and sums are rounded one by one, divisions as on the CPU.
        assert "fma.rn.f32" not in code and "div.full" not in code and "div.approx" not in code
        print(kernel.py_func.__name__, capability, "compiled")
"""


def test_kernels_compile_for_devices():
    found = importlib.util.find_spec("nvidia.cuda_nvcc")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("NVIDIA's NVVM compiler is not installed: nvidia-cuda-nvcc-cu12")
    run = subprocess.run(
        [sys.executable, "-c", COMPILATION], capture_output=True, text=True,
        env={**os.environ, "CUDA_HOME": found.submodule_search_locations[0]},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("compiled") == 8
