"""Searches through a tree of keys, and the counts that say what one would cost."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pnncupy.kernels.protocol import Array, Tick
from pnncupy.kernels.search_tree.projection import coordinates
from pnncupy.kernels.search_tree.tree import Tree, bound_slack, node_weights
from pnncupy.kernels.search_tree.walk import walk_kernel
from pnncupy.kernels.simd import LANES
from pnncupy.kernels.tiling import run

_ROWS_PER_STEP = 8
_SAMPLE = 256
_NO_MASK = np.empty((0, 0), np.bool_)
_NO_WEIGHT = np.empty(0, np.float32)


class Counts(NamedTuple):
    """Work of a search: nodes and leaves visited, sums formed, and queries searched."""

    nodes: int
    leaves: int
    sums: int
    queries: int

    @property
    def cost(self) -> float:
        """Steps a query, a sum counted twice: each some 20 to 40 nanoseconds."""
        return (self.nodes + self.leaves + 2 * self.sums) / max(1, self.queries)


def search(
    tree: Tree,
    query: Array,
    score: Array,
    index: Array,
    *,
    weight: Array | None = None,
    first_index: int = 0,
    index_stride: int,
    active: Array | None = None,
    any_key: bool = False,
    propagate: bool = True,
    threads: int,
    tick: Tick = lambda pairs: None,
) -> Counts:
    """Lower `score` and `index` of each query patch to its best key, in place.

    Parameters
    ----------
    tree : Tree
    query : (C, HQ, WQ) float32
    score, index : (HQ-p+1, WQ-p+1) float32 and int32
        The best key so far and its score; a limit and -1 where none is known. Of equal keys the
        one of lowest number wins, also over the one that is known.
    weight : (HK-p+1, WK-p+1) float32 or None
        Factor of each key patch.
    first_index, index_stride, active, threads, tick
        As in `protocol.Engine.lower_nearest`.
    any_key : bool, default False
        Of equal keys any one will do, so that nothing is compared once a distance is 0.
    propagate : bool, default True
        Try the matches of the patches above and to the left first.
    """
    size, channels = tree.patch_size, len(query)
    rows, columns = score.shape
    own = coordinates(query, tree.axes, size, threads, active)
    slack = bound_slack(tree, own if active is None else own[active], channels)
    of_keys, of_nodes = _NO_WEIGHT, _NO_WEIGHT
    if weight is not None:
        of_keys, of_nodes = node_weights(tree, weight)
        slack *= float(weight.ravel()[tree.order].max())
    tail = np.zeros(-(-size // LANES) * LANES, np.float32)
    flat_query, flat_key = (np.concatenate([image.ravel(), tail]) for image in (query, tree.key))
    key_height, key_width = tree.key.shape[1:]
    kernel = walk_kernel(size, channels, weight is not None)
    found = []

    def band(top: int) -> Iterator[int]:
        bottom = min(top + _ROWS_PER_STEP, rows)
        counts = np.zeros(3, np.int64)
        kernel(
            flat_query, query.shape[2], query.shape[1] * query.shape[2], own.ravel(),
            flat_key, key_width, key_height * key_width, key_height - size + 1,
            key_width - size + 1, tree.boxes.ravel(), tree.first_nodes, tree.leaves.ravel(),
            tree.places, _NO_WEIGHT if weight is None else weight.ravel(), of_keys, of_nodes,
            np.float32(slack), score, index, first_index, index_stride,
            _NO_MASK if active is None else active, propagate, any_key, top, bottom, counts,
        )  # fmt: skip
        found.append(counts)
        yield (bottom - top) * columns * tree.size

    run(map(band, range(0, rows, _ROWS_PER_STEP)), threads, tick)
    queries = score.size if active is None else int(active.sum())
    nodes, leaves, sums = np.sum(found, axis=0).tolist()
    return Counts(nodes, leaves, sums, queries)
