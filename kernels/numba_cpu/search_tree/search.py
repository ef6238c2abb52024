"""Searches through a tree of keys, and the counts that say what one would cost."""

from collections.abc import Iterator
from dataclasses import dataclass
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
from pnncupy.kernels.tiling import run

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
        Without `key_score`. Query patches with infinite pixels are not searched. Lists hold
        different keys, or limits and -1 where none is known; of equal keys the one of lowest flat
        index wins, also over those known.
    any_key : bool, default False
        Of equal keys any one will do, so that nothing is compared once a distance is 0.
    most_steps : float, optional
        Steps after which a query is left as it is, and marked in `left`, bool (HQ-p+1, WQ-p+1).
    threads, tick
        As in `protocol.Engine.update_nearest`.
    """
    query, score, weight = request.query, request.score, request.weight
    size, channels = tree.patch_size, len(query)
    rows, columns = request.shape
    active = _searched(query, size, request.active)
    of_keys, of_nodes, heaviest = _NO_WEIGHT, _NO_WEIGHT, 1.0
    if weight is not None:
        of_keys, of_nodes = node_weights(tree, weight)
        heaviest = float(of_keys[: tree.size].max())
    left = np.zeros((rows, columns), np.bool_) if left is None else left
    most = _NO_LIMIT if most_steps is None else max(1, int(most_steps))
    tail = np.zeros(-(-size // LANES) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, tree.key))
    key_height, key_width = tree.key.shape[1:]
    kernel = walk_kernel(size, channels, score.shape[2], weight is not None, tree.axes.coordinates)
    found = [np.zeros(4, np.int64)]

    def band(top: int) -> Iterator[int]:
        bottom = min(top + _ROWS_PER_STEP, rows)
        if active is not None and not active[top:bottom].any():
            return
        own, radius = coordinates(query, tree.axes, (top, bottom), active)
        counts = np.zeros(4, np.int64)
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2], own.ravel(),
            flat_key, key_width, key_height * key_width, key_height - size + 1,
            key_width - size + 1, tree.boxes.ravel(), tree.first_nodes, tree.leaves.ravel(),
            tree.places, _NO_WEIGHT if weight is None else weight.ravel(), of_keys, of_nodes,
            _above(bound_slack(tree, radius, channels) * heaviest), score, request.index,
            request.first_index, request.index_stride, _NO_MASK if active is None else active,
            any_key, most, left, top, bottom, counts,
        )  # fmt: skip
        found.append(counts)
        yield (bottom - top) * columns * tree.size

    run(map(band, range(0, rows, _ROWS_PER_STEP)), threads, tick)
    queries = rows * columns if active is None else int(active.sum())
    nodes, leaves, sums, gave_up = np.sum(found, axis=0).tolist()
    return Counts(nodes, leaves, sums, gave_up, queries)


def _searched(query: Array, patch_size: int, active: Array | None) -> Array | None:
    """Return which of the active patches are finite, None for all."""
    if np.isfinite(query).all():
        return active
    usable = usable_patches(query, patch_size)
    return usable if active is None else usable & active


def _above(value: float) -> Any:
    """Return a float that is not below a number; infinite above the largest one."""
    with np.errstate(over="ignore"):
        return np.nextafter(np.float32(value), np.float32(np.inf))
