"""Engine `cupy`: exact search and vote on a GPU, in CUDA kernels that CuPy compiles."""

from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.sources import (
    THREADS,
    check_limits,
    check_patch,
    nearest_options,
    patchmatch_options,
    strip_width,
    text,
    vote_options,
)
from pnncupy.kernels.protocol import Array, PassRequest, SearchRequest, Tick, refuse_lists
from pnncupy.kernels.slice_votes import add_slice_votes as add_slice_votes
from pnncupy.kernels.tiling import pairs_of_rows
from pnncupy.patch_shape import square_side

# Searches keep one key for each query: lists of them are not worth their registers here.
VOLUMES = False
SUPPORTS_TOP_K = False
TREE_AXES = ()
# A device holds some hundred thousand threads, and the coarse levels of an image have few patches.
QUERIES_PER_SEARCH = 1 << 20

# Query rows that a block walks down, so that small images make enough blocks too.
_CHUNK_ROWS = 64
# Pairs in one launch: well below a tenth of a second on a fast device, the time to react to an
# interruption, and below what a display's watchdog allows on a slow one.
_PAIRS_PER_LAUNCH = 2e10
# Launches that wait on the device while the host continues.
_LAUNCHES_AHEAD = 2
_VOTE_THREADS = 128
_MOST_BLOCKS_Z = 65535


@cache
def _module(file: str, options: tuple[str, ...]) -> Any:
    # CuPy loads a module again on each device that launches its kernels.
    return cupy.RawModule(code=text(file), options=options)


