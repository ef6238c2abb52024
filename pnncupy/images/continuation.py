"""Smooth continuation of an image into its holes."""

from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

# Sums of a factorisation may differ in their last bits between processors; results must not.
_STEP = 2.0**-18


def smooth_continuation(planes: Array, hole: Array, periodic: tuple[bool, ...] = ()) -> Array:
    """Fill holes biharmonically: with the smoothest values that continue those around.

    Minimises the squared Laplacian of all pixels in the hole and beside it, so that values and
    slopes pass over the border (Damelin and Hoang 2018, doi:10.1155/2018/3950312).

    Parameters
    ----------
    planes : (C, H, W) float32, or a volume
        Values in the hole do not matter.
    hole : (H, W) bool
        Of any number of parts. Each has known pixels beside it, or the others have.
    periodic : tuple of bool
        Axes along which the image wraps around; empty for none.

    Returns
    -------
    (C, H, W) float32
        The same outside of the hole; within, at most the range of the known values.

    Notes
    -----
    One sparse factorisation on the host for all channels: O(n) for n pixels of thin holes,
    O(n**1.5) for wide ones.
    """
    xp = arrays.namespace(planes)
    where = arrays.on_host(hole)
    if not where.any() or where.all():
        return planes
    values = arrays.on_host(planes).astype(np.float64)
    filled = _solved(values, where, periodic or (False,) * where.ndim)
    known = values[:, ~where]
    low, high = (known.min(axis=1), known.max(axis=1))
    filled = np.clip(np.round(filled / _STEP) * _STEP, low[:, None], high[:, None])
    values[:, where] = filled
    return xp.where(hole, arrays.like(values.astype(np.float32), planes), planes)


def _solved(values: Any, hole: Any, periodic: tuple[bool, ...]) -> Any:
    """Values of the hole's pixels, (C, n)."""
    from scipy.sparse.linalg import spsolve

    laplacian = _laplacian(_near(hole, periodic), periodic)
    inside = np.flatnonzero(hole.ravel())
    outside = np.flatnonzero(~hole.ravel())
    energy = (laplacian.T @ laplacian).tocsc()
    rows = energy[inside]
    right = -(rows[:, outside] @ values.reshape(len(values), -1)[:, outside].T)
    solved = spsolve(rows[:, inside].tocsc(), right)
    return np.asarray(solved).reshape(len(inside), -1).T


def _near(hole: Any, periodic: tuple[bool, ...]) -> Any:
    """The hole and the pixels beside it."""
    near = hole.copy()
    for one, other in _neighbours(hole.ndim, periodic):
        near[one] |= hole[other]
        near[other] |= hole[one]
    return near


def _neighbours(axes: int, periodic: tuple[bool, ...]) -> Any:
    """Pairs of boxes of pixels that are neighbours along an axis, across a periodic border too."""
    for axis, wraps in zip(range(axes), periodic, strict=True):
        before: tuple[Any, ...] = (slice(None),) * axis
        yield (*before, slice(1, None)), (*before, slice(None, -1))
        if wraps:
            yield (*before, slice(0, 1)), (*before, slice(-1, None))


def _laplacian(rows_of: Any, periodic: tuple[bool, ...]) -> Any:
    """Differences of these pixels (H, W) to their neighbours, a row each; none beyond the image."""
    from scipy.sparse import coo_array, dia_array

    numbers = np.arange(rows_of.size).reshape(rows_of.shape)
    starts, ends = [], []
    for first, second in _neighbours(rows_of.ndim, periodic):
        one, other = numbers[first], numbers[second]
        starts += [one.ravel(), other.ravel()]
        ends += [other.ravel(), one.ravel()]
    start, end = np.concatenate(starts), np.concatenate(ends)
    wanted = rows_of.ravel()[start]
    start, end = start[wanted], end[wanted]
    size = rows_of.size
    links = coo_array((np.ones(start.size), (start, end)), shape=(size, size)).tocsr()
    degrees = np.bincount(start, minlength=size).astype(np.float64)
    return (links - dia_array((degrees[None], [0]), shape=(size, size))).tocsr()
