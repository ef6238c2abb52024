"""Start of each hole at the level that its width asks for, from a smooth continuation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.continuation import smooth_continuation
from pnncupy.images.pyramid import Ratio, axis_ratios, valid_shares
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.search.patch_grid import PatchGrid, wrap
from pnncupy.synthesis.masked_sources import MaskedPyramid
from pnncupy.synthesis.problem import FixedPixels


@dataclass(frozen=True)
class HoleWidths:
    """Connected holes and their widths.

    Attributes
    ----------
    labels : (H, W) int NumPy array
        Number of the hole of each pixel, from 1; 0 is known.
    squares : tuple of int
        Side of the largest square in each, from hole 1 on; of volumes, of the largest cube. Where
        patches have sides of different lengths, so has the box, and its longest side counts. Axes
        that keep their length do not count.
    side : int
        That of a patch.
    ratio : float
        That side at a level over that at the next finer one.
    periodic : tuple of bool
        Axes along which the image wraps around; empty for none.
    """

    labels: Any
    squares: tuple[int, ...]
    side: int
    ratio: float
    periodic: tuple[bool, ...] = ()

    @classmethod
    def of(
        cls, hole: Array, patch_size: PatchSize, ratio: Ratio, periodic: tuple[bool, ...] = ()
    ) -> "HoleWidths":
        """Measure the holes of a bool mask, connected along its axes and all diagonals.

        They are connected across the border of `periodic` axes too.
        """
        from scipy.ndimage import find_objects

        axes = hole.ndim
        sides, ratios = patch_sides(patch_size, axes), axis_ratios(ratio, axes)
        counted = [side if factor < 1 else 0 for side, factor in zip(sides, ratios, strict=True)]
        labels = _connected(arrays.on_host(hole), periodic)
        squares = []
        for number, box in enumerate(find_objects(labels), 1):
            part = labels[box] == number
            # A hole that passes over a border takes the whole side.
            wraps = tuple(
                each and side == whole
                for each, side, whole in zip(periodic, part.shape, labels.shape, strict=False)
            )
            squares.append(largest_square(part, counted, wraps))
        longest = max(counted)
        return cls(labels, tuple(squares), longest, ratios[counted.index(longest)], periodic)

    def narrower_than_a_patch(self) -> Any:
        """Pixels of holes whose largest square is smaller than a patch, (H, W) bool."""
        return np.array([False, *(square < self.side for square in self.squares)])[self.labels]

    def interior(self, margin: int) -> Any:
        """Pixels of holes as wide as a patch, but those near known ones."""
        from scipy.ndimage import binary_erosion

        wide = (self.labels > 0) & ~self.narrower_than_a_patch()
        beyond = [margin if each else 0 for each in self.periodic or (False,) * wide.ndim]
        inner = binary_erosion(wrap(wide, beyond, beyond), iterations=margin, border_value=1)
        middle = tuple(
            slice(more, more + length) for more, length in zip(beyond, wide.shape, strict=True)
        )
        return inner[middle] & wide

    def levels(self) -> list[int]:
        """The level of each hole at which its largest square is about one patch."""
        return [wanted_levels(square, self.side, self.ratio) for square in self.squares]


def wanted_levels(square: int, patch_size: int, ratio: float) -> int:
    """The depth at which a square in a hole is about one patch."""
    if not square:
        return 0
    return max(0, round(math.log(patch_size / square) / math.log(ratio)))


def _connected(hole: Any, periodic: tuple[bool, ...]) -> Any:
    """Number the connected parts of a mask, from 1 on and in the order of their first pixels."""
    from scipy.ndimage import label
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    whole = np.ones((3,) * hole.ndim)
    if not any(periodic):
        return label(hole, whole)[0]
    beyond = [int(each) for each in periodic]
    wider, count = label(wrap(hole, beyond, beyond), whole)
    # A pixel and its copies beyond the border are one.
    middle = tuple(slice(more, more + side) for more, side in zip(beyond, hole.shape, strict=True))
    pairs = [part.ravel() for part in (wrap(wider[middle], beyond, beyond), wider)]
    links = coo_array((np.ones(wider.size), pairs), shape=(count + 1, count + 1))
    numbers = connected_components(links, directed=False)[1][wider[middle]]
    _, first, inverse = np.unique(numbers[hole], return_index=True, return_inverse=True)
    labels = np.zeros(hole.shape, np.int32)
    labels[hole] = np.argsort(np.argsort(first))[inverse] + 1
    return labels


def largest_square(
    mask: Array, proportions: Sequence[int] = (), periodic: tuple[bool, ...] = ()
) -> int:
    """Longest side of the largest box of True pixels, by bisection; 0 without any.

    Its sides have these proportions, by default the same length; one of 0 is a single pixel.
    """
    sides = list(proportions) or [1] * mask.ndim
    longest = max(sides)

    def box(side: int) -> tuple[int, ...]:
        return tuple(max(1, round(side * own / longest)) for own in sides)

    def holds(side: int) -> bool:
        shape = box(side)
        if any(own > pixels for own, pixels in zip(shape, mask.shape, strict=True)):
            return False
        return bool(PatchGrid.of_shape(mask.shape, shape, periodic).inside(mask).any())

    fits, too_large = 0, max(mask.shape) + 1
    while too_large - fits > 1:
        side = (fits + too_large) // 2
        if holds(side):
            fits = side
        else:
            too_large = side
    return fits


@dataclass(frozen=True)
class HoleStarts:
    """First values of holes that are continued smoothly, level by level from 0.

    Attributes
    ----------
    values : sequence of (C, h, w) float32
        The image with its holes continued; the image itself where no hole needs it.
    waiting : sequence of (h, w) bool
        Pixels of holes that begin at a finer level.
    beginning : sequence of (h, w) bool
        Pixels of holes that begin at the level.
    """

    values: Sequence[Array]
    waiting: Sequence[Array]
    beginning: Sequence[Array]

    @classmethod
    def of(
        cls, masked: MaskedPyramid, widths: HoleWidths, own: Sequence[int], smooth: Any,
        ratio: Ratio,
    ) -> "HoleStarts":  # fmt: skip
        """Plan the starts.

        Parameters
        ----------
        masked : MaskedPyramid
        widths : HoleWidths
        own : sequence of int
            The level of each hole, at most the coarsest.
        smooth : (H, W) bool NumPy array
            Pixels of holes that are continued; other holes begin at the coarsest level.
        ratio : float, or one for each axis
        """
        coarsest = len(masked.images) - 1
        depth = np.array([-1, *own])[widths.labels]
        depth[(depth >= 0) & ~smooth] = coarsest
        values, waiting, beginning = [], [], []
        for level, image in enumerate(masked.images):
            unknown = ~masked.usable[level]
            begun, finer, continued = (
                _covered(part, level, ratio, unknown, masked.periodic)
                for part in (depth >= level, depth > level, (depth >= 0) & smooth)
            )
            waiting.append(unknown & ~begun)
            beginning.append(unknown & begun & ~finer & continued)
            is_needed = bool((waiting[-1] | beginning[-1]).any())
            values.append(
                smooth_continuation(image, unknown, masked.periodic) if is_needed else image
            )
        return cls(values, waiting, beginning)

    def guess(self, guess: Array) -> Array:
        """A guess (C, h, w) of the coarsest level, with the holes that are continued."""
        xp = arrays.namespace(guess)
        return xp.where(self.waiting[-1] | self.beginning[-1], self.values[-1], guess)

    def fixed(self, masked: MaskedPyramid) -> FixedPixels:
        """The known pixels, the holes that wait, and what they begin with below the coarsest."""
        xp = arrays.namespace(masked.images[0])
        levels = zip(self.waiting, self.values, masked.images, masked.usable, strict=True)
        kept = [
            (xp.where(waiting, value, image), usable | waiting)
            for waiting, value, image, usable in levels
        ]
        starts = {
            level: (self.beginning[level], self.values[level])
            for level in range(len(self.values) - 1)
            if bool(self.beginning[level].any())
        }
        return FixedPixels([image for image, _ in kept], [mask for _, mask in kept], starts)


def _covered(part: Any, level: int, ratio: Ratio, like: Array, periodic: tuple[bool, ...]) -> Array:
    """Pixels of a level that pixels (H, W) cover at least in part."""
    return valid_shares(arrays.like(part, like), level, ratio, periodic)[-1] > 0
