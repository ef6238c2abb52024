"""What all tasks share: checking a call, building pyramids, running, and returning the result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pnncupy import arrays, blocks, checks, engine_table, images
from pnncupy.arrays import Array
from pnncupy.checkpoints import Checkpoint
from pnncupy.comparison import (
    Comparison,
    checked_guides,
    checked_weights,
    comparison_of,
    total_channels,
)
from pnncupy.images import WorkingForm
from pnncupy.labels import LabelForm, check_labels, label_form
from pnncupy.layout import Layout
from pnncupy.memory_need import Means, Size, checked_limit, together_within, within
from pnncupy.methods import METHODS, chosen, patches
from pnncupy.missing import checked_nodata, split_missing
from pnncupy.observer import Observer
from pnncupy.pyramids import (
    checked_downscale,
    default_levels,
    enlarge,
    fitting_levels,
    planes_pyramid,
)
from pnncupy.schedule import KEYS, Schedule
from pnncupy.searching import SearchSettings
from pnncupy.stacking import fields_of, pictures_of
from pnncupy.synthesis import Kept, Scene, Source, synthesise
from pnncupy.tasks.known_parts import KnownParts, usable_levels
from pnncupy.voting import HOWS, apply_index, pixel_numbers


class Result(NamedTuple):
    """What a task returns when asked for more than the picture.

    Attributes
    ----------
    image : array
        The picture, or the stack of them.
    index : (H, W, 3) or (n, H, W, 3) int32 array, or None
        (source, row, column) of the pixel that the patch of the largest vote weight puts at each
        place; pixels that were kept have their own. `apply_index` renders other layers through it.
        None unless asked for.
    info : dict or None
        Numbers about the run, of plain types: task, engine, method, seed, levels, and for each
        sample the pairs of patches of a plain run (``pairs``), those compared
        (``pairs_searched``), the query patches whose match was to be proven without a search
        (``proofs_tried``) and was (``proofs_held``), the pairs that the others cost
        (``pairs_again``), and seconds. None unless asked for.
    """

    image: Array
    index: Array | None  # type: ignore[assignment]  # shadows tuple.index, as the name is fixed
    info: dict[str, Any] | None


@dataclass(frozen=True)
class Options:
    """The keywords that all tasks have in common, as the caller gave them."""

    alpha: Any
    patch_size: Any
    downscale: Any
    levels: Any
    iterations: Any
    coarse_iterations: Any
    keys: Any
    vote: Any
    method: Any
    engine: Any
    channel_axis: Any
    data_range: Any
    initial_guess: Any
    return_index: Any
    return_info: Any
    callback: Any
    threads: Any
    incremental: Any
    executor: Any
    checkpoint: Any
    nodata: Any = None
    categorical: Any = False
    channel_weights: Any = None
    guides: Any = None
    max_memory: Any = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Options":
        """Pick the common keywords out of a task's ``locals()``."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: arguments[name] for name in names if name in arguments})


@dataclass(frozen=True)
class Setup:
    """A checked call: what every task needs before it makes its guess.

    Attributes
    ----------
    options : Options
        The keywords as given.
    settings, schedule, engine_name
        How to search, what to do at which level, and on which engine.
    originals : sequence of arrays
        The sources in the caller's form; missing pixels are filled.
    known : sequence of (H, W) bool arrays, or None
        Their pixels that are not missing; None is all.
    form : WorkingForm or LabelForm
        How pictures enter and leave.
    planes : sequence of (C, H, W) float32
        The sources in working form.
    shape : (int, int)
        Size of the result.
    comparison : Comparison
        What patches are compared by.
    together : int
        Pictures that may be made at the same time.
    """

    options: Options
    settings: SearchSettings
    schedule: Schedule
    engine_name: str
    originals: Sequence[Array]
    known: Sequence[Array | None]
    form: WorkingForm | LabelForm
    planes: Sequence[Array]
    shape: tuple[int, ...]
    comparison: Comparison
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
            else KnownParts.of(planes, known, levels, ratio).source(ratio, levels)
            for planes, known in zip(self.planes, self.known, strict=True)
        ]

    def scene(
        self,
        sources: Sequence[Source],
        shape: tuple[int, ...] | None = None,
        kept: Kept | None = None,
    ) -> Scene:
        """What to synthesise, at the size of the result if no other is given."""
        size = self.shape if shape is None else shape
        return Scene(sources, size, kept, comparison=self.comparison)

    def enter(self, name: str, image: Any) -> Array:
        """Check another picture of the call and bring it into working form; holes are filled."""
        plain = self.plain(name, image)
        planes = images.planes(name, plain, self.options.channel_axis)
        first = self.originals[0]
        xp = arrays.same_library(**{name: plain, "source": first})
        arrays.check_finite(name, plain, xp)
        images.check_fits_patch(name, planes, self.settings.patch_size)
        check_like(name, plain, planes, first, images.planes("source", first, self._axis))
        if isinstance(self.form, LabelForm):
            check_labels(name, planes, self.form)
        return self.form.enter(planes)

    def plain(self, name: str, image: Any) -> Array:
        """Another picture of the call as a plain array, missing pixels filled."""
        return split_missing(
            name, image, checked_nodata(self.options.nodata), self._axis,
            categorical=isinstance(self.form, LabelForm),
        )[0]  # fmt: skip

    @property
    def _axis(self) -> int:
        return int(self.options.channel_axis)


