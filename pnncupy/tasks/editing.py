"""Editing: a rough edit made seamless."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.missing import data_of
from pnncupy.images.planes import checked_mask, image_shape
from pnncupy.images.pyramid import more_than_half, planes_pyramid
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.synthesis.problem import FixedPixels
from pnncupy.synthesis.progress import Event
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.execute import run, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import prepare_task

_LEVELS = 5
# How far from the mask the picture may change, in patches.
MARGIN_PATCHES = 2


@on_engine_device
def edit(
    source: Any,
    edited: Any,
    *,
    mask: Any = None,
    alpha: float = math.inf,
    patch_size: int = 7,
    downscale: float = 4 / 3,
    levels: int | None = None,
    iterations: int = 10,
    coarse_iterations: int = 1,
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
    """Make a rough edit seamless: parts shuffled, removed, duplicated or moved.

    Parameters
    ----------
    source : (H, W) or (H, W, C) array of bool, integers or floating point
        The picture before the edit, where patches come from.
    edited : array of the shape and dtype of `source`
        The picture after it, seams and all.
    mask : (H, W) bool array, optional
        True where the edit was made. Pixels farther than two patches from it come back as they are
        in `edited`, bit for bit. Default: everything is made anew.
    alpha : float, default infinity
        Completeness, above 0, in squared units of the value range; see `generate`.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size: more levels change more around a seam. Default: 5, or as
        many as fit.
    coarse_iterations : int, default 1
        PNN steps at the coarsest level.
    initial_guess : array, optional
        Replaces the edited picture's coarsest level, in units of the value range.
    patch_size, iterations, keys, vote, method, engine, channel_axis
        As in `generate`.
    data_range, return_index, return_info, callback, threads, incremental, executor, checkpoint
        As in `generate`.
    nodata, categorical, channel_weights, guides, max_memory
        As in `generate`.

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
    options = TaskOptions.of(locals())
    setup = prepare_task([source], ["source"], None, options, preferred_levels=_LEVELS, pyramids=1)
    plain = setup.plain("edited", edited)
    shape = image_shape("edited", plain, channel_axis)
    if shape != setup.shape:
        raise ValueError(f"`edited` must have the size of `source`, {setup.shape}, got {shape}")
    pyramid = setup.pyramid(setup.encode("edited", plain))
    problem = setup.problem(setup.sources())
    kept = None
    if mask is not None:
        changed = checked_mask("mask", mask, setup.shape, plain)
        still = ~near(changed, MARGIN_PATCHES * setup.settings.patch_size)
        problem = replace(problem, kept=FixedPixels(pyramid, kept_levels(still, setup.schedule)))
        kept = (data_of(edited), still)
    work = synthesis(setup, problem, pyramid[-1])
    return run(setup, lambda samples: work, {"task": "edit"}, kept=kept)


def near(mask: Array, distance: int) -> Array:
    """Pixels at most `distance` rows and columns from a True one."""
    xp = arrays.namespace(mask)
    height, width = mask.shape
    clear = xp.ones((height + 2 * distance, width + 2 * distance), dtype=bool)
    clear[distance : distance + height, distance : distance + width] = ~mask
    return ~PatchGrid.of_shape(clear.shape, 2 * distance + 1).inside(clear)


def kept_levels(still: Array, schedule: Schedule) -> list[Array]:
    """Which pixels are kept at each level: those of which more than half is."""
    xp = arrays.namespace(still)
    # In float64, see `valid_shares`.
    whole = xp.astype(still, xp.float64)[None]
    shares = planes_pyramid(whole, schedule.levels, schedule.ratio)
    return [more_than_half(share[0]) for share in shares]
