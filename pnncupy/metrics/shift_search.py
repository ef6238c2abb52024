"""The shift between two images at which they are most alike."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images import intensity_encoding
from pnncupy.metrics.common import fast_length
from pnncupy.metrics.image_quality import decibels

# Bound of the rounding errors of FFTs and running sums, relative to the sums of squares.
_ROUNDING = 1e-10
# Shifts within this number of decibels count as equal: sums round too.
_EQUAL_DECIBELS = 1e-9


def best_shift(
    source: Array, result: Array, reach: int, limits: tuple[float, float],
    periodic: Sequence[bool] = (), source_periodic: Sequence[bool] = (),
) -> tuple[float, tuple[int, ...]]:  # fmt: skip
    """The largest PSNR of two images over all shifts, and the shortest shift that has it.

    Parameters
    ----------
    source, result : (C, H, W) or (C, Z, Y, X) arrays
    reach : int
        Most pixels of a shift along each axis that does not wrap around.
    limits : (float, float)
        Lowest and highest possible value.
    periodic, source_periodic : sequence of bool
        Axes along which `result` and `source` wrap around.

    Returns
    -------
    psnr, shift
        In decibels, and in pixels along each axis.

    Raises
    ------
    ValueError
        No overlap is large enough.
    """
    smaller = min(math.prod(planes.shape[1:]) for planes in (source, result))
    found = []
    if any(periodic) or any(source_periodic):
        pair = source, result
        axes = []
        for axis, wraps in enumerate(zip(periodic, source_periodic, strict=True)):
            pair, overlap = _wrapped(*pair, axis, *wraps, reach)
            axes.append(overlap)
        found.append(_best(*pair, axes, limits, smaller))
    sides = zip(source.shape[1:], result.shape[1:], strict=True)
    axes = [_Overlap.plain(*pair, reach) for pair in sides]
    if not found or _allowed(axes, smaller).any():
        found.append(_best(source, result, axes, limits, smaller))
    best = max(value for value, _ in found)
    shifts = [shift for value, shift in found if value >= best - _EQUAL_DECIBELS]
    return best, min(shifts, key=_length)


class _Overlap:
    """Overlap of one axis of two images, for a range of shifts.

    Attributes
    ----------
    shifts, lengths : integer arrays
        Shifts, and the pixels that overlap at each.
    in_source, in_result : pairs of integer arrays
        First and stop of the overlap in each image.
    padded : int
        Length of the axis at which no shifted image comes in again at the other end.
    """

    def __init__(self, shifts: Any, in_source: Any, in_result: Any, padded: int) -> None:
        self.shifts, self.in_source, self.in_result = shifts, in_source, in_result
        self.lengths = in_result[1] - in_result[0]
        self.padded = fast_length(padded)

    @classmethod
    def plain(cls, source: int, result: int, reach: int) -> "_Overlap":
        """Every shift up to `reach` of images with these sides."""
        reach = min(reach, max(source, result) - 1)
        shifts = np.arange(-reach, reach + 1)
        first = np.maximum(0, -shifts)
        stop = np.maximum(first, np.minimum(result, source - shifts))
        return cls(
            shifts, (first + shifts, stop + shifts), (first, stop), max(source, result) + reach
        )

    @property
    def lags(self) -> Any:
        """Places in the source less those in the result."""
        return self.in_source[0] - self.in_result[0]

    def places(self, number: int) -> tuple[slice, slice]:
        """Of the source and of the result, at one shift."""
        there, here = (
            slice(int(first[number]), int(stop[number]))
            for first, stop in (self.in_source, self.in_result)
        )
        return there, here


def _wrapped(
    source: Array, result: Array, axis: int, periodic: bool, source_periodic: bool, reach: int
) -> tuple[tuple[Array, Array], _Overlap]:
    """Both images, one of them repeated along an axis as far as shifts reach, and the overlap."""
    there, here = source.shape[1 + axis], result.shape[1 + axis]
    if not (periodic or source_periodic):
        return (source, result), _Overlap.plain(there, here, reach)
    length = here if source_periodic else min(there, here)
    period = there if source_periodic else here
    half = period // 2
    shifts = np.arange(half - period + 1, half + 1)
    still = np.zeros_like(shifts), np.full_like(shifts, length)
    places = np.arange(-half, length + half) % period
    if source_periodic:
        moved = shifts + half, shifts + half + length
        pair = _taken(source, places, axis), result
        return pair, _Overlap(shifts, moved, still, len(places))
    moved = half - shifts, half - shifts + length
    pair = _taken(source, np.arange(length), axis), _taken(result, places, axis)
    return pair, _Overlap(shifts, still, moved, len(places) + half)


def _taken(planes: Array, places: Any, axis: int) -> Array:
    xp = arrays.namespace(planes)
    return xp.take(planes, xp.asarray(places), axis=1 + axis)


def _length(shift: tuple[int, ...]) -> tuple[int, ...]:
    """Short shifts first, then those with fewer rows."""
    return (sum(part**2 for part in shift), *shift)


def _best(
    source: Array, result: Array, axes: Sequence[_Overlap], limits: tuple[float, float],
    smaller: int,
) -> tuple[float, tuple[int, ...]]:  # fmt: skip
    """The largest PSNR and its shift."""
    width = float(limits[1] - limits[0])
    found: list[tuple[float, tuple[int, ...]]] = []
    for numbers in _candidates(source, result, axes, limits, smaller):
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


def _allowed(axes: Sequence[_Overlap], smaller: int) -> Any:
    """Shifts whose overlap is at least half of the smaller image."""
    return 2 * functools.reduce(np.multiply.outer, [axis.lengths for axis in axes]) >= smaller


def _candidates(
    source: Array, result: Array, axes: Sequence[_Overlap], limits: tuple[float, float],
    smaller: int,
) -> list[tuple[int, ...]]:  # fmt: skip
    """Numbers of the shifts whose error may be the smallest; short shifts first."""
    allowed = _allowed(axes, smaller)
    if not allowed.any():
        raise ValueError(
            "`result` must overlap `source` by half of the smaller image, got "
            f"{tuple(result.shape[1:])} and {tuple(source.shape[1:])} pixels; crop one of them"
        )
    squares, products = _sums(source, result, axes, limits)
    area = functools.reduce(np.multiply.outer, [axis.lengths for axis in axes])
    area = np.where(allowed, area, 1)
    error = (squares - 2 * products) / area
    # The running sums and the FFT round relative to whole images, not to the overlap.
    bound = _ROUNDING * squares.max() / area
    limit = np.min((error + bound)[allowed])
    found = np.argwhere(allowed & (error - bound <= limit)).tolist()
    return sorted(map(tuple, found), key=lambda place: _length(_shifts(axes, place)))


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
        products = xp.take(products, xp.asarray(axis.lags % shape[number]), axis=number)
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