def source_of(pyramid: Sequence[Array], ratio: float, usable: Any = None) -> Source:
    """A source with its blurred levels."""
    blurred = [enlarge(coarser, ratio, finer.shape[1:]) for finer, coarser in pairwise(pyramid)]
    return Source(pyramid, blurred, usable)


def check_like(name: str, image: Array, planes: Array, first: Array, first_planes: Array) -> None:
    """Refuse a picture whose dtype or channels are not those of the first source."""
    if image.dtype != first.dtype:
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


def set_up(
    sources: Sequence[Any],
    names: Sequence[str],
    shape: Any,
    options: Options,
    *,
    coarsest_patches: float = 2.0,
    preferred_levels: int | None = None,
    known: Sequence[Array | None] | None = None,
    unknown: str = "",
    largest: int = 0,
) -> Setup:
    """Check what the tasks have in common.

    The default depth is `preferred_levels`, or such that the smallest side is `coarsest_patches`
    patches long; it is lowered where fewer levels fit. `known` are the pixels of the sources that
    may be used, where the task has found that out; `unknown` is what took the others. `largest` is
    the number of pixels of the largest picture on the way, where that is not the result.
    """
    size = checks.integer("patch_size", options.patch_size, 2)
    checks.choice("method", options.method, METHODS)
    ratio = 1 / checked_downscale(options.downscale)
    categorical = checks.flag("categorical", options.categorical)
    if known is None:
        sources, known = without_missing(sources, names, options)
    xp = arrays.same_library(**dict(zip(names, sources, strict=True)))
    planes = [
        images.planes(name, source, options.channel_axis)
        for name, source in zip(names, sources, strict=True)
    ]
    for name, source, image in zip(names, sources, planes, strict=True):
        images.check_fits_patch(name, image, size)
        arrays.check_finite(name, source, xp)
        check_like(name, source, image, sources[0], planes[0])
    if shape is None:
        output_shape: tuple[int, ...] = tuple(planes[0].shape[1:])
    else:
        output_shape = checks.shape("shape", shape, size)
    shapes = [output_shape, *(tuple(image.shape[1:]) for image in planes)]
    if preferred_levels is None:
        preferred_levels = default_levels(shapes, size, ratio, coarsest_patches)
    levels = checked_levels(options.levels, preferred_levels, shapes, size, ratio)
    levels = _levels_with_known_patches(names, known, levels, size, ratio, options, unknown)
    schedule = Schedule(
        ratio=ratio,
        levels=levels,
        iterations=checks.integer("iterations", options.iterations, 1),
        coarse_iterations=checks.integer("coarse_iterations", options.coarse_iterations, 1),
        keys=checks.choice("keys", options.keys, KEYS),
        vote=checks.choice("vote", options.vote, HOWS),
        incremental=checks.flag("incremental", options.incremental),
    )
    checks.flag("return_index", options.return_index)
    checks.flag("return_info", options.return_info)
    checks.optional_callable("callback", options.callback)
    checks.optional_path("checkpoint", options.checkpoint)
    form = _form(names, planes, sources, known, options, categorical)
    engine_name, module = blocks.pick(options.engine, sources[0], options.executor)
    method = chosen(
        options.method,
        engine_name,
        patches(output_shape, size),
        sum(patches(image.shape[1:], size) for image in planes),
    )
    working = [form.enter(image) for image in planes]
    channels = working[0].shape[0]
    weights = (
        form.weights
        if isinstance(form, LabelForm)
        else checked_weights(options.channel_weights, working, known)
    )
    guides = checked_guides(
        options.guides, shapes[1:], output_shape, options.channel_axis, sources[0]
    )
    comparison = comparison_of(weights, guides, channels, levels, ratio, sources[0])
    compared = total_channels(guides, channels)
    limit = checked_limit(options.max_memory)
    needs = Size(
        max(math.prod(output_shape), largest),
        sum(math.prod(image.shape[1:]) for image in planes),
        compared,
        method == "patchmatch",
    )
    means = within(
        limit, needs, Means(engine_table.thread_count(options.threads), schedule.incremental)
    )
    schedule = replace(schedule, incremental=means.incremental)
    settings = SearchSettings(
        engine=module,
        patch_size=size,
        channels=compared,
        alpha=checks.completeness("alpha", options.alpha),
        threads=means.threads,
        method=method,
    )
    together = together_within(limit, needs, means, _most_together(settings, output_shape))
    return Setup(
        options, settings, schedule, engine_name, sources, known, form, working, output_shape,
        comparison, together,
    )  # fmt: skip


