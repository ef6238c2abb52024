"""One patch nearest-neighbour (PNN) step of images as they are."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import ChannelAxis, from_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize
from pnncupy.search.exact import search
from pnncupy.search.method import METHODS, chosen
from pnncupy.search.nearest import check_span, mask_keys, prepare
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patchmatch import BORDER, PatchMatch
from pnncupy.search.pruned_search import expected_steps
from pnncupy.synthesis.voting import VOTES, checked_width, vote_planes


@hint_at_names
@on_engine_device
def pnn_step(
    query: Any,
    key: Any,
    value: Any,
    *,
    patch_size: PatchSize = 7,
    alpha: float = math.inf,
    key_mask: Any = None,
    vote: str = "weighted_mean",
    vote_width: float = 1.7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    threads: int | None = None,
    periodic: bool | Sequence[bool] = False,
    source_periodic: bool | Sequence[bool] = False,
) -> Array:
    """Replace every patch of an image by the value of its best key, and vote: one PNN step.

    Parameters
    ----------
    query : (HQ, WQ) or (HQ, WQ, C) array of any real dtype
        The image to be rebuilt, as it is: values are not scaled; or a volume.
    key : (HK, WK) or (HK, WK, C) array
        What the patches of `query` are compared with.
    value : array of the shape of `key`
        What they are replaced by.
    patch_size, alpha, key_mask
        As in `nearest_patches`.
    vote : str, default "weighted_mean"
        As `how` in `pnncupy.vote`.
    vote_width : float, default 1.7
        Width of the weights of "weighted_mean", as in `pnncupy.vote`.
    method, engine, channel_axis, threads
        As in `nearest_patches`.
    periodic, source_periodic : bool or one per axis, default False
        Axes along which `query`, and `key` with `value`, wrap around: patches pass over the border
        there. A rolled query gives the rolled result.

    Returns
    -------
    float32 array of the shape of `query`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable
        As `nearest_patches` and `pnncupy.vote`.

    Notes
    -----
    Cost and memory are those of `nearest_patches` and `pnncupy.vote`.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> pnn.pnn_step(image[:12, :12], image, image).shape
    (12, 12)
    """
    validation.choice("vote", vote, tuple(VOTES))
    width = checked_width(vote_width, vote)
    validation.choice("method", method, METHODS)
    settings, engine_name, query_planes, (key_planes, value_planes) = prepare(
        query, [key, value], ["key", "value"], patch_size=patch_size, alpha=alpha, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    if key_planes.shape != value_planes.shape:
        raise ValueError(f"`value` must have the shape of `key`, {key.shape}, got {value.shape}")
    axes, size = query_planes.ndim - 1, settings.patch_size
    wraps = validation.axes("periodic", periodic, axes)
    source_wraps = validation.axes("source_periodic", source_periodic, axes)
    grid = PatchGrid.of_shape(query_planes.shape[1:], size, wraps)
    source_grid = PatchGrid.of_shape(key_planes.shape[1:], size, source_wraps)
    masked = mask_keys([key_planes], [key_mask], ["key"], size, source_wraps)
    check_span([query_planes, *masked], size, "scale `query` and `key`")
    queries, keys = grid.count, source_grid.count
    steps = partial(
        expected_steps, settings.engine, masked[0], size, settings.threads, query_planes
    )
    wrapped = [source_grid.wrapped(image) for image in masked]
    layout = Layout.of(wrapped)
    if chosen(method, engine_name, queries, keys, steps) == "exact":
        index = search(settings, grid.wrapped(query_planes), wrapped, layout).index
    else:
        wide = grid.wrapped(query_planes, BORDER)
        index = grid.narrowed(PatchMatch(settings, wrapped, layout).search(wide).index, BORDER)
    result = vote_planes(
        settings.engine, source_grid.wrapped(value_planes), grid.covering(index), size, vote,
        settings.threads, width=width,
    )  # fmt: skip
    return from_planes(grid.inner(result), query, channel_axis)
