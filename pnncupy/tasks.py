"""The tasks: each sets up a guess, its sources and a schedule, and lets the loop run."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, checks, engine_table, images, seeds
from pnncupy.arrays import Array
from pnncupy.images import WorkingForm
from pnncupy.matching import METHODS, Layout, SearchSettings
from pnncupy.pyramids import checked_downscale, checked_levels, planes_pyramid
from pnncupy.resizing import resize_planes
from pnncupy.synthesis import KEYS, Event, Observer, Schedule, synthesise
from pnncupy.voting import HOWS, apply_index, pixel_numbers


class Result(NamedTuple):
    """What a task returns when asked for more than the picture.

    Attributes
    ----------
    image : array
        The picture, or the stack of them.
    index : (H, W, 3) or (n, H, W, 3) int32 array, or None
        (source, row, column) of the pixel that the patch of the largest vote weight puts at each
        place; `apply_index` renders other layers through it. None unless asked for.
    info : dict or None
        Numbers about the run, of plain types: engine, method, seed, levels, and for each sample
        the pairs of patches of a plain run (``pairs``), those compared (``pairs_searched``), and
        seconds. None unless asked for.
    """

    image: Array
    index: Array | None  # type: ignore[assignment]  # shadows tuple.index, as the name is fixed
    info: dict[str, Any] | None


def generate(
    image: Any,
    n: int | None = None,
    *,
    shape: tuple[int, int] | None = None,
    noise_std: float = 0.75,
    alpha: float = math.inf,
    rng: Any = None,
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
) -> Any:
    """Make new pictures with the patches of a given one, arranged differently.

    Noise is added to the coarsest level of the picture's pyramid; from there to full size, every
    patch is replaced by its nearest neighbour in the source, several times a level.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point
        The source, at least one patch in size, finite. It is never modified.
    n : int, optional
        How many pictures to make. Sample i is the same whether 1 or 100 are made.
    shape : (int, int), optional
        Height and width of the result in pixels; default: those of `image`.
    noise_std : float, default 0.75
        Standard deviation of the noise in units of the value range; larger is more diverse, 0
        gives back about the source.
    alpha : float, default infinity
        Completeness, above 0, in squared units of the value range: small values (about 0.005)
        make the result use more of the source. Infinity is plain nearest neighbours. A finite
        value about doubles the work and rules out most of the savings of `incremental`.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise; an integer makes the call reproducible. A Generator is advanced.
    patch_size : int, default 7
        Side of a patch, at least 2.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size: more keep less of the source's layout. Default: such that
        the smallest side is about two patches at the coarsest level.
    iterations, coarse_iterations : int, default 10 and 1
        PNN steps at each level and at the coarsest one, where more would copy the source.
    keys : {"blurred", "sharp", "both"}
        What patches are compared with: the next coarser level enlarged, as blurred as the query;
        that in a level's first iteration and then the level itself; or both together.
    vote : {"weighted_mean", "mean", "median", "copy"}
        How overlapping patches make a picture, see `pnncupy.vote`. With "copy" every value of the
        result is one of the source's, bit for bit.
    method : "exact"
        Every pair of patches is compared.
    engine : {"auto", "numpy", "numba"}
        What computes; "auto" follows the array type. All engines make the same picture.
    channel_axis : int, default -1
        Axis of the channels of a 3-D `image`; 2-D arrays are one channel.
    data_range : (float, float), optional
        The values that count as 0 and 1. Default: 0 to 255 for uint8, 0 to 1 for bool, else the
        smallest and largest value of `image`.
    initial_guess : array, optional
        Replaces the noisy coarsest level, in its shape, with values in units of the value range
        (0 to 1); it reproduces a run exactly.
    return_index, return_info : bool, default False
        Return a `Result` with the map of where each pixel comes from, or with facts on the run.
    callback : callable, optional
        Called with an `Event` after every PNN step and now and then within long ones; returning
        False ends the run with `Cancelled`, an exception ends it with that exception.
    threads : int, optional
        CPU threads; default: all cores this process may use. The result does not depend on it.
    incremental : bool, default True
        Skip searches whose outcome cannot have changed; False only costs time.

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

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> pnn.generate(image, 2, rng=1, iterations=2).shape
    (2, 24, 32, 3)
    """
    count = checks.optional_integer("n", n, 1)
    std = checks.non_negative("noise_std", noise_std)
    seed = seeds.seed_sequence(rng)
    setup = _set_up(
        [image], ["image"], shape, patch_size=patch_size, alpha=alpha, downscale=downscale,
        levels=levels, iterations=iterations, coarse_iterations=coarse_iterations, keys=keys,
        vote=vote, method=method, engine=engine, channel_axis=channel_axis, data_range=data_range,
        threads=threads, incremental=incremental,
    )  # fmt: skip
    if callback is not None and not callable(callback):
        raise TypeError(f"`callback` must be callable or None, got {type(callback).__qualname__}")
    given = _checked_guess(initial_guess, setup, channel_axis)
    if given is not None and count not in (None, 1):
        raise ValueError(f"`n` must be None or 1 with an `initial_guess`, got {n}")

    def guess(sample: int) -> Array:
        if given is not None:
            return given
        return _noisy_guess(setup, std, seeds.sample_generator(seed, sample))

    return _run(
        setup, guess, count, callback, {"task": "generate", "seed": seeds.describe(seed)},
        checks.flag("return_index", return_index), checks.flag("return_info", return_info),
    )  # fmt: skip


def _noisy_guess(setup: "_Setup", noise_std: float, generator: np.random.Generator) -> Array:
    """The source at the result's coarsest level, plus noise."""
    xp = arrays.namespace(setup.pyramids[0][-1])
    coarsest = setup.pyramids[0][-1]
    shape = setup.coarsest_shape
    scales = tuple(new / old for new, old in zip(shape, coarsest.shape[1:], strict=True))
    resized = resize_planes(coarsest, scales, shape)
    # Rows, columns, channels is the order of the numbers drawn, wherever the channels lie.
    noise = generator.standard_normal((*shape, coarsest.shape[0])) * noise_std
    return xp.ascontiguousarray(resized + xp.asarray(np.moveaxis(noise, -1, 0), dtype=xp.float32))


