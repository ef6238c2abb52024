"""Sources of which only some pixels are known: their pyramids, and the levels that they allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.pyramids import enlarge_valid, planes_pyramid, valid_pyramid
from pnncupy.searching import windows_all
from pnncupy.synthesis import Source

_HALF = 0.5


@dataclass(frozen=True)
class KnownParts:
    """Levels of a picture, made of its known pixels only.

    Attributes
    ----------
    pictures : sequence of (C, h, w) float32
        Where nothing is known, what stands there in the picture, resized.
    shares : sequence of (h, w) float32
        Share of known pixels in each, 0 to 1.
    """

    pictures: Sequence[Array]
    shares: Sequence[Array]

    @classmethod
    def of(cls, planes: Array, known: Array, levels: int, ratio: float) -> "KnownParts":
        """The levels of a planar picture with a bool mask of known pixels."""
        xp = arrays.namespace(planes)
        pictures, shares = valid_pyramid(planes, known, levels, ratio)
        whole = planes_pyramid(planes, levels, ratio)
        filled = [
            xp.where(share > 0, picture, other)
            for picture, share, other in zip(pictures, shares, whole, strict=True)
        ]
        return cls(filled, shares)

    @property
    def usable(self) -> list[Array]:
        """Pixels that patches may contain, level by level: more than half of them is known."""
        return [share > _HALF for share in self.shares]

    def source(self, ratio: float, levels: int) -> Source:
        """The picture as a source, down to a level."""
        count = levels + 1
        pictures = self.pictures[:count]
        return Source(pictures, self._blurred(ratio, count), self.usable[:count])

    def _blurred(self, ratio: float, count: int) -> list[Array]:
        """Each level but the coarsest as the next coarser one enlarged, of known pixels only."""
        xp = arrays.namespace(self.pictures[0])
        levels = []
        for level, finer in enumerate(self.pictures[: count - 1]):
            enlarged, share = enlarge_valid(
                self.pictures[level + 1], self.shares[level + 1], ratio, finer.shape[1:]
            )
            # Where nothing known is near at the coarser level, the finer one itself.
            levels.append(xp.where(share > 0, enlarged, finer))
        return levels


def usable_levels(
    what: str, usable: Sequence[Sequence[Array]], patch_size: int, levels: int, *, given: bool
) -> int:
    """As many levels as leave a usable patch in some source at each of them.

    `usable` holds the masks of each source, level by level; a `given` number has to fit. `what`
    begins the message.
    """
    for level in range(levels + 1):
        if any(bool(windows_all(masks[level], patch_size).any()) for masks in usable):
            continue
        if level > 0 and not given:
            return level - 1
        remedy = f"at most {level - 1} levels would work" if level else "no number of levels works"
        raise ValueError(
            f"{what} must leave a patch of {patch_size} x {patch_size} known pixels, got none at "
            f"level {level}; {remedy}"
        )
    return levels
