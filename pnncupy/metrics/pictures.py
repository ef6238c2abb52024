"""What to measure on results."""

import math
from typing import Any

from pnncupy import arrays

# Above this a sample is called a near-copy of its source.
NEAR_COPY_DECIBELS = 30.0


def psnr(image: Any, other: Any, data_range: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio of two pictures of one shape, in decibels.

    Parameters
    ----------
    image, other : arrays of one shape and any real dtype
    data_range : (float, float)
        Lowest and highest possible value.

    Returns
    -------
    float
        ``10 log10(width**2 / mean((image - other)**2))``; infinity for equal pictures.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    xp = arrays.same_library(image=image, other=other)
    if image.shape != other.shape:
        raise ValueError(
            f"`other` must have the shape of `image`, {image.shape}, got {other.shape}"
        )
    difference = xp.astype(image, xp.float64) - xp.astype(other, xp.float64)
    error = float(xp.mean(difference**2))
    width = float(data_range[1]) - float(data_range[0])
    return math.inf if error == 0 else 10 * math.log10(width**2 / error)
