"""Pixels that hold nothing: NaN, a nodata value, or what a masked array hides."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.intensity_encoding import float_limits
from pnncupy.images.planes import ChannelAxis, as_planes, channel_axis_of

_SMALLER = 2.0**-40


@dataclass(frozen=True)
class Masked:
    """A masked array on a device, where there is no such class.

    Attributes
    ----------
    data : array
    mask : bool array of its shape
        True where nothing is known.
    """

    data: Array
    mask: Array


def checked_nodata(nodata: Any) -> float | None:
    """The value that marks missing pixels, NaN included; None if none does."""
    if nodata is None:
        return None
    if isinstance(nodata, str):
        if nodata.lower() == "nan":
            return math.nan
        raise ValueError(f'`nodata` must be a number, "nan" or None, got {nodata!r}')
    if isinstance(nodata, (float, np.floating)) and not math.isfinite(nodata):
        return float(nodata)
    return validation.finite("nodata", nodata)


def split_missing(
    name: str,
    image: Any,
    nodata: float | None,
    channel_axis: ChannelAxis,
    *,
    categorical: bool = False,
) -> tuple[Array, Array | None]:
    """An image without missing pixels, and which pixels are known.

    Parameters
    ----------
    name : str
        What messages call the image.
    image : (H, W) or (H, W, C) array, numpy.ma.MaskedArray or Masked
    nodata : float or None
        The value of missing pixels, see `checked_nodata`.
    channel_axis : int
    categorical : bool
        Whether values are labels, so that they have no mean.

    Returns
    -------
    array
        The image itself, or a copy whose missing pixels hold the mean of the known ones (of
        labels the most frequent one).
    (H, W) bool array, or None
        True where all channels of a pixel are known; None if all of them are.
    """
    data, missing = missing_pixels(name, image, nodata, channel_axis)
    if missing is None:
        return data, None
    planes = as_planes(name, data, channel_axis)
    xp = arrays.namespace(data)
    if bool(xp.all(missing)):
        raise ValueError(
            f"`{name}` must have pixels that are not missing, got none in {missing.shape}; see "
            "`nodata`, or the array's mask"
        )
    blank = xp.zeros(planes.shape[0], dtype=data.dtype)
    arrays.check_finite(name, with_colour(data, missing, blank, channel_axis), xp)
    colour = typical(planes[:, ~missing], categorical)
    return with_colour(data, missing, colour, channel_axis), ~missing


def missing_pixels(
    name: str, image: Any, nodata: float | None, channel_axis: ChannelAxis
) -> tuple[Array, Array | None]:
    """A plain array, and (H, W) bool where any channel of a pixel is missing; None if none is."""
    data, missing = missing_values(name, image, nodata)
    if missing is None:
        return data, None
    xp = arrays.namespace(data)
    as_planes(name, data, channel_axis)  # refuses what is no image
    axis = channel_axis_of(name, data.shape, channel_axis)
    if axis is not None:
        missing = xp.any(missing, axis=axis)
    return data, missing if bool(xp.any(missing)) else None


def missing_values(name: str, image: Any, nodata: float | None) -> tuple[Array, Array | None]:
    """A plain array, and where it is missing, value by value; None where nothing can be."""
    if isinstance(image, np.ma.MaskedArray):
        data, missing = image.data, np.ma.getmaskarray(image)
    elif isinstance(image, Masked):
        data, missing = image.data, image.mask
    else:
        data, missing = image, None
    if nodata is None:
        return data, missing
    arrays.library(name, data)
    arrays.check_real(name, data)
    xp = arrays.namespace(data)
    if math.isnan(nodata) and data.dtype.kind != "f":
        return data, missing
    blank = equal_to(data, nodata, xp)
    return data, blank if missing is None else blank | missing


def equal_to(data: Array, nodata: float, xp: Any = np) -> Array:
    """Mask of the places where an array holds a value; nowhere if its dtype cannot hold that."""
    if data.dtype.kind != "f":
        value = int(nodata) if math.isfinite(nodata) else None
        if value != nodata or not _holds(data.dtype, value):
            return xp.zeros(data.shape, dtype=bool)
        return data == data.dtype.type(value)
    if math.isnan(nodata):
        return xp.isnan(data)
    # Compared in the array's own precision: 0.1 of a file is not the 0.1 of float64.
    with np.errstate(over="ignore"):
        blank = data == float(nodata)
    return blank & xp.isfinite(data) if math.isfinite(nodata) else blank


def _holds(dtype: Any, value: int) -> bool:
    """Return whether a dtype of bool or integers has a value."""
    if dtype.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def typical(values: Array, categorical: bool) -> Array:
    """One colour for values (C, n): their mean, in integers rounded; of labels the commonest."""
    host = arrays.on_host(values)
    if categorical:
        labels, counts = np.unique(host, return_counts=True)
        colour = labels[np.argmax(counts)][None]
    else:
        # On the host, so that sums have the same bits everywhere.
        # Made smaller, without rounding, so that the sum of the largest values does not overflow.
        colour = (host.astype(np.float64) * _SMALLER).mean(axis=1) / _SMALLER
        if host.dtype.kind == "b":
            colour = colour >= 0.5
        elif host.dtype.kind in "iu":
            colour = np.clip(np.round(colour), *float_limits(host.dtype))
    return arrays.like(colour.astype(host.dtype), values)


def with_colour(image: Array, where: Array, colour: Array, channel_axis: ChannelAxis) -> Array:
    """A copy of an image that holds a colour (C,) at the pixels of a mask."""
    xp = arrays.namespace(image)
    axis = channel_axis_of("image", image.shape, channel_axis)
    if axis is None:
        return xp.where(where, colour[0], image).astype(image.dtype)
    wide = xp.expand_dims(where, axis=axis)
    shaped = xp.reshape(colour, tuple(-1 if each == axis else 1 for each in range(image.ndim)))
    return xp.where(wide, shaped, image).astype(image.dtype)


def with_nan_missing(image: Any) -> Any:
    """An image of floating point whose NaN are missing, beside what is missing already."""
    data = data_of(image)
    if getattr(getattr(data, "dtype", None), "kind", "") != "f":
        return image
    arrays.library("image", data)
    blank = arrays.namespace(data).isnan(data)
    _, missing = missing_values("image", image, None)
    blank = blank if missing is None else blank | missing
    return Masked(data, blank)


def data_of(image: Any) -> Array:
    """Data of an array, missing or not."""
    return image.data if isinstance(image, (np.ma.MaskedArray, Masked)) else image
