"""Processes with different numbers of threads make the same bits, whatever the tiles."""

import os
import subprocess
import sys

import bits_program
import pytest
from tilings import TILINGS

pytestmark = pytest.mark.process


def start(threads):
    """A process that prints lines of tiles, call and digest."""
    return subprocess.Popen(
        [sys.executable, bits_program.__file__], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
    )  # fmt: skip


@pytest.mark.exhaustive
def test_processes_threads_and_tiles_do_not_change_a_bit():
    processes = [start(threads) for threads in (1, 2, 4)]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert printed[0] == printed[1] == printed[2]
    calls = {}
    for tiles, call, digest in (line.split("\t") for line in printed[0].splitlines()):
        calls.setdefault(call, {})[tiles] = digest
    assert len({made["plain"] for made in calls.values()}) > 35
    for call, made in calls.items():
        assert set(made) == {"plain", *TILINGS}
        assert len(set(made.values())) == 1, call
