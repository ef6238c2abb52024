"""Editing: a rough edit becomes seamless."""

import inspect
import math
from collections.abc import Sequence
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.missing import data_of
from pnncupy.images.planes import ChannelAxis, checked_mask, image_shape
from pnncupy.images.pyramid import Ratio, more_than_half, planes_pyramid
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.rng import seed_sequence
from pnncupy.search.patch_grid import PatchGrid, wrap
from pnncupy.synthesis.diffusion import Start
from pnncupy.synthesis.problem import FixedPixels
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.automatic_sizes import chosen_patch_size
from pnncupy.tasks.execute import KeptPixels, execute, synthesis
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
from pnncupy.tasks.prepare import prepare_task
from pnncupy.tasks.registry import TASKS
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.samplers import (
    NOISE_ALONE,
    SMALL_PATCH,
    Diffusion,
    PatchSizes,
    diffused_result,
    requirements_of,
    with_one_sampler,
)
from pnncupy.tasks.source_images import SourceImages, without_missing

_LEVELS = 5
_DOWNSCALE = 4 / 3


@document_parameters
@hint_at_names
@labelled("source", "edited", ("mask",))
@recorded
@on_engine_device
@with_one_sampler
def edit(
    source: Any,
    edited: Any,
    *,
    mask: Any = None,
    keep_grain: bool = False,
    sampler: str = "patches",
    steps: int = 20,
    sigma_max: float | None = None,
    sigma_min: float = 1e-4,
    patch_sizes: PatchSizes | None = None,
    rng: Any = None,
    alpha: float = math.inf,
    patch_size: PatchSize | str = 7,
    downscale: Ratio = _DOWNSCALE,
    levels: int | None = None,
    iterations: int = 10,
    coarse_iterations: int = 1,
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
    """Make a rough edit seamless: parts shuffled, removed, duplicated or moved.

    Parameters
    ----------
    source : (H, W) or (H, W, C) array of bool, integers or floating point
        The image before the edit, where patches come from.
    edited : array of the shape and dtype of `source`
        The image after it, seams and all.
    mask : (H, W) bool array, optional
        True where the image was edited. Pixels farther than two patches from it are those of
        `edited`, bit for bit. Default: everything is synthesised.
    keep_grain : bool, default False
        Copy each pixel from the patch around it in the last vote, as in `analogy`.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of diffusion; nearest patches draw none.
    levels : int, optional
        Pyramid levels below full size: more levels change more around a seam. Default: 5, or as
        many as fit.
    initial_guess : array, optional
        Replaces the edited image's coarsest level, in units of the value range.

    Returns
    -------
    array or Result
        (H, W[, C]) in the dtype of `source`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`.

    Notes
    -----
    Cost: about 4 iterations of (H W)**2 pairs of patches, less with a `mask`. Granot et al. 2022,
    doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> source = np.random.default_rng(0).random((30, 40))
    >>> edited = np.roll(source, 7, axis=1)
    >>> pnn.edit(source, edited, iterations=2).shape
    (30, 40)
    """
    size, chosen_by = chosen_patch_size(
        "source", source, patch_size, channel_axis=channel_axis, nodata=nodata,
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
    diffusion = Diffusion.chosen(
        sampler, steps, sigma_max, sigma_min, patch_sizes, NOISE_ALONE, SMALL_PATCH
    )
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    images = SourceImages.of_known(
        ["source"], *without_missing([source], ["source"], options), options
    )
    task = prepare_task(
        images,
        None,
        options,
        requirements_of(diffusion, Requirements(preferred_levels=_LEVELS, pyramids=1)),
    )
    plain = task.plain("edited", edited)
    shape = image_shape("edited", plain, options.channel_axis)
    if shape != task.shape:
        raise ValueError(f"`edited` must have the size of `source`, {task.shape}, got {shape}")
    pyramid = task.pyramid(task.encode("edited", plain))
    fixed = kept = None
    if mask is not None:
        changed = checked_mask("mask", mask, task.shape, plain)
        margin = TASKS["edit"].margin_patches
        sides = patch_sides(options.patch_size, changed.ndim)
        still = ~near(changed, [margin * side for side in sides], task.periodic)
        fixed = FixedPixels(pyramid, _levels_of_mask(still, task.schedule, task.periodic))
        kept = KeptPixels(data_of(edited), still)
    copied = task.copied(keep_grain)
    if copied is not None and kept is not None:
        copied &= ~kept.mask
    problem = task.problem(task.sources(), fixed=fixed, copied=copied)
    if diffusion is not None:
        start = Start(pyramid[-1], kept=True)
        return diffused_result(task, problem, diffusion, {"task": "edit"}, seed, start, kept)
    work = synthesis(task, problem, pyramid[-1][None])
    return execute(task, lambda numbers: work, {"task": "edit"}, kept=kept)


def near_mask(
    mask: Array,
    margin_patches: int,
    patch_size: PatchSize | None,
    periodic: tuple[bool, ...] = (),
) -> Array:
    """Pixels that a task with a mask may change: the mask, and what is near it.

    Parameters
    ----------
    mask : (H, W) bool array
    margin_patches : int
        How far from the mask, in patches.
    patch_size : int, one for each axis, or None
        Side of a patch; None: the default.
    periodic : tuple of bool
        Axes along which the image wraps around; empty for none.

    Returns
    -------
    (H, W) bool array
    """
    size = patch_size or inspect.signature(edit).parameters["patch_size"].default
    if not isinstance(size, int) and len(size) != mask.ndim:
        size = max(size)
    # The task refuses patches without a size or larger than the image, later.
    sides = patch_sides(size, mask.ndim)
    distances = [margin_patches * min(max(side, 1), *mask.shape) for side in sides]
    return near(mask, distances, periodic)


def near(mask: Array, distances: Sequence[int], periodic: tuple[bool, ...] = ()) -> Array:
    """Pixels at most these distances along the axes from a True one, across periodic borders."""
    xp = arrays.namespace(mask)
    wraps = periodic or (False,) * mask.ndim
    margins = [0 if each else far for each, far in zip(wraps, distances, strict=True)]
    beyond = [far if each else 0 for each, far in zip(wraps, distances, strict=True)]
    sides = [side + 2 * margin for side, margin in zip(mask.shape, margins, strict=True)]
    clear = xp.ones(tuple(sides), dtype=bool)
    clear[
        tuple(slice(more, more + side) for side, more in zip(mask.shape, margins, strict=True))
    ] = ~mask
    clear = wrap(clear, beyond, beyond)
    return ~PatchGrid.of_shape(clear.shape, tuple(2 * far + 1 for far in distances)).inside(clear)


def _levels_of_mask(
    still: Array, schedule: Schedule, periodic: tuple[bool, ...] = ()
) -> list[Array]:
    """Pixels that are kept at each level: those of which more than half is."""
    xp = arrays.namespace(still)
    # In float64, see `valid_shares`.
    whole = xp.astype(still, xp.float64)[None]
    shares = planes_pyramid(whole, schedule.levels, schedule.ratio, periodic)
    return [more_than_half(share[0]) for share in shares]
