"""Structural analogy: the patches of one picture in the layout of another."""

from collections.abc import Callable
from typing import Any

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import as_planes, check_fits_patch
from pnncupy.synthesis.progress import Event
from pnncupy.tasks.execute import run, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import prepare_task, source_list, without_missing

_LEVELS = 5


@on_engine_device
def analogy(
    source: Any,
    structure: Any,
    *,
    alpha: float = 5e-3,
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
    """Rebuild the layout of one picture with the patches of another.

    Parameters
    ----------
    source : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        Where patches come from; of several, dtype and channels must agree.
    structure : (h, w) or (h, w, C) array of the dtype and channels of `source`
        What gives the layout and the size of the result.
    alpha : float, default 0.005
        Completeness, above 0, in squared units of the value range: small values use more of the
        source.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        How much of the structure survives: fewer levels keep more of its detail, more levels only
        its coarse layout. Worth trying for each pair. Default: 5, or as many as fit.
    coarse_iterations : int, default 1
        PNN steps at the coarsest level.
    initial_guess : array, optional
        Replaces the structure's coarsest level, in units of the value range.
    patch_size, iterations, keys, vote, method, engine, channel_axis
        As in `generate`.
    data_range, return_index, return_info, callback, threads, incremental, executor, checkpoint
        As in `generate`.
    nodata, categorical, channel_weights, guides, max_memory
        As in `generate`.

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
    options = TaskOptions.of(locals())
    sources, names = source_list("source", source)
    plain = without_missing([structure], ["structure"], options)[0][0]
    layout = as_planes("structure", plain, channel_axis)
    check_fits_patch("structure", layout, validation.integer("patch_size", patch_size, 2))
    setup = prepare_task(sources, names, layout.shape[1:], options, preferred_levels=_LEVELS)
    guess = setup.pyramid(setup.encode("structure", plain))[-1]
    work = synthesis(setup, setup.problem(setup.sources()), guess)
    return run(setup, lambda samples: work, {"task": "analogy"})
