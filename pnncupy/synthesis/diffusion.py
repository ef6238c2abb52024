"""Diffusion over the patches of the sources: noise becomes an image by weighted means of them.

If the patches of the sources are all the data there are, the best denoiser at a noise level sigma
is known in closed form: the mean of all patches k, with weights ``exp(-|q - k|**2 / (2 sigma**2))``
for a noisy patch q. That is non-local means (Buades et al. 2005, doi:10.1109/CVPR.2005.38). A
diffusion model with this denoiser needs no training: Kamb and Ganguli 2024,
doi:10.48550/arXiv.2412.20292, and for the patches of one image from coarse to fine Qiu, Kutulakos
and Lindell 2026, doi:10.48550/arXiv.2606.04299. Each step goes from one noise level to the next one
without new noise (Song et al. 2020, doi:10.48550/arXiv.2010.02502).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.pyramid import enlarge, planes_pyramid
from pnncupy.patch_shape import patch_sides
from pnncupy.rng import draw_normal
from pnncupy.search.method import is_approximate
from pnncupy.synthesis.coarse_to_fine import Synthesised
from pnncupy.synthesis.denoiser import Denoiser, Region
from pnncupy.synthesis.near_keys import tries
from pnncupy.synthesis.noise_schedule import NoiseSchedule
from pnncupy.synthesis.problem import Source, SynthesisRun

# Denoisings more at each noise level of the coarsest one where pixels are known: what is made comes
# to agree with them (Lugmayr et al. 2022, doi:10.48550/arXiv.2201.09865).
_RESAMPLINGS = 2


@dataclass(frozen=True)
class Start:
    """An image that a diffusion begins with, in place of noise alone.

    Attributes
    ----------
    image : (C, h, w) float32
        At the coarsest level.
    kept : bool
        The coarsest level stays as it is: only what is finer is made.
    inverted : Source or None
        Noise is not drawn: it is that which the denoiser of these patches would take away. What is
        made of it with other patches keeps the layout of the image.
    """

    image: Array
    kept: bool = False
    inverted: Source | None = None


def diffuse(
    run: SynthesisRun,
    noise: NoiseSchedule,
    patch_sizes: Sequence[int],
    generators: Sequence[np.random.Generator],
    start: Start | None = None,
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
    start : Start, optional
        Default: noise alone.

    Returns
    -------
    Synthesised
        Without an index: no pixel has one origin.
    """
    coarsest = run.schedule.levels
    plan = [_steps(run, noise, level, start) for level in range(coarsest + 1)]
    inversion = _rising(noise) if start is not None and start.inverted is not None else []
    counts = [len(steps) for steps in plan]
    counts[coarsest] += len(inversion)
    run.reporter.plan(run.schedule, _planned_pairs(run, counts, patch_sizes, len(generators)))
    run = replace(run, settings=replace(run.settings, tick=run.reporter.tick))
    begin = start.image if start is not None else _mean_colour(run)
    xp = arrays.namespace(begin)
    images = [begin + xp.zeros((1, *run.shape(coarsest)), dtype=xp.float32)] * len(generators)
    for level in range(coarsest, -1, -1):
        sized = replace(run, settings=replace(run.settings, patch_size=patch_sizes[level]))
        lows: list[Array] | None = None
        if level < coarsest:
            lows = images = [_enlarged(run, image, level) for image in images]
        if not plan[level]:
            continue
        images = [_fixed(run, image, level) for image in images]
        steps = enumerate(plan[level])
        if level == coarsest and start is not None and start.inverted is not None:
            noisy = _inverted(sized, start.inverted, inversion, images, generators)
            steps = enumerate(plan[level], len(inversion))
        else:
            noisy = _with_noise(images, plan[level][0].sigma, generators)
        images = _denoised(sized, level, steps, noisy, lows, generators)
    nothing = [xp.zeros((0,) * len(run.problem.shape), dtype=xp.int32) for _ in images]
    return Synthesised(xp.stack(images), xp.stack(nothing), run.layout(0))


@dataclass(frozen=True)
class _Step:
    """One denoising: at a noise level, and the noise that is left after it.

    As much as before means other noise: what was made is looked at again (`_RESAMPLINGS`).
    """

    sigma: float
    following: float


def _steps(run: SynthesisRun, noise: NoiseSchedule, level: int, start: Start | None) -> list[_Step]:
    """The denoisings of a level."""
    is_coarsest = level == run.schedule.levels
    kept = start is not None and start.kept
    if is_coarsest and level > 0 and kept:
        return []
    # Where there is no level below the one that is kept, it is made like one.
    sigmas = noise.levels(coarsest=is_coarsest and not kept)
    again = _RESAMPLINGS if is_coarsest and run.problem.fixed is not None else 0
    steps = []
    for sigma, following in pairwise([*sigmas, 0.0]):
        left = following if following < sigma else 0.0
        steps += [_Step(sigma, sigma)] * (again if left else 0) + [_Step(sigma, left)]
    return steps


def _fixed(run: SynthesisRun, image: Array, level: int) -> Array:
    """An image of a level with the known pixels in their place."""
    fixed = run.problem.fixed
    return image if fixed is None else fixed.apply(image, level)


def _enlarged(run: SynthesisRun, image: Array, level: int) -> Array:
    """An image of the next coarser level in the shape of a level."""
    return enlarge(image, run.schedule.ratio, run.shape(level), run.problem.periodic)


def _with_low_frequencies(run: SynthesisRun, image: Array, low: Array, level: int) -> Array:
    """The detail of an image of a level on the enlarged coarser one, which has the layout."""
    ratio, periodic = run.schedule.ratio, run.problem.periodic
    own = planes_pyramid(image, 1, ratio, periodic)[1]
    return low + (image - _enlarged(run, own, level))


