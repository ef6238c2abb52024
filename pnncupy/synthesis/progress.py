"""Progress of a run: what the caller's callback receives, and when."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pnncupy.arrays import Array
from pnncupy.errors import Cancelled
from pnncupy.search.incremental import ReuseStatistics
from pnncupy.synthesis.schedule import Schedule

_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True)
class Event:
    """Event that a callback receives after every PNN step, and ten times a second in long ones.

    Attributes
    ----------
    sample, samples : int
        Number of the current realisation, from 0, and their count. A GPU makes some images
        together: then it is the first of these until they are finished.
    level, levels : int
        Level being worked on, and the coarsest; 0 is full size.
    iteration, iterations : int
        PNN step of the level, from 0, and how many there are.
    finished : bool
        True when the step has just ended, False within it.
    engine, method : str
        What computes, and how it searches.
    pairs : int
        Pairs of patches that a run of this sample compares if nothing is saved, as far as planned.
    fraction : float
        Share of the whole call's work that is done, 0 to 1; it may leap where work is skipped.
    render : callable
        ``render()`` is the image so far, at the size of its level, in the caller's dtype.
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
    engine: str
    method: str
    pairs: int
    fraction: float
    render: Callable[[], Array] = field(repr=False)
    result: Any = field(default=None, repr=False)


class ProgressReporter:
    """Counts the work of one sample, or of a batch, and calls the callback."""

    def __init__(
        self,
        callback: Callable[[Event], Any] | None,
        render: Callable[[Array], Array],
        engine_and_method: tuple[str, str],
        sample: int,
        samples: int,
        stages: Sequence[int] = (),
        batch_size: int = 1,
    ):
        self._callback = callback
        self._render = render
        self._engine_and_method = engine_and_method
        self._sample, self._samples, self._batch_size = sample, samples, batch_size
        self._schedule: Schedule | None = None
        self._planned: dict[tuple[int, int], int] = {}
        # Pairs of each plan, where there are several.
        self._stages, self._stage = stages, -1
        self.pairs_planned = 0
        self._place = (0, 0)
        self._images: Array = None
        self._done_before = self._done_here = 0
        self._told = time.monotonic()
        self._highest = 0.0
        self.pairs_searched = 0
        self.reuse = ReuseStatistics()
        # Of realisations that were synthesised again, by their number in the batch: how.
        self.remade: dict[int, str] = {}

    @classmethod
    def silent(cls) -> "ProgressReporter":
        """Return one that tells nobody."""
        return cls(None, lambda planes: planes, ("", ""), 0, 1)

    def plan(self, schedule: Schedule, pairs: dict[tuple[int, int], int]) -> None:
        """Begin a run of the loop; `pairs` of patches are expected at each (level, iteration)."""
        self._schedule, self._planned = schedule, pairs
        self._stage += 1
        self._highest = 0.0 if self._stages else self._highest
        self._done_before = 0
        self.pairs_planned += sum(pairs.values())

    def begin(self, level: int, iteration: int, images: Array) -> None:
        """A PNN step starts from `images`, (B, C, h, w)."""
        self._place, self._images, self._done_here = (level, iteration), images, 0

    def tick(self, pairs: int) -> None:
        """Note that a search got further by `pairs`."""
        self.pairs_searched += pairs
        self._done_here += pairs
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_EVENTS:
            self._tell(finished=False)

    def end(self, images: Array) -> None:
        """The PNN step ended with `images`."""
        self._images, self._done_here = images, 0
        self._done_before += self._planned.get(self._place, 0)
        self._tell(finished=True)

    def skip(self, level: int, iteration: int) -> None:
        """The step would repeat the one before."""
        self._done_before += self._planned.get((level, iteration), 0)

    def skip_level(self, level: int) -> None:
        """An earlier run has done the level."""
        self._done_before += sum(n for (here, _), n in self._planned.items() if here == level)

    def complete(self, sample: int, result: Any) -> None:
        """A sample is finished."""
        self._done_before = sum(self._planned.values())
        self._stage = max(0, len(self._stages) - 1)
        self._tell(finished=True, sample=sample, result=result)

    def _tell(self, finished: bool, sample: int | None = None, result: Any = None) -> None:
        self._told = time.monotonic()
        if self._callback is None or self._schedule is None:
            return
        level, iteration = self._place
        planned = max(1, sum(self._planned.values()))
        # A search may count a little more than was planned; the step's end must not go back.
        here = min(self._done_here, self._planned.get(self._place, self._done_here))
        # It stays where a realisation is synthesised again.
        share = self._highest = max(self._highest, min(1.0, (self._done_before + here) / planned))
        pairs = self.pairs_planned // self._batch_size
        if self._stages:
            pairs = sum(self._stages)
            share = (sum(self._stages[: self._stage]) + share * self._stages[self._stage]) / pairs
        sample = self._sample if sample is None else sample
        fraction = (self._sample + share * self._batch_size) / self._samples
        images, number = self._images, sample - self._sample
        event = Event(
            sample, self._samples, level, self._schedule.levels, iteration,
            self._schedule.steps(level), finished, *self._engine_and_method,
            pairs, fraction,
            lambda: self._render(images[number]), result,
        )  # fmt: skip
        if self._callback(event) is False:
            raise Cancelled(
                f"cancelled by the callback at sample {self._sample}, level {level}, iteration "
                f"{iteration}"
            )
