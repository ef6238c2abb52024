"""Searches of the same keys that follow each other, by pruning; see `pruned_search`.

A search begins with the matches of the one before, so that most queries only prove them again. With
plain distances, queries that did not change are not searched.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pnncupy.arrays import Array
from pnncupy.search.candidate_lists import Candidates, Keys, lowest, pair_sums
from pnncupy.search.exact import NearestNeighborField, SearchSettings, finished, key_weight
from pnncupy.search.pruned_search import PairSearch

Search = Callable[[Array], NearestNeighborField]

# Pairs of all that searches without a tree compare after the first one of a level, in each of their
# passes: of plain distances, and of normalised scores.
_SHARE_OF_PLAIN, _SHARE_OF_NORMALISED = 0.25, 0.6


class PrunedIncrementalSearch:
    """Search through trees while they save time, and otherwise without.

    Parameters
    ----------
    settings, keys, needed, start
        As in `incremental.incremental_search`.
    otherwise : callable
        Makes the search to use where trees do not pay.
    """

    def __init__(
        self,
        settings: SearchSettings,
        keys: Keys,
        needed: Array | None,
        start: Array | None,
        otherwise: Callable[[], Search],
    ):
        self._settings, self._keys = settings, keys
        self._needed, self._start = needed, start
        self._otherwise = otherwise
        self._other: Search | None = None
        self._trees: list[Any] = []
        self._query: Array | None = None
        self._found: NearestNeighborField
        # For each key image a tree of the queries, which is refitted, and for each of its patches
        # the number of a query patch near it.
        self._query_tree: Any = None
        self._near: list[Array] = []

    def search(self, query: Array) -> NearestNeighborField:
        """Find the best key of every query patch."""
        if self._other is None:
            found = self._through_trees(query)
            if found is not None:
                return found
            self._other = self._otherwise()
            self._trees, self._query_tree, self._near = [], None, []
        return self._other(query)

    def _through_trees(self, query: Array) -> NearestNeighborField | None:
        """Search through trees; None, before much is done, where they do not pay."""
        if self._query is None and not self._built(query):
            return None
        plain = math.isinf(self._settings.alpha)
        field = self._plain(query) if plain else self._normalised(query)
        if field is None:
            return None
        # What is kept for the next search changes in place.
        self._found, self._query = field, query
        return finished(
            self._settings,
            NearestNeighborField(field.index[..., 0].copy(), field.score[..., 0].copy()),
            self._needed,
        )

    def _built(self, query: Array) -> bool:
        """Build the trees of the keys, if a search is large enough for that."""
        settings = self._settings
        pairs = [settings.pair(query, image, index_stride=0) for image in self._keys.images]
        if not all(pair.worth_trying for pair in pairs):
            return False
        self._trees = [pair.built(distinct=True) for pair in pairs]
        return True

    def _plain(self, query: Array) -> NearestNeighborField | None:
        """Search what has changed since the last search, from the matches of that."""
        if self._query is None:
            return self._pruned(query, self._started(query), None, self._needed, first=True)
        changed = self._settings.grid(query).changed(query, self._query)
        if self._needed is not None:
            changed &= self._needed
        field = self._found
        field.score[changed] = self._sums(query, field.index, changed)
        return self._pruned(query, field, None, changed, first=False)

    def _normalised(self, query: Array) -> NearestNeighborField | None:
        """Search the minima of the keys in a tree of the queries, then the scores."""
        minima = self._minima(query)
        if minima is None:
            return None
        weights = [key_weight(self._settings, minimum) for minimum in minima]
        if self._query is None:
            field = self._started(query)
        else:
            field = NearestNeighborField(
                self._found.index, self._sums(query, self._found.index, None)
            )
        known = field.index >= 0
        scores = field.score * self._keys.take(weights, field.index)
        field = NearestNeighborField(field.index, np.where(known, scores, np.float32(np.inf)))
        return self._pruned(query, field, weights, self._needed, first=self._query is None)

    def _minima(self, query: Array) -> list[Array] | None:
        """Find the smallest sum of each key patch to any query patch; None where it costs much."""
        settings = self._settings
        threads = settings.threads
        first = self._query_tree is None
        if first:
            # Patches that are the same now need not be after a step.
            pair = settings.pair(self._keys.images[0], query, index_stride=0)
            self._query_tree = pair.built(distinct=False)
        else:
            self._query_tree.refit(query, threads)
        minima = []
        for number, image in enumerate(self._keys.images):
            grid = settings.grid(image)
            shape = grid.shape
            score = np.full((*shape, 1), np.inf, np.float32)
            if first:
                self._near.append(np.full((*shape, 1), -1, np.int32))
            index = self._near[number]
            known = index[..., 0] >= 0
            score[known, 0] = pair_sums(
                settings, query, image, index[known, 0], grid.flat_indices(np)[known]
            )
            reverse = settings.pair(image, query, index_stride=query.shape[-1], any_key=True)
            if not self._searched(reverse, self._query_tree, score, index, first):
                return None
            minima.append(score[..., 0])
        return minima

    def _started(self, query: Array) -> NearestNeighborField:
        """Return the best of the keys to start from; -1 and infinity without any."""
        shape = self._settings.grid(query).shape
        if self._start is None:
            return NearestNeighborField(
                np.full((*shape, 1), -1, np.int32), np.full((*shape, 1), np.inf, np.float32)
            )
        listed = Candidates(self._settings, self._keys, query, self._start.shape[-1])
        listed.index[...] = self._start
        best = lowest(listed.sums(query, None), listed.index)
        return NearestNeighborField(best.index[..., None], best.score[..., None])

    def _sums(self, query: Array, index: Array, places: Array | None) -> Array:
        """Return the sums of squared differences of some queries and their keys."""
        listed = Candidates(self._settings, self._keys, query, 1)
        listed.index[...] = index
        return listed.sums(query, places)

    def _pruned(
        self,
        query: Array,
        field: NearestNeighborField,
        weights: Sequence[Array] | None,
        active: Array | None,
        first: bool,
    ) -> NearestNeighborField | None:
        """Lower a field through the trees of all key images; None where that costs much."""
        settings, layout = self._settings, self._keys.layout
        images = zip(self._trees, self._keys.images, layout.first_indices, strict=True)
        for number, (tree, image, first_index) in enumerate(images):
            if tree is None:
                continue
            forward = settings.pair(
                query, image, index_stride=layout.width, first_index=first_index,
                weight=None if weights is None else weights[number], active=active,
                slice_stride=layout.slice_stride,
            )  # fmt: skip
            if not self._searched(forward, tree, field.score, field.index, first):
                return None
        return field

    def _searched(
        self, search: PairSearch, tree: Any, score: Array, index: Array, first: bool
    ) -> bool:
        """Search through a tree; return False, with nothing done, where that costs much."""
        share = 1.0
        if not first:
            plain = math.isinf(self._settings.alpha)
            share = _SHARE_OF_PLAIN if plain else _SHARE_OF_NORMALISED
        if not search.pays(tree, score, index, share):
            return False
        search.prune(tree, score, index)
        return True
