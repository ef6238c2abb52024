"""Weighted means of engine `numba-cuda`; the kernels are in `mean_kernels`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy.kernels.cupy_raw.sources import check_patch
from pnncupy.kernels.numba_cuda.device import launch, zeros_beside
from pnncupy.kernels.numba_cuda.mean_kernels import Tile, least_kernel, total_kernel, value_kernel
from pnncupy.kernels.protocol import Array, MeanRequest, Tick
from pnncupy.kernels.tiling import displacement_parts

THREADS = 256
_PAIRS_PER_LAUNCH = 1e9
# Bands of query rows of which is noted by which displacements they reach a key with a weight.
_MOST_BANDS = 16
# Blocks that keep a device busy, where displacements can be divided too.
_MANY_BLOCKS = 1024
# Columns of pixels and rows of query patches of a block, and displacements at a time.
_COLUMNS, _ROWS, _MOST_AT_ONCE = 64, 16, 4
_SHARED_BYTES = 45_000


def _tile(patch_size: int, valued: bool) -> Tile:
    """Sizes of a block: larger where it adds values, as it owns what all its patches cover."""
    columns = max(_COLUMNS, 4 * patch_size)
    rows = _ROWS + patch_size - 1 if valued else _ROWS
    batch = _MOST_AT_ONCE // 2 if valued else _MOST_AT_ONCE
    while batch > 1 and 4 * batch * rows * (2 * columns - patch_size + 1) > _SHARED_BYTES:
        batch //= 2
    return Tile(rows, columns, batch)


@dataclass(frozen=True)
class Reached:
    """Notes of `lower_least` for the other two functions.

    Attributes
    ----------
    notes : (bands, displacement rows, spans) uint8
    band_rows, span : int
        Query rows of a band, and displacements of a span.
    """

    notes: Array
    band_rows: int
    span: int


def lower_least(request: MeanRequest, *, threads: int, tick: Tick) -> Reached:
    """Lower smallest sums; see `protocol.Engine.lower_least`."""
    check_patch(request.patch_size, "patch_sizes")
    tile, span = _tile(request.patch_size, False), _tile(request.patch_size, True).batch
    down, across = _tiles(request.shape, (tile.rows, tile.columns - request.patch_size + 1))
    band_rows = -(-down // _MOST_BANDS) * tile.rows
    rows, columns = (
        count + key_count - 1
        for count, key_count in zip(request.shape, request.key_shape, strict=True)
    )
    shape = (-(-request.shape[0] // band_rows), rows, -(-columns // span))
    notes = zeros_beside(request.query, shape, np.uint8)
    reached = Reached(notes, band_rows, span)
    least = request.least.view(np.int32)
    kernel = least_kernel(request.patch_size, tile, span)
    for first_dy, end_dy, pairs in displacement_parts(
        request.shape, request.key_shape, _PAIRS_PER_LAUNCH
    ):
        parts = min(end_dy - first_dy, -(-_MANY_BLOCKS // (down * across)))
        launch(
            kernel, (down * across, parts), request.query, request.key, least, request.limit, notes,
            band_rows, first_dy, end_dy, wait=True, threads=THREADS,
        )  # fmt: skip
        tick(pairs)
    return reached


def add_weights(
    request: MeanRequest, reached: Reached, total: Array, index: Array, *, threads: int, tick: Tick
) -> None:  # fmt: skip
    """Add up weights; see `protocol.Engine.add_weights`."""
    tile = _tile(request.patch_size, False)
    tiles = _tiles(request.shape, (tile.rows, tile.columns - request.patch_size + 1))
    kernel = total_kernel(request.patch_size, tile, reached.span)
    given = request.first_index, request.index_stride, total, index
    _add(request, reached, kernel, tiles, given, tick)


def add_values(
    request: MeanRequest, reached: Reached, factor: Array, value: Array, window: Array, out: Array,
    *, threads: int, tick: Tick,
) -> None:  # fmt: skip
    """Add weighted values; see `protocol.Engine.add_values`."""
    tile, margin = _tile(request.patch_size, True), request.patch_size - 1
    tiles = _tiles(out.shape[1:], (tile.rows - margin, tile.columns - 2 * margin))
    kernel = value_kernel(request.patch_size, tile, reached.span)
    _add(request, reached, kernel, tiles, (factor, value, window, out), tick)


def _add(
    request: MeanRequest, reached: Reached, kernel: Any, tiles: tuple[int, int],
    given: tuple[Any, ...], tick: Tick,
) -> None:  # fmt: skip
    """Launch blocks over tiles, and take the displacements in turn."""
    for first_dy, end_dy, pairs in displacement_parts(
        request.shape, request.key_shape, _PAIRS_PER_LAUNCH
    ):
        launch(
            kernel, tiles[0] * tiles[1], request.query, request.key, request.least, request.limit,
            request.scale, reached.notes, reached.band_rows, first_dy, end_dy, *given, wait=True,
            threads=THREADS,
        )  # fmt: skip
        tick(pairs)


def _tiles(shape: tuple[int, ...], tile: tuple[int, int]) -> tuple[int, int]:
    """Tiles of an array along both axes."""
    rows, columns = (-(-side // length) for side, length in zip(shape, tile, strict=True))
    return rows, columns
