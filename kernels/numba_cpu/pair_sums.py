"""Distances of given pairs of patches, for engine `numba`."""

import operator
from collections.abc import Callable
from functools import cache

import numpy as np

from pnncupy.kernels.numba_cpu.candidate_list import aligned
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.simd import LANES, load, store, sum_of_stored
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.slabs import addresses, interleaved, is_volume, volume_of, volume_sides
from pnncupy.kernels.sum_order import tree_sum
from pnncupy.kernels.tiling import run_all
from pnncupy.patch_shape import PatchSize

_PAIRS_PER_STEP = 20_000


# Sum of the first values of an array, which are used up.
_sum = inlined(tree_sum(operator.add))


@cache
def pair_kernel(patch_rows: int, patch_columns: int, channels: int) -> Callable[..., None]:
    """Kernel for one patch shape and channel count; lanes are the columns of a patch.

    Images are flat, with a vector's length behind their last pixel.
    """
    blocks = -(-patch_columns // LANES)
    revision = HELPERS_REVISION

    @compiled
    def sum_pairs(
        query: Array, query_stride: int, query_plane: int, key: Array, key_stride: int,
        key_plane: int, query_number: Array, key_number: Array, out: Array, first: int, end: int,
    ) -> None:  # fmt: skip
        rows = aligned(patch_rows * LANES + 0 * revision, np.float32(0))
        columns = aligned(blocks * LANES, np.float32(0))
        for pair in range(first, end):
            for block in range(0, blocks * LANES, LANES):
                place, key_place = query_number[pair] + block, key_number[pair] + block
                for y in range(patch_rows):
                    difference = load(query, place) - load(key, key_place)
                    value = difference * difference
                    for channel in range(1, channels):
                        difference = load(query, place + channel * query_plane) - load(
                            key, key_place + channel * key_plane
                        )
                        value = value + difference * difference
                    store(rows, y * LANES, value)
                    place += query_stride
                    key_place += key_stride
                store(columns, block, sum_of_stored(rows, 0, patch_rows))
            out[pair] = _sum(columns, patch_columns)

    return sum_pairs


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
    """Evaluate pair by pair; see `protocol.Engine.pair_sums`."""
    depth, rows, columns = volume_sides(patch_size, query.ndim - 1)
    planes = depth * len(key)
    if is_volume(query, patch_size):
        query, key = volume_of(query), volume_of(key)
        query_number, key_number = addresses(query_number, query), addresses(key_number, key)
        query, key = interleaved(query), interleaved(key)
    kernel = pair_kernel(rows, columns, planes)
    tail = np.zeros(-(-columns // LANES) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, key))

    def work(start: int) -> None:
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2],
            flat_key, key.shape[2], key.shape[1] * key.shape[2],
            query_number, key_number, out, start, min(start + _PAIRS_PER_STEP, len(out)),
        )  # fmt: skip

    run_all(work, range(0, len(out), _PAIRS_PER_STEP), threads)
