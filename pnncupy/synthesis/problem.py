"""What a synthesis is given: sources, fixed pixels, and the size of the result."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.search.patch_metric import PatchMetric


@dataclass(frozen=True)
class Source:
    """An image that patches are taken from, level by level from 0, full size.

    Attributes
    ----------
    sharp : sequence of (C, h, w) float32
        Its pyramid.
    blurred : sequence of (C, h, w) float32
        Each level but the coarsest as the next coarser one enlarged: as blurred as the queries.
    usable : sequence of (h, w) bool, or None
        Pixels that keys may contain; None is all.
    """

    sharp: Sequence[Array]
    blurred: Sequence[Array]
    usable: Sequence[Array] | None = None

    def without_unusable(self, keys: Array, level: int) -> Array:
        """Keys at a level, infinite where they must not be used."""
        if self.usable is None:
            return keys
        xp = arrays.namespace(keys)
        return xp.where(self.usable[level], keys, xp.asarray(xp.inf, dtype=xp.float32))


@dataclass(frozen=True)
class FixedPixels:
    """Pixels that a synthesis leaves as they are.

    Attributes
    ----------
    pyramid : sequence of (C, h, w) float32
        Their values, level by level.
    masks : sequence of (h, w) bool
        True where a pixel is kept.
    """

    pyramid: Sequence[Array]
    masks: Sequence[Array]

    def apply(self, picture: Array, level: int) -> Array:
        """The picture with the kept pixels in their place."""
        xp = arrays.namespace(picture)
        return xp.where(self.masks[level], self.pyramid[level], picture)


@dataclass(frozen=True)
class SynthesisProblem:
    """What a task prepares: sources, the size of a result, what is kept of it, and how many.

    Several results that are made `together` stand below each other in the loop's pictures, see
    `stacking`. `comparison` says what patches are compared by.
    """

    sources: Sequence[Source]
    shape: tuple[int, ...]
    kept: FixedPixels | None = None
    together: int = 1
    metric: PatchMetric = field(default_factory=PatchMetric)

    def keys(self, level: int, kind: str) -> list[Array]:
        """What queries are compared with at a level, for each source; see `Source`."""
        found = []
        for number, source in enumerate(self.sources):
            planes = source.sharp[level] if kind == "sharp" else source.blurred[level]
            compared = self.metric.key(planes, number, level)
            found.append(source.without_unusable(compared, level))
        return found

    def query(self, picture: Array, level: int) -> Array:
        """A picture at a level, as it is compared."""
        return self.metric.query(picture, level, self.together)
