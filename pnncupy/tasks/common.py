"""What all tasks share: checking a call, building pyramids, running, and returning the result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pnncupy import arrays, blocks, checks, engine_table, images
from pnncupy.arrays import Array
from pnncupy.checkpoints import Checkpoint
from pnncupy.images import WorkingForm
from pnncupy.layout import Layout
from pnncupy.methods import METHODS, chosen, patches
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
from pnncupy.synthesis import Scene, Source, synthesise
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

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Options":
        """Pick the common keywords out of a task's ``locals()``."""
        return cls(**{field.name: arguments[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Setup:
    """A checked call: what every task needs before it makes its guess."""

    options: Options
    settings: SearchSettings
    schedule: Schedule
    engine_name: str
    originals: Sequence[Array]
    form: WorkingForm
    planes: Sequence[Array]
    shape: tuple[int, ...]

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

    def source(self, planes: Array) -> Source:
        """A picture all of whose patches may be used."""
        return source_of(self.pyramid(planes), self.schedule.ratio)

    def enter(self, name: str, image: Any) -> Array:
        """Check another picture of the call and bring it into working form."""
        planes = images.planes(name, image, self.options.channel_axis)
        first = self.originals[0]
        xp = arrays.same_library(**{name: image, "source": first})
        arrays.check_finite(name, image, xp)
        images.check_fits_patch(name, planes, self.settings.patch_size)
        check_like(name, image, planes, first, self.planes[0])
        return self.form.enter(planes)


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
    range_planes: Sequence[Array] | None = None,
) -> Setup:
    """Check what the tasks have in common.

    The default depth is `preferred_levels`, or such that the smallest side is `coarsest_patches`
    patches long; it is lowered where fewer levels fit. `range_planes` replaces the sources where
    the value range is found.
    """
    size = checks.integer("patch_size", options.patch_size, 2)
    checks.choice("method", options.method, METHODS)
    ratio = 1 / checked_downscale(options.downscale)
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
    schedule = Schedule(
        ratio=ratio,
        levels=checked_levels(options.levels, preferred_levels, shapes, size, ratio),
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
    form = images.working_form(
        planes if range_planes is None else range_planes,
        sources,
        options.channel_axis,
        options.data_range,
    )
    engine_name, module = blocks.pick(options.engine, sources[0], options.executor)
    method = chosen(
        options.method,
        engine_name,
        patches(output_shape, size),
        sum(patches(image.shape[1:], size) for image in planes),
    )
    settings = SearchSettings(
        engine=module,
        patch_size=size,
        channels=planes[0].shape[0],
        alpha=checks.completeness("alpha", options.alpha),
        threads=engine_table.thread_count(options.threads),
        method=method,
    )
    working = [form.enter(image) for image in planes]
    return Setup(options, settings, schedule, engine_name, sources, form, working, output_shape)


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
    wanted = (setup.settings.channels, *setup.coarsest_shape)
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
    together = min(total, _most_together(setup))
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


def _most_together(setup: Setup) -> int:
    """How many samples to search together: enough to keep the engine busy.

    Normalised scores depend on all the queries of a picture, approximate matches on their places:
    there it is one.
    """
    settings = setup.settings
    if settings.method != "exact" or not math.isinf(settings.alpha):
        return 1
    return max(1, settings.engine.QUERIES_TOGETHER // patches(setup.shape, settings.patch_size))


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