def without_missing(
    sources: Sequence[Any], names: Sequence[str], options: Options
) -> tuple[list[Array], list[Array | None]]:
    """Plain sources, missing pixels filled, and their known pixels (None for all)."""
    nodata = checked_nodata(options.nodata)
    categorical = checks.flag("categorical", options.categorical)
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
    options: Options,
    unknown: str,
) -> int:
    """As many of the levels as have a patch of known pixels."""
    if any(mask is None for mask in known):
        return levels
    usable = []
    for mask in known:
        xp = arrays.namespace(mask)
        nothing = xp.zeros((1, *mask.shape), dtype=xp.float32)
        usable.append(KnownParts.of(nothing, mask, levels, ratio).usable)
    what = unknown or f"missing pixels of `{names[0]}`"
    return usable_levels(what, usable, patch_size, levels, given=options.levels is not None)


def _form(
    names: Sequence[str],
    planes: Sequence[Array],
    sources: Sequence[Array],
    known: Sequence[Array | None],
    options: Options,
    categorical: bool,
) -> WorkingForm | LabelForm:
    """How pictures enter and leave; value ranges are those of known pixels."""
    if not categorical:
        seen = [
            image if mask is None else image[:, mask][:, None]
            for image, mask in zip(planes, known, strict=True)
        ]
        return images.working_form(seen, sources, options.channel_axis, options.data_range)
    for name in ("data_range", "channel_weights"):
        if getattr(options, name) is not None:
            raise ValueError(f"`{name}` must be None with `categorical`: labels have no range")
    if options.vote == "median":
        raise ValueError(
            "`vote` must not be 'median' with `categorical`; 'weighted_mean' takes the majority"
        )
    axis = None if sources[0].ndim == 2 else images.checked_channel_axis(options.channel_axis)
    return label_form(names, planes, known, axis)


def checked_levels(
    levels: Any,
    preferred: int,
    shapes: Sequence[Sequence[int]],
    patch_size: int,
    ratio: float,
) -> int:
    """The number of levels: the given one if it fits, or as many of the preferred as fit."""
    count = checks.optional_integer("levels", levels, 0)
    most = fitting_levels(shapes, patch_size, ratio)
    if count is None:
        return min(preferred, most)
    if count > most:
        raise ValueError(
            f"`levels` must be at most {most}, so that the coarsest level still holds a patch of "
            f"{patch_size} x {patch_size} pixels, got {count}"
        )
    return count


def checked_guess(setup: Setup) -> Array | None:
    """The caller's coarsest level as planes, or None."""
    if setup.options.initial_guess is None:
        return None
    guess = images.raw_planes(
        "initial_guess", setup.options.initial_guess, setup.options.channel_axis
    )
    wanted = (setup.planes[0].shape[0], *setup.coarsest_shape)
    if guess.shape != wanted:
        channels, height, width = wanted
        raise ValueError(
            "`initial_guess` must have the shape of the coarsest level, "
            f"{height} x {width} with {channels} channels, got {guess.shape[1]} x "
            f"{guess.shape[2]} with {guess.shape[0]}"
        )
    return guess


# Makes some pictures, stacked as in `stacking`, their matches, and the layout of these.
Work = Callable[[Observer], tuple[Array, Array, Layout]]


def synthesis(setup: Setup, scene: Scene, guess: Array) -> Work:
    """The work of a task that is one run of the loop."""
    given = checked_guess(setup)
    return lambda observer: synthesise(
        setup.settings, setup.schedule, scene, guess if given is None else given, observer,
        setup.checkpoint,
    )  # fmt: skip


def run(
    setup: Setup,
    work: Callable[[range], Work],
    info: dict[str, Any],
    *,
    count: int | None = None,
    stages: int = 1,
    kept: tuple[Array, Array] | None = None,
) -> Any:
    """Make the samples, some at a time, and return what was asked for.

    ``work(samples)`` makes those samples together, by `stages` runs of the loop. `kept` is an array
    as the caller gave it and a mask (H, W) of the pixels that are taken from it.
    """
    info = info | {
        "engine": setup.engine_name,
        "method": setup.settings.method,
        "threads": setup.settings.threads,
        "levels": setup.schedule.levels,
        "shape": list(setup.shape),
        "samples": [],
    }
    total = count or 1
    if setup.options.checkpoint is not None and (total > 1 or stages > 1):
        raise ValueError(
            "`checkpoint` must be None with several pictures or `gradual`; use `pnncupy.batch` for "
            "many pictures"
        )
    together = min(total, setup.together)
    made: list[Result] = []
    while len(made) < total:
        samples = range(len(made), min(len(made) + together, total))
        observer = Observer(
            setup.options.callback, setup.form.leave, (setup.engine_name, setup.settings.method),
            samples[0], total, stages, len(samples),
        )  # fmt: skip
        try:
            made += _make(setup, work(samples), observer, info, samples, kept)
        except MemoryError:
            if len(samples) == 1:
                raise
            together = len(samples) // 2
    return _collect(made, count is not None, info, setup.options)


