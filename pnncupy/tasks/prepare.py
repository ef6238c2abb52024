"""Preparation of a task: its levels, encoding, memory plan and searches."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pnncupy import arrays, errors, validation
from pnncupy.arrays import Array
from pnncupy.engine.interface import Engine
from pnncupy.images.intensity_encoding import IntensityEncoding, intensity_encoding_of
from pnncupy.images.label_encoding import LabelEncoding, check_labels, label_encoding_of
from pnncupy.images.planes import (
    as_planes,
    channel_axis_of,
    check_fits_patch,
    raw_planes,
    side_words,
)
from pnncupy.images.pyramid import (
    Ratio,
    enlarge,
    planes_pyramid,
)
from pnncupy.parallel.threads import thread_count
from pnncupy.patch_shape import patch_sides
from pnncupy.search import blocks
from pnncupy.search.exact import SearchSettings
from pnncupy.search.method import chosen
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.search.patch_metric import (
    PatchMetric,
    checked_guides,
    checked_weights,
    guide_axis,
    patch_metric,
    total_channels,
)
from pnncupy.search.pruned_search import expected_steps
from pnncupy.synthesis.masked_sources import MaskedPyramid
from pnncupy.synthesis.memory import MemoryPlan, Shape, Workload, batch_within, within
from pnncupy.synthesis.problem import FixedPixels, Source, SynthesisProblem
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.level_count import Requirements, level_count
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.source_images import SourceImages, check_like, without_missing

Encoding = IntensityEncoding | LabelEncoding


@dataclass(frozen=True)
class PreparedTask:
    """A checked call: what every task needs before it makes its guess.

    Attributes
    ----------
    options : TaskOptions
    images : SourceImages
    shape : (int, int)
        Height and width of a result.
    schedule : Schedule
        What happens at which level.
    encoding : IntensityEncoding or LabelEncoding
        How images become planes in working units, and results come back.
    planes : sequence of (C, H, W) float32
        The sources in working units.
    metric : PatchMetric
        What patches are compared by.
    engine_name : str
    settings : SearchSettings
        How patches are searched.
    batch_size : int
        Results that may be synthesised at the same time.
    periodic, source_periodic : tuple of bool
        Axes along which results, and sources, wrap around.
    """

    options: TaskOptions
    images: SourceImages
    shape: tuple[int, ...]
    schedule: Schedule
    encoding: Encoding
    planes: Sequence[Array]
    metric: PatchMetric
    engine_name: str
    settings: SearchSettings
    batch_size: int = 1
    periodic: tuple[bool, ...] = ()
    source_periodic: tuple[bool, ...] = ()

    @property
    def coarsest_shape(self) -> tuple[int, ...]:
        """Height and width of the result at the coarsest level."""
        return self.schedule.shape(self.shape, self.schedule.levels)

    @property
    def grid(self) -> PatchGrid:
        """Patches of a result."""
        return PatchGrid.of_shape(self.shape, self.settings.patch_size, self.periodic)

    def pyramid(self, planes: Array) -> list[Array]:
        """All levels of a planar image that wraps around as results do."""
        return planes_pyramid(planes, self.schedule.levels, self.schedule.ratio, self.periodic)

    def source(self, planes: Array, usable: Any = None) -> Source:
        """A source whose pixels are all known; patches hold `usable` ones, level by level."""
        ratio, wraps = self.schedule.ratio, self.source_periodic
        pyramid = planes_pyramid(planes, self.schedule.levels, ratio, wraps)
        return source_of(pyramid, ratio, usable, wraps)

    def sources(self) -> list[Source]:
        """The sources, of which known pixels may be used."""
        levels, ratio = self.schedule.levels, self.schedule.ratio
        return [
            self.source(planes)
            if known is None
            else MaskedPyramid.of(planes, known, levels, ratio, self.source_periodic).source(
                ratio, levels
            )
            for planes, known in zip(self.planes, self.images.known, strict=True)
        ]

    def problem(
        self,
        sources: Sequence[Source],
        shape: tuple[int, ...] | None = None,
        fixed: FixedPixels | None = None,
        copied: Array | None = None,
    ) -> SynthesisProblem:
        """Build the problem, at the size of the result by default."""
        size = self.shape if shape is None else shape
        return SynthesisProblem(
            sources, size, fixed, self.metric, copied, self.periodic, self.source_periodic,
            self.fractions,
        )  # fmt: skip

    @property
    def fractions(self) -> tuple[float, ...] | None:
        """Share of each label in the known pixels of the sources, if results are to keep it."""
        if not self.options.keep_fractions or not isinstance(self.encoding, LabelEncoding):
            return None
        counts = np.zeros(len(self.encoding.labels))
        for planes, known in zip(self.planes, self.images.known, strict=True):
            seen = planes if known is None else planes[:, known]
            seen = arrays.on_host(seen).reshape(len(counts), -1)
            counts += np.count_nonzero(seen, axis=1)
        return tuple((counts / counts.sum()).tolist())

    def copied(self, keep_grain: Any) -> Array | None:
        """All pixels of the result, to be copied in the last vote; None where they are not."""
        if not validation.flag("keep_grain", keep_grain) or self.options.vote != "weighted_mean":
            return None
        return arrays.like(np.ones(self.shape, bool), self.planes[0])

    def encode(self, name: str, image: Any) -> Array:
        """Check another image of the call and encode it; missing pixels are filled."""
        plain = self.plain(name, image)
        axis = self.options.channel_axis
        planes = as_planes(name, plain, axis)
        first = self.images.originals[0]
        xp = arrays.same_library(**{name: plain, "source": first})
        arrays.check_finite(name, plain, xp)
        check_fits_patch(name, planes, self.settings.patch_size)
        check_like(name, plain, planes, first, as_planes("source", first, axis))
        if isinstance(self.encoding, LabelEncoding):
            check_labels(name, planes, self.encoding)
        return self.encoding.encode(planes, name)

    def plain(self, name: str, image: Any) -> Array:
        """Another image of the call as a plain array, missing pixels filled."""
        (plain,), _ = without_missing([image], [name], self.options)
        return plain

    def checked_guess(self) -> Array | None:
        """The caller's coarsest level as planes, or None."""
        given, axis = self.options.initial_guess, self.options.channel_axis
        if given is None:
            return None
        axis = guide_axis(given, self.images.axes, axis)
        guess = raw_planes("initial_guess", given, axis)
        wanted = (self.planes[0].shape[0], *self.coarsest_shape)
        if guess.shape != wanted:
            channels, *sides = wanted
            raise ValueError(
                "`initial_guess` must have the shape of the coarsest level, "
                f"{side_words(sides)} with {channels} channels, got "
                f"{side_words(guess.shape[1:])} with {guess.shape[0]}"
            )
        return guess


