"""Local thickness of a phase: the largest balls that fit into it."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.phases import indicator
from pnncupy.parameter_hints import hint_at_names


class ThicknessDistribution(NamedTuple):
    """Distribution of the local thickness of a phase.

    Attributes
    ----------
    thickness : (L,) float64 NumPy array
        The values that occur, ascending, in pixels.
    share : (L,) float64 NumPy array
        Share of the phase's pixels with each of these; they add up to 1.
    mean, std : float
        Of the pixels of the phase; NaN without one.
    """

    thickness: Any
    share: Any
    mean: float
    std: float


@hint_at_names
@on_engine_device
def local_thickness(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    periodic: bool | tuple[bool, ...] = False,
    sizes: int | None = None,
) -> Any:
    """Diameter of the largest ball inside of a phase that contains each pixel.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    periodic : bool or tuple of bool, default False
        Whether the image wraps around: along all axes, or one value for each. Else the phase may
        continue beyond a border or not: balls may be cut by it.
    sizes : int, optional
        Number of radii, at least 2, evenly spaced from the smallest to the largest: diameters are
        rounded down to the next of these, which is faster. Default: all radii, exact.

    Returns
    -------
    float64 NumPy array of the shape of `image`
        In pixels; 0 outside of the phase. NaN in all pixels if the phase fills the whole image: no
        ball is the largest.

    Raises
    ------
    TypeError, ValueError
        As `metrics.two_point_correlation`; or `sizes` is not an integer of at least 2.

    Notes
    -----
    Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x. The radius D of a ball is
    the distance from its central pixel to the nearest one that is not in the phase, its
    pixels are nearer than that, and its diameter is 2 D. As balls have a central pixel, layers of
    n pixels have thickness n if that is even, else n + 1. Cost O(pixels) for each of the radii.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> line = np.array([[0, 1, 1, 1, 0, 1, 0]], bool)
    >>> metrics.local_thickness(line).tolist()
    [[0.0, 4.0, 4.0, 4.0, 0.0, 2.0, 0.0]]
    """
    inside = indicator(image, phase, threshold)
    wraps = validation.axes("periodic", periodic, inside.ndim)
    count = validation.optional_integer("sizes", sizes, 2)
    if inside.all():
        return np.full(inside.shape, np.nan)
    radius = distance_to_others(inside, wraps)
    found = np.zeros(inside.shape)
    for least in _radii(radius, count):
        # The largest balls first; a pixel keeps the first one that reaches it.
        centres = radius >= least
        covered = distance_to_others(~centres, wraps) < least
        found[covered & (found == 0)] = 2 * least
    return found


@hint_at_names
@on_engine_device
def thickness_distribution(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    periodic: bool | tuple[bool, ...] = False,
    sizes: int | None = None,
) -> ThicknessDistribution:
    """Distribution of the local thickness over the pixels of a phase; of pores, their sizes.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    periodic, sizes
        As in `metrics.local_thickness`.

    Returns
    -------
    ThicknessDistribution
        Without values if the phase does not occur or fills the whole image.

    Raises
    ------
    TypeError, ValueError
        As `metrics.local_thickness`.

    Notes
    -----
    See `metrics.local_thickness`. Pixels count, not balls: a share is one of the volume.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> found = metrics.thickness_distribution(np.array([[0, 1, 1, 1, 0, 1, 0]], bool))
    >>> found.thickness.tolist(), found.share.tolist(), found.mean
    ([2.0, 4.0], [0.25, 0.75], 3.5)
    """
    values = local_thickness(
        image, phase=phase, threshold=threshold, periodic=periodic, sizes=sizes
    )
    inside = values[values > 0]
    if not inside.size:
        return ThicknessDistribution(np.zeros(0), np.zeros(0), float("nan"), float("nan"))
    thickness, counts = np.unique(inside, return_counts=True)
    return ThicknessDistribution(
        thickness, counts / inside.size, float(inside.mean()), float(inside.std())
    )


def distance_to_others(inside: Any, wraps: tuple[bool, ...]) -> Any:
    """Distance of each pixel to the nearest one that is False, which there must be."""
    from scipy import ndimage

    if not any(wraps):
        return ndimage.distance_transform_edt(inside)
    # The nearest one is at most half of the side away along a periodic axis.
    widths = [side // 2 if each else 0 for side, each in zip(inside.shape, wraps, strict=True)]
    around = np.pad(inside, [(width, width) for width in widths], mode="wrap")
    own = tuple(
        slice(width, width + side) for width, side in zip(widths, inside.shape, strict=True)
    )
    return ndimage.distance_transform_edt(around)[own]


def _radii(radius: Any, count: int | None) -> Any:
    """Radii of the balls, descending; the smallest of all is among them."""
    found = np.unique(radius[radius > 0])
    if count is not None and len(found) > count:
        found = np.linspace(found[0], found[-1], count)
    return found[::-1]
