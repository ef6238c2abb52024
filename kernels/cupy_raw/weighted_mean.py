"""Weighted means of all key patches, of engine `cupy`; see `cuda/weighted_mean.cu`."""

import math
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.launch import Launches, kernel, numbers
from pnncupy.kernels.cupy_raw.sources import (
    check_patch,
    mean_border,
    mean_options,
    mean_tiling,
)
from pnncupy.kernels.protocol import Array, MeanRequest, Tick
from pnncupy.kernels.tiling import displacement_parts

# Pairs in one launch, each of which is several times the work of one of a search.
_PAIRS_PER_LAUNCH = 4e9
# Bands of query rows of which is noted by which displacements they reach a key with a weight.
_MOST_BANDS = 16
# Blocks that keep a device busy, where displacements can be divided too.
_MANY_BLOCKS = 2048


@dataclass(frozen=True)
class Reached:
    """Notes of `lower_least` for the other two functions.

    Attributes
    ----------
    notes : (bands, displacement rows, spans) uint8
    band_rows : int
        Query rows of a band.
    key : (C, rows, columns) float32
        With its border.
    """

    notes: Array
    band_rows: int
    key: Array


def lower_least(request: MeanRequest, *, threads: int, tick: Tick) -> Reached:
    """Lower smallest sums; see `protocol.Engine.lower_least`."""
    check_patch(request.patch_size, "patch_sizes")
    tiling = mean_tiling(request.patch_size, "lower_least")
    tile_rows = -(-request.shape[0] // tiling.rows)
    band_rows = -(-tile_rows // _MOST_BANDS) * tiling.rows
    span = mean_tiling(request.patch_size, "add_values").batch
    rows, columns = (
        count + key_count - 1
        for count, key_count in zip(request.shape, request.key_shape, strict=True)
    )
    bands = -(-request.shape[0] // band_rows)
    notes = cupy.zeros((bands, rows, -(-columns // span)), dtype=np.uint8)
    reached = Reached(notes, band_rows, _bordered(request))
    tiles = tile_rows * -(-request.shape[1] // tiling.query_columns(request.patch_size))
    run = kernel(
        "weighted_mean.cu", "lower_least",
        mean_options(request.patch_size, len(request.query), "lower_least"),
    )  # fmt: skip
    launches = Launches(tick)
    for first_dy, end_dy, pairs in displacement_parts(
        request.shape, request.key_shape, _PAIRS_PER_LAUNCH
    ):
        parts = min(end_dy - first_dy, -(-_MANY_BLOCKS // tiles))
        run(
            (tiles, parts, 1), (tiling.threads, 1, 1),
            (*_images(request, reached), request.least, request.limit, reached.notes,
             *numbers((reached.band_rows, first_dy, end_dy))),
        )  # fmt: skip
        launches.add(pairs)
    launches.leave()
    return reached


def add_weights(
    request: MeanRequest, reached: Reached, total: Array, index: Array, *, threads: int, tick: Tick
) -> None:  # fmt: skip
    """Add up weights; see `protocol.Engine.add_weights`."""
    tiling = mean_tiling(request.patch_size, "add_weights")
    tile = tiling.rows, tiling.query_columns(request.patch_size)
    strides = numbers((request.first_index, request.index_stride))
    _add(request, reached, "add_weights", (*strides, total, index), request.shape, tile, 1, tick)


def add_values(
    request: MeanRequest, reached: Reached, factor: Array, value: Array, window: Array, out: Array,
    *, threads: int, tick: Tick,
) -> None:  # fmt: skip
    """Add weighted values; see `protocol.Engine.add_values`."""
    tile = mean_tiling(request.patch_size, "add_values").out_shape(request.patch_size)
    given = factor, value, window, out
    _add(request, reached, "add_values", given, out.shape[1:], tile, len(value), tick)


def _add(
    request: MeanRequest, reached: Reached, name: str, given: tuple[Any, ...],
    shape: tuple[int, ...], tile: tuple[int, int], values: int, tick: Tick,
) -> None:  # fmt: skip
    """Launch blocks over tiles of an array of a shape, and take the displacements in turn."""
    tiling = mean_tiling(request.patch_size, name)
    blocks = math.prod(-(-side // length) for side, length in zip(shape, tile, strict=True))
    options = mean_options(request.patch_size, len(request.query), name, values)
    run = kernel("weighted_mean.cu", name, options)
    launches = Launches(tick)
    for first_dy, end_dy, pairs in displacement_parts(
        request.shape, request.key_shape, _PAIRS_PER_LAUNCH
    ):
        run(
            (blocks, 1, 1), (tiling.threads, 1, 1),
            (*_images(request, reached), request.least, request.limit, request.scale,
             reached.notes, *numbers((reached.band_rows, first_dy, end_dy)), *given),
        )  # fmt: skip
        launches.add(pairs)
    launches.leave()


def _images(request: MeanRequest, reached: Reached) -> tuple[Any, ...]:
    """Kernel arguments for the images."""
    return (
        request.query, *numbers(request.query.shape[1:]), reached.key,
        *numbers(request.key.shape[1:]),
    )  # fmt: skip


def _bordered(request: MeanRequest) -> Array:
    """Key planes with the border of infinite pixels."""
    rows, columns = mean_border(request.patch_size)
    count, height, width = request.key.shape
    shape = (count, height + 2 * rows, width + 2 * columns)
    wide = cupy.full(shape, np.inf, dtype=np.float32)
    wide[:, rows : rows + height, columns : columns + width] = request.key
    return wide
