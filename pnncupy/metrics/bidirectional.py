"""Patches that a result invents, and patches of its source that it lacks."""

from collections.abc import Sequence
from typing import Any

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import ChannelAxis, check_fits_patch
from pnncupy.images.result_images import for_each_result
from pnncupy.metrics.common import pair_of_planes, scaled_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, checked_patch_size, shape_for
from pnncupy.search.method import METHODS
from pnncupy.search.nearest import check_span, nearest_patches


@hint_at_names
@on_engine_device
def coherence(
    source: Any,
    result: Any,
    *,
    patch_size: PatchSize = 7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: Any = None,
    threads: int | None = None,
) -> Any:
    """Distance of the patches of a result to the source: what was invented.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype, or a list of them
        The image, or images, that the patches should come from; or volumes.
    result : (H, W) or (H, W, C) array with the channels of `source`, or several
        The image to judge, in the units of `source`; or a list or stack of them.
    patch_size : int or one per axis, default 7
        Side p of a patch, at least 2; 7 is what the tasks use.
    method : {"exact", "patchmatch", "auto"}
        How nearest patches are searched, as in `pnncupy.nearest_patches`. An approximate search
        can only come out too large.
    engine : {"auto", "numpy", "numba", "cupy", "numba-cuda"}
        What computes; "auto" follows the array type.
    channel_axis : int, None or "auto", default "auto"
        As in `pnncupy.nearest_patches`.
    data_range : (float, float), optional
        What counts as 0 and 1. Default: 0 to 255 for uint8, 0 to 1 for bool, else the smallest
        and largest value of `source`, over all of them together.
    threads : int, optional
        CPU threads; default: all cores this process may use.

    Returns
    -------
    float, or list of float for several results
        Mean over the patches of `result` of the mean squared difference to the nearest patch of
        `source`, in squared units of the value range: 0 if every patch is one of the source's.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape.
    EngineUnavailable
        The named engine cannot run here.

    Notes
    -----
    One of the two terms of Simakov et al. 2008, doi:10.1109/CVPR.2008.4587842. A low value does
    not say that all of the source is there: see `completeness`. With n and m patches the cost is
    O(n m), or O(n + m) by PatchMatch, and memory O(n + m).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.coherence(source, source[:12, 5:25])
    0.0
    """

    def measure(image: Any, name: str) -> float:
        sources, planes = _prepared(
            source, image, name, patch_size, method, channel_axis, data_range
        )
        return _mean_distance([planes], sources, patch_size, method, engine, threads)

    return for_each_result(measure, source, result, channel_axis)


@hint_at_names
@on_engine_device
def completeness(
    source: Any,
    result: Any,
    *,
    patch_size: PatchSize = 7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: Any = None,
    threads: int | None = None,
) -> Any:
    """Distance of the patches of the source to a result: what was lost.

    Parameters
    ----------
    source, result, patch_size, method, engine, channel_axis, data_range, threads
        As in `coherence`.

    Returns
    -------
    float, or list of float for several results
        Mean over the patches of `source` of the mean squared difference to the nearest patch of
        `result`, in squared units of the value range: 0 if the result shows every patch.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable
        As in `coherence`.

    Notes
    -----
    The other term of Simakov et al. 2008, doi:10.1109/CVPR.2008.4587842; cost as `coherence`.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.completeness(source, source), metrics.completeness(source, source[:12]) > 0.01
    (0.0, True)
    """

    def measure(image: Any, name: str) -> float:
        sources, planes = _prepared(
            source, image, name, patch_size, method, channel_axis, data_range
        )
        return _mean_distance(sources, [planes], patch_size, method, engine, threads)

    return for_each_result(measure, source, result, channel_axis)


@hint_at_names
@on_engine_device
def bidirectional_dissimilarity(
    source: Any,
    result: Any,
    *,
    patch_size: PatchSize = 7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: Any = None,
    threads: int | None = None,
) -> Any:
    """Sum of `coherence` and `completeness`: what was invented and what was lost.

    Parameters
    ----------
    source, result, patch_size, method, engine, channel_axis, data_range, threads
        As in `coherence`.

    Returns
    -------
    float, or list of float for several results
        In squared units of the value range; 0 if both images show the same patches, in
        whatever order and number.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable
        As in `coherence`.

    Notes
    -----
    Simakov et al. 2008, doi:10.1109/CVPR.2008.4587842, with mean instead of summed squared
    differences of a patch. It costs what its two terms cost.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> black, grey = np.zeros((20, 30)), np.full((9, 9), 0.5)
    >>> metrics.bidirectional_dissimilarity(black, grey, data_range=(0, 1))
    0.5
    """

    def measure(image: Any, name: str) -> float:
        sources, planes = _prepared(
            source, image, name, patch_size, method, channel_axis, data_range
        )
        invented = _mean_distance([planes], sources, patch_size, method, engine, threads)
        return invented + _mean_distance(sources, [planes], patch_size, method, engine, threads)

    return for_each_result(measure, source, result, channel_axis)


def _prepared(
    source: Any,
    result: Any,
    name: str,
    patch_size: Any,
    method: Any,
    channel_axis: Any,
    data_range: Any,
) -> tuple[list[Array], Array]:
    """All as scaled planes; checked here, as the search would call them query and key."""
    size = checked_patch_size(patch_size)
    validation.choice("method", method, METHODS)
    given = list(source) if isinstance(source, (list, tuple)) else [source]
    if not given:
        raise ValueError("`source` must hold at least one image, got an empty list")
    pairs = [pair_of_planes(each, result, channel_axis, volumes=True, name=name) for each in given]
    sources, planes = [each for each, _ in pairs], pairs[0][1]
    for whose, image in [*(("source", each) for each in sources), (name, planes)]:
        check_fits_patch(whose, image, size)
    *scaled, last = scaled_planes(sources, planes, data_range)
    check_span([*scaled, last], shape_for(size, planes.ndim - 1), "set `data_range`")
    return scaled, last


def _mean_distance(
    queries: Sequence[Array],
    keys: Sequence[Array],
    patch_size: PatchSize,
    method: str,
    engine: str,
    threads: int | None,
) -> float:
    """Mean over the patches of all queries of the distance to the nearest patch of any key."""
    total, count = 0.0, 0
    for query in queries:
        score = nearest_patches(
            query, list(keys), patch_size=patch_size, method=method, engine=engine,
            channel_axis=0, threads=threads,
        ).score  # fmt: skip
        xp = arrays.namespace(score)
        total += float(xp.sum(xp.astype(score, xp.float64)))
        count += score.size
    return total / count
