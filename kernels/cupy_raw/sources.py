"""The CUDA kernels as text, and the compiler options that fix their sizes; needs no GPU library."""

from dataclasses import dataclass
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
# A share of it that lets three blocks run on a multiprocessor with 100 kB at once.
_SHARED_BYTES_OF_BLOCK = 33_000
# Sums that a thread may keep; what is beside them takes the rest of 255 registers.
_SUMS, _SUMS_WEIGHTED = 160, 130
_INCLUDE = '#include "sums.cuh"'


@cache
def text(name: str) -> str:
    """A kernel file with what it includes."""
    folder = files("pnncupy.kernels") / "cuda"
    return (folder / name).read_text().replace(_INCLUDE, (folder / "sums.cuh").read_text())


def sides_of(patch_size: PatchSize) -> tuple[int, int, int]:
    """Sides of a patch as the kernels take them; those of images are one slice deep."""
    return volume_sides(patch_size, 2 if isinstance(patch_size, int) else len(patch_size))


@dataclass(frozen=True)
class Tiling:
    """Division of a search by `nearest.cu`.

    Attributes
    ----------
    strip : int
        Rows of query patches of a thread.
    tile : int
        Columns in shared memory.
    shared_keys : bool
        Whether shared memory has the key pixels, too. Else the key image has a border.
    """

    strip: int
    tile: int
    shared_keys: bool

    @property
    def border(self) -> tuple[int, int]:
        """Rows and columns of infinite pixels around a key image that is not shared."""
        return (0, 0) if self.shared_keys else (self.strip, THREADS + self.tile)


@cache
def nearest_tiling(patch_size: PatchSize, channels: int, weighted: bool) -> Tiling | None:
    """Return the best tiling that fits; None where none does."""
    depth, rows, columns = sides_of(patch_size)
    sums = _SUMS_WEIGHTED if weighted else _SUMS
    strips = [
        strip for strip in (16, 12, 8, 4)
        if strip == 4 or strip * max(1, columns - 1) + 2 * (strip + rows - 1) <= sums
    ]  # fmt: skip
    shared = [(strip, tile, True) for strip in strips[:2] for tile in (16, 8)]
    # Histories are moved in registers where tiles are narrower than ROTATION in the kernel.
    rotation = 4 if columns <= 7 else 8
    others = [(strip, tile, False) for strip in strips for tile in (8, 4, 2)]
    others.sort(key=lambda each: each[1] < rotation)
    for limit, candidates in (
        (_SHARED_BYTES_OF_BLOCK, shared + others), (_SHARED_BYTES, others),
    ):  # fmt: skip
        for strip, tile, shared_keys in candidates:
            made = Tiling(strip, tile, shared_keys)
            if _tile_bytes(made, rows, depth * channels, weighted) <= limit:
                return made
    return None


def _tile_bytes(tiling: Tiling, patch_rows: int, planes: int, weighted: bool) -> int:
    """Size of `Tile` in `nearest.cu`."""
    strip, tile = tiling.strip, tiling.tile
    rows = strip + patch_rows - 1
    floats = tile * (planes * -(-rows // 4) * 4 + 4 + strip + 4)
    floats += (THREADS + tile) * (tiling.shared_keys * planes * rows + weighted * strip)
    return 4 * floats


def nearest_options(patch_size: PatchSize, channels: int, weighted: bool) -> tuple[str, ...]:
    """Compiler options of `nearest.cu`, for sizes that `check_limits` lets pass."""
    tiling = nearest_tiling(patch_size, channels, weighted)
    assert tiling is not None
    return (
        *_options(patch_size, channels), f"-DWEIGHTED={int(weighted)}", f"-DSTRIP={tiling.strip}",
        f"-DTHREADS={THREADS}", f"-DTILE={tiling.tile}", f"-DSHARED_KEYS={int(tiling.shared_keys)}",
    )  # fmt: skip


def vote_options(patch_size: PatchSize, channels: int) -> tuple[str, ...]:
    """Compiler options of `vote.cu`."""
    return (*_options(patch_size, channels), _axes(patch_size))


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
    while nearest_tiling(patch_size, most, True) is None:
        most -= 1
    if most < channels:
        raise ValueError(
            f"on a GPU images may have at most {most} channels with `patch_size` "
            f"{_shown(patch_size)}, got {channels}; use engine='numba'"
        )
