"""The CUDA kernels as text, and the compiler options that fix their sizes; needs no GPU library."""

import re
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
# Sides of patches for whose means blocks are 64 columns wide.
_SHORT_PATCH = 16
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
def nearest_tiling(
    patch_size: PatchSize, channels: int, weighted: bool, reverse: bool = False
) -> Tiling | None:
    """Return the best tiling that fits; None where none does."""
    depth, rows, columns = sides_of(patch_size)
    sums = _SUMS_WEIGHTED if weighted or reverse else _SUMS
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
            if _tile_bytes(made, rows, depth * channels, weighted + reverse) <= limit:
                return made
    return None


def _tile_bytes(tiling: Tiling, patch_rows: int, planes: int, fields: int) -> int:
    """Size of `Tile` in `nearest.cu`, with this number of fields of key patches."""
    strip, tile = tiling.strip, tiling.tile
    rows = strip + patch_rows - 1
    floats = tile * (planes * -(-rows // 4) * 4 + 4 + strip + 4)
    floats += (THREADS + tile) * (tiling.shared_keys * planes * rows + fields * strip)
    return 4 * floats


def nearest_options(
    patch_size: PatchSize, channels: int, weighted: bool, length: int = 1, reverse: bool = False
) -> tuple[str, ...]:
    """Compiler options of `nearest.cu`, for sizes that `check_limits` lets pass.

    `length` is that of the lists, and with `reverse` keys learn their nearest query.
    """
    tiling = nearest_tiling(patch_size, channels, weighted, reverse)
    assert tiling is not None
    return (
        *_options(patch_size, channels), f"-DWEIGHTED={int(weighted)}", f"-DSTRIP={tiling.strip}",
        f"-DTHREADS={THREADS}", f"-DTILE={tiling.tile}", f"-DSHARED_KEYS={int(tiling.shared_keys)}",
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


@dataclass(frozen=True)
class MeanTiling:
    """Division of the work of `weighted_mean.cu`; see there.

    Attributes
    ----------
    strip, strips : int
        Rows of query patches of a thread, and such strips of a block.
    columns : int
        Columns of pixels of a block.
    groups : int
        Threads that share the displacements of a batch.
    batch : int
        Displacements at a time.
    """

    strip: int
    strips: int
    columns: int
    groups: int
    batch: int

    @property
    def rows(self) -> int:
        """Rows of query patches of a block."""
        return self.strip * self.strips

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.columns * self.strips * self.groups

    def query_columns(self, patch_size: int) -> int:
        """Columns of query patches of a block."""
        return (self.columns - patch_size + 1) // 4 * 4

    def out_shape(self, patch_size: int) -> tuple[int, int]:
        """Rows and columns of pixels of the result of a block."""
        vertical, margin = self.vertical(patch_size), patch_size - 1
        columns = (self.query_columns(patch_size) - margin) // 4 * 4
        return (self.rows - margin) // vertical * vertical, columns

    def vertical(self, patch_size: int) -> int:
        """Rows of pixels of a thread: as many as the threads of a block need to have all."""
        margin = patch_size - 1
        columns = (self.query_columns(patch_size) - margin) // 4 * 4
        return next(
            count for count in range(1, self.rows + 1)
            if (self.rows - margin) // count * columns <= self.threads
        )  # fmt: skip


# Purposes of `weighted_mean.cu`.
MEAN_KERNELS = ("lower_least", "add_weights", "add_values")


def mean_tiling(patch_size: int, kernel: str) -> MeanTiling:
    """Return the tiling of a kernel of `weighted_mean.cu`, in 48 kB of shared memory.

    Blocks that add values own the pixels that all their query patches cover, so they are large; the
    others are small, so that they are many.
    """
    short = patch_size <= _SHORT_PATCH
    if kernel == "add_values":
        return MeanTiling(8, 4, 64, 1, 2) if short else MeanTiling(16, 3, 128, 1, 1)
    return MeanTiling(8, 1, 64, 4, 8) if short else MeanTiling(8, 1, 128, 2, 4)


def mean_border(patch_size: int) -> tuple[int, int]:
    """Rows and columns of infinite pixels around a key image of `weighted_mean.cu`."""
    tilings = [mean_tiling(patch_size, kernel) for kernel in MEAN_KERNELS]
    return max(each.rows for each in tilings), max(each.columns + each.batch for each in tilings)


def mean_options(patch_size: int, channels: int, kernel: str, values: int = 1) -> tuple[str, ...]:
    """Compiler options of a kernel of `weighted_mean.cu`; `values` are channels of the values."""
    tiling = mean_tiling(patch_size, kernel)
    rows, columns = mean_border(patch_size)
    return (
        STANDARD, f"-DPURPOSE={MEAN_KERNELS.index(kernel)}", f"-DP={patch_size}", f"-DC={channels}",
        f"-DVALUES={values}", f"-DSTRIP={tiling.strip}", f"-DSTRIPS={tiling.strips}",
        f"-DCOLUMNS={tiling.columns}", f"-DGROUPS={tiling.groups}", f"-DBATCH={tiling.batch}",
        f"-DSPAN={mean_tiling(patch_size, 'add_values').batch}",
        f"-DVERTICAL={tiling.vertical(patch_size) if kernel == 'add_values' else 1}",
        f"-DBORDER_ROWS={rows}", f"-DBORDER_COLUMNS={columns}",
        # The sums of larger patches take all registers of a thread.
        f"-DRESIDENT={2 if patch_size <= _SHORT_PATCH else 1}",
    )  # fmt: skip


def _options(patch_size: PatchSize, channels: int) -> tuple[str, ...]:
    depth, rows, columns = sides_of(patch_size)
    return STANDARD, f"-DPZ={depth}", f"-DPY={rows}", f"-DPX={columns}", f"-DC={channels}"


def _axes(patch_size: PatchSize) -> str:
    return f"-DAXES={2 if isinstance(patch_size, int) else len(patch_size)}"


def check_patch(patch_size: PatchSize, name: str = "patch_size") -> None:
    """Refuse patches whose sums the kernels cannot form; `name` is that of the parameter."""
    if max(sides_of(patch_size)) > LARGEST_PATCH:
        raise ValueError(
            f"on a GPU `{name}` must be at most {LARGEST_PATCH}, got {_shown(patch_size)}; use "
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
    while nearest_tiling(patch_size, most, True, True) is None:
        most -= 1
    if most < channels:
        raise ValueError(
            f"on a GPU images may have at most {most} channels with `patch_size` "
            f"{_shown(patch_size)}, got {channels}; use engine='numba'"
        )
