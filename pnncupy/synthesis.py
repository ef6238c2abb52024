"""The algorithm: one patch nearest-neighbour (PNN) step, and the coarse-to-fine loop around it.

Granot et al. 2022, doi:10.48550/arXiv.2103.15545.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pnncupy import __version__, arrays, validation
from pnncupy.arrays import Array
from pnncupy.checkpoints import Checkpoint, Form, State, identity_of
from pnncupy.engine.transfer import to_the_engine
from pnncupy.images.planes import from_planes
from pnncupy.images.pyramid import enlarge
from pnncupy.kernels.random_bits import combined
from pnncupy.observer import Observer
from pnncupy.schedule import Schedule
from pnncupy.search.candidate_lists import finer_candidates
from pnncupy.search.exact import Field, SearchSettings, search
from pnncupy.search.incremental import follower
from pnncupy.search.method import METHODS, chosen, is_approximate, patches
from pnncupy.search.nearest import check_span, mask_keys, prepare
from pnncupy.search.patch_grid import (
    Layout,
    fields_of,
    patches_of_one,
    pictures_of,
    stacked,
    windows_all,
)
from pnncupy.search.patch_metric import Comparison
from pnncupy.search.patchmatch import PatchMatch, effort
from pnncupy.search.pruned_search import expected_steps
from pnncupy.voting import HOWS, vote_planes

Keep = Callable[[State], None]

_REMEDY = "use a smaller `noise_std` or `initial_guess`, or another `data_range`"


@to_the_engine
def pnn_step(
    query: Any,
    key: Any,
    value: Any,
    *,
    patch_size: int = 7,
    alpha: float = math.inf,
    key_mask: Any = None,
    vote: str = "weighted_mean",
    method: str = "exact",
    engine: str = "auto",
    channel_axis: int = -1,
    threads: int | None = None,
) -> Array:
    """Replace every patch of a picture by the value of its best key, and vote: one PNN step.

    Parameters
    ----------
    query : (HQ, WQ) or (HQ, WQ, C) array of any real dtype
        The picture to be rebuilt, as it is: values are not scaled.
    key : (HK, WK) or (HK, WK, C) array
        What the patches of `query` are compared with.
    value : array of the shape of `key`
        What they are replaced by.
    patch_size, alpha, key_mask, method, engine, channel_axis, threads
        As in `nearest_patches`.
    vote : {"weighted_mean", "mean", "median", "copy"}
        As `how` in `pnncupy.vote`.

    Returns
    -------
    float32 array of the shape of `query`.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable
        As `nearest_patches` and `pnncupy.vote`.

    Notes
    -----
    Cost and memory are those of `nearest_patches` and `pnncupy.vote`.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> pnn.pnn_step(image[:12, :12], image, image).shape
    (12, 12)
    """
    validation.choice("vote", vote, HOWS)
    validation.choice("method", method, METHODS)
    settings, engine_name, query_planes, (key_planes, value_planes) = prepare(
        query, [key, value], ["key", "value"], patch_size=patch_size, alpha=alpha, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    if key_planes.shape != value_planes.shape:
        raise ValueError(f"`value` must have the shape of `key`, {key.shape}, got {value.shape}")
    masked = mask_keys([key_planes], [key_mask], ["key"], settings.patch_size)
    check_span([query_planes, *masked], settings.patch_size, "scale `query` and `key`")
    layout = Layout.of(masked)
    queries, keys = (
        patches(image.shape[1:], settings.patch_size) for image in (query_planes, key_planes)
    )
    steps = partial(
        expected_steps, settings.engine, masked[0], settings.patch_size, settings.threads,
        query_planes,
    )  # fmt: skip
    if chosen(method, engine_name, queries, keys, steps) == "exact":
        found = search(settings, query_planes, masked, layout)
    else:
        found = PatchMatch(settings, masked, layout).search(query_planes)
    result = vote_planes(
        settings.engine, value_planes, found.index, settings.patch_size, vote, settings.threads
    )
    return from_planes(result, query, channel_axis)


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
class Kept:
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

    def put_back(self, picture: Array, level: int) -> Array:
        """The picture with the kept pixels in their place."""
        xp = arrays.namespace(picture)
        return xp.where(self.masks[level], self.pyramid[level], picture)


@dataclass(frozen=True)
class Scene:
    """What a task prepares: sources, the size of a result, what is kept of it, and how many.

    Several results that are made `together` stand below each other in the loop's pictures, see
    `stacking`. `comparison` says what patches are compared by.
    """

    sources: Sequence[Source]
    shape: tuple[int, ...]
    kept: Kept | None = None
    together: int = 1
    comparison: Comparison = field(default_factory=Comparison)

    def keys(self, level: int, kind: str) -> list[Array]:
        """What queries are compared with at a level, for each source; see `Source`."""
        found = []
        for number, source in enumerate(self.sources):
            planes = source.sharp[level] if kind == "sharp" else source.blurred[level]
            compared = self.comparison.key(planes, number, level)
            found.append(source.without_unusable(compared, level))
        return found

    def query(self, picture: Array, level: int) -> Array:
        """A picture at a level, as it is compared."""
        return self.comparison.query(picture, level, self.together)


def synthesise(
    settings: SearchSettings,
    schedule: Schedule,
    scene: Scene,
    guess: Array,
    observer: Observer,
    checkpoint: Checkpoint | None = None,
) -> tuple[Array, Array, Layout]:
    """Run the coarse-to-fine loop.

    Parameters
    ----------
    settings, schedule, scene
        How to search, what to do at which level, and with what.
    guess : (C, h, w) float32
        First query at the coarsest level; h is that of all results made together.
    observer : Observer
        What is told of the progress.
    checkpoint : Checkpoint, optional
        Where the state is kept; what is found there is gone on with.

    Returns
    -------
    picture, index, layout
        (C, H, W) float32; the last matches as pixel numbers, and the layout that numbers them.
    """
    coarsest = [scene.query(guess, schedule.levels), *scene.keys(schedule.levels, "sharp")]
    check_span(coarsest, settings.patch_size, _REMEDY)
    observer.plan(schedule, _planned_pairs(settings, schedule, scene))
    settings = replace(settings, tick=observer.tick)
    with nullcontext() if checkpoint is None else checkpoint.in_use():
        keep, state = _state_keeping(settings, schedule, scene, guess, checkpoint)
        made = _all_levels(settings, schedule, scene, guess, observer, keep, state)
        if checkpoint is not None:
            checkpoint.remove()
    return made


def _all_levels(
    settings: SearchSettings,
    schedule: Schedule,
    scene: Scene,
    guess: Array,
    observer: Observer,
    keep: Keep,
    state: State | None,
) -> tuple[Array, Array, Layout]:
    """Refine from the coarsest level to the finest, or from `state` on."""
    picture, matches = guess, None
    for level in range(schedule.levels, -1, -1):
        if state is not None and level >= state.level:
            if level > state.level:
                observer.skip_level(level)
                continue
            picture = state.picture
        elif level < schedule.levels:
            shape = schedule.shape(scene.shape, level)
            pictures = pictures_of(picture, scene.together)
            picture = stacked([enlarge(one, schedule.ratio, shape) for one in pictures])
        resumed = state if state is not None and level == state.level else None
        picture, index, layout = refine(
            settings, schedule, scene, level, picture, observer, matches, resumed, keep
        )
        matches = index, layout
    return picture, index, layout


def _state_keeping(
    settings: SearchSettings,
    schedule: Schedule,
    scene: Scene,
    guess: Array,
    checkpoint: Checkpoint | None,
) -> tuple[Keep, State | None]:
    """What keeps a state, and the state that was kept before."""
    if checkpoint is None:
        return lambda state: None, None
    kept = scene.kept
    # Savings change no bit, and a limit of memory may turn them off.
    identity = identity_of(
        [__version__, replace(schedule, incremental=True), scene.shape, settings.patch_size,
         settings.alpha, settings.method,
         settings.stream, [source.usable is None for source in scene.sources]],
        [guess, *(source.sharp[0] for source in scene.sources),
         *(source.usable[0] for source in scene.sources if source.usable is not None),
         *scene.keys(schedule.levels, "sharp"), *scene.comparison.target_guides[:1],
         *([] if kept is None else [kept.pyramid[0], kept.masks[0]])],
    )  # fmt: skip

    def keep(state: State) -> None:
        # An approximate search remembers more than its matches, until the end of its level.
        if settings.method == "exact" or state.steps == schedule.steps(state.level):
            checkpoint.save(identity, state)

    forms = {
        level: _form_of_states(settings, schedule, scene, len(guess), level)
        for level in range(schedule.levels + 1)
    }
    return keep, checkpoint.load(identity, guess, forms)


def _form_of_states(
    settings: SearchSettings, schedule: Schedule, scene: Scene, channels: int, level: int
) -> Form:
    """Form of the states of a level."""
    sides = schedule.shape(scene.shape, level)
    return Form(
        schedule.steps(level),
        (channels, *sides),
        tuple(side - settings.patch_size + 1 for side in sides),
        Layout.of([source.sharp[level] for source in scene.sources]).pixels,
    )


def refine(
    settings: SearchSettings,
    schedule: Schedule,
    scene: Scene,
    level: int,
    query: Array,
    observer: Observer,
    coarser: tuple[Array, Layout] | None = None,
    resumed: State | None = None,
    keep: Keep = lambda state: None,
) -> tuple[Array, Array, Layout]:
    """Take the PNN steps of one level, each on the result of the one before.

    `coarser` holds the matches of the next coarser level and their layout, `resumed` the state of
    this level that a run before has come to; `keep` is given the state after each step.
    """
    values = [source.sharp[level] for source in scene.sources]
    layout = Layout.of(values)
    canvas = layout.stack(values)
    needed = None
    if scene.kept is not None:
        query = scene.kept.put_back(query, level)
        needed = ~windows_all(scene.kept.masks[level], settings.patch_size)
    needed = patches_of_one(query, needed, scene.together, settings.patch_size)
    matches = coarser if scene.together == 1 else None
    last_query, index = query, None if resumed is None else resumed.index
    last_kinds: tuple[str, ...] = ()
    for step in range(schedule.steps(level)):
        if resumed is not None and step < resumed.steps:
            observer.skip(level, step)
            continue
        kinds = schedule.key_kinds(level, step)
        if kinds != last_kinds:
            # No name for the keys here: an approximate search copies them to one canvas.
            nearest = _search_of_step(
                replace(settings, stream=combined(settings.stream, level << 16 | step)),
                schedule, patches(query.shape[1:], settings.patch_size),
                [image for kind in kinds for image in scene.keys(level, kind)], needed,
                _start(settings, query, layout, matches), observer,
            )  # fmt: skip
        elif schedule.incremental and bool((query == last_query).all()):
            observer.skip(level, step)
            continue
        observer.begin(level, step, query)
        # Where there are two sets of keys, their pixels are those of the same values.
        last_index, index = index, nearest(scene.query(query, level)).index % layout.pixels
        matches = (index, layout) if scene.together == 1 else None
        last_query, last_kinds = query, kinds
        voted = last_index is not None and schedule.incremental
        query = _vote(
            settings, schedule, scene, canvas, index, (last_index, query) if voted else None
        )
        if scene.kept is not None:
            query = scene.kept.put_back(query, level)
        observer.end(query)
        keep(State(level, step + 1, query, index))
    return query, index, layout


def _vote(
    settings: SearchSettings,
    schedule: Schedule,
    scene: Scene,
    canvas: Array,
    index: Array,
    last: tuple[Array, Array] | None,
) -> Array:
    """The picture that matches make, or pictures; `last` as in `voting.vote_planes`."""
    count, size = scene.together, settings.patch_size
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
    observer: Observer,
) -> Callable[[Array], Field]:
    """The search of PNN steps with the same keys, with or without savings."""
    numbers = Layout.of(keys)
    key_patches = sum(patches(shape, settings.patch_size) for shape in numbers.shapes)
    if is_approximate(settings.method, queries * key_patches):
        return PatchMatch(settings, keys, numbers, needed, start).search
    if schedule.incremental:
        return follower(settings, keys, numbers, needed, start, observer.proofs)
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
    settings: SearchSettings, schedule: Schedule, scene: Scene
) -> dict[tuple[int, int], int]:
    """Pairs of patches that a run without savings compares, by (level, step)."""
    passes = 1 if math.isinf(settings.alpha) else 2
    planned = {}
    for level in range(schedule.levels, -1, -1):
        queries = patches(schedule.shape(scene.shape, level), settings.patch_size)
        shapes = [source.sharp[level].shape[1:] for source in scene.sources]
        for step in range(schedule.steps(level)):
            kinds = schedule.key_kinds(level, step)
            keys = len(kinds) * sum(patches(shape, settings.patch_size) for shape in shapes)
            pairs = passes * queries * keys
            if is_approximate(settings.method, queries * keys):
                layout = Layout(tuple(shapes * len(kinds)))
                tries = effort(level < schedule.levels, step).tries((layout.height, layout.width))
                pairs = tries * (queries if passes == 1 else queries + keys)
            planned[level, step] = scene.together * pairs
    return planned
