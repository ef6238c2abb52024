"""Collage: one image from the patches of several."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.pyramid import Ratio, level_shape, step_shapes
from pnncupy.images.resize import resize_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.rng import seed_sequence
from pnncupy.synthesis.coarse_to_fine import (
    Synthesised,
    pairs_of_level,
    planned_pairs,
    refine,
    synthesise,
)
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
    LabelCosts,
    Memory,
    Nodata,
    Periodic,
    Progress,
    TaskOptions,
)
from pnncupy.tasks.parameters import document_parameters
from pnncupy.tasks.prepare import PreparedTask, prepare_task
from pnncupy.tasks.retargeting import (
    gradual_synthesis,
    levels_of,
    refuse_with_gradual,
    resized_guess,
)
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.samplers import (
    NOISE_ALONE,
    Diffusion,
    PatchSizes,
    diffused_result,
    requirements_of,
    with_one_sampler,
)
from pnncupy.tasks.source_images import SourceImages

_DOWNSCALE = 1.25


@document_parameters
@hint_at_names
@labelled("images")
@recorded
@on_engine_device
@with_one_sampler
def collage(
    images: Any,
    shape: tuple[int, ...] | None = None,
    *,
    gradual: bool = False,
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
    max_memory: Memory | None = None,
) -> Any:
    """Merge several images into one that has something of each.

    The images stand side by side on a canvas that is shrunk to `shape` in steps of at most x0.9,
    with PNN steps after each that may take patches from all of them.

    Parameters
    ----------
    images : list of (H, W) or (H, W, C) arrays of bool, integers or floating point
        At least 2. Sizes may differ, dtype and channels may not.
    shape : (int, int), optional
        Height and width of the result in pixels; default: those of the first image.
    gradual : bool, default False
        Shrink at full size, a whole synthesis a step, as the paper's authors do, instead of at the
        coarsest level with one synthesis at the end. About twenty times the work for three
        images.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values make sure that
        each image appears.
    downscale : float or one per axis, default 1.25
        Factor between the sides of neighbouring pyramid levels, as in `generate`.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of diffusion; nearest patches draw none.
    levels : int, optional
        Pyramid levels below full size. Default: such that the smallest side is about two patches
        at the coarsest level, or as many as leave a patch on the canvas.
    coarse_iterations : int, default 10
        PNN steps at the coarsest level, after each step of shrinking.
    initial_guess : array, optional
        Replaces the shrunk canvas at the coarsest level, in units of the value range; not with
        `gradual`.

    Returns
    -------
    array or Result
        (height, width[, C]) in the dtype of `images`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`.

    Notes
    -----
    Cost: about 20 n M pairs of patches, n in the result and M in all images together. Granot et
    al. 2022, doi:10.48550/arXiv.2103.15545; the schedule is that of the authors' notebooks.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> first, second = np.random.default_rng(0).random((2, 24, 30))
    >>> pnn.collage([first, second[:20]], iterations=1, coarse_iterations=1).shape
    (24, 30)
    """
    size, chosen_by = chosen_patch_size(
        "images", images, patch_size, channel_axis=channel_axis, nodata=nodata,
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
        channel_weights=channel_weights, max_memory=max_memory, chosen_by=chosen_by,
    )  # fmt: skip
    seed = seed_sequence(rng)
    diffusion = Diffusion.chosen(sampler, steps, sigma_max, sigma_min, patch_sizes, NOISE_ALONE)
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    in_steps = validation.flag("gradual", gradual)
    if in_steps:
        refuse_with_gradual(initial_guess=initial_guess)
    between = _full_size_steps if in_steps else _canvas if initial_guess is None else None
    intermediate = partial(_intermediate, in_steps)
    sources = SourceImages.of("images", images, options)
    if len(sources.originals) < 2:
        raise ValueError(
            "`images` must hold at least 2 images, got 1; use pnncupy.generate for one, or "
            "pnncupy.retarget for another size"
        )
    task = prepare_task(
        sources, shape, options,
        requirements_of(diffusion, Requirements(between=between, intermediate=intermediate)),
    )  # fmt: skip
    if diffusion is not None:
        start = Start(_resized_canvas(task), kept=True)
        problem = task.problem(task.sources())
        return diffused_result(task, problem, diffusion, {"task": "collage"}, seed, start)
    info = {"task": "collage", "gradual": in_steps}
    if in_steps:
        start = side_by_side(task.planes, task.shape[:-1], task.source_periodic)
        shapes = step_shapes(start.shape[1:], task.shape)
        return gradual_synthesis(task, start, shapes, info)
    if initial_guess is None:
        return _from_canvas(task, info)
    work = synthesis(task, task.problem(task.sources()), task.planes[0][None])
    return execute(task, lambda numbers: work, info)


def _intermediate(
    in_steps: bool, shapes: Sequence[Shape], schedule: Schedule
) -> list[tuple[int, Shape]]:
    """Levels and shapes of the images from the canvas to the result."""
    level = 0 if in_steps else schedule.levels
    shape, *others = (schedule.shape(each, level) for each in shapes)
    canvas = _canvas_shape(others, shape[:-1])
    steps = [canvas, *step_shapes(canvas, shape)]
    return levels_of(steps, schedule) if in_steps else [(level, step) for step in steps]


def side_by_side(images: Any, height: Sequence[int], periodic: tuple[bool, ...] = ()) -> Array:
    """Planar images, all resized to one height (of volumes, depth and height), in a row.

    See `resize_planes` for `periodic`.
    """
    xp = arrays.namespace(images[0])
    parts = []
    for planes in images:
        shape = (*height, _scaled_width(planes.shape[1:], height))
        scales = tuple(new / old for new, old in zip(shape, planes.shape[1:], strict=True))
        parts.append(resize_planes(planes, scales, shape, periodic))
    return xp.ascontiguousarray(xp.concat(parts, axis=-1))


def canvas_steps(
    shapes: Sequence[Sequence[int]], ratio: Ratio, level: int, factors: tuple[float, ...] = ()
) -> list[tuple[int, ...]]:
    """Shapes at a level from the canvas to the result, as `step_shapes` with these factors."""
    result, *others = (level_shape(shape, level, ratio) for shape in shapes)
    return step_shapes(_canvas_shape(others, result[:-1]), result, *factors)


def _canvas(shapes: Sequence[Sequence[int]], ratio: Ratio, level: int) -> list[tuple[int, ...]]:
    """Shape of the canvas at a level."""
    result, *others = (level_shape(shape, level, ratio) for shape in shapes)
    return [_canvas_shape(others, result[:-1])]


def _full_size_steps(
    shapes: Sequence[Sequence[int]], ratio: Ratio, level: int
) -> list[tuple[int, ...]]:
    """Shapes at a level of all steps that were taken at full size."""
    return [level_shape(shape, level, ratio) for shape in canvas_steps(shapes, ratio, 0)]


def _canvas_shape(shapes: Sequence[Sequence[int]], height: Sequence[int]) -> tuple[int, ...]:
    """Height and width of images side by side."""
    return (*height, sum(_scaled_width(shape, height) for shape in shapes))


def _scaled_width(shape: Sequence[int], height: Sequence[int]) -> int:
    """Width of an image that is resized to a height."""
    return max(1, round(shape[-1] * (height[-1] / shape[-2])))


def _resized_canvas(task: PreparedTask) -> Array:
    """The images side by side in the shape of the result, (C, h, w) at the coarsest level."""
    canvas = side_by_side(task.planes, task.shape[:-1], task.source_periodic)
    return resized_guess(task, canvas, task.shape, task.source_periodic)[0]


def _from_canvas(task: PreparedTask, info: dict[str, Any]) -> Any:
    """A synthesis from the canvas, which is shrunk at the coarsest level before."""
    problem = task.problem(task.sources())
    level = task.schedule.levels
    canvas = side_by_side(
        [source.sharp[level] for source in problem.sources], task.coarsest_shape[:-1],
        task.source_periodic,
    )  # fmt: skip
    sizes = [canvas.shape[1:], *step_shapes(canvas.shape[1:], task.coarsest_shape)]

    def work(reporter: ProgressReporter) -> Synthesised:
        run = SynthesisRun(problem, task.schedule, task.settings, reporter)
        return synthesise(run, _shrunk(run, canvas[None], sizes), task.options.checkpoint_file)

    plan = SynthesisRun(problem, task.schedule, task.settings, ProgressReporter.silent())
    shrinking = [sum(pairs_of_level(plan, level, size).values()) for size in sizes[:-1]]
    stages = [*shrinking, sum(planned_pairs(plan).values())]
    return execute(task, lambda numbers: work, info, stages=stages)


def _shrunk(run: SynthesisRun, images: Array, sizes: Sequence[Shape]) -> Array:
    """Images (1, C, h, w) of the coarsest level, shrunk through these sizes, with steps at each."""
    run = replace(run, settings=replace(run.settings, tick=run.reporter.tick))
    level = run.schedule.levels
    for size, smaller in pairwise(sizes):
        run.reporter.plan(run.schedule, pairs_of_level(run, level, size))
        images = refine(run, level, images).images
        scales = tuple(new / old for new, old in zip(smaller, size, strict=True))
        xp = arrays.namespace(images)
        resized = resize_planes(images[0], scales, smaller, run.problem.periodic)
        images = xp.ascontiguousarray(resized)[None]
    return images
