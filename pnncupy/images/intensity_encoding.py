"""Intensities in [0, 1]: from the dtype and value range of an image, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.planes import ChannelAxis, channel_axis_of

# The largest, the smallest normal number, and the relative step of float32.
_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)
_STEP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class IntensityEncoding:
    """Encoding of the images of a call as planar float32 in [0, 1], and of results back.

    `low` and `high` are integers where the range was found from 64-bit integers, which float64
    cannot hold.
    """

    dtype: Any
    low: float
    high: float
    channel_axis: int | None

    def encode(self, image_planes: Array, name: str = "data_range") -> Array:
        """(C, H, W) of any real dtype to contiguous float32 in units of the value range.

        `name` is what a message calls values that are too far from the range.
        """
        xp = arrays.namespace(image_planes)
        with np.errstate(over="ignore"):
            working = xp.astype(self.scaled(image_planes), xp.float32)
        if not bool(xp.all(xp.isfinite(working))):
            raise ValueError(
                f"`{name}` must lie nearer to the value range of the other values, {self.low} to "
                f"{self.high}, than float32 can tell, got {float(xp.min(image_planes)):.6g} to "
                f"{float(xp.max(image_planes)):.6g}; set `data_range`"
            )
        return xp.ascontiguousarray(working)

    def scaled(self, image_planes: Array) -> Array:
        """(C, H, W) of any real dtype to float64 in units of the value range."""
        xp = arrays.namespace(image_planes)
        if self._is_wide:
            scaled = _distance_from(image_planes, int(self.low), xp)
        else:
            scaled = xp.astype(image_planes, xp.float64) - self.low
        scaled /= self.high - self.low
        return scaled

    def decode(self, working: Array) -> Array:
        """Planar float32 to the user's dtype, axes and value range; integers rounded, clipped."""
        xp = arrays.namespace(working)
        values = xp.astype(working, xp.float64) * (self.high - self.low)
        if self.channel_axis is None:
            values = values[0]
        else:
            values = xp.moveaxis(values, 0, self.channel_axis)
        if self._is_wide:
            values = _add_to(int(self.low), values, self.dtype, xp)
        elif self.dtype.kind == "b":
            values = values + self.low >= 0.5
        elif self.dtype.kind in "iu":
            values = arrays.clipped(xp.round(values + self.low), *float_limits(self.dtype))
        else:
            values = values + self.low
        return xp.ascontiguousarray(values.astype(self.dtype))

    @property
    def _is_wide(self) -> bool:
        """Test whether values are 64-bit integers and can be shifted without rounding."""
        if self.dtype.kind not in "iu" or self.dtype.itemsize < 8 or self.low != int(self.low):
            return False
        limits = np.iinfo(self.dtype)
        return bool(limits.min <= int(self.low) <= limits.max)


def float_limits(dtype: Any) -> tuple[float, float]:
    """Range of an integer dtype in float64; the largest 64-bit integers would round beyond it."""
    limits = np.iinfo(dtype)
    top = float(limits.max)
    return float(limits.min), float(np.nextafter(top, 0)) if int(top) > limits.max else top


def _distance_from(values: Array, low: int, xp: Any) -> Array:
    """``values - low`` of 64-bit integers as float64, rounded only once."""
    unsigned = values.astype(xp.uint64)
    shift = xp.asarray(low % 2**64, dtype=xp.uint64)
    above = (unsigned - shift).astype(xp.float64)
    below = (shift - unsigned).astype(xp.float64)
    return xp.where(values >= values.dtype.type(low), above, -below)


def _add_to(low: int, distance: Array, dtype: Any, xp: Any) -> Array:
    """``low + distance`` in 64-bit integers, the distance rounded half to even; clipped."""
    limits = np.iinfo(dtype)
    rounded = xp.round(distance)
    shift = xp.asarray(low % 2**64, dtype=xp.uint64)
    up = shift + _at_most(rounded, int(limits.max) - low, xp)
    down = shift - _at_most(-rounded, low - int(limits.min), xp)
    return xp.where(rounded < 0, down, up).astype(dtype)


