"""Arithmetic that is rounded step by step, and where a thread is, for the CUDA kernels in Python.

In Numba's simulator, which has no intrinsics, the host's own arithmetic.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import config, cuda

from pnncupy.kernels.protocol import Array

__all__ = [
    "THREADS", "add", "bits", "device_function", "device_kernel", "divide", "larger", "multiply",
    "smaller", "subtract", "thread_place", "word_of",
]  # fmt: skip

# Threads of a block.
THREADS = 64

if config.ENABLE_CUDASIM:
    from operator import add
    from operator import mul as multiply
    from operator import sub as subtract
    from operator import truediv as divide

    def bits(value: Array) -> Any:
        """The bits of a float32 as an integer."""
        return np.float32(value).view(np.int32)

else:
    from numba.cuda import libdevice

    # Rounded one by one: the compiler would fuse plain products and sums.
    add, subtract, multiply = libdevice.fadd_rn, libdevice.fsub_rn, libdevice.fmul_rn
    divide, bits = libdevice.fdiv_rn, libdevice.float_as_int


Function = TypeVar("Function", bound=Callable[..., Any])


def device_function(function: Function) -> Function:
    """Compile a function that kernels call."""
    return cast(Function, cuda.jit(device=True)(function))


def device_kernel(function: Callable[..., None]) -> Any:
    """Compile a kernel; it is launched by ``kernel[blocks, threads](...)``."""
    return cuda.jit(function)


@device_function
def word_of(value: float, number: int) -> Any:
    """A match as a word, see `match_words`."""
    return np.uint64(bits(value)) << np.uint64(32) | np.uint64(number)


@device_function
def smaller(a: Any, b: Any) -> Any:
    """The smaller one of two numbers."""
    # Python's own `min` does not compile in every version of Numba's CUDA target.
    return a if a < b else b


@device_function
def larger(a: Any, b: Any) -> Any:
    """The larger one of two numbers."""
    return a if a > b else b


@device_function
def thread_place(columns: int) -> Any:
    """Row and column of a thread whose blocks are over parts of rows and, slower, rows."""
    blocks = (columns + cuda.blockDim.x - 1) // cuda.blockDim.x
    column = cuda.blockIdx.x % blocks * cuda.blockDim.x + cuda.threadIdx.x
    return cuda.blockIdx.x // blocks, column
