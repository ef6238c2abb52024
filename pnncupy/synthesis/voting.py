"""From matches to an image: every pixel is what the matched patches that cover it say."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine import registry
from pnncupy.engine.interface import Engine
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import ChannelAxis, check_fits_patch, from_planes, raw_planes
from pnncupy.parallel.threads import thread_count
from pnncupy.parameter_hints import hint_at_names
from pnncupy.patch_shape import PatchSize, checked_patch_size, patch_sides, shape_for
from pnncupy.search.exact import SearchSettings
from pnncupy.search.index_map import checked_index
from pnncupy.search.patch_grid import Layout, PatchGrid

# Width of the weights of the paper's release, in units of half a patch: nearly flat.
VOTE_WIDTH = 1.7
# Corners of a volume are covered by the corner of one patch, whose weight exp(-3 / (2 width**2)) a
# value is multiplied with and then divided by: here 1e-29, so that values from 1e-9 stay normal
# float32 numbers.
_LEAST_WIDTH = 0.15


def side_weights(patch_size: int, width: float = VOTE_WIDTH) -> list[float]:
    """One axis of the separable vote weights, 1 at the centre."""
    if patch_size == 1:
        return [1.0]
    steps = [(2 * k - patch_size + 1) / (patch_size - 1) for k in range(patch_size)]
    # A power of a float raises where a product is infinite.
    return [math.exp(-(t**2) / (2 * (width * width))) for t in steps]


def equal_weights(patch_size: int) -> list[float]:
    """One axis of the weights of a plain mean."""
    return [1.0] * patch_size


@dataclass(frozen=True)
class Vote:
    """Combination of the patches that cover a pixel.

    Attributes
    ----------
    reduction : str
        What the engines call it, see `protocol.Engine.vote`; empty for a copy.
    weights : callable, optional
        From the patch side, and the width if it has one, to one axis of separable weights.
    has_width : bool
        The weights have a width.
    labels : bool
        Planes of labels may be combined so: the result of a plane is a share of the votes.
    exact_copy : bool
        Every value is that of a source pixel.
    """

    reduction: str = ""
    weights: Callable[..., list[float]] | None = None
    has_width: bool = False
    labels: bool = True
    exact_copy: bool = False


VOTES = {
    "weighted_mean": Vote("mean", side_weights, has_width=True),
    "mean": Vote("mean", equal_weights),
    "median": Vote("median", labels=False),
    "trimmed_mean": Vote("trimmed_mean", labels=False),
    "copy": Vote(exact_copy=True),
}


def checked_width(vote_width: Any, how: str, name: str = "vote") -> float:
    """Width of the weights of a vote, which the parameter `name` chooses.

    Raises
    ------
    TypeError
        It is no number.
    ValueError
        It is too small, or the vote has none.
    """
    width = validation.positive("vote_width", vote_width)
    if width < _LEAST_WIDTH:
        raise ValueError(f"`vote_width` must be at least {_LEAST_WIDTH}, got {vote_width!r}")
    if width != VOTE_WIDTH and not VOTES[how].has_width:
        raise ValueError(
            f"`vote_width` must be {VOTE_WIDTH} with `{name}` {how!r}, whose weights have no "
            f"width, got {vote_width!r}; set `{name}` to 'weighted_mean'"
        )
    return width


@hint_at_names
@on_engine_device
def vote(
    value: Any,
    index: Any,
    shape: Any = None,
    *,
    patch_size: PatchSize = 7,
    how: str = "weighted_mean",
    vote_width: float = 1.7,
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    threads: int | None = None,
) -> Array:
    """Build an image from matched patches that overlap.

    Parameters
    ----------
    value : (HV, WV) or (HV, WV, C) array of any real dtype, or a list of them
        The images that patches are taken from, as they are; or volumes.
    index : (H-p+1, W-p+1, 2) integer array
        (row, column) of the first pixel of the patch for each place, as from `nearest_patches`;
        (source, row, column) where `value` is a list. Of volumes, (slice, row, column).
    shape : one int per axis, optional
        Height and width of the result; it must be that of `index` plus ``patch_size - 1``.
    patch_size : int or one per axis, default 7
        Side p of a patch, at least 2; or its sides along the axes.
    how : {"weighted_mean", "mean", "median", "trimmed_mean", "copy"}
        Mean weighted by ``exp(-t**2 / (2 * vote_width**2))`` along each axis, t from -1 to 1
        across the patch; plain mean; median per channel (the lower of two in the middle); mean per
        channel without the lowest and the highest quarter of the values; or the pixel of the patch
        of the largest weight (ties: lowest row, then column).
    vote_width : float, default 1.7
        Width of the weights of "weighted_mean", at least 0.15. The default is nearly a plain mean;
        with a small width the patches around a pixel decide.
    engine, channel_axis, threads
        As in `nearest_patches`.

    Returns
    -------
    float32 array, (H, W) or (H, W, C), axes as `value`.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape, or an index is outside of `value`.
    EngineUnavailable
        The named engine cannot run here.

    Notes
    -----
    Cost O(p * p * C) per pixel, memory O(pixels).

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    >>> matches = pnn.nearest_patches(image, image)
    >>> bool(np.array_equal(pnn.vote(image, matches.index, how="copy"), image))
    True
    """
    given = checked_patch_size(patch_size)
    validation.choice("how", how, tuple(VOTES))
    width = checked_width(vote_width, how, "how")
    is_list = isinstance(value, (list, tuple))
    values = list(value) if is_list else [value]
    names = [f"value[{number}]" for number in range(len(values))] if is_list else ["value"]
    if not values:
        raise ValueError("`value` must hold at least one image, got an empty list")
    xp = arrays.same_library(index=index, **dict(zip(names, values, strict=True)))
    _, module = registry.pick(engine, values[0])
    planes = [
        raw_planes(name, image, channel_axis) for name, image in zip(names, values, strict=True)
    ]
    axes = planes[0].ndim - 1
    size = shape_for(given, axes)
    sides = patch_sides(size, axes)
    for name, image in zip(names, planes, strict=True):
        if image.ndim - 1 != axes:
            raise ValueError(
                f"`{name}` must have the axes of `{names[0]}`, {axes} of space, got "
                f"{image.ndim - 1}"
            )
        check_fits_patch(name, image, size)
        if image.shape[0] != planes[0].shape[0]:
            raise ValueError(
                f"`{name}` must have the channels of `{names[0]}`, {planes[0].shape[0]}, got "
                f"{image.shape[0]}"
            )
        largest = float(xp.max(xp.abs(image)))
        if largest > np.finfo(np.float32).max / math.prod(sides):
            raise ValueError(
                f"`{name}` has values whose sum over a patch overflows, got up to {largest:.3g}; "
                "scale it"
            )
    layout = Layout.of(planes)
    parts = checked_index("index", index, [image.shape[1:] for image in planes], is_list, size)
    wanted = _covered_shape(index.shape[:-1], size)
    if shape is not None and validation.shape("shape", shape, sides, axes) != wanted:
        raise ValueError(
            f"`shape` must be that of `index` plus `patch_size` - 1, {wanted}, got {shape}"
        )
    result = vote_planes(
        module, layout.stack(planes), layout.encode(*parts), size, how,
        thread_count(threads), width=width,
    )  # fmt: skip
    return from_planes(result, values[0], channel_axis)


@hint_at_names
def apply_index(sources: Any, index: Any) -> Array:
    """Render co-registered layers through an index map: each pixel is copied from its source.

    Parameters
    ----------
    sources : (HS, WS) or (HS, WS, ...) array, or a list of them with equal trailing axes
        Any layer on the pixels of the sources of a synthesis: the sources themselves,
        a label map, another sensor's channels. Any dtype.
    index : (H, W, 3) or (H, W, 2) integer array
        (source, row, column) of each pixel, as tasks return it; (row, column) for one source. Of
        volumes (Z, Y, X, 4) for (source, slice, row, column), or (Z, Y, X, 3).

    Returns
    -------
    (H, W) or (H, W, ...) array of the dtype of `sources`.

    Raises
    ------
    TypeError
        An argument is no array, dtypes differ, or the arrays belong to different libraries.
    ValueError
        Shapes do not fit, or an index is outside of its source.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> labels = np.array([[1, 2], [3, 4]])
    >>> pnn.apply_index(labels, np.array([[[1, 1], [0, 0]]])).tolist()
    [[4, 1]]
    """
    layers = list(sources) if isinstance(sources, (list, tuple)) else [sources]
    if not layers:
        raise ValueError("`sources` must hold at least one array, got an empty list")
    names = [f"sources[{number}]" for number in range(len(layers))]
    xp = arrays.same_library(index=index, **dict(zip(names, layers, strict=True)))
    for name, layer in zip(names, layers, strict=True):
        if layer.ndim < 2 or layer.shape[2:] != layers[0].shape[2:]:
            raise ValueError(
                f"`{name}` must be (height, width, ...) with the trailing axes of `sources[0]`, "
                f"{layers[0].shape[2:]}, got shape {layer.shape}"
            )
        if layer.dtype != layers[0].dtype:
            raise TypeError(
                f"`{name}` must have the dtype of `sources[0]`, {layers[0].dtype}, got "
                f"{layer.dtype}"
            )
    axes = index.ndim - 1
    if axes not in (2, 3) or index.shape[-1] not in (axes, axes + 1):
        axes = 2
    is_image = layers[0].ndim < 3 or (layers[0].ndim == 3 and layers[0].shape[2] <= 4)
    if index.ndim == 4 and is_image:
        raise ValueError(
            "`index` must be the map of one image; of several, take `index[i]`, got shape "
            f"{index.shape}"
        )
    with_source = index.ndim == axes + 1 and index.shape[-1] == axes + 1
    if not with_source and len(layers) > 1:
        raise ValueError(
            "`index` must hold (source, row, column) with more than one source, got shape "
            f"{index.shape}"
        )
    shapes = [layer.shape[:axes] for layer in layers]
    source, *position = checked_index("index", index, shapes, with_source, 1)
    result = xp.empty(index.shape[:-1] + layers[0].shape[axes:], dtype=layers[0].dtype)
    for number, layer in enumerate(layers):
        here = source == number
        result[here] = layer[tuple(place[here] for place in position)]
    return result


def _covered_shape(patches: tuple[int, ...], patch_size: PatchSize) -> tuple[int, ...]:
    """Pixels along each axis that a grid of patches covers."""
    sides = patch_sides(patch_size, len(patches))
    return tuple(count + side - 1 for count, side in zip(patches, sides, strict=True))


def vote_planes(
    engine: Engine,
    value: Array,
    index: Array,
    patch_size: PatchSize,
    how: str,
    threads: int,
    last: tuple[Array, Array] | None = None,
    out: Array | None = None,
    *,
    width: float = VOTE_WIDTH,
) -> Array:
    """The image (C, H, W) that matched patches make; `index` holds flat indices in `value`.

    `last` may hold other matches and their image of the same values: only pixels
    whose patches changed are computed then. The result is written to `out`, if given. `width` is
    that of the weights, where they have one.
    """
    xp = arrays.namespace(value)
    shape = _covered_shape(index.shape, patch_size)
    if out is None:
        out = xp.empty((value.shape[0], *shape), dtype=xp.float32)
    vote = VOTES[how]
    if vote.exact_copy:
        pixels = pixel_numbers(index, value.shape[1:], patch_size)
        out[...] = value.reshape(len(value), -1)[:, pixels]
        return out
    weights = _axis_weights(vote, patch_size, width)
    active = None
    if last is not None:
        out[...] = last[1]
        active = PatchGrid.of_shape(shape, patch_size).covered(index != last[0])
    engine.vote(
        value, index, patch_size, vote.reduction, weights, out, active=active, threads=threads
    )
    return out


def _axis_weights(vote: Vote, patch_size: PatchSize, width: float) -> Any:
    """One axis of the weights of a mean, or each; None for other votes."""
    if vote.weights is None:
        return None
    weights = partial(vote.weights, width=width) if vote.has_width else vote.weights
    if isinstance(patch_size, int):
        return weights(patch_size)
    return [weights(side) for side in patch_size]


def vote_images(
    settings: SearchSettings,
    how: str,
    value: Array,
    index: Array,
    last: tuple[Array, Array] | None = None,
    *,
    width: float = VOTE_WIDTH,
) -> Array:
    """The images (B, C, H, W) that a batch of matches makes; see `vote_planes`."""
    engine, size, vote = settings.engine, settings.patch_size, VOTES[how]
    if engine.STEPS_ON_DEVICE and not vote.exact_copy:
        weights = _axis_weights(vote, size, width)
        return engine.vote_step(value, index, size, vote.reduction, weights, last)
    xp = arrays.namespace(value)
    shape = _covered_shape(index.shape[1:], settings.patch_size)
    images = xp.empty((len(index), value.shape[0], *shape), dtype=xp.float32)
    for number in range(len(index)):
        known = None if last is None else (last[0][number], last[1][number])
        vote_planes(
            settings.engine,
            value,
            index[number],
            settings.patch_size,
            how,
            settings.threads,
            known,
            images[number],
            width=width,
        )
    return images


def pixel_numbers(index: Array, canvas_shape: tuple[int, ...], patch_size: PatchSize) -> Array:
    """Number of the source pixel that the patch of the largest weight puts at each place.

    `canvas_shape` is that of the array that flat indices are for.
    """
    xp = arrays.namespace(index)
    grid = PatchGrid.of_shape(_covered_shape(index.shape, patch_size), patch_size)
    axes = index.ndim
    shift: Any = 0
    places = []
    for axis in range(axes):
        along = (-1, *(1,) * (axes - 1 - axis))
        offset = xp.asarray(grid.centre_offsets(axis))
        places.append(xp.reshape(xp.arange(offset.shape[0]) - offset, along))
        shift = shift + xp.reshape(offset * math.prod(canvas_shape[axis + 1 :]), along)
    return index[tuple(places)] + shift
