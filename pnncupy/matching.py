"""Nearest patches: the NumPy-style face of the search kernels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, checks, engine_table, images
from pnncupy.arrays import Array
from pnncupy.kernels.protocol import Engine
from pnncupy.layout import Layout
from pnncupy.moving import to_the_engine

METHODS = ("exact",)
# Below it, squared differences lose digits to the smallest numbers of float32.
_SMALLEST_SPAN = 1e-15
_SCALE = "scale `query` and `key`"


class Matches(NamedTuple):
    """The best key patch of every query patch.

    Attributes
    ----------
    index : (HQ-p+1, WQ-p+1, 2) int32
        (row, column) of the first pixel of the best key patch; (source, row, column) where `key`
        was a list.
    score : (HQ-p+1, WQ-p+1) float32
        Its score: D / (alpha + min D), or D itself with an infinite alpha, where D is the mean
        squared difference of the two patches.
    """

    index: Array
    score: Array


@to_the_engine
def nearest_patches(
    query: Any,
    key: Any,
    *,
    patch_size: int = 7,
    alpha: float = math.inf,
    key_mask: Any = None,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: int = -1,
    threads: int | None = None,
) -> Matches:
    """Find the best key patch for every patch of a query image, exactly.

    The distance of two patches is D = mean((q - k)**2) over their p * p * C values. The score of
    key j for query i is ``S_ij = D_ij / (alpha + min_l D_lj)``: a small `alpha` makes keys cheap
    that no query likes, so that the matches use more of the key image (completeness).

    Parameters
    ----------
    query : (HQ, WQ) or (HQ, WQ, C) array of any real dtype
        Taken as it is: values are not scaled.
    key : array with the channels of `query`, or a list of such arrays
        The images that may be matched. With a list, indices have the source's number in front.
    patch_size : int, default 7
        Side p of a patch, at least 2.
    alpha : float, default infinity
        Above 0, in squared units of the values. Infinity compares plain distances.
    key_mask : (HK, WK) bool array, or a list of them (None for all usable), optional
        True where a key pixel may be used; a key patch is used only if all its pixels may be.
    method : "exact"
        Every pair of patches is compared.
    engine : {"auto", "numpy", "numba", "cupy", "numba-cuda"}
        What computes; "auto" follows the array type. The last two work on a GPU and take CuPy
        arrays, or move NumPy arrays there and the result back. All engines return the same bits.
    channel_axis : int, default -1
        Axis of the channels of 3-D arrays.
    threads : int, optional
        CPU threads; default: all cores this process may use. The result does not depend on it.

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

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> matches = pnn.nearest_patches(image[4:16, 5:20], image)
    >>> matches.index[0, 0].tolist(), float(matches.score.max())
    ([4, 5], 0.0)
    """
    checks.choice("method", method, METHODS)
    is_list = isinstance(key, (list, tuple))
    keys = list(key) if is_list else [key]
    masks = list(key_mask) if is_list and key_mask is not None else [key_mask] * len(keys)
    if not keys or len(masks) != len(keys):
        raise ValueError(
            f"`key` must hold at least one image and `key_mask` one mask for each, got {len(keys)} "
            f"images and {len(masks)} masks"
        )
    names = ["key"] if not is_list else [f"key[{number}]" for number in range(len(keys))]
    settings, query_planes, key_planes = prepare(
        query, keys, names, patch_size=patch_size, alpha=alpha, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    key_planes = mask_keys(key_planes, masks, names, settings.patch_size)
    check_span([query_planes, *key_planes], settings.patch_size, _SCALE)
    layout = Layout.of(key_planes)
    found = search(settings, query_planes, key_planes, layout)
    parts = layout.decode(found.index)
    xp = arrays.namespace(found.index)
    return Matches(xp.stack(parts if is_list else parts[1:], axis=-1), found.score)


@to_the_engine
def key_minimum(
    query: Any,
    key: Any,
    *,
    patch_size: int = 7,
    engine: str = "auto",
    channel_axis: int = -1,
    threads: int | None = None,
) -> Array:
    """Distance of every key patch to the query patch that is nearest to it.

    Parameters
    ----------
    query, key : (H, W) or (H, W, C) arrays of any real dtype
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
    settings, query_planes, (key_planes,) = prepare(
        query, [key], ["key"], patch_size=patch_size, alpha=math.inf, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    check_span([query_planes, key_planes], settings.patch_size, _SCALE)
    return key_matches(settings, query_planes, key_planes)[0] * settings.mean_factor


@dataclass(frozen=True)
class SearchSettings:
    """How to search; the same for all searches of a call."""

    engine: Engine
    patch_size: int
    channels: int
    alpha: float
    threads: int
    tick: Callable[[int], None] = field(default=lambda pairs: None)

    @property
    def mean_factor(self) -> np.float32:
        """From a sum of squared differences to their mean."""
        return np.float32(1 / (self.patch_size**2 * self.channels))


@dataclass
class Field:
    """The best key of every query patch: pixel numbers in a layout, and scores."""

    index: Array
    score: Array


def search(
    settings: SearchSettings,
    query: Array,
    keys: Sequence[Array],
    layout: Layout,
    active: Array | None = None,
) -> Field:
    """Best key of every query patch over all key images; the first image wins ties.

    With `active` (bool per query patch) only those are searched; the others get key 0.
    """
    lists = empty_lists(query, settings.patch_size, 1)
    weights = None
    if not math.isinf(settings.alpha):
        weights = [key_weight(settings, key_matches(settings, query, key)[0]) for key in keys]
    lower(settings, query, keys, layout, lists, weights, active)
    return finished(settings, Field(lists.index[..., 0], lists.score[..., 0]), active)


def finished(settings: SearchSettings, found: Field, active: Array | None = None) -> Field:
    """Check that all keys were found, and make plain sums of squared differences scores."""
    xp = arrays.namespace(found.index)
    missing = found.index < 0
    if active is not None:
        missing = missing & active
    if bool(xp.any(missing)):
        raise ValueError(
            "some patches have no key with a finite score: the values span too much for float32, "
            "or `alpha` is too small for them; scale the values or raise `alpha`"
        )
    index = found.index
    if active is not None:
        # Places that are never searched still need a number that a vote can read.
        index = xp.where(active, index, xp.zeros_like(index))
    # Plain sums were compared: fewer ties than after the rounding of a mean.
    score = found.score * settings.mean_factor if math.isinf(settings.alpha) else found.score
    return Field(xp.ascontiguousarray(index), score)


def empty_lists(query: Array, patch_size: int, length: int) -> Field:
    """Lists (HQ-p+1, WQ-p+1, length) of the best keys of every query patch, nothing found yet."""
    xp = arrays.namespace(query)
    shape = (*(side - patch_size + 1 for side in query.shape[1:]), length)
    return Field(xp.full(shape, -1, dtype=xp.int32), xp.full(shape, xp.inf, dtype=xp.float32))


def lower(
    settings: SearchSettings,
    query: Array,
    keys: Sequence[Array],
    layout: Layout,
    lists: Field,
    weights: Sequence[Array] | None,
    active: Array | None,
    reverse: Sequence[tuple[Array, Array]] | None = None,
) -> None:
    """Let the engine lower the lists, and what `reverse` says of the keys, in place."""
    for number, (image, top) in enumerate(zip(keys, layout.tops, strict=True)):
        key_score, key_index = (None, None) if reverse is None else reverse[number]
        settings.engine.lower_nearest(
            query, image, settings.patch_size, None if weights is None else weights[number],
            lists.score, lists.index, key_score=key_score, key_index=key_index,
            first_index=top * layout.width, index_stride=layout.width, active=active,
            threads=settings.threads, tick=settings.tick,
        )  # fmt: skip


def key_matches(
    settings: SearchSettings, query: Array, key: Array, limit: Array | None = None
) -> tuple[Array, Array]:
    """Smallest sum of squared differences of each key patch, and the query's number.

    Distances are symmetric, so this is the same search with the roles exchanged. A `limit` known
    to be above the minimum (of each key patch) saves time.
    """
    lists = empty_lists(key, settings.patch_size, 1)
    if limit is not None:
        lists.score[..., 0] = limit
    settings.engine.lower_nearest(
        key, query, settings.patch_size, None, lists.score, lists.index,
        first_index=0, index_stride=query.shape[2], active=None,
        threads=settings.threads, tick=settings.tick,
    )  # fmt: skip
    xp = arrays.namespace(key)
    return (xp.ascontiguousarray(lists.score[..., 0]), xp.ascontiguousarray(lists.index[..., 0]))


def key_weight(settings: SearchSettings, minimum: Array) -> Array:
    """Factor of each key patch: from its sum of squared differences to its score.

    It falls with `minimum`, rounding included: too large a minimum makes too small a score. Keys
    that must not be used, of infinite minimum, get 1: no distance times 0 shall be no number.
    """
    xp = arrays.namespace(minimum)
    weight = settings.mean_factor / (np.float32(settings.alpha) + minimum * settings.mean_factor)
    return xp.where(xp.isfinite(minimum), weight, np.float32(1))


def mask_keys(
    key_planes: Sequence[Array], masks: Sequence[Any], names: Sequence[str], patch_size: int
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
        images.check_mask("key_mask", mask, planes.shape[1:], f"`{name}`")
        usable = usable or bool(xp.any(windows_all(mask, patch_size)))
        masked.append(xp.where(mask, planes, xp.asarray(np.float32(np.inf))))
    if not usable:
        raise ValueError(
            f"`key_mask` must leave at least one patch of {patch_size} x {patch_size} usable "
            "(True) pixels, got none"
        )
    return masked


def windows_all(mask: Array, patch_size: int) -> Array:
    """Whether all pixels of each patch are True."""
    rows, columns = (side - patch_size + 1 for side in mask.shape)
    inside = mask[:rows].copy()
    for offset in range(1, patch_size):
        inside &= mask[offset : offset + rows]
    result = inside[:, :columns].copy()
    for offset in range(1, patch_size):
        result &= inside[:, offset : offset + columns]
    return result


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
) -> tuple[SearchSettings, Array, list[Array]]:
    """Checked settings, query planes and key planes of a search over arrays as given."""
    size = checks.integer("patch_size", patch_size, 2)
    limit = checks.completeness("alpha", alpha)
    arrays.same_library(query=query, **dict(zip(names, keys, strict=True)))
    _, module = engine_table.pick(engine, query)
    planes = [
        images.raw_planes(name, image, channel_axis)
        for name, image in zip(["query", *names], [query, *keys], strict=True)
    ]
    channels = planes[0].shape[0]
    for name, image in zip(["query", *names], planes, strict=True):
        images.check_fits_patch(name, image, size)
        if image.shape[0] != channels:
            raise ValueError(
                f"`{name}` must have the channels of `query`, {channels}, got {image.shape[0]}"
            )
    settings = SearchSettings(module, size, channels, limit, engine_table.thread_count(threads))
    return settings, planes[0], planes[1:]


def check_span(planes: Sequence[Array], patch_size: int, remedy: str) -> None:
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
    limit = math.sqrt(largest / (2 * patch_size**2 * planes[0].shape[0]))
    if high - low > limit or 0 < high - low < _SMALLEST_SPAN:
        raise ValueError(
            f"the values compared span {high - low:.3g}; their squares need {_SMALLEST_SPAN} to "
            f"{limit:.3g} in float32: {remedy}"
        )
