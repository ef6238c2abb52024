"""Realisations that are new: without the source's layout, and no copies of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.label_encoding import LabelEncoding
from pnncupy.images.resize import resize_planes
from pnncupy.images.stationarity import Stationarity, stationarity
from pnncupy.metrics.copies import near_copy, translation_share
from pnncupy.patch_shape import patch_sides
from pnncupy.rng import draw_normal, stream
from pnncupy.synthesis.coarse_to_fine import Synthesised
from pnncupy.synthesis.problem import SynthesisProblem
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.tiled_guess import tiled_guess
from pnncupy.tasks.execute import Work, index_map_of, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask
from pnncupy.tasks.source_images import SourceImages

# Levels that a start from tiles is finer than one from the source.
FEWER_LEVELS = 2
# Blocks of fewer patches than this say more about single elements than about the texture.
_PATCHES_OF_A_BLOCK = 2
# One translation of more than this share of a result is a copy to the eye; so are labels that agree
# by more than this, where 0 is by chance and 1 wholly (Cohen's kappa).
_LARGEST_TRANSLATION = 0.6
# Noise of the named varieties, in units of the value range.
VARIETIES = {"low": 0.75, "medium": 1.1, "high": 1.5}
_DEFAULT_VARIETY = "low"
# Noise of the last try for another result.
_NOISE_OF_LAST_TRY = 1.5


def checked_independence(value: Any) -> bool | str:
    """Return `independent`: True, False or "auto"."""
    if isinstance(value, str):
        validation.choice("independent", value, ("auto",))
        return value
    return validation.flag("independent", value)


def checked_noise(noise_std: Any, variety: Any) -> float:
    """The noise of a call: as given, of a named variety, or the default."""
    if variety is None:
        default = VARIETIES[_DEFAULT_VARIETY]
        return default if noise_std is None else validation.non_negative("noise_std", noise_std)
    validation.choice("variety", variety, tuple(VARIETIES))
    if noise_std is not None:
        raise ValueError(
            f"`variety` must be None with `noise_std`, as it says the same, got {variety!r}"
        )
    return VARIETIES[variety]


def measured_stationarity(images: SourceImages, options: TaskOptions) -> Stationarity | None:
    """Measure the sources of a call; None where they are too small to tell."""
    sides = patch_sides(options.patch_size, images.axes)
    return stationarity(
        images.planes, images.known, tuple(_PATCHES_OF_A_BLOCK * side for side in sides),
        labels=options.holds_labels,
    )  # fmt: skip


@dataclass(frozen=True)
class FirstGuess:
    """First guess of realisations.

    Attributes
    ----------
    independent : bool
        Random tiles of the sources; else the first source with noise.
    noise_std : float
        Standard deviation of the noise.
    """

    independent: bool
    noise_std: float

    def draw(
        self, task: PreparedTask, problem: SynthesisProblem, seeds: Sequence[np.random.SeedSequence]
    ) -> Array:
        """The coarsest level of each realisation, (B, C, h, w)."""
        xp = arrays.namespace(problem.sources[0].sharp[-1])
        guesses = [self._draw_one(task, problem, np.random.default_rng(seed)) for seed in seeds]
        return guesses[0][None] if len(guesses) == 1 else xp.stack(guesses)

    def _draw_one(
        self, task: PreparedTask, problem: SynthesisProblem, generator: np.random.Generator
    ) -> Array:
        shape = task.coarsest_shape
        if self.independent:
            return tiled_guess(
                problem.sources, shape, task.settings.patch_size, generator, task.periodic,
                task.source_periodic,
            )  # fmt: skip
        return self.from_noise(task, problem.sources[0].sharp[-1], shape, generator)

    def from_noise(
        self, task: PreparedTask, image: Array, shape: tuple[int, ...],
        generator: np.random.Generator,
    ) -> Array:  # fmt: skip
        """A source (C, h, w) in another shape, with noise."""
        scales = tuple(new / old for new, old in zip(shape, image.shape[1:], strict=True))
        resized = resize_planes(image, scales, shape, task.source_periodic)
        xp = arrays.namespace(image)
        noise = draw_normal(generator, resized.shape) * self.noise_std
        return resized + xp.asarray(noise, dtype=xp.float32)


def realised(
    task: PreparedTask,
    problem: SynthesisProblem,
    first: FirstGuess,
    seeds: Sequence[np.random.SeedSequence],
) -> Work:
    """The work of some realisations."""
    settings = replace(task.settings, stream=stream(seeds[0]))
    return synthesis(replace(task, settings=settings), problem, first.draw(task, problem, seeds))


@dataclass(frozen=True)
class Attempt:
    """Another way to synthesise a realisation that copies the source.

    Attributes
    ----------
    words : str
        For the record of the realisation.
    task, problem, first
        As in `realised`.
    """

    words: str
    task: PreparedTask
    problem: SynthesisProblem
    first: FirstGuess


def attempts(
    task: PreparedTask, first: FirstGuess, prepare: Callable[[int], PreparedTask]
) -> list[Attempt]:
    """Ways to other results: one level less, and then more noise too.

    ``prepare(levels)`` prepares the same call with other levels.
    """
    other = prepare(max(0, task.schedule.levels - 1))
    problem = other.problem(other.sources())
    noisy = replace(first, noise_std=max(first.noise_std, _NOISE_OF_LAST_TRY))
    levels = f"levels {other.schedule.levels}"
    found = [
        Attempt(levels, other, problem, first),
        Attempt(f"{levels}, noise_std {noisy.noise_std:g}", other, problem, noisy),
    ]
    if isinstance(task.encoding, LabelEncoding) and not first.independent:
        # Few labels are told apart in any noise: what is left is another start.
        tiled = prepare(max(0, task.schedule.levels - FEWER_LEVELS))
        start = FirstGuess(independent=True, noise_std=first.noise_std)
        found.append(Attempt("independent", tiled, tiled.problem(tiled.sources()), start))
    return found


def distinct_work(
    work: Work,
    task: PreparedTask,
    seeds: Sequence[np.random.SeedSequence],
    others: Callable[[], list[Attempt]],
) -> Work:
    """Work that synthesises realisations again, with the same seeds, where they copy a source."""

    def checked(reporter: ProgressReporter) -> Synthesised:
        made = work(reporter)
        images, index = list(made.images), list(made.index)
        for number, seed in enumerate(seeds):
            if not _is_copy(task, images[number], index[number], made):
                continue
            for attempt in others():
                again = realised(attempt.task, attempt.problem, attempt.first, [seed])(reporter)
                images[number], index[number] = again.images[0], again.index[0]
                reporter.remade[number] = attempt.words
                if not _is_copy(task, images[number], index[number], made):
                    break
        if not reporter.remade:
            return made
        xp = arrays.namespace(images[0])
        return made._replace(images=xp.stack(images), index=xp.stack(index))

    return checked


def _is_copy(task: PreparedTask, planes: Array, index: Array, made: Synthesised) -> bool:
    """Test whether a result is a piece of a source, by its index map or by its values."""
    index_map = _within_a_period(task, index_map_of(task, index, made.layout))
    if translation_share(index_map) > _LARGEST_TRANSLATION:
        return True
    if isinstance(task.encoding, LabelEncoding):
        return _copies_labels(task, task.encoding, planes)
    result = task.encoding.decode(planes)
    axis = task.options.channel_axis
    for source in task.images.originals:
        try:
            found = near_copy(
                source, result, data_range=task.options.data_range, channel_axis=axis,
                periodic=task.periodic, source_periodic=task.source_periodic,
            )  # fmt: skip
        except ValueError:  # of another size, so that they hardly overlap
            continue
        if found.is_copy:
            return True
    return False


def _copies_labels(task: PreparedTask, encoding: LabelEncoding, planes: Array) -> bool:
    """Test whether the labels of a result are those of a source, at the best shift.

    Many pixels of one label are alike, so that index maps do not show it.
    """
    result = encoding.encode(encoding.decode(planes)[None])
    for source in task.planes:
        try:
            found = near_copy(
                source, result, data_range=(0, 1), channel_axis=0, periodic=task.periodic,
                source_periodic=task.source_periodic,
            )  # fmt: skip
        except ValueError:  # of another size, so that they hardly overlap
            continue
        # Two planes of K differ where labels do.
        different = 10 ** (-found.psnr / 10) * len(source) / 2
        xp = arrays.namespace(result)
        own, other = ([float(xp.mean(plane)) for plane in image] for image in (result, source))
        chance = math.fsum(one * two for one, two in zip(own, other, strict=True))
        if chance == 1 or 1 - different / (1 - chance) > _LARGEST_TRANSLATION:
            return True
    return False


def _within_a_period(task: PreparedTask, index_map: Array) -> Array:
    """The index map with translations that differ by a period made equal.

    A period is the side of a source that wraps around, or else of the result. Entries may be
    outside of the sources then.
    """
    xp = arrays.namespace(index_map)
    source, *places = xp.moveaxis(index_map, -1, 0)
    own = xp.meshgrid(*map(xp.arange, index_map.shape[:-1]), indexing="ij")
    sides = xp.asarray(task.images.shapes)[source]
    found = [source]
    for axis, place in enumerate(places):
        if task.source_periodic[axis]:
            place = own[axis] + (place - own[axis]) % sides[..., axis]
        elif task.periodic[axis]:
            place = own[axis] + (place - own[axis]) % task.shape[axis]
        found.append(place)
    return xp.astype(xp.stack(found, axis=-1), xp.int32)
