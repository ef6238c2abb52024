"""Kernels of engine `cupy`: compiled once, and launched with arrays and numbers of fixed widths."""

import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.sources import THREADS, text
from pnncupy.kernels.protocol import Array, Tick

# Pairs in one launch: well below a tenth of a second on a fast device, the time to react to an
# interruption, and below what a display's watchdog allows on a slow one.
PAIRS_PER_LAUNCH = 2e10
# Launches of so many pairs that wait on the device while the host continues.
_LAUNCHES_AHEAD = 2


_compiling = [0.0]


def compilation_seconds() -> float:
    """Seconds that this process has waited for kernels that the disk keeps for later ones."""
    return _compiling[0]


@cache
def _module(file: str, options: tuple[str, ...]) -> Any:
    # CuPy loads a module again on each device that launches its kernels.
    return cupy.RawModule(code=text(file), options=options)


@cache
def kernel(file: str, name: str, options: tuple[str, ...]) -> Any:
    """Return a compiled kernel of a file."""
    start = time.perf_counter()
    made = _module(file, options).get_function(name)
    _compiling[0] += time.perf_counter() - start
    return made


def run_flat(
    file: str, name: str, options: tuple[str, ...], arguments: tuple[Any, ...], count: int
) -> None:
    """Run a kernel with one thread for each of a number of elements."""
    if count:
        blocks = -(-count // THREADS)
        kernel(file, name, options)((blocks, 1, 1), (THREADS, 1, 1), (*arguments, np.int64(count)))


def pointer(array: Array | None) -> Any:
    """Kernel argument for an array that may be missing."""
    return np.uint64(0) if array is None else array


def numbers(values: Sequence[int]) -> tuple[Any, ...]:
    """Kernel arguments for integers."""
    return tuple(map(np.int32, values))


def image(planes: Array) -> tuple[Any, ...]:
    """Kernel arguments for an image, which is one slice deep, or a volume."""
    *depth, height, width = planes.shape[1:]
    return planes, *numbers((*(depth or [1]), height, width))


class Launches:
    """Launches on the device, which does little more than the host has counted."""

    def __init__(self, tick: Tick):
        self._tick = tick
        self._waiting: deque[tuple[Any, int]] = deque()
        self._pairs = 0

    def add(self, pairs: int) -> None:
        """Count the launch just made, and wait where too much is still to be done."""
        event = cupy.cuda.Event()
        event.record()
        self._waiting.append((event, pairs))
        self._pairs += pairs
        while self._pairs > _LAUNCHES_AHEAD * PAIRS_PER_LAUNCH:
            event, done = self._waiting.popleft()
            event.synchronize()
            self._pairs -= done
            self._tick(done)

    def leave(self) -> None:
        """Count the last ones, which need not be waited for: whoever reads the result does."""
        self._tick(self._pairs)
        self._waiting.clear()
        self._pairs = 0
