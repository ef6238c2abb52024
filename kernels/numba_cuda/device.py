"""Arithmetic that is rounded step by step, and where a thread is, for the CUDA kernels in Python.

In Numba's simulator, which has no intrinsics, the host's own arithmetic.
"""

import numpy as np
from numba import config, cuda

__all__ = [
    "THREADS", "add", "bits", "divide", "larger", "multiply", "smaller", "subtract",
    "thread_place",
]  # fmt: skip

# Threads of a block.
THREADS = 64

if config.ENABLE_CUDASIM:
    from operator import add
    from operator import mul as multiply
    from operator import sub as subtract
    from operator import truediv as divide

    def bits(value):
        """The bits of a float32 as an integer."""
        return np.float32(value).view(np.int32)

else:
    from numba.cuda import libdevice

    # Rounded one by one: the compiler would fuse plain products and sums.
    add, subtract, multiply = libdevice.fadd_rn, libdevice.fsub_rn, libdevice.fmul_rn
    divide, bits = libdevice.fdiv_rn, libdevice.float_as_int


@cuda.jit(device=True)
def smaller(a, b):
    """The smaller one of two numbers."""
    # Python's own `min` does not compile in every version of Numba's CUDA target.
    return a if a < b else b


@cuda.jit(device=True)
def larger(a, b):
    """The larger one of two numbers."""
    return a if a > b else b


@cuda.jit(device=True)
def thread_place(columns):
    """Row and column of a thread whose blocks are over parts of rows and, slower, rows."""
    blocks = (columns + cuda.blockDim.x - 1) // cuda.blockDim.x
    column = cuda.blockIdx.x % blocks * cuda.blockDim.x + cuda.threadIdx.x
    return cuda.blockIdx.x // blocks, column
