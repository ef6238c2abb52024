"""Retargeting: the same scene in another size or aspect, its parts in their own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.pyramid import Ratio, step_shapes
from pnncupy.images.resize import resize_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.rng import seed_sequence
from pnncupy.synthesis.coarse_to_fine import Synthesised, planned_pairs, synthesise
from pnncupy.synthesis.diffusion import Start
from pnncupy.synthesis.memory import Shape
from pnncupy.synthesis.problem import SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.automatic_sizes import chosen_patch_size
from pnncupy.tasks.execute import execute, synthesis
from pnncupy.tasks.level_count import Requirements
from pnncupy.tasks.options import (
    Callback,
    ChannelWeights,
    CheckpointPath,
    Executor,
    Guides,
    LabelCosts,
    Memory,
    Nodata,
    Periodic,
    Progress,
    TaskOptions,
)
from pnncupy.tasks.parameters import document_parameters
from pnncupy.tasks.prepare import PreparedTask, prepare_task
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.samplers import (
    NOISE_ALONE,
    Diffusion,
    PatchSizes,
    diffused_result,
    with_one_sampler,
)
from pnncupy.tasks.source_images import SourceImages

# The paper says four patches; with three, objects of a third of the image keep their shape too
# when the width is cut to 0.6, which four only reach in gradual steps.
_PATCHES_AT_COARSEST = 3.0
# By diffusion, which keeps the layout of that level as it is.
_PATCHES_OF_LAYOUT = 1.0
# Factors of a side from which on one synthesis bends objects or cuts them.
_STRONG_GROWTH, _STRONG_SHRINKAGE = 1.25, 0.8
# PNN steps of a level that the next synthesis changes again, and of the last synthesis above its
# two finest levels. With fewer, what shrinks bends, and what grows is less sharp.
_GROWING_ITERATIONS, _SHRINKING_ITERATIONS = (2, 6), (5, 5)

_DOWNSCALE = 1.25


@document_parameters
@hint_at_names
@labelled("image")
@recorded
@on_engine_device
@with_one_sampler
def retarget(
    image: Any,
    shape: tuple[int, ...],
    *,
    gradual: bool | str = "auto",
    sampler: str = "patches",
    steps: int = 20,
    sigma_max: float | None = None,
    sigma_min: float = 1e-4,
    patch_sizes: PatchSizes | None = None,
    rng: Any = None,
    alpha: float = 5e-3,
    patch_size: PatchSize | str = 7,
    downscale: Ratio = _DOWNSCALE,
    levels: int | None = None,
    iterations: int = 10,
    coarse_iterations: int = 10,
    periodic: Periodic = False,
    source_periodic: Periodic = False,
    keys: str = "blurred",
    vote: str = "weighted_mean",
    vote_width: float = 1.7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: tuple[float, float] | None = None,
    initial_guess: Array | None = None,
    return_index: bool = False,
    return_info: bool = False,
    callback: Callback | None = None,
    progress: Progress = "auto",
    threads: int | None = None,
    incremental: bool = True,
    executor: Executor | None = None,
    checkpoint: CheckpointPath | None = None,
    nodata: Nodata | None = None,
    categorical: bool | None = None,
    label_costs: LabelCosts | None = None,
    keep_fractions: bool = False,
    channel_weights: ChannelWeights | None = None,
    guides: Guides | None = None,
    max_memory: Memory | None = None,
) -> Any:
    """Change the size or the aspect of an image while its objects keep theirs.

    The image is squeezed or stretched to `shape` at the coarsest level; from there to full size
    the patches of the original replace those of the result.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The source. Of several (dtype and channels must agree) the first gives the layout and all
        give patches.
    shape : (int, int)
        Height and width of the result in pixels, larger or smaller than the source's.
    gradual : bool or "auto", default "auto"
        Go there in steps of at most x0.9 or x1.2, each a whole synthesis that starts from the last
        one's result: objects stay whole under strong changes. "auto" does so where a side changes
        by a factor of 1.25 or more, or 0.8 or less, with at most 3 PNN steps a level (5 where a
        side shrinks) but at the two finest levels of the last; it is one synthesis with
        `initial_guess`, `guides` or `checkpoint`. `Result.info` says which.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values keep every part of
        the source in the result. Infinity only asks that every part of the result is from it.
    downscale : float or one per axis, default 1.25
        Factor between the sides of neighbouring pyramid levels, as in `generate`.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of diffusion; nearest patches draw none.
    levels : int, optional
        Pyramid levels below full size: with more, larger objects keep their shape, and fewer things
        their place. Default: such that the smallest side is about three patches at the coarsest
        level (the paper's four let large objects be squeezed).
    coarse_iterations : int, default 10
        PNN steps at the coarsest level.
    initial_guess : array, optional
        Replaces the resized source at the coarsest level, in units of the value range; not with
        `gradual`.

    Returns
    -------
    array or Result
        (height, width[, C]) in the dtype of `image`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`.

    Notes
    -----
    Cost: about 20 H W h w pairs of patches for a result of h x w; with `gradual` that for
    every step, and about the same for all of them with "auto". Granot et al. 2022,
    doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((30, 40))
    >>> pnn.retarget(image, (30, 24), iterations=2, coarse_iterations=2).shape
    (30, 24)
    """
    size, chosen_by = chosen_patch_size(
        "image", image, patch_size, channel_axis=channel_axis, nodata=nodata,
        categorical=categorical,
    )  # fmt: skip
    options = TaskOptions(
        alpha=alpha, patch_size=size, downscale=downscale, levels=levels,
        iterations=iterations, coarse_iterations=coarse_iterations, periodic=periodic,
        source_periodic=source_periodic, keys=keys, vote=vote, vote_width=vote_width,
        method=method, engine=engine, channel_axis=channel_axis, data_range=data_range,
        initial_guess=initial_guess, return_index=return_index, return_info=return_info,
        callback=callback, progress=progress, threads=threads, incremental=incremental,
        executor=executor, checkpoint=checkpoint, nodata=nodata, categorical=categorical,
        label_costs=label_costs, keep_fractions=keep_fractions,
        channel_weights=channel_weights, guides=guides, max_memory=max_memory, chosen_by=chosen_by,
    )  # fmt: skip
    seed = seed_sequence(rng)
    diffusion = Diffusion.chosen(sampler, steps, sigma_max, sigma_min, patch_sizes, NOISE_ALONE)
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    single = {"initial_guess": initial_guess, "guides": guides, "checkpoint": checkpoint}
    in_steps = _checked_gradual(gradual)
    if in_steps is True:
        refuse_with_gradual(initial_guess=initial_guess, guides=guides)
    images = SourceImages.of("image", image, options)
    least = patch_sides(options.patch(images.axes), images.axes)
    validation.shape("shape", shape, least, images.axes)
    if diffusion is not None:
        return _diffused(images, shape, options, diffusion, seed)
    if in_steps == "auto":
        wanted = all(value is None for value in single.values())
        in_steps = wanted and _is_strong_change(images.shapes[0], shape)
    task = prepare_task(
        images, shape, options,
        Requirements(_PATCHES_AT_COARSEST, intermediate=_intermediate if in_steps else None),
    )  # fmt: skip
    info = {"task": "retarget", "gradual": in_steps}
    if not in_steps:
        guess = resized_guess(task, task.planes[0], task.shape, task.source_periodic)
        work = synthesis(task, task.problem(task.sources()), guess)
        return execute(task, lambda numbers: work, info)
    shapes = step_shapes(task.planes[0].shape[1:], task.shape)
    few = None
    if gradual == "auto":
        shrinks = any(new < old for old, new in zip(images.shapes[0], task.shape, strict=True))
        few = _SHRINKING_ITERATIONS if shrinks else _GROWING_ITERATIONS
    return gradual_synthesis(task, task.planes[0], shapes, info, few)


def _diffused(
    images: SourceImages, shape: tuple[int, ...], options: TaskOptions, diffusion: Diffusion,
    seed: np.random.SeedSequence,
) -> Any:  # fmt: skip
    """A result by diffusion: the resized source gives the coarsest level, all others are made."""
    task = prepare_task(images, shape, options, Requirements(_PATCHES_OF_LAYOUT, averaged=True))
    guess = resized_guess(task, task.planes[0], task.shape, task.source_periodic)
    start = Start(guess[0], kept=True)
    problem = task.problem(task.sources())
    return diffused_result(task, problem, diffusion, {"task": "retarget"}, seed, start)


def _checked_gradual(value: Any) -> bool | str:
    if isinstance(value, str):
        validation.choice("gradual", value, ("auto",))
        return value
    return validation.flag("gradual", value)


def _is_strong_change(start: Sequence[int], stop: Sequence[int]) -> bool:
    """Test whether a side changes so much that steps are better than one synthesis."""
    factors = [new / old for old, new in zip(start, stop, strict=True)]
    return max(factors) >= _STRONG_GROWTH or min(factors) <= _STRONG_SHRINKAGE


def refuse_with_gradual(**options: Any) -> None:
    """Refuse options that belong to one synthesis, where there are several."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"`{name}` must be None with `gradual`, got a {type(value).__name__}")


def _intermediate(shapes: Sequence[Shape], schedule: Schedule) -> list[tuple[int, Shape]]:
    """Levels and shapes of the images from the source to the result."""
    return levels_of([shapes[1], *step_shapes(shapes[1], shapes[0])], schedule)


def levels_of(shapes: Sequence[Shape], schedule: Schedule) -> list[tuple[int, Shape]]:
    """All levels of images of these shapes."""
    levels = range(schedule.levels + 1)
    return [(level, schedule.shape(shape, level)) for shape in shapes for level in levels]


def resized_guess(
    task: PreparedTask, planes: Array, shape: tuple[int, ...], periodic: tuple[bool, ...]
) -> Array:
    """The coarsest level (1, C, h, w) of an image that was resized to a shape.

    `periodic` are the axes along which that image wraps around.
    """
    scales = tuple(new / old for new, old in zip(shape, planes.shape[1:], strict=True))
    xp = arrays.namespace(planes)
    resized = xp.ascontiguousarray(resize_planes(planes, scales, shape, periodic))
    return task.pyramid(resized)[-1][None]


def gradual_synthesis(
    task: PreparedTask, image: Array, shapes: Sequence[Shape], info: dict[str, Any],
    few: tuple[int, int] | None = None,
) -> Any:  # fmt: skip
    """One synthesis for each shape, each from the result of the last, `image` at first.

    They take at most the first of `few` PNN steps a level, if given; the last one takes the second,
    and at its finest levels all.
    """
    sources = task.sources()

    def run_of(shape: Shape, reporter: ProgressReporter) -> SynthesisRun:
        problem = task.problem(sources, shape)
        schedule = task.schedule
        if few is not None:
            schedule = _step_schedule(schedule, few, is_last=shape is shapes[-1])
        return SynthesisRun(problem, schedule, task.settings, reporter)

    def work(reporter: ProgressReporter) -> Synthesised:
        last, periodic = image, task.source_periodic
        for shape in shapes:
            run = run_of(shape, reporter)
            result = synthesise(run, resized_guess(task, last, shape, periodic))
            last, periodic = result.images[0], task.periodic
        return result

    silent = ProgressReporter.silent()
    stages = [sum(planned_pairs(run_of(shape, silent)).values()) for shape in shapes]
    return execute(task, lambda numbers: work, info, stages=stages, resumable=False)


def _step_schedule(schedule: Schedule, few: tuple[int, int], *, is_last: bool) -> Schedule:
    """The schedule of one of several syntheses: what the next one changes again is not refined."""
    steps, last_steps = (min(schedule.iterations, count) for count in few)
    coarse = replace(schedule, coarse_iterations=min(schedule.coarse_iterations, few[0]))
    if is_last:
        return replace(coarse, quick_iterations=last_steps)
    return replace(coarse, iterations=steps)
