"""Sources of which only some pixels are known: their pyramids, and the levels that they allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.planes import side_words
from pnncupy.images.pyramid import (
    Ratio,
    enlarge_valid,
    more_than_half,
    planes_pyramid,
    valid_pyramid,
    valid_shares,
)
from pnncupy.patch_shape import PatchSize
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.synthesis.problem import Source


@dataclass(frozen=True)
class MaskedPyramid:
    """Image pyramid with a valid mask, of the known pixels only.

    Attributes
    ----------
    images : sequence of (C, h, w) float32
        Where nothing is known, the image itself, resized.
    weights : sequence of (h, w) float32
        What their pixels count when they are resized, 0 to 1.
    shares : sequence of (h, w) float64
        Share of known pixels in each, see `valid_shares`.
    periodic : tuple of bool
        Axes along which the image wraps around; empty for none.
    """

    images: Sequence[Array]
    weights: Sequence[Array]
    shares: Sequence[Array]
    periodic: tuple[bool, ...] = ()

    @classmethod
    def of(
        cls,
        planes: Array,
        known: Array,
        levels: int,
        ratio: Ratio,
        periodic: tuple[bool, ...] = (),
    ) -> "MaskedPyramid":
        """The levels of a planar image with a bool mask of known pixels."""
        xp = arrays.namespace(planes)
        shares = valid_shares(known, levels, ratio, periodic)
        images, weights = valid_pyramid(planes, shares, ratio, periodic)
        whole = planes_pyramid(planes, levels, ratio, periodic)
        filled = [
            xp.where(share > 0, image, other)
            for image, share, other in zip(images, shares, whole, strict=True)
        ]
        return cls(filled, weights, shares, periodic)

    @property
    def usable(self) -> list[Array]:
        """Pixels that patches may contain, level by level: more than half of them is known."""
        return [more_than_half(share) for share in self.shares]

    def source(self, ratio: Ratio, levels: int) -> Source:
        """The image as a source, down to a level."""
        count = levels + 1
        images = self.images[:count]
        return Source(images, self._blurred(ratio, count), self.usable[:count])

    def _blurred(self, ratio: Ratio, count: int) -> list[Array]:
        """Each level but the coarsest as the next coarser one enlarged, of known pixels only."""
        xp = arrays.namespace(self.images[0])
        levels = []
        for level, finer in enumerate(self.images[: count - 1]):
            enlarged, near = enlarge_valid(
                self.images[level + 1], self.weights[level + 1], self.shares[level + 1], ratio,
                finer.shape[1:], self.periodic,
            )  # fmt: skip
            # Where nothing known is near at the coarser level, the finer one itself.
            levels.append(xp.where(near, enlarged, finer))
        return levels


def usable_levels(
    what: str,
    usable: Sequence[Sequence[Array]],
    patch_size: PatchSize,
    levels: int,
    *,
    given: bool,
    periodic: tuple[bool, ...] = (),
) -> int:
    """As many levels as leave a usable patch in some source at each of them.

    `usable` holds the masks of each source, level by level; a `given` number has to fit. `what`
    begins the message.
    """
    for level in range(levels + 1):
        at_level = [masks[level] for masks in usable]
        grids = [PatchGrid.of_shape(mask.shape, patch_size, periodic) for mask in at_level]
        if any(bool(grid.inside(mask).any()) for grid, mask in zip(grids, at_level, strict=True)):
            continue
        if level > 0 and not given:
            return level - 1
        remedy = f"at most {level - 1} levels would work" if level else "no number of levels works"
        raise ValueError(
            f"{what} must leave a patch of {side_words(grids[0].patch_shape)} known pixels, got "
            f"none at level {level}; {remedy}"
        )
    return levels
