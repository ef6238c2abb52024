"""What all tasks begin with: checking a call, and preparing its sources."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.intensity_encoding import IntensityEncoding, intensity_encoding_of
from pnncupy.images.label_encoding import LabelEncoding, check_labels, label_encoding_of
from pnncupy.images.missing import checked_nodata, split_missing
from pnncupy.images.planes import as_planes, check_fits_patch, checked_channel_axis, raw_planes
from pnncupy.images.pyramid import (
    checked_downscale,
    default_levels,
    enlarge,
    fitting_levels,
    more_than_half,
    planes_pyramid,
    valid_shares,
)
from pnncupy.kernels.protocol import Engine
from pnncupy.memory_limit import checked_limit
from pnncupy.parallel.threads import thread_count
from pnncupy.search import blocks
from pnncupy.search.exact import SearchSettings
from pnncupy.search.method import METHODS, chosen
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patch_metric import (
    PatchMetric,
    checked_guides,
    checked_weights,
    patch_metric,
    total_channels,
)
from pnncupy.search.pruned_search import expected_steps
from pnncupy.synthesis.checkpoint import Checkpoint
from pnncupy.synthesis.masked_sources import MaskedPyramid, usable_levels
from pnncupy.synthesis.memory import MemoryPlan, Shape, Workload, together_within, within
from pnncupy.synthesis.problem import FixedPixels, Source, SynthesisProblem
from pnncupy.synthesis.schedule import KEYS, Schedule
from pnncupy.synthesis.voting import HOWS
from pnncupy.tasks.options import TaskOptions, _steps

# From the shapes of the result and the sources and the schedule to levels and shapes.
Intermediate = Callable[[Sequence[Shape], Schedule], Sequence[tuple[int, Shape]]]

# From the shapes of the result and the sources, the ratio and the number of levels: the shapes at
# the coarsest level of the pictures that the result begins with.
Between = Callable[[Sequence[Sequence[int]], float, int], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class PreparedTask:
    """A checked call: what every task needs before it makes its guess.

    Attributes
    ----------
    options : TaskOptions
        The keywords as given.
    settings, schedule, engine_name
        How to search, what to do at which level, and on which engine.
    originals : sequence of arrays
        The sources in the caller's form; missing pixels are filled.
    known : sequence of (H, W) bool arrays, or None
        Their pixels that are not missing; None is all.
    form : IntensityEncoding or LabelEncoding
        How pictures enter and leave.
    planes : sequence of (C, H, W) float32
        The sources in working form.
    shape : (int, int)
        Size of the result.
    comparison : PatchMetric
        What patches are compared by.
    together : int
        Pictures that may be made at the same time.
    """

    options: TaskOptions
    settings: SearchSettings
    schedule: Schedule
    engine_name: str
    originals: Sequence[Array]
    known: Sequence[Array | None]
    form: IntensityEncoding | LabelEncoding
    planes: Sequence[Array]
    shape: tuple[int, ...]
    metric: PatchMetric
    together: int = 1

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where the state is kept between PNN steps, if anywhere."""
        path = self.options.checkpoint
        return None if path is None else Checkpoint(Path(path))

    @property
    def coarsest_shape(self) -> tuple[int, ...]:
        """Height and width of the result at the coarsest level."""
        return self.schedule.shape(self.shape, self.schedule.levels)

    def pyramid(self, planes: Array) -> list[Array]:
        """All levels of a planar picture."""
        return planes_pyramid(planes, self.schedule.levels, self.schedule.ratio)

    def sources(self) -> list[Source]:
        """The sources, of which known pixels may be used."""
        levels, ratio = self.schedule.levels, self.schedule.ratio
        return [
            source_of(self.pyramid(planes), ratio)
            if known is None
            else MaskedPyramid.of(planes, known, levels, ratio).source(ratio, levels)
            for planes, known in zip(self.planes, self.known, strict=True)
        ]

    def problem(
        self,
        sources: Sequence[Source],
        shape: tuple[int, ...] | None = None,
        kept: FixedPixels | None = None,
    ) -> SynthesisProblem:
        """What to synthesise, at the size of the result if no other is given."""
        size = self.shape if shape is None else shape
        return SynthesisProblem(sources, size, kept, metric=self.metric)

    def encode(self, name: str, image: Any) -> Array:
        """Check another picture of the call and bring it into working form; holes are filled."""
        plain = self.plain(name, image)
        planes = as_planes(name, plain, self.options.channel_axis)
        first = self.originals[0]
        xp = arrays.same_library(**{name: plain, "source": first})
        arrays.check_finite(name, plain, xp)
        check_fits_patch(name, planes, self.settings.patch_size)
        check_like(name, plain, planes, first, as_planes("source", first, self._axis))
        if isinstance(self.form, LabelEncoding):
            check_labels(name, planes, self.form)
        return self.form.encode(planes, name)

    def plain(self, name: str, image: Any) -> Array:
        """Another picture of the call as a plain array, missing pixels filled."""
        return split_missing(
            name, image, checked_nodata(self.options.nodata), self._axis,
            categorical=isinstance(self.form, LabelEncoding),
        )[0]  # fmt: skip

    @property
    def _axis(self) -> int:
        return int(self.options.channel_axis)


