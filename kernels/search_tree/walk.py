"""The walk of queries through a tree of keys: what each box, leaf and key has to pass.

Nodes are visited nearest box first. A box, then a key by its coordinates, is passed over where its
bound is above the best score so far, widened as `tree.bound_slack` says; what is left is summed in
the order that `protocol` fixes, so that scores and ties have the bits of any other search.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit

from pnncupy.kernels.compiling import HELPERS_REVISION, compiled
from pnncupy.kernels.numba_lists import aligned
from pnncupy.kernels.search_tree.projection import COORDINATES
from pnncupy.kernels.search_tree.tree import BOX_AXES, FAN, LEAF, WIDENING
from pnncupy.kernels.simd import (
    LANES,
    broadcast,
    less_lanes,
    load,
    lowest_bit,
    maximum,
    patch_sum,
    store,
)

# Nodes waiting to be visited: FAN of each level, for more levels than there can be.
_STACK = 256
_BOX_SIZE = BOX_AXES * 2 * FAN
_LEAF_SIZE = COORDINATES * LEAF
# Coordinates after which most keys of a leaf are known to be too far.
_FIRST = 8
_WIDENED = np.float32(1 + WIDENING)
# Widens the limit of a sum for the rounding of its score.
_SCORE_WIDENING = np.float32(1 + 1e-5)


@cache
def walk_kernel(patch_size: int, channels: int, weighted: bool) -> Callable[..., None]:
    """Kernel of a walk for some query patches, for one patch size and channel count.

    Images and coordinates are flat; images have the length of a vector behind their last pixel.
    `counts` is raised by the nodes and leaves visited and the sums formed.
    """
    revision = HELPERS_REVISION
    is_weighted = int(weighted)

    @compiled
    def walk(
        query, query_stride, query_plane, coordinates, key, key_stride, key_plane, key_rows,
        key_columns, boxes, first_nodes, leaves, places, weight, key_weight, node_weight, slack,
        score, index, first_index, index_stride, active, propagate, any_key, top, bottom, counts,
    ):  # fmt: skip
        columns = score.shape[1]
        lanes = aligned(LANES + 0 * revision, np.float32(0))
        zero = aligned(LANES, np.float32(0))
        limits = np.zeros(1, np.float32)
        waiting = np.empty(_STACK, np.int64)
        depth_of = np.empty(_STACK, np.int64)
        bound_of = np.empty(_STACK, np.float32)
        depth = len(first_nodes)
        for y in range(top, bottom):
            for x in range(columns):
                if active.size > 0 and not active[y, x]:
                    continue
                place = y * query_stride + x
                at_query = (y * columns + x) * COORDINATES
                best, best_key = score[y, x], np.int64(index[y, x])
                if propagate:
                    # The matches of the patches above and to the left, moved along.
                    for side in range(2):
                        above, left = (y - 1, x) if side == 0 else (y, x - 1)
                        if above < top or left < 0 or index[above, left] < first_index:
                            continue
                        number = np.int64(index[above, left]) - first_index
                        row = number // index_stride + (1 if side == 0 else 0)
                        column = number % index_stride + (0 if side == 0 else 1)
                        if row >= key_rows or column >= key_columns:
                            continue
                        number = first_index + row * index_stride + column
                        if number == best_key:
                            continue
                        factor = weight[row * key_columns + column] if is_weighted else best
                        cap = best / factor * _SCORE_WIDENING if is_weighted else best
                        found = patch_sum(
                            query, place, query_stride, query_plane, key,
                            row * key_stride + column, key_stride, key_plane, patch_size, channels,
                            cap,
                        )  # fmt: skip
                        if is_weighted:
                            found = found * factor
                        counts[2] += 1
                        if found < best or (found == best and number < best_key):
                            best, best_key = found, number
                limits[0] = best * _WIDENED + slack
                waiting[0], depth_of[0], bound_of[0] = 0, 0, 0
                top_of = 1
                while top_of > 0:
                    top_of -= 1
                    if bound_of[top_of] >= limits[0]:
                        continue
                    if any_key and best == 0:
                        break
                    level, node = depth_of[top_of], waiting[top_of]
                    if level < depth:
                        counts[0] += 1
                        node += first_nodes[level]
                        at = node * _BOX_SIZE
                        nearest, nearest_at = np.float32(np.inf), -1
                        for half in range(0, FAN, LANES):
                            bound = load(zero, 0)
                            for axis in range(BOX_AXES):
                                value = broadcast(coordinates, at_query + axis)
                                low = load(boxes, at + 2 * axis * FAN + half)
                                high = load(boxes, at + (2 * axis + 1) * FAN + half)
                                outside = maximum(maximum(low - value, value - high), load(zero, 0))
                                bound = bound + outside * outside
                            if is_weighted:
                                bound = bound * load(node_weight, node * FAN + half)
                            bits = less_lanes(bound, broadcast(limits, 0))
                            if bits == 0:
                                continue
                            store(lanes, 0, bound)
                            while bits != 0:
                                lane = lowest_bit(bits)
                                bits &= bits - 1
                                waiting[top_of] = waiting_number(
                                    node - first_nodes[level], half + lane
                                )
                                depth_of[top_of] = level + 1
                                bound_of[top_of] = lanes[lane]
                                if lanes[lane] < nearest:
                                    nearest, nearest_at = lanes[lane], top_of
                                top_of += 1
                        if nearest_at >= 0:  # the nearest one is visited next
                            last = top_of - 1
                            swap(waiting, last, nearest_at)
                            swap(bound_of, last, nearest_at)
                        continue
                    counts[1] += 1
                    for half in range(0, LEAF, LANES):
                        at = node * _LEAF_SIZE + half
                        difference = broadcast(coordinates, at_query) - load(leaves, at)
                        bound = difference * difference
                        for axis in range(1, _FIRST):
                            difference = broadcast(coordinates, at_query + axis) - load(
                                leaves, at + axis * LEAF
                            )
                            bound = bound + difference * difference
                        so_far = bound
                        if is_weighted:
                            so_far = so_far * load(key_weight, node * LEAF + half)
                        if less_lanes(so_far, broadcast(limits, 0)) == 0:
                            continue
                        for axis in range(_FIRST, COORDINATES):
                            difference = broadcast(coordinates, at_query + axis) - load(
                                leaves, at + axis * LEAF
                            )
                            bound = bound + difference * difference
                        if is_weighted:
                            bound = bound * load(key_weight, node * LEAF + half)
                        bits = less_lanes(bound, broadcast(limits, 0))
                        if bits == 0:
                            continue
                        store(lanes, 0, bound)
                        while bits != 0:
                            lane = lowest_bit(bits)
                            bits &= bits - 1
                            if not lanes[lane] < limits[0]:
                                continue
                            key_place = np.int64(places[node * LEAF + half + lane])
                            row, column = key_place // key_stride, key_place % key_stride
                            number = first_index + row * index_stride + column
                            if number == best_key or (best == 0 and (any_key or number > best_key)):
                                continue
                            factor = key_weight[node * LEAF + half + lane] if is_weighted else best
                            cap = best / factor * _SCORE_WIDENING if is_weighted else best
                            found = patch_sum(
                                query, place, query_stride, query_plane, key, key_place,
                                key_stride, key_plane, patch_size, channels, cap,
                            )  # fmt: skip
                            if is_weighted:
                                found = found * factor
                            counts[2] += 1
                            if found < best or (found == best and number < best_key):
                                best, best_key = found, number
                                limits[0] = best * _WIDENED + slack
                score[y, x], index[y, x] = best, best_key

    return walk


@njit(nogil=True)
def waiting_number(node, child):
    """Number of a child in its level."""
    return node * FAN + child


@njit(nogil=True)
def swap(values, one, other):
    """Exchange two values of an array."""
    values[one], values[other] = values[other], values[one]
