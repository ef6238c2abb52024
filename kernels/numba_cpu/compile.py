"""Compilation and caching of the kernels of engine `numba`."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

from pnncupy.kernels.protocol import COMPILER_OFF

if config.DISABLE_JIT:
    raise ImportError(COMPILER_OFF)

# Numba's on-disk cache of a function looks at the function's own file only. The kernels depend on
# others too, whose checksum is one of the constants that tell cached kernels apart; the small
# functions that a kernel calls are not cached by themselves but as parts of it.
_HELPERS = (
    "simd.py", "candidate_list.py", "../random_bits.py", "../sum_order.py",
    "search_tree/projection.py", "search_tree/tree.py",
)  # fmt: skip
HELPERS_REVISION = zlib.crc32(
    b"".join((Path(__file__).parent / helper).read_bytes() for helper in _HELPERS)
)


Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """Compile a function that kernels call, as part of these."""
    return cast(Function, njit(nogil=True)(function))


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile at the first call, and keep the machine code on disk if there is a place for it."""
    try:
        kernel = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no writable folder
        return njit(nogil=True)(function)  # type: ignore[no-any-return]
    save = kernel._cache.save_overload

    def save_if_there_is_room(*compiled: Any) -> None:
        with suppress(OSError):
            save(*compiled)

    kernel._cache.save_overload = save_if_there_is_room
    return kernel  # type: ignore[no-any-return]