def source_of(pyramid: Sequence[Array], ratio: float, usable: Any = None) -> Source:
    """A source with its blurred levels."""
    blurred = [
        enlarge(coarser, ratio, finer.shape[1:]) for finer, coarser in itertools.pairwise(pyramid)
    ]
    return Source(pyramid, blurred, usable)


def check_like(name: str, image: Array, planes: Array, first: Array, first_planes: Array) -> None:
    """Refuse a picture whose dtype or channels are not those of the first source."""
    if image.dtype.newbyteorder("=") != first.dtype.newbyteorder("="):
        raise TypeError(
            f"`{name}` must have the dtype of the source, {first.dtype}, got {image.dtype}"
        )
    if planes.shape[0] != first_planes.shape[0]:
        raise ValueError(
            f"`{name}` must have the channels of the source, {first_planes.shape[0]}, got "
            f"{planes.shape[0]}"
        )
    if image.ndim != first.ndim:
        raise ValueError(
            f"`{name}` must have as many axes as the source, {first.ndim}, got {image.ndim}"
        )


def source_list(name: str, images_given: Any) -> tuple[list[Any], list[str]]:
    """One or several sources as a list, with the names that messages call them by."""
    if not isinstance(images_given, (list, tuple)):
        return [images_given], [name]
    if not images_given:
        raise ValueError(f"`{name}` must hold at least one image, got an empty list")
    return list(images_given), [f"{name}[{number}]" for number in range(len(images_given))]


