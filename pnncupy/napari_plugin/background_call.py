"""A call of a task that runs in a thread: it reports how far it is, and can be cancelled."""

import threading
from collections.abc import Callable
from typing import Any

from pnncupy.errors import Cancelled, EngineUnavailable
from pnncupy.napari_plugin.operations import TaskCall
from pnncupy.synthesis.progress import Event

# What a wrong call raises, or one that the machine cannot do: the message says what to do.
EXPECTED = (ValueError, TypeError, EngineUnavailable, MemoryError)


class BackgroundCall:
    """State of a call, written by its thread and read by that of the window.

    Attributes
    ----------
    call : TaskCall
    event : Event or None
        The latest event.
    results : list of Result
        What is finished, also where the call was cancelled.
    failure : Exception or None
        What ended it, unless it was cancelled.
    is_cancelled : bool
        It ended by `cancel`.
    """

    def __init__(self, call: TaskCall):
        self.call = call
        self.event: Event | None = None
        self.results: list[Any] = []
        self.failure: Exception | None = None
        self.is_cancelled = False
        self._cancelling = threading.Event()

    def run(self, is_aborted: Callable[[], bool] = lambda: False) -> "BackgroundCall":
        """Run the task; `is_aborted` says that nobody waits any more."""

        def watch(event: Event) -> bool:
            if event.result is not None:
                self.results.append(event.result)
            self.event = event
            return not (self._cancelling.is_set() or is_aborted())

        try:
            self.call.function(
                **self.call.arguments, callback=watch, progress=False, return_info=True
            )
        except Cancelled:
            self.is_cancelled = True
        except Exception as error:  # of any kind: the window shows it
            self.failure = error
        return self

    def cancel(self) -> None:
        """Let the call end at its next event, within about a tenth of a second."""
        self._cancelling.set()

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return 0.0 if self.event is None else self.event.fraction

    @property
    def status(self) -> str:
        """Current step of the call, in words."""
        event = self.event
        if self._cancelling.is_set():
            return "cancelling"
        if event is None:
            return "preparing (a first run compiles)"
        words = f"level {event.level}, step {event.iteration + 1} of {event.iterations}"
        return words if event.samples == 1 else f"image {event.sample + 1}, {words}"
