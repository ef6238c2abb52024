"""Conditional inpainting: holes filled with patches, steered by what is painted into them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pnncupy import arrays, checks, images, seeds
from pnncupy.arrays import Array
from pnncupy.moving import to_the_engine
from pnncupy.observer import Event
from pnncupy.pyramids import checked_downscale, enlarge_valid, valid_pyramid
from pnncupy.searching import windows_all
from pnncupy.synthesis import Kept, Scene, Source
from pnncupy.tasks.common import Options, Setup, run, set_up, source_of, synthesis

_FILLS = ("mean", "noise")
_HALF = 0.5


@to_the_engine
def inpaint(
    image: Any,
    mask: Any,
    *,
    fill: Any = None,
    keep_known: bool = True,
    rng: Any = None,
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
) -> Any:
    """Fill holes with patches of the rest; colours painted into a hole steer what appears there.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point
        The picture. What stands in the hole steers the result, unless `fill` says otherwise.
    mask : (H, W) bool array
        True where the picture is to be made anew: any number of holes of any shape.
    fill : None, array, "mean" or "noise"
        What steers the result: the hole's own pixels (None); those of an array of the shape and
        dtype of `image`; the mean colour of the known pixels; or noise of their mean and standard
        deviation at the coarsest level, which needs no painting and varies with `rng`. With a
        fill, what stands in the hole does not matter and may be NaN.
    keep_known : bool, default True
        Leave the pixels outside of the hole as they are, bit for bit. False makes everything anew,
        as the paper's authors do.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise of ``fill="noise"``.
    alpha : float, default infinity
        Completeness, above 0, in squared units of the value range; see `generate`.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size. Default: such that the largest square inside the hole is
        about one patch at the coarsest level, or as many as leave known patches there.
    coarse_iterations : int, default 1
        PNN steps at the coarsest level.
    initial_guess : array, optional
        Replaces the filled picture's coarsest level, in units of the value range.
    patch_size, iterations, keys, vote, method, engine, channel_axis
        As in `generate`.
    data_range, return_index, return_info, callback, threads, incremental, executor, checkpoint
        As in `generate`.

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
    known if more than half of it is, and its colour is made of known pixels only. Cost: up to 10
    iterations of H W h pairs of patches, with h patches that touch the hole; with `keep_known`
    False or a finite `alpha` of (H W)**2. Granot et al. 2022, doi:10.48550/arXiv.2103.15545.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((30, 40))
    >>> mask = np.zeros((30, 40), bool)
    >>> mask[10:20, 12:25] = True
    >>> made = pnn.inpaint(image, mask, fill="mean", iterations=2, coarse_iterations=1)
    >>> bool((made == image)[~mask].all())
    True
    """
    options = Options.of(locals())
    keep = checks.flag("keep_known", keep_known)
    seed = seeds.seed_sequence(rng)
    shape = images.image_shape("image", image, channel_axis)
    hole = images.checked_mask("mask", mask, shape, image)
    known = ~hole
    filled = _filled("image", image, hole, fill, channel_axis)
    planes = images.planes("image", filled, channel_axis)
    setup = set_up(
        [filled], ["image"], None, options, range_planes=[planes[:, known][:, None]],
        preferred_levels=_wanted_levels(hole, options),
    )  # fmt: skip
    working, schedule = setup.planes[0], setup.schedule
    pictures, shares = valid_pyramid(working, known, schedule.levels, schedule.ratio)
    usable = [share > _HALF for share in shares]
    setup = replace(setup, schedule=replace(schedule, levels=_usable_levels(setup, usable)))
    count = setup.schedule.levels + 1
    pictures, shares, usable = pictures[:count], shares[:count], usable[:count]
    guess = setup.pyramid(working)[-1]
    if isinstance(fill, str) and fill == "noise":
        guess = _noisy(guess, working[:, known], ~usable[-1], seed)
    if keep:
        source = Source(pictures, _blurred(pictures, shares, setup.schedule.ratio), usable)
        scene = Scene([source], setup.shape, Kept(pictures, usable))
    else:
        source = source_of(setup.pyramid(working), setup.schedule.ratio, usable)
        scene = Scene([source], setup.shape)
    work = synthesis(setup, scene, guess)
    info = {"task": "inpaint", "keep_known": keep, "seed": seeds.describe(seed)}
    return run(setup, lambda samples: work, info, kept=(image, known) if keep else None)


def _filled(name: str, image: Array, hole: Array, fill: Any, channel_axis: int) -> Array:
    """The picture with the hole filled; the caller's array itself where it steers."""
    if fill is None:
        return image
    xp = arrays.namespace(image)
    axis = None if image.ndim == 2 else images.checked_channel_axis(channel_axis) % 3
    wide = hole if axis is None else xp.expand_dims(hole, axis=axis)
    if isinstance(fill, str):
        checks.choice("fill", fill, _FILLS)
        planes = images.planes(name, image, channel_axis)
        arrays.check_finite(name, planes[:, ~hole], xp)
        mean = xp.mean(xp.astype(planes[:, ~hole], xp.float64), axis=1)
        if image.dtype.kind in "biu":
            mean = xp.round(mean)
        colour = (
            mean if axis is None else xp.reshape(mean, [-1 if a == axis else 1 for a in range(3)])
        )
        return xp.where(wide, xp.astype(colour, image.dtype), image).astype(image.dtype)
    arrays.same_library(image=image, fill=fill)
    if fill.shape != image.shape:
        raise ValueError(f"`fill` must have the shape of `image`, {image.shape}, got {fill.shape}")
    if fill.dtype != image.dtype:
        raise TypeError(f"`fill` must have the dtype of `image`, {image.dtype}, got {fill.dtype}")
    return xp.where(wide, fill, image).astype(image.dtype)