def prepare_task(
    sources: Sequence[Any],
    names: Sequence[str],
    shape: Any,
    options: TaskOptions,
    *,
    coarsest_patches: float = 2.0,
    preferred_levels: int | None = None,
    known: Sequence[Array | None] | None = None,
    unknown: str = "",
    between: Between | None = None,
    intermediate: Intermediate | None = None,
    pyramids: int = 0,
    count: int | None = None,
) -> PreparedTask:
    """Check what the tasks have in common.

    The default depth is `preferred_levels`, or such that the smallest side is `coarsest_patches`
    patches long; it is lowered where fewer levels fit. `known` are the pixels of the sources that
    may be used, where the task has found that out; `unknown` is what took the others. `between`
    gives the images that have to hold a patch too, where the result does not begin in its own
    shape.

    The last three are for the limit of memory: `intermediate` takes the shapes of the result and
    of the sources and the schedule, and returns the levels and shapes of all query images that are
    not levels of the result; a task keeps `pyramids` of the size of the result beside those of the
    sources; and `count` results are stacked.
    """
    size = validation.integer("patch_size", options.patch_size, 2)
    validation.choice("method", options.method, METHODS)
    ratio = 1 / checked_downscale(options.downscale)
    categorical = validation.flag("categorical", options.categorical)
    if known is None:
        sources, known = without_missing(sources, names, options)
    xp = arrays.same_library(**dict(zip(names, sources, strict=True)))
    planes = [
        as_planes(name, source, options.channel_axis)
        for name, source in zip(names, sources, strict=True)
    ]
    for name, source, image in zip(names, sources, planes, strict=True):
        check_fits_patch(name, image, size)
        arrays.check_finite(name, source, xp)
        check_like(name, source, image, sources[0], planes[0])
    if shape is None:
        output_shape: tuple[int, ...] = tuple(planes[0].shape[1:])
    else:
        output_shape = validation.shape("shape", shape, size)
    shapes = [output_shape, *(tuple(image.shape[1:]) for image in planes)]
    if preferred_levels is None:
        preferred_levels = default_levels(shapes, size, ratio, coarsest_patches)
    levels = checked_levels(options.levels, preferred_levels, shapes, size, ratio)
    levels = _levels_with_known_patches(names, known, levels, size, ratio, options, unknown)
    if between is not None:
        levels = _levels_that_hold(between, shapes, levels, size, ratio, options)
    schedule = Schedule(
        ratio=ratio,
        levels=levels,
        iterations=_steps("iterations", options.iterations),
        coarse_iterations=_steps("coarse_iterations", options.coarse_iterations),
        keys=validation.choice("keys", options.keys, KEYS),
        vote=validation.choice("vote", options.vote, HOWS),
        incremental=validation.flag("incremental", options.incremental),
    )
    validation.flag("return_index", options.return_index)
    validation.flag("return_info", options.return_info)
    validation.optional_callable("callback", options.callback)
    validation.optional_path("checkpoint", options.checkpoint)
    if options.checkpoint is not None:
        Checkpoint(Path(options.checkpoint)).check()
    form = _form(names, planes, sources, known, options, categorical)
    engine_name, module = blocks.pick(options.engine, sources[0], options.executor)
    method = chosen(
        options.method,
        engine_name,
        PatchGrid.of_shape(output_shape, size).count,
        Layout(tuple(shapes[1:])).patch_count(size),
        partial(_expected_steps, module, planes, known, size, options),
    )
    channels = len(form.labels) if isinstance(form, LabelEncoding) else planes[0].shape[0]
    alpha = validation.completeness("alpha", options.alpha)
    work = Workload(
        schedule=schedule,
        patch_size=size,
        result=output_shape,
        sources=shapes[1:],
        intermediate=[] if intermediate is None else intermediate(shapes, schedule),
        channels=channels,
        guides=_guide_channels(options),
        masked=any(mask is not None for mask in known),
        weighted=isinstance(form, LabelEncoding) or options.channel_weights is not None,
        approximate=method == "patchmatch",
        normalised=not math.isinf(alpha),
        pyramids=pyramids,
        returned=(count or 1) * _bytes_returned(output_shape, planes[0], options),
        stacked=count is not None,
        plain=engine_name == "numpy",
        wide=not categorical and planes[0].dtype.kind in "iu" and planes[0].dtype.itemsize == 8,
    )
    limit = checked_limit(options.max_memory)
    # Before anything large is made.
    wanted = MemoryPlan(thread_count(options.threads), schedule.incremental, module.TREE_AXES)
    means = within(limit, work, wanted)
    working = [form.encode(image, name) for name, image in zip(names, planes, strict=True)]
    weights = (
        form.weights
        if isinstance(form, LabelEncoding)
        else checked_weights(options.channel_weights, working, known)
    )
    guides = checked_guides(
        options.guides, shapes[1:], output_shape, options.channel_axis, sources[0]
    )
    metric = patch_metric(weights, guides, channels, levels, ratio, sources[0])
    schedule = replace(schedule, incremental=means.incremental)
    settings = SearchSettings(
        engine=module,
        patch_size=size,
        channels=total_channels(guides, channels),
        alpha=alpha,
        threads=means.threads,
        method=method,
        axes=means.axes,
    )
    together = together_within(limit, work, means, _most_together(settings, output_shape))
    return PreparedTask(
        options, settings, schedule, engine_name, sources, known, form, working, output_shape,
        metric, together,
    )  # fmt: skip


def _guide_channels(options: TaskOptions) -> int:
    """Channels of all guides; what is no list of guides is refused later."""
    try:
        return sum(
            int(as_planes("guides", target, options.channel_axis).shape[0])
            for _, target, _ in options.guides or ()
        )
    except (TypeError, ValueError):
        return 0


def _expected_steps(
    engine: Engine,
    planes: Sequence[Array],
    known: Sequence[Array | None],
    patch_size: int,
    options: TaskOptions,
) -> float:
    """Estimate the steps a query through a tree of the largest source; infinite for labels."""
    if options.categorical:
        return math.inf
    number = max(range(len(planes)), key=lambda each: planes[each].size)
    threads = thread_count(options.threads)
    return expected_steps(engine, planes[number], patch_size, threads, usable=known[number])


def _bytes_returned(shape: Sequence[int], first: Array, options: TaskOptions) -> int:
    """Bytes of one result like the `first` source's planes, with its index map."""
    index = np.dtype(np.int32).itemsize * 3 if options.return_index else 0
    return math.prod(shape) * (int(first.shape[0]) * int(first.dtype.itemsize) + index)


