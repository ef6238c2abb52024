"""Diverse generation: new images from the patches of one."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.pyramid import Ratio
from pnncupy.images.stationarity import Stationarity
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.rng import describe, sample_seed, seed_sequence
from pnncupy.tasks.automatic_depth import chosen_depth
from pnncupy.tasks.automatic_sizes import chosen_patch_size, is_auto
from pnncupy.tasks.execute import Work, execute
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
from pnncupy.tasks.realisations import (
    FEWER_LEVELS,
    Attempt,
    FirstGuess,
    attempts,
    checked_independence,
    checked_noise,
    distinct_work,
    measured_stationarity,
    realised,
)
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.samplers import (
    NOISE_ALONE,
    Diffusion,
    PatchSizes,
    check_engine,
    diffused,
    requirements_of,
    with_one_sampler,
)
from pnncupy.tasks.source_images import SourceImages

_DOWNSCALE = 4 / 3


@document_parameters
@hint_at_names
@labelled("image")
@recorded
@on_engine_device
@with_one_sampler
def generate(
    image: Any,
    n: int | None = None,
    *,
    first_sample: int = 0,
    shape: tuple[int, ...] | None = None,
    noise_std: float | None = None,
    variety: str | None = None,
    independent: bool | str = "auto",
    distinct: bool = False,
    sampler: str = "patches",
    steps: int = 20,
    sigma_max: float | None = None,
    sigma_min: float = 1e-4,
    patch_sizes: PatchSizes | None = None,
    alpha: float = math.inf,
    rng: Any = None,
    patch_size: PatchSize | str = 7,
    downscale: Ratio = _DOWNSCALE,
    levels: int | str | None = None,
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
    """Make new images with the patches of a given one, arranged differently.

    Noise is added to the coarsest level of the image's pyramid; from there to full size, every
    patch is replaced by its nearest neighbour in the source, several times a level.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The source, at least one patch in size, finite; or a volume, see `channel_axis`. It is never
        modified. Of several sources (sizes may differ, dtype and channels may not) the first gives
        the layout and all give patches.
    n : int, optional
        How many images to make. Sample i is the same whether 1 or 100 are synthesised.
    first_sample : int, default 0
        Number of the first realisation: others can be synthesised by other calls, elsewhere.
    shape : (int, int), optional
        Height and width of the result in pixels; default: those of `image`.
    noise_std : float, optional
        Standard deviation of the noise in units of the value range; larger is more diverse, 0
        gives back about the source. Default: that of low `variety`, 0.75.
    variety : {"low", "medium", "high"}, optional
        Noise by name: a standard deviation of 0.75, 1.1 or 1.5. On photographs of scenes low is the
        setting of the method's authors, and high mixes parts that belong apart, such as sky and
        ground; see the documentation for figures.
    independent : bool or "auto", default "auto"
        Start from random tiles of the source instead of the source with noise, two levels finer: a
        texture without its layout, whose realisations are independent. "auto" does so where the
        sources are stationary, which `Result.info` says: the means of 4 x 4 blocks make up at most
        0.10 of the variance, of the intensities or of each label, and the standard deviations of
        intensities in the blocks differ by at most 0.15 of their mean. Textures of few elements
        need True; False keeps the layout.
    distinct : bool, default False
        Synthesise realisations again that copy a source: of which one translation covers more than
        0.6, or with more than 30 dB at a shift of up to 8 pixels, of labels with an agreement of
        more than 0.6 (Cohen's kappa). One level less is tried first, then `noise_std` 1.5 too, and
        for labels an independent start, with the same seed; `Result.info` says it.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise and the tiles; an integer makes the call reproducible. A Generator is
        advanced.
    levels : int or "auto", optional
        Pyramid levels below full size, the coarsest of which gets the noise: fewer give more
        variety and keep less of the source's layout. Default: such that the smallest side is about
        two patches at the coarsest level. "auto": up to four less, until the noise moves three
        in four patches there, so that fewer scenes come back as copies; `Result.info`
        says which.
    initial_guess : array, optional
        Replaces the noisy coarsest level, in its shape, with values in units of the value range
        (0 to 1); it reproduces a run exactly.

    Returns
    -------
    array or Result
        (H, W[, C]), or (n, H, W[, C]) where `n` is given, in the dtype of `image`; integers are
        rounded half to even and clipped. Values pass through float32: of wider types about seven
        digits of the value range are kept, unless `vote` is "copy".

    Raises
    ------
    TypeError
        An argument has the wrong type.
    ValueError
        An argument has a wrong value or shape; the message says what would be right.
    EngineUnavailable
        The named engine cannot run here.
    Cancelled
        The callback returned False.

    Notes
    -----
    Cost: about 4 iterations of (H W)**2 pairs of patches with the defaults (2.7e10 pairs for 186 x
    248 in a plain run, less than half of it with the savings); peak memory O(H W C). The method is
    GPNN, Granot et al. 2022, doi:10.48550/arXiv.2103.15545, with its published defaults.

    With "patchmatch" the cost is about 600 pairs a pixel of the result, and memory about 200 bytes
    a pixel. The tenth search of a level finds distances within 1 % of the smallest ones, so that
    images are as good, but not the same; searches of fewer than 1e8 pairs are exact all the same.
    PatchMatch (Barnes et al. 2009, doi:10.1145/1531326.1531330) is covered by the US patent
    8,861,869 (Adobe); exact search, the default, is not.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> pnn.generate(image, 2, rng=1, iterations=2).shape
    (2, 24, 32, 3)
    >>> volume = np.random.default_rng(0).random((12, 14, 16))
    >>> pnn.generate(volume, patch_size=3, channel_axis=None, iterations=1, rng=1).shape
    (12, 14, 16)
    """
    diffusion = Diffusion.chosen(sampler, steps, sigma_max, sigma_min, patch_sizes, NOISE_ALONE)
    count = validation.optional_integer("n", n, 1)
    first = validation.integer("first_sample", first_sample, 0)
    std = checked_noise(noise_std, variety)
    different = validation.flag("distinct", distinct)
    seed = seed_sequence(rng)
    size, chosen_by = chosen_patch_size(
        "image", image, patch_size, channel_axis=channel_axis, nodata=nodata,
        categorical=categorical,
    )  # fmt: skip
    automatic = is_auto("levels", levels)
    options = TaskOptions(
        alpha=alpha, patch_size=size, downscale=downscale,
        levels=None if isinstance(levels, str) else levels,
        iterations=iterations, coarse_iterations=coarse_iterations, periodic=periodic,
        source_periodic=source_periodic, keys=keys, vote=vote, vote_width=vote_width,
        method=method, engine=engine, channel_axis=channel_axis, data_range=data_range,
        initial_guess=initial_guess, return_index=return_index, return_info=return_info,
        callback=callback, progress=progress, threads=threads, incremental=incremental,
        executor=executor, checkpoint=checkpoint, nodata=nodata, categorical=categorical,
        label_costs=label_costs, keep_fractions=keep_fractions,
        channel_weights=channel_weights, guides=guides, max_memory=max_memory, chosen_by=chosen_by,
    )  # fmt: skip
    if diffusion is not None:
        options = diffusion.changed(options, _DOWNSCALE)
    images = SourceImages.of("image", image, options)
    if diffusion is not None:
        return _diffuse(images, shape, options, diffusion, count, first, seed)
    measured, tiled = _independence(checked_independence(independent), images, options)
    fewer = FEWER_LEVELS if tiled else 0

    def prepare(options: TaskOptions) -> PreparedTask:
        requirements = Requirements(realisations=count, fewer_levels=fewer)
        return prepare_task(images, shape, options, requirements)

    task = prepare(options)
    if initial_guess is not None and count not in (None, 1):
        raise ValueError(f"`n` must be None or 1 with an `initial_guess`, got {n}")
    problem = task.problem(task.sources())
    first_guess = FirstGuess(tiled, std)
    shares = None
    if automatic and not tiled and initial_guess is None:
        chosen, shares = chosen_depth(task, problem, first_guess)
        if chosen < task.schedule.levels:
            options = replace(options, levels=chosen)
            task = prepare(options)
            problem = task.problem(task.sources())

    @cache
    def others() -> list[Attempt]:
        return attempts(
            task, first_guess,
            lambda levels: prepare(replace(options, levels=levels, checkpoint=None)),
        )  # fmt: skip

    def work(numbers: range) -> Work:
        seeds = [sample_seed(seed, first + number) for number in numbers]
        made = realised(task, problem, first_guess, seeds)
        return distinct_work(made, task, seeds, others) if different else made

    info = {
        "task": "generate", "seed": describe(seed), "first_sample": first, "independent": tiled,
        "noise_std": std,
        "stationarity": None if measured is None else list(measured),
    }  # fmt: skip
    if shares is not None:
        info["levels_chosen_by"] = {"unmoved": shares}
    return execute(task, work, info, count=count)


def _diffuse(
    images: SourceImages,
    shape: tuple[int, ...] | None,
    options: TaskOptions,
    diffusion: Diffusion,
    count: int | None,
    first: int,
    seed: Any,
) -> Any:
    """Generate by diffusion."""
    requirements = requirements_of(diffusion, Requirements(realisations=count))
    task = prepare_task(images, shape, options, requirements)
    check_engine(task)
    problem = task.problem(task.sources())
    info = {"task": "generate"} | diffusion.info(task, seed)

    def work(numbers: range) -> Work:
        return diffused(
            task, problem, diffusion, [sample_seed(seed, first + number) for number in numbers]
        )

    return execute(task, work, info, count=count)


def _independence(
    independent: bool | str, images: SourceImages, options: TaskOptions
) -> tuple[Stationarity | None, bool]:
    """The measured stationarity, and whether realisations start from tiles."""
    if independent is True and options.initial_guess is not None:
        raise ValueError('`independent` must be False or "auto" with an `initial_guess`, got True')
    if independent is False or options.initial_guess is not None:
        return None, False
    measured = measured_stationarity(images, options)
    if independent is True:
        return measured, True
    return measured, measured is not None and measured.is_stationary
