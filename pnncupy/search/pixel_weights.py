"""Weights of query pixels: some of them count more in every distance.

Searches compare plain squared differences. Here every pixel becomes a vector of one length R by
one more plane, ``u = (x, sqrt(R**2 - |x|**2))``, and a query pixel of weight w is multiplied by w:

    |w u_q - u_k|**2 = w |u_q - u_k|**2 + (w - 1)**2 R**2

The last term is the same for all keys, so that any search finds the keys of the smallest weighted
distance. R is twice the largest length of an x, where ``|u_q - u_k|**2`` is at most a third more
than ``|x_q - x_k|**2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

# Length of the vectors over the largest length without the additional plane.
_STRETCH = 2.0


@dataclass(frozen=True)
class PixelWeights:
    """Weights of the pixels of results, level by level.

    Attributes
    ----------
    centre : (C, 1, 1) float32
        Subtracted from all planes.
    squared_radius : float
        R**2.
    weights : sequence of (h, w) float32
        At least 0; 1 is what the pixels of other searches count.
    """

    centre: Array
    squared_radius: float
    weights: Sequence[Array]

    @classmethod
    def of(cls, low: Sequence[float], high: Sequence[float], weights: Sequence[Array]) -> (
        "PixelWeights"
    ):  # fmt: skip
        """Weights for planes whose values are from `low` to `high`, one of each for a plane."""
        axes = weights[0].ndim
        ends = np.asarray([low, high], np.float64)
        half = (ends[1] - ends[0]) / 2
        centre = ends.mean(axis=0).astype(np.float32).reshape(-1, *(1,) * axes)
        return cls(
            arrays.like(centre, weights[0]), float(_STRETCH**2 * (half**2).sum()), weights
        )  # fmt: skip

    def key(self, planes: Array) -> Array:
        """Planes (C, h, w) as vectors of one length, (C+1, h, w)."""
        xp = arrays.namespace(planes)
        axis = -self.centre.ndim
        centred = planes - self.centre
        # Plane by plane: libraries have sums of different orders.
        first, *others = xp.moveaxis(centred, axis, 0)
        total = first * first
        for plane in others:
            total = total + plane * plane
        radius = xp.asarray(self.squared_radius, dtype=xp.float32)
        # Resized images may pass the range a little.
        rest = xp.sqrt(xp.maximum(radius - total, xp.zeros_like(total)))
        return xp.concat([centred, xp.expand_dims(rest, axis=axis)], axis=axis)

    def queries(self, images: Array, level: int) -> Array:
        """Images (B, C, h, w) of a level, weighted, (B, C+1, h, w)."""
        return self.key(images) * self.weights[level]
