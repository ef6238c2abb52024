"""Hard data: known pixels of a result, at every level of its pyramid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.pyramid import axis_ratios
from pnncupy.synthesis.problem import FixedPixels
from pnncupy.synthesis.schedule import Schedule


@dataclass(frozen=True)
class HardDataPyramid:
    """Known pixels of a result, level by level.

    A coarse pixel is known if the centre of a known pixel is inside of it, and has the mean of all
    that are: where these contradict each other, something between them. At level 0 all are as they
    are.

    Attributes
    ----------
    images : sequence of (C, h, w) float32
        Their values, 0 where nothing is known.
    masks : sequence of (h, w) bool
    """

    images: Sequence[Array]
    masks: Sequence[Array]

    @classmethod
    def of(
        cls, planes: Array, known: Array, schedule: Schedule, periodic: tuple[bool, ...]
    ) -> "HardDataPyramid":
        """The levels of a planar image (C, H, W) of which `known` (H, W) pixels count.

        Computed on the host, so that sums have the same bits everywhere.
        """
        at = np.nonzero(arrays.on_host(known))
        values = arrays.on_host(planes)[(slice(None), *at)].astype(np.float64)
        images, masks = [], []
        for level in range(schedule.levels + 1):
            shape = schedule.shape(known.shape, level)
            cells = coarse_positions(at, known.shape, shape, schedule, level, periodic)
            image, mask = _means(values, cells, shape)
            images.append(arrays.like(image, planes))
            masks.append(arrays.like(mask, planes))
        return cls(images, masks)

    def fixed(self) -> FixedPixels:
        """The known pixels as pixels that a synthesis leaves as they are."""
        return FixedPixels(self.images, self.masks)

    def weights(self, factor: float, schedule: Schedule) -> list[Array]:
        """Weights of all pixels in a distance, level by level, (h, w) float32.

        A known pixel has `factor` at level 0, and ``1 + (factor - 1) * ratio**level`` at others:
        the more pixels are below a coarse one, the less one or a few of them say about it.
        """
        sides = axis_ratios(schedule.ratio, self.masks[0].ndim)
        ratio = math.prod(sides) ** (1 / len(sides))
        xp = arrays.namespace(self.masks[0])
        found = []
        for level, mask in enumerate(self.masks):
            weight = np.float32(1 + (factor - 1) * ratio**level)
            one = xp.ones(mask.shape, dtype=xp.float32)
            found.append(xp.where(mask, one * weight, one))
        return found


def coarse_positions(
    at: Sequence[Any], shape: Sequence[int], coarse: Sequence[int], schedule: Schedule, level: int,
    periodic: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """Pixels of a level that the centres of pixels of level 0 are inside of, axis by axis.

    As in resizing, the centre of an image stays where it is, and periodic axes are stretched to the
    side.
    """
    found = []
    wraps = periodic or (False,) * len(shape)
    ratios = axis_ratios(schedule.ratio, len(shape))
    for place, side, new, ratio, wrapped in zip(at, shape, coarse, ratios, wraps, strict=True):
        scale = new / side if wrapped else ratio**level
        centre = (place + 0.5 - side / 2) * scale + new / 2
        found.append(np.clip(np.floor(centre), 0, new - 1).astype(np.int64))
    return found


def _means(values: Any, cells: Sequence[Any], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Means of values (C, n) by the cells that they are in, and which cells hold some."""
    numbers = np.ravel_multi_index(tuple(cells), shape)
    size = math.prod(shape)
    counts = np.bincount(numbers, minlength=size)
    sums = [np.bincount(numbers, weights=plane, minlength=size) for plane in values]
    means = np.stack(sums) / np.maximum(counts, 1)
    return means.reshape(-1, *shape).astype(np.float32), (counts > 0).reshape(shape)
