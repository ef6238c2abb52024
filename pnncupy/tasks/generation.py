"""Diverse generation: new pictures from the patches of one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.resize import resize_planes
from pnncupy.rng import describe, draw_normal, sample_generator, sample_seed, seed_sequence, stream
from pnncupy.search.patch_grid import stacked
from pnncupy.synthesis.problem import SynthesisProblem
from pnncupy.synthesis.progress import Event
from pnncupy.tasks.execute import Work, run, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask, prepare_task, source_list


@on_engine_device
def generate(
    image: Any,
    n: int | None = None,
    *,
    first_sample: int = 0,
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
    executor: Any = None,
    checkpoint: Any = None,
    nodata: float | str | None = None,
    categorical: bool = False,
    channel_weights: Any = None,
    guides: Any = None,
    max_memory: int | str | None = None,
) -> Any:
    """Make new pictures with the patches of a given one, arranged differently.

    Noise is added to the coarsest level of the picture's pyramid; from there to full size, every
    patch is replaced by its nearest neighbour in the source, several times a level.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The source, at least one patch in size, finite. It is never modified. Of several sources
        (sizes may differ, dtype and channels may not) the first gives the layout and all give
        patches.
    n : int, optional
        How many pictures to make. Sample i is the same whether 1 or 100 are made.
    first_sample : int, default 0
        Number of the first picture made: others can be made by other calls, elsewhere.
    shape : (int, int), optional
        Height and width of the result in pixels; default: those of `image`.
    noise_std : float, default 0.75
        Standard deviation of the noise in units of the value range; larger is more diverse, 0
        gives back about the source.
    alpha : float, default infinity
        Completeness, above 0, in squared units of the value range: small values (about 0.005)
        make the result use more of the source. Infinity is plain nearest neighbours. A finite
        value takes about three times as long, since every step then compares all pairs.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the noise; an integer makes the call reproducible. A Generator is advanced.
    patch_size : int, default 7
        Side of a patch, at least 2.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size, the coarsest of which gets the noise: fewer give more
        variety and keep less of the source's layout. Default: such that the smallest side is about
        two patches at the coarsest level.
    iterations, coarse_iterations : int, default 10 and 1
        PNN steps at each level and at the coarsest one, where more would copy the source.
    keys : {"blurred", "sharp", "both"}
        What patches are compared with: the next coarser level enlarged, as blurred as the query;
        that in a level's first iteration and then the level itself; or both together.
    vote : {"weighted_mean", "mean", "median", "copy"}
        How overlapping patches make a picture, see `pnncupy.vote`. With "copy" every value of the
        result is one of the source's, bit for bit.
    method : {"exact", "patchmatch", "auto"}
        How patches are searched: exactly; approximately, in time that grows with the pixels only
        (see the notes); or "auto", the second for large images: where one search has 1.5e10 pairs
        of patches or more (350 x 350 pixels), on a GPU 1e12 (a megapixel), unless a sample of the
        source shows that `engine="numba"` searches it exactly in about the same time.
    engine : {"auto", "numpy", "numba", "cupy", "numba-cuda"}
        What computes; "auto" follows the array type ("numpy", with a warning, where Numba's
        compiler is switched off). The last two work on a GPU and take CuPy arrays, or move NumPy
        arrays there and the result back. All engines make the same picture.
    channel_axis : int, default -1
        Axis of the channels of a 3-D `image`; 2-D arrays are one channel.
    data_range : (float, float), optional
        The values that count as 0 and 1, within float32. Default: 0 to 255 for uint8, 0 to 1 for
        bool, else the smallest and largest value of `image`.
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
    executor : concurrent.futures.Executor or distributed.Client, optional
        Workers that share the exact searches of large pictures, block by block: see
        `pnncupy.batch.ProcessPool`. For NumPy arrays; `engine` is what the workers use.
    checkpoint : path, optional
        File that holds the state after each PNN step (after each level, if approximate). If it is
        there, the same call goes on from it; it is removed at the end. For one picture.
    nodata : float, "nan" or None, optional
        Value of missing pixels, in any channel: no patch that contains one is ever used, and the
        value range is that of the others. What a `numpy.ma.MaskedArray` hides is missing too.
        Results are plain arrays without missing pixels. NaN is refused unless this is "nan".
    categorical : bool, default False
        Values are labels (integers or bool, one channel): the distance of two patches is the share
        of their pixels whose labels differ, votes are majorities, and results hold labels of the
        source only. Of C labels each is a plane inside: memory and time are those of C channels.
    channel_weights : sequence of C floats or "std", optional
        Factors of the squared differences of the channels in distances; "std" lets channels of
        different spread count the same: each is divided by its variance over the sources, and all
        multiplied by the mean variance. Default: 1 each, in units of the one value range.
    guides : list of (source_guide, target_guide, weight), optional
        Layers that are compared too but never enter the result, such as a band of another date or
        sensor: `source_guide` (H, W[, G]) lies on `image` (a list of them on several sources),
        `target_guide` on the result; both without missing pixels. ``weight`` times their mean
        squared difference is added to a distance, in units of their own value range.
    max_memory : int or str, optional
        Bytes that the call may take beside its inputs, also as "500M" or "2G". Fewer threads and
        savings are used where that is needed, with the same result; what can never fit is refused
        before work starts. Results count, and what a `callback` does itself does not; nor do
        Python, the libraries and the compiled kernels: about 170 MB for a process that loads them,
        240 MB where the first call compiles. Default: the environment variable
        PNNCUPY_MAX_MEMORY, or no limit.

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
    pictures are as good, but not the same; searches of fewer than 1e8 pairs are exact all the same.
    PatchMatch (Barnes et al. 2009, doi:10.1145/1531326.1531330) is covered by the US patent
    8,861,869 (Adobe); exact search, the default, is not.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> pnn.generate(image, 2, rng=1, iterations=2).shape
    (2, 24, 32, 3)
    """
    count = validation.optional_integer("n", n, 1)
    first = validation.integer("first_sample", first_sample, 0)
    std = validation.non_negative("noise_std", noise_std)
    seed = seed_sequence(rng)
    options = TaskOptions.of(locals())
    sources, names = source_list("image", image)
    setup = prepare_task(sources, names, shape, options, count=count)
    if initial_guess is not None and count not in (None, 1):
        raise ValueError(f"`n` must be None or 1 with an `initial_guess`, got {n}")
    one = setup.problem(setup.sources())

    def work(samples: range) -> Work:
        generators = [sample_generator(seed, first + sample) for sample in samples]
        guesses = [_noisy_guess(setup, one, std, generator) for generator in generators]
        settings = replace(setup.settings, stream=stream(sample_seed(seed, first + samples[0])))
        problem = replace(one, together=len(samples))
        return synthesis(replace(setup, settings=settings), problem, stacked(guesses))

    return run(setup, work, {"task": "generate", "seed": describe(seed)}, count=count)


def _noisy_guess(
    setup: PreparedTask, problem: SynthesisProblem, noise_std: float, generator: np.random.Generator
) -> Array:
    """The first source at the result's coarsest level, plus noise."""
    coarsest = problem.sources[0].sharp[-1]
    xp = arrays.namespace(coarsest)
    shape = setup.coarsest_shape
    scales = tuple(new / old for new, old in zip(shape, coarsest.shape[1:], strict=True))
    resized = resize_planes(coarsest, scales, shape)
    noise = draw_normal(generator, (coarsest.shape[0], *shape)) * noise_std
    return xp.ascontiguousarray(resized + xp.asarray(noise, dtype=xp.float32))
