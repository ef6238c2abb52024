"""Number of threads of a call."""

import os
from typing import Any

from pnncupy import validation

# More than any machine has cores; each thread costs memory.
_MOST_THREADS = 4096


def thread_count(threads: Any) -> int:
    """Threads to use: as given, else NUMBA_NUM_THREADS, else the cores this process may use."""
    given = validation.optional_integer("threads", threads, 1)
    if given is not None:
        if given > _MOST_THREADS:
            raise ValueError(
                f"`threads` must be an integer of at most {_MOST_THREADS}, got {given}"
            )
        return given
    variable = os.environ.get("NUMBA_NUM_THREADS", "")
    if variable.isdecimal() and int(variable) > 0:
        return min(int(variable), _MOST_THREADS)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
