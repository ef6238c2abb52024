"""Displacements between two pixels of an image, and sums over all pairs that are so far apart."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.metrics.common import fast_length


@dataclass(frozen=True)
class Displacements:
    """All displacements along some axes of an image, up to a number of steps along each.

    Attributes
    ----------
    shape : tuple of int
        Sides of the image.
    axes : tuple of int
        Axes along which pixels of a pair may differ; along the others they are the same.
    reach : int
        Largest number of steps along each axis.
    wraps : tuple of bool
        Whether each axis of the image wraps around. Of the ways around the shortest counts.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    reach: int
    wraps: tuple[bool, ...]

    @functools.cached_property
    def steps(self) -> list[Any]:
        """Steps along each of the axes, ascending; half of a periodic side counts once."""
        found = []
        for axis in self.axes:
            side = self.shape[axis]
            back, ahead = ((side - 1) // 2, side // 2) if self.wraps[axis] else (side - 1, side - 1)
            found.append(np.arange(-min(self.reach, back), min(self.reach, ahead) + 1))
        return found

    @functools.cached_property
    def pairs(self) -> Any:
        """Number of pairs of pixels of each displacement, float64."""
        overlaps = [
            np.full(len(steps), self.shape[axis])
            if self.wraps[axis]
            else self.shape[axis] - np.abs(steps)
            for axis, steps in zip(self.axes, self.steps, strict=True)
        ]
        others = [side for axis, side in enumerate(self.shape) if axis not in self.axes]
        product: Any = functools.reduce(np.multiply.outer, overlaps)
        return product.astype(np.float64) * float(np.prod(others))

    @functools.cached_property
    def distance(self) -> Any:
        """Length of each displacement, rounded to whole pixels, int64."""
        squares = functools.reduce(np.add.outer, [steps**2 for steps in self.steps])
        return np.rint(np.sqrt(squares)).astype(np.int64)

    def totals(self, sums: Any) -> Any:
        """Sum over the displacements of each distance, from 0 to `reach`."""
        inside = self.distance <= self.reach
        return np.bincount(self.distance[inside], weights=sums[inside], minlength=self.reach + 1)

    def of_box(self, shape: tuple[int, ...]) -> "Displacements | None":
        """Displacements inside of a smaller box, if there is only one way between its pixels."""
        sides = zip(shape, self.shape, self.wraps, strict=True)
        if any(wraps and 2 * side > whole for side, whole, wraps in sides):
            return None
        return Displacements(shape, self.axes, self.reach, (False,) * len(shape))

    def window(self, part: "Displacements") -> tuple[slice, ...]:
        """Positions of the displacements of a part among these."""
        return tuple(
            slice(int(inner[0] - outer[0]), int(inner[-1] - outer[0]) + 1)
            for outer, inner in zip(self.steps, part.steps, strict=True)
        )


def pair_sums(first: Array, second: Array, grid: Displacements) -> Any:
    """Sum of ``first[x] * second[x + h]`` over all pairs, for each displacement h.

    Parameters
    ----------
    first, second : arrays of the shape of `grid`, float64
    grid : Displacements

    Returns
    -------
    float64 NumPy array of the shape of ``grid.pairs``
        By FFT, padded along axes that do not wrap around: with errors of rounding.
    """
    xp = arrays.namespace(first)
    # Padded to this, displacements do not reach round to the other side.
    lengths = tuple(
        grid.shape[axis] if grid.wraps[axis] else fast_length(grid.shape[axis] + int(steps[-1]))
        for axis, steps in zip(grid.axes, grid.steps, strict=True)
    )
    spectrum = xp.fft.rfftn(first, s=lengths, axes=grid.axes)
    if second is first:
        product = xp.abs(spectrum) ** 2
    else:
        product = xp.conj(spectrum) * xp.fft.rfftn(second, s=lengths, axes=grid.axes)
    sums = xp.fft.irfftn(product, s=lengths, axes=grid.axes)
    for axis, length, steps in zip(grid.axes, lengths, grid.steps, strict=True):
        sums = xp.take(sums, xp.asarray(steps % length), axis=axis)
    for axis in reversed([each for each in range(first.ndim) if each not in grid.axes]):
        sums = xp.sum(sums, axis=axis)
    return arrays.on_host(sums)


def pair_counts(inside: Array, grid: Displacements) -> Any:
    """Pairs of pixels that are both inside, for each displacement; exact whole numbers."""
    values = arrays.namespace(inside).astype(inside, np.float64)
    return np.rint(pair_sums(values, values, grid))


def all_axes(axis: int | None, count: int) -> tuple[int, ...]:
    """Axes that displacements have: one, or all of an image."""
    return tuple(range(count)) if axis is None else (axis,)


def ratio(numerators: Any, denominators: Any) -> Any:
    """Quotients, NaN where both are zero."""
    found = np.full(np.shape(numerators), np.nan)
    return np.divide(numerators, denominators, out=found, where=np.asarray(denominators) > 0)
