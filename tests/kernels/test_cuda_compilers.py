"""The CUDA kernels through NVIDIA's compilers, for all architectures."""

import re
import shutil
import subprocess

import nvrtc
import pytest

from pnncupy.kernels.cupy_raw import sources

pytestmark = pytest.mark.process

# The newest, and the others; the oldest is tried with one kernel of each file.
NEWEST, OLDEST, BETWEEN = 120, 70, (75, 80, 86, 89, 90, 100)
# Lines of the compiler's log that are no warnings.
REPORT = re.compile(
    r"^ptxas info|^ptxas +\. +\d+ bytes stack frame|^\s*$"
    r"|^nvrtc: warning: Architectures prior to '<compute/sm>_75' are deprecated"
)


def compile_for(architecture, file, options, version=12):
    """Compile for one architecture as CuPy does; returns PTX, if that is one, and the log."""
    if nvrtc.path(version) is None:
        pytest.skip(f"NVRTC of CUDA {version} is not installed")
    flags = (*options, *nvrtc.CUPY_OPTIONS, f"--gpu-architecture={architecture}")
    if architecture.startswith("sm"):
        flags = (*flags, "--ptxas-options=-v")
    return nvrtc.translate(sources.text(file), flags, version)


# The largest of all takes some seconds to compile, so only for the oldest and the newest.
LARGEST = ("nearest.cu", sources.nearest_options(15, 64, True))
COMPILED = [
    ("nearest.cu", sources.nearest_options(7, 3, False)),
    ("nearest.cu", sources.nearest_options(7, 3, True)),
    ("nearest.cu", sources.nearest_options(5, 1, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, True)),
    ("patchmatch.cu", sources.patchmatch_options(15, 64, True)),
    ("steps.cu", sources.step_options(7, 3)),
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
    *(
        ("weighted_mean.cu", sources.mean_options(p, channels, name, channels))
        for p, channels, name in (
            (15, 3, "lower_least"),
            (7, 64, "add_weights"),
            (31, 1, "add_values"),
        )
    ),
]
FIRST = list({file: (file, options) for file, options in reversed(COMPILED)}.values())
# One for images and one for volumes of each file.
WITH_NVCC = [*FIRST, *(COMPILED[place] for place in (11, 14, 15))]


@pytest.mark.parametrize(
    ("file", "options", "version", "architecture"),
    [(*case, 12, NEWEST) for case in COMPILED]
    + [
        pytest.param(*case, 12, OLDEST, marks=() if case in FIRST else pytest.mark.exhaustive)
        for case in COMPILED
    ]
    + [
        pytest.param(*case, *compiler, marks=pytest.mark.exhaustive)
        for case in COMPILED
        for compiler in [*((12, architecture) for architecture in BETWEEN), (13, 75), (13, 120)]
    ]
    + [pytest.param(*LARGEST, 12, each, marks=pytest.mark.exhaustive) for each in (OLDEST, NEWEST)],
)
def test_every_kernel_compiles_without_a_warning(file, options, version, architecture):
    _, log = compile_for(f"sm_{architecture}", file, options, version)
    unexpected = [line for line in log.splitlines() if not REPORT.search(line)]
    assert not unexpected, "\n".join(unexpected)
    assert "registers" in log
    # The median sorts in a local array, unless it is large; searches have all sums in registers.
    frames = [int(size) for size in re.findall(r"(\d+) bytes stack frame", log)]
    # Each purpose of the weighted means is compiled by itself.
    assert len(frames) >= (1 if file == "weighted_mean.cu" else 2)
    most = {
        "nearest.cu": 256, "vote.cu": 1100, "patchmatch.cu": 256, "steps.cu": 100,
        "weighted_mean.cu": 256,
    }  # fmt: skip
    assert max(frames) < most[file]


@pytest.mark.parametrize("version", [12, 13])
def test_loops_over_attempts_are_not_repeated(version):
    options = sources.patchmatch_options(7, 3, True)
    # Ten times as much, and a minute to compile, where compilers unroll them.
    assert len(compile_for("compute_120", "patchmatch.cu", options, version)[0]) < 300_000


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize(
    ("file", "options"),
    [
        pytest.param(*case, marks=() if case in WITH_NVCC else pytest.mark.exhaustive)
        for case in COMPILED
    ],
)
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
