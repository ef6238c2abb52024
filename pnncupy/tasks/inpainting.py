"""Conditional inpainting: holes filled with patches, steered by what is painted into them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.label_encoding import LabelEncoding, check_labels
from pnncupy.images.labelled import labelled
from pnncupy.images.missing import Masked, data_of, missing_pixels, typical, with_colour
from pnncupy.images.planes import ChannelAxis, as_planes, channel_axis_of, checked_mask, image_shape
from pnncupy.images.pyramid import Ratio
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.rng import describe, draw_normal, sample_generator, seed_sequence
from pnncupy.synthesis.diffusion import Start
from pnncupy.synthesis.masked_sources import MaskedPyramid
from pnncupy.synthesis.problem import FixedPixels, SynthesisProblem
from pnncupy.tasks.automatic_sizes import chosen_patch_size
from pnncupy.tasks.execute import KeptPixels, execute, synthesis
from pnncupy.tasks.hole_starts import HoleStarts, HoleWidths
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
    NOISE_ON_IMAGE,
    Diffusion,
    PatchSizes,
    diffused_result,
    requirements_of,
    with_one_sampler,
)
from pnncupy.tasks.source_images import SourceImages, without_missing

_FILLS = ("mean", "noise", "smooth")
# Pixels inside of a hole that are averaged, so that its border is no seam.
_AVERAGED_MARGIN = 2
_DOWNSCALE = 4 / 3


@document_parameters
@hint_at_names
@labelled("image", "image", ("mask", "fill"))
@recorded
@on_engine_device
@with_one_sampler
def inpaint(
    image: Any,
    mask: Any,
    *,
    fill: Any = None,
    keep_known: bool = True,
    keep_grain: bool = True,
    rng: Any = None,
    sampler: str = "patches",
    steps: int = 20,
    sigma_max: float | None = None,
    sigma_min: float = 1e-4,
    patch_sizes: PatchSizes | None = None,
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
    """Fill holes with patches of the rest; colours painted into a hole steer what appears there.

    ``fill="smooth"`` removes what the hole covers: objects, text, scratches, dead pixels.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point
        The image. The values in the hole steer the result, unless `fill` says otherwise.
    mask : (H, W) bool array or "nodata"
        True where the image is to be synthesised: any number of holes of any shape. "nodata"
        fills the missing pixels: those of `nodata`, NaN, or what a masked array hides. Missing
        pixels outside of a given mask stay as they are (with `keep_known`), and are never used.
    fill : None, array, "smooth", "mean" or "noise"
        What steers the result: the hole's own pixels (None; with `mask` "nodata", which have no
        content, "smooth"); those of an array of the shape and dtype of `image`; "smooth", a
        biharmonic continuation of what is around each hole, from the level at which its largest
        square is about one patch; "mean", the mean colour of the known pixels, but "smooth" for
        holes that are narrower than a patch; or "noise" of their mean and standard deviation at the
        coarsest level, which varies with `rng`. With a fill, the values in the hole do not matter
        and may be NaN.
    keep_known : bool, default True
        Leave the pixels outside of the hole as they are, bit for bit. False synthesises everything,
        as the paper's authors do.
    keep_grain : bool, default True
        Copy the pixels of holes that are wider than a patch from the patch around them in the last
        vote, but for two pixels beside the known ones: as much grain as outside. False averages
        overlapping patches, as the paper. For ``vote="weighted_mean"``, with `keep_known`.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of ``fill="noise"``.
    levels : int, optional
        Pyramid levels below full size. Default: such that the largest square inside the hole is
        about one patch at the coarsest level, or as many as leave known patches there.
    initial_guess : array, optional
        Replaces the filled image's coarsest level, in units of the value range.

    Returns
    -------
    array or Result
        (H, W[, C]) in the dtype of `image`. The default value range is that of the known pixels.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`.

    Notes
    -----
    No patch that contains a pixel of the hole is ever used, at any level: a coarse pixel counts as
    known if more than half of it is, and its colour is that of known pixels only. Cost: up to 10
    iterations of H W h pairs of patches, with h patches that touch the hole; with `keep_known`
    False or a finite `alpha` of (H W)**2. Granot et al. 2022, doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((30, 40))
    >>> mask = np.zeros((30, 40), bool)
    >>> mask[10:20, 12:25] = True
    >>> made = pnn.inpaint(image, mask, fill="smooth", iterations=2)
    >>> bool((made == image)[~mask].all())
    True
    """
    size, chosen_by = chosen_patch_size(
        "image", image, patch_size, channel_axis=channel_axis, nodata=nodata,
        categorical=categorical, hole=mask,
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
    diffusion = Diffusion.chosen(
        sampler,
        steps,
        sigma_max,
        sigma_min,
        patch_sizes,
        NOISE_ALONE if isinstance(fill, str) and fill == "noise" else NOISE_ON_IMAGE,
    )
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    keep = validation.flag("keep_known", keep_known)
    grain = validation.flag("keep_grain", keep_grain)
    seed = seed_sequence(rng)
    if fill is None and isinstance(mask, str):
        fill = "smooth"
    plain, known, hole = _holes(image, mask, options)
    filled = _filled(plain, known, hole, fill, options)
    axes = known.ndim
    size = options.patch(axes)
    widths = HoleWidths.of(~known, size, options.ratio(axes), options.periodic_axes(axes))
    own = widths.levels()
    smooth = _continued(widths, fill)
    wraps_otherwise = options.periodic_axes(axes) != options.source_periodic_axes(axes)
    task = prepare_task(
        SourceImages.of_known(["image"], [filled], [known], options), None, options,
        requirements_of(diffusion, Requirements(
            preferred_levels=max(own, default=0), unknown="`mask`",
            pyramids=int(not keep) + int(smooth is not None) + int(wraps_otherwise),
        )),
    )  # fmt: skip
    if isinstance(task.encoding, LabelEncoding):
        steering = "image" if fill is None else "fill"
        check_labels(steering, as_planes(steering, filled, channel_axis), task.encoding)
    masked = MaskedPyramid.of(
        task.planes[0], known, task.schedule.levels, task.schedule.ratio, task.periodic
    )
    guess = task.pyramid(task.planes[0])[-1]
    if isinstance(fill, str) and fill == "noise":
        guess = _noisy(guess, task.planes[0][:, known], ~masked.usable[-1], seed)
    fixed = FixedPixels(masked.images, masked.usable)
    if smooth is not None:
        coarsest = task.schedule.levels
        at_once = levels is not None or diffusion is not None
        own = [coarsest if at_once else min(each, coarsest) for each in own]
        starts = HoleStarts.of(masked, widths, own, smooth, task.schedule.ratio)
        guess, fixed = starts.guess(guess), starts.fixed(masked)
    copied = None
    if diffusion is None and grain and keep and vote == "weighted_mean":
        interior = widths.interior(_AVERAGED_MARGIN)
        copied = arrays.like(interior, known) if interior.any() else None
    problem = _problem(task, masked, known, hole, fixed if keep else None, copied)
    info = {"task": "inpaint", "keep_known": keep, "seed": describe(seed)}
    kept = KeptPixels(data_of(image), ~hole) if keep else None
    if diffusion is not None:
        return diffused_result(task, problem, diffusion, info, seed, Start(guess), kept)
    work = synthesis(task, problem, guess[None])
    return execute(task, lambda numbers: work, info, kept=kept)


def _continued(widths: HoleWidths, fill: Any) -> Any:
    """Pixels of holes that begin with a smooth continuation, (H, W) bool; None without any."""
    if not isinstance(fill, str) or fill == "noise":
        return None
    smooth = widths.labels > 0 if fill == "smooth" else widths.narrower_than_a_patch()
    return smooth if smooth.any() else None


def _problem(
    task: PreparedTask, masked: MaskedPyramid, known: Array, hole: Array,
    fixed: FixedPixels | None, copied: Array | None,
) -> SynthesisProblem:  # fmt: skip
    """The sources, without the hole where something steers it, and what is fixed."""
    levels, ratio = task.schedule.levels, task.schedule.ratio
    if task.source_periodic != task.periodic:
        masked = MaskedPyramid.of(task.planes[0], known, levels, ratio, task.source_periodic)
    if fixed is None and not bool((~known & ~hole).any()):
        return task.problem([task.source(task.planes[0], masked.usable)])
    return task.problem([masked.source(ratio, levels)], fixed=fixed, copied=copied)


def _holes(image: Any, mask: Any, options: TaskOptions) -> tuple[Array, Array, Array]:
    """The image, missing pixels filled; its known pixels; and those to be synthesised.

    Missing pixels outside of the hole are in neither: nothing is known of them, and they stay.
    """
    by_nodata = isinstance(mask, str)
    if by_nodata and mask != "nodata":
        raise ValueError(f'`mask` must be a bool array or "nodata", got {mask!r}')
    if by_nodata and options.nodata is None and not isinstance(image, (np.ma.MaskedArray, Masked)):
        if arrays.library("image", image) and image.dtype.kind != "f":
            raise ValueError(
                f'`nodata` must say which value is missing with `mask` "nodata" and {image.dtype}'
            )
        options = replace(options, nodata="nan")
    axis = options.channel_axis
    plain, missing = missing_pixels("image", image, options.missing_value, axis)
    shape = image_shape("image", plain, axis)
    if by_nodata:
        if missing is None:
            raise ValueError('`image` must have missing pixels with `mask` "nodata", got none')
        hole = missing
    else:
        hole = checked_mask("mask", mask, shape, plain)
    known = ~hole if missing is None else ~(hole | missing)
    if missing is not None:
        plain = with_colour(plain, missing, _known_colour(plain, known, options), axis)
    return plain, known, hole


def _known_colour(image: Array, known: Array, options: TaskOptions) -> Array:
    """The mean colour of the known pixels (C,); of labels the commonest."""
    values = as_planes("image", image, options.channel_axis)[:, known]
    if not values.size:
        raise ValueError("`mask` must leave some pixels known, got a mask of the whole image")
    arrays.check_finite("image", values, arrays.namespace(values))
    return typical(values, options.holds_labels)


def _filled(image: Array, known: Array, hole: Array, fill: Any, options: TaskOptions) -> Array:
    """The image with the hole filled; the caller's array itself where it steers."""
    if fill is None:
        return image
    axis = options.channel_axis
    if isinstance(fill, str):
        validation.choice("fill", fill, _FILLS)
        return with_colour(image, hole, _known_colour(image, known, options), axis)
    xp = arrays.namespace(image)
    (fill,), _ = without_missing([fill], ["fill"], options)
    arrays.same_library(image=image, fill=fill)
    if fill.shape != image.shape:
        raise ValueError(f"`fill` must have the shape of `image`, {image.shape}, got {fill.shape}")
    if fill.dtype != image.dtype:
        raise TypeError(f"`fill` must have the dtype of `image`, {image.dtype}, got {fill.dtype}")
    channels = channel_axis_of("image", image.shape, axis)
    wide = hole if channels is None else xp.expand_dims(hole, axis=channels)
    return xp.where(wide, fill, image).astype(image.dtype)


def _noisy(guess: Array, known_values: Array, hole: Array, seed: Any) -> Array:
    """The guess with noise like the known pixels in the hole."""
    xp = arrays.namespace(guess)
    along = (-1, *(1,) * (guess.ndim - 1))
    mean = xp.reshape(xp.mean(known_values, axis=1), along)
    std = xp.reshape(xp.std(known_values, axis=1), along)
    noise = xp.asarray(draw_normal(sample_generator(seed, 0), guess.shape), dtype=xp.float32)
    return xp.where(hole, mean + std * noise, guess)
