"""Near copies: results that repeat the source, as a whole or in one large piece."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images import intensity_encoding
from pnncupy.images.planes import ChannelAxis, axes_of
from pnncupy.metrics.common import fast_length, pair_of_planes
from pnncupy.metrics.image_quality import decibels
from pnncupy.search.index_map import checked_index

# Above this a sample is called a near-copy of its source.
NEAR_COPY_DECIBELS = 30.0
# Bound of the rounding errors of FFTs and running sums, relative to the sums of squares.
_ROUNDING = 1e-10
# Shifts within this number of decibels count as equal: sums round too.
_EQUAL_DECIBELS = 1e-9


class NearCopy(NamedTuple):
    """Share of a result that was copied from its source.

    Attributes
    ----------
    psnr : float
        Largest peak signal-to-noise ratio over all shifts, in decibels; infinity for a copy.
    shift : (int, int)
        The (rows, columns) where it is: ``result[y, x]`` is compared with
        ``source[y + rows, x + columns]``. Of volumes (slices, rows, columns).
    is_copy : bool
        Whether `psnr` is above `NEAR_COPY_DECIBELS`.
    region_pixels : int or None
        Pixels of the largest connected piece of the result whose pixels lie as they do in the
        source; None without an index map.
    region_share : float or None
        Its share of the result's pixels, 0 to 1.
    region_box : (int, int, int, int) or None
        Top, left, height and width of the box around it in the result, in pixels. Of volumes the
        first place along each of the three axes, then the three sides.
    """

    psnr: float
    shift: tuple[int, ...]
    is_copy: bool
    region_pixels: int | None
    region_share: float | None
    region_box: tuple[int, ...] | None


@on_engine_device
def near_copy(
    source: Any,
    result: Any,
    *,
    index: Any = None,
    largest_shift: int = 8,
    data_range: Any = None,
    channel_axis: ChannelAxis = "auto",
) -> NearCopy:
    """Find out whether a result is nearly a copy of its source.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype, or a volume
    result : (H, W) or (H, W, C) array with the channels of `source`, or a volume
        In the units of `source`; sizes may differ.
    index : (H, W, 3) or (H, W, 2) integer array, of volumes (Z, Y, X, 4) or (Z, Y, X, 3), optional
        (0, row, column) or (row, column) of the source's pixel at each place, as tasks return it
        with ``return_index=True``.
    largest_shift : int, default 8
        Most pixels of a shift along either axis, in both directions; without a shift the upper
        left corners coincide. Only overlaps of at least half of the
        smaller image count.
    data_range : (float, float), optional
        Lowest and highest possible value. Default: 0 to 255 for uint8, 0 to 1 for bool, else the
        smallest and largest value of `source`.
    channel_axis : int, None or "auto", default "auto"
        As in `pnncupy.nearest_patches`.

    Returns
    -------
    NearCopy
        Of shifts that are equally good, to 1e-9 dB, the shortest wins, then the one with fewer
        rows, then columns; of equal regions the one whose first pixel comes first.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape, no overlap is large enough, or `index` points
        outside of `source`.

    Notes
    -----
    The shifts that may be best are found by an FFT in float64, within its rounding errors, and
    only they are compared pixel by pixel. So the cost is O(pixels log pixels), unless very many
    shifts are equally good, as with constant images, and memory O(pixels).

    About one result in five of GPNN at moderate noise is a near-copy (Granot et al. 2022,
    doi:10.48550/arXiv.2103.15545, from the authors' own outputs). The region is the largest set
    of 4-connected pixels (6-connected voxels) with one displacement (row - y, column - x).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.near_copy(source, source[3:, 2:])[:3]
    (inf, (3, 2), True)
    """
    reach = validation.integer("largest_shift", largest_shift, 0)
    pair = pair_of_planes(source, result, channel_axis, volumes=True)
    limits = intensity_encoding.value_range(pair[:1], data_range)
    best, shift = _best_shift(*pair, reach, limits)
    region: tuple[Any, Any, Any] = (None, None, None)
    if index is not None:
        arrays.same_library(index=index, result=result)
        region = largest_region(index, [pair[0].shape[1:]], pair[1].shape[1:])
    return NearCopy(best, shift, best > NEAR_COPY_DECIBELS, *region)


class _Overlap:
    """Overlap of one axis of two images, for every shift up to `reach`."""

    def __init__(self, source: int, result: int, reach: int) -> None:
        reach = min(reach, max(source, result) - 1)
        self.shifts = np.arange(-reach, reach + 1)
        first = np.maximum(0, -self.shifts)
        stop = np.maximum(first, np.minimum(result, source - self.shifts))
        self.length = stop - first
        self.in_result = (first, stop)
        self.in_source = (first + self.shifts, stop + self.shifts)
        # Padded to this, no shifted image comes in again at the other end.
        self.padded = fast_length(max(source, result) + reach)

    def places(self, number: int) -> tuple[slice, slice]:
        """Of the source and of the result, at one shift."""
        there, here = (
            slice(int(first[number]), int(stop[number]))
            for first, stop in (self.in_source, self.in_result)
        )
        return there, here


def _best_shift(
    source: Array, result: Array, reach: int, limits: tuple[float, float]
) -> tuple[float, tuple[int, ...]]:
    """The largest PSNR and its shift."""
    axes = [
        _Overlap(*sides, reach) for sides in zip(source.shape[1:], result.shape[1:], strict=True)
    ]
    width = float(limits[1] - limits[0])
    found: list[tuple[float, tuple[int, ...]]] = []
    for numbers in _candidates(source, result, axes, limits):
        places = [axis.places(number) for axis, number in zip(axes, numbers, strict=True)]
        of_source, of_result = ((slice(None), *parts) for parts in zip(*places, strict=True))
        value = decibels(source[of_source], result[of_result], width)
        found.append((value, _shifts(axes, numbers)))
        if value == math.inf:
            break
    best = max(value for value, _ in found)
    return best, next(shift for value, shift in found if value >= best - _EQUAL_DECIBELS)


def _shifts(axes: Sequence[_Overlap], numbers: Sequence[int]) -> tuple[int, ...]:
    """The shift along each axis, of its number."""
    return tuple(int(axis.shifts[number]) for axis, number in zip(axes, numbers, strict=True))


def _candidates(
    source: Array, result: Array, axes: Sequence[_Overlap], limits: tuple[float, float]
) -> list[tuple[int, ...]]:
    """Numbers of the shifts whose error may be the smallest; short shifts first."""
    area = functools.reduce(np.multiply.outer, [axis.length for axis in axes])
    smaller = min(math.prod(planes.shape[1:]) for planes in (source, result))
    allowed = 2 * area >= smaller
    if not allowed.any():
        raise ValueError(
            "`result` must overlap `source` by half of the smaller image, got "
            f"{tuple(result.shape[1:])} and {tuple(source.shape[1:])} pixels; crop one of them"
        )
    squares, products = _sums(source, result, axes, limits)
    area = np.where(allowed, area, 1)
    error = (squares - 2 * products) / area
    # The running sums and the FFT round relative to whole images, not to the overlap.
    bound = _ROUNDING * squares.max() / area
    limit = np.min((error + bound)[allowed])
    found = np.argwhere(allowed & (error - bound <= limit)).tolist()

    def length(place: tuple[int, ...]) -> tuple[int, ...]:
        shift = _shifts(axes, place)
        return (sum(part**2 for part in shift), *shift)

    return sorted(map(tuple, found), key=length)


def _sums(
    source: Array, result: Array, axes: Sequence[_Overlap], limits: tuple[float, float]
) -> tuple[Any, Any]:
    """Per shift, the sum over the overlap of all squares, and that of the products, on the host."""
    xp = arrays.namespace(source)
    shape, every = tuple(axis.padded for axis in axes), tuple(range(len(axes)))
    forms = [
        intensity_encoding.IntensityEncoding(each.dtype, *limits, channel_axis=None)
        for each in (source, result)
    ]
    squares: Any = 0.0
    spectrum: Any = 0.0
    for pair in zip(source, result, strict=True):
        a, b = (form.scaled(plane) for form, plane in zip(forms, pair, strict=True))
        squares += _boxes(a**2, [axis.in_source for axis in axes])
        squares += _boxes(b**2, [axis.in_result for axis in axes])
        spectrum += xp.fft.rfftn(a, s=shape, axes=every) * xp.conj(
            xp.fft.rfftn(b, s=shape, axes=every)
        )
    products = xp.fft.irfftn(spectrum, s=shape, axes=every)
    for number, axis in enumerate(axes):
        products = xp.take(products, xp.asarray(axis.shifts % shape[number]), axis=number)
    return squares, arrays.on_host(products)


def _boxes(values: Array, ranges: Sequence[tuple[Any, Any]]) -> Any:
    """Sums over all boxes of these (first, stop) along each axis, on the host."""
    xp = arrays.namespace(values)
    total = xp.zeros(tuple(side + 1 for side in values.shape), dtype=xp.float64)
    sums = values
    for axis in range(values.ndim):
        sums = xp.cumsum(sums, axis=axis)
    total[(slice(1, None),) * values.ndim] = sums
    for axis, (first, stop) in enumerate(ranges):
        # Where nothing overlaps, places may lie outside.
        before, behind = (
            xp.asarray(np.clip(each, 0, values.shape[axis])) for each in (first, stop)
        )
        total = xp.take(total, behind, axis=axis) - xp.take(total, before, axis=axis)
    return arrays.on_host(total)


def translation_share(index: Array) -> float:
    """Share of pixels that one translation of one source covers, connected or not, 0 to 1.

    Parameters
    ----------
    index : (H, W, 3) integer array, of volumes (Z, Y, X, 4)
        (source, row, column) of each pixel, as tasks return it with ``return_index=True``.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        `index` is no such array.

    Notes
    -----
    Cost O(H W log(H W)). A result with more than 0.6 is a copy to the eye, though its pixels may
    differ from those of the source at the same place.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> rows, columns = np.indices((20, 30))
    >>> metrics.translation_share(np.stack([0 * rows, rows + 2, columns], axis=-1))
    1.0
    """
    arrays.library("index", index)
    if index.ndim not in (3, 4) or index.shape[-1] != index.ndim or index.size == 0:
        raise ValueError(f"`index` must have the shape (H, W, 3), got {tuple(index.shape)}")
    if index.dtype.kind not in "iu":
        raise TypeError(f"`index` must hold integers, got {index.dtype}")
    found = arrays.on_host(index).astype(np.int64)
    moves = found.reshape(-1, found.shape[-1])
    moves[:, 1:] -= np.indices(found.shape[:-1]).reshape(found.ndim - 1, -1).T
    low = np.min(moves, axis=0)
    sides = np.max(moves, axis=0) - low + 1
    _, counts = np.unique(
        np.ravel_multi_index(tuple((moves - low).T), tuple(sides)), return_counts=True
    )
    return float(np.max(counts)) / float(np.sum(counts))


def largest_region(
    index: Array, source_shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]
) -> tuple[int, float, tuple[int, ...]]:
    """Pixels, share and box of the largest piece of one source with one displacement."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    axes = len(shape)
    with_source = index.ndim == axes + 1 and index.shape[-1] == axes + 1
    shapes = [tuple(each) for each in source_shapes]
    parts = checked_index("index", index, shapes, with_source, 1)
    if tuple(index.shape[:-1]) != tuple(shape):
        raise ValueError(
            f"`index` must have the {axes_of(shape)} of `result`, {tuple(shape)}, got "
            f"{tuple(index.shape[:-1])}"
        )
    source, *position = (arrays.on_host(part) for part in parts)
    moves = [place - own for place, own in zip(position, np.indices(shape), strict=True)]
    numbers = np.arange(math.prod(shape)).reshape(shape)
    starts, ends = [], []
    for axis in reversed(range(axes)):
        whole = (slice(None),) * axis
        before, after = (*whole, slice(None, -1)), (*whole, slice(1, None))
        same = np.stack([each[before] == each[after] for each in (source, *moves)]).all(axis=0)
        starts.append(numbers[before][same])
        ends.append(numbers[after][same])
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.ones(edges[0].size, bool), edges), shape=(numbers.size, numbers.size))
    labels = connected_components(graph, directed=False)[1].reshape(shape)
    sizes: Any = np.bincount(labels.ravel())
    largest = labels == np.argmax(sizes)
    ends_of_box = [
        np.flatnonzero(np.moveaxis(largest, axis, 0).reshape(side, -1).any(axis=1))[[0, -1]]
        for axis, side in enumerate(shape)
    ]
    box = [int(first) for first, _ in ends_of_box]
    box += [int(last - first) + 1 for first, last in ends_of_box]
    pixels = int(sizes.max())
    return pixels, pixels / numbers.size, tuple(box)
