"""Engine `cupy`: exact search and vote on a GPU, in CUDA kernels that CuPy compiles."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.sources import (
    THREADS,
    Tiling,
    check_limits,
    check_patch,
    nearest_options,
    nearest_tiling,
    patchmatch_options,
    text,
    vote_options,
)
from pnncupy.kernels.protocol import Array, PassRequest, SearchRequest, Tick, refuse_lists
from pnncupy.kernels.slabs import interleaved, lifted_pass, weight_table
from pnncupy.kernels.slice_votes import add_slice_votes as add_slice_votes
from pnncupy.kernels.tiling import pairs_of_rows
from pnncupy.patch_shape import PatchSize, patch_sides

# Searches keep one key for each query: lists of them are not worth their registers here.
SUPPORTS_TOP_K = False
TREE_AXES = ()
# A device holds some hundred thousand threads, and the coarse levels of an image have few patches.
QUERIES_PER_SEARCH = 1 << 20

# Columns of query patches that a block walks along, and where only some queries are active.
_CHUNK_COLUMNS = 512
_CHUNK_COLUMNS_ACTIVE = 64
# Pairs in one launch: well below a tenth of a second on a fast device, the time to react to an
# interruption, and below what a display's watchdog allows on a slow one.
_PAIRS_PER_LAUNCH = 2e10
# Launches that wait on the device while the host continues.
_LAUNCHES_AHEAD = 2
_VOTE_THREADS = 128
# Most blocks along the second and the third axis of a grid.
_MOST_BLOCKS = 65535


@cache
def _module(file: str, options: tuple[str, ...]) -> Any:
    # CuPy loads a module again on each device that launches its kernels.
    return cupy.RawModule(code=text(file), options=options)


@cache
def _kernel(file: str, name: str, options: tuple[str, ...]) -> Any:
    return _module(file, options).get_function(name)


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search band by band of the query; see `protocol.Engine.update_nearest`.

    One band holds all rows, or slabs of a volume, where the device has the memory, 8 bytes for each
    query patch.
    """
    refuse_lists(request)
    channels, size, weighted = len(request.query), request.sides, request.weight is not None
    check_limits(size, channels)
    tiling, options = _tiling_and_options(size, channels, weighted)
    chunk = _CHUNK_COLUMNS if request.active is None else _CHUNK_COLUMNS_ACTIVE
    length = band = request.shape[0]
    if len(size) == 3:
        band = min(band, max(1, _MOST_BLOCKS // -(-request.shape[-1] // chunk)))
    planes = _planes(request.query), _bordered(_planes(request.key), tiling)
    launches = _Launches(tick)
    first = 0
    while first < length:
        end = min(first + band, length)
        lists = request.score[first:end], request.index[first:end]
        try:
            best = cupy.empty(lists[0].shape[:-1], np.uint64)
            busy = None
            if request.active is not None:
                busy = _busy(request.active[first:end], tiling.strip, chunk)
        except cupy.cuda.memory.OutOfMemoryError:
            if end - first == 1:
                raise
            band = (end - first) // 2
            continue
        _run_flat("nearest.cu", "pack_matches", options, (*lists, best), best.size)
        for part in _parts(request, planes, best, first, busy):
            _search(part, tiling, options, chunk, launches)
        _run_flat("nearest.cu", "unpack_matches", options, (best, *lists), best.size)
        first = end
        del best, busy
    launches.leave()


def _tiling_and_options(
    sides: tuple[int, ...], channels: int, weighted: bool
) -> tuple[Tiling, tuple[str, ...]]:
    tiling = nearest_tiling(sides, channels, weighted)
    assert tiling is not None
    return tiling, nearest_options(sides, channels, weighted)


class _Launches:
    """Launches on the device, of which few wait while the host continues."""

    def __init__(self, tick: Tick):
        self._tick = tick
        self._waiting: deque[tuple[Any, int]] = deque()

    def add(self, pairs: int) -> None:
        """Count the launch just made, and wait for those that are too far behind."""
        event = cupy.cuda.Event()
        event.record()
        self._waiting.append((event, pairs))
        while len(self._waiting) > _LAUNCHES_AHEAD:
            event, pairs = self._waiting.popleft()
            event.synchronize()
            self._tick(pairs)

    def leave(self) -> None:
        """Count the last ones, which need not be waited for: whoever reads the result does."""
        self._tick(sum(pairs for _, pairs in self._waiting))
        self._waiting.clear()


def _planes(image: Array) -> Array:
    """Planes of an image; of a volume with the channels of a slice side by side."""
    return image if image.ndim == 3 else cupy.ascontiguousarray(interleaved(image))


def _bordered(planes: Array, tiling: Tiling) -> Array:
    """Key planes with the border of infinite pixels that a tiling asks for."""
    rows, columns = tiling.border
    if not columns:
        return planes
    count, height, width = planes.shape
    shape = (count, height + 2 * rows, width + 2 * columns)
    wide = cupy.full(shape, np.inf, dtype=np.float32)
    wide[:, rows : rows + height, columns : columns + width] = planes
    return wide


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
    best : (slabs, rows, columns) uint64
    first_row : int
        Row of the query patches that `best` begins with.
    first_index, index_stride : int
        See `SearchRequest`.
    """

    query: Array
    key: Array
    key_shape: tuple[int, ...]
    sides: tuple[int, ...]
    weight: Array | None
    active: Array | None
    busy: Array | None
    best: Array
    first_row: int
    first_index: int
    index_stride: int


def _parts(
    request: SearchRequest, planes: tuple[Array, Array], best: Array, first: int, busy: Array | None
) -> Iterator[_Part]:
    """The searches of a band: one in an image, and one in each slab of a volume."""
    (query, key), shape = planes, request.key.shape[-2:]
    sides, first_index, stride = request.sides, request.first_index, request.index_stride
    if len(sides) == 2:
        yield _Part(
            query, key, shape, sides, request.weight, request.active, busy, best[None], first,
            first_index, stride,
        )  # fmt: skip
        return
    (depth, *_), channels = sides, len(request.query)
    slice_stride = request.slice_stride or request.key.shape[2] * stride
    active = None if request.active is None else request.active[first : first + len(best)]
    for z in range(request.key_shape[0]):
        weight = None if request.weight is None else request.weight[z]
        yield _Part(
            query[first * channels :], key[z * channels : (z + depth) * channels], shape, sides,
            weight, active, busy, best, 0, first_index + z * slice_stride, stride,
        )  # fmt: skip


def _run_flat(
    file: str, name: str, options: tuple[str, ...], arguments: tuple[Any, ...], count: int
) -> None:
    """Run a kernel with one thread for each of a number of elements."""
    if count:
        blocks = -(-count // THREADS)
        _kernel(file, name, options)((blocks, 1, 1), (THREADS, 1, 1), (*arguments, np.int64(count)))


def _search(
    part: _Part, tiling: Tiling, options: tuple[str, ...], chunk: int, launches: _Launches
) -> None:
    """Lower the matches of a part by launches of many displacements."""
    slabs, rows, columns = part.best.shape
    *_, patch_rows, patch_columns = part.sides
    key_rows = part.key_shape[0] - patch_rows + 1
    key_columns = part.key_shape[1] - patch_columns + 1
    strips, chunks = -(-rows // tiling.strip), -(-columns // chunk)
    blocks = strips * -(-(columns + key_columns - 1) // THREADS)
    first_row, end_row = part.first_row, part.first_row + rows
    row_pairs = slabs * columns * key_columns
    pairs_per_dy = row_pairs * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS))
    # Where one displacement row is too much for a launch, its blocks are divided.
    blocks_per_launch = max(1, int(min(1.0, _PAIRS_PER_LAUNCH / pairs_per_dy) * blocks))
    kernel = _kernel("nearest.cu", "update_nearest", options)
    for first_dy in range(1 - end_row, key_rows - first_row, step):
        count = min(step, key_rows - first_row - first_dy)
        pairs = row_pairs * pairs_of_rows(first_row, end_row, key_rows, first_dy, first_dy + count)
        for first_block in range(0, blocks, blocks_per_launch):
            here = min(blocks_per_launch, blocks - first_block)
            kernel(
                (here, slabs * chunks, count), (THREADS, 1, 1),
                (part.query, *_numbers(part.query.shape[1:]), part.key, *_numbers(part.key_shape),
                 _pointer(part.weight), _pointer(part.active), _pointer(part.busy), part.best,
                 *_numbers((part.first_index, part.index_stride, first_dy, first_row, end_row,
                            chunk, strips, first_block))),
            )  # fmt: skip
            launches.add(pairs * (first_block + here) // blocks - pairs * first_block // blocks)


def _pointer(array: Array | None) -> Any:
    """Kernel argument for an array that may be missing."""
    return np.uint64(0) if array is None else array


def _busy(active: Array, strip: int, chunk: int) -> Array:
    """Parts (strip of rows, chunk of columns) that have an active query; (..., strips, chunks)."""
    *slabs, rows, columns = active.shape
    strips, chunks = -(-rows // strip), -(-columns // chunk)
    padded = cupy.zeros((*slabs, strips * strip, chunks * chunk), dtype=bool)
    padded[..., :rows, :columns] = active
    return padded.reshape(*slabs, strips, strip, chunks, chunk).any(axis=(-3, -1))


def _numbers(numbers: Sequence[int]) -> tuple[Any, ...]:
    """Kernel arguments for integers."""
    return tuple(map(np.int32, numbers))


def _image(planes: Array) -> tuple[Any, ...]:
    """Kernel arguments for an image, which is one slice deep, or a volume."""
    *depth, height, width = planes.shape[1:]
    return planes, *_numbers((*(depth or [1]), height, width))


def pair_sums(
    query: Array,
    key: Array,
    patch_size: PatchSize,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate one pair a thread; see `protocol.Engine.pair_sums`."""
    check_patch(patch_size)
    options = patchmatch_options(patch_sides(patch_size, query.ndim - 1), len(query), False)
    _run_flat(
        "patchmatch.cu", "pair_sums", options,
        (*_image(query), *_image(key), cupy.ascontiguousarray(query_number),
         cupy.ascontiguousarray(key_number), out), out.size,
    )  # fmt: skip


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work for one query patch a thread; see `protocol.Engine.patchmatch_pass`."""
    check_patch(request.patch_size)
    request = lifted_pass(request)
    *lines, columns = request.index.shape
    options = patchmatch_options(request.sides, len(request.query), request.bound is not None)
    _kernel("patchmatch.cu", "patchmatch_pass", options)(
        (math.prod(lines) * -(-columns // THREADS), 1, 1), (THREADS, 1, 1),
        (*_image(request.query), *_image(request.key), request.usable, request.index,
         request.sums, request.out_index, request.out_sums,
         *_numbers((request.step, request.radius, request.draws)), np.int64(request.stream),
         _pointer(request.bound), request.mean_factor, np.float32(request.alpha),
         _pointer(request.key_words), _pointer(request.active)),
    )  # fmt: skip
    tick(request.index.size)


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    options = patchmatch_options(2, 1, False)
    _run_flat("patchmatch.cu", "scatter_minimum", options, (words, places, values), places.size)


def vote(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    channels, *lines, width = out.shape
    sides = patch_sides(patch_size, index.ndim)
    given = (*_image(value), index, *_image(out)[1:], _pointer(active))
    options = vote_options(sides, channels)
    blocks = math.prod(lines) * -(-width // _VOTE_THREADS)
    if reduction != "mean":
        trimmed = np.int32(reduction == "trimmed_mean")
        _kernel("vote.cu", "vote_ranked", options)(
            (blocks, channels, 1), (_VOTE_THREADS, 1, 1), (*given, trimmed, out)
        )
        return
    table = cupy.asarray(weight_table(weight, sides))
    _kernel("vote.cu", "vote_mean", options)(
        (blocks, 1, 1), (_VOTE_THREADS, 1, 1), (*given, table, out)
    )
