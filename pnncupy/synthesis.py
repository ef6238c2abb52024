"""The algorithm: one patch nearest-neighbour (PNN) step, and the coarse-to-fine loop around it.

Granot et al. 2022, doi:10.48550/arXiv.2103.15545.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pnncupy import arrays, checks, images
from pnncupy.arrays import Array
from pnncupy.checks import Cancelled
from pnncupy.matching import (
    METHODS,
    Field,
    Layout,
    SearchSettings,
    mask_keys,
    prepare,
    search,
    windows_all,
)
from pnncupy.pyramids import enlarge, level_shape
from pnncupy.voting import HOWS, vote_planes

KEYS = ("blurred", "sharp", "both")
_SECONDS_BETWEEN_EVENTS = 0.1


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
    checks.choice("vote", vote, HOWS)
    checks.choice("method", method, METHODS)
    settings, query_planes, (key_planes, value_planes) = prepare(
        query, [key, value], ["key", "value"], patch_size=patch_size, alpha=alpha, engine=engine,
        channel_axis=channel_axis, threads=threads,
    )  # fmt: skip
    if key_planes.shape != value_planes.shape:
        raise ValueError(f"`value` must have the shape of `key`, {key.shape}, got {value.shape}")
    masked = mask_keys([key_planes], [key_mask], ["key"], settings.patch_size)
    layout = Layout.of(masked)
    found = search(settings, query_planes, [(masked, layout)])
    result = _vote(settings, [value_planes], layout, found, vote)
    return images.from_planes(result, query, channel_axis)


def _vote(
    settings: SearchSettings, values: Sequence[Array], layout: Layout, found: Field, how: str
) -> Array:
    return vote_planes(
        settings.engine, layout.stack(values), found.index, layout.width, settings.patch_size,
        how, settings.threads,
    )  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """What happens at which level; level 0 is full size.

    Attributes
    ----------
    ratio : float
        Side of a level over the side of the next finer one, below 1.
    levels : int
        The coarsest level.
    iterations, coarse_iterations : int
        PNN steps at each level, and at the coarsest.
    keys : {"blurred", "sharp", "both"}
        What queries are compared with below the coarsest level: the next coarser level enlarged;
        that in the first iteration and then the level itself; or both together.
    vote : str
        How the patches make a picture.
    incremental : bool
        Skip the work that cannot change the result.
    """

    ratio: float
    levels: int
    iterations: int
    coarse_iterations: int
    keys: str
    vote: str
    incremental: bool

    def steps(self, level: int) -> int:
        """PNN steps at a level."""
        return self.coarse_iterations if level == self.levels else self.iterations

    def shape(self, shape: Sequence[int], level: int) -> tuple[int, ...]:
        """Pixels at a level of what has `shape` at full size."""
        return level_shape(shape, level, self.ratio)

    def key_kinds(self, iteration: int) -> tuple[str, ...]:
        """The key sets of an iteration, the one that wins ties first."""
        if self.keys == "both":
            return ("blurred", "sharp")
        return ("sharp",) if self.keys == "sharp" and iteration > 0 else ("blurred",)


@dataclass(frozen=True)
class Event:
    """What a callback sees: after every PNN step and, in long ones, about ten times a second.

    Attributes
    ----------
    sample, samples : int
        Number of the picture being made, from 0, and how many will be.
    level, levels : int
        Level being worked on, and the coarsest; 0 is full size.
    iteration, iterations : int
        PNN step of the level, from 0, and how many there are.
    finished : bool
        True when the step has just ended, False within it.
    fraction : float
        Share of the whole call's work that is done, 0 to 1; it may leap where work is skipped.
    render : callable
        ``render()`` is the picture so far, at the size of its level, in the caller's dtype.
    result : Result or None
        The finished sample, in an event of its own after the last step of each: what would be
        lost if the call were interrupted later.
    """

    sample: int
    samples: int
    level: int
    levels: int
    iteration: int
    iterations: int
    finished: bool
    fraction: float
    render: Callable[[], Array] = field(repr=False)
    result: Any = field(default=None, repr=False)


class Observer:
    """Counts the work of one sample and tells the callback."""

    def __init__(
        self,
        callback: Callable[[Event], Any] | None,
        render: Callable[[Array], Array],
        sample: int,
        samples: int,
    ):
        self._callback = callback
        self._render = render
        self._sample, self._samples = sample, samples
        self._schedule: Schedule | None = None
        self._planned: dict[tuple[int, int], int] = {}
        self._place = (0, 0)
        self._picture: Array = None
        self._done_before = self._done_here = 0
        self._told = time.monotonic()
        self.pairs_searched = 0

    def plan(self, schedule: Schedule, pairs: dict[tuple[int, int], int]) -> None:
        """Set the pairs of patches expected at each (level, iteration), in order."""
        self._schedule, self._planned = schedule, pairs

    def begin(self, level: int, iteration: int, picture: Array) -> None:
        """A PNN step starts from `picture`."""
        self._place, self._picture, self._done_here = (level, iteration), picture, 0

    def tick(self, pairs: int) -> None:
        """Note that a search got further by `pairs`."""
        self.pairs_searched += pairs
        self._done_here += pairs
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_EVENTS:
            self._tell(finished=False)

    def end(self, picture: Array) -> None:
        """The PNN step ended with `picture`."""
        self._picture, self._done_here = picture, 0
        self._done_before += self._planned[self._place]
        self._tell(finished=True)

    def skip(self, level: int, iteration: int) -> None:
        """The step would repeat the one before."""
        self._done_before += self._planned[level, iteration]

    @property
    def pairs_planned(self) -> int:
        """Pairs of patches that a plain run compares."""
        return sum(self._planned.values())

    def complete(self, result: Any) -> None:
        """The sample is finished."""
        self._done_before = self.pairs_planned
        self._tell(finished=True, result=result)

    def _tell(self, finished: bool, result: Any = None) -> None:
        self._told = time.monotonic()
        if self._callback is None or self._schedule is None:
            return
        level, iteration = self._place
        share = min(1.0, (self._done_before + self._done_here) / max(1, self.pairs_planned))
        picture = self._picture
        event = Event(
            self._sample, self._samples, level, self._schedule.levels, iteration,
            self._schedule.steps(level), finished, (self._sample + share) / self._samples,
            lambda: self._render(picture), result,
        )  # fmt: skip
        if self._callback(event) is False:
            raise Cancelled(
                f"cancelled by the callback at sample {self._sample}, level {level}, iteration "
                f"{iteration}"
            )


def synthesise(
    settings: SearchSettings,
    schedule: Schedule,
    pyramids: Sequence[Sequence[Array]],
    shape: tuple[int, int],
    guess: Array,
    observer: Observer,
) -> tuple[Array, Array, Layout]:
    """Run the coarse-to-fine loop.

    Parameters
    ----------
    settings, schedule
        How to search, and what to do at which level.
    pyramids : sequence of sequences of (C, H, W) float32
        Levels 0 to ``schedule.levels`` of every source.
    shape : (int, int)
        Height and width of the result.
    guess : (C, h, w) float32
        First query at the coarsest level.
    observer : Observer
        What is told of the progress.

    Returns
    -------
    picture, index, layout
        (C, H, W) float32; the last matches as pixel numbers, and the layout that numbers them.
    """
    observer.plan(schedule, _planned_pairs(settings, schedule, pyramids, shape))
    settings = replace(settings, tick=observer.tick)
    picture = guess
    for level in range(schedule.levels, -1, -1):
        sharp = [pyramid[level] for pyramid in pyramids]
        blurred = sharp
        if level < schedule.levels:
            blurred = [
                enlarge(pyramid[level + 1], schedule.ratio, pyramid[level].shape[1:])
                for pyramid in pyramids
            ]
            picture = enlarge(picture, schedule.ratio, schedule.shape(shape, level))
        keys = {"blurred": blurred, "sharp": sharp}
        picture, index, layout = _refine(settings, schedule, level, picture, keys, observer)
    return picture, index, layout


def _refine(
    settings: SearchSettings,
    schedule: Schedule,
    level: int,
    query: Array,
    keys: dict[str, list[Array]],
    observer: Observer,
) -> tuple[Array, Array, Layout]:
    """The PNN steps of one level, each on the result of the one before."""
    layout = Layout.of(keys["sharp"])
    found: Field | None = None
    last_query = query
    last_kinds: tuple[str, ...] = ()
    for iteration in range(schedule.steps(level)):
        kinds = schedule.key_kinds(iteration) if level < schedule.levels else ("sharp",)
        active = None
        if schedule.incremental and kinds == last_kinds:
            active = changed_patches(query, last_query, settings.patch_size)
            if not bool(arrays.namespace(active).any(active)):
                observer.skip(level, iteration)
                continue
            if not math.isinf(settings.alpha):
                active = None  # every query's change may lower a key's minimum
        observer.begin(level, iteration, query)
        key_sets = [(keys[kind], layout) for kind in kinds]
        found = search(settings, query, key_sets, found, active)
        last_query, last_kinds = query, kinds
        query = _vote(settings, keys["sharp"], layout, found, schedule.vote)
        observer.end(query)
    assert found is not None
    return query, found.index, layout


def changed_patches(query: Array, last_query: Array, patch_size: int) -> Array:
    """Which query patches differ in any pixel from what they were; bool (HQ-p+1, WQ-p+1)."""
    xp = arrays.namespace(query)
    return ~windows_all(xp.all(query == last_query, axis=0), patch_size)


def _planned_pairs(
    settings: SearchSettings,
    schedule: Schedule,
    pyramids: Sequence[Sequence[Array]],
    shape: tuple[int, int],
) -> dict[tuple[int, int], int]:
    """Pairs of patches that a plain run compares, by (level, iteration)."""
    passes = 1 if math.isinf(settings.alpha) else 2
    planned = {}
    for level in range(schedule.levels, -1, -1):
        queries = _patches(schedule.shape(shape, level), settings.patch_size)
        values = sum(
            _patches(pyramid[level].shape[1:], settings.patch_size) for pyramid in pyramids
        )
        for iteration in range(schedule.steps(level)):
            sets = len(schedule.key_kinds(iteration)) if level < schedule.levels else 1
            planned[level, iteration] = passes * sets * queries * values
    return planned


def _patches(shape: Sequence[int], patch_size: int) -> int:
    return math.prod(side - patch_size + 1 for side in shape)
