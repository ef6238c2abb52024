"""Stationarity of a texture: the same statistics everywhere, so that it has no layout to keep."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import patch_sides

_BLOCKS = 4
# A scene's sky and ground differ in their means, its parts in their contrast. Of 50 photographs of
# scenes none is below (the nearest at .138 and .196); gravel, brick, grass and a two-phase
# microstructure are (at most .045 and .107).
_LARGEST_SHARE, _LARGEST_SPREAD = 0.10, 0.15


class Stationarity(NamedTuple):
    """Differences between the blocks of an image, a grid of 4 x 4 (of a volume, 4 x 4 x 4).

    Attributes
    ----------
    mean_share : float
        Share of the variance between the means of the blocks, 0 to 1.
    std_spread : float
        Standard deviation of the blocks' standard deviations over their mean; 0 of labels, where
        deviations follow from the means.
    """

    mean_share: float
    std_spread: float

    @property
    def is_stationary(self) -> bool:
        """Test whether all blocks look alike."""
        return self.mean_share <= _LARGEST_SHARE and self.std_spread <= _LARGEST_SPREAD


def stationarity(
    images: Sequence[Array],
    known: Sequence[Array | None],
    smallest_block: int | tuple[int, ...],
    *,
    labels: bool,
) -> Stationarity | None:
    """Measure how much the blocks of images differ, those of all images together.

    Parameters
    ----------
    images : sequence of (C, H, W) arrays
        Intensities, whose channels are averaged, or labels, each of which is measured: the largest
        differences count.
    known : sequence of (H, W) bool arrays or None
        Pixels that are not missing.
    smallest_block : int, or one for each axis
        Least side of a block in pixels.
    labels : bool

    Returns
    -------
    Stationarity or None
        None where blocks would be smaller, or hold nothing known.
    """
    for image in images:
        least = patch_sides(smallest_block, image.ndim - 1)
        if any(side < _BLOCKS * own for side, own in zip(image.shape[1:], least, strict=True)):
            return None
    planes = [arrays.on_host(image) for image in images]
    masks = [None if mask is None else arrays.on_host(mask) for mask in known]
    found = [
        _differences([each for pair in zip(layer, masks, strict=True) for each in _blocks(*pair)])
        for layer in _layers(planes, labels)
    ]
    if None in found:
        return None
    measured = [each for each in found if each is not None]
    spread = 0.0 if labels else max(each.std_spread for each in measured)
    return Stationarity(max(each.mean_share for each in measured), spread)


def _layers(planes: Sequence[Any], labels: bool) -> Iterator[list[Any]]:
    """Grey images, or for each label the images of its places."""
    if not labels:
        yield [image.mean(axis=0, dtype=np.float64) for image in planes]
        return
    for label in np.unique(np.concatenate([image.ravel() for image in planes])):
        yield [(image[0] == label).astype(np.float64) for image in planes]


def _blocks(image: Any, known: Any) -> Iterator[Any]:
    """Known values of each block of an image (H, W)."""
    sides = [side // _BLOCKS for side in image.shape]
    for block in np.ndindex((_BLOCKS,) * image.ndim):
        place = tuple(
            slice(number * side, (number + 1) * side)
            for number, side in zip(block, sides, strict=True)
        )
        yield image[place] if known is None else image[place][known[place]]


def _differences(blocks: Sequence[Any]) -> Stationarity | None:
    if any(block.size < 2 for block in blocks):
        return None
    sizes, means, stds = (
        np.array([measure(block) for block in blocks]) for measure in (np.size, np.mean, np.std)
    )
    between = (means - np.average(means, weights=sizes)) ** 2
    variance = np.average(stds**2 + between, weights=sizes)
    if not (variance > 0 and stds.mean() > 0):
        return None
    return Stationarity(float(means.var() / variance), float(stds.std() / stds.mean()))
