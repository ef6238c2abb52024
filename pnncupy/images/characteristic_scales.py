"""Scale of an image's finest detail, and of its noise."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

# Median of the absolute value of a normal variable with unit standard deviation.
_MEDIAN_OF_NORMAL = 0.6745


class CharacteristicScales(NamedTuple):
    """Scales of an image.

    Attributes
    ----------
    detail : float
        Autocorrelation length of the differences of neighbouring pixels: the lag in pixels at which
        it has fallen to 1/e, the mean over both axes. About .7 for sharp photographs, more where an
        image is blurred or was enlarged; infinite for ramps.
    noise : float
        Standard deviation of what varies independently from pixel to pixel, as a share of that of
        the image.
    """

    detail: float
    noise: float


def characteristic_scales(planes: Array, known: Array | None) -> CharacteristicScales:
    """Measure the scales of an image.

    Parameters
    ----------
    planes : (C, H, W) or (C, Z, Y, X) array
        Intensities, or one plane for each label. Planes count by their variance.
    known : bool array without the channels, or None
        Pixels that are not missing; None is all.

    Notes
    -----
    The noise is the median estimate from diagonal differences, Donoho and Johnstone 1994,
    doi:10.1093/biomet/81.3.425. Cost O(C N log N) for N pixels, on the host.
    """
    values = np.asarray(arrays.on_host(planes), np.float64)
    mask = np.ones(values.shape[1:], bool) if known is None else arrays.on_host(known)
    if not values[:, mask].std(axis=1).any():
        return CharacteristicScales(np.inf, 0.0)
    means = values[:, mask].mean(axis=1).reshape(-1, *(1,) * mask.ndim)
    values = np.where(mask, values - means, 0)
    variance = (values[:, mask] ** 2).mean()
    return CharacteristicScales(_detail(values, mask), _noise(values, mask) / variance**0.5)


def _detail(values: Any, mask: Any) -> float:
    """The mean over the axes of the autocorrelation length of the differences along them."""
    lengths = []
    for axis in range(mask.ndim):
        along = np.moveaxis(values, axis - mask.ndim, -1)
        known = np.moveaxis(mask, axis, -1)
        both = known[..., 1:] & known[..., :-1]
        steps = np.where(both, np.diff(along, axis=-1), 0)
        if steps.any():
            lengths.append(_autocorrelation_length(steps, both))
    return float(np.mean(lengths)) if lengths else float("inf")


def _autocorrelation_length(values: Any, mask: Any) -> float:
    """Lag along the last axis at which the autocorrelation of planes has fallen to 1/e."""
    products, pairs = _sums_of_products(values), _sums_of_products(mask.astype(float))
    mean = np.divide(products, pairs, out=np.zeros_like(pairs), where=pairs > 0.5)
    mean /= mean[0]
    below = np.flatnonzero(mean < np.exp(-1))
    if not below.size:
        return float("inf")
    lag = int(below[0])
    # Between this lag and the one before along a straight line.
    return float(lag - (np.exp(-1) - mean[lag]) / (mean[lag - 1] - mean[lag]))


def _sums_of_products(values: Any) -> Any:
    """Sums of all products of two values at each lag along the last axis."""
    side = values.shape[-1]
    power = np.abs(np.fft.rfft(values, 2 * side)) ** 2
    return np.fft.irfft(power, 2 * side).reshape(-1, 2 * side).sum(axis=0)[:side]


def _noise(values: Any, mask: Any) -> float:
    """Standard deviation of independent noise."""
    corners = [np.s_[..., :-1, :-1], np.s_[..., :-1, 1:], np.s_[..., 1:, :-1], np.s_[..., 1:, 1:]]
    a, b, c, d = (values[corner] for corner in corners)
    usable = np.stack([mask[corner] for corner in corners]).all(axis=0)
    if not usable.any():
        return 0.0
    diagonal = ((a - b - c + d) / 2)[:, usable]
    by_plane = np.median(np.abs(diagonal), axis=1) / _MEDIAN_OF_NORMAL
    return float(np.sqrt((by_plane**2).mean()))
