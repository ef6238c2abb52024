"""Searches that follow each other, each using what the ones before have found.

The result has the bits of plain searches. Between two PNN steps most query patches move little
and keep their match. For every query patch a short list of best keys is kept, which tells when
that is certain:

- plain distances: a key that is not listed was at least as far as the last one listed when the
  list was filled, and, by the triangle inequality, came nearer by no more than the query moved;
- normalised scores: a key's smallest distance to any query does not exceed that to the query it
  had before, so that one scan with these bounds finds the exact minima and, for every query, the
  keys whose scores may be best.

What is not certain is searched. Comparisons are strict and bounds widened for rounding, so that
the first of equal keys still wins.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import pack, unpack
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.search.candidate_lists import (
    Candidates,
    Keys,
    lowest,
    next_above,
    pair_sums,
)
from pnncupy.search.changed_patches import ChangedPatchSearch
from pnncupy.search.exact import (
    NearestNeighborField,
    SearchSettings,
    empty_lists,
    finished,
    key_matches,
    key_weight,
    search,
)
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.pruned_incremental import PrunedIncrementalSearch

# Keys listed for each query: the longer the list, the more is certain, and the more a scan has to
# insert.
PLAIN_LENGTH = 4
NORMALISED_LENGTH = 3


@dataclass
class ReuseStatistics:
    """Statistics of the matches that were reused.

    Attributes
    ----------
    tried : int
        Query patches of which a proof was tried.
    held : int
        Those whose match was certain without a search of their own.
    pairs_again : int
        Pairs of the other query patches with all keys: what the missing proofs cost.
    """

    tried: int = 0
    held: int = 0
    pairs_again: int = 0

    def count(self, held: Array, key_patches: int) -> None:
        """Add the outcome of some proofs."""
        tried, held_now = int(held.size), int(held.sum())
        self.tried += tried
        self.held += held_now
        self.pairs_again += (tried - held_now) * key_patches


def incremental_search(
    settings: SearchSettings,
    images: Sequence[Array],
    layout: Layout,
    needed: Array | None,
    start: Array | None,
    reuse: ReuseStatistics,
) -> Callable[[Array], NearestNeighborField]:
    """A search of the same key images for one query image after the other.

    Only `needed` query patches (None: all) are matched. `start` may name keys likely to be good for
    each query patch, different ones, (HQ-p+1, WQ-p+1, k) with any k: the first search is faster
    then. Each call returns what `matching.search` would.
    """
    keys, engine = Keys(images, layout), settings.engine
    if not engine.SUPPORTS_TOP_K:
        return ChangedPatchSearch(settings, keys, needed).search
    otherwise = partial(_comparing_search, settings, keys, needed, start, reuse)
    if engine.LEAST_PAIRS_FOR_LISTS:
        return _SearchBySize(settings, keys, needed, otherwise).search
    if settings.axes == 0 or not settings.engine.TREE_AXES:
        return otherwise()
    return PrunedIncrementalSearch(settings, keys, needed, start, otherwise).search


def _comparing_search(
    settings: SearchSettings,
    keys: Keys,
    needed: Array | None,
    start: Array | None,
    reuse: ReuseStatistics,
) -> Callable[[Array], NearestNeighborField]:
    """Return a search that compares all pairs that are not proven to be needless."""
    if math.isinf(settings.alpha):
        return PlainIncrementalSearch(settings, keys, needed, start, reuse).search
    if needed is None:
        return NormalisedIncrementalSearch(settings, keys, start, reuse).search
    # The minima run over all queries, needed or not, and only the needed ones are scored.
    return lambda query: search(settings, query, keys.images, keys.layout, needed)


class _SearchBySize:
    """Searches with lists where these are worth it, else of changed patches."""

    def __init__(
        self,
        settings: SearchSettings,
        keys: Keys,
        needed: Array | None,
        with_lists: Callable[[], Callable[[Array], NearestNeighborField]],
    ):
        self._settings, self._keys, self._needed = settings, keys, needed
        self._with_lists = with_lists
        self._chosen: Callable[[Array], NearestNeighborField] | None = None

    def search(self, query: Array) -> NearestNeighborField:
        """Best key of every query patch."""
        if self._chosen is None:
            settings, keys = self._settings, self._keys
            pairs = settings.grid(query).count * keys.patches(settings.patch_size)
            if pairs >= settings.engine.LEAST_PAIRS_FOR_LISTS:
                self._chosen = self._with_lists()
            else:
                self._chosen = ChangedPatchSearch(settings, keys, self._needed).search
        return self._chosen(query)


class PlainIncrementalSearch:
    """Searches with plain distances."""

    def __init__(
        self,
        settings: SearchSettings,
        keys: Keys,
        needed: Array | None,
        start: Array | None,
        reuse: ReuseStatistics,
    ):
        self._settings = settings
        self._start = start
        self._keys = keys
        self._needed = needed
        self._reuse = reuse
        self._query: Array | None = None

    def search(self, query: Array) -> NearestNeighborField:
        """Best key of every query patch."""
        if self._query is None:
            self._search_all(query)
        else:
            self._search_moved(query)
        self._query = query
        # What is kept for the next search will change in place.
        found = NearestNeighborField(self._found.index.copy(), self._found.score.copy())
        return finished(self._settings, found, self._needed)

    def _search_all(self, query: Array) -> None:
        xp = arrays.namespace(query)
        listed = Candidates(self._settings, self._keys, query, PLAIN_LENGTH)
        if self._start is not None:
            listed.index[...] = self._start[..., :PLAIN_LENGTH]
            listed.empty(None, listed.sums(query, None))
        listed.search(query, None, self._needed)
        self._listed = listed
        self._found = NearestNeighborField(listed.index[..., 0].copy(), listed.score[..., 0].copy())
        # What all keys not listed reached when the list was filled, and how far the query is now
        # from what it was then.
        self._reach = listed.score[..., -1].copy()
        self._moved = xp.zeros_like(self._reach)

    def _search_moved(self, query: Array) -> None:
        """Search the patches that moved too far for their lists."""
        xp = arrays.namespace(query)
        listed, found = self._listed, self._found
        changed, step = movement(query, self._query, self._settings.patch_size)
        self._moved += step
        if self._needed is not None:
            changed = changed & self._needed
        sums = listed.sums(query, changed)
        listed.score[changed] = sums
        best = lowest(sums, listed.index[changed])
        found.index[changed], found.score[changed] = best.index, best.score
        less = np.float32(1 - rounding(self._settings))
        reach = xp.sqrt(self._reach[changed]) * less
        nearest = xp.maximum(reach - self._moved[changed], np.float32(0))
        held = best.score < nearest * nearest * less
        self._reuse.count(held, self._keys.patches(self._settings.patch_size))
        if bool(xp.all(held)):
            return
        lost = changed.copy()
        lost[changed] = ~held
        listed.empty(lost, listed.score[lost])
        listed.search(query, None, lost)
        found.index[lost] = listed.index[..., 0][lost]
        found.score[lost] = listed.score[..., 0][lost]
        self._reach[lost] = listed.score[..., -1][lost]
        self._moved[lost] = 0


class NormalisedIncrementalSearch:
    """Searches with scores normalised by the keys' smallest distances."""

    def __init__(
        self, settings: SearchSettings, keys: Keys, start: Array | None, reuse: ReuseStatistics
    ):
        self._settings = settings
        self._start = start
        self._keys = keys
        self._reuse = reuse
        self._listed: Candidates | None = None
        # Of each key image, for each key patch: its smallest sum of squared differences, and the
        # number of a query patch that has it.
        self._reverse: list[tuple[Array, Array]] = []

    def search(self, query: Array) -> NearestNeighborField:
        """Best key of every query patch."""
        if self._listed is None:
            found = self._search_twice(query)
        else:
            found = self._search_once(query, self._listed)
        return finished(self._settings, found)

    def _search_twice(self, query: Array) -> NearestNeighborField:
        """The minima first, then the scores."""
        images = self._keys.images
        listed = Candidates(self._settings, self._keys, query, NORMALISED_LENGTH)
        if self._start is None:
            self._reverse = [key_matches(self._settings, query, key) for key in images]
            weights = self._weights()
        else:
            listed.index[...] = self._start[..., :NORMALISED_LENGTH]
            sums = listed.sums(query, None)
            bounds = self._bounds(query, listed.index, sums)
            self._reverse = [
                key_matches(self._settings, query, key, next_above(bound))
                for key, (bound, _) in zip(images, bounds, strict=True)
            ]
            weights = self._weights()
            listed.empty(None, sums * self._keys.take(weights, listed.index))
        listed.search(query, weights, None)
        self._listed = listed
        return NearestNeighborField(listed.index[..., 0].copy(), listed.score[..., 0].copy())

    def _search_once(self, query: Array, listed: Candidates) -> NearestNeighborField:
        """Minima and candidates in one scan; search again what is not certain then."""
        sums = listed.sums(query, None)
        self._reverse = self._bounds(query, listed.index, sums)
        bounds = [bound.copy() for bound, _ in self._reverse]
        weights = self._weights()
        listed.empty(None, sums * self._keys.take(weights, listed.index))
        listed.search(query, weights, None, self._reverse)
        lowered = [
            arrays.bits(bound) != arrays.bits(minimum)
            for bound, (minimum, _) in zip(bounds, self._reverse, strict=True)
        ]
        return self._decide(query, listed, lowered)

    def _weights(self) -> list[Array]:
        return [key_weight(self._settings, minimum) for minimum, _ in self._reverse]

    def _decide(
        self, query: Array, listed: Candidates, lowered: Sequence[Array]
    ) -> NearestNeighborField:
        """Score the listed keys with the exact minima; search where an unlisted one may be better.

        `lowered` says of which keys the bound was not the minimum: their scores are too small. A
        key that is not listed scores at least as much as the last one listed, so that a match is
        certain where ``exact score < last listed score``. It is certain too where the first one
        listed has its exact score: none is better, and equal ones come later.
        """
        xp = arrays.namespace(query)
        weights = self._weights()
        wrong = self._keys.take(lowered, listed.index) & (listed.index >= 0)
        scores = self._exact_scores(query, listed, wrong, weights)
        found = lowest(scores, listed.index)
        held = (found.score < listed.score[..., -1]) | ~wrong[..., 0]
        # Scores that CuPy may have taken for zero decide nothing.
        held = held & ~xp.any(wrong & (scores < arrays.SMALLEST_NORMAL), axis=-1)
        self._reuse.count(held, self._keys.patches(self._settings.patch_size))
        if bool(xp.all(held)):
            return found
        again = Candidates(self._settings, self._keys, query, 1)
        again.score[..., 0] = next_above(found.score)
        again.search(query, weights, ~held)
        return NearestNeighborField(
            xp.where(held, found.index, again.index[..., 0]),
            xp.where(held, found.score, again.score[..., 0]),
        )

    def _exact_scores(
        self, query: Array, listed: Candidates, wrong: Array, weights: Sequence[Array]
    ) -> Array:
        """Scores of the listed keys, of which the `wrong` ones are computed again."""
        xp = arrays.namespace(query)
        queries = xp.any(wrong, axis=-1)
        exact = listed.sums(query, queries) * self._keys.take(weights, listed.index[queries])
        scores = listed.score.copy()
        scores[queries] = xp.where(wrong[queries], exact, scores[queries])
        return scores

    def _bounds(self, query: Array, index: Array, sums: Array) -> list[tuple[Array, Array]]:
        """For each key a query near it, and their distance: an upper bound of its minimum.

        That is the query that was nearest before, or one that has the key in its list.
        """
        bounds = []
        for number in range(len(self._keys.images)):
            bound, match = self._bounds_of_last(query, number)
            self._lower_by_lists(query, number, index, sums, bound, match)
            bounds.append((bound, match))
        return bounds

    def _bounds_of_last(self, query: Array, number: int) -> tuple[Array, Array]:
        """Distances of the keys of an image to the queries that were nearest before."""
        xp = arrays.namespace(query)
        key = self._keys.images[number]
        nothing = empty_lists(key, self._settings.patch_size, 1)
        match, bound = nothing.index[..., 0], nothing.score[..., 0]
        if self._reverse:
            match = self._reverse[number][1].copy()
            known = match >= 0
            keys = self._settings.grid(key).flat_indices(xp)[known]
            bound[known] = pair_sums(self._settings, query, key, match[known], keys)
        return bound, match

    def _lower_by_lists(
        self, query: Array, number: int, index: Array, sums: Array, bound: Array, match: Array
    ) -> None:
        """Lower the bounds of the keys that some query lists, and note that query, in place."""
        xp = arrays.namespace(query)
        here = self._settings.grid(query).flat_indices(xp)
        here = xp.broadcast_to(here[..., None], index.shape).ravel()
        grid = self._settings.grid(self._keys.images[number])
        places, keys = self._keys.inside(index.ravel(), number)
        # 0 is no query yet.
        words = pack(bound.ravel(), match.ravel() + np.int32(1))
        listed = pack(sums.ravel()[places], here[places] + np.int32(1))
        self._settings.engine.scatter_minimum(words, grid.places(keys), listed)
        lowered, nearest = unpack(words)
        bound[...] = lowered.reshape(bound.shape)
        match[...] = (nearest - np.int32(1)).reshape(match.shape)


