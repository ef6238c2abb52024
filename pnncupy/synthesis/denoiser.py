"""Closed-form denoiser: a weighted mean of all patches of the sources, see `diffusion`."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import MeanRequest
from pnncupy.patch_shape import patch_sides
from pnncupy.search.candidate_lists import Candidates, Keys, next_above
from pnncupy.search.exact import NO_FINITE_DISTANCE
from pnncupy.search.method import is_approximate
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.synthesis.near_keys import NearKeys
from pnncupy.synthesis.problem import SynthesisRun
from pnncupy.synthesis.voting import side_weights

Region = tuple[slice, ...]

# Side of the window of a vote over that of a patch, see `window`: 0.2 keeps edges sharp.
VOTE_WIDTH = 0.2
# All weights that are left out add up to less than this power of two of those that count.
_BITS = 24


def window(patch_size: int) -> Array:
    """One side of the separable weights of a patch's offsets, float32, 1 at the centre."""
    return np.array(side_weights(patch_size, VOTE_WIDTH), np.float32)


class Denoiser:
    """Closed-form denoiser of images of a level, one after the other.

    Keys near the best one of the image before bound the distances that matter: what is farther has
    no weight, and is passed over. With method "patchmatch" means of large levels are those of a few
    near keys, see `near_keys`.

    Parameters
    ----------
    run : SynthesisRun
    level : int
    region : tuple of slice, optional
        Only what patches within these rows and columns make is needed.
    """

    def __init__(self, run: SynthesisRun, level: int, region: Region | None = None):
        self._settings = run.settings
        self._region = region
        shape = run.shape(level) if region is None else [each.stop - each.start for each in region]
        self._grid = run.grid(shape)
        self._values = run.values(level)
        images = run.keys(level, "sharp")
        self._keys = Keys(images, Layout.of(images))
        xp = arrays.namespace(images[0])
        self._index = xp.full((*self._grid.shape, 1), -1, dtype=xp.int32)
        (self._size, _) = patch_sides(run.settings.patch_size, 2)
        side = window(self._size)
        weights = _folded(_window_sums(self._grid.shape, side)[None], self._grid)
        self._window, self._weights = (arrays.like(each, images[0]) for each in (side, weights))
        self._near: NearKeys | None = None
        pairs = self._grid.count * self._keys.patches(self._size)
        if is_approximate(run.settings.method, pairs, self._size):
            self._near = NearKeys(run.settings, self._keys, self._values, level)

    def denoise(self, image: Array, sigma: float) -> Array:
        """Weighted mean of all patches of the sources at a noise level; image (C, h, w).

        Beyond the region it is 0.
        """
        if self._region is None:
            return self._denoise(image, sigma)
        part = (slice(None), *self._region)
        made = arrays.namespace(image).zeros_like(image)
        made[part] = self._denoise(image[part], sigma)
        return made

    def _denoise(self, image: Array, sigma: float) -> Array:
        query = arrays.contiguous(self._grid.wrapped(image))
        if self._near is None:
            made = self._means_of_all(query, sigma)
        else:
            made = self._near.means(query, sigma, self._window)
        return _folded(made, self._grid) / self._weights

    def _means_of_all(self, query: Array, sigma: float) -> Array:
        """Voted means of all keys, not yet divided by the weights of the vote."""
        engine = self._settings.engine
        how: dict[str, Any] = {"threads": self._settings.threads, "tick": self._settings.tick}
        xp = arrays.namespace(query)
        requests, reached = self._requests(query, sigma)
        total = xp.zeros(self._grid.shape, dtype=xp.float32)
        index = xp.full(self._grid.shape, -1, dtype=xp.int32)
        for request, noted in zip(requests, reached, strict=True):
            engine.add_weights(request, noted, total, index, **how)
        self._index = index[..., None]
        factor = np.float32(1) / total
        made = xp.zeros((len(self._values[0]), *query.shape[1:]), dtype=xp.float32)
        for request, noted, value in zip(requests, reached, self._values, strict=True):
            engine.add_values(request, noted, factor, value, self._window, made, **how)
        return made

    def _requests(self, query: Array, sigma: float) -> tuple[list[MeanRequest], list[Any]]:
        """Requests for the weights of the keys of each source, and what they reach."""
        settings, keys = self._settings, self._keys
        known = Candidates(settings, keys, query, 1)
        known.index[...] = self._index
        least = arrays.contiguous(known.sums(query, None)[..., 0])
        scale = np.float32(1 / (2 * sigma**2 * math.log(2)))
        widest = np.float32(_BITS + math.log2(keys.patches(settings.patch_size))) / scale
        requests = [
            MeanRequest(
                query, image, self._size, least, _limit(least, widest), scale,
                keys.layout.width, first,
            )
            for image, first in zip(keys.images, keys.layout.first_indices, strict=True)
        ]  # fmt: skip
        reached = [
            settings.engine.lower_least(each, threads=settings.threads, tick=settings.tick)
            for each in requests
        ]
        if not bool(arrays.namespace(least).isfinite(least).all()):
            raise ValueError(NO_FINITE_DISTANCE)
        limit = _limit(least, widest)
        return [replace(each, limit=limit) for each in requests], reached


def _limit(least: Array, widest: np.float32) -> Array:
    """Sums from which on keys have no weight; some have."""
    return arrays.namespace(least).maximum(least + widest, next_above(least))


def _window_sums(shape: tuple[int, ...], side: Array) -> Array:
    """Sum of the weights of the offsets of all patches that cover a pixel."""
    rows, columns = (np.convolve(np.ones(count), side.astype(np.float64)) for count in shape)
    return np.multiply.outer(rows, columns).astype(np.float32)


def _folded(planes: Array, grid: PatchGrid) -> Array:
    """Sums of the pixels (..., h, w) of a wrapped image that are one pixel of the grid's image."""
    xp = arrays.namespace(planes)
    for axis, (side, margin) in enumerate(
        zip(grid.spatial_shape, grid.margins, strict=True), start=planes.ndim - 2
    ):
        planes = xp.moveaxis(planes, axis, 0)
        inside = planes[:side].copy()
        if margin:
            inside[:margin] += planes[side:]
        planes = xp.moveaxis(inside, 0, axis)
    return arrays.contiguous(planes)
