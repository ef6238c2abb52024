"""The CUDA kernels as text, and the compiler options that fix their sizes; needs no GPU library."""

import re
from functools import cache
from importlib.resources import files

from pnncupy.kernels.slabs import volume_sides
from pnncupy.patch_shape import PatchSize

# Threads of a block in a search, with consecutive horizontal displacements.
THREADS = 64
STANDARD = "--std=c++14"
# Sliding sums by powers of two are written for up to 2^4 and what is below 2^5.
LARGEST_PATCH = 31
# Shared memory that every device gives a block without being asked.
_SHARED_BYTES = 48 * 1024
# A share of it that lets four blocks run on a multiprocessor at once.
_SHARED_BYTES_OF_BLOCK = 16 * 1024
# Keys that searches which follow each other list for each query: the longer, the more is certain.
STEP_LENGTH = 4
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.M)


@cache
def text(name: str) -> str:
    """A kernel file with what it includes."""
    folder = files("pnncupy.kernels") / "cuda"
    return _INCLUDE.sub(lambda found: (folder / found[1]).read_text(), (folder / name).read_text())


def sides_of(patch_size: PatchSize) -> tuple[int, int, int]:
    """Sides of a patch as the kernels take them; those of images are one slice deep."""
    return volume_sides(patch_size, 2 if isinstance(patch_size, int) else len(patch_size))


@cache
def strip_width(patch_size: PatchSize) -> int:
    """Query columns of a thread: its sliding sums, one history a column, live in registers."""
    _, rows, columns = sides_of(patch_size)
    histories = 120 // max(1, rows - 1)
    return max(4, min(16, (histories - columns + 1) // 4 * 4))


def nearest_options(
    patch_size: PatchSize, channels: int, weighted: bool, length: int = 1, reverse: bool = False
) -> tuple[str, ...]:
    """Compiler options of `nearest.cu`; `length` of the lists, `reverse` where keys learn too."""
    buffers = 2 if 2 * _row_bytes(patch_size, channels) <= _SHARED_BYTES_OF_BLOCK else 1
    return (
        *_options(patch_size, channels), f"-DWEIGHTED={int(weighted)}",
        f"-DSTRIP={strip_width(patch_size)}", f"-DTHREADS={THREADS}", f"-DBUFFERS={buffers}",
        f"-DLENGTH={length}", f"-DREVERSE={int(reverse)}",
    )  # fmt: skip


def vote_options(patch_size: PatchSize, channels: int) -> tuple[str, ...]:
    """Compiler options of `vote.cu`."""
    return (*_options(patch_size, channels), _axes(patch_size))


def step_options(patch_size: PatchSize, channels: int) -> tuple[str, ...]:
    """Compiler options of `steps.cu`."""
    return (*vote_options(patch_size, channels), f"-DLENGTH={STEP_LENGTH}")


def patchmatch_options(patch_size: PatchSize, channels: int, normalised: bool) -> tuple[str, ...]:
    """Compiler options of `patchmatch.cu`."""
    return (
        *_options(patch_size, channels), _axes(patch_size), f"-DNORMALISED={int(normalised)}",
    )  # fmt: skip


def _options(patch_size: PatchSize, channels: int) -> tuple[str, ...]:
    depth, rows, columns = sides_of(patch_size)
    return STANDARD, f"-DPZ={depth}", f"-DPY={rows}", f"-DPX={columns}", f"-DC={channels}"


def _axes(patch_size: PatchSize) -> str:
    return f"-DAXES={2 if isinstance(patch_size, int) else len(patch_size)}"


def check_patch(patch_size: PatchSize) -> None:
    """Refuse patches whose sums the kernels cannot form."""
    if max(sides_of(patch_size)) > LARGEST_PATCH:
        raise ValueError(
            f"on a GPU `patch_size` must be at most {LARGEST_PATCH}, got {_shown(patch_size)}; use "
            "engine='numba'"
        )


def _shown(patch_size: PatchSize) -> PatchSize:
    """Patch size as users give it: one number for equal sides."""
    if isinstance(patch_size, int) or len(set(patch_size)) > 1:
        return patch_size
    return patch_size[0]


def check_limits(patch_size: PatchSize, channels: int) -> None:
    """Refuse sizes that a block of an exact search cannot hold."""
    check_patch(patch_size)
    most = channels
    while _row_bytes(patch_size, most) > _SHARED_BYTES:
        most -= 1
    if most < channels:
        raise ValueError(
            f"on a GPU images may have at most {most} channels with `patch_size` "
            f"{_shown(patch_size)}, got {channels}; use engine='numba'"
        )


def _row_bytes(patch_size: PatchSize, channels: int) -> int:
    """Size of `Row` in `nearest.cu`, or a little more."""
    depth, _, patch_columns = sides_of(patch_size)
    planes, columns = depth * channels, strip_width(patch_size) + patch_columns - 1
    pixel = 4 if planes == 3 else planes
    floats = columns * pixel + (THREADS + columns - 1) * planes + 3 * (THREADS + columns)
    return 4 * floats
