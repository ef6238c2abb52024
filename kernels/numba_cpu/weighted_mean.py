"""Weighted means of all key patches, for engine `numba`.

Displacements are walked as in the search of a tile, but lanes are columns of the image: for one
displacement between query and key the weights of all query patches are a plane, whose convolution
with the window says what each key pixel counts in each pixel of the result. A pair of patches costs
about 2 C + 16 operations whatever the patch size is, and 4 p + 3 C more only where it has a weight,
or one of its neighbours.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.candidate_list import aligned
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.simd import (
    LANES,
    any_less,
    broadcast,
    equal_lanes,
    infinite_history,
    load,
    lowest_bit,
    minimum,
    store,
    sum_of_columns,
    sum_of_rows,
    weights_below,
)
from pnncupy.kernels.protocol import Array, MeanRequest, Tick
from pnncupy.kernels.sum_order import powers
from pnncupy.kernels.tiling import pairs_of_rows, run

_MOST_PAIRS_PER_STEP = 1e8
_STEPS_PER_THREAD, _PARTS_PER_THREAD = 8, 16
# Blocks of query rows of which is noted by which displacements they reach a key with a weight.
_MOST_BLOCKS, _LEAST_ROWS = 16, 8
_NOTHING, _NO_NUMBERS = np.zeros(0, np.float32), np.zeros(0, np.int32)
# Purposes of the kernel.
LEAST, WEIGHTS, VALUES = range(3)


@inlined
def _squared_row(
    query: Array, place: int, query_plane: int, key: Array, key_place: int, key_plane: int,
    channels: int,
) -> Any:  # fmt: skip
    """Squared differences of neighbouring pixels of a row, summed over channels."""
    difference = load(query, place) - load(key, key_place)
    total = difference * difference
    for channel in range(1, channels):
        difference = load(query, place + channel * query_plane) - load(
            key, key_place + channel * key_plane
        )
        total = total + difference * difference
    return total


@inlined
def _begin_row(row: int, width: int, kept: Array, first: Array, now: Array, back: Array,
               behind: Array, part: Array) -> None:  # fmt: skip
    """Places in the ring of the sums that a row of pixels makes, and of those that it needs."""
    parts = 0
    for level in range(len(kept) - 1, -1, -1):
        wrap = kept[level] - 1
        now[level] = (first[level] + (row & wrap)) * width
        back[level] = (first[level] + ((row - (1 << level)) & wrap)) * width
        if behind[level] >= 0:
            part[parts] = (first[level] + ((row - behind[level]) & wrap)) * width
            parts += 1


@inlined
def _note_nearest(bits: int, index: Array, place: int, number: int) -> None:
    """Note the keys of some lanes for the queries that have no key yet."""
    while bits != 0:
        lane = lowest_bit(bits)
        bits &= bits - 1
        if index[place + lane] < 0:
            index[place + lane] = number + lane


@inlined
def _spread(
    weights: Array, first: int, found: Array, chunks: int, neighbours: int, window: Array,
    spread: Array, place: int, history: Array,
) -> None:  # fmt: skip
    """Convolve a row of weights with the window where it is not 0, and note where that is."""
    for chunk in range(chunks):
        holds = False
        for before in range(max(0, chunk - neighbours), chunk + 1):
            holds |= found[before]
        history[chunk] <<= 1
        if holds:
            history[chunk] |= 1
            at = first + chunk * LANES
            total = broadcast(window, 0) * load(weights, at)
            for k in range(1, len(window)):
                total = total + broadcast(window, k) * load(weights, at - k)
            store(spread, place + chunk * LANES, total)


@inlined
def _add_values(
    spread: Array, row: int, width: int, chunks: int, history: Array, window: Array, value: Array,
    value_place: int, value_plane: int, out: Array, out_place: int, out_plane: int, channels: int,
) -> None:  # fmt: skip
    """Convolve the last rows of weights, and add the values times that to a row of the result."""
    size = len(window)
    for chunk in range(chunks):
        rows = history[chunk] & ((1 << size) - 1)
        if rows == 0:
            continue
        x = chunk * LANES
        first = 0
        while rows & (1 << first) == 0:
            first += 1
        total = broadcast(window, first) * load(spread, (row - first) % size * width + x)
        for k in range(first + 1, size):
            if rows & (1 << k) != 0:
                total = total + broadcast(window, k) * load(spread, (row - k) % size * width + x)
        for channel in range(channels):
            at = out_place + channel * out_plane + x
            store(out, at, load(out, at)
                  + total * load(value, value_place + channel * value_plane + x))  # fmt: skip


@inlined
def _order_of_sums(patch_size: int, kept: Array, first: Array, behind: Array) -> Any:
    """Fill the tables of sums of 2**k rows, of which some are kept; return how many in all."""
    top = len(kept) - 1
    done = 0
    for level in range(top, -1, -1):
        behind[level] = -1
        if patch_size >> level & 1:
            length = 1 << level
            behind[level] = patch_size - done - length
            done += length
    total = 0
    for level in range(top + 1):
        needed = 1 << level if level < top else 0
        # A power of two, so that places wrap around without a division.
        kept[level] = 1
        while kept[level] <= max(needed, behind[level]):
            kept[level] *= 2
        first[level] = total
        total += kept[level]
    return total


@cache
def mean_kernel(patch_size: int, channels: int, purpose: int) -> Any:
    """Kernel for a patch size, number of channels and purpose, compiled at its first call.

    One call walks the displacement rows [first_dy, end_dy). The purpose is to lower the least sums
    of the query rows [first_row, last_row), and to note by which displacements blocks of these rows
    reach a key; to add the weights of the keys to the totals of these rows; or to add the values of
    the keys to these rows of the result.

    All images are flat, with rows of `stride` and `key_stride` pixels: behind a row of keys there
    are infinities, behind a row of limits minus infinities, and otherwise zeros, and behind the
    last row as many as a vector may stick out.
    """
    margin = patch_size - 1
    levels = patch_size.bit_length()
    parts = len(powers(patch_size))
    neighbours = -(-margin // LANES)
    beyond = neighbours * LANES
    revision = HELPERS_REVISION
    lowering, valued = int(purpose == LEAST), int(purpose == VALUES)

    @compiled
    def walk(
        query: Array, stride: int, plane: int, key: Array, key_stride: int, key_plane: int,
        rows: int, columns: int, key_rows: int, key_columns: int, least: Array, limit: Array,
        scale: Array, first_index: int, index_stride: int, reached: Array, block_rows: int,
        total: Array, index: Array, factor: Array, value: Array, value_channels: int,
        window: Array, out: Array, first_row: int, last_row: int, first_dy: int, end_dy: int,
    ) -> None:  # fmt: skip
        width = stride + 2 * LANES + 2 * patch_size
        kept, first = np.empty(levels, np.int64), np.empty(levels, np.int64)
        behind = np.empty(levels, np.int64)
        now, back = np.empty(levels, np.int64), np.empty(levels, np.int64)
        part = np.empty(levels, np.int64)
        rows_kept = _order_of_sums(patch_size, kept, first, behind)
        ring = aligned(rows_kept * width + 0 * revision, np.float32(0))
        weights = aligned(width + (neighbours + 2) * LANES, np.float32(0))
        spread = aligned(patch_size * width, np.float32(0))
        found = np.zeros(width // LANES + 1, np.bool_)
        history = np.zeros(width // LANES + 1, np.int64)
        for dy in range(first_dy, end_dy):
            for dx in range(1 - columns, key_columns):
                start, end = max(0, -dy), min(rows, key_rows - dy)
                start = max(start, first_row - margin if valued else first_row)
                end = min(end, last_row)
                if not lowering:
                    lowest, highest = end, start
                    for block in range(start // block_rows, (end - 1) // block_rows + 1):
                        if reached[block, dy + rows - 1, dx + columns - 1]:
                            lowest = min(lowest, block * block_rows)
                            highest = max(highest, (block + 1) * block_rows)
                    start, end = max(start, lowest), min(end, highest)
                if start >= end:
                    continue
                left = max(0, -dx)
                count = min(columns, key_columns - dx) - left
                rounded = -(-count // LANES) * LANES
                chunks = (count + margin - 1) // LANES + 1
                if valued:
                    history[:] = 0
                for row in range(start, end + margin):
                    _begin_row(row - start, width, kept, first, now, back, behind, part)
                    place, key_place = row * stride + left, (row + dy) * key_stride + left + dx
                    y = row - margin
                    if y < start:
                        for x in range(0, rounded + beyond, LANES):
                            newest = _squared_row(
                                query, place + x, plane, key, key_place + x, key_plane, channels
                            )  # fmt: skip
                            sum_of_rows(newest, ring, x, now, back, part, levels, parts)
                        continue
                    last = infinite_history(neighbours)
                    at = y * stride + left - beyond
                    holds = False
                    for x in range(0, rounded + beyond, LANES):
                        newest = _squared_row(
                            query, place + x, plane, key, key_place + x, key_plane, channels
                        )  # fmt: skip
                        newest = sum_of_rows(newest, ring, x, now, back, part, levels, parts)
                        last, summed = sum_of_columns(last, newest, patch_size)
                        if x < beyond:
                            continue
                        most = load(limit, at + x)
                        if not any_less(summed, most):
                            continue
                        holds = True
                        lowest_sums = load(least, at + x)
                        if lowering:
                            store(least, at + x, minimum(summed, lowest_sums))
                            continue
                        weight = weights_below(summed, lowest_sums, most, broadcast(scale, 0))
                        if valued:
                            store(weights, x, weight * load(factor, at + x))
                            found[(x - beyond) // LANES] = True
                            continue
                        store(total, at + x, load(total, at + x) + weight)
                        bits = equal_lanes(summed, lowest_sums)
                        if bits != 0:
                            number = first_index + (y + dy) * index_stride + left + dx + x - beyond
                            _note_nearest(bits, index, at + x, number)
                    if not valued:
                        if lowering and holds:
                            reached[y // block_rows, dy + rows - 1, dx + columns - 1] = True
                        continue
                    _spread(weights, beyond, found, chunks, neighbours, window, spread,
                            y % patch_size * width, history)  # fmt: skip
                    if holds:
                        found[:] = False
                        weights[:] = 0
                    if y >= first_row:
                        _add_values(
                            spread, y, width, chunks, history, window, value,
                            (y + dy) * key_stride + left + dx, key_plane, out, y * stride + left,
                            plane, value_channels,
                        )  # fmt: skip
                if valued:
                    for y in range(end, min(end + margin, last_row)):
                        for chunk in range(chunks):
                            history[chunk] <<= 1
                        if y >= first_row:
                            _add_values(
                                spread, y, width, chunks, history, window, value,
                                (y + dy) * key_stride + left + dx, key_plane, out,
                                y * stride + left, plane, value_channels,
                            )  # fmt: skip

    return walk


def lower_least(request: MeanRequest, *, threads: int, tick: Tick) -> Array:
    """Lower smallest sums; see `protocol.Engine.lower_least`."""
    blocks = min(_MOST_BLOCKS, -(-request.shape[0] // _LEAST_ROWS))
    displacements = [
        count + key_count - 1
        for count, key_count in zip(request.shape, request.key_shape, strict=True)
    ]
    reached = np.zeros((blocks, *displacements), np.bool_)
    images = _Images(request, reached)
    images.lower(threads, tick)
    request.least[...] = images.rows_of(images.least, request.least.shape)
    return reached


def add_weights(
    request: MeanRequest, reached: Array, total: Array, index: Array, *, threads: int, tick: Tick
) -> None:  # fmt: skip
    """Add up weights; see `protocol.Engine.add_weights`."""
    images = _Images(request, reached)
    sums, numbers = images.padded(total, 0), images.padded(index, -1)
    images.add(WEIGHTS, request.shape[0], threads, tick, total=sums, index=numbers)
    total[...] = images.rows_of(sums, total.shape)
    index[...] = images.rows_of(numbers, index.shape)


def add_values(
    request: MeanRequest, reached: Array, factor: Array, value: Array, window: Array, out: Array,
    *, threads: int, tick: Tick,
) -> None:  # fmt: skip
    """Add weighted values; see `protocol.Engine.add_values`."""
    images = _Images(request, reached)
    made = images.padded(out, 0)
    images.add(
        VALUES, request.query.shape[1], threads, tick, factor=images.padded(factor, 0),
        value=_padded(value, images.key_stride, 0), channels=len(value), window=window, out=made,
    )  # fmt: skip
    out[...] = images.rows_of(made, out.shape)


class _Images:
    """Images of a request as the kernel reads them, see `mean_kernel`."""

    def __init__(self, request: MeanRequest, reached: Array):
        query, key = request.query, request.key
        self._request, self._reached = request, reached
        self._stride, self.key_stride = query.shape[2] + 2 * LANES, key.shape[2] + 2 * LANES
        self.least = self.padded(request.least, 0)
        self._limit = self.padded(request.limit, -np.inf)
        self._scale = np.array([request.scale], np.float32)
        self._images = (
            self.padded(query, 0), self._stride, query.shape[1] * self._stride,
            _padded(key, self.key_stride, np.inf), self.key_stride,
            key.shape[1] * self.key_stride, *request.shape, *request.key_shape,
        )  # fmt: skip

    def padded(self, image: Array, fill: float) -> Array:
        """An image of the query's rows, flat."""
        return _padded(image, self._stride, fill)

    def rows_of(self, flat: Array, shape: tuple[int, ...]) -> Array:
        """Strip the padding of such an image."""
        *rest, columns = shape
        rows = math.prod(rest) * self._stride
        return flat[:rows].reshape(*rest, self._stride)[..., :columns]

    def lower(self, threads: int, tick: Tick) -> None:
        """Lower the least sums, which have no order, in parts of the displacements."""
        walk = self._walker(LEAST, threads)
        (rows, _), (key_rows, _) = self._request.shape, self._request.key_shape
        # Each part lowers a copy that no other one has just now.
        copies = deque([self.least, *(self.least.copy() for _ in range(threads - 1))])

        def part(first_dy: int, end_dy: int) -> Iterator[int]:
            for dy in range(first_dy, end_dy):
                least = copies.popleft()
                pairs = sum(walk(least, 0, rows, dy, dy + 1))
                copies.append(least)
                yield pairs

        parts = _divided(1 - rows, key_rows, _PARTS_PER_THREAD * threads)
        run([part(*each) for each in parts], threads, tick)
        for each in copies:
            np.minimum(self.least, each, out=self.least)

    def add(self, purpose: int, rows: int, threads: int, tick: Tick, **planes: Any) -> None:
        """Add weights or values, whose sums have an order, in bands of rows."""
        walk = self._walker(purpose, threads, **planes)
        ends = (1 - self._request.shape[0], self._request.key_shape[0])
        bands = [walk(self.least, *band, *ends) for band in _divided(0, rows, threads)]
        run(bands, threads, tick)

    def _walker(
        self, purpose: int, threads: int, *, total: Array = _NOTHING, index: Array = _NO_NUMBERS,
        factor: Array = _NOTHING, value: Array = _NOTHING, channels: int = 0,
        window: Array = _NOTHING, out: Array = _NOTHING,
    ) -> Callable[[Array, int, int, int, int], Iterator[int]]:  # fmt: skip
        """Return what walks displacements of a band of rows in steps, and yields their pairs."""
        request = self._request
        kernel = mean_kernel(request.patch_size, len(request.query), purpose)
        (query_rows, columns), (key_rows, key_columns) = request.shape, request.key_shape
        arguments = (
            self._limit, self._scale, request.first_index, request.index_stride, self._reached,
            -(-query_rows // len(self._reached)), total, index, factor, value, channels, window,
            out,
        )  # fmt: skip
        pairs = query_rows * columns * key_rows * key_columns
        most = min(_MOST_PAIRS_PER_STEP, pairs / (_STEPS_PER_THREAD * threads))

        def walk(
            least: Array, top: int, bottom: int, first_dy: int, end_dy: int
        ) -> Iterator[int]:  # fmt: skip
            step = max(1, int(most / ((bottom - top) * columns * key_columns)))
            for dy in range(first_dy, end_dy, step):
                stop = min(dy + step, end_dy)
                kernel(*self._images, least, *arguments, top, bottom, dy, stop)
                last = min(bottom, query_rows)
                yield pairs_of_rows(top, last, key_rows, dy, stop) * columns * key_columns

        return walk


def _divided(first: int, end: int, count: int) -> list[tuple[int, int]]:
    """Divide a range into parts of about one length."""
    edges = [first + (end - first) * k // count for k in range(count + 1)]
    return [(low, high) for low, high in pairwise(edges) if low < high]


def _padded(image: Array, stride: int, fill: float) -> Array:
    """Flat planes with `fill` behind each row, and behind all."""
    padded = np.full((*image.shape[:-1], stride), fill, image.dtype)
    padded[..., : image.shape[-1]] = image
    return np.concatenate([padded.ravel(), np.full(stride, fill, image.dtype)])