def movement(query: Array, last_query: Array, patch_size: PatchSize) -> tuple[Array, Array]:
    """Patches that changed, and a bound of how far: the root of their squared differences.

    Both are (HQ-p+1, WQ-p+1), bool and float32.
    """
    xp = arrays.namespace(query)
    grid = PatchGrid.of(query, patch_size)
    changed = grid.changed(query, last_query)
    total = xp.sum((query - last_query) ** 2, axis=0)
    for axis, (count, side) in enumerate(zip(grid.shape, grid.patch_shape, strict=True)):
        before = (slice(None),) * axis
        total = sum(total[(*before, slice(k, k + count))] for k in range(side))
    # Widened for rounding, and for squares below the normal numbers, which may count as zero.
    additions = len(query) + sum(grid.patch_shape)
    widening = np.float32(1 + 4 * additions * np.finfo(np.float32).eps)
    lost = np.float32(1.2e-19 * math.sqrt(len(query) * math.prod(grid.patch_shape)))
    return changed, xp.where(changed, xp.sqrt(total) * widening + lost, np.float32(0))


def rounding(settings: SearchSettings) -> float:
    """Bound of the relative rounding error of a sum of squared differences."""
    size = settings.patch_size
    *depth, rows, columns = patch_sides(size, 2) if isinstance(size, int) else size
    doublings = sum(math.ceil(math.log2(side)) for side in (rows, columns))
    additions = settings.channels * math.prod(depth) + doublings + 4
    return float(4 * additions * np.finfo(np.float32).eps)
