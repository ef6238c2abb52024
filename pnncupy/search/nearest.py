"""Nearest patches: the NumPy-style face of the search kernels."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import (
    ChannelAxis,
    check_fits_patch,
    check_mask,
    raw_planes,
    side_words,
)
from pnncupy.parallel.threads import thread_count
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, checked_patch_size, patch_sides, shape_for
from pnncupy.rng import seed_sequence, stream
from pnncupy.search import blocks
from pnncupy.search.exact import SearchSettings, key_matches, search
from pnncupy.search.index_map import checked_index
from pnncupy.search.method import METHODS, chosen
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patchmatch import PatchMatch
from pnncupy.search.pruned_search import expected_steps

# Below it, squared differences lose digits to the smallest numbers of float32.
_SMALLEST_SPAN = 1e-15
_SCALE = "scale `query` and `key`"


class Matches(NamedTuple):
    """The best key patch of every query patch.

    Attributes
    ----------
    index : (HQ-p+1, WQ-p+1, 2) int32
        (row, column) of the first pixel of the best key patch; (source, row, column) where `key`
        was a list. Of volumes (slice, row, column), or the source in front of that.
    score : (HQ-p+1, WQ-p+1) float32
        Its score: D / (alpha + min D), or D itself with an infinite alpha, where D is the mean
        squared difference of the two patches.
    """

    index: Array
    score: Array


@hint_at_names
@on_engine_device
def nearest_patches(
    query: Any,
    key: Any,
    *,
    patch_size: PatchSize = 7,
    alpha: float = math.inf,
    key_mask: Any = None,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    threads: int | None = None,
    initial: Any = None,
    rounds: int | None = None,
    rng: Any = 0,
    executor: Any = None,
) -> Matches:
    """Find the best key patch for every patch of a query image.

    The distance of two patches is D = mean((q - k)**2) over their p * p * C values. The score of
    key j for query i is ``S_ij = D_ij / (alpha + min_l D_lj)``: a small `alpha` makes keys cheap
    that no query likes, so that the matches use more of the key image (completeness).

    Parameters
    ----------
    query : (HQ, WQ) or (HQ, WQ, C) array of any real dtype
        Taken as it is: values are not scaled. Volumes (Z, Y, X) or (Z, Y, X, C) are searched like
        images; what is said of rows and columns holds for slices, rows and columns then.
    key : array with the channels of `query`, or a list of such arrays
        The images that may be matched. With a list, indices have the source's number in front.
    patch_size : int or one per axis, default 7
        Side p of a patch, at least 2; or its sides along the axes, as (3, 7, 7).
    alpha : float, default infinity
        Above 0, in squared units of the values. Infinity compares plain distances.
    key_mask : (HK, WK) bool array, or a list of them (None for all usable), optional
        True where a key pixel may be used; a key patch is used only if all its pixels may be.
    method : {"exact", "patchmatch", "auto"}
        Find the best keys; or good keys, mostly the best ones, by PatchMatch, in time that grows
        with n + m only; or "auto": the second for large images, from 1.5e10 pairs on a CPU and 1e12
        on a GPU, unless a sample shows that `engine="numba"` finds the best ones as fast, as in
        images without noise. The next three parameters are for approximate searches only.
    engine : {"auto", "numpy", "numba", "cupy", "numba-cuda"}
        What computes; "auto" follows the array type. The last two work on a GPU and take CuPy
        arrays, or move NumPy arrays there and the result back. All engines return the same bits.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels; None where all axes are space: a 3-D array is a volume then. "auto"
        takes a last axis of 1 to 4 behind two or three others for channels, and refuses what is not
        clear.
    threads : int, optional
        CPU threads; default: all cores this process may use. The result does not depend on it.
    initial : integer array like the `index` that is returned, optional
        Where an approximate search begins; default: random keys.
    rounds : int, optional
        Rounds of an approximate search, more for a better result; default 16 from random keys, 2
        from `initial`.
    rng : None, int, SeedSequence, BitGenerator or Generator, default 0
        Seed of an approximate search. The same one gives the same bits on every engine and with
        any number of threads.
    executor : concurrent.futures.Executor or distributed.Client, optional
        Workers that share an exact search, block by block; for NumPy arrays. `engine` is theirs.

    Returns
    -------
    Matches
        Of equal scores the lowest source, then row, then column wins.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape, or no key patch may be used.
    EngineUnavailable
        The named engine cannot run here.

    Notes
    -----
    With n query and m key patches the cost is O(n m), about 2 C + 10 operations a pair whatever
    p is, twice that with a finite `alpha`; memory is O(n + m). The method is that of Granot et al.
    2022, doi:10.48550/arXiv.2103.15545; sums are formed over shared displacements (Darbon et al.
    2008, doi:10.1109/ISBI.2008.4541250).

    PatchMatch (Barnes et al. 2009, doi:10.1145/1531326.1531330) costs O(n + m): each patch tries
    about 36 keys a round. Its scores are those of the keys found; with a finite `alpha`,
    ``min_l D_lj`` is the smallest distance found, by a reverse search that takes as long again.
    It is covered by the US patent 8,861,869 (Adobe); exact search, the default, is not.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> matches = pnn.nearest_patches(image[4:16, 5:20], image)
    >>> matches.index[0, 0].tolist(), float(matches.score.max())
    ([4, 5], 0.0)
    """
    validation.choice("method", method, METHODS)
    count = validation.optional_integer("rounds", rounds, 1)
    seed = seed_sequence(rng)
    is_list = isinstance(key, (list, tuple))
    keys = list(key) if is_list else [key]
    masks = [key_mask] * len(keys)
    if is_list and key_mask is not None:
        if not isinstance(key_mask, (list, tuple)):
            raise TypeError(
                "`key_mask` must be a list with one mask for each of `key`, got "
                f"{type(key_mask).__qualname__}"
            )
        masks = list(key_mask)
    if not keys or len(masks) != len(keys):
        raise ValueError(
            f"`key` must hold at least one image and `key_mask` one mask for each, got {len(keys)} "
            f"images and {len(masks)} masks"
        )
    names = ["key"] if not is_list else [f"key[{number}]" for number in range(len(keys))]
    settings, engine_name, query_planes, key_planes = prepare(
        query, keys, names, patch_size=patch_size, alpha=alpha, engine=engine,
        channel_axis=channel_axis, threads=threads, executor=executor,
    )  # fmt: skip
    key_planes = mask_keys(key_planes, masks, names, settings.patch_size)
    check_span([query_planes, *key_planes], settings.patch_size, _SCALE)
    layout = Layout.of(key_planes)
    start = None
    if initial is not None:
        start = _checked_start(initial, query_planes, layout, is_list, settings.patch_size)
    keys_total = layout.patch_count(settings.patch_size)
    queries = settings.grid(query_planes).count
    largest = max(key_planes, key=lambda planes: planes[0].size)
    steps = partial(
        expected_steps, settings.engine, largest, settings.patch_size, settings.threads,
        query_planes,
    )  # fmt: skip
    if chosen(method, engine_name, queries, keys_total, steps) == "exact":
        found = search(settings, query_planes, key_planes, layout)
    else:
        settings = replace(settings, method="patchmatch", stream=stream(seed))
        matcher = PatchMatch(settings, key_planes, layout, start=start, rounds=count)
        found = matcher.search(query_planes)
    parts = layout.decode(found.index)
    xp = arrays.namespace(found.index)
    return Matches(xp.stack(parts if is_list else parts[1:], axis=-1), found.score)


def _checked_start(
    initial: Any, query: Array, layout: Layout, with_source: bool, patch_size: PatchSize
) -> Array:
    """The matches that a search begins with as flat indices, (HQ-p+1, WQ-p+1, 1)."""
    arrays.same_library(initial=initial, query=query)
    wanted = PatchGrid.of(query, patch_size).shape
    if tuple(initial.shape[:-1]) != wanted:
        raise ValueError(
            f"`initial` must have one entry for each query patch, {wanted}, got shape "
            f"{initial.shape}"
        )
    parts = checked_index("initial", initial, layout.shapes, with_source, patch_size)
    return layout.encode(*parts)[..., None]


@hint_at_names
@on_engine_device
def key_minimum(
    query: Any,
    key: Any,
    *,
    patch_size: PatchSize = 7,
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    threads: int | None = None,
) -> Array:
    """Distance of every key patch to the query patch that is nearest to it.

    Parameters
    ----------
    query, key : (H, W) or (H, W, C) arrays of any real dtype, or volumes
        Taken as they are; sizes may differ, channels may not.
    patch_size, engine, channel_axis, threads
        As in `nearest_patches`.

    Returns
    -------
    (HK-p+1, WK-p+1) float32
        ``min_i D_ij``, the normaliser of the score; D is a mean of squared differences.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable
        As in `nearest_patches`.

    Notes
    -----
    Cost O(n m), memory O(n + m). This is how incomplete the query image is, key by key
    (Simakov et al. 2008, doi:10.1109/CVPR.2008.4587842).
    """
    settings, _, query_planes, (key_planes,) = prepare(
        query, [key], ["key"], patch_size=patch_size, alpha=math.inf, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    check_span([query_planes, key_planes], settings.patch_size, _SCALE)
    minima = key_matches(settings, query_planes, key_planes)[0]
    return arrays.without_subnormal(minima * settings.mean_factor)


def mask_keys(
    key_planes: Sequence[Array],
    masks: Sequence[Any],
    names: Sequence[str],
    patch_size: PatchSize,
    periodic: tuple[bool, ...] = (),
) -> list[Array]:
    """Key planes with infinity where a mask is False, which excludes each patch that touches it."""
    masked = []
    usable = False
    for planes, mask, name in zip(key_planes, masks, names, strict=True):
        if mask is None:
            masked.append(planes)
            usable = True
            continue
        xp = arrays.same_library(**{name: planes, "key_mask": mask})
        check_mask("key_mask", mask, planes.shape[1:], f"`{name}`")
        grid = PatchGrid.of_shape(mask.shape, patch_size, periodic)
        usable = usable or bool(xp.any(grid.inside(mask)))
        masked.append(xp.where(mask, planes, xp.asarray(np.float32(np.inf))))
    if not usable:
        raise ValueError(
            f"`key_mask` must leave at least one patch of {words_of_patch(patch_size)} usable "
            "(True) pixels, got none"
        )
    return masked


def prepare(
    query: Any,
    keys: Sequence[Any],
    names: Sequence[str],
    *,
    patch_size: Any,
    alpha: Any,
    engine: Any,
    channel_axis: Any,
    threads: Any,
    executor: Any = None,
) -> tuple[SearchSettings, str, Array, list[Array]]:
    """Checked settings, engine, query planes and key planes of a search over arrays as given."""
    given = checked_patch_size(patch_size)
    limit = validation.completeness("alpha", alpha)
    arrays.same_library(query=query, **dict(zip(names, keys, strict=True)))
    engine_name, module = blocks.pick(engine, query, executor)
    planes = [
        raw_planes(name, image, channel_axis)
        for name, image in zip(["query", *names], [query, *keys], strict=True)
    ]
    channels, axes = planes[0].shape[0], planes[0].ndim - 1
    size = shape_for(given, axes)
    for name, image in zip(["query", *names], planes, strict=True):
        if image.ndim - 1 != axes:
            raise ValueError(
                f"`{name}` must have the axes of `query`, {axes} of space, got {image.ndim - 1}"
            )
        check_fits_patch(name, image, size)
        if image.shape[0] != channels:
            raise ValueError(
                f"`{name}` must have the channels of `query`, {channels}, got {image.shape[0]}"
            )
    settings = SearchSettings(module, size, channels, limit, thread_count(threads))
    return settings, engine_name, planes[0], planes[1:]


def words_of_patch(patch_size: PatchSize) -> str:
    """Sides of a patch for a message."""
    return side_words(patch_sides(patch_size, 2) if isinstance(patch_size, int) else patch_size)


def check_span(planes: Sequence[Array], patch_size: PatchSize, remedy: str) -> None:
    """Refuse values whose squared differences float32 cannot sum, or tell apart.

    Infinite values, which exclude keys, do not count.
    """
    xp = arrays.namespace(planes[0])
    low, high = math.inf, -math.inf
    for image in planes:
        finite = image[xp.isfinite(image)]
        if finite.size:
            low, high = min(low, float(xp.min(finite))), max(high, float(xp.max(finite)))
    largest = float(np.finfo(np.float32).max)
    pixels = math.prod(patch_sides(patch_size, planes[0].ndim - 1))
    limit = math.sqrt(largest / (2 * pixels * planes[0].shape[0]))
    if high - low > limit or 0 < high - low < _SMALLEST_SPAN:
        raise ValueError(
            f"the values compared span {high - low:.3g}; their squares need {_SMALLEST_SPAN} to "
            f"{limit:.3g} in float32: {remedy}"
        )
