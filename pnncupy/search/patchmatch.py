"""Approximate search: PatchMatch, with scores normalised by an approximate reverse search.

Every query patch has a match; it tries the matches of its neighbours, moved along, and random keys
in windows around its best one so far (Barnes et al. 2009, doi:10.1145/1531326.1531330). Cost and
memory are O(n + m).

The normalised score needs each key's smallest distance M to any query. A reverse field, from keys
to queries, is searched along with the forward one and gives an upper bound of M; both fields
enrich each other: each pair tried forwards lowers the bound of its key, and each reverse match
is offered to its query. A round scores with the bounds of the round before.

All random numbers are hashes of what they are for, and a pass reads only what the one before has
written: the result has the same bits on every engine and with any number of threads.

PatchMatch is covered by the US patent 8,861,869 (Adobe).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import PassRequest, combined, drawn, pack, unpack
from pnncupy.patch_shape import PatchSize
from pnncupy.search.candidate_lists import pair_sums
from pnncupy.search.exact import NearestNeighborField, SearchSettings, finished, key_weight
from pnncupy.search.patch_grid import Layout, PatchGrid

# Distances of the neighbours that a query patch asks, one pass each.
STEPS = (8, 4, 2, 1)
# Patches beyond the border that those of an image that wraps around have as neighbours.
BORDER = max(STEPS)


@dataclass(frozen=True)
class Effort:
    """Effort of a search: rounds, and random keys tried in each window of a round."""

    rounds: int
    draws: int

    def tries(self, key_shape: Sequence[int]) -> int:
        """Keys that a query patch tries at most."""
        neighbours = 2 * len(key_shape)
        return self.rounds * (neighbours * len(STEPS) + self.draws * max(key_shape).bit_length())


# From random matches, from those of the coarser level, and from those of the PNN step before.
FROM_NOTHING = Effort(16, 2)
FROM_COARSER = Effort(2, 2)
FROM_LAST = Effort(1, 1)


def effort(has_coarser: bool, step: int) -> Effort:
    """Of a PNN step's search; `has_coarser` if matches of a coarser level are known."""
    if step > 0:
        return FROM_LAST
    return FROM_COARSER if has_coarser else FROM_NOTHING


