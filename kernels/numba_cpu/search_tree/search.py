"""Searches through a tree of keys, and the counts that say what one would cost."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.search_tree.projection import coordinates
from pnncupy.kernels.numba_cpu.search_tree.tree import (
    Tree,
    bound_slack,
    node_weights,
    usable_patches,
)
from pnncupy.kernels.numba_cpu.search_tree.walk import walk_kernel
from pnncupy.kernels.numba_cpu.simd import LANES
from pnncupy.kernels.protocol import Array, SearchRequest, Tick
from pnncupy.kernels.slabs import interleaved, volume_of, volume_sides
from pnncupy.kernels.tiling import run
from pnncupy.patch_shape import PatchSize

_ROWS_PER_STEP = 8
_NO_MASK = np.empty((0, 0), np.bool_)
_NO_WEIGHT = np.empty(0, np.float32)
_NO_LIMIT = np.iinfo(np.int64).max >> 1


@dataclass
class Counts:
    """Work of a search: nodes and leaves visited, sums formed, queries searched, and some left."""

    nodes: int
    leaves: int
    sums: int
    left: int
    queries: int

    @property
    def steps(self) -> float:
        """Steps a query: each takes about as long as the others."""
        return (self.nodes + self.leaves + self.sums) / max(1, self.queries)


def search(
    tree: Tree,
    request: SearchRequest,
    *,
    any_key: bool = False,
    most_steps: float | None = None,
    left: Array | None = None,
    threads: int,
    tick: Tick = lambda pairs: None,
) -> Counts:
    """Lower `score` and `index` of each query patch to its best keys, in place.

    Parameters
    ----------
    tree : Tree
        Of the key of the request.
    request : SearchRequest
        Without `key_score`, of images or volumes. Query patches with infinite pixels are not
        searched. Lists hold different keys, or limits and -1 where none is known; of equal keys the
        one of lowest flat index wins, also over those known.
    any_key : bool, default False
        Of equal keys any one will do, so that nothing is compared once a distance is 0.
    most_steps : float, optional
        Steps after which a query is left as it is, and marked in `left`, bool (HQ-p+1, WQ-p+1).
    threads, tick
        As in `protocol.Engine.update_nearest`.
    """
    query, score, weight = request.query, request.score, request.weight
    depth, patch_rows, patch_columns = volume_sides(tree.patch_size, query.ndim - 1)
    planes, is_volume = depth * len(query), query.ndim == 4
    active = _searched(query, tree.patch_size, request.active)
    of_keys, of_nodes, heaviest = _NO_WEIGHT, _NO_WEIGHT, 1.0
    if weight is not None:
        of_keys, of_nodes = node_weights(tree, weight)
        heaviest = float(of_keys[: tree.size].max())
    left = np.zeros(request.shape, np.bool_) if left is None else left
    most = _NO_LIMIT if most_steps is None else max(1, int(most_steps))
    tail = np.zeros(-(-patch_columns // LANES) * LANES, np.float32)
    query_planes, key_planes = (interleaved(volume_of(image)) for image in (query, tree.key))
    flat_query, flat_key = (
        np.concatenate([image.ravel(), tail]) for image in (query_planes, key_planes)
    )
    *_, height, width = query_planes.shape
    *_, key_height, key_width = key_planes.shape
    slices, *key_grid = volume_of(tree.usable()[None])[0].shape
    kernel = walk_kernel(
        (patch_rows, patch_columns), planes, score.shape[-1], weight is not None,
        tree.axes.coordinates, is_volume,
    )  # fmt: skip
    slice_stride = request.slice_stride or key_height * request.index_stride
    depth_of_query, rows, columns = volume_of(left[None])[0].shape
    scores, indices, lefts = (
        field.reshape(depth_of_query, *field.shape[is_volume:])
        for field in (score, request.index, left)
    )
    actives = None if active is None else active.reshape(lefts.shape)
    found = [np.zeros(4, np.int64)]

    def band(place: tuple[int, int]) -> Iterator[int]:
        z, top = place
        bottom = min(top + _ROWS_PER_STEP, rows)
        own_active = None if actives is None else actives[z]
        if own_active is not None and not own_active[top:bottom].any():
            return
        first = z * len(query)
        own, radius = coordinates(
            query_planes[first : first + planes], tree.axes, (top, bottom), own_active
        )
        counts = np.zeros(4, np.int64)
        kernel(
            flat_query[first * height * width :], width, height * width, own.ravel(),
            flat_key, key_width, key_height * key_width, *key_grid, tree.boxes.ravel(),
            tree.first_nodes, tree.leaves.ravel(), tree.places,
            _NO_WEIGHT if weight is None else weight.ravel(), of_keys, of_nodes,
            _above(bound_slack(tree, radius, len(query)) * heaviest), scores[z], indices[z],
            request.first_index, request.index_stride, slices, len(query) * key_height,
            slice_stride, _NO_MASK if own_active is None else own_active, any_key, most, lefts[z],
            top, bottom, counts,
        )  # fmt: skip
        found.append(counts)
        yield (bottom - top) * columns * tree.size

    places = product(range(depth_of_query), range(0, rows, _ROWS_PER_STEP))
    run(map(band, places), threads, tick)
    queries = math.prod(request.shape) if active is None else int(active.sum())
    nodes, leaves, sums, gave_up = np.sum(found, axis=0).tolist()
    return Counts(nodes, leaves, sums, gave_up, queries)


def _searched(query: Array, patch_size: PatchSize, active: Array | None) -> Array | None:
    """Return which of the active patches are finite, None for all."""
    if np.isfinite(query).all():
        return active
    usable = usable_patches(query, patch_size)
    return usable if active is None else usable & active


def _above(value: float) -> Any:
    """Return a float that is not below a number; infinite above the largest one."""
    with np.errstate(over="ignore"):
        return np.nextafter(np.float32(value), np.float32(np.inf))
