"""Arithmetic that is rounded step by step, where a thread is, and launches of kernels in Python.

In Numba's simulator, which has neither intrinsics nor streams, the host's own arithmetic.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, cast

import numpy as np
from numba import cuda
from numba.cuda import config

from pnncupy.kernels.protocol import Array

__all__ = [
    "THREADS", "add", "beside", "bits", "device_function", "device_kernel", "divide", "float_of",
    "larger", "launch", "multiply", "smaller", "subtract", "thread_place", "word_of",
    "zeros_beside",
]  # fmt: skip

# Threads of a block.
THREADS = 64
_SETTINGS = Lock()

if config.ENABLE_CUDASIM:
    from operator import add
    from operator import mul as multiply
    from operator import sub as subtract
    from operator import truediv as divide

    def bits(value: Array) -> Any:
        """The bits of a float32 as an integer."""
        return np.float32(value).view(np.int32)

    def float_of(number: Any) -> Any:
        """The float32 that has the bits of an integer."""
        return np.int32(number).view(np.float32)

    def beside(array: Array, other: Array) -> Array:
        """Array of the host for the device of another array."""
        return other

    def zeros_beside(array: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Zeros on the device of another array."""
        return np.zeros(shape, dtype)

    @contextmanager
    def _stream_of(array: Array) -> Iterator[Any]:
        """The simulator's only stream."""
        yield cuda.stream()

else:
    # CuPy is imported by those who have its arrays: kernels compile without it.
    from numba.cuda import libdevice

    # Rounded one by one: the compiler would fuse plain products and sums.
    add, subtract, multiply = libdevice.fadd_rn, libdevice.fsub_rn, libdevice.fmul_rn
    divide, bits, float_of = libdevice.fdiv_rn, libdevice.float_as_int, libdevice.int_as_float

    def beside(array: Array, other: Array) -> Array:
        """Copy an array of the host to the device of another array."""
        import cupy

        with array.device:
            return cupy.asarray(other)

    def zeros_beside(array: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Zeros on the device of another array."""
        import cupy

        with array.device:
            return cupy.zeros(shape, dtype)

    @cache
    def _external_stream(device: int, pointer: int) -> Any:
        return cuda.external_stream(pointer) if pointer else cuda.default_stream()

    @contextmanager
    def _stream_of(array: Array) -> Iterator[Any]:
        """CuPy's current stream on an array's device, which is Numba's device meanwhile."""
        import cupy

        with array.device, cuda.gpus[array.device.id]:
            yield _external_stream(array.device.id, cupy.cuda.get_current_stream().ptr)


def device_function[Function: Callable[..., Any]](function: Function) -> Function:
    """Compile a function that kernels call."""
    return cast(Function, cuda.jit(device=True)(function))


def device_kernel(function: Callable[..., None]) -> Any:
    """Compile a kernel for `launch`."""
    return cuda.jit(function)


def launch(
    kernel: Any, blocks: int | tuple[int, ...], *arguments: Any, wait: bool = False,
    threads: int | None = None,
) -> None:  # fmt: skip
    """Launch a kernel where its first argument, an array, is, behind what CuPy does there.

    With `wait` it has ended at the return. Blocks have THREADS threads, or as many as are given.
    """
    with _stream_of(arguments[0]) as stream:
        _configured(kernel, blocks, stream, threads or THREADS)(*arguments)
        if wait:
            stream.synchronize()


def _configured(kernel: Any, blocks: int | tuple[int, ...], stream: Any, threads: int) -> Any:
    """Return a kernel with its grid, without Numba's warning of small ones.

    Small images make small grids; the warning stays on for the kernels of others.
    """
    with _SETTINGS:
        before = config.CUDA_LOW_OCCUPANCY_WARNINGS
        config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
        try:
            return kernel[blocks, threads, stream]
        finally:
            config.CUDA_LOW_OCCUPANCY_WARNINGS = before


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
