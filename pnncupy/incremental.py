"""Searches that follow each other, each using what the ones before have proven.

The result has the bits of plain searches. Between two PNN steps most query patches move a little
and keep their match; for every query patch a short list of best keys is kept that tells when that
is certain:

- plain distances: a key that is not listed was at least as far as the last one listed when the
  list was made, and, by the triangle inequality, came nearer by no more than the query moved since;
- normalised scores: a key's smallest distance to any query cannot exceed that to the query it had
  before, so that one scan with these bounds finds the exact minima and, for every query, the keys
  whose scores may be best.

What is not certain is searched. Comparisons are strict and bounds widened for rounding, so that
the first of equal keys still wins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.layout import Layout
from pnncupy.matching import (
    Field,
    SearchSettings,
    empty_lists,
    finished,
    key_matches,
    key_weight,
    lower,
    windows_all,
)

# Keys listed for each query: the longer, the more is certain, and the more a scan has to insert.
LIST_LENGTH = 4


@dataclass
class Proofs:
    """How often searches could be saved.

    Attributes
    ----------
    tested : int
        Query patches of which a proof was tried.
    proven : int
        Those whose match was certain without a search of their own.
    """

    tested: int = 0
    proven: int = 0


class IncrementalSearch:
    """Nearest patches of a query image that changes a little from one search to the next."""

    def __init__(
        self,
        settings: SearchSettings,
        keys: Sequence[Array],
        layout: Layout,
        needed: Array | None,
        proofs: Proofs,
    ):
        """The key images stay the same; only `needed` query patches are matched."""
        self._settings = settings
        self._keys = keys
        self._layout = layout
        self._needed = needed
        self._proofs = proofs
        self._query: Array | None = None

    def search(self, query: Array) -> Field:
        """Best key of every query patch, as `matching.search` finds it."""
        normalised = not math.isinf(self._settings.alpha)
        # Minima run over all queries, needed or not: nothing is gained where few are.
        if self._query is None or (normalised and self._needed is not None):
            found = self._search_all(query)
        elif normalised:
            found = self._search_both_ways(query)
        else:
            found = self._search_moved(query)
        self._query = query
        # What is kept for the next search will change in place.
        return finished(self._settings, Field(found.index.copy(), found.score.copy()), self._needed)

    def _search_all(self, query: Array) -> Field:
        settings = self._settings
        weights = None
        if not math.isinf(settings.alpha):
            self._reverse = [key_matches(settings, query, key) for key in self._keys]
            weights = [key_weight(settings, minimum) for minimum, _ in self._reverse]
        lists = empty_lists(query, settings.patch_size, LIST_LENGTH)
        lower(settings, query, self._keys, self._layout, lists, weights, self._needed)
        xp = arrays.namespace(query)
        self._listed = lists
        # The scores of the listed keys for the query as it is now, and for it as it was when the
        # list was made the score that all other keys reach.
        self._bound = lists.score[..., -1].copy()
        self._moved = xp.zeros_like(self._bound)
        self._found = Field(lists.index[..., 0].copy(), lists.score[..., 0].copy())
        return self._found

    def _search_moved(self, query: Array) -> Field:
        """Plain distances: search the patches that moved too far for their lists."""
        settings, listed, found = self._settings, self._listed, self._found
        xp = arrays.namespace(query)
        changed, step = movement(query, self._query, settings.patch_size)
        self._moved = self._moved + step
        if self._needed is not None:
            changed = changed & self._needed
        listed.score[changed] = self._sums(query, changed, listed.index[changed])
        score, index = _lowest(listed.score[changed], listed.index[changed])
        reach = xp.maximum(xp.sqrt(self._bound[changed]) - self._moved[changed], np.float32(0))
        proven = score < reach * reach * np.float32(1 - 2 * rounding(settings))
        self._proofs.tested += int(proven.size)
        self._proofs.proven += int(xp.count_nonzero(proven))
        found.score[changed], found.index[changed] = score, index
        if bool(xp.all(proven)):
            return found
        lost = changed.copy()
        lost[changed] = ~proven
        self._start_again(lost, listed.score[lost])
        lower(settings, query, self._keys, self._layout, listed, None, lost)
        self._bound[lost] = listed.score[..., -1][lost]
        self._moved[lost] = 0
        found.score[lost], found.index[lost] = (
            listed.score[..., 0][lost],
            listed.index[..., 0][lost],
        )
        return found

    def _search_both_ways(self, query: Array) -> Field:
        """Normalised scores: one scan for the keys' minima and the queries' candidates."""
        settings, listed = self._settings, self._listed
        xp = arrays.namespace(query)
        everywhere = xp.ones(listed.score.shape[:2], dtype=bool)
        sums = self._sums(query, everywhere, listed.index.reshape(-1, LIST_LENGTH))
        reverse = self._previous_matches(query, listed.index, sums)
        weights = [key_weight(settings, bound) for bound, _ in reverse]
        seeds = sums * self._at_keys(weights, listed.index).reshape(sums.shape)
        self._start_again(everywhere, seeds)
        bounds = [bound.copy() for bound, _ in reverse]
        lower(settings, query, self._keys, self._layout, listed, weights, None, reverse)
        self._reverse = reverse
        exact = [key_weight(settings, minimum) for minimum, _ in reverse]
        loose = [bound != minimum for bound, (minimum, _) in zip(bounds, reverse, strict=True)]
        return self._decide(query, exact, loose)

    def _decide(self, query: Array, exact: Sequence[Array], loose: Sequence[Array]) -> Field:
        """Score the listed keys exactly; search again where an unlisted one may be better."""
        settings, listed = self._settings, self._listed
        xp = arrays.namespace(query)
        wrong = self._at_keys(loose, listed.index) & (listed.index >= 0)
        scores = listed.score.copy()
        queries = xp.any(wrong, axis=-1)
        sums = self._sums(query, queries, listed.index[queries])
        rescored = sums * self._at_keys(exact, listed.index[queries])
        scores[queries] = xp.where(wrong[queries], rescored, scores[queries])
        flat = scores.reshape(-1, LIST_LENGTH)
        score, index = _lowest(flat, listed.index.reshape(-1, LIST_LENGTH))
        # A key that is not listed scores at least as much as the last one listed. Where the first
        # one listed has its exact score, no other one is better, and equal ones come later.
        proven = (score < listed.score[..., -1].ravel()) | ~wrong[..., 0].ravel()
        self._proofs.tested += int(proven.size)
        self._proofs.proven += int(xp.count_nonzero(proven))
        shape = queries.shape
        found = Field(index.reshape(shape), score.reshape(shape))
        if not bool(xp.all(proven)):
            lost = ~proven.reshape(shape)
            again = Field(
                xp.full((*shape, 1), -1, dtype=xp.int32), _next_above(found.score)[..., None]
            )
            lower(settings, query, self._keys, self._layout, again, exact, lost)
            found = Field(
                xp.where(lost, again.index[..., 0], found.index),
                xp.where(lost, again.score[..., 0], found.score),
            )
        return found

    def _previous_matches(
        self, query: Array, index: Array, sums: Array
    ) -> list[tuple[Array, Array]]:
        """For every key a query near it and their distance: an upper bound of its minimum.

        These are the query that was nearest before, or one that has the key in its list.
        """
        xp = arrays.namespace(query)
        rows, columns = index.shape[:2]
        here = xp.add(
            (xp.arange(rows, dtype=xp.int32) * np.int32(query.shape[2]))[:, None],
            xp.arange(columns, dtype=xp.int32),
        )
        here = xp.broadcast_to(here[..., None], index.shape).ravel()
        results = []
        for number, (key, (_, match)) in enumerate(zip(self._keys, self._reverse, strict=True)):
            match = match.copy()
            bound = xp.full(match.shape, xp.inf, dtype=xp.float32)
            known = match >= 0
            keys = xp.arange(key.shape[1] * key.shape[2], dtype=xp.int32).reshape(key.shape[1:])
            keys = keys[: match.shape[0], : match.shape[1]]
            bound[known] = self._pair_sums(query, key, match[known], keys[known])
            inside, key_number = self._in_image(index.ravel(), number)
            if inside.size:
                place = xp.take(here, inside)
                sum_here = sums.ravel()[inside]
                row, column = key_number // key.shape[2], key_number % key.shape[2]
                at = row * match.shape[1] + column
                flat_bound, flat_match = bound.ravel(), match.ravel()
                before = flat_bound.copy()
                xp.minimum.at(flat_bound, at, sum_here)
                lowered = (sum_here == flat_bound[at]) & (sum_here < before[at])
                flat_match[at[lowered]] = place[lowered]
            results.append((bound, match))
        return results

    def _sums(self, query: Array, places: Array, index: Array) -> Array:
        """Sums of squared differences of the query patches at `places` and their listed keys."""
        xp = arrays.namespace(query)
        numbers = xp.arange(query.shape[1] * query.shape[2], dtype=xp.int32)
        numbers = numbers.reshape(query.shape[1:])[: places.shape[0], : places.shape[1]][places]
        numbers = xp.repeat(numbers, index.shape[-1])
        result = xp.full(index.size, xp.inf, dtype=xp.float32)
        for number, key in enumerate(self._keys):
            inside, key_number = self._in_image(index.ravel(), number)
            if inside.size:
                result[inside] = self._pair_sums(query, key, numbers[inside], key_number)
        return result.reshape(index.shape)

    def _pair_sums(self, query: Array, key: Array, query_number: Array, key_number: Array) -> Array:
        xp = arrays.namespace(query)
        result = xp.empty(query_number.shape, dtype=xp.float32)
        self._settings.engine.pair_sums(
            query, key, self._settings.patch_size, query_number, key_number, result,
            threads=self._settings.threads,
        )  # fmt: skip
        return result

    def _in_image(self, index: Array, number: int) -> tuple[Array, Array]:
        """Which of these keys lie in one of the images, and their pixel numbers there."""
        xp = arrays.namespace(index)
        layout, shape = self._layout, self._layout.shapes[number]
        first = layout.tops[number] * layout.width
        inside = xp.flatnonzero((index >= first) & (index < first + shape[0] * layout.width))
        local = index[inside] - np.int32(first)
        if layout.width != shape[1]:
            local = local // layout.width * shape[1] + local % layout.width
        return inside, xp.astype(local, xp.int32)

    def _at_keys(self, images: Sequence[Array], index: Array) -> Array:
        """Values of arrays over key patches at listed keys; 1 where none is listed."""
        xp = arrays.namespace(index)
        flat = index.ravel()
        result = xp.ones(flat.shape, dtype=images[0].dtype)
        for number, values in enumerate(images):
            inside, local = self._in_image(flat, number)
            width = self._layout.shapes[number][1]
            result[inside] = values[local // width, local % width]
        return result.reshape(index.shape)

    def _start_again(self, places: Array, scores: Array) -> None:
        """Empty the lists of some queries; as many keys as these scores have are below."""
        xp = arrays.namespace(scores)
        worst = _next_above(xp.max(scores.reshape(-1, LIST_LENGTH), axis=-1))
        self._listed.score[places] = worst[:, None]
        self._listed.index[places] = -1


def movement(query: Array, last_query: Array, patch_size: int) -> tuple[Array, Array]:
    """Which patches changed at all, and an upper bound of how far: the root of squared differences.

    Both are (HQ-p+1, WQ-p+1), bool and float32.
    """
    xp = arrays.namespace(query)
    changed = changed_patches(query, last_query, patch_size)
    squared = xp.sum((query - last_query) ** 2, axis=0)
    rows, columns = changed.shape
    vertical = sum(squared[dy : dy + rows] for dy in range(patch_size))
    total = sum(vertical[:, dx : dx + columns] for dx in range(patch_size))
    # Widened for rounding, and for squares too small for a float.
    slack = np.float32(1 + 4 * (len(query) + 2 * patch_size) * np.finfo(np.float32).eps)
    return changed, xp.where(changed, xp.sqrt(total) * slack + np.float32(1e-18), np.float32(0))


def changed_patches(query: Array, last_query: Array, patch_size: int) -> Array:
    """Which query patches differ in any pixel from what they were; bool (HQ-p+1, WQ-p+1)."""
    xp = arrays.namespace(query)
    return ~windows_all(xp.all(query == last_query, axis=0), patch_size)


def rounding(settings: SearchSettings) -> float:
    """Bound of the relative rounding error of a sum of squared differences."""
    additions = settings.channels + 2 * math.ceil(math.log2(settings.patch_size)) + 4
    return float(4 * additions * np.finfo(np.float32).eps)


def _lowest(scores: Array, index: Array) -> tuple[Array, Array]:
    """Lowest score of each row, and of its keys the one with the lowest number."""
    xp = arrays.namespace(scores)
    best = xp.min(scores, axis=-1)
    last = np.int32(np.iinfo(np.int32).max)
    numbers = xp.where((scores == best[..., None]) & (index >= 0), index, last)
    lowest = xp.min(numbers, axis=-1)
    return best, xp.where(lowest == last, np.int32(-1), lowest)


def _next_above(scores: Array) -> Array:
    xp = arrays.namespace(scores)
    return xp.nextafter(scores, xp.asarray(np.float32(np.inf)))