class PatchMatch:
    """Approximate searches of the same key images for one query image after the other.

    Parameters
    ----------
    settings, images, layout
        As in `matching.search`.
    needed : (HQ-p+1, WQ-p+1) bool, or None
        Query patches to match; None is all.
    start : (HQ-p+1, WQ-p+1, k) int32, or None
        Keys likely to be good, numbered by the layout; None begins with random ones.
    rounds : int, or None
        Rounds of the first search; default: as `start` deserves.
    """

    def __init__(
        self,
        settings: SearchSettings,
        images: Sequence[Array],
        layout: Layout,
        needed: Array | None = None,
        start: Array | None = None,
        rounds: int | None = None,
    ):
        self._settings = settings
        self._canvas = layout.stack(images)
        self._usable = usable_keys(images, layout, settings.patch_size)
        self._needed = needed
        self._start = start
        self._effort = effort(start is not None, 0)
        if rounds is not None:
            self._effort = replace(self._effort, rounds=rounds)
        self._draws = 0
        self._query: Array | None = None
        self._index: Array
        self._last_sums: Array
        # Of each key patch, the query patch nearest to it so far.
        self._reverse: Array | None = None

    def search(self, query: Array) -> NearestNeighborField:
        """A good key of every query patch; plain distances: of those that changed."""
        settings, active, work = self._settings, self._needed, self._effort
        if self._query is None:
            Layout.of([query])  # refuses more pixels than can be numbered
            self._index, sums = self._first_matches(query)
            self._start = None
        else:
            changed = settings.grid(query).changed(query, self._query)
            sums = self._sums_now(query, changed)
            work = FROM_LAST
            if math.isinf(settings.alpha):
                active = changed if active is None else active & changed
        self._query = query
        if math.isinf(settings.alpha):
            for _ in range(work.rounds):
                self._index, sums = self._round(
                    query, self._canvas, self._usable, self._index, sums, active, work.draws
                )
            self._last_sums = sums
            return finished(settings, NearestNeighborField(self._index, sums), self._needed)
        self._index, self._last_sums, scores = self._normalised_rounds(query, sums, work)
        return finished(settings, NearestNeighborField(self._index, scores), self._needed)

    def _round(
        self,
        query: Array,
        key: Array,
        usable: Array,
        index: Array,
        sums: Array,
        active: Array | None,
        draws: int,
        bound: Array | None = None,
        key_words: Array | None = None,
    ) -> tuple[Array, Array]:
        """Propagation by all steps, then random search: the matches and their sums."""
        xp = arrays.namespace(query)
        settings = self._settings
        for step in STEPS:
            radius = max(usable.shape) if step == STEPS[-1] else 0
            tried = 2 * index.ndim + draws * radius.bit_length()
            out_index, out_sums = xp.empty_like(index), xp.empty_like(sums)
            settings.engine.patchmatch_pass(
                PassRequest(
                    query, key, settings.patch_size, usable, index, sums, out_index, out_sums,
                    step=step, radius=radius, draws=draws, stream=self._next_stream(),
                    bound=bound, alpha=settings.alpha, key_words=key_words, active=active,
                ),
                threads=settings.threads, tick=partial(_tick_pairs, settings, tried),
            )  # fmt: skip
            index, sums = out_index, out_sums
        return index, sums

    def _normalised_rounds(
        self, query: Array, sums: Array, work: Effort
    ) -> tuple[Array, Array, Array]:
        """Rounds of both fields; the matches, their sums, and their scores."""
        xp = arrays.namespace(query)
        index = self._index
        reverse, bound = self._reverse_matches(query, index, sums)
        everywhere = xp.ones(index.shape, dtype=xp.bool)
        for _ in range(work.rounds):
            words = pack(bound, reverse)
            index, sums = self._round(
                query, self._canvas, self._usable, index, sums, self._needed, work.draws, bound,
                words,
            )  # fmt: skip
            bound, reverse = unpack(words)
            del words  # as large as both
            reverse, bound = self._round(
                self._canvas, query, everywhere, reverse, bound, self._usable, work.draws
            )
            index, sums = self._enriched(index, sums, reverse, bound)
        self._reverse = reverse
        return index, sums, self._scores(sums, index, bound)

    def _reverse_matches(self, query: Array, index: Array, sums: Array) -> tuple[Array, Array]:
        """A near query patch of every key patch, and their sum of squared differences."""
        xp = arrays.namespace(query)
        numbers = self._settings.grid(query).flat_indices(xp)
        reverse = self._reverse
        if reverse is None:
            reverse = self._random(numbers.ravel(), self._usable.shape)
        bound = xp.full(reverse.shape, xp.inf, dtype=xp.float32)
        keys = self._key_indices(xp)
        bound[self._usable] = pair_sums(
            self._settings, query, self._canvas, reverse[self._usable], keys
        )
        words = pack(bound, reverse)
        flat = words.reshape(-1)
        self._settings.engine.scatter_minimum(
            flat, self._patch_places(index.ravel()), pack(sums, numbers).reshape(-1)
        )
        bound, reverse = unpack(words)
        return reverse, bound

    def _enriched(
        self, index: Array, sums: Array, reverse: Array, bound: Array
    ) -> tuple[Array, Array]:
        """The forward field after each key was offered to the query patch nearest to it."""
        xp = arrays.namespace(index)
        words = pack(self._scores(sums, index, bound), index)
        near, smallest = reverse[self._usable], bound[self._usable]
        assert self._query is not None
        places = self._settings.grid(self._query).places(near)
        own = _scored(smallest, key_weight(self._settings, smallest))
        keys = self._key_indices(xp)
        self._settings.engine.scatter_minimum(words.reshape(-1), places, pack(own, keys))
        _, better = unpack(words)
        offered = bound.reshape(-1)[self._patch_places(better.ravel())].reshape(sums.shape)
        return better, xp.where(better == index, sums, offered)

    def _scores(self, sums: Array, index: Array, bound: Array) -> Array:
        """Normalised scores of matches with these sums."""
        xp = arrays.namespace(sums)
        smallest = bound.reshape(-1)[self._patch_places(index.ravel())].reshape(index.shape)
        return _scored(sums, key_weight(self._settings, xp.minimum(smallest, sums)))

    def _key_indices(self, xp: Any) -> Array:
        """Flat indices of the keys that may be used."""
        return self._settings.grid(self._canvas).flat_indices(xp)[self._usable]

    def _patch_places(self, numbers: Array) -> Array:
        """Places among the key patches, row by row, of pixel numbers."""
        return self._settings.grid(self._canvas).places(numbers)

    def _first_matches(self, query: Array) -> tuple[Array, Array]:
        """First matches: the best of the keys named, or random ones where none may be used."""
        xp = arrays.namespace(query)
        shape = self._settings.grid(query).shape
        numbers = self._key_indices(xp)
        index = self._random(numbers, shape)
        sums = self._sums(query, index)
        if self._start is None:
            return index, sums
        allowed = self._usable.reshape(-1)
        for k in range(self._start.shape[-1]):
            named = self._start[..., k]
            usable = allowed[self._patch_places(named.ravel())].reshape(shape)
            named = xp.where(usable, named, index)
            found = self._sums(query, named)
            better = (arrays.bits(found) < arrays.bits(sums)) | ((k == 0) & usable)
            index, sums = xp.where(better, named, index), xp.where(better, found, sums)
        return xp.ascontiguousarray(index), xp.ascontiguousarray(sums)

    def _random(self, numbers: Array, shape: tuple[int, ...]) -> Array:
        """One of the numbers for each place, drawn at random."""
        xp = arrays.namespace(numbers)
        place = xp.reshape(xp.arange(math.prod(shape), dtype=xp.int64), shape)
        chosen = drawn(combined(self._next_stream(), place), 0, numbers.size - 1)
        return xp.ascontiguousarray(numbers[chosen])

    def _sums(self, query: Array, index: Array) -> Array:
        numbers = self._settings.grid(query).flat_indices(arrays.namespace(query)).ravel()
        sums = pair_sums(self._settings, query, self._canvas, numbers, index.ravel())
        return sums.reshape(index.shape)

    def _sums_now(self, query: Array, changed: Array) -> Array:
        """Sums of the matches so far, of which only those of changed query patches are new."""
        sums = self._last_sums.copy()
        grid = self._settings.grid(query)
        numbers = grid.flat_indices(arrays.namespace(query))[changed]
        sums[changed] = pair_sums(
            self._settings, query, self._canvas, numbers, self._index[changed]
        )
        return sums

    def _next_stream(self) -> int:
        self._draws += 1
        stream: int = combined(self._settings.stream, self._draws)
        return stream


def _scored(sums: Array, weight: Array) -> Array:
    """Scores of sums to keys with these weights, the same with every array library."""
    return arrays.without_subnormal(arrays.without_subnormal(sums) * weight)


def _tick_pairs(settings: SearchSettings, tried: int, patches: int) -> None:
    settings.tick(patches * tried)


def usable_keys(images: Sequence[Array], layout: Layout, patch_size: PatchSize) -> Array:
    """Key patches of the canvas that are inside an image and have only finite pixels."""
    xp = arrays.namespace(images[0])
    canvas = PatchGrid.of_shape(layout.canvas_shape, patch_size)
    usable = xp.zeros(canvas.shape, dtype=xp.bool)
    for image, top in zip(images, layout.tops, strict=True):
        inside = PatchGrid.of(image, patch_size).inside(xp.all(xp.isfinite(image), axis=0))
        first, *others = inside.shape
        usable[(slice(top, top + first), *map(slice, others))] = inside
    return usable
