"""The memory of a synthesis, and ways to take less.

The numbers are fitted to the growth of processes (`python -m bench memory`), with a margin.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pnncupy.memory_limit import in_words
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.search.method import is_approximate
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patchmatch import BORDER
from pnncupy.synthesis.schedule import Schedule

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Bytes:
    """Bytes for each pixel: a fixed part, one for each plane, and one where alpha is finite."""

    fixed: int
    plane: int
    normalised: int = 0

    def of(self, pixels: int, planes: int, normalised: bool) -> int:
        return pixels * (self.fixed + self.plane * planes + self.normalised * normalised)


# Whatever the size.
_BASE = 1_250_000
# Results lie among what was freed between them, which the allocator cannot always give back.
_BETWEEN_RESULTS = 1 / 32
# For each thread but the first: its stack and a tile of queries.
_THREAD = _Bytes(300_000, 80_000)
# For each pixel of the largest source: to turn images into planes, those of 64-bit integers too.
_ENTRY, _WIDE_ENTRY = _Bytes(0, 9), _Bytes(0, 28)
# For each pixel of the query image: to carry matches to the next finer level;
_FINER = _Bytes(86, 12)
# to turn planes into the result, and that of 64-bit integers;
_RESULT, _WIDE_RESULT = _Bytes(8, 37), _Bytes(8, 80)
# of volumes beside that, for the third axis of positions and the keys of eight corners;
_VOLUME = _Bytes(48, 0)
# to search and to vote;
_QUERY = {
    "exact": _Bytes(55, 18),
    "incremental": _Bytes(200, 13, -40),
    "trees": _Bytes(200, 17, 160),
    "patchmatch": _Bytes(90, 17),
}
# for each pixel of all keys;
_KEY = {
    "exact": _Bytes(2, 0, 5),
    "incremental": _Bytes(2, 2, 25),
    "trees": _Bytes(95, 4, 50),
    "patchmatch": _Bytes(12, 15, 28),
}
# and for each pixel of the largest key image in exact searches.
_LARGEST_KEY = {
    "exact": _Bytes(0, 0, 32),
    "incremental": _Bytes(0, 8, 32),
    "trees": _Bytes(95, 4, 50),
}
# Of trees with this number of axes.
_AXES = 16
# Engine numpy: for each pixel of a patch, and for each image pixel of approximate searches.
_NUMPY, _NUMPY_APPROXIMATE = 100_000, 250
_FLOAT = 4
# Columns that exact searches add to a key image, beside those of a patch.
_PADDING = 64


@dataclass(frozen=True)
class MemoryPlan:
    """Optional means that cost memory.

    Attributes
    ----------
    threads : int
    incremental : bool
        Searches use what the ones before have found.
    trees : tuple of int
        Axes that trees of patches may have, of which the first are taken; empty without trees.
    """

    threads: int
    incremental: bool
    trees: tuple[int, ...] = ()

    @property
    def axes(self) -> int:
        """The number of axes of trees, 0 without."""
        return self.trees[0] if self.trees else 0


@dataclass(frozen=True)
class Level:
    """Pixels that are worked on at once.

    Attributes
    ----------
    query, keys, values : int
        Of the query image; of all keys of a step, on their canvas where the search is approximate;
        and of the canvas of the values, 0 with one source.
    largest_key, padded : int
        Of the largest key image, as it is and as exact searches pad it.
    approximate : bool
    """

    query: int
    keys: int
    values: int
    largest_key: int
    padded: int
    approximate: bool


@dataclass(frozen=True)
class Workload:
    """Properties of a call that its memory depends on.

    Attributes
    ----------
    schedule : Schedule
    patch_size : int
    result : (int, int)
    sources : sequence of (int, int)
    intermediate : sequence of (int, (int, int))
        Levels and shapes of the query images that are not levels of the result.
    channels, guides : int
        Planes of an image inside, and those of all guides.
    masked, weighted : bool
        Some pixels of the sources must not be used; channels are multiplied for comparison.
    approximate, normalised : bool
        The method is PatchMatch; alpha is finite.
    pyramids : int
        Pyramids of the result's size that are kept beside those of the sources.
    returned : int
        Bytes of all results.
    stacked, wide, plain : bool
        Results are stacked in the end; images hold 64-bit integers; the engine is plain NumPy.
    periodic, source_periodic : tuple of bool
        Axes along which results, and sources, wrap around.
    """

    schedule: Schedule
    patch_size: PatchSize
    result: Shape
    sources: Sequence[Shape]
    intermediate: Sequence[tuple[int, Shape]] = ()
    channels: int = 1
    guides: int = 0
    masked: bool = False
    weighted: bool = False
    approximate: bool = False
    normalised: bool = False
    pyramids: int = 0
    returned: int = 0
    stacked: bool = False
    wide: bool = False
    plain: bool = False
    periodic: tuple[bool, ...] = ()
    source_periodic: tuple[bool, ...] = ()

    @property
    def compared(self) -> int:
        """Planes that are compared."""
        return self.channels + self.guides

    @property
    def kept(self) -> int:
        """Bytes of all pyramids, which stay in memory for the whole call."""
        sources = sum(map(self.pyramid_pixels, self.sources))
        result = self.pyramid_pixels(self.result)
        planes = sources * (2 * self.channels + self.guides + 2 * self.masked)
        return _FLOAT * (planes + result * (self.pyramids * self.channels + self.guides))

    def levels(self) -> Iterator[Level]:
        """All that is worked on."""
        for level in range(self.schedule.levels + 1):
            yield self._level(level, self.schedule.shape(self.result, level))
        for level, shape in self.intermediate:
            yield self._level(level, shape)

    def _level(self, level: int, shape: Shape) -> Level:
        kinds = len(self.schedule.key_kinds(level, 1))
        size = self.patch_size
        side = patch_sides(size, len(shape))[-1]
        shapes = [self.schedule.shape(source, level) for source in self.sources]
        sources = tuple(
            PatchGrid.of_shape(each, size, self.source_periodic).wrapped_shape() for each in shapes
        )
        key_patches = kinds * Layout(sources).patch_count(size)
        grid = PatchGrid.of_shape(shape, size, self.periodic)
        method = "patchmatch" if self.approximate else "exact"
        approximate = is_approximate(method, grid.count * key_patches, size)
        return Level(
            query=math.prod(grid.wrapped_shape(BORDER if approximate else 0)),
            keys=(
                Layout(sources * kinds).pixels
                if approximate
                else kinds * sum(map(math.prod, sources))
            ),
            values=Layout(sources).pixels if len(sources) > 1 else 0,
            largest_key=max(map(math.prod, sources)),
            padded=max(math.prod(before) * (width + _PADDING + side) for *before, width in sources),
            approximate=approximate,
        )

    def pyramid_pixels(self, shape: Shape) -> int:
        """Pixels of all levels of an image."""
        return sum(
            math.prod(self.schedule.shape(shape, level))
            for level in range(self.schedule.levels + 1)
        )


def need(work: Workload, means: MemoryPlan, batch_size: int = 1) -> int:
    """Bytes that a synthesis takes beside its inputs, rounded up."""
    most = max(_of_level(level, work, means, batch_size) for level in work.levels())
    most = max(most, *(_of_source(source, work) for source in work.sources))
    threads = _THREAD.of(means.threads - 1, work.compared, normalised=False)
    returned = 2 * work.returned if work.stacked else work.returned
    returned += int(work.returned * _BETWEEN_RESULTS)
    return _BASE + threads + work.kept + returned + most


def _of_source(source: Shape, work: Workload) -> int:
    """Bytes to prepare a source beside those of its pyramids."""
    entry = (_WIDE_ENTRY if work.wide else _ENTRY).of(math.prod(source), work.compared, False)
    if work.masked:  # its pyramid with all pixels
        entry += _FLOAT * work.channels * work.pyramid_pixels(source)
    return entry


def _of_level(level: Level, work: Workload, means: MemoryPlan, batch_size: int) -> int:
    """Bytes of a level beside what is kept: the most of those of its stages."""
    query, normalised = batch_size * level.query, work.normalised
    result = (_WIDE_RESULT if work.wide else _RESULT).of(query, work.channels, normalised)
    finer = _FINER.of(query, work.channels, normalised)
    most = max(result, finer, _of_search(level, work, means, query))
    return most + (_VOLUME.of(query, 0, normalised) if len(work.result) > 2 else 0)


def _of_search(level: Level, work: Workload, means: MemoryPlan, query: int) -> int:
    """Bytes of a PNN step with a query image of this number of pixels."""
    kinds = ["incremental" if means.incremental else "exact"]
    if level.approximate:
        kinds = ["patchmatch"]
    elif means.trees:
        # Where trees do not pay, they make room for what would be done without.
        kinds.append("trees")
    total = max(_of_kind(kind, level, work, means, query) for kind in kinds)
    changed = work.weighted or work.guides > 0
    if changed or work.masked:
        total += _FLOAT * work.compared * level.keys
    if changed:
        total += 2 * _FLOAT * work.compared * query
    if any(work.periodic):  # wrapped queries and matches, and the image before its margin is cut
        total += 2 * _FLOAT * (work.compared + work.channels + 1) * query
    if any(work.source_periodic):
        total += _FLOAT * (work.compared + work.channels) * level.keys
    return total


def _of_kind(kind: str, level: Level, work: Workload, means: MemoryPlan, query: int) -> int:
    """Bytes of a search of one kind."""
    planes, normalised = work.compared, work.normalised
    total = _QUERY[kind].of(query, planes, normalised)
    total += _KEY[kind].of(level.keys, planes, normalised)
    total += _FLOAT * work.channels * level.values
    if not level.approximate:
        total += _LARGEST_KEY[kind].of(level.largest_key, planes, normalised)
        total += _FLOAT * (planes + normalised) * level.padded
        if kind == "trees":  # coordinates of the keys and, for their minima, of the queries
            patches = level.keys + level.largest_key + 2 * query * normalised
            total -= _FLOAT * (_AXES - means.axes) * patches
        if kind == "incremental" and normalised:  # the nearest query of each key, for each thread
            total += 2 * _FLOAT * (means.threads - 1) * level.padded
    if work.plain and kind != "exact":  # sums of pairs
        total += _NUMPY * math.prod(patch_sides(work.patch_size, len(work.result)))
        if level.approximate:
            total += _NUMPY_APPROXIMATE * (max(query, level.keys) if normalised else query)
    return total


def within(limit: int | None, work: Workload, wanted: MemoryPlan) -> MemoryPlan:
    """The fastest means that fit into a limit; the result does not depend on them.

    Raises
    ------
    MemoryError
        Nothing fits.
    """
    if limit is None:
        return wanted
    for means in _slower_and_slower(wanted):
        if need(work, means) <= limit:
            return means
    least = need(work, MemoryPlan(1, incremental=False))
    result = max(level.query for level in work.levels())
    sources = sum(map(math.prod, work.sources))
    raise MemoryError(
        f"`max_memory` must be at least {in_words(least)} for a result of {result} pixels "
        f"from {sources} pixels with {work.compared} channels, got {in_words(limit)}; raise "
        "it, or use smaller images"
    )


def batch_within(limit: int | None, work: Workload, means: MemoryPlan, wanted: int) -> int:
    """Number of results that may be synthesised at the same time."""
    while limit is not None and wanted > 1 and need(work, means, wanted) > limit:
        wanted //= 2
    return wanted


def _slower_and_slower(wanted: MemoryPlan) -> Iterator[MemoryPlan]:
    choices = [(wanted.trees[skipped:], True) for skipped in range(len(wanted.trees) + 1)]
    for trees, incremental in [*choices, ((), False)]:
        threads = wanted.threads
        while threads:
            yield MemoryPlan(threads, incremental and wanted.incremental, trees)
            threads //= 2
