"""Approximate search for several near keys of every query patch, by PatchMatch.

Each query patch has a list of keys; it tries those of its neighbours, moved along, and random keys
in windows around its own (Barnes et al. 2010, doi:10.1007/978-3-642-15558-1_3). Cost and memory are
O(k n + m) for lists of k keys.

A pass reads only the lists that the one before has written, and keeps the lowest sums of all it
tries, by sum and flat index: lists have the same bits on every engine and number of threads.

PatchMatch is covered by the US patent 8,861,869 (Adobe).
"""

from collections.abc import Sequence
from functools import partial

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import ListRequest, combined, drawn
from pnncupy.patch_shape import patch_sides
from pnncupy.search.exact import NO_FINITE_DISTANCE, NearestNeighborField, SearchSettings
from pnncupy.search.patch_grid import Layout
from pnncupy.search.patchmatch import usable_keys

# Distances of the neighbours that a query patch asks, one pass each.
STEPS = (4, 1)
# Random keys in each window of a round.
_DRAWS = 1
# Rounds of the first search, from random keys, and of those that follow.
FIRST_ROUNDS, LATER_ROUNDS = 6, 2


def tries(key_shape: Sequence[int], length: int, search: int) -> int:
    """Keys that a query patch tries at most in a search; the first one is number 0."""
    rounds = LATER_ROUNDS if search else FIRST_ROUNDS
    of_round = 4 * length * len(STEPS) + _DRAWS * max(key_shape).bit_length()
    return length + rounds * of_round


class PatchMatchLists:
    """Approximate searches of the same key images for one query image after the other.

    Parameters
    ----------
    settings, images, layout
        As in `search.exact.search`.
    length : int
        Keys listed for each query patch.
    """

    def __init__(
        self, settings: SearchSettings, images: Sequence[Array], layout: Layout, length: int
    ):
        self._settings = settings
        self._length = length
        self._canvas = layout.stack(images)
        self._usable = usable_keys(images, layout, settings.patch_size)
        self._index: Array | None = None
        self._draws = 0

    def search(self, query: Array) -> NearestNeighborField:
        """Near keys of every query patch, the nearest first, and their sums; (h, w, length).

        Keys are -1 and sums infinite where fewer were found.
        """
        rounds = LATER_ROUNDS
        if self._index is None:
            Layout.of([query])  # refuses more pixels than can be numbered
            self._index = self._random(self._settings.grid(query).shape)
            rounds = FIRST_ROUNDS
        index, sums = self._index, None
        for _ in range(rounds):
            for step in STEPS:
                index, sums = self._pass(query, index, sums, step)
        if bool((index[..., 0] < 0).any()):
            raise ValueError(NO_FINITE_DISTANCE)
        self._index = index
        return NearestNeighborField(index, sums)

    def _pass(
        self, query: Array, index: Array, sums: Array | None, step: int
    ) -> tuple[Array, Array]:
        """Keys of neighbours, and after the last ones random keys: the lists and their sums."""
        xp, settings = arrays.namespace(query), self._settings
        (size, _) = patch_sides(settings.patch_size, 2)
        radius = max(self._usable.shape) if step == STEPS[-1] else 0
        out_index, out_sums = xp.empty_like(index), xp.empty(index.shape, dtype=xp.float32)
        tried = 4 * self._length + _DRAWS * radius.bit_length()
        tried += self._length if sums is None else 0
        settings.engine.update_lists(
            ListRequest(
                query, self._canvas, size, self._usable, index, sums, out_index,
                out_sums, step, radius, _DRAWS, self._next_stream(),
            ),
            threads=settings.threads, tick=partial(_tick_pairs, settings, tried),
        )  # fmt: skip
        return out_index, out_sums

    def _random(self, shape: tuple[int, ...]) -> Array:
        """Lists of keys drawn at random."""
        xp = arrays.namespace(self._canvas)
        numbers = self._settings.grid(self._canvas).flat_indices(xp)[self._usable]
        places = xp.arange(shape[0] * shape[1] * self._length, dtype=xp.int64)
        chosen = drawn(combined(self._next_stream(), places), 0, numbers.size - 1)
        return xp.ascontiguousarray(numbers[chosen].reshape(*shape, self._length))

    def _next_stream(self) -> int:
        self._draws += 1
        stream: int = combined(self._settings.stream, self._draws)
        return stream


def _tick_pairs(settings: SearchSettings, tried: int, patches: int) -> None:
    settings.tick(patches * tried)
