"""The walk of queries through a tree of keys: what each box, leaf and key has to pass.

Nodes are visited nearest box first. A box, then a key by its coordinates, is passed over where its
bound is above the worst score listed, widened as `tree.bound_slack` says; what is left is summed in
the order that `protocol` fixes, so that scores and ties have the bits of any other search.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.candidate_list import aligned
from pnncupy.kernels.numba_cpu.compile import HELPERS_REVISION, compiled, inlined
from pnncupy.kernels.numba_cpu.search_tree.tree import BOX_AXES, FAN, LEAF, WIDENING
from pnncupy.kernels.numba_cpu.simd import (
    LANES,
    broadcast,
    less_lanes,
    load,
    lowest_bit,
    maximum,
    patch_sum,
    store,
)
from pnncupy.kernels.protocol import Array

# Nodes waiting to be visited: FAN of each level, for more levels than there can be.
_STACK = 256
_BOX_SIZE = BOX_AXES * 2 * FAN
# Coordinates after which most keys of a leaf are known to be too far.
_FIRST = 8
_WIDENED = np.float32(1 + WIDENING)
# They widen the limit of a sum for the rounding of its score, also below the smallest normal float.
_SCORE_WIDENING, _SMALLEST = np.float32(1 + 1e-5), np.float32(5e-45)
# Places of `counts`.
NODES, LEAVES, SUMS, LEFT = range(4)


@cache
def walk_kernel(
    sides: tuple[int, int],
    channels: int,
    length: int,
    weighted: bool,
    coordinate_count: int,
    volume: bool = False,
) -> Callable[..., None]:
    """Kernel of a walk for some query patches, for one patch shape, channel and list length.

    Images, coordinates and `weight` are flat; images have the length of a vector behind their last
    pixel; the coordinates begin with those of row `top`. A query that has taken `most_steps` is
    left where it is, and marked in `left`. `counts` is raised by the nodes and leaves visited, the
    sums formed and the queries left.

    Of a `volume` the query is one slab; keys are all its slabs, whose images follow each other, and
    `channels` the planes of a slab. A slice of the key is `slab_rows` rows of its planes, and keys
    of neighbouring slices are `slice_stride` apart in the indices.
    """
    revision = HELPERS_REVISION
    is_weighted, last = int(weighted), length - 1
    patch_rows, patch_columns = sides
    is_volume = int(volume)
    leaf_size = coordinate_count * LEAF

    @compiled
    def walk(
        query: Array, query_stride: int, query_plane: int, coordinates: Array, key: Array,
        key_stride: int, key_plane: int, key_rows: int, key_columns: int, boxes: Array,
        first_nodes: Array, leaves: Array, places: Array, weight: Array, key_weight: Array,
        node_weight: Array, slack: float, score: Array, index: Array, first_index: int,
        index_stride: int, slices: int, slab_rows: int, slice_stride: int, active: Array,
        any_key: bool, most_steps: int, left: Array, top: int, bottom: int, counts: Array,
    ) -> None:  # fmt: skip
        columns = score.shape[1]
        lanes = aligned(LANES + 0 * revision, np.float32(0))
        zero = aligned(LANES, np.float32(0))
        limits = np.zeros(1, np.float32)
        # Nodes to be visited, and keys to be compared.
        waiting, depth_of = np.empty(_STACK, np.int64), np.empty(_STACK, np.int64)
        bound_of = np.empty(_STACK, np.float32)
        trials, bound_of_trial = np.empty(LEAF, np.int64), np.empty(LEAF, np.float32)
        depth = len(first_nodes)
        nodes, visited, sums, given_up = 0, 0, 0, 0
        for y in range(top, bottom):
            for x in range(columns):
                if active.size > 0 and not active[y, x]:
                    continue
                place = y * query_stride + x
                at_query = ((y - top) * columns + x) * coordinate_count
                most = nodes + visited + sums + most_steps
                worst = score[y, x, last]
                limits[0] = worst * _WIDENED + slack
                # First the matches of the patches above and to the left, moved along.
                count = 0
                for side in range(2):
                    above, before = y - 1 + side, x - side
                    if above < top or before < 0 or index[above, before, 0] < first_index:
                        continue
                    number = np.int64(index[above, before, 0]) - first_index
                    key_z: Any = np.int64(0)
                    if is_volume:
                        key_z, number = number // slice_stride, number % slice_stride
                    row, column = number // index_stride + 1 - side, number % index_stride + side
                    if row < key_rows and column < key_columns and key_z < slices:
                        if is_volume:
                            row += key_z * slab_rows
                        trials[count], bound_of_trial[count] = row * key_stride + column, 0
                        count += 1
                waiting[0], depth_of[0], bound_of[0] = 0, 0, 0
                stacked = 1
                while True:
                    for trial in range(count):
                        if not bound_of_trial[trial] < limits[0]:
                            continue
                        row, column = trials[trial] // key_stride, trials[trial] % key_stride
                        patch_row = row
                        number = first_index + column
                        if is_volume:
                            key_z, row = row // slab_rows, row % slab_rows
                            patch_row = key_z * key_rows + row
                            number += key_z * slice_stride
                        number += row * index_stride
                        if worst == 0 and (any_key or number > index[y, x, last]):
                            continue
                        listed = False
                        for entry in range(length):
                            listed |= index[y, x, entry] == number
                        if listed:
                            continue
                        factor = weight[patch_row * key_columns + column] if is_weighted else worst
                        found = patch_sum(
                            query, place, query_stride, query_plane, key, trials[trial],
                            key_stride, key_plane, patch_rows, patch_columns, channels,
                            (worst + _SMALLEST) / factor * _SCORE_WIDENING
                            if is_weighted
                            else worst,
                        )  # fmt: skip
                        sums += 1
                        if is_weighted:
                            found = found * factor
                        if found < worst or (found == worst and number < index[y, x, last]):
                            insert(score[y, x], index[y, x], found, number)
                            worst = score[y, x, last]
                            limits[0] = worst * _WIDENED + slack
                    count = 0
                    if stacked == 0:
                        break
                    stacked -= 1
                    if bound_of[stacked] >= limits[0]:
                        continue
                    if any_key and worst == 0:
                        break
                    if nodes + visited + sums >= most:
                        left[y, x] = True
                        given_up += 1
                        break
                    level, node = depth_of[stacked], waiting[stacked]
                    if level < depth:
                        nodes += 1
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
                            store(lanes, 0, bound)
                            while bits != 0:
                                lane = lowest_bit(bits)
                                bits &= bits - 1
                                waiting[stacked] = (node - first_nodes[level]) * FAN + half + lane
                                depth_of[stacked] = level + 1
                                bound_of[stacked] = lanes[lane]
                                if lanes[lane] < nearest:
                                    nearest, nearest_at = lanes[lane], stacked
                                stacked += 1
                        if nearest_at >= 0:  # the nearest one is visited next
                            swap(waiting, stacked - 1, nearest_at)
                            swap(bound_of, stacked - 1, nearest_at)
                        continue
                    visited += 1
                    for half in range(0, LEAF, LANES):
                        at = node * leaf_size + half
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
                        for axis in range(_FIRST, coordinate_count):
                            difference = broadcast(coordinates, at_query + axis) - load(
                                leaves, at + axis * LEAF
                            )
                            bound = bound + difference * difference
                        if is_weighted:
                            bound = bound * load(key_weight, node * LEAF + half)
                        bits = less_lanes(bound, broadcast(limits, 0))
                        store(lanes, 0, bound)
                        while bits != 0:
                            lane = lowest_bit(bits)
                            bits &= bits - 1
                            trials[count] = places[node * LEAF + half + lane]
                            bound_of_trial[count] = lanes[lane]
                            count += 1
        counts[NODES] += nodes
        counts[LEAVES] += visited
        counts[SUMS] += sums
        counts[LEFT] += given_up

    return walk


@inlined
def insert(scores: Array, numbers: Array, found: Any, number: int) -> None:
    """Insert a key into a list in order of score, then number; the last one falls out."""
    place = len(scores) - 1
    while place > 0 and (
        scores[place - 1] > found or (scores[place - 1] == found and numbers[place - 1] > number)
    ):
        scores[place], numbers[place] = scores[place - 1], numbers[place - 1]
        place -= 1
    scores[place], numbers[place] = found, number


@inlined
def swap(values: Array, one: Any, other: Any) -> None:
    """Exchange two values of an array."""
    values[one], values[other] = values[other], values[one]
