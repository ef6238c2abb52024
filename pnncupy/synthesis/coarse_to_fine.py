"""The algorithm: patch nearest-neighbour (PNN) steps at each level, from coarse to fine.

Images of a run are a batch (B, C, h, w); of matches there are (B, h-p+1, w-p+1).

Granot et al. 2022, doi:10.48550/arXiv.2103.15545.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import combined
from pnncupy.images.pyramid import Ratio, enlarge
from pnncupy.search.batched import batched, needed_patches, tall, tall_grid
from pnncupy.search.candidate_lists import finer_candidates
from pnncupy.search.changed_patches import DeviceSearch
from pnncupy.search.exact import search
from pnncupy.search.incremental import incremental_search
from pnncupy.search.method import is_approximate
from pnncupy.search.nearest import check_span
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patchmatch import BORDER, PatchMatch, effort
from pnncupy.synthesis.checkpoint import Checkpoint, Resumption, State
from pnncupy.synthesis.histogram import FixedLabels, balanced_towards
from pnncupy.synthesis.problem import SynthesisRun
from pnncupy.synthesis.voting import vote_images

_REMEDY = "use a smaller `noise_std` or `initial_guess`, or another `data_range`"


class Synthesised(NamedTuple):
    """Images of a level, and where their patches come from.

    Attributes
    ----------
    images : (B, C, h, w) float32
    index : (B, h-p+1, w-p+1) int32
        Flat indices of the last matches.
    layout : Layout
        What they are indices in.
    """

    images: Array
    index: Array
    layout: Layout


def synthesise(
    run: SynthesisRun, guess: Array, checkpoint: Checkpoint | None = None
) -> Synthesised:
    """Run the coarse-to-fine loop.

    Parameters
    ----------
    run : SynthesisRun
    guess : (B, C, h, w) float32
        First queries at the coarsest level.
    checkpoint : Checkpoint, optional
        File of the state after each step, of a batch of one; a state that is there is continued.

    Returns
    -------
    Synthesised
        At full size.
    """
    coarsest = run.schedule.levels
    queries = run.problem.queries(guess, coarsest)
    check_span(
        [tall(queries), *run.problem.keys(coarsest, "sharp")], run.settings.patch_size, _REMEDY
    )
    run.reporter.plan(run.schedule, planned_pairs(run, len(guess)))
    run = replace(run, settings=replace(run.settings, tick=run.reporter.tick))
    with nullcontext() if checkpoint is None else checkpoint.in_use():
        result = _all_levels(run, guess, Resumption.of(run, guess, checkpoint))
        if checkpoint is not None:
            checkpoint.remove()
    return result


def _all_levels(run: SynthesisRun, guess: Array, resumption: Resumption) -> Synthesised:
    """Refine from the coarsest level to the finest, or from the state of a run before."""
    images, known = guess, None
    for level in range(run.schedule.levels, -1, -1):
        if resumption.has_done(level):
            run.reporter.skip_level(level)
            continue
        state = resumption.state_of(level)
        if state is not None:
            images = state.image[None]
        elif level < run.schedule.levels:
            images = _enlarged(images, run.schedule.ratio, run.shape(level), run.problem.periodic)
            fixed = run.problem.fixed
            images = images if fixed is None else fixed.begin(images, level)
        images, index, layout = refine(run, level, images, known, state, resumption.keep)
        known = index, layout
    return Synthesised(images, index, layout)


def _enlarged(
    images: Array, ratio: Ratio, shape: tuple[int, ...], periodic: tuple[bool, ...]
) -> Array:
    """A batch at the next finer level."""
    count, channels, *sides = images.shape
    larger = enlarge(images.reshape(count * channels, *sides), ratio, shape, periodic)
    return larger.reshape(count, channels, *shape)


def refine(
    run: SynthesisRun,
    level: int,
    images: Array,
    coarser: tuple[Array, Layout] | None = None,
    state: State | None = None,
    keep: Callable[[State], None] = lambda state: None,
) -> Synthesised:
    """Take the PNN steps of one level, each on the result of the one before.

    `coarser` holds the matches of the next coarser level and their layout, `state` what a run
    before has come to at this level; `keep` is given the state after each step.
    """
    steps = _LevelSteps.of(run, level, images)
    images = steps.with_fixed(images)
    index, done = (None, 0) if state is None else (state.index[None], state.steps)
    known, nearest = coarser, None
    last_images, last_kinds = images, None
    for step in range(run.schedule.steps(level)):
        if step < done:
            run.reporter.skip(level, step)
            continue
        kinds = run.schedule.key_kinds(level, step)
        if nearest is None or kinds != last_kinds:
            if nearest is not None:
                nearest.check()
            nearest = steps.search(step, kinds, images, known)
        elif steps.repeats(images, last_images):
            run.reporter.skip(level, step)
            continue
        run.reporter.begin(level, step, images)
        matches = nearest.search(run.problem.queries(images, level))
        voted = steps.vote(matches, None if index is None else (index, images))
        voted = steps.balanced(voted)
        last_images, last_kinds = images, kinds
        index, images = matches, steps.with_fixed(voted)
        known = index, steps.layout
        run.reporter.end(images)
        keep(State(level, step + 1, images[0], index[0]))
    if nearest is not None:
        nearest.check()
    images = steps.balanced(images, completely=True) if level == 0 else images
    return Synthesised(steps.with_copied(images, index), index, steps.layout)


class _LevelSearch(NamedTuple):
    """A search of images (B, C, h, w) of a level, and a check that it found all that it looked for.

    Numbers of matches are those of the pixels of the values, (B, h-p+1, w-p+1) int32.
    """

    search: Callable[[Array], Array]
    check: Callable[[], None]


@dataclass(frozen=True)
class _LevelSteps:
    """Search and vote of one level.

    Attributes
    ----------
    run, level
    grid : PatchGrid
        Of an image.
    layout : Layout
        Of the values, the sharp sources.
    canvas : (C, H, W) float32
        All values.
    needed : (h-p+1, w-p+1) bool, or None
        Patches of an image to be searched: those that are not fixed.
    """

    run: SynthesisRun
    level: int
    grid: PatchGrid
    layout: Layout
    canvas: Array
    needed: Array | None

    @classmethod
    def of(cls, run: SynthesisRun, level: int, images: Array) -> "_LevelSteps":
        values = run.values(level)
        layout = Layout.of(values)
        grid = run.grid(images.shape[2:])
        needed, fixed = None, run.problem.fixed
        if fixed is not None:
            needed = ~grid.inside(fixed.masks[level])
        return cls(run, level, grid, layout, layout.stack(values), needed)

    @property
    def on_device(self) -> bool:
        """True where an engine keeps from step to step what changed and what was found."""
        settings = self.run.settings
        return (
            self.run.schedule.incremental
            and settings.engine.STEPS_ON_DEVICE
            and math.isinf(settings.alpha)
        )

    def repeats(self, images: Array, last_images: Array) -> bool:
        """Test whether a step would repeat the one before; not where a device would have to wait.

        There the search of what did not change takes no time.
        """
        if not self.run.schedule.incremental or self.on_device:
            return False
        return bool((images == last_images).all())

    def with_fixed(self, images: Array) -> Array:
        """Images with the fixed pixels in their place."""
        fixed = self.run.problem.fixed
        return images if fixed is None else fixed.apply(images, self.level)

    def with_copied(self, images: Array, index: Array) -> Array:
        """Images of the finest level with the pixels that are copied by their matches."""
        copied = self.run.problem.copied
        if copied is None or self.level > 0:
            return images
        exact = self._voted("copy", index, None)
        return arrays.namespace(images).where(copied, exact, images)

    def search(
        self,
        step: int,
        kinds: Sequence[str],
        images: Array,
        known: tuple[Array, Layout] | None,
    ) -> _LevelSearch:
        """The search of steps with the same kinds of keys, beginning with matches so far.

        Along periodic axes queries are wrapped. An approximate search, where patches ask their
        neighbours, has those beyond the border too, and forgets them afterwards.
        """
        run, grid, size = self.run, self.grid, self.run.settings.patch_size
        stream = combined(run.settings.stream, self.level << 16 | step)
        settings = replace(run.settings, stream=stream)
        keys = [image for kind in kinds for image in run.keys(self.level, kind)]
        layout = Layout.of(keys)
        wrapped = grid.wrapped(images)
        pairs = tall_grid(wrapped, size).count * layout.patch_count(size)
        approximate = is_approximate(settings.method, pairs, size)
        border = BORDER if approximate else 0
        needed = None if self.needed is None else grid.widened(self.needed, border)
        needed = needed_patches(needed, grid.wrapped(images, border), size)
        start = None
        with_lists = not self.on_device and pairs >= settings.engine.LEAST_PAIRS_FOR_LISTS
        if known is not None and (approximate or with_lists):
            start = self._start(images, border, *known)
        check = _nothing
        if approximate:
            # Keys are copied to one canvas, and have no other name here.
            found = batched(PatchMatch(settings, keys, layout, needed, start).search, size)
        elif self.on_device:
            steps = DeviceSearch(settings, keys, layout, needed)
            found, check = batched(steps.search, size), steps.check
        elif run.schedule.incremental:
            reuse = run.reporter.reuse
            found = batched(incremental_search(settings, keys, layout, needed, start, reuse), size)
        else:
            found = batched(lambda query: search(settings, query, keys, layout), size)

        def matches(queries: Array) -> Array:
            numbers = grid.narrowed(found(grid.wrapped(queries, border)), border)
            # Where there are two sets of keys, their pixels are those of the same values.
            return numbers % self.layout.pixels if len(kinds) > 1 else numbers

        return _LevelSearch(matches, check)

    def _start(self, images: Array, border: int, index: Array, layout: Layout) -> Array | None:
        """Keys likely to be good, from the matches so far; None for a batch."""
        if len(images) > 1:
            return None
        grid, size = self.grid, self.run.settings.patch_size
        found = finer_candidates(index[0], layout, self.layout, grid.shape, size)
        if found is None or not border:
            return found
        xp = arrays.namespace(found)
        return xp.moveaxis(grid.widened(xp.moveaxis(found, -1, 0), border), 0, -1)

    def vote(self, index: Array, last: tuple[Array, Array] | None) -> Array:
        """The images that matches make; `last` holds other matches and theirs."""
        run = self.run
        # Images that were balanced are no votes any more.
        reused = run.schedule.incremental and run.problem.fractions is None
        return self._voted(run.schedule.vote, index, last if reused else None)

    def balanced(self, images: Array, *, completely: bool = False) -> Array:
        """Images moved towards votes that give each label its fraction, if it has one."""
        problem = self.run.problem
        if problem.fractions is None:
            return images
        fixed = None
        if problem.fixed is not None:
            fixed = FixedLabels(problem.fixed.masks[self.level], problem.fixed.pyramid[self.level])
        embedding = problem.metric.embedding
        locally = embedding is not None and len(embedding) < len(problem.fractions) - 1
        moved = [
            balanced_towards(
                image, problem.fractions, fixed, locally=locally, completely=completely
            )
            for image in images
        ]
        return arrays.namespace(images).stack(moved)

    def _voted(self, how: str, index: Array, last: tuple[Array, Array] | None) -> Array:
        """The images that matches make by a vote."""
        grid = self.grid
        known = None if last is None else (grid.covering(last[0]), grid.outer(last[1]))
        voted = vote_images(
            self.run.settings, how, self.canvas, grid.covering(index), known,
            width=self.run.schedule.vote_width,
        )  # fmt: skip
        return grid.inner(voted)


def _nothing() -> None:
    """Check nothing, of searches that check each result."""


def planned_pairs(run: SynthesisRun, batch_size: int = 1) -> dict[tuple[int, int], int]:
    """Pairs of patches that a run without savings compares, by (level, step)."""
    planned = {}
    for level in range(run.schedule.levels, -1, -1):
        for place, pairs in pairs_of_level(run, level, run.shape(level)).items():
            planned[place] = batch_size * pairs
    return planned


def pairs_of_level(
    run: SynthesisRun, level: int, shape: Sequence[int]
) -> dict[tuple[int, int], int]:
    """Pairs of patches of a level whose image has this shape, by (level, step)."""
    settings, schedule, size = run.settings, run.schedule, run.settings.patch_size
    normalised = not math.isinf(settings.alpha)
    grid = run.grid(shape)
    planned = {}
    for step in range(schedule.steps(level)):
        layout = run.layout(level, len(schedule.key_kinds(level, step)))
        keys, queries = layout.patch_count(size), grid.count
        pairs = queries * keys * (2 if normalised else 1)
        if is_approximate(settings.method, queries * keys, size):
            queries = PatchGrid.of_shape(grid.wrapped_shape(BORDER), size).count
            tries = effort(level < schedule.levels, step).tries(layout.canvas_shape)
            pairs = tries * (queries + keys if normalised else queries)
        planned[level, step] = pairs
    return planned
