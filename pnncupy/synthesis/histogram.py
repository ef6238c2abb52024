"""Matching of the values of a volume to those of an image, rank by rank."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

_ROUNDS = 20
# All of the way sets single pixels where a label is rare; less leaves it lost at coarse levels,
# from which it does not come back.
_WAY_OF_CONSTANTS, _WAY_OF_PIXELS = 0.5, 0.75


class FixedLabels(NamedTuple):
    """Pixels (H, W) whose labels stay, and the planes (K, H, W) that hold these."""

    mask: Array
    values: Array


def matched_values(values: Array, reference: Array) -> Array:
    """Replace values by those of the same rank in a reference, which gives them its histogram.

    Equal values stay equal: they take the value in the middle of their ranks, so that each result
    is a value of the reference.

    Parameters
    ----------
    values : float32 array
    reference : (M,) float32
        Sorted.

    Returns
    -------
    float32 array of the shape of `values`
    """
    xp = arrays.namespace(values)
    flat = values.reshape(-1)
    order = xp.argsort(flat)
    ranked = flat[order]
    below = xp.searchsorted(ranked, ranked, side="left")
    within = xp.searchsorted(ranked, ranked, side="right")
    middle = (below + within) * reference.shape[0] // (2 * flat.shape[0])
    result = xp.empty_like(flat)
    result[order] = reference[middle]
    return result.reshape(values.shape)


def decorrelated(planes: Array) -> Array:
    """Rotate channels (C, ...) to their cosines: the mean first, then contrasts.

    For three channels these are the axes of Ohta et al. 1980, doi:10.1016/0146-664X(80)90047-7,
    on which the colours of photographs are nearly uncorrelated.
    """
    return _combined(planes, _cosines(len(planes)))


def correlated(planes: Array) -> Array:
    """Undo `decorrelated`."""
    count = len(planes)
    waves = _cosines(count)
    return _combined(planes, [[waves[row][column] for row in range(count)]
                              for column in range(count)])  # fmt: skip


def _cosines(count: int) -> list[list[float]]:
    """The orthonormal discrete cosine transform (type 2), a row each."""
    return [
        [
            math.sqrt((2 if wave else 1) / count)
            * math.cos(math.pi * wave * (2 * place + 1) / (2 * count))
            for place in range(count)
        ]
        for wave in range(count)
    ]


def _combined(planes: Array, factors: Sequence[Sequence[float]]) -> Array:
    """Combine planes linearly, summed in a fixed order."""
    if len(planes) == 1:
        return planes
    xp = arrays.namespace(planes)
    rows = []
    for row in factors:
        total = planes[0] * np.float32(row[0])
        for factor, plane in zip(row[1:], planes[1:], strict=True):
            total = total + plane * np.float32(factor)
        rows.append(total)
    return xp.stack(rows)


class HistogramTarget:
    """The values that a volume is to have.

    Parameters
    ----------
    pixels : (C, M) float32
        Those of the images.
    labels : bool
        Planes are shares of labels, which are matched one by one; intensities are decorrelated
        first.
    """

    def __init__(self, pixels: Array, *, labels: bool):
        xp = arrays.namespace(pixels)
        self._labels = labels
        axes = pixels if labels else decorrelated(pixels)
        self._sorted = [xp.sort(plane) for plane in axes]

    def matched(self, volume: Array, share: float = 1.0) -> Array:
        """Move the values of a volume (C, Z, Y, X) by a share of the way to the histogram."""
        xp = arrays.namespace(volume)
        axes = volume if self._labels else decorrelated(volume)
        new = xp.stack(
            [matched_values(plane, own) for plane, own in zip(axes, self._sorted, strict=True)]
        )
        if share < 1:
            new = axes + (new - axes) * np.float32(share)
        return new if self._labels else correlated(new)

    @property
    def shares(self) -> list[float]:
        """Mean of each plane: for labels their shares."""
        return [float(arrays.on_host(plane).mean(dtype=np.float64)) for plane in self._sorted]


def balanced(votes: Array, shares: Sequence[float]) -> Array:
    """Add a constant to the votes of each label, so that the most voted have given shares.

    Parameters
    ----------
    votes : (K, Z, Y, X) float32
    shares : K floats
        They add up to 1.

    Returns
    -------
    float32 array of the shape of `votes`

    Notes
    -----
    The constants are found one after the other, several times: each so that its label wins in its
    share of the voxels while the other constants stay. Equal votes stay equal, so that shares are
    only as near as these allow.
    """
    plain = arrays.on_host(votes).reshape(len(votes), -1)
    if len(plain) == 1:
        return votes
    shifted = plain.copy()
    for _ in range(_ROUNDS):
        before = shifted[:, 0].copy()
        for label, share in enumerate(shares):
            others = np.delete(shifted, label, axis=0).max(axis=0)
            constant = _threshold(others - plain[label], share)
            shifted[label] = plain[label] + constant
        if np.array_equal(before, shifted[:, 0]):
            break
    return arrays.like(np.ascontiguousarray(shifted.reshape(votes.shape)), votes)


def _threshold(margin: Array, share: float) -> np.float32:
    """A value that a share of the margins is below; of equal margins all are, or none."""
    wanted = round(share * margin.size)
    if 0 < wanted < margin.size:
        # Between the last winner and the first loser.
        last, first = np.partition(margin, [wanted - 1, wanted])[wanted - 1 : wanted + 1]
        if last < first:
            return np.float32((last + first) / np.float32(2))
        below = np.count_nonzero(margin < first)
        up_to = np.count_nonzero(margin <= first)
        wanted = below if wanted - below <= up_to - wanted else up_to
        if 0 < wanted < margin.size:
            last, first = np.partition(margin, [wanted - 1, wanted])[wanted - 1 : wanted + 1]
            return np.float32((last + first) / np.float32(2))
    one = np.float32(1)
    return np.float32(margin.min() - one if wanted == 0 else margin.max() + one)


def balanced_towards(
    votes: Array, shares: Sequence[float], fixed: FixedLabels | None = None, *,
    locally: bool = False, completely: bool = False,
) -> Array:  # fmt: skip
    """Move votes towards those that give labels their shares, where pixels are not fixed.

    Parameters
    ----------
    votes : (K, H, W) float32
    shares : K floats
        Wanted in the whole image.
    fixed : FixedLabels, optional
    locally : bool
        Move only pixels whose label changes: where labels are compared as points of which some are
        between others, a constant of one label would favour its neighbours too.
    completely : bool
        So that the largest votes have the shares; else the votes are only moved towards that.
    """
    move = _moved_locally if locally else _moved
    if fixed is None:
        flat = votes.reshape(len(votes), -1)
        return move(flat, shares, completely).reshape(votes.shape)
    if bool(fixed.mask.all()):
        return votes
    result = votes.copy()
    free = votes[:, ~fixed.mask]
    wanted = _shares_of_free(shares, fixed.values[:, fixed.mask], int(free.shape[1]))
    result[:, ~fixed.mask] = move(free, wanted, completely)
    return result


def _moved(votes: Array, shares: Sequence[float], completely: bool) -> Array:
    """Votes (K, M) plus constants with a mean of 0 over the pixels' labels."""
    xp = arrays.namespace(votes)
    constants = arrays.on_host((balanced(votes, shares) - votes)[:, 0]).astype(np.float64)
    mean = math.fsum(share * each for share, each in zip(shares, constants.tolist(), strict=True))
    way = 1.0 if completely else _WAY_OF_CONSTANTS
    return votes + xp.asarray((way * (constants - mean)).astype(np.float32)[:, None])


def _moved_locally(votes: Array, shares: Sequence[float], completely: bool) -> Array:
    """Votes (K, M), of which those that another label has to win are moved to that label alone."""
    xp = arrays.namespace(votes)
    label = xp.argmax(balanced(votes, shares), axis=0)
    changed = label != xp.argmax(votes, axis=0)
    alone = xp.asarray(label == xp.arange(len(votes))[:, None], dtype=xp.float32)
    way = np.float32(1.0 if completely else _WAY_OF_PIXELS)
    return xp.where(changed, votes + (alone - votes) * way, votes)


def _shares_of_free(shares: Sequence[float], fixed: Array, free: int) -> list[float]:
    """Shares of labels in the pixels that are not fixed, so that all have the shares given."""
    own = np.bincount(arrays.on_host(fixed).argmax(axis=0), minlength=len(shares))
    total = free + int(own.sum())
    wanted = np.maximum(np.array(shares) * total - own, 0)
    return [float(each) for each in wanted / wanted.sum()]
