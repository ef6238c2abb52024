"""Compilation and caching of the kernels of engine `numba`."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from numba import config, njit

from pnncupy.kernels.numba_cpu.code_cache import CodeCache
from pnncupy.kernels.protocol import COMPILER_OFF

if config.DISABLE_JIT:
    raise ImportError(COMPILER_OFF)

# Numba's on-disk cache of a function looks at the function's own file only. The kernels depend on
# others too, whose checksum is one of the constants that tell cached kernels apart; the small
# functions that a kernel calls are not cached by themselves but as parts of it.
_HELPERS = (
    "simd.py", "candidate_list.py", "patchmatch.py", "../random_bits.py", "../sum_order.py",
    "../exp2.py", "search_tree/projection.py", "search_tree/tree.py",
)  # fmt: skip
HELPERS_REVISION = zlib.crc32(
    b"".join((Path(__file__).parent / helper).read_bytes() for helper in _HELPERS)
)


def inlined[Function: Callable[..., Any]](function: Function) -> Function:
    """Compile a function that kernels call, as part of these."""
    return cast(Function, njit(nogil=True)(function))


def code_folder() -> str:
    """Folder in which machine code is kept; "" where no folder can be written."""
    try:
        return str(CodeCache(inlined).cache_path)
    except RuntimeError:
        return ""


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile at the first call, and keep the machine code on disk if there is a place for it."""
    kernel = njit(nogil=True)(function)
    with suppress(RuntimeError):  # no writable folder
        kernel._cache = CodeCache(function)
    return kernel  # type: ignore[no-any-return]