def _noisy(guess: Array, known_values: Array, hole: Array, seed: Any) -> Array:
    """The guess with noise like the known pixels in the hole."""
    xp = arrays.namespace(guess)
    mean = xp.mean(known_values, axis=1)[:, None, None]
    std = xp.std(known_values, axis=1)[:, None, None]
    noise = xp.asarray(
        seeds.draw_normal(seeds.sample_generator(seed, 0), guess.shape), dtype=xp.float32
    )
    return xp.where(hole, mean + std * noise, guess)


def _blurred(pictures: Sequence[Array], shares: Sequence[Array], ratio: float) -> list[Array]:
    """Each level but the coarsest as the next coarser one enlarged, of known pixels only."""
    xp = arrays.namespace(pictures[0])
    levels = []
    for level, finer in enumerate(pictures[:-1]):
        enlarged, share = enlarge_valid(
            pictures[level + 1], shares[level + 1], ratio, finer.shape[1:]
        )
        # Where nothing known is near at the coarser level, the finer one itself.
        levels.append(xp.where(share > 0, enlarged, finer))
    return levels


def _wanted_levels(hole: Array, options: Options) -> int:
    """The depth at which the largest square in the hole is about one patch."""
    size = checks.integer("patch_size", options.patch_size, 2)
    downscale = checked_downscale(options.downscale)
    return max(0, round(math.log(largest_square(hole) / size) / math.log(downscale)))


def largest_square(mask: Array) -> int:
    """Side of the largest square of True pixels, by bisection; 0 if there is none."""
    fits, too_large = 0, min(mask.shape) + 1
    while too_large - fits > 1:
        side = (fits + too_large) // 2
        if bool(windows_all(mask, side).any()):
            fits = side
        else:
            too_large = side
    return fits


def _usable_levels(setup: Setup, usable: Sequence[Array]) -> int:
    """As many levels as leave a known patch at each of them; a given number has to."""
    size = setup.settings.patch_size
    xp = arrays.namespace(usable[0])
    for level, known in enumerate(usable):
        if bool(xp.any(windows_all(known, size))):
            continue
        if level > 0 and setup.options.levels is None:
            return level - 1
        remedy = f"at most {level - 1} levels would work" if level else "no number of levels works"
        raise ValueError(
            f"`mask` must leave a patch of {size} x {size} known pixels, got none at level "
            f"{level}; {remedy}"
        )
    return setup.schedule.levels
