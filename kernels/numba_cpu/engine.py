"""Engine `numba`: exact search and vote on the CPU, compiled, vectorised and on all cores."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from pnncupy.kernels.numba_cpu.nearest import nearest_kernel, tile_width
from pnncupy.kernels.numba_cpu.padding import left_padding, pad
from pnncupy.kernels.numba_cpu.pair_sums import pair_sums
from pnncupy.kernels.numba_cpu.patchmatch import patchmatch_pass, scatter_minimum
from pnncupy.kernels.numba_cpu.search_tree.projection import AXES
from pnncupy.kernels.numba_cpu.search_tree.search import search as search_tree
from pnncupy.kernels.numba_cpu.search_tree.tree import build as build_tree
from pnncupy.kernels.numba_cpu.sparse_queries import bound_slack, patch_sums, sparse_kernel
from pnncupy.kernels.numba_cpu.vote import vote
from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.tiling import Tile, divide, pairs_of_rows, run

__all__ = [
    "QUERIES_PER_SEARCH",
    "SUPPORTS_TOP_K",
    "TREE_AXES",
    "build_tree",
    "pair_sums",
    "patchmatch_pass",
    "scatter_minimum",
    "search_tree",
    "update_nearest",
    "vote",
]  # fmt: skip

SUPPORTS_TOP_K = True
TREE_AXES = (AXES, AXES // 2)
QUERIES_PER_SEARCH = 1

# Pairs in one step of a tile: at most some hundredths of a second, the time to react to an
# interruption; and small enough for all threads to end at about the same time.
_MOST_PAIRS_PER_STEP = 1e8
_STEPS_PER_THREAD = 32
# The same for separate patches, whose pairs cost more.
_SPARSE_PAIRS_PER_STEP = 1e7
_SPARSE_PER_JOB = 64

_NO_MASK = np.empty((0, 0), np.bool_)
_NO_WEIGHT = np.empty(0, np.float32)
_NO_MATCH = np.empty(0, np.int32)


def update_nearest(
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
    """Search tile by tile; see `protocol.Engine.update_nearest`."""
    key_rows, key_columns = (side - patch_size + 1 for side in key.shape[1:])
    padded = pad(key, key.shape, patch_size, np.inf)
    # Whatever the weight of infinite distances is, they never win.
    weights = _NO_WEIGHT if weight is None else pad(weight[None], key.shape, patch_size, np.inf)
    boxes, places = divide(score.shape[:2], active, tile_width(patch_size), threads, patch_size)
    # One copy of the keys' bests for each thread.
    bests = deque(
        _padded_bests(key_score, key_index, key.shape, patch_size) for _ in range(threads)
    )
    kernel = nearest_kernel(patch_size, key.shape[0], weight is not None, key_score is not None)
    pairs_per_step = min(
        _MOST_PAIRS_PER_STEP,
        score.shape[0] * score.shape[1] * key_rows * key_columns / (_STEPS_PER_THREAD * threads),
    )

    def search(tile: Tile) -> Iterator[int]:
        top, bottom, left, right = tile
        patches = (bottom - top) * (right - left)
        step = max(1, int(pairs_per_step / (patches * key_columns)))
        for first_dy in range(1 - bottom, key_rows - top, step):
            end_dy = min(first_dy + step, key_rows - top)
            key_best, key_match = bests.popleft()
            kernel(
                query, padded.ravel(), key_rows, key_columns, padded.shape[2],
                padded.shape[1] * padded.shape[2], weights.ravel(), score, index,
                key_best.ravel(), key_match.ravel(), first_index, index_stride,
                _NO_MASK if active is None else active, top, bottom, left, right, first_dy, end_dy,
            )  # fmt: skip
            bests.append((key_best, key_match))
            row_pairs = pairs_of_rows(top, bottom, key_rows, first_dy, end_dy)
            yield row_pairs * (right - left) * key_columns

    jobs = list(map(search, boxes))
    if places.size:
        jobs += _sparse_jobs(query, key, patch_size, weight, padded, weights, score, index,
                             first_index, index_stride, places)  # fmt: skip
    run(jobs, threads, tick)
    if key_score is not None and key_index is not None:
        left = left_padding(patch_size)
        inside = (0, slice(key_rows), slice(left, left + key_columns))
        for key_best, key_match in bests:
            better = key_best[inside] < key_score
            np.copyto(key_score, key_best[inside], where=better)
            np.copyto(key_index, key_match[inside], where=better)


def _sparse_jobs(
    query: Array,
    key: Array,
    patch_size: int,
    weight: Array | None,
    padded: Array,
    weights: Array,
    score: Array,
    index: Array,
    first_index: int,
    index_stride: int,
    places: Array,
) -> list[Iterator[int]]:
    """The search of separate query patches, a batch of them for each job."""
    key_rows, key_columns = (side - patch_size + 1 for side in key.shape[1:])
    query_sums = np.empty((len(query), *score.shape[:2]), np.float32)
    key_sums = np.empty((len(key), key_rows, key_columns), np.float32)
    patch_sums(query, patch_size, query_sums)
    patch_sums(key, patch_size, key_sums)
    slack = bound_slack(query_sums, key_sums, weight)
    padded_sums = pad(key_sums, key.shape, patch_size, np.inf)
    kernel = sparse_kernel(patch_size, len(key), weight is not None)

    def search(some: Array) -> Iterator[int]:
        step = max(1, int(_SPARSE_PAIRS_PER_STEP / (len(some) * key_columns)))
        for row in range(0, key_rows, step):
            end = min(row + step, key_rows)
            kernel(
                query, query_sums, padded.ravel(), padded_sums.ravel(), key_columns,
                padded.shape[2], padded.shape[1] * padded.shape[2],
                padded_sums.shape[1] * padded_sums.shape[2], weights.ravel(), slack, score, index,
                first_index, index_stride, some, row, end,
            )  # fmt: skip
            yield len(some) * (end - row) * key_columns

    return [
        search(places[first : first + _SPARSE_PER_JOB])
        for first in range(0, len(places), _SPARSE_PER_JOB)
    ]


def _padded_bests(
    key_score: Array | None, key_index: Array | None, key_shape: tuple[int, ...], patch_size: int
) -> tuple[Array, Array]:
    """Padded copies of the keys' best sums and queries; nothing is found in the padding."""
    if key_score is None or key_index is None:
        return _NO_WEIGHT, _NO_MATCH
    return (
        pad(key_score[None], key_shape, patch_size, -np.inf),
        pad(key_index[None], key_shape, patch_size, -1),
    )
