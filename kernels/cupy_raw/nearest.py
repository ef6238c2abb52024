"""Exact search of engine `cupy`; see `cuda/nearest.cu`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw import launch
from pnncupy.kernels.cupy_raw.launch import Launches, kernel, numbers, pointer, run_flat
from pnncupy.kernels.cupy_raw.sources import (
    THREADS,
    Tiling,
    check_limits,
    nearest_options,
    nearest_tiling,
)
from pnncupy.kernels.protocol import Array, SearchRequest, Tick
from pnncupy.kernels.slabs import interleaved
from pnncupy.kernels.tiling import pairs_of_rows

# Columns of query patches that a block walks along, and where only some queries are active.
_CHUNK_COLUMNS = 512
_CHUNK_COLUMNS_ACTIVE = 32
# Most blocks along the second and the third axis of a grid.
_MOST_BLOCKS = 65535


@dataclass(frozen=True)
class SearchPlan:
    """Plan of searches with images of one kind.

    Attributes
    ----------
    tiling : Tiling
    options : tuple of str
        Of the compiler.
    chunk : int
        Columns of query patches of a block.
    """

    tiling: Tiling
    options: tuple[str, ...]
    chunk: int

    @classmethod
    def of(
        cls, patch_size: Any, sides: tuple[int, ...], channels: int, *, weighted: bool = False,
        length: int = 1, reverse: bool = False, some_active: bool = False,
    ) -> "SearchPlan":  # fmt: skip
        """Return the plan of searches; refuses what a block cannot hold."""
        check_limits(patch_size, channels)
        tiling = nearest_tiling(sides, channels, weighted, reverse)
        assert tiling is not None
        options = nearest_options(sides, channels, weighted, length, reverse)
        return cls(tiling, options, _CHUNK_COLUMNS_ACTIVE if some_active else _CHUNK_COLUMNS)

    def slabs_of_launch(self, shape: tuple[int, ...]) -> int:
        """Slabs of a volume that the second axis of a grid has blocks for; of an image all rows."""
        length, *lines = shape
        if len(lines) < 2:
            return length
        return max(1, min(length, _MOST_BLOCKS // -(-lines[-1] // self.chunk)))

    def parts_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what says which (slab, strip of rows, chunk of columns) has an active query."""
        *slabs, rows, columns = shape
        return (*slabs, -(-rows // self.tiling.strip), -(-columns // self.chunk))

    def busy(self, active: Array) -> Array:
        """Parts that have an active query, bool."""
        *slabs, rows, columns = active.shape
        *_, strips, chunks = self.parts_shape(active.shape)
        strip, chunk = self.tiling.strip, self.chunk
        padded = cupy.zeros((*slabs, strips * strip, chunks * chunk), dtype=bool)
        padded[..., :rows, :columns] = active
        return padded.reshape(*slabs, strips, strip, chunks, chunk).any(axis=(-3, -1))

    def key_planes(self, key: Array) -> Array:
        """Key planes with the border of infinite pixels that the tiling asks for."""
        planes, (rows, columns) = planes_of(key), self.tiling.border
        if not columns:
            return planes
        count, height, width = planes.shape
        shape = (count, height + 2 * rows, width + 2 * columns)
        wide = cupy.full(shape, np.inf, dtype=np.float32)
        wide[:, rows : rows + height, columns : columns + width] = planes
        return wide


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search band by band of the query; see `protocol.Engine.update_nearest`.

    One band holds all rows, or slabs of a volume, where the device has the memory, 8 bytes for each
    place of the lists.
    """
    plan = SearchPlan.of(
        request.patch_size, request.sides, len(request.query),
        weighted=request.weight is not None, length=request.score.shape[-1],
        reverse=request.key_score is not None, some_active=request.active is not None,
    )  # fmt: skip
    key_best = None
    if request.key_score is not None and request.key_index is not None:
        key_best = _words(request.key_score, request.key_index, plan.options)
    length, band = request.shape[0], plan.slabs_of_launch(request.shape)
    planes = planes_of(request.query), plan.key_planes(request.key)
    launches = Launches(tick)
    first = 0
    while first < length:
        end = min(first + band, length)
        lists = request.score[first:end], request.index[first:end]
        try:
            best = _words(*lists, plan.options)
            busy = None if request.active is None else plan.busy(request.active[first:end])
        except cupy.cuda.memory.OutOfMemoryError:
            if end - first == 1:
                raise
            band = (end - first) // 2
            continue
        search_band(request, plan, planes, best, first, busy, launches, key_best)
        _unpack(best, *lists, plan.options)
        first = end
        del best, busy
    if key_best is not None:
        _unpack(key_best, request.key_score, request.key_index, plan.options)
    launches.leave()


def planes_of(image: Array) -> Array:
    """Planes of an image; of a volume with the channels of a slice side by side."""
    return image if image.ndim == 3 else cupy.ascontiguousarray(interleaved(image))


def _words(score: Array, index: Array, options: tuple[str, ...]) -> Array:
    """Scores and what has them as words."""
    words = cupy.empty(score.shape, np.uint64)
    run_flat("nearest.cu", "pack_matches", options, (score, index, words), words.size)
    return words


def _unpack(
    words: Array, score: Array | None, index: Array | None, options: tuple[str, ...]
) -> None:
    run_flat("nearest.cu", "unpack_matches", options, (words, score, index), words.size)


def search_band(
    request: SearchRequest,
    plan: SearchPlan,
    planes: tuple[Array, Array],
    best: Array,
    first: int,
    busy: Array | None,
    launches: Launches,
    key_best: Array | None = None,
) -> None:
    """Lower the lists of a band that begins with row, or slab, `first` of the query patches.

    `planes` are those of query and key, as a plan has them; `best` holds lists of words, and what
    the request says of scores and indices does not count.
    """
    for part in _parts(request, planes, best, first, busy, key_best):
        _search(part, plan, launches)


@dataclass(frozen=True)
class _Part:
    """The search of a band of query rows, or of slabs of a volume, in an image or a slab.

    Attributes
    ----------
    query, key : (planes, rows, columns) float32
        The key image may have a border.
    key_shape : (int, int)
        Rows and columns of the key image without it.
    sides : tuple of int
    weight : (rows, columns) float32 or None
    active, busy : (slabs, rows, columns) and (slabs, strips, chunks) bool, or None
    best : (slabs, rows, columns, length) uint64
    key_best : (rows, columns) uint64 or None
    first_row : int
        Row of the query patches that `best` begins with.
    first_query : int
        Number of the first pixel of the first slab's query.
    first_index, index_stride : int
        See `SearchRequest`.
    """

    query: Array
    key: Array
    key_shape: tuple[int, int]
    sides: tuple[int, ...]
    weight: Array | None
    active: Array | None
    busy: Array | None
    best: Array
    key_best: Array | None
    first_row: int
    first_query: int
    first_index: int
    index_stride: int


def _parts(
    request: SearchRequest,
    planes: tuple[Array, Array],
    best: Array,
    first: int,
    busy: Array | None,
    key_best: Array | None,
) -> Iterator[_Part]:
    """The searches of a band: one in an image, and one in each slab of a volume."""
    (query, key), shape = planes, request.key.shape[-2:]
    sides, first_index, stride = request.sides, request.first_index, request.index_stride
    if len(sides) == 2:
        yield _Part(
            query, key, shape, sides, request.weight, request.active, busy, best[None], key_best,
            first, 0, first_index, stride,
        )  # fmt: skip
        return
    (depth, *_), channels = sides, len(request.query)
    slice_stride = request.slice_stride or request.key.shape[2] * stride
    active = None if request.active is None else request.active[first : first + len(best)]
    for z in range(request.key_shape[0]):
        weight = None if request.weight is None else request.weight[z]
        yield _Part(
            query[first * channels :], key[z * channels : (z + depth) * channels], shape, sides,
            weight, active, busy, best, None if key_best is None else key_best[z], 0,
            first * query[0].size, first_index + z * slice_stride, stride,
        )  # fmt: skip


def _search(part: _Part, plan: SearchPlan, launches: Launches) -> None:
    """Lower the lists of a part by launches of many displacements."""
    slabs, rows, columns, _ = part.best.shape
    *_, patch_rows, patch_columns = part.sides
    key_rows = part.key_shape[0] - patch_rows + 1
    key_columns = part.key_shape[1] - patch_columns + 1
    *_, strips, chunks = plan.parts_shape((rows, columns))
    blocks = strips * -(-(columns + key_columns - 1) // THREADS)
    first_row, end_row = part.first_row, part.first_row + rows
    row_pairs = slabs * columns * key_columns
    pairs_per_dy = row_pairs * min(rows, key_rows)
    most = launch.PAIRS_PER_LAUNCH
    step = int(min(max(1, most // pairs_per_dy), _MOST_BLOCKS))
    # Where one displacement row is too much for a launch, its blocks are divided.
    blocks_per_launch = max(1, int(min(1.0, most / pairs_per_dy) * blocks))
    run = kernel("nearest.cu", "update_nearest", plan.options)
    for first_dy in range(1 - end_row, key_rows - first_row, step):
        count = min(step, key_rows - first_row - first_dy)
        pairs = row_pairs * pairs_of_rows(first_row, end_row, key_rows, first_dy, first_dy + count)
        for first_block in range(0, blocks, blocks_per_launch):
            here = min(blocks_per_launch, blocks - first_block)
            run(
                (here, slabs * chunks, count), (THREADS, 1, 1),
                (part.query, *numbers(part.query.shape[1:]), part.key, *numbers(part.key_shape),
                 pointer(part.weight), pointer(part.active), pointer(part.busy), part.best,
                 pointer(part.key_best),
                 *numbers((part.first_index, part.index_stride, part.first_query, first_dy,
                           first_row, end_row, plan.chunk, strips, first_block))),
            )  # fmt: skip
            launches.add(pairs * (first_block + here) // blocks - pairs * first_block // blocks)
