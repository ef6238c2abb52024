"""Engine `numba-cuda` without a GPU: in Numba's simulator, and from NVIDIA's NVVM compiler's PTX.

Each in a process of its own, as the simulator is chosen when Numba is imported.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import host_cuda
import pytest

pytestmark = pytest.mark.process

HERE = Path(__file__).parents[1] / "helpers"


@pytest.mark.exhaustive
def test_kernels_have_the_bits_of_the_other_engines():
    pytest.importorskip("numba")
    run = subprocess.run(
        [sys.executable, HERE / "cuda_simulator_program.py"], capture_output=True, text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("equal") == 21


def test_weighted_means_have_the_bits_of_plain_numpy():
    pytest.importorskip("numba")
    run = subprocess.run(
        [sys.executable, HERE / "cuda_means_program.py"], capture_output=True, text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("equal") == 3


@pytest.fixture(scope="module")
def nvvm():
    """The environment in which Numba finds NVIDIA's NVVM compiler."""
    found = importlib.util.find_spec("nvidia.cuda_nvcc")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("NVIDIA's NVVM compiler is not installed: nvidia-cuda-nvcc-cu12")
    return {**os.environ, "CUDA_HOME": found.submodule_search_locations[0]}


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.parametrize(
    ("arguments", "equal"),
    [
        pytest.param(("7.5", "short"), 6, marks=pytest.mark.exhaustive, id="short"),
        pytest.param(("9.0",), 16, marks=pytest.mark.exhaustive, id="all"),
    ],
)
def test_kernels_from_ptx_have_the_bits_of_the_other_engines(arguments, equal, nvvm):
    run = subprocess.run(
        [sys.executable, HERE / "cuda_simulator_program.py", *arguments], capture_output=True,
        text=True, env=nvvm,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("equal") >= equal


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.exhaustive
def test_weighted_means_from_ptx_have_the_bits_of_plain_numpy(nvvm):
    run = subprocess.run(
        [sys.executable, HERE / "cuda_means_program.py", "9.0"], capture_output=True, text=True,
        env=nvvm,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("equal") == 3


@pytest.mark.exhaustive
def test_kernels_compile_for_devices(nvvm):
    run = subprocess.run(
        [sys.executable, HERE / "nvvm_program.py"], capture_output=True, text=True, env=nvvm,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("compiled") == 26
    assert run.stdout.endswith("no warning\non its device and stream\n")
