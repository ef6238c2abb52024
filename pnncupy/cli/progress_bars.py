"""Progress of commands on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import MofNCompleteColumn, ProgressColumn
from rich.progress import Progress as ProgressBar

from pnncupy.tasks.progress_bar import PREPARING, event_bar, share_done, terminal_bar
from pnncupy.terminal import guarded_output

if TYPE_CHECKING:
    from pnncupy.batch import Progress
    from pnncupy.report.results import Step
    from pnncupy.synthesis.progress import Event


@contextmanager
def _bar(done: ProgressColumn, quiet: bool) -> Iterator[ProgressBar]:
    """A bar on standard error, if that is a terminal; `done` says how far it is."""
    # The bar has its own streams for what others print meanwhile: these are guarded again.
    with terminal_bar(done, quiet) as bar, guarded_output():
        yield bar


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Progress over the steps of a task; yields a callback for events."""
    with event_bar(quiet=quiet) as show, guarded_output():
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
    with _bar(share_done(), quiet) as bar:
        task = bar.add_task(PREPARING, total=1.0)

        def show(step: Step) -> None:
            bar.update(task, completed=step.fraction, description=step.title)

        yield show
