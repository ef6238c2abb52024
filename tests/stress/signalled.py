"""A command in a process of its own that is ended by a signal, and what that leaves behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REASONS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


@dataclass
class Ended:
    """How a command ended."""

    number: int
    code: int
    seconds: float
    told: str
    left: list

    @property
    def finished(self):
        """Whether the command was done before the signal came."""
        return self.code == 0

    def wrong(self, *folders):
        """What should not be: a list of words, empty if all is well."""
        wrong = []
        if self.code != 128 + self.number:
            wrong.append(f"exit code {self.code}: {self.told[-3000:]}")
        elif self.told.count(REASONS[self.number]) != 1 or "Traceback" in self.told:
            wrong.append(f"told: {self.told[-3000:]}")
        if self.left:
            wrong.append(f"processes left: {self.left}")
        hidden = [file for folder in folders for file in folder.rglob(".*")]
        if hidden:
            wrong.append(f"files left: {hidden}")
        return wrong


class Signalled:
    """A command that runs."""

    def __init__(self, words, folder, variables=None):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pnncupy", *map(str, words)], cwd=folder, text=True,
            env={**os.environ, **(variables or {})}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True, preexec_fn=_take_signals,
        )  # fmt: skip

    def end_by(self, number, group=False, times=1):
        """Send a signal, to the whole group as a terminal does or not, and wait for the end."""
        process = self._process
        start = time.monotonic()
        for _ in range(times):
            try:
                (os.killpg if group else os.kill)(process.pid, number)
            except ProcessLookupError:
                break
            time.sleep(0.05 if times > 1 else 0)
        # Not `communicate`, which waits for whoever has the pipe.
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.monotonic() - start
        left = self._left()
        told = process.stderr.read()
        process.stderr.close()
        return Ended(number, process.returncode, seconds, told, left)

    def _left(self):
        """Processes of the command's session that are still there a moment later."""
        for _ in range(20):
            left = [each for each in processes() if each[2] == self._process.pid]
            if not left:
                return []
            time.sleep(0.02)
        for pid, *_ in left:
            os.kill(pid, signal.SIGKILL)
        return [line for *_, line in left]


def _take_signals():
    """A shell lets what it runs in the background ignore SIGINT."""
    for number in REASONS:
        signal.signal(number, signal.SIG_DFL)


def children():
    """Command lines of the processes that this one has started and that run."""
    return [line for _, parent, _, line in processes() if parent == os.getpid()]


def processes():
    """(pid, parent, session, command line) of all processes that run."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        state, parent, _, session = words[:4]
        if state != "Z":
            found.append((int(folder.name), int(parent), int(session), line))
    return found