@cache
def _kernel(file: str, name: str, options: tuple[str, ...]) -> Any:
    return _module(file, options).get_function(name)


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search band by band of the query rows; see `protocol.Engine.update_nearest`.

    One band holds all rows where the device has the memory, 8 bytes for each query patch.
    """
    refuse_lists(request)
    channels, size, active = len(request.query), square_side(request.patch_size), request.active
    check_limits(size, channels)
    options = nearest_options(size, channels, request.weight is not None)
    rows = band = request.shape[0]
    first = 0
    while first < rows:
        end = min(first + band, rows)
        lists = request.score[first:end], request.index[first:end]
        try:
            best = cupy.empty(lists[0].shape[:2], np.uint64)
            busy = None if active is None else _busy(active[first:end], strip_width(size))
        except cupy.cuda.memory.OutOfMemoryError:
            if end - first == 1:
                raise
            band = (end - first) // 2
            continue
        _run_flat("nearest.cu", "pack_matches", options, (*lists, best), best.size)
        _search(request, options, best, first, busy, tick)
        _run_flat("nearest.cu", "unpack_matches", options, (best, *lists), best.size)
        first = end
        del best, busy


def _run_flat(
    file: str, name: str, options: tuple[str, ...], arguments: tuple[Any, ...], count: int
) -> None:
    """Run a kernel with one thread for each of a number of elements."""
    if count:
        blocks = -(-count // THREADS)
        _kernel(file, name, options)((blocks, 1, 1), (THREADS, 1, 1), (*arguments, np.int64(count)))


def _search(
    request: SearchRequest,
    options: tuple[str, ...],
    best: Array,
    first_row: int,
    busy: Array | None,
    tick: Tick,
) -> None:
    """Lower the matches of a band of query rows by launches of many displacements."""
    rows, columns = best.shape
    key_rows, key_columns = request.key_shape
    strip = strip_width(request.patch_size)
    strips = -(-columns // strip)
    blocks = strips * -(-(key_columns + strip - 1) // THREADS)
    end_row = first_row + rows
    pairs_per_dy = columns * key_columns * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS_Z))
    # Where one displacement row is too much for a launch, its blocks are divided.
    blocks_per_launch = max(1, int(min(1.0, _PAIRS_PER_LAUNCH / pairs_per_dy) * blocks))
    kernel = _kernel("nearest.cu", "update_nearest", options)
    waiting: deque[tuple[Any, int]] = deque()
    for first_dy in range(1 - end_row, key_rows - first_row, step):
        count = min(step, key_rows - first_row - first_dy)
        row_pairs = pairs_of_rows(first_row, end_row, key_rows, first_dy, first_dy + count)
        pairs = row_pairs * columns * key_columns
        for first_block in range(0, blocks, blocks_per_launch):
            here = min(blocks_per_launch, blocks - first_block)
            kernel(
                (here, -(-rows // _CHUNK_ROWS), count), (THREADS, 1, 1),
                (*_image(request.query), *_image(request.key), _pointer(request.weight),
                 _pointer(request.active), _pointer(busy), best, np.int32(request.first_index),
                 np.int32(request.index_stride), np.int32(first_dy), np.int32(first_row),
                 np.int32(end_row), np.int32(_CHUNK_ROWS), np.int32(strips),
                 np.int32(first_block)),
            )  # fmt: skip
            event = cupy.cuda.Event()
            event.record()
            done = pairs * (first_block + here) // blocks - pairs * first_block // blocks
            waiting.append((event, done))
            while len(waiting) > _LAUNCHES_AHEAD:
                _finish(waiting.popleft(), tick)
    # The last ones need not be waited for: whoever reads the result does.
    tick(sum(pairs for _, pairs in waiting))


def _finish(launch: tuple[Any, int], tick: Tick) -> None:
    event, pairs = launch
    event.synchronize()
    tick(pairs)


def _pointer(array: Array | None) -> Any:
    """Kernel argument for an array that may be missing."""
    return np.uint64(0) if array is None else array


def _busy(active: Array, strip: int) -> Array:
    """Parts (chunk of rows, strip of columns) that have an active query; (chunks, strips)."""
    chunks, strips = -(-active.shape[0] // _CHUNK_ROWS), -(-active.shape[1] // strip)
    padded = cupy.zeros((chunks * _CHUNK_ROWS, strips * strip), dtype=bool)
    padded[: active.shape[0], : active.shape[1]] = active
    return padded.reshape(chunks, _CHUNK_ROWS, strips, strip).any(axis=(1, 3))


def pair_sums(
    query: Array,
    key: Array,
    patch_size: int,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate one pair a thread; see `protocol.Engine.pair_sums`."""
    size = square_side(patch_size)
    check_patch(size)
    options = patchmatch_options(size, len(query), False)
    _run_flat(
        "patchmatch.cu", "pair_sums", options,
        (*_image(query), *_image(key), cupy.ascontiguousarray(query_number),
         cupy.ascontiguousarray(key_number), out), out.size,
    )  # fmt: skip


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work for one query patch a thread; see `protocol.Engine.patchmatch_pass`."""
    size = square_side(request.patch_size)
    check_patch(size)
    rows, columns = request.index.shape
    options = patchmatch_options(size, len(request.query), request.bound is not None)
    _kernel("patchmatch.cu", "patchmatch_pass", options)(
        (rows * -(-columns // THREADS), 1, 1), (THREADS, 1, 1),
        (*_image(request.query), *_image(request.key), request.usable, request.index,
         request.sums, request.out_index, request.out_sums, np.int32(request.step),
         np.int32(request.radius), np.int32(request.draws), np.int64(request.stream),
         _pointer(request.bound), request.mean_factor, np.float32(request.alpha),
         _pointer(request.key_words), _pointer(request.active)),
    )  # fmt: skip
    tick(request.index.size)


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    options = patchmatch_options(2, 1, False)
    _run_flat("patchmatch.cu", "scatter_minimum", options, (words, places, values), places.size)


def _image(planes: Array) -> tuple[Any, ...]:
    """Kernel arguments for an image."""
    return planes, np.int32(planes.shape[1]), np.int32(planes.shape[2])


def vote(
    value: Array,
    index: Array,
    patch_size: int,
    reduction: str,
    weight: Sequence[float] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    channels, height, width = out.shape
    given = (value, np.int32(value.shape[1]), np.int32(value.shape[2]), index, np.int32(height),
             np.int32(width), _pointer(active))  # fmt: skip
    options = vote_options(patch_size, channels)
    columns = -(-width // _VOTE_THREADS)
    if reduction != "mean":
        trimmed = np.int32(reduction == "trimmed_mean")
        _kernel("vote.cu", "vote_ranked", options)(
            (columns * height, channels, 1), (_VOTE_THREADS, 1, 1), (*given, trimmed, out)
        )
        return
    side = np.asarray(weight, np.float32)
    table = cupy.asarray(side[:, None] * side[None, :])
    _kernel("vote.cu", "vote_mean", options)(
        (columns * height, 1, 1), (_VOTE_THREADS, 1, 1), (*given, table, out)
    )
