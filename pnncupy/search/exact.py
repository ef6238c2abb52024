"""Searches over prepared planes: what all of them share, and the plain exact one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import Engine, SearchRequest
from pnncupy.patch_shape import PatchSize
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.pruned_search import PairSearch

NO_FINITE_DISTANCE = (
    "no finite patch distance: the value range is too large for float32, or `alpha` is too small "
    "for them; scale the values or raise `alpha`"
)


@dataclass(frozen=True)
class SearchSettings:
    """Search settings, the same for all searches of a call."""

    engine: Engine
    # A number for square patches of images, else a side for each axis.
    patch_size: PatchSize
    channels: int
    alpha: float
    threads: int
    method: str = "exact"
    # Key of the random numbers of approximate searches, below 2**32.
    stream: int = 0
    tick: Callable[[int], None] = field(default=lambda pairs: None)
    # Axes of the trees of patches, which cost memory: see `PairSearch`.
    axes: int | None = None

    @property
    def mean_factor(self) -> np.float32:
        """From a sum of squared differences to their mean."""
        size = self.patch_size
        values = size**2 if isinstance(size, int) else math.prod(size)
        return np.float32(1 / (values * self.channels))

    def grid(self, planes: Array) -> PatchGrid:
        """Return the patches of an image (C, H, W), or a volume."""
        return PatchGrid.of(planes, self.patch_size)

    def pair(self, query: Array, key: Array, *, index_stride: int, **rest: Any) -> PairSearch:
        """Return a search of one image in another; see `PairSearch`."""
        return PairSearch(
            self.engine, self.patch_size, self.threads, self.tick, query, key, index_stride,
            axes=self.axes, **rest,
        )  # fmt: skip


@dataclass
class NearestNeighborField:
    """The best key of every query patch: pixel numbers in a layout, and scores."""

    index: Array
    score: Array


def search(
    settings: SearchSettings,
    query: Array,
    keys: Sequence[Array],
    layout: Layout,
    active: Array | None = None,
) -> NearestNeighborField:
    """Best key of every query patch over all key images; the first image wins ties.

    With `active` (bool per query patch) only those are searched; the others get key 0.
    """
    lists = empty_lists(query, settings.patch_size, 1)
    for key, first in zip(keys, layout.first_indices, strict=True):
        weight = None
        if not math.isinf(settings.alpha):
            weight = key_weight(settings, key_matches(settings, query, key)[0])
        settings.pair(
            query, key, index_stride=layout.width, slice_stride=layout.slice_stride,
            first_index=first, weight=weight, active=active,
        ).lower(lists.score, lists.index)  # fmt: skip
    return finished(
        settings, NearestNeighborField(lists.index[..., 0], lists.score[..., 0]), active
    )


def finished(
    settings: SearchSettings, found: NearestNeighborField, active: Array | None = None
) -> NearestNeighborField:
    """Check that all keys were found, and make plain sums of squared differences scores."""
    xp = arrays.namespace(found.index)
    missing = found.index < 0
    if active is not None:
        missing = missing & active
    if bool(xp.any(missing)):
        raise ValueError(NO_FINITE_DISTANCE)
    index = found.index
    if active is not None:
        # Places that are never searched still need a number that a vote can read.
        index = xp.where(active, index, xp.zeros_like(index))
    # Plain sums were compared: fewer ties than after the rounding of a mean.
    score = found.score
    if math.isinf(settings.alpha):
        score = arrays.without_subnormal(score * settings.mean_factor)
    return NearestNeighborField(xp.ascontiguousarray(index), score)


def empty_lists(query: Array, patch_size: PatchSize, length: int) -> NearestNeighborField:
    """Lists (HQ-p+1, WQ-p+1, length) of the best keys of every query patch, nothing found yet."""
    xp = arrays.namespace(query)
    shape = (*PatchGrid.of(query, patch_size).shape, length)
    return NearestNeighborField(
        xp.full(shape, -1, dtype=xp.int32), xp.full(shape, xp.inf, dtype=xp.float32)
    )


def lower(
    settings: SearchSettings,
    query: Array,
    keys: Sequence[Array],
    layout: Layout,
    lists: NearestNeighborField,
    weights: Sequence[Array] | None,
    active: Array | None,
    reverse: Sequence[tuple[Array, Array]] | None = None,
) -> None:
    """Let the engine lower the lists, and what `reverse` says of the keys, in place."""
    for number, (image, first) in enumerate(zip(keys, layout.first_indices, strict=True)):
        key_score, key_index = (None, None) if reverse is None else reverse[number]
        request = SearchRequest(
            query, image, settings.patch_size, None if weights is None else weights[number],
            lists.score, lists.index, layout.width, first, active, key_score, key_index,
            layout.slice_stride,
        )  # fmt: skip
        settings.engine.update_nearest(request, threads=settings.threads, tick=settings.tick)


def key_matches(
    settings: SearchSettings, query: Array, key: Array, limit: Array | None = None
) -> tuple[Array, Array]:
    """Smallest sum of squared differences of each key patch, and the number of a query that has it.

    Distances are symmetric, so this is the same search with the roles exchanged. A `limit` known
    to be above the minimum (of each key patch) saves time.
    """
    lists = empty_lists(key, settings.patch_size, 1)
    if limit is not None:
        lists.score[..., 0] = limit
    reverse = settings.pair(key, query, index_stride=query.shape[-1], any_key=True)
    reverse.lower(lists.score, lists.index)
    xp = arrays.namespace(key)
    return (xp.ascontiguousarray(lists.score[..., 0]), xp.ascontiguousarray(lists.index[..., 0]))


def key_weight(settings: SearchSettings, minimum: Array) -> Array:
    """Factor of each key patch: from its sum of squared differences to its score.

    It falls with `minimum`, rounding included: too large a minimum makes too small a score. Keys
    that must not be used, of infinite minimum, get 1: no distance times 0 may be NaN.
    """
    xp = arrays.namespace(minimum)
    weight = settings.mean_factor / (np.float32(settings.alpha) + minimum * settings.mean_factor)
    return xp.where(xp.isfinite(minimum), weight, np.float32(1))
