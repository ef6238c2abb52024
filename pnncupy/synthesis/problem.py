"""Problem of a synthesis: sources, fixed pixels, and the size of the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.search.exact import SearchSettings
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patch_metric import PatchMetric
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule


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
        True where a pixel is fixed.
    starts : mapping of level to ((h, w) bool, (C, h, w) float32)
        Pixels that begin at this level, below the coarsest, and their first values.
    """

    pyramid: Sequence[Array]
    masks: Sequence[Array]
    starts: Mapping[int, tuple[Array, Array]] = field(default_factory=dict)

    def apply(self, images: Array, level: int) -> Array:
        """Images (B, C, h, w) of a level with the fixed pixels in their place."""
        xp = arrays.namespace(images)
        return xp.where(self.masks[level], self.pyramid[level], images)

    def begin(self, images: Array, level: int) -> Array:
        """Images (B, C, h, w) of a level, before its first step, with the pixels that begin."""
        if level not in self.starts:
            return images
        where, values = self.starts[level]
        return arrays.namespace(images).where(where, values, images)


@dataclass(frozen=True)
class SynthesisProblem:
    """Problem that a task prepares for the coarse-to-fine loop.

    Attributes
    ----------
    sources : sequence of Source
    shape : (int, int)
        Height and width of a result.
    fixed : FixedPixels or None
    metric : PatchMetric
        What patches are compared by.
    copied : (H, W) bool or None
        Pixels of the result that are copied from the patch around them in the end, not averaged.
    periodic, source_periodic : tuple of bool
        Axes along which the result, and the sources, wrap around; empty for none.
    fractions : sequence of floats or None
        Shares of the labels that a result is to have, one for each plane.
    """

    sources: Sequence[Source]
    shape: tuple[int, ...]
    fixed: FixedPixels | None = None
    metric: PatchMetric = field(default_factory=PatchMetric)
    copied: Array | None = None
    periodic: tuple[bool, ...] = ()
    source_periodic: tuple[bool, ...] = ()
    fractions: Sequence[float] | None = None

    def keys(self, level: int, kind: str) -> list[Array]:
        """Key images of a level, one for each source; see `Source`."""
        found = []
        for number, source in enumerate(self.sources):
            planes = source.sharp[level] if kind == "sharp" else source.blurred[level]
            compared = self.metric.key(planes, number, level)
            found.append(source.without_unusable(compared, level))
        return found

    def queries(self, images: Array, level: int) -> Array:
        """Images (B, C, h, w) of a level, as they are compared."""
        return self.metric.queries(images, level)


@dataclass(frozen=True)
class SynthesisRun:
    """One run of the coarse-to-fine loop.

    Attributes
    ----------
    problem : SynthesisProblem
    schedule : Schedule
        What happens at which level.
    settings : SearchSettings
        How patches are searched.
    reporter : ProgressReporter
        Receives the progress.
    """

    problem: SynthesisProblem
    schedule: Schedule
    settings: SearchSettings
    reporter: ProgressReporter

    def shape(self, level: int) -> tuple[int, ...]:
        """Height and width of a result at a level."""
        return self.schedule.shape(self.problem.shape, level)

    def grid(self, shape: Sequence[int]) -> PatchGrid:
        """Patches of a result of this shape."""
        return PatchGrid.of_shape(shape, self.settings.patch_size, self.problem.periodic)

    def keys(self, level: int, kind: str) -> list[Array]:
        """Key images of a level, wrapped where sources are periodic."""
        return self._wrapped(self.problem.keys(level, kind))

    def values(self, level: int) -> list[Array]:
        """Value images of a level, wrapped as the keys are."""
        return self._wrapped([source.sharp[level] for source in self.problem.sources])

    def layout(self, level: int, kinds: int = 1) -> Layout:
        """Layout of the values of a level, or of the keys of several kinds."""
        shapes = tuple(
            self._source_grid(source.sharp[level].shape[1:]).wrapped_shape()
            for source in self.problem.sources
        )
        return Layout(shapes * kinds)

    def _wrapped(self, images: Sequence[Array]) -> list[Array]:
        return [self._source_grid(image.shape[1:]).wrapped(image) for image in images]

    def _source_grid(self, shape: Sequence[int]) -> PatchGrid:
        size = self.settings.patch_size
        return PatchGrid.of_shape(shape, size, self.problem.source_periodic)
