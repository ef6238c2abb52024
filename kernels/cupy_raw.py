"""Engine `cupy`: exact search and vote on a GPU, in CUDA kernels that CuPy compiles."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cuda_source import (
    THREADS,
    check_limits,
    nearest_options,
    strip_width,
    text,
    vote_options,
)
from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.tiling import pairs_of_rows

# Searches keep one key for each query: lists of them are not worth their registers here.
LISTS = False

_WARP = 32
# Query rows that a block walks down, so that small images make enough blocks too.
_CHUNK_ROWS = 64
# Pairs in one launch: well below a tenth of a second on a fast device, the time to react to an
# interruption, and below what a display's watchdog allows on a slow one.
_PAIRS_PER_LAUNCH = 2e10
# Launches that wait on the device while the host goes on.
_LAUNCHES_AHEAD = 2
_VOTE_THREADS = 128
_MOST_BLOCKS_Z = 65535


@cache
def _kernel(file: str, name: str, options: tuple[str, ...]) -> Any:
    # CuPy loads a module anew on each device that launches it.
    return cupy.RawModule(code=text(file), options=options).get_function(name)


def lower_nearest(
    query: Array,
    key: Array,
    patch_size: int,
    weight: Array | None,
    score: Array,
    index: Array,
    *,
    key_score: Array | None = None,
    key_index: Array | None = None,
    first_index: int,
    index_stride: int,
    active: Array | None,
    threads: int,
    tick: Tick,
) -> None:
    """Search by launches of many displacements; see `protocol.Engine.lower_nearest`."""
    channels, height, width = query.shape
    check_limits(patch_size, channels)
    key_height, key_width = key.shape[1:]
    rows, columns = score.shape[:2]
    key_rows, key_columns = key_height - patch_size + 1, key_width - patch_size + 1
    strip = strip_width(patch_size)
    strips = -(-columns // strip)
    chunk_rows = min(rows, _CHUNK_ROWS)
    chunks = -(-rows // chunk_rows)
    block, dx_blocks = _blocks(key_columns + strip - 1)
    best = _with_room(lambda: _pack(score[..., 0], index[..., 0]), 24 * rows * columns)
    busy = None if active is None else _busy(active, chunks, chunk_rows, strips, strip)
    kernel = _kernel(
        "nearest.cu", "lower_nearest", nearest_options(patch_size, channels, weight is not None)
    )
    pairs_per_dy = columns * key_columns * min(rows, key_rows)
    step = int(min(max(1, _PAIRS_PER_LAUNCH // pairs_per_dy), _MOST_BLOCKS_Z))
    # Where one displacement row is too much for a launch, its blocks are divided.
    blocks = strips * dx_blocks
    blocks_per_launch = max(1, int(min(1.0, _PAIRS_PER_LAUNCH / pairs_per_dy) * blocks))
    waiting: deque[tuple[Any, int]] = deque()
    for first_dy in range(1 - rows, key_rows, step):
        count = min(step, key_rows - first_dy)
        row_pairs = pairs_of_rows(0, rows, key_rows, first_dy, first_dy + count)
        pairs = row_pairs * columns * key_columns
        for first_block in range(0, blocks, blocks_per_launch):
            here = min(blocks_per_launch, blocks - first_block)
            kernel(
                (here, chunks, count), (block, 1, 1),
                (query, np.int32(height), np.int32(width), key, np.int32(key_height),
                 np.int32(key_width), _pointer(weight), _pointer(active), _pointer(busy), best,
                 np.int32(first_index), np.int32(index_stride), np.int32(first_dy),
                 np.int32(chunk_rows), np.int32(strips), np.int32(first_block)),
            )  # fmt: skip
            event = cupy.cuda.Event()
            event.record()
            done = pairs * (first_block + here) // blocks - pairs * first_block // blocks
            waiting.append((event, done))
            while len(waiting) > _LAUNCHES_AHEAD:
                _finish(waiting.popleft(), tick)
    # The last ones need not be waited for: whoever reads the result does.
    tick(sum(pairs for _, pairs in waiting))
    _unpack(best, score[..., 0], index[..., 0])


def _with_room(work: Callable[[], Array], size: int) -> Array:
    """Do what allocates `size` bytes on the device; again after giving back what is idle there."""
    out_of_memory = cupy.cuda.memory.OutOfMemoryError
    try:
        return work()
    except out_of_memory:
        cupy.get_default_memory_pool().free_all_blocks()
    try:
        return work()
    except out_of_memory as error:
        raise MemoryError(
            f"the search needs {size / 2**20:.1f} MB of device memory beside its images; free "
            "arrays on the device, or use smaller images"
        ) from error


def _finish(launch: tuple[Any, int], tick: Tick) -> None:
    event, pairs = launch
    event.synchronize()
    tick(pairs)


def _blocks(displacements: int) -> tuple[int, int]:
    """Threads of a block and number of blocks, with as few idle threads as possible."""
    warps = -(-displacements // _WARP)
    blocks = -(-warps * _WARP // THREADS)
    return -(-warps // blocks) * _WARP, blocks


def _pointer(array: Array | None) -> Any:
    """What a kernel takes for an array that may be missing."""
    return np.uint64(0) if array is None else array


def _busy(active: Array, chunks: int, chunk_rows: int, strips: int, strip: int) -> Array:
    """Which part of (chunk of rows, strip of columns) has an active query; (chunks, strips)."""
    padded = cupy.zeros((chunks * chunk_rows, strips * strip), dtype=bool)
    padded[: active.shape[0], : active.shape[1]] = active
    return padded.reshape(chunks, chunk_rows, strips, strip).any(axis=(1, 3))


def _pack(score: Array, index: Array) -> Array:
    """Score and key in one word that orders by score, then key; as `packed` in sums.cuh."""
    high = cupy.ascontiguousarray(score).view(np.uint32).astype(np.uint64)
    return (high << np.uint64(32)) | (index + np.int32(1)).astype(np.uint64)


def _unpack(best: Array, score: Array, index: Array) -> None:
    score[...] = (best >> np.uint64(32)).astype(np.uint32).view(np.float32)
    index[...] = (best & np.uint64(0xFFFFFFFF)).astype(np.int32) - np.int32(1)


def vote(
    value: Array,
    index: Array,
    index_stride: int,
    patch_size: int,
    weight: Sequence[float] | None,
    out: Array,
    *,
    threads: int,
) -> None:
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    channels, height, width = out.shape
    shape = (np.int32(value.shape[1]), np.int32(value.shape[2]), index, np.int32(index_stride),
             np.int32(height), np.int32(width))  # fmt: skip
    options = vote_options(patch_size, channels)
    columns = -(-width // _VOTE_THREADS)
    if weight is None:
        _kernel("vote.cu", "vote_median", options)(
            (columns, height, channels), (_VOTE_THREADS, 1, 1), (value, *shape, out)
        )
        return
    side = np.asarray(weight, np.float32)
    table = cupy.asarray(side[:, None] * side[None, :])
    _kernel("vote.cu", "vote_mean", options)(
        (columns, height, 1), (_VOTE_THREADS, 1, 1), (value, *shape, table, out)
    )
