"""Structural analogy: the patches of one image in the layout of another."""

from typing import Any

from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.planes import ChannelAxis, as_planes, check_fits_patch
from pnncupy.images.pyramid import Ratio
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.rng import seed_sequence
from pnncupy.synthesis.diffusion import Start
from pnncupy.synthesis.problem import Source
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
from pnncupy.tasks.prepare import prepare_task
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.samplers import (
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
# Smallest side of the coarsest level by diffusion, in patches.
_PATCHES_OF_LAYOUT = 2.5


@document_parameters
@hint_at_names
@labelled("source", "structure")
@recorded
@on_engine_device
@with_one_sampler
def analogy(
    source: Any,
    structure: Any,
    *,
    keep_grain: bool = False,
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
    """Rebuild the layout of one image with the patches of another.

    Parameters
    ----------
    source : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        Where patches come from; of several, dtype and channels must agree.
    structure : (h, w) or (h, w, C) array of the dtype and channels of `source`
        What gives the layout and the size of the result.
    keep_grain : bool, default False
        Copy each pixel from the patch around it in the last vote, instead of averaging the patches
        that overlap: as sharp as the source, but for small steps where neighbours come from
        different places. For ``vote="weighted_mean"``.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values use more of the
        source.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of diffusion; nearest patches draw none.
    levels : int, optional
        How much of the structure survives: fewer levels keep more of its detail, more levels only
        its coarse layout. Worth trying for each pair. Default: 5, or as many as fit.
    initial_guess : array, optional
        Replaces the structure's coarsest level, in units of the value range.

    Returns
    -------
    array or Result
        (h, w[, C]) in the dtype of `source`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`.

    Notes
    -----
    Cost: about 20 H W h w pairs of patches. Granot et al. 2022, doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> source, structure = np.random.default_rng(0).random((2, 30, 40))
    >>> pnn.analogy(source, structure[:24], iterations=2).shape
    (24, 40)
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
        sampler, steps, sigma_max, sigma_min, patch_sizes, patch_size=SMALL_PATCH
    )
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    images = SourceImages.of("source", source, options)
    plain = without_missing([structure], ["structure"], options)[0][0]
    layout = as_planes("structure", plain, options.channel_axis)
    if layout.ndim - 1 != images.axes:
        raise ValueError(
            f"`structure` must have as many axes of space as `source`, {images.axes}, got "
            f"{layout.ndim - 1}"
        )
    check_fits_patch("structure", layout, options.patch_size)
    requirements = requirements_of(
        diffusion, Requirements(preferred_levels=_LEVELS), _PATCHES_OF_LAYOUT
    )
    task = prepare_task(images, layout.shape[1:], options, requirements)
    pyramid = task.pyramid(task.encode("structure", plain))
    problem = task.problem(task.sources(), copied=task.copied(keep_grain))
    if diffusion is not None:
        start = Start(pyramid[-1], inverted=Source(pyramid, []))
        return diffused_result(task, problem, diffusion, {"task": "analogy"}, seed, start)
    work = synthesis(task, problem, pyramid[-1][None])
    return execute(task, lambda numbers: work, {"task": "analogy"})
