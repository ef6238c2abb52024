"""Engine `cupy`: exact search and vote on a GPU, in CUDA kernels that CuPy compiles."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.sources import (
    STEP_LENGTH,
    THREADS,
    check_limits,
    check_patch,
    nearest_options,
    patchmatch_options,
    step_options,
    strip_width,
    text,
    vote_options,
)
from pnncupy.kernels.protocol import (
    Array,
    PassRequest,
    SearchRequest,
    StepRequest,
    Tick,
)
from pnncupy.kernels.slabs import interleaved, lifted_pass, weight_table
from pnncupy.kernels.slice_votes import add_slice_votes as add_slice_votes
from pnncupy.kernels.tiling import pairs_of_rows
from pnncupy.patch_shape import PatchSize, patch_sides

SUPPORTS_TOP_K = True
# Fewer are compared in less time than the host needs to direct the proofs.
LEAST_PAIRS_FOR_LISTS = 1e9
TREE_AXES = ()
STEPS_ON_DEVICE = True
# A device holds some hundred thousand threads, and the coarse levels of an image have few patches.
QUERIES_PER_SEARCH = 1 << 20

# Query rows that a block walks down, so that small images make enough blocks too.
_CHUNK_ROWS = 64
# Pairs in one launch: well below a tenth of a second on a fast device, the time to react to an
# interruption, and below what a display's watchdog allows on a slow one.
_PAIRS_PER_LAUNCH = 2e10
# Launches of so many pairs that wait on the device while the host continues.
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
    place of the lists.
    """
    channels, size, active = len(request.query), request.sides, request.active
    check_limits(request.patch_size, channels)
    options = nearest_options(
        size, channels, request.weight is not None, request.score.shape[-1],
        request.key_score is not None,
    )  # fmt: skip
    key_best = _words(request.key_score, request.key_index, options)
    length, band = request.shape[0], _slabs_of_launch(request)
    planes = _planes(request.query), _planes(request.key)
    launches = _Launches(tick)
    first = 0
    while first < length:
        end = min(first + band, length)
        lists = request.score[first:end], request.index[first:end]
        try:
            best = _words(*lists, options)
            busy = None if active is None else _busy(active[first:end], strip_width(size))
        except cupy.cuda.memory.OutOfMemoryError:
            if end - first == 1:
                raise
            band = (end - first) // 2
            continue
        for part in _parts(request, planes, best, first, busy, key_best):
            _search(part, options, launches)
        _run_flat("nearest.cu", "unpack_matches", options, (best, *lists), best.size)
        first = end
        del best, busy
    if key_best is not None:
        learnt = request.key_score, request.key_index
        _run_flat("nearest.cu", "unpack_matches", options, (key_best, *learnt), key_best.size)
    launches.leave()


def _words(score: Array | None, index: Array | None, options: tuple[str, ...]) -> Array | None:
    """Scores and what has them as words; None where there are none."""
    if score is None:
        return None
    words = cupy.empty(score.shape, np.uint64)
    _run_flat("nearest.cu", "pack_matches", options, (score, index, words), words.size)
    return words