def source_of(
    pyramid: Sequence[Array], ratio: Ratio, usable: Any = None, periodic: tuple[bool, ...] = ()
) -> Source:
    """A source with its blurred levels."""
    blurred = [
        enlarge(coarser, ratio, finer.shape[1:], periodic)
        for finer, coarser in itertools.pairwise(pyramid)
    ]
    return Source(pyramid, blurred, usable)


def prepare_task(
    images: SourceImages,
    shape: Any,
    options: TaskOptions,
    requirements: Requirements | None = None,
) -> PreparedTask:
    """Validate the common arguments and prepare the sources.

    Nothing large is allocated before the memory limit is known to hold.
    """
    requirements = requirements or Requirements()
    axes = images.axes
    size = options.patch(axes)
    result = images.shapes[0]
    if shape is not None:
        result = validation.shape("shape", shape, patch_sides(size, axes), axes)
    periodic = options.periodic_axes(axes)
    source_periodic = options.source_periodic_axes(axes)
    schedule = options.schedule(level_count(images, result, options, requirements), axes)
    if options.checkpoint_file is not None:
        options.checkpoint_file.check()
    encoding = _encoding(images, options)
    engine_name, engine = blocks.pick(options.engine, images.originals[0], options.executor)
    queries = PatchGrid.of_shape(result, size, periodic).count
    keys = sum(PatchGrid.of_shape(each, size, source_periodic).count for each in images.shapes)
    if requirements.averaged:
        method = _method_of_means(options.method, engine_name, engine, queries, keys)
    else:
        steps = partial(_expected_steps, engine, images, options)
        method = chosen(options.method, engine_name, queries, keys, steps)
    work = _workload(images, result, schedule, encoding, options, requirements)
    work = replace(work, approximate=method == "patchmatch", plain=engine_name == "numpy")
    wanted = MemoryPlan(thread_count(options.threads), schedule.incremental, engine.TREE_AXES)
    plan = within(options.memory_limit, work, wanted)
    planes = [
        encoding.encode(image, name)
        for name, image in zip(images.names, images.planes, strict=True)
    ]
    metric, compared = _metric(images, planes, result, schedule, encoding, options)
    settings = SearchSettings(
        engine=engine, patch_size=size, channels=compared, alpha=options.alpha,
        threads=plan.threads, method=method, axes=plan.axes,
    )  # fmt: skip
    batch_size = batch_within(options.memory_limit, work, plan, _largest_batch(settings, result))
    schedule = replace(schedule, incremental=plan.incremental)
    return PreparedTask(
        options, images, result, schedule, encoding, planes, metric, engine_name, settings,
        batch_size, periodic, source_periodic,
    )  # fmt: skip


def _encoding(images: SourceImages, options: TaskOptions) -> Encoding:
    """Choose the encoding of images; value ranges are those of known pixels."""
    first = images.originals[0]
    if options.categorical:
        axis = channel_axis_of(images.names[0], first.shape, options.channel_axis)
        return label_encoding_of(
            images.names, images.planes, images.known, axis, first.dtype, options.label_costs
        )
    seen = [
        image if mask is None else image[:, mask][:, None]
        for image, mask in zip(images.planes, images.known, strict=True)
    ]
    return intensity_encoding_of(seen, images.originals, options.channel_axis, options.data_range)


