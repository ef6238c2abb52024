"""Kernels of weighted means in Python; `cuda/weighted_mean.cu` has the same form, and is faster.

A block owns query patches, or pixels of the result, and walks all displacements between query and
key in their order, some at a time. Its threads sum squared differences down the columns of pixels,
then over the columns of the patches, weigh them, and each adds what is its own.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32, int32

from pnncupy.kernels.exp2 import (
    EXP2_COEFFICIENTS,
    LEAST_EXPONENT,
    MANTISSA_BITS,
    ROUND_TO_INTEGER,
)
from pnncupy.kernels.numba_cuda.device import (
    add,
    bits,
    device_function,
    device_kernel,
    float_of,
    larger,
    multiply,
    smaller,
    subtract,
)
from pnncupy.kernels.numba_cuda.nearest import _push, _window
from pnncupy.kernels.protocol import Array

_MAGIC = np.float32(ROUND_TO_INTEGER)
_BITS_OF_MAGIC = int(_MAGIC.view(np.int32))
_LEAST_POWER = np.float32(LEAST_EXPONENT)
_C0, _C1, _C2, _C3, _C4, _C5 = map(np.float32, EXP2_COEFFICIENTS)
_STEP = 1 << MANTISSA_BITS


@dataclass(frozen=True)
class Tile:
    """Sizes of a block.

    Attributes
    ----------
    rows : int
        Of query patches.
    columns : int
        Of pixels.
    batch : int
        Displacements at a time.
    """

    rows: int
    columns: int
    batch: int


@device_function
def _power_of_two(power: float) -> Any:
    """Evaluate `kernels.exp2.exp2`."""
    power = larger(power, _LEAST_POWER)
    shifted = add(power, _MAGIC)
    rest = subtract(power, subtract(shifted, _MAGIC))
    total = add(multiply(_C0, rest), _C1)
    total = add(multiply(total, rest), _C2)
    total = add(multiply(total, rest), _C3)
    total = add(multiply(total, rest), _C4)
    total = add(multiply(total, rest), _C5)
    return float_of(int32(bits(total) + (bits(shifted) - _BITS_OF_MAGIC) * _STEP))


@device_function
def _squared_pixels(query: Array, y: int, x: int, key: Array, row: int, column: int) -> Any:
    """Squared differences of two pixels, summed over channels; infinite outside of an image."""
    if y < 0 or x < 0 or y >= query.shape[1] or x >= query.shape[2]:
        return float32(np.inf)
    if row < 0 or column < 0 or row >= key.shape[1] or column >= key.shape[2]:
        return float32(np.inf)
    difference = subtract(query[0, y, x], key[0, row, column])
    total = multiply(difference, difference)
    for channel in range(1, key.shape[0]):
        difference = subtract(query[channel, y, x], key[channel, row, column])
        total = add(total, multiply(difference, difference))
    return total


@device_function
def _displacements(
    query: Array, key: Array, margin: int, top: int, left: int, rows: int, columns: int,
    first_dy: int, end_dy: int,
) -> Any:  # fmt: skip
    """Rows [first, end) of displacements with keys for a block, and numbers in each row."""
    query_rows, query_columns = query.shape[1] - margin, query.shape[2] - margin
    key_rows, key_columns = key.shape[1] - margin, key.shape[2] - margin
    last_row = smaller(top + rows, query_rows) - 1
    last_column = smaller(left + columns, query_columns) - 1
    first = query_columns - 1 - last_column
    end = key_columns - larger(left, 0) + query_columns - 1
    return larger(first_dy, -last_row), smaller(end_dy, key_rows - larger(top, 0)), first, end


@device_function
def _is_reached(
    notes: Array, first_row: int, last_row: int, band_rows: int, line: int, first: int, end: int
) -> bool:
    """Test whether some of the spans [first, end) may have a weight for query rows."""
    for band in range(larger(first_row, 0) // band_rows, last_row // band_rows + 1):
        for span in range(first, smaller(end, notes.shape[2])):
            if notes[band, line, span]:
                return True
    return False


@cache
def _column_sums(patch_size: int, tile: Tile) -> Any:
    """Make the function that sums squared differences over the rows of patches.

    Each thread walks down columns of pixels at some of the displacements of a batch.
    """
    rows, columns, batch = tile.rows, tile.columns, tile.batch
    margin = patch_size - 1

    @device_function
    def column_sums(
        query: Array, key: Array, top: int, left: int, dy: int, dx: int, sums: Array
    ) -> None:
        history = cuda.local.array((1, patch_size), float32)
        levels = cuda.local.array(patch_size, float32)
        for unit in range(cuda.threadIdx.x, batch * columns, cuda.blockDim.x):
            each, column = unit // columns, unit % columns
            for k in range(margin):
                history[0, k] = float32(np.inf)
            x = left + column
            for row in range(rows + margin):
                y = top + row
                squared = _squared_pixels(query, y, x, key, y + dy, x + dx + each)
                total = _push(history, 0, squared, patch_size, levels)
                if row >= margin:
                    sums[each, row - margin, column] = total

    return column_sums


@cache
def least_kernel(patch_size: int, tile: Tile, span: int) -> Any:
    """Kernel of smallest sums.

    Blocks: x over tiles of query patches, y over parts of the rows of displacements.
    """
    rows, columns, batch = tile.rows, tile.columns, tile.batch
    margin = patch_size - 1
    patches = columns - margin
    column_sums = _column_sums(patch_size, tile)

    @device_kernel
    def lower(
        query: Array, key: Array, least: Array, limit: Array, notes: Array, band_rows: int,
        start: int, stop: int,
    ) -> None:  # fmt: skip
        sums = cuda.shared.array((batch, rows, columns), float32)
        scratch = cuda.local.array(patch_size, float32)
        query_rows, query_columns = limit.shape
        across = (query_columns + patches - 1) // patches
        top, left = cuda.blockIdx.x // across * rows, cuda.blockIdx.x % across * patches
        first_dy, end_dy, first, end = _displacements(
            query, key, margin, top, left, rows, patches, start, stop
        )
        part = (larger(end_dy - first_dy, 0) + cuda.gridDim.y - 1) // cuda.gridDim.y
        first_dy += cuda.blockIdx.y * part
        for dy in range(first_dy, smaller(end_dy, first_dy + part)):
            for number in range(first // batch * batch, end, batch):
                dx = number + 1 - query_columns
                column_sums(query, key, top, left, dy, dx, sums)
                cuda.syncthreads()
                for unit in range(cuda.threadIdx.x, batch * rows * patches, cuda.blockDim.x):
                    line, column = unit // patches, unit % patches
                    each, row = line // rows, line % rows
                    total = _window(sums[each, row], column, patch_size, scratch)
                    y, x = top + row, left + column
                    # Infinite outside of the image.
                    if total < np.inf and total < limit[y, x]:
                        cuda.atomic.min(least, (y, x), bits(total))
                        notes[y // band_rows, dy + query_rows - 1, (number + each) // span] = 1
                cuda.syncthreads()

    return lower


@cache
def _weights(patch_size: int, tile: Tile, valued: bool) -> Any:
    """Make the function that weighs the key patches at the displacements of a batch.

    Weights are multiplied by the factor of their query for values; without, the sign says that the
    sum of a key is the least one.
    """
    rows, batch, patches = tile.rows, tile.batch, tile.columns - patch_size + 1

    @device_function
    def weigh(
        sums: Array, top: int, left: int, least: Array, limit: Array, scale: float, factor: Array,
        weights: Array, found: Array, stamp: int,
    ) -> None:  # fmt: skip
        scratch = cuda.local.array(patch_size, float32)
        for unit in range(cuda.threadIdx.x, batch * rows * patches, cuda.blockDim.x):
            line, column = unit // patches, unit % patches
            each, row = line // rows, line % rows
            total = _window(sums[each, row], column, patch_size, scratch)
            y, x = top + row, left + column
            weight = float32(0)
            # Infinite outside of the image.
            if total < np.inf and total < limit[y, x]:
                lowest = least[y, x]
                weight = _power_of_two(multiply(subtract(lowest, total), scale))
                if valued:
                    weight = multiply(weight, factor[y, x])
                elif total == lowest:
                    weight = -weight
                found[each] = stamp
            weights[each, row, column] = weight

    return weigh


@cache
def total_kernel(patch_size: int, tile: Tile, span: int) -> Any:
    """Kernel of totals; blocks over tiles of query patches."""
    rows, columns, batch = tile.rows, tile.columns, tile.batch
    margin = patch_size - 1
    patches = columns - margin
    column_sums, weigh = _column_sums(patch_size, tile), _weights(patch_size, tile, False)

    @device_kernel
    def add_up(
        query: Array, key: Array, least: Array, limit: Array, scale: float, notes: Array,
        band_rows: int, start: int, stop: int, first_index: int, index_stride: int, totals: Array,
        index: Array,
    ) -> None:  # fmt: skip
        sums = cuda.shared.array((batch, rows, columns), float32)
        weights = cuda.shared.array((batch, rows, patches), float32)
        found = cuda.shared.array(batch, int32)
        query_rows, query_columns = limit.shape
        across = (query_columns + patches - 1) // patches
        top, left = cuda.blockIdx.x // across * rows, cuda.blockIdx.x % across * patches
        last_row, stamp = smaller(top + rows, query_rows) - 1, 0
        first_dy, end_dy, first, end = _displacements(
            query, key, margin, top, left, rows, patches, start, stop
        )
        if cuda.threadIdx.x < batch:
            found[cuda.threadIdx.x] = 0
        for dy in range(first_dy, end_dy):
            for number in range(first // batch * batch, end, batch):
                span_first = number // span
                if not _is_reached(
                    notes, top, last_row, band_rows, dy + query_rows - 1, span_first,
                    span_first + batch // span,
                ):  # fmt: skip
                    continue
                dx = number + 1 - query_columns
                stamp += 1
                column_sums(query, key, top, left, dy, dx, sums)
                cuda.syncthreads()
                weigh(sums, top, left, least, limit, scale, limit, weights, found, stamp)
                cuda.syncthreads()
                for unit in range(cuda.threadIdx.x, rows * patches, cuda.blockDim.x):
                    row, column = unit // patches, unit % patches
                    y, x = top + row, left + column
                    for each in range(batch):
                        weight = weights[each, row, column]
                        if found[each] != stamp or weight == 0:
                            continue
                        if weight < 0:
                            weight = -weight
                            if index[y, x] < 0:
                                index[y, x] = first_index + (y + dy) * index_stride + x + dx + each
                        totals[y, x] = add(totals[y, x], weight)

    return add_up


@cache
def _spread_rows(patch_size: int, tile: Tile) -> Any:
    """Make the function that convolves weights with the window along rows."""
    rows, batch, margin = tile.rows, tile.batch, patch_size - 1
    places = tile.columns - 2 * margin

    @device_function
    def spread_rows(weights: Array, window: Array, spread: Array, found: Array, stamp: int) -> None:
        for unit in range(cuda.threadIdx.x, batch * rows * places, cuda.blockDim.x):
            line, place = unit // places, unit % places
            each, row = line // rows, line % rows
            if found[each] != stamp:
                continue
            total = float32(0)
            for k in range(patch_size):
                total = add(total, multiply(window[k], weights[each, row, place + margin - k]))
            spread[each, row, place] = total

    return spread_rows


@cache
def value_kernel(patch_size: int, tile: Tile, span: int) -> Any:
    """Kernel of weighted values; blocks over tiles of pixels of the result."""
    rows, columns, batch = tile.rows, tile.columns, tile.batch
    margin = patch_size - 1
    patches, out_rows, out_columns = columns - margin, rows - margin, columns - 2 * margin
    column_sums, weigh = _column_sums(patch_size, tile), _weights(patch_size, tile, True)
    spread_rows = _spread_rows(patch_size, tile)

    @device_kernel
    def add_up(
        query: Array, key: Array, least: Array, limit: Array, scale: float, notes: Array,
        band_rows: int, start: int, stop: int, factor: Array, value: Array, window: Array,
        out: Array,
    ) -> None:  # fmt: skip
        # Later the weights convolved along rows.
        sums = cuda.shared.array((batch, rows, columns), float32)
        weights = cuda.shared.array((batch, rows, patches), float32)
        found = cuda.shared.array(batch, int32)
        query_rows, query_columns = limit.shape
        across = (out.shape[2] + out_columns - 1) // out_columns
        top = cuda.blockIdx.x // across * out_rows - margin
        left = cuda.blockIdx.x % across * out_columns - margin
        last_row, stamp = smaller(top + rows, query_rows) - 1, 0
        first_dy, end_dy, first, end = _displacements(
            query, key, margin, top, left, rows, patches, start, stop
        )
        if cuda.threadIdx.x < batch:
            found[cuda.threadIdx.x] = 0
        for dy in range(first_dy, end_dy):
            for number in range(first // batch * batch, end, batch):
                span_first = number // span
                if not _is_reached(
                    notes, top, last_row, band_rows, dy + query_rows - 1, span_first,
                    span_first + batch // span,
                ):  # fmt: skip
                    continue
                dx = number + 1 - query_columns
                stamp += 1
                column_sums(query, key, top, left, dy, dx, sums)
                cuda.syncthreads()
                weigh(sums, top, left, least, limit, scale, factor, weights, found, stamp)
                cuda.syncthreads()
                spread_rows(weights, window, sums, found, stamp)
                cuda.syncthreads()
                for unit in range(cuda.threadIdx.x, out_rows * out_columns, cuda.blockDim.x):
                    row, place = unit // out_columns, unit % out_columns
                    y, x = top + margin + row, left + margin + place
                    for each in range(batch):
                        if found[each] != stamp:
                            continue
                        spread = float32(0)
                        for k in range(patch_size):
                            spread = add(
                                spread, multiply(window[k], sums[each, row + margin - k, place])
                            )
                        # Where nothing is added there may be no pixel.
                        if spread == 0:
                            continue
                        for channel in range(out.shape[0]):
                            out[channel, y, x] = add(
                                out[channel, y, x],
                                multiply(spread, value[channel, y + dy, x + dx + each]),
                            )
                cuda.syncthreads()

    return add_up
