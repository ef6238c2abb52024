"""The CUDA kernels through NVIDIA's compilers, for all architectures."""

import re
import shutil
import subprocess

import pytest

from pnncupy.kernels.cupy_raw import sources

pytestmark = pytest.mark.process

# The oldest and the newest, and those between.
ENDS, BETWEEN = (70, 120), (75, 80, 86, 89, 90, 100)
# Lines of the compiler's log that are no warnings.
REPORT = re.compile(
    r"^ptxas info|^ptxas +\. +\d+ bytes stack frame|^\s*$"
    r"|^nvrtc: warning: Architectures prior to '<compute/sm>_75' are deprecated"
)


def compile_for(architecture, file, options):
    """Machine code for one architecture by NVRTC; returns the compiler's log."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    flags = [*options, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v"]
    _, program = nvrtc.nvrtcCreateProgram(sources.text(file).encode(), file.encode(), 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(flags), [flag.encode() for flag in flags])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    return log.decode().rstrip("\0 ")


# The largest of all takes some seconds to compile, so only for the oldest and the newest.
LARGEST = ("nearest.cu", sources.nearest_options(15, 64, True))
COMPILED = [
    ("nearest.cu", sources.nearest_options(7, 3, False)),
    ("nearest.cu", sources.nearest_options(7, 3, True)),
    ("nearest.cu", sources.nearest_options(5, 1, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, True)),
    ("patchmatch.cu", sources.patchmatch_options(15, 64, True)),
    ("vote.cu", sources.vote_options(7, 3)),
    ("vote.cu", sources.vote_options(15, 64)),
    ("nearest.cu", sources.nearest_options(15, 1, False)),
    ("nearest.cu", sources.nearest_options(31, 1, True)),
    ("nearest.cu", sources.nearest_options((5, 5, 5), 1, False)),
    ("nearest.cu", sources.nearest_options((7, 7, 7), 3, False)),
    ("nearest.cu", sources.nearest_options((3, 1, 7), 1, True)),
    ("patchmatch.cu", sources.patchmatch_options((5, 5, 5), 1, True)),
    ("vote.cu", sources.vote_options((3, 5, 7), 3)),
    ("vote.cu", sources.vote_options((15, 15, 15), 1)),
]


@pytest.mark.parametrize(
    ("file", "options", "architecture"),
    [(*case, architecture) for case in COMPILED for architecture in ENDS]
    + [
        pytest.param(*case, architecture, marks=pytest.mark.exhaustive)
        for case in COMPILED
        for architecture in BETWEEN
    ]
    + [pytest.param(*LARGEST, each, marks=pytest.mark.exhaustive) for each in ENDS],
)
def test_every_kernel_compiles_without_a_warning(file, options, architecture):
    log = compile_for(architecture, file, options)
    unexpected = [line for line in log.splitlines() if not REPORT.search(line)]
    assert not unexpected, "\n".join(unexpected)
    assert "registers" in log
    # The median sorts in a local array, unless it is large; searches have all sums in registers.
    frames = [int(size) for size in re.findall(r"(\d+) bytes stack frame", log)]
    assert len(frames) >= 2
    assert max(frames) < {"nearest.cu": 256, "vote.cu": 1100, "patchmatch.cu": 256}[file]


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize(("file", "options"), COMPILED)
def test_every_kernel_compiles_with_nvcc(file, options, tmp_path):
    """Ahead of time, too: `nvcc` takes less than NVRTC, such as in its pragmas."""
    command = ["nvcc", "-cubin", "-arch=sm_90", "--Werror=all-warnings", *options, "-x", "cu", "-"]
    made = tmp_path / "made.cubin"
    run = subprocess.run(
        [*command, "-o", made], input=sources.text(file), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr
    assert made.stat().st_size > 0
