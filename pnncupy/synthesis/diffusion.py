"""Diffusion over the patches of the sources: noise becomes an image by weighted means of them.

If the patches of the sources are all the data there are, the best denoiser at a noise level sigma
is known in closed form: the mean of all patches k, with weights ``exp(-|q - k|**2 / (2 sigma**2))``
for a noisy patch q. That is non-local means (Buades et al. 2005, doi:10.1109/CVPR.2005.38). A
diffusion model with this denoiser needs no training: Kamb and Ganguli 2024,
doi:10.48550/arXiv.2412.20292, and for the patches of one image from coarse to fine Qiu, Kutulakos
and Lindell 2026, doi:10.48550/arXiv.2606.04299. Each step goes from one noise level to the next one
without new noise (Song et al. 2020, doi:10.48550/arXiv.2010.02502).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import MeanRequest
from pnncupy.images.pyramid import enlarge
from pnncupy.patch_shape import patch_sides
from pnncupy.rng import draw_normal
from pnncupy.search.candidate_lists import Candidates, Keys, next_above
from pnncupy.search.exact import NO_FINITE_DISTANCE
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.synthesis.coarse_to_fine import Synthesised
from pnncupy.synthesis.problem import SynthesisRun

# Side of the window of a vote over that of a patch, see `window`: 0.2 keeps edges sharp.
VOTE_WIDTH = 0.2
# Noise below the coarsest level over the largest noise: what is larger has been decided before.
_FINER_NOISE = 0.25
_LEAST_STEPS = 4
# Steps at the smallest noise that follow without any: overlapping patches come to agree.
_SETTLING = 2
# All weights that are left out add up to less than this power of two of those that count.
_BITS = 24


@dataclass(frozen=True)
class NoiseSchedule:
    """Noise levels of a diffusion, in units of the value range.

    Attributes
    ----------
    steps : int
        At the coarsest level; a quarter as many below, four at least.
    sigma_max, sigma_min : float
        From the largest noise at the coarsest level, and from a quarter of it below, to the
        smallest one, in equal ratios.
    """

    steps: int
    sigma_max: float
    sigma_min: float

    def levels(self, *, coarsest: bool) -> list[float]:
        """Noise levels of a pyramid level, falling to the smallest one, which is repeated."""
        first, count = self.sigma_max, self.steps
        if not coarsest:
            first = max(self.sigma_min, _FINER_NOISE * first)
            count = min(count, max(_LEAST_STEPS, count // 4))
        falling = [float(sigma) for sigma in np.geomspace(first, self.sigma_min, count)]
        return falling + [self.sigma_min] * _SETTLING


def window(patch_size: int, width: float = VOTE_WIDTH) -> Array:
    """One side of the separable weights of a patch's offsets, float32, 1 at the centre.

    ``exp(-t**2 / (2 width**2))`` for t from -1 to 1.
    """
    if patch_size == 1:
        return np.ones(1, np.float32)
    at = np.linspace(-1, 1, patch_size)
    return np.exp(-(at**2) / (2 * width**2)).astype(np.float32)


def diffuse(
    run: SynthesisRun,
    noise: NoiseSchedule,
    patch_sizes: Sequence[int],
    generators: Sequence[np.random.Generator],
) -> Synthesised:
    """Make an image of noise for each generator, from the coarsest level to full size.

    Parameters
    ----------
    run : SynthesisRun
    noise : NoiseSchedule
    patch_sizes : sequence of int
        Of each level, from full size.
    generators : sequence of Generator
        Of the noise, drawn at each level.

    Returns
    -------
    Synthesised
        Without an index: no pixel has one origin.
    """
    coarsest = run.schedule.levels
    run.reporter.plan(run.schedule, _planned_pairs(run, noise, patch_sizes, len(generators)))
    run = replace(run, settings=replace(run.settings, tick=run.reporter.tick))
    images: list[Array] = []
    for level in range(coarsest, -1, -1):
        sized = replace(run, settings=replace(run.settings, patch_size=patch_sizes[level]))
        shape = run.shape(level)
        if level == coarsest:
            middle = _mean_colour(run)
            xp = arrays.namespace(middle)
            images = [middle + xp.zeros((1, *shape), dtype=xp.float32) for _ in generators]
        else:
            images = [
                enlarge(image, run.schedule.ratio, shape, run.problem.periodic) for image in images
            ]
        sigmas = noise.levels(coarsest=level == coarsest)
        images = _diffused(sized, level, sigmas, images, generators)
    xp = arrays.namespace(images[0])
    nothing = [xp.zeros((0,) * len(run.problem.shape), dtype=xp.int32) for _ in images]
    return Synthesised(xp.stack(images), xp.stack(nothing), run.layout(0))


def _mean_colour(run: SynthesisRun) -> Array:
    """Mean of the first source at the coarsest level, (C, 1, 1)."""
    planes = run.problem.sources[0].sharp[-1]
    axes = tuple(range(1, planes.ndim))
    # On the host, whose order of sums decides the last bit.
    mean = arrays.on_host(planes).mean(axis=axes, dtype=np.float64, keepdims=True)
    return arrays.like(mean.astype(np.float32), planes)


def _planned_pairs(
    run: SynthesisRun, noise: NoiseSchedule, patch_sizes: Sequence[int], images: int
) -> dict[tuple[int, int], int]:
    """Pairs of patches by (level, step): each is searched, and weighted twice."""
    planned = {}
    for level in range(run.schedule.levels, -1, -1):
        sized = replace(run, settings=replace(run.settings, patch_size=patch_sizes[level]))
        pairs = sized.grid(run.shape(level)).count * sized.layout(level).patch_count(
            patch_sizes[level]
        )
        for step, _ in enumerate(noise.levels(coarsest=level == run.schedule.levels)):
            planned[level, step] = 3 * images * pairs
    return planned


def _diffused(
    run: SynthesisRun,
    level: int,
    sigmas: Sequence[float],
    images: Sequence[Array],
    generators: Sequence[np.random.Generator],
) -> list[Array]:
    """Add noise to the images of a level, and take it away step by step."""
    noisy = [
        image + _noise(generator, image, sigmas[0])
        for image, generator in zip(images, generators, strict=True)
    ]
    denoisers = [Denoiser(run, level) for _ in images]
    for step, sigma in enumerate(sigmas):
        run.reporter.begin(level, step, noisy)
        clean = [each.denoise(image, sigma) for each, image in zip(denoisers, noisy, strict=True)]
        following = sigmas[step + 1] if step + 1 < len(sigmas) else sigma
        left = np.float32(following / sigma if following < sigma else 0)
        noisy = [best + left * (image - best) for best, image in zip(clean, noisy, strict=True)]
        run.reporter.end(clean)
    return noisy


def _noise(generator: np.random.Generator, image: Array, sigma: float) -> Array:
    """Noise for an image, drawn on the host; float32."""
    drawn = draw_normal(generator, image.shape) * sigma
    return arrays.like(np.ascontiguousarray(drawn, np.float32), image)


class Denoiser:
    """Closed-form denoiser of images of a level, one after the other.

    Keys near the best one of the image before bound the distances that matter: what is farther has
    no weight, and is passed over.

    Parameters
    ----------
    run : SynthesisRun
    level : int
    """

    def __init__(self, run: SynthesisRun, level: int):
        self._settings = run.settings
        self._grid = run.grid(run.shape(level))
        self._values = run.values(level)
        images = run.keys(level, "sharp")
        self._keys = Keys(images, Layout.of(images))
        xp = arrays.namespace(images[0])
        self._index = xp.full((*self._grid.shape, 1), -1, dtype=xp.int32)
        (self._size, _) = patch_sides(run.settings.patch_size, 2)
        side = window(self._size)
        weights = _folded(_window_sums(self._grid.shape, side)[None], self._grid)
        self._window, self._weights = (arrays.like(each, images[0]) for each in (side, weights))

    def denoise(self, image: Array, sigma: float) -> Array:
        """Weighted mean of all patches of the sources at a noise level; image (C, h, w)."""
        engine = self._settings.engine
        how: dict[str, Any] = {"threads": self._settings.threads, "tick": self._settings.tick}
        query = arrays.contiguous(self._grid.wrapped(image))
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
        return _folded(made, self._grid) / self._weights

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
