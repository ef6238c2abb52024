"""Exact search of all pairs: the query patches in tiles, or one by one where few are active."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pnncupy.kernels.numba_cpu.padding import left_padding, pad
from pnncupy.kernels.numba_cpu.sparse_queries import bound_slack, patch_sums, sparse_kernel
from pnncupy.kernels.numba_cpu.tile_search import nearest_kernel, tile_width
from pnncupy.kernels.protocol import Array, SearchRequest, Tick
from pnncupy.kernels.slabs import in_slabs, search_slabs
from pnncupy.kernels.tiling import Tile, divide, pairs_of_rows, run

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


@dataclass(frozen=True)
class _PaddedKeys:
    """The keys of a request as the kernels read them.

    Attributes
    ----------
    pixels : (C, rows, columns) float32
        The key image, infinite around it.
    weights : (1, rows, columns) float32, or (0,)
        Factors of the key patches. Whatever those of the padding are, it never wins.
    """

    pixels: Array
    weights: Array

    @classmethod
    def of(cls, request: SearchRequest) -> "_PaddedKeys":
        key, columns = request.key, request.sides[-1]
        weights = _NO_WEIGHT
        if request.weight is not None:
            weights = pad(request.weight[None], key.shape, columns, np.inf)
        return cls(pad(key, key.shape, columns, np.inf), weights)

    @property
    def stride(self) -> int:
        """Pixels from one row to the next."""
        return int(self.pixels.shape[2])

    @property
    def plane(self) -> int:
        """Pixels from one channel to the next."""
        return int(self.pixels.shape[1]) * self.stride


def update_nearest(request: SearchRequest, *, threads: int, tick: Tick) -> None:
    """Search tile by tile; see `protocol.Engine.update_nearest`."""
    if in_slabs(request):
        search_slabs(update_nearest, request, threads, tick)
        return
    patch_rows, patch_columns = request.sides
    keys = _PaddedKeys.of(request)
    rows, columns = request.shape
    tiles, places = divide(
        (rows, columns), request.active, tile_width(patch_columns), threads,
        max(patch_rows, patch_columns),
    )  # fmt: skip
    # One copy of the keys' bests for each thread.
    bests = deque(_padded_bests(request) for _ in range(threads))
    jobs = _tile_jobs(request, keys, tiles, bests, threads)
    if places.size:
        jobs += _sparse_jobs(request, keys, places)
    run(jobs, threads, tick)
    _merge_bests(request, bests)


def _tile_jobs(
    request: SearchRequest,
    keys: _PaddedKeys,
    tiles: Sequence[Tile],
    bests: deque[tuple[Array, Array]],
    threads: int,
) -> list[Iterator[int]]:
    """The search of whole tiles, in steps of some displacements."""
    (rows, columns), (key_rows, key_columns) = request.shape, request.key_shape
    kernel = nearest_kernel(
        *request.sides, len(request.key), request.weight is not None,
        request.key_score is not None,
    )  # fmt: skip
    active = _NO_MASK if request.active is None else request.active
    pairs = rows * columns * key_rows * key_columns
    most = min(_MOST_PAIRS_PER_STEP, pairs / (_STEPS_PER_THREAD * threads))

    def search(tile: Tile) -> Iterator[int]:
        top, bottom, left, right = tile
        step = max(1, int(most / ((bottom - top) * (right - left) * key_columns)))
        for first_dy in range(1 - bottom, key_rows - top, step):
            end_dy = min(first_dy + step, key_rows - top)
            key_best, key_match = bests.popleft()
            kernel(
                request.query, keys.pixels.ravel(), key_rows, key_columns, keys.stride, keys.plane,
                keys.weights.ravel(), request.score, request.index, key_best.ravel(),
                key_match.ravel(), request.first_index, request.index_stride, active, top, bottom,
                left, right, first_dy, end_dy,
            )  # fmt: skip
            bests.append((key_best, key_match))
            row_pairs = pairs_of_rows(top, bottom, key_rows, first_dy, end_dy)
            yield row_pairs * (right - left) * key_columns

    return list(map(search, tiles))


def _sparse_jobs(request: SearchRequest, keys: _PaddedKeys, places: Array) -> list[Iterator[int]]:
    """The search of separate query patches, a batch of them for each job."""
    query, key, (patch_rows, patch_columns) = request.query, request.key, request.sides
    root = math.sqrt(patch_rows * patch_columns)
    key_rows, key_columns = request.key_shape
    query_sums = np.empty((len(query), *request.shape), np.float32)
    key_sums = np.empty((len(key), key_rows, key_columns), np.float32)
    patch_sums(query, patch_rows, patch_columns, root, query_sums)
    patch_sums(key, patch_rows, patch_columns, root, key_sums)
    slack = bound_slack(query_sums, key_sums, request.weight)
    sums = pad(key_sums, key.shape, patch_columns, np.inf)
    kernel = sparse_kernel(patch_rows, patch_columns, len(key), request.weight is not None)

    def search(some: Array) -> Iterator[int]:
        step = max(1, int(_SPARSE_PAIRS_PER_STEP / (len(some) * key_columns)))
        for row in range(0, key_rows, step):
            end = min(row + step, key_rows)
            kernel(
                query, query_sums, keys.pixels.ravel(), sums.ravel(), key_columns, keys.stride,
                keys.plane, sums.shape[1] * sums.shape[2], keys.weights.ravel(), slack,
                request.score, request.index, request.first_index, request.index_stride, some, row,
                end,
            )  # fmt: skip
            yield len(some) * (end - row) * key_columns

    return [
        search(places[first : first + _SPARSE_PER_JOB])
        for first in range(0, len(places), _SPARSE_PER_JOB)
    ]


def _padded_bests(request: SearchRequest) -> tuple[Array, Array]:
    """Padded copies of the keys' best sums and queries; nothing is found in the padding."""
    if request.key_score is None or request.key_index is None:
        return _NO_WEIGHT, _NO_MATCH
    shape, size = request.key.shape, request.sides[-1]
    return (
        pad(request.key_score[None], shape, size, -np.inf),
        pad(request.key_index[None], shape, size, -1),
    )


def _merge_bests(request: SearchRequest, bests: Iterable[tuple[Array, Array]]) -> None:
    """Lower the keys' best sums and queries to those that the threads have found."""
    if request.key_score is None or request.key_index is None:
        return
    rows, columns = request.key_shape
    left = left_padding(request.sides[-1])
    inside = (0, slice(rows), slice(left, left + columns))
    for key_best, key_match in bests:
        better = key_best[inside] < request.key_score
        np.copyto(request.key_score, key_best[inside], where=better)
        np.copyto(request.key_index, key_match[inside], where=better)
