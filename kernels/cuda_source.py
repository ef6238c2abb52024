"""The CUDA kernels as text, and the compiler options that fix their sizes; needs no GPU library."""

from functools import cache
from importlib.resources import files

# Most threads of a block in a search, with consecutive horizontal displacements.
THREADS = 128
STANDARD = "--std=c++14"
_INCLUDE = '#include "sums.cuh"'


@cache
def text(name: str) -> str:
    """A kernel file with what it includes."""
    folder = files("pnncupy.kernels") / "cuda"
    return (folder / name).read_text().replace(_INCLUDE, (folder / "sums.cuh").read_text())


@cache
def strip_width(patch_size: int) -> int:
    """Query columns of a thread: its sliding sums, one history a column, live in registers."""
    histories = 120 // (patch_size - 1)
    return max(4, min(16, (histories - patch_size + 1) // 4 * 4))


def nearest_options(patch_size: int, channels: int, weighted: bool) -> tuple[str, ...]:
    """Compiler options of `nearest.cu`."""
    return (
        STANDARD, f"-DP={patch_size}", f"-DC={channels}", f"-DWEIGHTED={int(weighted)}",
        f"-DSTRIP={strip_width(patch_size)}", f"-DTHREADS={THREADS}",
    )  # fmt: skip


def vote_options(patch_size: int, channels: int) -> tuple[str, ...]:
    """Compiler options of `vote.cu`."""
    return (STANDARD, f"-DP={patch_size}", f"-DC={channels}")