def _most_together(settings: SearchSettings, shape: tuple[int, ...]) -> int:
    """How many samples to search together: enough to keep the engine busy.

    Normalised scores depend on all the queries of a picture, approximate matches on their places:
    there it is one.
    """
    if settings.method != "exact" or not math.isinf(settings.alpha):
        return 1
    return max(1, settings.engine.QUERIES_PER_SEARCH // PatchGrid.of_shape(shape, settings.patch_size).count)


def without_missing(
    sources: Sequence[Any], names: Sequence[str], options: TaskOptions
) -> tuple[list[Array], list[Array | None]]:
    """Plain sources, missing pixels filled, and their known pixels (None for all)."""
    nodata = checked_nodata(options.nodata)
    categorical = validation.flag("categorical", options.categorical)
    pairs = [
        split_missing(name, source, nodata, options.channel_axis, categorical=categorical)
        for name, source in zip(names, sources, strict=True)
    ]
    return [plain for plain, _ in pairs], [known for _, known in pairs]


def _levels_with_known_patches(
    names: Sequence[str],
    known: Sequence[Array | None],
    levels: int,
    patch_size: int,
    ratio: float,
    options: TaskOptions,
    unknown: str,
) -> int:
    """As many of the levels as have a patch of known pixels."""
    masks = [mask for mask in known if mask is not None]
    if len(masks) < len(known):
        return levels
    usable = [
        [more_than_half(share) for share in valid_shares(mask, levels, ratio)] for mask in masks
    ]
    what = unknown or f"missing pixels of `{names[0]}`"
    return usable_levels(what, usable, patch_size, levels, given=options.levels is not None)


def _levels_that_hold(
    between: Between,
    shapes: Sequence[Sequence[int]],
    levels: int,
    patch_size: int,
    ratio: float,
    options: TaskOptions,
) -> int:
    """As many of the levels as leave a patch in the pictures between; a given number has to fit."""

    def holds(level: int, height: int) -> bool:
        result = (height, shapes[0][1])
        return all(min(each) >= patch_size for each in between([result, *shapes[1:]], ratio, level))

    height, width = shapes[0]
    fitting = next((level for level in range(levels, -1, -1) if holds(level, height)), None)
    if fitting is None:
        least = next(higher for higher in itertools.count(height) if holds(0, higher))
        raise ValueError(
            f"`shape` must be at least {least} pixels high, so that the images side by side "
            f"hold a patch of {patch_size} x {patch_size} pixels, got {(height, width)}; or "
            "use a smaller `patch_size`"
        )
    if fitting < levels and options.levels is not None:
        raise ValueError(
            f"`levels` must be at most {fitting}, so that the images side by side hold a patch of "
            f"{patch_size} x {patch_size} pixels at the coarsest level, got {levels}"
        )
    return fitting


def _form(
    names: Sequence[str],
    planes: Sequence[Array],
    sources: Sequence[Array],
    known: Sequence[Array | None],
    options: TaskOptions,
    categorical: bool,
) -> IntensityEncoding | LabelEncoding:
    """How pictures enter and leave; value ranges are those of known pixels."""
    if not categorical:
        seen = [
            image if mask is None else image[:, mask][:, None]
            for image, mask in zip(planes, known, strict=True)
        ]
        return intensity_encoding_of(seen, sources, options.channel_axis, options.data_range)
    for name in ("data_range", "channel_weights"):
        if getattr(options, name) is not None:
            raise ValueError(
                f"`{name}` must be None with `categorical`, as labels have no range, got "
                f"{validation.shortened(getattr(options, name))}"
            )
    if options.vote == "median":
        raise ValueError(
            "`vote` must not be 'median' with `categorical`; 'weighted_mean' takes the majority"
        )
    axis = None if sources[0].ndim == 2 else checked_channel_axis(options.channel_axis)
    return label_encoding_of(names, planes, known, axis, sources[0].dtype)


def checked_levels(
    levels: Any,
    preferred: int,
    shapes: Sequence[Sequence[int]],
    patch_size: int,
    ratio: float,
) -> int:
    """The number of levels: the given one if it fits, or as many of the preferred as fit."""
    count = validation.optional_integer("levels", levels, 0)
    most = fitting_levels(shapes, patch_size, ratio)
    if count is None:
        return min(preferred, most)
    if count > most:
        raise ValueError(
            f"`levels` must be at most {most}, so that the coarsest level still holds a patch of "
            f"{patch_size} x {patch_size} pixels, got {count}"
        )
    return count


def checked_guess(setup: PreparedTask) -> Array | None:
    """The caller's coarsest level as planes, or None."""
    if setup.options.initial_guess is None:
        return None
    guess = raw_planes("initial_guess", setup.options.initial_guess, setup.options.channel_axis)
    wanted = (setup.planes[0].shape[0], *setup.coarsest_shape)
    if guess.shape != wanted:
        channels, height, width = wanted
        raise ValueError(
            "`initial_guess` must have the shape of the coarsest level, "
            f"{height} x {width} with {channels} channels, got {guess.shape[1]} x "
            f"{guess.shape[2]} with {guess.shape[0]}"
        )
    return guess
