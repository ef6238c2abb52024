"""Simulation: realisations of a training image that honour hard data."""

import math
from dataclasses import replace
from typing import Any

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.labelled import labelled
from pnncupy.images.missing import with_nan_missing
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.pyramid import Ratio
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.rng import describe, sample_seed, seed_sequence
from pnncupy.synthesis.problem import SynthesisProblem
from pnncupy.tasks.automatic_sizes import chosen_patch_size
from pnncupy.tasks.execute import KeptPixels, Work, execute
from pnncupy.tasks.hard_data import HardData
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
from pnncupy.tasks.realisations import FEWER_LEVELS, FirstGuess, realised
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.source_images import SourceImages
from pnncupy.tasks.training_parts import part_levels, random_part

# Weights far above lose the other pixels in the rounding of float32.
_LARGEST_WEIGHT = 100.0


@document_parameters
@hint_at_names
@labelled("training", "grid")
@recorded
@on_engine_device
def simulate(
    training: Any,
    grid: Any,
    n: int | None = None,
    *,
    first_sample: int = 0,
    data_weight: float = 20.0,
    training_share: float = 1.0,
    alpha: float = math.inf,
    rng: Any = None,
    patch_size: PatchSize | str = 7,
    downscale: Ratio = 4 / 3,
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
    """Simulate realisations of a training image that honour hard data.

    Multiple-point statistics: results look like `training`, hold every known value of `grid` bit
    for bit, and are otherwise independent of each other.

    Parameters
    ----------
    training : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The training image, at least one patch in size; or a volume, see `channel_axis`. NaN is
        unknown: no patch that contains one is used.
    grid : (h, w) or (h, w, C) array of any real dtype, or masked array
        The grid of the results, of any size from one patch on: the hard data, and NaN where values
        are simulated (or a masked pixel, or `nodata`). Any number of known pixels anywhere, none
        included. All channels of a pixel are known or none: give variables that are known
        everywhere as `guides`.
    n : int, optional
        How many realisations to make. Number i is the same whether 1 or 100 are simulated.
    first_sample : int, default 0
        Number of the first realisation: others can be simulated by other calls, elsewhere.
    data_weight : float, default 20
        Weight of a known pixel in the distance of two patches, 1 to 100, where other pixels
        have 1; at coarser levels less, see the notes. Larger values leave fewer traces at the
        data, and less variety between them.
    training_share : float, default 1
        Share of the training image that each realisation knows, above 0: below 1, in square cells
        of a fifth of its smallest side at random places, others for each realisation. Where many
        pixels are known, realisations of the whole image are all the same; with 0.25 and
        ``vote="copy"`` they vary about as much as they may be wrong.
    alpha : float, default infinity
        Infinity only: hard data and completeness cannot be asked of one distance.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the tiles that realisations start from; an integer makes the call reproducible.
    levels : int, optional
        Pyramid levels below full size. Default: two fewer than such that the smallest side is about
        two patches at the coarsest level.
    data_range : (float, float), optional
        Values that count as 0 and 1, within float32. Hard data must be within it. Default: 0 to 255
        for uint8, 0 to 1 for bool, else the smallest and the largest value of `training`, which all
        hard data must be within.
    initial_guess : array, optional
        Replaces the tiles of the coarsest level, in units of the value range (0 to 1); without `n`
        or with one.
    nodata : float, "nan" or None, optional
        Value of missing pixels of `training` and `grid`, beside NaN and masked pixels, which are
        missing in any case.

    Returns
    -------
    array or Result
        (h, w[, C]), or (n, h, w[, C]) where `n` is given, in the dtype of `training`. The index map
        says for known pixels too which pixel of `training` the patch around them puts there, whose
        value may be another one, so that `apply_index` renders further variables of `training`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `generate`; hard data that the dtype of `training` cannot hold, outside of its values or
        labels, or for only some channels of a pixel are a ValueError.

    Notes
    -----
    Realisations start from random tiles of `training` at the coarsest level. At every level known
    values are put back after each vote, and count more than others in each distance:
    ``1 + (data_weight - 1) / downscale**level``. A coarse pixel with known pixels inside has their
    mean (of labels, their shares), so that data which contradict each other are a compromise there,
    and each is honoured at full size. Cost: as `generate`, with one plane more.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> training = np.random.default_rng(0).random((40, 40)) > 0.5
    >>> grid = np.full((24, 30), np.nan)
    >>> grid[5, 7], grid[20, 11] = 1, 0
    >>> made = pnn.simulate(training, grid, 2, rng=1, iterations=1, categorical=True)
    >>> made.shape, made[:, 5, 7].tolist(), made[:, 20, 11].tolist()
    ((2, 24, 30), [True, True], [False, False])
    """
    count = validation.optional_integer("n", n, 1)
    first = validation.integer("first_sample", first_sample, 0)
    factor = checked_data_weight(data_weight)
    share = checked_share(training_share)
    seed = seed_sequence(rng)
    several = isinstance(training, (list, tuple))
    marked = (
        [with_nan_missing(each) for each in training] if several else with_nan_missing(training)
    )
    size, chosen_by = chosen_patch_size(
        "training", marked, patch_size, channel_axis=channel_axis, nodata=nodata,
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
    if not math.isinf(options.alpha):
        raise ValueError(
            f"`alpha` must be infinity in `simulate`, got {options.alpha}; leave it out"
        )
    if initial_guess is not None and count not in (None, 1):
        raise ValueError(f"`n` must be None or 1 with an `initial_guess`, got {n}")
    images = SourceImages.of("training", marked, options)
    data = HardData.of(grid, images, options)
    requirements = Requirements(
        fewer_levels=FEWER_LEVELS, pyramids=1, realisations=count, weighted_pixels=True
    )
    plain = prepare_task(images, data.known.shape, options, requirements)
    if share < 1:
        if levels is None and part_levels(plain) < plain.schedule.levels:
            options = replace(options, levels=part_levels(plain))
            plain = prepare_task(images, data.known.shape, options, requirements)
        plain = replace(plain, batch_size=1)
    task, problem = conditioned(plain, data, factor)

    def work(numbers: range) -> Work:
        seeds = [sample_seed(seed, first + number) for number in numbers]
        own = task, problem
        if share < 1:
            own = conditioned(random_part(plain, share, seeds[0]), data, factor)
        return realised(*own, FirstGuess(independent=True, noise_std=0.0), seeds)

    info = {
        "task": "simulate", "seed": describe(seed), "first_sample": first, "data_weight": factor,
        "hard_data": data.count, "training_share": share,
    }  # fmt: skip
    kept = KeptPixels(data.original, data.known, in_source=False)
    return execute(task, work, info, count=count, kept=kept)


def checked_data_weight(data_weight: Any) -> float:
    """Return the weight of a known pixel at full size."""
    weight = validation.non_negative("data_weight", data_weight)
    if not 1 <= weight <= _LARGEST_WEIGHT:
        raise ValueError(
            f"`data_weight` must be from 1 to {_LARGEST_WEIGHT:g}, got {data_weight!r}"
        )
    return weight


def checked_share(training_share: Any) -> float:
    """Return the share of the training image that a realisation knows."""
    share = validation.positive("training_share", training_share)
    if share > 1:
        raise ValueError(f"`training_share` must be above 0 and at most 1, got {training_share!r}")
    return share


def conditioned(
    task: PreparedTask, data: HardData, factor: float
) -> tuple[PreparedTask, SynthesisProblem]:
    """The task with a distance in which known pixels count more, and its problem."""
    sources = task.sources()
    pyramid = data.pyramid(task)
    if not data.count:
        return task, task.problem(sources)
    pixels = data.pixel_weights(task, pyramid, factor)
    settings = replace(task.settings, channels=task.settings.channels + 1)
    task = replace(task, metric=replace(task.metric, pixels=pixels), settings=settings)
    return task, task.problem(sources, fixed=pyramid.fixed())
