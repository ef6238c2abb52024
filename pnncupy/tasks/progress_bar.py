"""Progress bars: on the terminal, or below the cell of a notebook."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from pnncupy.synthesis.progress import Event
from pnncupy.terminal import unguarded, visible

# Description of a bar before the first event.
PREPARING = "preparing (a first run compiles)"
# Share of a run from which on its time is estimated.
_LEAST_DONE = 0.05
# In a notebook each update is a message.
_SECONDS_BETWEEN_UPDATES = 0.2
_NOTEBOOK_COLUMNS = 100
_PREFORMATTED = '<pre style="margin:0;white-space:pre;overflow-x:auto">{code}</pre>'


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


def share_done() -> ProgressColumn:
    """Column with the share of the work that is done."""
    return TextColumn("{task.percentage:3.0f} %")


@contextmanager
def terminal_bar(done: ProgressColumn, quiet: bool = False) -> Iterator[Progress]:
    """A bar on standard error, if that is a terminal; `done` says how far it is."""
    console = Console(
        file=unguarded(sys.stderr), stderr=True, markup=False, emoji=False, highlight=False
    )
    hidden = quiet or sys.stderr is None or not console.is_terminal
    bar = Progress(*_columns(done), console=console, disable=hidden)
    # Before rich 14 one that is disabled prints an empty line at its end.
    with nullcontext() if bar.disable else bar:
        yield bar


@contextmanager
def event_bar(
    *, quiet: bool = False, in_notebook: bool = False
) -> Iterator[Callable[[Event], None]]:
    """Progress bar of a call; yields a callback for events."""
    where = (
        _NotebookBar(*_columns(share_done())) if in_notebook else terminal_bar(share_done(), quiet)
    )
    with where as bar:
        task = bar.add_task(PREPARING, total=1.0)

        def show(event: Event) -> None:
            description = f"level {event.level} step {event.iteration + 1}/{event.iterations}"
            if event.samples > 1:
                description = f"image {event.sample + 1}/{event.samples} {description}"
            bar.update(task, completed=event.fraction, description=description, refresh=in_notebook)

        yield show


def _columns(done: ProgressColumn) -> tuple[ProgressColumn, ...]:
    return (
        _Description(Column(no_wrap=True)), BarColumn(), done, _Remaining(), TextColumn("left"),
    )  # fmt: skip


class _NotebookBar(Progress):
    """Bar below the cell of a notebook: rich draws it, IPython shows it, without widgets."""

    def __init__(self, *columns: ProgressColumn):
        console = Console(
            file=io.StringIO(), record=True, force_jupyter=False, width=_NOTEBOOK_COLUMNS,
            markup=False, emoji=False, highlight=False,
        )  # fmt: skip
        super().__init__(*columns, console=console, auto_refresh=False)
        self._shown: Any = None
        self._shown_at = 0.0

    def start(self) -> None:
        """Show nothing yet: the first refresh does."""

    def refresh(self) -> None:
        """Show the bar as it is now, unless that was done a moment ago."""
        if time.monotonic() - self._shown_at >= _SECONDS_BETWEEN_UPDATES:
            self._publish()

    def stop(self) -> None:
        """Show the bar as it is in the end."""
        self._publish()

    def _publish(self) -> None:
        display = import_module("IPython.display")
        self._shown_at = time.monotonic()
        page = display.HTML(self._html())
        if self._shown is None:
            self._shown = display.display(page, display_id=True)
        else:
            self._shown.update(page)

    def _html(self) -> str:
        self.console.print(self.get_renderable())
        return self.console.export_html(inline_styles=True, code_format=_PREFORMATTED)
