"""Engine `numba-cuda` without a GPU: in Numba's simulator, and through NVIDIA's NVVM compiler.

Each in a process of its own, as the simulator is chosen when Numba is imported.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.exhaustive
def test_kernels_compile_for_devices():
    found = importlib.util.find_spec("nvidia.cuda_nvcc")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("NVIDIA's NVVM compiler is not installed: nvidia-cuda-nvcc-cu12")
    run = subprocess.run(
        [sys.executable, HERE / "nvvm_program.py"], capture_output=True, text=True,
        env={**os.environ, "CUDA_HOME": found.submodule_search_locations[0]},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("compiled") == 20
    assert run.stdout.endswith("no warning\non its device and stream\n")
