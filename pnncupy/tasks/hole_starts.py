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
from pnncupy.search.patch_grid import PatchGrid
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
    """

    labels: Any
    squares: tuple[int, ...]
    side: int
    ratio: float

    @classmethod
    def of(cls, hole: Array, patch_size: PatchSize, ratio: Ratio) -> "HoleWidths":
        """Measure the holes of a bool mask, connected along its axes and all diagonals."""
        from scipy.ndimage import find_objects, label

        axes = hole.ndim
        sides, ratios = patch_sides(patch_size, axes), axis_ratios(ratio, axes)
        counted = [side if factor < 1 else 0 for side, factor in zip(sides, ratios, strict=True)]
        labels, count = label(arrays.on_host(hole), np.ones((3,) * axes))
        boxes = find_objects(labels, count)
        squares = tuple(
            largest_square(labels[box] == number, counted) for number, box in enumerate(boxes, 1)
        )
        longest = max(counted)
        return cls(labels, squares, longest, ratios[counted.index(longest)])

    def narrower_than_a_patch(self) -> Any:
        """Pixels of holes whose largest square is smaller than a patch, (H, W) bool."""
        return np.array([False, *(square < self.side for square in self.squares)])[self.labels]

    def interior(self, margin: int) -> Any:
        """Pixels of holes as wide as a patch, but those near known ones."""
        from scipy.ndimage import binary_erosion

        wide = (self.labels > 0) & ~self.narrower_than_a_patch()
        return binary_erosion(wide, iterations=margin, border_value=1) & wide

    def levels(self) -> list[int]:
        """The level of each hole at which its largest square is about one patch."""
        return [wanted_levels(square, self.side, self.ratio) for square in self.squares]


def wanted_levels(square: int, patch_size: int, ratio: float) -> int:
    """The depth at which a square in a hole is about one patch."""
    if not square:
        return 0
    return max(0, round(math.log(patch_size / square) / math.log(ratio)))


def largest_square(mask: Array, proportions: Sequence[int] = ()) -> int:
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
        return bool(PatchGrid.of_shape(mask.shape, shape).inside(mask).any())

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
                _covered(part, level, ratio, unknown)
                for part in (depth >= level, depth > level, (depth >= 0) & smooth)
            )
            waiting.append(unknown & ~begun)
            beginning.append(unknown & begun & ~finer & continued)
            is_needed = bool((waiting[-1] | beginning[-1]).any())
            values.append(smooth_continuation(image, unknown) if is_needed else image)
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


def _covered(part: Any, level: int, ratio: Ratio, like: Array) -> Array:
    """Pixels of a level that pixels (H, W) cover at least in part."""
    return valid_shares(arrays.like(part, like), level, ratio)[-1] > 0
