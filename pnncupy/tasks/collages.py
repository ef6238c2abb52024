"""Collage: one picture from the patches of several."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.pyramid import level_shape, step_shapes
from pnncupy.images.resize import resize_planes
from pnncupy.search.patch_grid import Layout
from pnncupy.synthesis.coarse_to_fine import refine, synthesise
from pnncupy.synthesis.memory import Shape
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.progress import Event, ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.execute import run
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask, checked_guess, prepare_task, source_list
from pnncupy.tasks.retargeting import levels_of, run_gradually


@on_engine_device
def collage(
    images: Any,
    shape: tuple[int, int] | None = None,
    *,
    gradual: bool = False,
    alpha: float = 5e-3,
    patch_size: int = 7,
    downscale: float = 1.25,
    levels: int | None = None,
    iterations: int = 10,
    coarse_iterations: int = 10,
    keys: str = "blurred",
    vote: str = "weighted_mean",
    method: str = "exact",
    engine: str = "auto",
    channel_axis: int = -1,
    data_range: tuple[float, float] | None = None,
    initial_guess: Any = None,
    return_index: bool = False,
    return_info: bool = False,
    callback: Callable[[Event], Any] | None = None,
    threads: int | None = None,
    incremental: bool = True,
    executor: Any = None,
    checkpoint: Any = None,
    nodata: float | str | None = None,
    categorical: bool = False,
    channel_weights: Any = None,
    max_memory: int | str | None = None,
) -> Any:
    """Merge several pictures into one that has something of each.

    The pictures stand side by side on a canvas that is shrunk to `shape` in steps of at most x0.9,
    with PNN steps after each that may take patches from all of them.

    Parameters
    ----------
    images : list of (H, W) or (H, W, C) arrays of bool, integers or floating point
        Sizes may differ, dtype and channels may not.
    shape : (int, int), optional
        Height and width of the result in pixels; default: those of the first picture.
    gradual : bool, default False
        Shrink at full size, a whole synthesis a step, as the paper's authors do, instead of at the
        coarsest level with one synthesis at the end. About twenty times the work for three
        pictures.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values make sure that
        each picture appears.
    downscale : float, default 1.25
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size. Default: such that the smallest side is about two patches
        at the coarsest level, or as many as leave a patch on the canvas.
    coarse_iterations : int, default 10
        PNN steps at the coarsest level, after each step of shrinking.
    initial_guess : array, optional
        Replaces the shrunk canvas at the coarsest level, in units of the value range; not with
        `gradual`.
    patch_size, iterations, keys, vote, method, engine, channel_axis
        As in `generate`.
    data_range, return_index, return_info, callback, threads, incremental, executor, checkpoint
        As in `generate`.
    nodata, categorical, channel_weights, max_memory
        As in `generate`.

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
    Cost: about 20 n M pairs of patches, n in the result and M in all pictures together. Granot et
    al. 2022, doi:10.48550/arXiv.2103.15545; the schedule is that of the authors' notebooks.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> first, second = np.random.default_rng(0).random((2, 24, 30))
    >>> pnn.collage([first, second[:20]], iterations=1, coarse_iterations=1).shape
    (24, 30)
    """
    options = TaskOptions.of(locals())
    in_steps = validation.flag("gradual", gradual)
    given, names = source_list("images", images)

    def intermediate(shapes: Sequence[Shape], schedule: Schedule) -> list[tuple[int, Shape]]:
        level = 0 if in_steps else schedule.levels
        shape, *others = (schedule.shape(each, level) for each in shapes)
        canvas = _canvas_shape(others, shape[0])
        steps = [canvas, *step_shapes(canvas, shape)]
        return levels_of(steps, schedule) if in_steps else [(level, step) for step in steps]

    setup = prepare_task(
        given, names, shape, options, intermediate=intermediate,
        between=_full_size_steps if in_steps else None if initial_guess is not None else _canvas,
    )  # fmt: skip
    sources = setup.sources()
    info = {"task": "collage", "gradual": in_steps}
    if in_steps:
        if initial_guess is not None:
            raise ValueError(
                f"`initial_guess` must be None with `gradual`, got a {type(initial_guess).__name__}"
            )
        start = side_by_side(setup.planes, setup.shape[0])
        shapes = step_shapes(start.shape[1:], setup.shape)
        return run(
            setup,
            lambda samples: lambda reporter: run_gradually(setup, sources, start, shapes, reporter),
            info,
            stages=len(shapes),
        )
    replacement = checked_guess(setup)

    def work(reporter: ProgressReporter) -> tuple[Array, Array, Layout]:
        guess = replacement
        if guess is None:
            guess = _shrunk_canvas(setup, sources, reporter)
        problem = setup.problem(sources)
        return synthesise(
            setup.settings, setup.schedule, problem, guess, reporter, setup.checkpoint
        )

    return run(setup, lambda samples: work, info)


def side_by_side(pictures: Any, height: int) -> Array:
    """Planar pictures, all resized to one height, in a row."""
    xp = arrays.namespace(pictures[0])
    parts = []
    for planes in pictures:
        width = _scaled_width(planes.shape[1:], height)
        scales = (height / planes.shape[1], width / planes.shape[2])
        parts.append(resize_planes(planes, scales, (height, width)))
    return xp.ascontiguousarray(xp.concat(parts, axis=2))


def canvas_steps(
    shapes: Sequence[Sequence[int]], ratio: float, level: int, factors: tuple[float, ...] = ()
) -> list[tuple[int, ...]]:
    """Shapes at a level from the canvas to the result, as `step_shapes` with these factors."""
    result, *others = (level_shape(shape, level, ratio) for shape in shapes)
    return step_shapes(_canvas_shape(others, result[0]), result, *factors)


def _canvas(shapes: Sequence[Sequence[int]], ratio: float, level: int) -> list[tuple[int, ...]]:
    """Shape of the canvas at a level."""
    result, *others = (level_shape(shape, level, ratio) for shape in shapes)
    return [_canvas_shape(others, result[0])]


def _full_size_steps(
    shapes: Sequence[Sequence[int]], ratio: float, level: int
) -> list[tuple[int, ...]]:
    """Shapes at a level of all steps that were taken at full size."""
    return [level_shape(shape, level, ratio) for shape in canvas_steps(shapes, ratio, 0)]


def _canvas_shape(shapes: Sequence[Sequence[int]], height: int) -> tuple[int, int]:
    """Height and width of pictures side by side."""
    return height, sum(_scaled_width(shape, height) for shape in shapes)


def _scaled_width(shape: Sequence[int], height: int) -> int:
    """Width of a picture that is resized to a height."""
    return max(1, round(shape[1] * (height / shape[0])))


def _shrunk_canvas(setup: PreparedTask, sources: list[Source], reporter: ProgressReporter) -> Array:
    """The canvas at the coarsest level, shrunk to the result's size there step by step."""
    settings = replace(setup.settings, tick=reporter.tick)
    level = setup.schedule.levels
    problem = setup.problem(sources)
    picture = side_by_side([source.sharp[level] for source in sources], setup.coarsest_shape[0])
    for shape in step_shapes(picture.shape[1:], setup.coarsest_shape):
        picture, _, _ = refine(settings, setup.schedule, problem, level, picture, reporter)
        scales = tuple(new / old for new, old in zip(shape, picture.shape[1:], strict=True))
        xp = arrays.namespace(picture)
        picture = xp.ascontiguousarray(resize_planes(picture, scales, shape))
    return picture
