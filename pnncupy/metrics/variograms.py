"""Variograms: how values differ with their distance."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.displacements import Displacements, all_axes, pair_sums, ratio
from pnncupy.metrics.phases import checked_axis, checked_distance, one_value_per_pixel
from pnncupy.parameter_hints import hint_at_names


class Variogram(NamedTuple):
    """Half the mean squared difference of values at a distance.

    Attributes
    ----------
    distance : (R + 1,) int64 NumPy array
        0, 1, ... R pixels.
    semivariance : (R + 1,) float64 NumPy array
        In the squared unit of the values; NaN at a distance without a pair of known pixels.
    pairs : (R + 1,) int64 NumPy array
        Number of pairs of known pixels at each distance; at 0 that of known pixels.
    """

    distance: Any
    semivariance: Any
    pairs: Any


@hint_at_names
@on_engine_device
def variogram(
    image: Any,
    *,
    largest_distance: int | None = None,
    axis: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
) -> Variogram:
    """Experimental variogram: half the mean squared difference of two pixels at a distance.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of any real dtype
        One value for each pixel; NaN for unknown ones.
    largest_distance, axis, periodic
        As in `metrics.two_point_correlation`.

    Returns
    -------
    Variogram

    Raises
    ------
    TypeError
        An argument has the wrong type.
    ValueError
        The image is not 2-D or 3-D, empty, infinite somewhere or without a known pixel; or as
        `metrics.two_point_correlation`.

    Notes
    -----
    Matheron 1963, doi:10.2113/gsecongeo.58.8.1246. Of all displacements whose length rounds to the
    distance, as in `metrics.two_point_correlation`. By FFTs in float64 of the values less their
    mean: pairs are exact, and the error is about 1e-13 of the largest squared difference from the
    mean. Cost O(pixels log pixels), memory O(pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> found = metrics.variogram(np.array([[0, 1, np.nan, 3]]), axis=1, largest_distance=3)
    >>> found.semivariance.round(6).tolist(), found.pairs.tolist()
    ([0.0, 0.5, 2.0, 4.5], [3, 1, 1, 1])
    """
    values = arrays.on_host(one_value_per_pixel("image", image))
    scaled, known, scale = _scaled(values)
    along = checked_axis(axis, values.ndim)
    wraps = validation.axes("periodic", periodic, values.ndim)
    reach = checked_distance(largest_distance, [values.shape], along, wraps)
    grid = Displacements(values.shape, all_axes(along, values.ndim), reach, wraps)
    weights = known.astype(np.float64)
    squares = pair_sums(scaled**2, weights, grid) + pair_sums(weights, scaled**2, grid)
    differences = grid.totals(squares - 2 * pair_sums(scaled, scaled, grid))
    pairs = grid.totals(np.rint(pair_sums(weights, weights, grid)))
    # Rounding may leave less than nothing.
    semivariance = np.maximum(ratio(differences / 2, pairs), 0) * scale * scale
    semivariance[0] = 0
    count = np.rint(pairs).astype(np.int64)
    count[1:] //= 2  # both directions of a displacement were counted
    return Variogram(np.arange(reach + 1), semivariance, count)


def _scaled(values: Any) -> tuple[Any, Any, float]:
    """Values less their mean, -1 to 1 and 0 where unknown; the known pixels; the scale."""
    known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    if not known.any():
        raise ValueError("`image` must have at least one known pixel, got NaN only")
    numbers = np.where(known, values, 0).astype(np.float64)
    arrays.check_finite("image", numbers, np)
    largest = float(np.abs(numbers).max())
    if largest == 0:
        return numbers, known, 0.0
    numbers /= largest  # whose sum is finite then
    numbers = np.where(known, numbers - numbers[known].mean(), 0)
    spread = float(np.abs(numbers).max())
    return (numbers / spread if spread else numbers), known, spread * largest