def _at_most(values: Array, limit: int, xp: Any) -> Array:
    """Positive float64 values as uint64, those above a limit as the limit."""
    inside = (values > 0) & (values < float(limit))
    whole = xp.where(inside, values, 0).astype(xp.uint64)
    return xp.where(values >= float(limit), xp.asarray(limit, dtype=xp.uint64), whole)


def intensity_encoding_of(
    sources: Sequence[Array], originals: Sequence[Array], channel_axis: ChannelAxis, data_range: Any
) -> IntensityEncoding:
    """The form for one call, from the planes of its sources and the arrays as given."""
    first = originals[0]
    low, high = value_range(sources, data_range)
    return IntensityEncoding(
        dtype=first.dtype,
        low=low,
        high=high,
        channel_axis=channel_axis_of("image", first.shape, channel_axis),
    )


def _check_near(sources: Sequence[Array], low: float, high: float) -> None:
    """Refuse a range so far from the sources that float32 cannot tell their values apart.

    Near the range it is right that values are equal whose difference is nothing beside its width.
    """
    lowest, highest = _ends(sources)
    farthest = max(abs(lowest - low), abs(highest - low))
    if farthest > 2 * (high - low) and 0 < highest - lowest < farthest * _STEP:
        raise ValueError(
            f"`data_range` must lie nearer to the values, {lowest} to {highest}, for float32 to "
            f"tell them apart, got ({low}, {high}); leave it out"
        )


def value_range(sources: Sequence[Array], data_range: Any) -> tuple[float, float]:
    """Values that become 0 and 1."""
    if data_range is not None:
        low, high = given_range(data_range)
        if sources:
            _check_near(sources, low, high)
        return low, high
    dtype = sources[0].dtype
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype == np.uint8:
        return 0.0, 255.0
    low, high = _ends(sources)
    if not np.isfinite(float(high) - float(low)):
        raise ValueError(
            "the values must not span more than float64 holds where they give `data_range`, got "
            f"{low} to {high}; scale the images"
        )
    if high == low:
        high = low + 1
        if high == low:  # so far from 0 that 1 is lost in rounding
            high = float(np.nextafter(low, np.inf))
    return low, high


def _ends(sources: Sequence[Array]) -> tuple[float, float]:
    """The smallest and the largest value; integers stay integers."""
    xp = arrays.namespace(sources[0])
    number = float if sources[0].dtype.kind == "f" else int
    low: float = min(number(xp.min(source)) for source in sources)
    high: float = max(number(xp.max(source)) for source in sources)
    return low, high


def given_range(data_range: Any) -> tuple[float, float]:
    """A range as the caller gave it: two numbers that float32 holds, the lower one first."""
    if not validation.is_sequence(data_range) or len(data_range) != 2:
        raise TypeError(
            "`data_range` must be None or two numbers (low, high), got "
            f"{validation.described(data_range)}"
        )
    low, high = data_range
    low, high = validation.finite("data_range", low), validation.finite("data_range", high)
    given = f"got ({low}, {high})"
    if not low < high:
        raise ValueError(f"`data_range` must have low < high, {given}")
    if isinstance(low, int) or isinstance(high, int):  # a difference with a float would be rounded
        low, high = (int(end) if end == int(end) else end for end in (low, high))
    if max(abs(low), abs(high), high - low) > _LARGEST:
        raise ValueError(
            "`data_range` must not span more than float32 holds, its ends and its width up to "
            f"{_LARGEST:.2g}, {given}; leave it out, or scale it and the images"
        )
    if high - low < _SMALLEST:
        raise ValueError(
            f"`data_range` must be at least {_SMALLEST:.3g} wide, the least that float32 holds "
            f"in full, {given}; leave it out, or scale it and the images"
        )
    return low, high
