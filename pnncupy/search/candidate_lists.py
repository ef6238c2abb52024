"""Lists of the best keys of every query patch, and what these keys are worth to a query now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize
from pnncupy.search.exact import NearestNeighborField, SearchSettings, empty_lists, lower
from pnncupy.search.patch_grid import Layout, PatchGrid, ravelled, unravelled


@dataclass(frozen=True)
class Keys:
    """The key images of a search, and how their pixels are numbered together."""

    images: Sequence[Array]
    layout: Layout

    def patches(self, patch_size: PatchSize) -> int:
        """Patches of all images together."""
        return self.layout.patch_count(patch_size)

    def inside(self, index: Array, number: int) -> tuple[Array, Array]:
        """Keys among these that are in one of the images, and their flat indices there."""
        xp = arrays.namespace(index)
        canvas, shape = self.layout.canvas_shape, self.layout.shapes[number]
        first = self.layout.first_indices[number]
        end = first + shape[0] * math.prod(canvas[1:])
        places = xp.flatnonzero((index >= first) & (index < end))
        local = index[places] - np.int32(first)
        if canvas[1:] != shape[1:]:
            local = ravelled(unravelled(local, canvas), shape)
        return places, xp.astype(local, xp.int32)

    def take(self, values: Sequence[Array], index: Array) -> Array:
        """Values of arrays over key patches at keys of any shape; 1 for no key (-1)."""
        xp = arrays.namespace(index)
        flat = index.ravel()
        result = xp.ones(flat.shape, dtype=values[0].dtype)
        for number, of_image in enumerate(values):
            places, local = self.inside(flat, number)
            position = unravelled(local, self.layout.shapes[number])
            result[places] = of_image[tuple(position)]
        return result.reshape(index.shape)


class Candidates:
    """Lists of keys of every query patch, the best one first when they have just been searched.

    Attributes
    ----------
    index, score : (HQ-p+1, WQ-p+1, length) int32 and float32
        Key numbers in the layout, -1 where fewer keys could be found, and scores.
    """

    def __init__(self, settings: SearchSettings, keys: Keys, query: Array, length: int):
        lists = empty_lists(query, settings.patch_size, length)
        self.index, self.score = lists.index, lists.score
        self._settings = settings
        self._keys = keys

    def search(
        self,
        query: Array,
        weights: Sequence[Array] | None,
        active: Array | None,
        reverse: Sequence[tuple[Array, Array]] | None = None,
    ) -> None:
        """Lower the lists by a search; see `matching.lower`."""
        lists = NearestNeighborField(self.index, self.score)
        keys = self._keys
        lower(self._settings, query, keys.images, keys.layout, lists, weights, active, reverse)

    def empty(self, places: Array | None, scores: Array) -> None:
        """Empty the lists of some queries, or all, but for a limit that as many keys pass.

        `scores` are those of the keys listed, for the query as it is now: (..., length).
        """
        xp = arrays.namespace(scores)
        highest = xp.max(arrays.bits(scores), axis=-1).view(scores.dtype)
        limit = next_above(highest)[..., None]
        chosen = Ellipsis if places is None else places
        self.score[chosen] = limit
        self.index[chosen] = -1

    def sums(self, query: Array, places: Array | None) -> Array:
        """Sums of squared differences of a query's patches and their listed keys.

        Infinite where no key is listed. `places` is bool (HQ-p+1, WQ-p+1) and makes the result
        (count, length); None takes all patches, in the shape of the lists.
        """
        xp = arrays.namespace(query)
        chosen = Ellipsis if places is None else places
        index = self.index[chosen]
        numbers = self._settings.grid(query).flat_indices(xp)[chosen]
        numbers = xp.repeat(numbers.ravel(), index.shape[-1])
        result = xp.full(index.size, xp.inf, dtype=xp.float32)
        for number, key in enumerate(self._keys.images):
            inside, key_number = self._keys.inside(index.ravel(), number)
            if inside.size:
                result[inside] = pair_sums(self._settings, query, key, numbers[inside], key_number)
        return result.reshape(index.shape)


def finer_candidates(
    index: Array, coarse: Layout, fine: Layout, shape: tuple[int, ...], patch_size: PatchSize
) -> Array | None:
    """Keys likely to be good for the queries of a level: the matches of the next coarser one.

    Parameters
    ----------
    index : (h, w) int32
        The matches of the coarser level, in the layout `coarse`.
    fine : Layout
        Of the same key images at the finer level.
    shape : (H, W)
        Query patches at the finer level.

    Returns
    -------
    (H, W, 4) int32 or None
        The four key patches around the place that corresponds to the coarser match; None where an
        image has no four patches. In volumes there are eight, or fewer where one has not two
        patches along each axis.
    """
    xp = arrays.namespace(index)
    last = [[count - 2 for count in PatchGrid.of_shape(image, patch_size).shape]
            for image in fine.shapes]  # fmt: skip
    corners = [(0, 1) if min(ends) >= 0 else (0,) for ends in zip(*last, strict=True)]
    if len(shape) == 2 and (0,) in corners:
        return None
    last = [[max(0, end) for end in ends] for ends in last]
    source, *places = coarse.decode(index)
    here = [xp.reshape(xp.arange(side), (-1, *(1,) * (len(shape) - 1 - axis)))
            for axis, side in enumerate(shape)]  # fmt: skip
    at = tuple(
        place * coarse_side // fine_side
        for place, coarse_side, fine_side in zip(here, index.shape, shape, strict=True)
    )
    source = source[at]
    found = []
    for axis, place in enumerate(places):
        # A shift between query and match grows with the image.
        shift = xp.round((place[at] - at[axis]) * (shape[axis] / index.shape[axis]))
        limit = xp.asarray([sides[axis] for sides in last])[source]
        inside = xp.minimum(xp.maximum(here[axis] + shift, 0), limit)
        found.append(xp.astype(inside, xp.int32))
    keys = [
        fine.encode(source, *(place + k for place, k in zip(found, corner, strict=True)))
        for corner in product(*corners)
    ]
    return xp.stack(keys, axis=-1)


def pair_sums(
    settings: SearchSettings, query: Array, key: Array, query_number: Array, key_number: Array
) -> Array:
    """Sums of squared differences of pairs of patches; see `kernels.protocol`."""
    xp = arrays.namespace(query)
    result = xp.empty(query_number.shape, dtype=xp.float32)
    settings.engine.pair_sums(
        query, key, settings.patch_size, query_number, key_number, result,
        threads=settings.threads,
    )  # fmt: skip
    return result


def lowest(scores: Array, index: Array) -> NearestNeighborField:
    """Lowest score over the last axis, and of the keys that have it the one of lowest number."""
    xp = arrays.namespace(scores)
    order = arrays.bits(scores)
    least = xp.min(order, axis=-1)
    nothing = np.int32(np.iinfo(np.int32).max)
    numbers = xp.where((order == least[..., None]) & (index >= 0), index, nothing)
    first = xp.min(numbers, axis=-1)
    found = xp.where(first == nothing, np.int32(-1), first)
    return NearestNeighborField(found, least.view(scores.dtype))


def next_above(scores: Array) -> Array:
    """The next larger normal floats, infinity at most: what is below is not above `scores`.

    Scores that CuPy took for zero have a number above them, too.
    """
    xp = arrays.namespace(scores)
    ends = np.asarray([arrays.SMALLEST_NORMAL, np.inf], scores.dtype)
    least, most = (end.item() for end in arrays.bits(ends))
    return xp.minimum(xp.maximum(arrays.bits(scores) + 1, least), most).view(scores.dtype)
