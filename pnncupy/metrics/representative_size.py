"""Representative elementary volume: how a fraction varies between windows of an image."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.phases import indicator
from pnncupy.parameter_hints import hint_at_names

# Window sizes that are measured by default.
_DEFAULT_SIZES = 20


class RevCurve(NamedTuple):
    """Variation of the fraction of a phase between windows of one size.

    Attributes
    ----------
    size : (n,) int64 NumPy array
        Side of the windows in pixels, ascending.
    mean, variance : (n,) float64 NumPy arrays
        Of the fraction, over all windows of a size.
    minimum, maximum : (n,) float64 NumPy arrays
        Of the fraction.
    windows : (n,) int64 NumPy array
        Number of windows.
    """

    size: Any
    mean: Any
    variance: Any
    minimum: Any
    maximum: Any
    windows: Any


@hint_at_names
@on_engine_device
def rev_curve(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    sizes: Any = None,
    periodic: bool | tuple[bool, ...] = False,
) -> RevCurve:
    """Variation of the fraction of a phase between windows, for each of several sizes.

    Where it has become small, a window is a representative elementary volume (REV).

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    sizes : sequence of int, optional
        Sides of the square or cubic windows, 1 to the smallest side of the image. Default: up to
        20 of them, evenly spaced on a logarithmic scale, up to half of the smallest side.
    periodic : bool or tuple of bool, default False
        Whether windows continue at the other border: along all axes, or one value for each.

    Returns
    -------
    RevCurve

    Raises
    ------
    TypeError, ValueError
        As `metrics.two_point_correlation`; or `sizes` holds something else.

    Notes
    -----
    Bear 1972, Dynamics of Fluids in Porous Media; Kanit et al. 2003,
    doi:10.1016/S0020-7683(03)00143-4. Windows at all positions count, though they overlap. Counts
    are exact; cost O(pixels) for each size.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> board = np.indices((8, 8)).sum(axis=0) % 2 == 1
    >>> metrics.rev_curve(board, sizes=[1, 2, 3]).variance.round(4).tolist()
    [0.25, 0.0, 0.0031]
    """
    inside = indicator(image, phase, threshold)
    wraps = validation.axes("periodic", periodic, inside.ndim)
    sides = _checked_sizes(sizes, min(inside.shape))
    rows = []
    for side in sides:
        counts = _counts_in_windows(inside, side, wraps)
        shares = counts / side**inside.ndim
        rows.append((shares.mean(), shares.var(), shares.min(), shares.max()))
    mean, variance, minimum, maximum = np.array(rows, dtype=np.float64).T
    windows = [
        int(np.prod([
            length if each else length - side + 1
            for length, each in zip(inside.shape, wraps, strict=True)
        ]))
        for side in sides
    ]  # fmt: skip
    return RevCurve(np.array(sides), mean, variance, minimum, maximum, np.array(windows))


def _counts_in_windows(inside: Any, side: int, wraps: tuple[bool, ...]) -> Any:
    """Pixels of the phase in the window at each position, int64."""
    widths = [(0, side - 1 if each else 0) for each in wraps]
    counts = np.pad(inside, widths, mode="wrap").astype(np.int64)
    for axis in range(inside.ndim):
        sums = np.cumsum(counts, axis=axis)
        start = np.zeros_like(sums.take([0], axis))
        sums = np.concatenate([start, sums], axis=axis)
        last = sums.shape[axis] - side
        counts = sums.take(range(side, side + last), axis) - sums.take(range(last), axis)
    return counts


def _checked_sizes(sizes: Any, largest: int) -> list[int]:
    """Sides of the windows, ascending."""
    if sizes is None:
        spaced = np.geomspace(1, max(1, largest // 2), _DEFAULT_SIZES)
        return sorted(set(np.rint(spaced).astype(int).tolist()))
    rule = f"a list of integers from 1 to the smallest side of the image, {largest}"
    if not validation.is_sequence(sizes) or len(sizes) == 0:
        raise ValueError(f"`sizes` must be {rule}, got {validation.shortened(sizes)}")
    found = sorted({validation.integer("sizes", each, 1, rule) for each in sizes})
    if found[-1] > largest:
        raise ValueError(f"`sizes` must be {rule}, got {found[-1]}")
    return found