def _slabs_of_launch(request: SearchRequest) -> int:
    """Slabs of a volume that the second axis of a grid has blocks for; of an image all rows."""
    length, *rows = request.shape[:-1]
    return max(1, min(length, _MOST_BLOCKS // -(-rows[0] // _CHUNK_ROWS))) if rows else length


class _Launches:
    """Launches on the device, which does little more than the host has counted."""

    def __init__(self, tick: Tick):
        self._tick = tick
        self._waiting: deque[tuple[Any, int]] = deque()
        self._pairs = 0

    def add(self, pairs: int) -> None:
        """Count the launch just made, and wait where too much is still to be done."""
        event = cupy.cuda.Event()
        event.record()
        self._waiting.append((event, pairs))
        self._pairs += pairs
        while self._pairs > _LAUNCHES_AHEAD * _PAIRS_PER_LAUNCH:
            event, done = self._waiting.popleft()
            event.synchronize()
            self._pairs -= done
            self._tick(done)

    def leave(self) -> None:
        """Count the last ones, which need not be waited for: whoever reads the result does."""
        self._tick(self._pairs)
        self._waiting.clear()
        self._pairs = 0


def _planes(image: Array) -> Array:
    """Planes of an image; of a volume with the channels of a slice side by side."""
    return image if image.ndim == 3 else cupy.ascontiguousarray(interleaved(image))


@dataclass(frozen=True)
class _Part:
    """The search of a band of query rows, or of slabs of a volume, in an image or a slab.

    Attributes
    ----------
    query, key : (planes, rows, columns) float32
    sides : tuple of int
    weight : (rows, columns) float32 or None
    active, busy : (slabs, rows, columns) and (slabs, chunks, strips) bool, or None
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
    key_best: Array | None = None,
) -> Iterator[_Part]:
    """The searches of a band: one in an image, and one in each slab of a volume."""
    query, key = planes
    sides, first_index, stride = request.sides, request.first_index, request.index_stride
    if len(sides) == 2:
        yield _Part(
            query, key, sides, request.weight, request.active, busy, best[None], key_best, first,
            0, first_index, stride,
        )  # fmt: skip
        return
    (depth, *_), channels = sides, len(request.query)
    slice_stride = request.slice_stride or request.key.shape[2] * stride
    active = None if request.active is None else request.active[first : first + len(best)]
    for z in range(request.key_shape[0]):
        weight = None if request.weight is None else request.weight[z]
        yield _Part(
            query[first * channels :], key[z * channels : (z + depth) * channels], sides, weight,
            active, busy, best, None if key_best is None else key_best[z], 0,
            first * query[0].size, first_index + z * slice_stride, stride,
        )  # fmt: skip


def _run_flat(
    file: str, name: str, options: tuple[str, ...], arguments: tuple[Any, ...], count: int
) -> None:
    """Run a kernel with one thread for each of a number of elements."""
    if count:
        blocks = -(-count // THREADS)
        _kernel(file, name, options)((blocks, 1, 1), (THREADS, 1, 1), (*arguments, np.int64(count)))


def _search(part: _Part, options: tuple[str, ...], launches: _Launches) -> None:
    """Lower the matches of a part by launches of many displacements."""
    slabs, rows, columns, _ = part.best.shape
    *_, patch_rows, patch_columns = part.sides
    key_rows = part.key.shape[1] - patch_rows + 1
    key_columns = part.key.shape[2] - patch_columns + 1
    strip = strip_width(part.sides)
    strips = -(-columns // strip)
    blocks = strips * -(-(key_columns + strip - 1) // THREADS)
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
                (here, slabs * -(-rows // _CHUNK_ROWS), count), (THREADS, 1, 1),
                (part.query, *_numbers(part.query.shape[1:]), part.key,
                 *_numbers(part.key.shape[1:]), _pointer(part.weight), _pointer(part.active),
                 _pointer(part.busy), part.best, _pointer(part.key_best),
                 *_numbers((part.first_index, part.index_stride, part.first_query, first_dy,
                            first_row, end_row, _CHUNK_ROWS, strips, first_block))),
            )  # fmt: skip
            launches.add(pairs * (first_block + here) // blocks - pairs * first_block // blocks)


class DeviceSteps:
    """Searches that follow each other on the device; see `protocol.StepSearch`."""

    def __init__(self, request: StepRequest, tick: Tick):
        self._request = request
        self._keys = [_planes(key) for key in request.keys]
        self._launches = _Launches(tick)
        # Until the first query the number of its patches is not known.
        self._query: Array | None = None
        self._state: tuple[Array, ...] = ()
        self._active: Array = None
        self._busy: Array = None
        self._missing: Array = None

    def search(self, query: Array) -> Array:
        """Search what changed since the last query; see `protocol.StepSearch.search`."""
        request = self._request
        sides, channels = patch_sides(request.patch_size, query.ndim - 1), len(query)
        if self._query is None:
            self._begin(query, sides)
        options, count = step_options(sides, channels), self._active.size
        lists, *_ = self._state
        _run_flat(
            "steps.cu", "begin_step", options,
            (*_image(query), *_image(request.canvas), _pointer(self._query),
             _pointer(request.needed), *self._state, self._active, self._busy,
             *_numbers((_CHUNK_ROWS, strip_width(sides)))),
            count,
        )  # fmt: skip
        planes = _planes(query)
        for key, of_key, first_index in zip(
            request.keys, self._keys, request.first_indices, strict=True
        ):
            whole = SearchRequest(
                query, key, request.patch_size, None, lists, lists,
                request.index_stride, first_index, self._active,
                slice_stride=request.slice_stride,
            )  # fmt: skip
            self._compare(whole, (planes, of_key))
        index = cupy.empty(self._active.shape, np.int32)
        _run_flat(
            "steps.cu", "end_step", options,
            (*self._state, self._active, index, self._missing, self._busy,
             np.int64(self._busy.size)),
            count,
        )  # fmt: skip
        self._query = query
        return index

    def missing(self) -> bool:
        """Test whether a key was missing; see `protocol.StepSearch.missing`."""
        self._launches.leave()
        return self._missing is not None and bool(self._missing[0])

    def _begin(self, query: Array, sides: tuple[int, ...]) -> None:
        check_limits(self._request.patch_size, len(query))
        *slabs, rows, columns = (
            pixels - side + 1 for pixels, side in zip(query.shape[1:], sides, strict=True)
        )
        shape = (*slabs, rows, columns)
        kinds = np.int32, np.float32, np.float32
        self._state = (
            cupy.empty((*shape, STEP_LENGTH), np.uint64),
            *(cupy.empty(shape, kind) for kind in kinds),
        )
        self._active = cupy.empty(shape, np.uint8)
        parts = (*slabs, -(-rows // _CHUNK_ROWS), -(-columns // strip_width(sides)))
        self._busy, self._missing = cupy.zeros(parts, np.uint8), cupy.zeros(1, np.int32)

    def _compare(self, request: SearchRequest, planes: tuple[Array, Array]) -> None:
        """Lower the matches of the active patches to the best of one key image."""
        options = nearest_options(request.sides, len(request.query), False, STEP_LENGTH)
        length = len(request.score)
        band = _slabs_of_launch(request)
        for first in range(0, length, band):
            here = slice(first, first + band)
            for part in _parts(request, planes, request.score[here], first, self._busy[here]):
                _search(part, options, self._launches)


def step_search(request: StepRequest, *, tick: Tick) -> DeviceSteps:
    """Begin searches that follow each other; see `protocol.Engine.step_search`."""
    return DeviceSteps(request, tick)


def _pointer(array: Array | None) -> Any:
    """Kernel argument for an array that may be missing."""
    return np.uint64(0) if array is None else array


def _busy(active: Array, strip: int) -> Array:
    """Parts (chunk of rows, strip of columns) that have an active query; (..., chunks, strips)."""
    *slabs, rows, columns = active.shape
    chunks, strips = -(-rows // _CHUNK_ROWS), -(-columns // strip)
    padded = cupy.zeros((*slabs, chunks * _CHUNK_ROWS, strips * strip), dtype=bool)
    padded[..., :rows, :columns] = active
    return padded.reshape(*slabs, chunks, _CHUNK_ROWS, strips, strip).any(axis=(-3, -1))


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
    _vote(value, index[None], patch_size, reduction, weight, out[None], active, None)


def vote_step(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    last: tuple[Array, Array] | None,
) -> Array:
    """Gather pixel by pixel of all images; see `protocol.Engine.vote_step`."""
    sides = patch_sides(patch_size, index.ndim - 1)
    shape = (count + side - 1 for count, side in zip(index.shape[1:], sides, strict=True))
    out = cupy.empty((len(index), len(value), *shape), np.float32)
    _vote(value, index, patch_size, reduction, weight, out, None, last)
    return out


def _vote(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    out: Array,
    active: Array | None,
    last: tuple[Array, Array] | None,
) -> None:
    """Vote for a batch of images (B, C, ...) by one launch; see `protocol.Engine.vote_step`."""
    count, channels, *lines, width = out.shape
    sides = patch_sides(patch_size, index.ndim - 1)
    given = (
        *_image(value), index, *_image(out[0])[1:], _pointer(active),
        *map(_pointer, last or (None, None)),
    )  # fmt: skip
    options = vote_options(sides, channels)
    blocks = math.prod(lines) * -(-width // _VOTE_THREADS)
    if reduction != "mean":
        trimmed = np.int32(reduction == "trimmed_mean")
        _kernel("vote.cu", "vote_ranked", options)(
            (blocks, count * channels, 1), (_VOTE_THREADS, 1, 1), (*given, trimmed, out)
        )
        return
    assert weight is not None
    each = tuple(each if isinstance(each, float) else tuple(each) for each in weight)
    table = _weights(cupy.cuda.Device().id, each, sides)
    _kernel("vote.cu", "vote_mean", options)(
        (blocks, count, 1), (_VOTE_THREADS, 1, 1), (*given, table, out)
    )


@lru_cache(maxsize=16)
def _weights(device: int, weight: Any, sides: tuple[int, ...]) -> Array:
    """Weights of all pixels of a patch, on a device."""
    return cupy.asarray(weight_table(weight, sides))
