"""Growth of a volume from images of its slices: PNN steps over three directions, coarse to fine.

In each step every slice perpendicular to every named axis is matched with the image of that axis,
and one vote averages the patches of all directions that cover a voxel. Patches far from what they
replace count less (Kopf et al. 2007, doi:10.1145/1276377.1276380, whose norm has the exponent 0.8;
here it is 1), and the result is moved towards the histogram of the images, as there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import combined
from pnncupy.images.pyramid import Ratio, enlarge, level_shape
from pnncupy.patch_shape import square_side
from pnncupy.search.exact import NearestNeighborField, SearchSettings, search
from pnncupy.search.incremental import incremental_search
from pnncupy.search.method import is_approximate
from pnncupy.search.nearest import check_span
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patch_metric import PatchMetric
from pnncupy.search.patchmatch import PatchMatch, effort
from pnncupy.search.slice_batch import SliceBatch
from pnncupy.synthesis.histogram import HistogramTarget, balanced
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.synthesis.voting import side_weights

# Added to the distance of a patch before its root divides its weight, in squared units of the value
# range.
_LEAST_DISTANCE = 1e-3
# Share of the way to the histogram after each vote. All of it would freeze what was decided in the
# first step, half of it lets later steps move phases.
_TOWARDS_HISTOGRAM = 0.5
_REMEDY = "use another `data_range`"


@dataclass(frozen=True)
class VolumeProblem:
    """Problem that a task prepares for the growth of a volume.

    Attributes
    ----------
    sources : sequence of Source
        One for each of the `axes`.
    axes : sequence of int
        Axes of the volume perpendicular to slices that look like these.
    shape : (int, int, int)
        Of the result.
    margin : int
        Voxels that are grown beyond each side of it, so that all that is left is the mean of
        equally many patches: fewer of them make values more extreme.
    labels : bool
        Planes are shares of labels.
    metric : PatchMetric
        What patches are compared by, without guides.
    """

    sources: Sequence[Source]
    axes: Sequence[int]
    shape: tuple[int, ...]
    margin: int = 0
    labels: bool = False
    metric: PatchMetric = field(default_factory=PatchMetric)

    @property
    def grown_shape(self) -> tuple[int, ...]:
        """Shape with the margins."""
        return tuple(side + 2 * self.margin for side in self.shape)

    def without_margin(self, volume: Array, ratio: Ratio, levels: int) -> Array:
        """Return the part of a volume (C, z, y, x) of any level that is the result's."""
        for level in range(levels + 1):
            if volume.shape[1:] == level_shape(self.grown_shape, level, ratio):
                wanted = level_shape(self.shape, level, ratio)
                first = [(a - b) // 2 for a, b in zip(volume.shape[1:], wanted, strict=True)]
                inside = (slice(a, a + b) for a, b in zip(first, wanted, strict=True))
                return volume[(slice(None), *inside)]
        return volume

    def key(self, number: int, level: int, kind: str) -> Array:
        """Key image of an axis at a level; see `Source`."""
        source = self.sources[number]
        planes = source.sharp[level] if kind == "sharp" else source.blurred[level]
        return source.without_unusable(self.metric.key(planes, number, level), level)

    def pixels(self, level: int) -> Array:
        """Usable pixels of all sources at a level, (C, M)."""
        different = {id(source): source for source in self.sources}.values()
        found = []
        for source in different:
            planes = source.sharp[level]
            usable = None if source.usable is None else source.usable[level]
            found.append(planes.reshape(len(planes), -1) if usable is None else planes[:, usable])
        return arrays.namespace(found[0]).concat(found, axis=1)


@dataclass(frozen=True)
class VolumeRun:
    """One run of the coarse-to-fine loop; as `SynthesisRun`."""

    problem: VolumeProblem
    schedule: Schedule
    settings: SearchSettings
    reporter: ProgressReporter

    def shape(self, level: int) -> tuple[int, ...]:
        """Shape of the volume at a level, with its margins."""
        return self.schedule.shape(self.problem.grown_shape, level)

    def slices(self, number: int, level: int) -> SliceBatch:
        """Slices of the volume at a level perpendicular to one of the axes."""
        axis = self.problem.axes[number]
        return SliceBatch.of_shape(self.shape(level), axis, square_side(self.settings.patch_size))


class Matches(NamedTuple):
    """Matches of the slices of one axis.

    Attributes
    ----------
    index : (n, h-p+1, w-p+1) int32
    layout : Layout
        What they are indices in.
    """

    index: Array
    layout: Layout


def random_volume(
    problem: VolumeProblem, schedule: Schedule, generator: np.random.Generator
) -> Array:
    """Draw the voxels of the coarsest level from the pixels of all sources, (C, z, y, x)."""
    pixels = problem.pixels(schedule.levels)
    shape = schedule.shape(problem.grown_shape, schedule.levels)
    drawn = generator.integers(0, pixels.shape[1], shape)
    return arrays.namespace(pixels).ascontiguousarray(pixels[:, arrays.like(drawn, pixels)])


def grow(run: VolumeRun, volume: Array) -> Array:
    """Run the coarse-to-fine loop.

    Parameters
    ----------
    run : VolumeRun
    volume : (C, z, y, x) float32
        First queries at the coarsest level.

    Returns
    -------
    (C, Z, Y, X) float32
        With the histogram of the sources; for labels votes, of which the largest wins.
    """
    levels = run.schedule.levels
    keys = [run.problem.key(number, levels, "sharp") for number in range(len(run.problem.axes))]
    check_span([volume, *keys], run.settings.patch_size, _REMEDY)
    run.reporter.plan(run.schedule, planned_pairs(run))
    run = replace(run, settings=replace(run.settings, tick=run.reporter.tick))
    known: list[Matches | None] = [None] * len(run.problem.axes)
    for level in range(levels, -1, -1):
        if level < levels:
            volume = enlarge(volume, run.schedule.ratio, run.shape(level))
        pixels = run.problem.pixels(level)
        target = HistogramTarget(pixels, labels=run.problem.labels)
        votes, volume = _refine(run, level, volume, known, target)
    votes = run.problem.without_margin(votes, run.schedule.ratio, 0)
    if run.problem.labels:
        return balanced(votes, target.shares)
    return target.matched(votes)


def _refine(
    run: VolumeRun, level: int, volume: Array, known: list[Matches | None], target: HistogramTarget
) -> tuple[Array, Array]:
    """Take the steps of one level; the last votes, and the volume that they make.

    `known` holds the last matches of each axis, and is changed in place.
    """
    searches: list[Callable[[Array], NearestNeighborField]] = []
    last_kind, last_volume, votes = "", None, volume
    for step in range(run.schedule.steps(level)):
        (kind,) = run.schedule.key_kinds(level, step)
        if kind != last_kind:
            searches = [
                _search(run, number, level, step, kind, known[number])
                for number in range(len(known))
            ]
        elif run.schedule.incremental and _same(volume, last_volume):
            run.reporter.skip(level, step)
            continue
        run.reporter.begin(level, step, volume[None])
        last_kind, last_volume = kind, volume
        votes = _voted(run, level, volume, searches, known)
        volume = target.matched(votes, _TOWARDS_HISTOGRAM)
        run.reporter.end(volume[None])
    return votes, volume


def _same(volume: Array, last_volume: Array) -> bool:
    """Test whether all voxels are the same."""
    return bool((arrays.bits(volume) == arrays.bits(last_volume)).all())


def _voted(
    run: VolumeRun,
    level: int,
    volume: Array,
    searches: Sequence[Callable[[Array], NearestNeighborField]],
    known: list[Matches | None],
) -> Array:
    """One vote of the matches of all axes, which are noted in `known`."""
    xp = arrays.namespace(volume)
    settings, problem = run.settings, run.problem
    total = xp.zeros_like(volume)
    weights = xp.zeros(volume.shape[1:], dtype=xp.float32)
    size = square_side(settings.patch_size)
    for number, find in enumerate(searches):
        slices, values = run.slices(number, level), problem.sources[number].sharp[level]
        tall = problem.metric.queries(slices.tall(volume)[None], level)[0]
        with np.errstate(invalid="ignore"):  # between slices infinity is subtracted from itself
            found = find(tall)
        index = slices.field(found.index)
        settings.engine.add_slice_votes(
            values, index, size, _patch_weights(settings, slices.field(found.score)),
            side_weights(size, run.schedule.vote_width), slices.of_volume(total),
            slices.of_volume(weights[None])[0], threads=settings.threads,
        )  # fmt: skip
        known[number] = Matches(index, Layout.of([values]))
    return total / weights


def _patch_weights(settings: SearchSettings, score: Array) -> Array:
    """Weight of each patch, from its score.

    With a finite alpha, alpha times the score is nearly the distance, where that is small.
    """
    finite = not math.isinf(settings.alpha)
    distance = score * np.float32(settings.alpha) if finite else score
    return np.float32(1) / arrays.namespace(score).sqrt(distance + np.float32(_LEAST_DISTANCE))


def _search(
    run: VolumeRun, number: int, level: int, step: int, kind: str, known: Matches | None
) -> Callable[[Array], NearestNeighborField]:
    """The search of the slices of an axis in steps with the same kind of keys."""
    key = run.problem.key(number, level, kind)
    layout, slices = Layout.of([key]), run.slices(number, level)
    stream = combined(run.settings.stream, number << 24 | level << 16 | step)
    settings = replace(run.settings, stream=stream)
    needed = slices.needed(arrays.namespace(key))
    start = None
    if known is not None:
        same = known.index.shape == slices.grid and step > 0
        start = (
            slices.tall_field(known.index)[..., None]
            if same
            else slices.start(known.index, known.layout, layout)
        )
    if is_approximate(settings.method, _pairs(run, number, level), settings.patch_size):
        return PatchMatch(settings, [key], layout, needed, start).search
    if run.schedule.incremental:
        return incremental_search(settings, [key], layout, needed, start, run.reporter.reuse)
    return lambda query: search(settings, query, [key], layout, needed)


def _pairs(run: VolumeRun, number: int, level: int) -> int:
    """Pairs of patches of the slices of an axis and its image at a level."""
    shape = run.problem.sources[number].sharp[level].shape[1:]
    keys = PatchGrid.of_shape(shape, run.settings.patch_size).count
    return run.slices(number, level).patches * keys


def planned_pairs(run: VolumeRun) -> dict[tuple[int, int], int]:
    """Pairs of patches that a run without savings compares, by (level, step)."""
    settings, planned = run.settings, {}
    normalised = not math.isinf(settings.alpha)
    for level in range(run.schedule.levels, -1, -1):
        for step in range(run.schedule.steps(level)):
            planned[level, step] = 0
            for number, source in enumerate(run.problem.sources):
                pairs = _pairs(run, number, level)
                if is_approximate(settings.method, pairs, settings.patch_size):
                    queries = run.slices(number, level).patches
                    keys = pairs // queries
                    tried = effort(level < run.schedule.levels, step).tries(
                        source.sharp[level].shape[1:]
                    )
                    planned[level, step] += tried * (queries + normalised * keys)
                else:
                    planned[level, step] += pairs * (2 if normalised else 1)
    return planned