def range_of(encoding: Encoding) -> list[float] | None:
    """Values that count as 0 and 1, for records; None of labels."""
    return None if isinstance(encoding, LabelEncoding) else [encoding.low, encoding.high]


def _method_of_means(method: str, name: str, engine: Engine, queries: int, keys: int) -> str:
    """Choose between means of all patches and of near ones, which some engines do not have.

    Raises
    ------
    EngineUnavailable
        Near ones are wanted from such an engine; "auto" takes all patches there.
    """
    if hasattr(engine, "update_lists"):
        return chosen(method, name, queries, keys)
    if method == "patchmatch":
        raise errors.EngineUnavailable(
            f"engine {name!r} has no lists of near patches: `method` must be 'exact' with "
            "`sampler` 'diffusion', got 'patchmatch'; or use `engine` 'numba' and NumPy arrays"
        )
    return "exact"


def _expected_steps(engine: Engine, images: SourceImages, options: TaskOptions) -> float:
    """Estimate the steps a query through a tree of the largest source; infinite for labels."""
    if options.categorical:
        return math.inf
    largest = images.largest
    return expected_steps(
        engine, images.planes[largest], options.patch(images.axes), thread_count(options.threads),
        usable=images.known[largest],
    )  # fmt: skip


def _workload(
    images: SourceImages,
    result: Shape,
    schedule: Schedule,
    encoding: Encoding,
    options: TaskOptions,
    requirements: Requirements,
) -> Workload:
    """Collect what the memory of a call depends on, except for the method and the engine."""
    labels = isinstance(encoding, LabelEncoding)
    first, between = images.planes[0], requirements.intermediate
    shapes = [result, *images.shapes]
    count = requirements.realisations
    return Workload(
        schedule=schedule,
        patch_size=options.patch(images.axes),
        periodic=options.periodic_axes(images.axes),
        source_periodic=options.source_periodic_axes(images.axes),
        result=result,
        sources=images.shapes,
        intermediate=[] if between is None else between(shapes, schedule),
        channels=_channels(encoding, first),
        guides=_guide_channels(options, images.axes) + int(requirements.weighted_pixels),
        masked=any(mask is not None for mask in images.known),
        weighted=(labels or options.channel_weights is not None or requirements.weighted_pixels),
        normalised=not math.isinf(options.alpha),
        pyramids=requirements.pyramids,
        returned=(count or 1) * _bytes_returned(result, first, options),
        stacked=count is not None,
        wide=not labels and first.dtype.kind in "iu" and first.dtype.itemsize == 8,
    )


def _channels(encoding: Encoding, planes: Array) -> int:
    """Planes of an image inside."""
    if isinstance(encoding, LabelEncoding):
        return len(encoding.labels)
    return int(planes.shape[0])


def _guide_channels(options: TaskOptions, axes: int) -> int:
    """Channels of all guides; what is no list of guides is refused later."""
    try:
        axis = options.channel_axis
        return sum(
            int(as_planes("guides", target, guide_axis(target, axes, axis)).shape[0])
            for _, target, _ in options.guides or ()
        )
    except (TypeError, ValueError):
        return 0


def _bytes_returned(shape: Sequence[int], first: Array, options: TaskOptions) -> int:
    """Bytes of one result like the `first` source's planes, with its index map."""
    index = np.dtype(np.int32).itemsize * (1 + len(shape)) if options.return_index else 0
    return math.prod(shape) * (int(first.shape[0]) * int(first.dtype.itemsize) + index)


def _metric(
    images: SourceImages,
    planes: Sequence[Array],
    result: Shape,
    schedule: Schedule,
    encoding: Encoding,
    options: TaskOptions,
) -> tuple[PatchMetric, int]:
    """Build the patch metric, and count the planes compared."""
    channels, embedding = _channels(encoding, images.planes[0]), None
    if isinstance(encoding, LabelEncoding):
        weights, channels, embedding = encoding.weights, encoding.compared, encoding.embedding
    else:
        weights = checked_weights(options.channel_weights, planes, images.known)
    first = images.originals[0]
    guides = checked_guides(options.guides, images.shapes, result, options.channel_axis, first)
    axes = images.axes
    metric = patch_metric(
        weights, guides, channels, schedule.levels, schedule.ratio, first, axes,
        options.periodic_axes(axes), options.source_periodic_axes(axes), embedding,
    )  # fmt: skip
    return metric, total_channels(guides, channels)


def _largest_batch(settings: SearchSettings, shape: tuple[int, ...]) -> int:
    """Number of results to search at once: enough to keep the engine busy.

    Normalised scores depend on all the queries of an image, approximate matches on their places:
    there it is one.
    """
    if settings.method != "exact" or not math.isinf(settings.alpha):
        return 1
    patches = PatchGrid.of_shape(shape, settings.patch_size).count
    return max(1, settings.engine.QUERIES_PER_SEARCH // patches)
