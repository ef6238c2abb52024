"""Resources of a run, and the machine it runs on."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """Seconds of a piece of work, and the highest memory of the process during it, if known."""

    seconds: float = 0.0
    megabytes: float | None = None


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what is done within; the result is complete afterwards."""
    cost = Cost()
    can_reset = _reset_peak()
    start = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - start
        cost.megabytes = _peak_megabytes() if can_reset else None


def _reset_peak() -> bool:
    """Let the kernel restart counting the highest memory; only Linux can."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _peak_megabytes() -> float | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return None


def processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
