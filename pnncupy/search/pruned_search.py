"""Exact search by pruning, where a tree of the keys saves comparisons.

A tree leaves most queries a few keys to compare where patches are smooth or differ much. Where
noise fills every box, comparing all pairs is faster. A sample of the queries, counted and never
timed, decides between the two; and a query that takes too many steps is compared with all keys. The
result has the same bits in each case.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pnncupy.arrays import Array
from pnncupy.engine.interface import Engine, SearchRequest, Tick
from pnncupy.patch_shape import PatchSize
from pnncupy.search.patch_grid import PatchGrid

# Searches of fewer pairs end before a tree is built.
LEAST_PAIRS = 2e6
# Pairs that are compared in the time of one step through a tree.
_PAIRS_A_STEP = 100
# Largest cost of a tree as a share of that of comparing all pairs: of a search; of one query, which
# is compared with all keys at several times the cost of one among many; and of one in a sample.
_MOST_OF_SEARCH, _MOST_OF_QUERY, _MOST_IN_SAMPLE = 0.7, 10, 2.5
# Largest share of queries that give up.
_MOST_LEFT = 0.1
# Queries in a sample: one in this number, within limits.
_ONE_OF, _FEWEST, _MOST = 64, 32, 256
# Side of the part of an image from which costs are estimated.
_MIDDLE, _MIDDLE_OF_VOLUME = 384, 48
_LAST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class PairSearch:
    """Search of one query image in one key image; see `kernels.protocol.Engine.update_nearest`.

    Attributes
    ----------
    engine, patch_size, threads, tick
        How to search.
    query, key : (C, HQ, WQ) and (C, HK, WK) float32
    index_stride, first_index, slice_stride : int
    weight : (HK-p+1, WK-p+1) float32 or None
        The same for keys with the same pixels.
    active : (HQ-p+1, WQ-p+1) bool or None
    any_key : bool
        Of equal keys any one will do.
    axes : int or None
        Axes of the tree; 0 builds none, None has as many as the engine is fastest with.
    """

    engine: Engine
    patch_size: PatchSize
    threads: int
    tick: Tick
    query: Array
    key: Array
    index_stride: int
    first_index: int = 0
    weight: Array | None = None
    active: Array | None = None
    any_key: bool = False
    axes: int | None = None
    slice_stride: int = 0

    @property
    def _axes(self) -> int:
        """The number of axes; 0 without a tree."""
        fastest = (*self.engine.TREE_AXES, 0)[0]
        return fastest if self.axes is None else min(self.axes, fastest)

    @property
    def worth_trying(self) -> bool:
        """Test whether there may be a tree, and the images are large enough for one."""
        images = self.query, self.key
        pairs = math.prod(PatchGrid.of(image, self.patch_size).count for image in images)
        return bool(self._axes) and pairs >= LEAST_PAIRS

    def lower(self, score: Array, index: Array, tree: Any = None) -> None:
        """Lower lists through a tree where it saves time, else by comparing all pairs.

        `tree` is that of the keys, or None to build it.
        """
        if self.worth_trying:
            if tree is None:
                tree = self.built(distinct=score.shape[2] == 1)
            if tree is not None and self.pays(tree, score, index):
                self.prune(tree, score, index)
                return
        self._compare(self.active, score, index)

    def built(self, *, distinct: bool) -> Any:
        """Build the tree of the keys; see `kernels.protocol.Engine.build_tree`."""
        return self.engine.build_tree(
            self.key, self.patch_size, self.threads, distinct=distinct, count=self._axes
        )

    def pays(self, tree: Any, score: Array, index: Array, share: float = 1.0) -> bool:
        """Estimate from a sample of the queries whether a tree saves time.

        The other search would compare `share` of all pairs. The sample is scattered and cannot
        begin with the matches of neighbours, so that it takes more steps than a search.
        """
        counts = self.sampled(tree, score, index)
        queries = math.prod(score.shape[:-1])
        searched = queries if self.active is None else np.count_nonzero(self.active)
        steps = counts.steps * searched / queries
        return bool(
            steps * _PAIRS_A_STEP <= _MOST_OF_SEARCH * share * tree.size
            and counts.left <= _MOST_LEFT * counts.queries
        )

    def sampled(self, tree: Any, score: Array, index: Array) -> Any:
        """Return the counts of a sample of the queries; the lists stay as they are."""
        queries = math.prod(score.shape[:-1])
        places = np.arange(queries) if self.active is None else np.flatnonzero(self.active)
        count = min(len(places), max(_FEWEST, min(_MOST, len(places) // _ONE_OF)))
        sample = np.zeros(queries, np.bool_)
        sample[np.random.default_rng(0).choice(places, count, replace=False)] = True
        search = replace(self, active=sample.reshape(score.shape[:-1]), tick=lambda pairs: None)
        return search._walk(tree, score.copy(), index.copy(), _MOST_IN_SAMPLE)[0]

    def prune(self, tree: Any, score: Array, index: Array) -> None:
        """Lower lists through a tree; compare where a query takes too many steps."""
        counts, left = self._walk(tree, score, index, _MOST_OF_QUERY)
        if counts.left:
            self._compare_again(left, score, index)

    def _walk(self, tree: Any, score: Array, index: Array, most: float) -> tuple[Any, Array]:
        """Walk through a tree; return the counts, and which queries took too many steps."""
        left = np.zeros(score.shape[:-1], np.bool_)
        counts = self.engine.search_tree(
            tree, self._request(self.active, score, index), any_key=self.any_key,
            most_steps=most * tree.size / _PAIRS_A_STEP, left=left, threads=self.threads,
            tick=self.tick,
        )  # fmt: skip
        return counts, left

    def _compare(self, active: Array | None, score: Array, index: Array) -> None:
        request = self._request(active, score, index)
        self.engine.update_nearest(request, threads=self.threads, tick=self.tick)

    def _request(self, active: Array | None, score: Array, index: Array) -> SearchRequest:
        return SearchRequest(
            self.query, self.key, self.patch_size, self.weight, score, index, self.index_stride,
            self.first_index, active, slice_stride=self.slice_stride,
        )  # fmt: skip

    def _compare_again(self, left: Array, score: Array, index: Array) -> None:
        """Compare some queries with all keys, and keep the best of old and new lists."""
        known, of_known = score[left], index[left]
        worst = known[:, -1:]
        # An equal key of lower flat index replaces a key, but not a mere limit.
        above = np.nextafter(worst, np.float32(np.inf))
        score[left] = np.where(of_known[:, -1:] < 0, worst, above)
        index[left] = -1
        self._compare(left, score, index)
        score[left], index[left] = _merged(known, of_known, score[left], index[left])


def expected_steps(
    engine: Engine,
    key: Array,
    patch_size: PatchSize,
    threads: int,
    query: Array | None = None,
    usable: Array | None = None,
) -> float:
    """Estimate the steps a query through a tree of the keys, from the middle of the images.

    Infinite where the engine has no trees, many queries take too many, or no key is `usable` there,
    bool (H, W). Without `query`, the keys averaged with their neighbours are searched: as smooth as
    what a vote makes.
    """
    if not engine.TREE_AXES:
        return math.inf
    key = _middle(key)
    if usable is not None:
        key = np.where(_middle(usable[None]) > 0, key, np.float32(np.inf))
    query = (key + np.roll(key, 1, axis=2)) / np.float32(2) if query is None else _middle(query)
    pair = PairSearch(engine, patch_size, threads, lambda pairs: None, query, key, key.shape[-1])
    tree = pair.built(distinct=True)
    if tree is None:
        return math.inf
    shape = (*PatchGrid.of(query, patch_size).shape, 1)
    score, index = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
    counts = pair.sampled(tree, score, index)
    return math.inf if counts.left > _MOST_LEFT * counts.queries else float(counts.steps)


def _middle(image: Array) -> Array:
    """Return the middle of an image, as much as tells something of the whole."""
    longest = _MIDDLE if image.ndim == 3 else _MIDDLE_OF_VOLUME
    first = [max(0, side - longest) // 2 for side in image.shape[1:]]
    middle = (slice(start, start + longest) for start in first)
    return np.ascontiguousarray(image[(slice(None), *middle)], np.float32)


def _merged(
    score: Array, index: Array, other_score: Array, other_index: Array
) -> tuple[Array, Array]:
    """Merge lists (n, k) of keys, in order of score, then number; each key once."""
    length = score.shape[1]
    again = (index[:, :, None] == other_index[:, None, :]).any(axis=2) & (index >= 0)
    scores = np.concatenate([np.where(again, np.float32(np.inf), score), other_score], axis=1)
    numbers = np.concatenate([np.where(again, -1, index), other_index], axis=1)
    numbers = np.where(numbers < 0, _LAST, numbers)
    order = np.lexsort((numbers, scores), axis=-1)[:, :length]
    numbers = np.take_along_axis(numbers, order, axis=1)
    return (
        np.take_along_axis(scores, order, axis=1),
        np.where(numbers == _LAST, -1, numbers).astype(np.int32),
    )