def _most_together(settings: SearchSettings, shape: tuple[int, ...]) -> int:
    """How many samples to search together: enough to keep the engine busy.

    Normalised scores depend on all the queries of a picture, approximate matches on their places:
    there it is one.
    """
    if settings.method != "exact" or not math.isinf(settings.alpha):
        return 1
    return max(1, settings.engine.QUERIES_TOGETHER // patches(shape, settings.patch_size))


def _make(
    setup: Setup,
    work: Work,
    observer: Observer,
    info: dict[str, Any],
    samples: range,
    kept: tuple[Array, Array] | None,
) -> list[Result]:
    """Make some samples together, and note in `info` what that took."""
    start = time.perf_counter()
    pictures, indices, layout = work(observer)
    count, size = len(samples), setup.settings.patch_size
    finished = []
    for picture, index in zip(
        pictures_of(pictures, count), fields_of(indices, count, size), strict=True
    ):
        index_map = None
        if setup.options.return_index or setup.schedule.vote == "copy":
            index_map = _index_map(index, layout, size)
        image = _final_picture(setup, picture, index_map)
        if kept is not None:
            image, index_map = _with_kept(setup, image, index_map, *kept)
        finished.append((image, index_map if setup.options.return_index else None))
    # Samples that are made together have equal shares of the work.
    record = {
        "pairs": observer.pairs_planned // count,
        "pairs_searched": observer.pairs_searched // count,
        "proofs_tried": observer.proofs.tried // count,
        "proofs_held": observer.proofs.held // count,
        "pairs_again": observer.proofs.pairs_again // count,
        "seconds": (time.perf_counter() - start) / count,
    }
    results = [Result(*each, {**info, "samples": [record]}) for each in finished]
    for sample, result in zip(samples, results, strict=True):
        observer.complete(sample, result)
    info["samples"] += [record] * count
    return results


def _collect(samples: Sequence[Result], stack: bool, info: Any, options: Options) -> Any:
    xp = arrays.namespace(samples[0].image)
    image = xp.stack([made.image for made in samples]) if stack else samples[0].image
    if not (options.return_index or options.return_info):
        return image
    index = samples[0].index
    if stack and options.return_index:
        index = xp.stack([made.index for made in samples])
    return Result(image, index, info if options.return_info else None)


def _index_map(index: Array, layout: Layout, patch_size: int) -> Array:
    """(source, row, column) of each pixel, (H, W, 3)."""
    numbers = pixel_numbers(index, layout.width, patch_size)
    xp = arrays.namespace(index)
    return xp.astype(xp.stack(layout.decode(numbers), axis=-1), xp.int32)


def _final_picture(setup: Setup, picture: Array, index_map: Array | None) -> Array:
    """The result in the caller's form; copied pixels are taken from the originals themselves."""
    if setup.schedule.vote != "copy":
        return setup.form.leave(picture)
    axis = setup.form.channel_axis
    if axis is None:
        return apply_index(setup.originals, index_map)
    xp = arrays.namespace(picture)
    last = [xp.moveaxis(image, axis, -1) for image in setup.originals]
    copied = apply_index(last, index_map)
    return xp.ascontiguousarray(xp.moveaxis(copied, -1, axis))


def _with_kept(
    setup: Setup, image: Array, index_map: Array | None, original: Array, mask: Array
) -> tuple[Array, Array | None]:
    """The kept pixels from the original array itself, bit for bit; they map to themselves."""
    xp = arrays.namespace(image)
    axis = setup.form.channel_axis
    wide = mask if axis is None else xp.expand_dims(mask, axis=axis % 3)
    image = xp.where(wide, original, image).astype(original.dtype)
    if index_map is not None:
        rows, columns = xp.meshgrid(
            xp.arange(mask.shape[0], dtype=xp.int32),
            xp.arange(mask.shape[1], dtype=xp.int32),
            indexing="ij",
        )
        itself = xp.stack([xp.zeros_like(rows), rows, columns], axis=-1)
        index_map = xp.where(mask[..., None], itself, index_map)
    return image, index_map