@dataclass(frozen=True)
class _Setup:
    """A checked call: what every task needs before it makes its guess."""

    settings: SearchSettings
    schedule: Schedule
    engine_name: str
    originals: Sequence[Array]
    form: WorkingForm
    pyramids: Sequence[Sequence[Array]]
    shape: tuple[int, int]

    @property
    def coarsest_shape(self) -> tuple[int, ...]:
        """Height and width of the result at the coarsest level."""
        return self.schedule.shape(self.shape, self.schedule.levels)


def _set_up(
    sources: Sequence[Any],
    names: Sequence[str],
    shape: Any,
    *,
    patch_size: Any,
    alpha: Any,
    downscale: Any,
    levels: Any,
    iterations: Any,
    coarse_iterations: Any,
    keys: Any,
    vote: Any,
    method: Any,
    engine: Any,
    channel_axis: Any,
    data_range: Any,
    threads: Any,
    incremental: Any,
) -> _Setup:
    """Check what the tasks have in common and build the pyramids of the sources."""
    size = checks.integer("patch_size", patch_size, 2)
    checks.choice("method", method, METHODS)
    ratio = 1 / checked_downscale(downscale)
    limit = checks.positive("alpha", alpha, finite=False)
    xp = arrays.same_library(**dict(zip(names, sources, strict=True)))
    planes = [
        images.planes(name, source, channel_axis)
        for name, source in zip(names, sources, strict=True)
    ]
    for name, source, image in zip(names, sources, planes, strict=True):
        images.check_fits_patch(name, image, size)
        arrays.check_finite(name, source, xp)
    if shape is None:
        output_shape = tuple(planes[0].shape[1:])
    else:
        output_shape = checks.shape("shape", shape, size)
    schedule = Schedule(
        ratio=ratio,
        levels=checked_levels(
            levels, [output_shape, *(image.shape[1:] for image in planes)], size, ratio
        ),
        iterations=checks.integer("iterations", iterations, 1),
        coarse_iterations=checks.integer("coarse_iterations", coarse_iterations, 1),
        keys=checks.choice("keys", keys, KEYS),
        vote=checks.choice("vote", vote, HOWS),
        incremental=checks.flag("incremental", incremental),
    )
    form = images.working_form(planes, sources, channel_axis, data_range)
    engine_name, module = engine_table.pick(engine, sources[0])
    settings = SearchSettings(
        module, size, planes[0].shape[0], limit, engine_table.thread_count(threads)
    )
    pyramids = [planes_pyramid(form.enter(image), schedule.levels, ratio) for image in planes]
    return _Setup(settings, schedule, engine_name, sources, form, pyramids, output_shape)


