"""The algorithm: patch nearest-neighbour (PNN) steps at each level, from coarse to fine.

Granot et al. 2022, doi:10.48550/arXiv.2103.15545.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from pnncupy.arrays import Array
from pnncupy.images.pyramid import enlarge
from pnncupy.kernels.random_bits import combined
from pnncupy.search.candidate_lists import finer_candidates
from pnncupy.search.exact import NearestNeighborField, SearchSettings, search
from pnncupy.search.incremental import incremental_search
from pnncupy.search.method import is_approximate, patches
from pnncupy.search.nearest import check_span
from pnncupy.search.patch_grid import (
    Layout,
    fields_of,
    patches_of_one,
    pictures_of,
    stacked,
    windows_all,
)
from pnncupy.search.patchmatch import PatchMatch, effort
from pnncupy.synthesis.checkpoint import Checkpoint, Keep, State, state_keeping
from pnncupy.synthesis.problem import SynthesisProblem
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.synthesis.voting import vote_planes

_REMEDY = "use a smaller `noise_std` or `initial_guess`, or another `data_range`"


def synthesise(
    settings: SearchSettings,
    schedule: Schedule,
    problem: SynthesisProblem,
    guess: Array,
    reporter: ProgressReporter,
    checkpoint: Checkpoint | None = None,
) -> tuple[Array, Array, Layout]:
    """Run the coarse-to-fine loop.

    Parameters
    ----------
    settings, schedule, problem
        How to search, what to do at which level, and with what.
    guess : (C, h, w) float32
        First query at the coarsest level; h is that of all results made together.
    reporter : ProgressReporter
        What is told of the progress.
    checkpoint : Checkpoint, optional
        Where the state is kept; what is found there is gone on with.

    Returns
    -------
    picture, index, layout
        (C, H, W) float32; the last matches as pixel numbers, and the layout that numbers them.
    """
    coarsest = [problem.query(guess, schedule.levels), *problem.keys(schedule.levels, "sharp")]
    check_span(coarsest, settings.patch_size, _REMEDY)
    reporter.plan(schedule, _planned_pairs(settings, schedule, problem))
    settings = replace(settings, tick=reporter.tick)
    with nullcontext() if checkpoint is None else checkpoint.in_use():
        keep, state = state_keeping(settings, schedule, problem, guess, checkpoint)
        made = _all_levels(settings, schedule, problem, guess, reporter, keep, state)
        if checkpoint is not None:
            checkpoint.remove()
    return made


def _all_levels(
    settings: SearchSettings,
    schedule: Schedule,
    problem: SynthesisProblem,
    guess: Array,
    reporter: ProgressReporter,
    keep: Keep,
    state: State | None,
) -> tuple[Array, Array, Layout]:
    """Refine from the coarsest level to the finest, or from `state` on."""
    picture, matches = guess, None
    for level in range(schedule.levels, -1, -1):
        if state is not None and level >= state.level:
            if level > state.level:
                reporter.skip_level(level)
                continue
            picture = state.picture
        elif level < schedule.levels:
            shape = schedule.shape(problem.shape, level)
            pictures = pictures_of(picture, problem.together)
            picture = stacked([enlarge(one, schedule.ratio, shape) for one in pictures])
        resumed = state if state is not None and level == state.level else None
        picture, index, layout = refine(
            settings, schedule, problem, level, picture, reporter, matches, resumed, keep
        )
        matches = index, layout
    return picture, index, layout


def refine(
    settings: SearchSettings,
    schedule: Schedule,
    problem: SynthesisProblem,
    level: int,
    query: Array,
    reporter: ProgressReporter,
    coarser: tuple[Array, Layout] | None = None,
    resumed: State | None = None,
    keep: Keep = lambda state: None,
) -> tuple[Array, Array, Layout]:
    """Take the PNN steps of one level, each on the result of the one before.

    `coarser` holds the matches of the next coarser level and their layout, `resumed` the state of
    this level that a run before has come to; `keep` is given the state after each step.
    """
    values = [source.sharp[level] for source in problem.sources]
    layout = Layout.of(values)
    canvas = layout.stack(values)
    needed = None
    if problem.kept is not None:
        query = problem.kept.apply(query, level)
        needed = ~windows_all(problem.kept.masks[level], settings.patch_size)
    needed = patches_of_one(query, needed, problem.together, settings.patch_size)
    matches = coarser if problem.together == 1 else None
    last_query, index = query, None if resumed is None else resumed.index
    last_kinds: tuple[str, ...] = ()
    for step in range(schedule.steps(level)):
        if resumed is not None and step < resumed.steps:
            reporter.skip(level, step)
            continue
        kinds = schedule.key_kinds(level, step)
        if kinds != last_kinds:
            # No name for the keys here: an approximate search copies them to one canvas.
            nearest = _search_of_step(
                replace(settings, stream=combined(settings.stream, level << 16 | step)),
                schedule, patches(query.shape[1:], settings.patch_size),
                [image for kind in kinds for image in problem.keys(level, kind)], needed,
                _start(settings, query, layout, matches), reporter,
            )  # fmt: skip
        elif schedule.incremental and bool((query == last_query).all()):
            reporter.skip(level, step)
            continue
        reporter.begin(level, step, query)
        # Where there are two sets of keys, their pixels are those of the same values.
        last_index, index = index, nearest(problem.query(query, level)).index % layout.pixels
        matches = (index, layout) if problem.together == 1 else None
        last_query, last_kinds = query, kinds
        voted = last_index is not None and schedule.incremental
        query = _vote(
            settings, schedule, problem, canvas, index, (last_index, query) if voted else None
        )
        if problem.kept is not None:
            query = problem.kept.apply(query, level)
        reporter.end(query)
        keep(State(level, step + 1, query, index))
    return query, index, layout


def _vote(
    settings: SearchSettings,
    schedule: Schedule,
    problem: SynthesisProblem,
    canvas: Array,
    index: Array,
    last: tuple[Array, Array] | None,
) -> Array:
    """The picture that matches make, or pictures; `last` as in `voting.vote_planes`."""
    count, size = problem.together, settings.patch_size
    before: list[Any] = [None] * count
    if last is not None:
        before = list(
            zip(fields_of(last[0], count, size), pictures_of(last[1], count), strict=True)
        )
    fields = fields_of(index, count, size)
    return stacked([
        vote_planes(
            settings.engine, canvas, field, size, schedule.vote, settings.threads, known
        )
        for field, known in zip(fields, before, strict=True)
    ])  # fmt: skip


def _search_of_step(
    settings: SearchSettings,
    schedule: Schedule,
    queries: int,
    keys: Sequence[Array],
    needed: Array | None,
    start: Array | None,
    reporter: ProgressReporter,
) -> Callable[[Array], NearestNeighborField]:
    """The search of PNN steps with the same keys, with or without savings."""
    numbers = Layout.of(keys)
    key_patches = sum(patches(shape, settings.patch_size) for shape in numbers.shapes)
    if is_approximate(settings.method, queries * key_patches):
        return PatchMatch(settings, keys, numbers, needed, start).search
    if schedule.incremental:
        return incremental_search(settings, keys, numbers, needed, start, reporter.reuse)
    return lambda query: search(settings, query, keys, numbers)


def _start(
    settings: SearchSettings,
    query: Array,
    layout: Layout,
    matches: tuple[Array, Layout] | None,
) -> Array | None:
    """Keys likely to be good, from the matches so far."""
    if matches is None:
        return None
    shape = tuple(side - settings.patch_size + 1 for side in query.shape[1:])
    return finer_candidates(*matches, layout, shape, settings.patch_size)


def _planned_pairs(
    settings: SearchSettings, schedule: Schedule, problem: SynthesisProblem
) -> dict[tuple[int, int], int]:
    """Pairs of patches that a run without savings compares, by (level, step)."""
    passes = 1 if math.isinf(settings.alpha) else 2
    planned = {}
    for level in range(schedule.levels, -1, -1):
        queries = patches(schedule.shape(problem.shape, level), settings.patch_size)
        shapes = [source.sharp[level].shape[1:] for source in problem.sources]
        for step in range(schedule.steps(level)):
            kinds = schedule.key_kinds(level, step)
            keys = len(kinds) * sum(patches(shape, settings.patch_size) for shape in shapes)
            pairs = passes * queries * keys
            if is_approximate(settings.method, queries * keys):
                layout = Layout(tuple(shapes * len(kinds)))
                tries = effort(level < schedule.levels, step).tries((layout.height, layout.width))
                pairs = tries * (queries if passes == 1 else queries + keys)
            planned[level, step] = problem.together * pairs
    return planned
