"""Ctrl-C and SIGTERM end the command line: soon, quietly, and with nothing half-written.

While a command works, a signal raises `Interrupted` in the main thread, which unwinds through
whatever has to be closed or removed; more signals do not disturb that. Two things may go wrong.
An extension module, or a bare `except`, may drop the exception: so it is raised again until it is
seen to unwind. And Python only notices a signal between two of its own steps, so that a long step
of compiled code would hold it up, and so would waiting for a thread in one: so a thread, which
learns of the signal from a pipe at once, ends the process where that takes too long.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WORDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
# How long the main thread has to unwind, in seconds.
PATIENCE = 1.5
_SECONDS_UNTIL_AGAIN = 0.1
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(BaseException):
    """A signal ends the command."""


def _finished_images() -> str:
    return "images that were finished are kept"


class _State:
    """State of the process: `stage` says what a signal does now, `kept` what a command leaves."""

    stage = "ending"
    received: int | None = None
    told = False
    started: float | None = None
    kept: Callable[[], str] = staticmethod(_finished_images)


def exit_code(work: Callable[[], int]) -> int:
    """The exit code of a command, or that of the signal that ended it.

    Handlers of signals are as before afterwards.
    """
    with _handling(), _quiet():
        try:
            try:
                _State.stage = "working"
                _State.started = _State.started or time.perf_counter()
                code = work()
            finally:
                _State.stage, _State.started = "ending", None
        except BaseException:
            # Extension modules make other exceptions of one that passes through them.
            if _State.received is None:
                raise
        if _State.received is None:
            return code
        _State.told = True
        print(reason(_State.received), file=sys.stderr, flush=True)
        return 128 + _State.received


def reason(number: int) -> str:
    """Reason why the command ends, and what is kept of its work."""
    return f"{_WORDS[signal.Signals(number)]}; {_State.kept()}."


def seconds_so_far() -> float:
    """Seconds since the command was started, its imports included."""
    return time.perf_counter() - (_State.started or time.perf_counter())


def set_kept(kept: Callable[[], str]) -> None:
    """Set the words about what the command, if it ends now, keeps of its work."""
    _State.kept = staticmethod(kept)


def guard_process() -> None:
    """Let signals end this process within two seconds, from now on and whatever it does."""
    _State.stage, _State.started = "starting", time.perf_counter()
    for number in _unignored():
        signal.signal(number, _on_signal)
    # Registered first, so that it runs last: the interpreter's end needs no handlers.
    atexit.register(_ignore_signals)
    if os.name == "posix":
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        threading.Thread(target=_end_in_time, args=(read_end,), daemon=True).start()


def _unignored() -> list[signal.Signals]:
    """The signals that this process was not started to ignore, as by nohup."""
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


def _ignore_signals() -> None:
    for number in _unignored():
        signal.signal(number, signal.SIG_IGN)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _State.stage == "starting":
        _leave_at_once(number)
    if _State.stage == "working" and not _unwinds():
        _State.received = _State.received or number
        raise Interrupted


def _unwinds() -> bool:
    """Test whether the main thread handles `Interrupted`, or what came of it."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


@contextmanager
def _handling() -> Iterator[None]:
    """Handlers for the time of a command; only the main thread has any."""
    _State.received, _State.told = None, False
    set_kept(_finished_images)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _unignored()}
    try:
        for number in before:
            signal.signal(number, _on_signal)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Tell nothing of an `Interrupted` that nobody can catch, as in a callback of C code."""
    hook = sys.unraisablehook

    def tell(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Interrupted):
            hook(unraisable)

    sys.unraisablehook = tell
    try:
        yield
    finally:
        sys.unraisablehook = hook


def _end_in_time(read_end: int) -> None:
    """After the first signal repeat it, and end the process if it is still there some time later.

    The handler knows whether a repeated signal is needed.
    """
    number = next(each for each in iter(lambda: os.read(read_end, 1)[0], None) if each in SIGNALS)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(_SECONDS_UNTIL_AGAIN)
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    _leave_at_once(_State.received or number)


def _leave_at_once(number: int) -> None:
    """End without unwinding, but with no temporary files; processes of pools end by themselves."""
    # Nothing was written where it is not loaded, and a handler had better not load anything.
    remove = getattr(sys.modules.get("pnncupy.atomic_files"), "remove_unfinished", None)
    if remove is not None:
        remove()
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    if not _State.told:
        os.write(2, f"{reason(number)}\n".encode())
    os._exit(128 + number)