def _checked_guess(initial_guess: Any, setup: _Setup, channel_axis: int) -> Array | None:
    """The caller's coarsest level as planes, or None."""
    if initial_guess is None:
        return None
    guess = images.raw_planes("initial_guess", initial_guess, channel_axis)
    wanted = (setup.settings.channels, *setup.coarsest_shape)
    if guess.shape != wanted:
        channels, height, width = wanted
        raise ValueError(
            "`initial_guess` must have the shape of the coarsest level, "
            f"{height} x {width} with {channels} channels, got {guess.shape[1]} x "
            f"{guess.shape[2]} with {guess.shape[0]}"
        )
    return guess


def _run(
    setup: _Setup,
    guess: Callable[[int], Array],
    count: int | None,
    callback: Callable[[Event], Any] | None,
    info: dict[str, Any],
    return_index: bool,
    return_info: bool,
) -> Any:
    """Make the samples one after the other and return what was asked for."""
    info |= {
        "engine": setup.engine_name, "method": "exact", "threads": setup.settings.threads,
        "levels": setup.schedule.levels, "shape": list(setup.shape), "samples": [],
    }  # fmt: skip
    samples = []
    for sample in range(count or 1):
        start = time.perf_counter()
        observer = Observer(callback, setup.form.leave, sample, count or 1)
        picture, index, layout = synthesise(
            setup.settings, setup.schedule, setup.pyramids, setup.shape, guess(sample), observer
        )
        index_map = None
        if return_index or setup.schedule.vote == "copy":
            index_map = _index_map(index, layout, setup.settings.patch_size)
        record = {
            "pairs": observer.pairs_planned,
            "pairs_searched": observer.pairs_searched,
            "seconds": time.perf_counter() - start,
        }
        info["samples"].append(record)
        image = _final_picture(setup, picture, index_map)
        result = Result(image, index_map if return_index else None, {**info, "samples": [record]})
        observer.complete(result)
        samples.append(result)
    xp = arrays.namespace(samples[0].image)
    image = samples[0].image if count is None else xp.stack([made.image for made in samples])
    if not (return_index or return_info):
        return image
    index = samples[0].index
    if return_index and count is not None:
        index = xp.stack([made.index for made in samples])
    return Result(image, index, info if return_info else None)


def _index_map(index: Array, layout: Layout, patch_size: int) -> Array:
    """(source, row, column) of each pixel, (H, W, 3)."""
    numbers = pixel_numbers(index, layout.width, patch_size)
    xp = arrays.namespace(index)
    return xp.astype(xp.stack(layout.decode(numbers), axis=-1), xp.int32)


def _final_picture(setup: _Setup, picture: Array, index_map: Array | None) -> Array:
    """The result in the caller's form; copied pixels are taken from the originals themselves."""
    if setup.schedule.vote != "copy":
        return setup.form.leave(picture)
    axis = setup.form.channel_axis
    if axis is None:
        return apply_index(setup.originals, index_map)
    xp = arrays.namespace(picture)
    last = [xp.moveaxis(image, axis, -1) for image in setup.originals]
    copied = apply_index(last, index_map)
    return xp.ascontiguousarray(xp.moveaxis(copied, -1, axis))
