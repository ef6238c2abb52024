"""The CUDA kernels as text, and the compiler options that fix their sizes; needs no GPU library."""

from functools import cache
from importlib.resources import files

# Threads of a block in a search, with consecutive horizontal displacements.
THREADS = 64
STANDARD = "--std=c++14"
# Sliding sums by powers of two are written for up to 2^4 and what is below 2^5.
LARGEST_PATCH = 31
# Shared memory that every device gives a block without being asked.
_SHARED_BYTES = 48 * 1024
# A share of it that lets four blocks run on a multiprocessor at once.
_SHARED_BYTES_OF_BLOCK = 16 * 1024
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
    buffers = 2 if 2 * _row_bytes(patch_size, channels) <= _SHARED_BYTES_OF_BLOCK else 1
    return (
        STANDARD, f"-DP={patch_size}", f"-DC={channels}", f"-DWEIGHTED={int(weighted)}",
        f"-DSTRIP={strip_width(patch_size)}", f"-DTHREADS={THREADS}", f"-DBUFFERS={buffers}",
    )  # fmt: skip


def check_patch(patch_size: int) -> None:
    """Refuse patches whose sums the kernels cannot form."""
    if patch_size > LARGEST_PATCH:
        raise ValueError(
            f"on a GPU `patch_size` must be at most {LARGEST_PATCH}, got {patch_size}; use "
            "engine='numba'"
        )


def check_limits(patch_size: int, channels: int) -> None:
    """Refuse sizes that a block of an exact search cannot hold."""
    check_patch(patch_size)
    if _row_bytes(patch_size, channels) > _SHARED_BYTES:
        most = channels
        while _row_bytes(patch_size, most) > _SHARED_BYTES:
            most -= 1
        raise ValueError(
            f"on a GPU images may have at most {most} channels with `patch_size` {patch_size}, got "
            f"{channels}; use engine='numba'"
        )


def _row_bytes(patch_size: int, channels: int) -> int:
    """Size of `Row` in `nearest.cu`, or a little more."""
    columns = strip_width(patch_size) + patch_size - 1
    pixel = 4 if channels == 3 else channels
    floats = columns * pixel + (THREADS + columns - 1) * channels + 2 * (THREADS + columns)
    return 4 * floats


def vote_options(patch_size: int, channels: int) -> tuple[str, ...]:
    """Compiler options of `vote.cu`."""
    return (STANDARD, f"-DP={patch_size}", f"-DC={channels}")


def patchmatch_options(patch_size: int, channels: int, normalised: bool) -> tuple[str, ...]:
    """Compiler options of `patchmatch.cu`."""
    return (STANDARD, f"-DP={patch_size}", f"-DC={channels}", f"-DNORMALISED={int(normalised)}")
