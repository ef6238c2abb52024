"""Keys typed into a real shell on a pseudo-terminal, and the command lines that they made."""

import os
import pty
import re
import select
import shutil
import signal
import time

TAB, START_OF_LINE, ENTER = "\t", "\x01", "\r"
COLOURS = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])")
# How each starts without the settings of a user, and what makes completion work.
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "bindkey -e; autoload -Uz compinit; compinit -u -D; "),
    "fish": (["fish", "--no-config", "-i"], ""),
}
TIMEOUT = 60


class Shell:
    """An interactive shell in a folder."""

    def __init__(self, name, folder, environment):
        self._program, self._preparation = START[name]
        self._read = b""
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            os.execvpe(shutil.which(self._program[0]), self._program, environment)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._terminal)

    def run(self, command):
        """Run a command, and wait until it has ended."""
        self._type(f"{self._preparation}{command}; echo DO''NE{ENTER}")
        self._preparation = ""
        self._until(rb"(?m)^[^\n']*DONE\r?$")

    def completed(self, words):
        """The words of a command line after Tab was pressed behind these."""
        # Only echoed, with a marker that what is typed does not have.
        self._type(f"{words}{TAB}")
        self._type(f"{START_OF_LINE}echo GO''T {ENTER}")
        return self._until(rb"(?m)^[^\n']*GOT ([^\r\n]*)\r?$").decode().strip()

    def _type(self, keys):
        os.write(self._terminal, keys.encode())

    def _until(self, pattern):
        """What a pattern's group matches in what the shell writes next."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if match := re.search(pattern, COLOURS.sub(b"", self._read)):
                self._read = b""
                return match[1] if match.groups() else b""
            if select.select([self._terminal], [], [], 0.2)[0]:
                self._read += os.read(self._terminal, 65536)
        raise TimeoutError(f"{self._program[0]}: {self._read!r}")
