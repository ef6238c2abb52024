"""Retargeting: the same scene in another size or aspect, its parts in their own."""

from collections.abc import Callable, Sequence
from typing import Any

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.pyramid import step_shapes
from pnncupy.images.resize import resize_planes
from pnncupy.search.patch_grid import Layout
from pnncupy.synthesis.coarse_to_fine import synthesise
from pnncupy.synthesis.memory import Shape
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.progress import Event, ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.execute import run, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask, prepare_task, source_list

# The paper says four patches; with three, objects of a third of the picture keep their shape too
# when the width is cut to 0.6, which four only reach in gradual steps.
_PATCHES_AT_COARSEST = 3.0


@on_engine_device
def retarget(
    image: Any,
    shape: tuple[int, int],
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
    guides: Any = None,
    max_memory: int | str | None = None,
) -> Any:
    """Change the size or the aspect of a picture while its objects keep theirs.

    The picture is squeezed or stretched to `shape` at the coarsest level; from there to full size
    the patches of the original replace those of the result.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The source. Of several (dtype and channels must agree) the first gives the layout and all
        give patches.
    shape : (int, int)
        Height and width of the result in pixels, larger or smaller than the source's.
    gradual : bool, default False
        Go there in steps of at most x0.9 or x1.2, each a whole synthesis that starts from the last
        one's result: better for strong changes, at the cost of one run a step.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values keep every part of
        the source in the result. Infinity only asks that every part of the result is from it.
    downscale : float, default 1.25
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size: with more, larger objects keep their shape, and fewer things
        their place. Default: such that the smallest side is about three patches at the coarsest
        level (the paper's four let large objects be squeezed).
    coarse_iterations : int, default 10
        PNN steps at the coarsest level.
    initial_guess : array, optional
        Replaces the resized source at the coarsest level, in units of the value range; not with
        `gradual`.
    patch_size, iterations, keys, vote, method, engine, channel_axis
        As in `generate`.
    data_range, return_index, return_info, callback, threads, incremental, executor, checkpoint
        As in `generate`.
    nodata, categorical, channel_weights, guides, max_memory
        As in `generate`.

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
    Cost: about 20 H W h w pairs of patches for a result of h x w; with `gradual` that for every
    step. Granot et al. 2022, doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((30, 40))
    >>> pnn.retarget(image, (30, 24), iterations=2, coarse_iterations=2).shape
    (30, 24)
    """
    options = TaskOptions.of(locals())
    in_steps = validation.flag("gradual", gradual)
    sources, names = source_list("image", image)
    validation.shape("shape", shape, validation.integer("patch_size", patch_size, 2))
    setup = prepare_task(
        sources, names, shape, options, coarsest_patches=_PATCHES_AT_COARSEST,
        intermediate=_intermediate if in_steps else None,
    )  # fmt: skip
    all_sources = setup.sources()
    info = {"task": "retarget", "gradual": in_steps}
    if not in_steps:
        guess = resized_guess(setup, setup.planes[0], setup.shape)
        work = synthesis(setup, setup.problem(all_sources), guess)
        return run(setup, lambda samples: work, info)
    for name, value in (("initial_guess", initial_guess), ("guides", guides)):
        if value is not None:
            raise ValueError(f"`{name}` must be None with `gradual`, got a {type(value).__name__}")
    shapes = step_shapes(setup.planes[0].shape[1:], setup.shape)
    return run(
        setup,
        lambda samples: (
            lambda reporter: run_gradually(setup, all_sources, setup.planes[0], shapes, reporter)
        ),
        info,
        stages=len(shapes),
    )


def _intermediate(shapes: Sequence[Shape], schedule: Schedule) -> list[tuple[int, Shape]]:
    """Levels and shapes of the images from the source to the result."""
    return levels_of([shapes[1], *step_shapes(shapes[1], shapes[0])], schedule)


def levels_of(shapes: Sequence[Shape], schedule: Schedule) -> list[tuple[int, Shape]]:
    """All levels of images of these shapes."""
    levels = range(schedule.levels + 1)
    return [(level, schedule.shape(shape, level)) for shape in shapes for level in levels]


def resized_guess(setup: PreparedTask, planes: Array, shape: tuple[int, ...]) -> Array:
    """The coarsest level of a picture that was resized to a shape."""
    scales = tuple(new / old for new, old in zip(shape, planes.shape[1:], strict=True))
    xp = arrays.namespace(planes)
    return setup.pyramid(xp.ascontiguousarray(resize_planes(planes, scales, shape)))[-1]


def run_gradually(
    setup: PreparedTask,
    sources: list[Source],
    picture: Array,
    shapes: list[tuple[int, ...]],
    reporter: ProgressReporter,
) -> tuple[Array, Array, Layout]:
    """One whole synthesis for each shape, each from the result of the last."""
    for shape in shapes:
        guess = resized_guess(setup, picture, shape)
        problem = setup.problem(sources, shape)
        picture, index, layout = synthesise(
            setup.settings, setup.schedule, problem, guess, reporter
        )
    return picture, index, layout