def _mean_colour(run: SynthesisRun) -> Array:
    """Mean of the first source at the coarsest level, (C, 1, 1)."""
    planes = run.problem.sources[0].sharp[-1]
    axes = tuple(range(1, planes.ndim))
    # On the host, whose order of sums decides the last bit.
    mean = arrays.on_host(planes).mean(axis=axes, dtype=np.float64, keepdims=True)
    return arrays.like(mean.astype(np.float32), planes)


def _planned_pairs(
    run: SynthesisRun, counts: Sequence[int], patch_sizes: Sequence[int], images: int
) -> dict[tuple[int, int], int]:
    """Pairs of patches by (level, step): each is searched, and weighted twice.

    Where means are those of near keys, they are the pairs that are tried.
    """
    planned = {}
    for level in range(run.schedule.levels, -1, -1):
        size = patch_sizes[level]
        sized = replace(run, settings=replace(run.settings, patch_size=size))
        queries = sized.grid(run.shape(level)).count
        layout = sized.layout(level)
        pairs = queries * layout.patch_count(size)
        approximate = is_approximate(run.settings.method, pairs, size)
        for step in range(counts[level]):
            planned[level, step] = 3 * images * pairs
            if approximate:
                planned[level, step] = images * queries * tries(layout.canvas_shape, step)
    return planned


def _with_noise(
    images: Sequence[Array], sigma: float, generators: Sequence[np.random.Generator]
) -> list[Array]:
    return [
        image + _noise(generator, image, sigma)
        for image, generator in zip(images, generators, strict=True)
    ]


def _inverted(
    run: SynthesisRun,
    source: Source,
    rising: Sequence[tuple[float, float]],
    images: Sequence[Array],
    generators: Sequence[np.random.Generator],
) -> list[Array]:
    """Images of the coarsest level with the noise that the denoiser of a source takes for theirs.

    The steps of sampling are gone backwards, from the smallest noise (Song et al. 2020).
    """
    level = run.schedule.levels
    own = replace(run, problem=replace(run.problem, sources=[source]))
    noisy = _with_noise(images, rising[0][0], generators)
    denoisers = [Denoiser(own, level) for _ in images]
    for number, (sigma, following) in enumerate(rising):
        run.reporter.begin(level, number, noisy)
        more = np.float32(following / sigma)
        clean = [each.denoise(image, sigma) for each, image in zip(denoisers, noisy, strict=True)]
        noisy = [best + more * (image - best) for best, image in zip(clean, noisy, strict=True)]
        run.reporter.end(clean)
    return noisy


def _rising(noise: NoiseSchedule) -> list[tuple[float, float]]:
    """Noise levels of the coarsest level, from the smallest one, each with the next larger one."""
    return list(pairwise(sorted(set(noise.levels(coarsest=True)))))


def _denoised(
    run: SynthesisRun,
    level: int,
    steps: Iterable[tuple[int, _Step]],
    noisy: Sequence[Array],
    lows: Sequence[Array] | None,
    generators: Sequence[np.random.Generator],
) -> list[Array]:
    """Take the noise of the images of a level away, step by step.

    The layout of `lows`, the enlarged images of the next coarser level, is kept while there is
    noise.
    """
    images = list(noisy)
    region = _unknown_region(run, level)
    denoisers = [Denoiser(run, level, region) for _ in images]
    for number, step in steps:
        run.reporter.begin(level, number, images)
        for at, (denoiser, generator) in enumerate(zip(denoisers, generators, strict=True)):
            image = images[at]
            best = _fixed(run, denoiser.denoise(image, step.sigma), level)
            low = None if lows is None else lows[at]
            images[at] = _with_less_noise(run, level, step, image, best, low, generator)
        run.reporter.end(images)
    return images


def _unknown_region(run: SynthesisRun, level: int) -> Region | None:
    """Rows and columns of the patches that have an unknown pixel; None: all."""
    fixed, shape = run.problem.fixed, run.shape(level)
    if fixed is None or any(run.problem.periodic):
        return None
    unknown = ~fixed.masks[level]
    xp = arrays.namespace(unknown)
    region = []
    for axis, size in enumerate(patch_sides(run.settings.patch_size, len(shape))):
        others = tuple(other for other in range(len(shape)) if other != axis)
        (places,) = xp.nonzero(xp.any(unknown, axis=others))
        if not len(places):
            return tuple(
                slice(0, side) for side in patch_sides(run.settings.patch_size, len(shape))
            )
        first, last = int(places[0]) - size + 1, int(places[-1]) + size
        region.append(slice(max(first, 0), min(last, shape[axis])))
    return tuple(region)


def _with_less_noise(
    run: SynthesisRun,
    level: int,
    step: _Step,
    image: Array,
    best: Array,
    low: Array | None,
    generator: np.random.Generator,
) -> Array:
    """An image after a step: the best estimate, and what is left of the noise."""
    if not step.following:
        return best
    if step.following == step.sigma:
        noise = _noise(generator, image, step.sigma)
    else:
        noise = np.float32(step.following / step.sigma) * (image - best)
    if low is not None:
        best = _fixed(run, _with_low_frequencies(run, best, low, level), level)
    return best + noise


def _noise(generator: np.random.Generator, image: Array, sigma: float) -> Array:
    """Noise for an image, drawn on the host; float32."""
    drawn = draw_normal(generator, image.shape) * sigma
    return arrays.like(np.ascontiguousarray(drawn, np.float32), image)
