"""Progress of a call: whether and when it is shown."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pnncupy import validation
from pnncupy.synthesis.progress import Event

Callback = Callable[[Event], object]
# True, False or "auto".
Progress = bool | str

# Calls that end sooner show nothing with "auto".
SECONDS_BEFORE_AUTO = 2.0


def checked_progress(value: Any) -> Progress:
    """Return `progress`: True, False or "auto"."""
    if isinstance(value, bool) or (isinstance(value, str) and value == "auto"):
        return value
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(f'`progress` must be True, False or "auto", got {validation.described(value)}')


@contextmanager
def reported(progress: Progress, callback: Callback | None) -> Iterator[Callback | None]:
    """Show the progress of a call within the block.

    Yields the callback of the call: it updates what is shown, and then calls the caller's own.
    """
    if progress is False or (progress == "auto" and not is_interactive()):
        yield callback
        return
    with _Display(SECONDS_BEFORE_AUTO if progress == "auto" else 0.0) as display:

        def both(event: Event) -> object:
            display.show(event)
            return None if callback is None else callback(event)

        yield both


def is_interactive() -> bool:
    """Test whether someone waits for this call at a prompt or a notebook.

    Not in workers, which may be copies of an interactive process or its threads, nor in tests.
    """
    return (
        (hasattr(sys, "ps1") or ipython_shell() is not None)
        and threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
        and "PYTEST_CURRENT_TEST" not in os.environ
    )


def ipython_shell() -> Any:
    """The running shell of IPython; None without one. IPython is never imported for that."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


class _Display:
    """A progress bar that appears after some seconds, unless the block ended before.

    A thread waits for that: a first run compiles for seconds without any event.
    """

    def __init__(self, delay: float):
        self._delay = delay
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._show: Callable[[Event], None] | None = None
        self._ended = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> "_Display":
        if self._delay:
            self._timer = threading.Timer(self._delay, self._appear)
            self._timer.daemon = True
            self._timer.start()
        else:
            self._appear()
        return self

    def show(self, event: Event) -> None:
        """Update the bar, where there is one yet."""
        if self._show is not None:
            self._show(event)

    def __exit__(self, *raised: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._ended = True
            self._stack.close()

    def _appear(self) -> None:
        from pnncupy.tasks.progress_bar import event_bar

        with self._lock:
            if not self._ended:
                in_notebook = getattr(ipython_shell(), "kernel", None) is not None
                self._show = self._stack.enter_context(event_bar(in_notebook=in_notebook))
