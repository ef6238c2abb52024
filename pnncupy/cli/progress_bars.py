"""Progress on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Column
from rich.text import Text

from pnncupy.terminal import guarded_output, unguarded, visible

if TYPE_CHECKING:
    from pnncupy.batch import Progress
    from pnncupy.report.results import Step
    from pnncupy.synthesis.progress import Event


# Share of a run from which on its time is estimated.
_LEAST_DONE = 0.05


class _Description(ProgressColumn):
    """Column with the name of the current item: names are no markup."""

    def render(self, task: Task) -> Text:
        return Text(visible(task.description))


class _Remaining(TimeRemainingColumn):
    """Column with the time left, once enough is done: a first run compiles before it gets far."""

    def render(self, task: Task) -> Text:
        if task.total == 1 and task.completed < _LEAST_DONE:
            return Text("-:--:--", style="progress.remaining")
        return super().render(task)


@contextmanager
def _bar(done: ProgressColumn, quiet: bool) -> Iterator[ProgressBar]:
    """A bar on standard error, if that is a terminal; `done` says how far it is."""
    console = Console(
        file=unguarded(sys.stderr), stderr=True, markup=False, emoji=False, highlight=False
    )
    bar = ProgressBar(
        _Description(Column(no_wrap=True)), BarColumn(), done, _Remaining(),
        TextColumn("left"), console=console, disable=quiet or not console.is_terminal,
    )  # fmt: skip
    # The bar has its own streams for what others print meanwhile: these are guarded again.
    # Before rich 14 one that is disabled prints an empty line at its end.
    with nullcontext() if bar.disable else bar, guarded_output():
        yield bar


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Progress bar on standard error, if that is a terminal; yields a callback for events."""
    with _bar(TextColumn("{task.percentage:3.0f} %"), quiet) as bar:
        task = bar.add_task("preparing (a first run compiles)", total=1.0)

        def show(event: Event) -> None:
            description = f"level {event.level} step {event.iteration + 1}/{event.iterations}"
            if event.samples > 1:
                description = f"image {event.sample + 1}/{event.samples} {description}"
            bar.update(task, completed=event.fraction, description=description)

        yield show


@contextmanager
def counting_bar(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Progress over the jobs of a batch."""
    with _bar(MofNCompleteColumn(), quiet) as bar:
        task = bar.add_task("starting workers", total=None)

        def show(progress: Progress) -> None:
            outcome = f"{progress.job.output}{' failed' if progress.error else ''}"
            bar.update(task, completed=progress.done, total=progress.total, description=outcome)

        yield show


@contextmanager
def report_bar(quiet: bool) -> Iterator[Callable[[Step], None]]:
    """Progress over the results of a report."""
    with _bar(TextColumn("{task.percentage:3.0f} %"), quiet) as bar:
        task = bar.add_task("preparing (a first run compiles)", total=1.0)

        def show(step: Step) -> None:
            bar.update(task, completed=step.fraction, description=step.title)

        yield show
