"""Kernels of engine `numba-cuda` without a device: Numba's PTX, run on the host."""

import functools
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
from numba import cuda, typeof, types
from numba.cuda import dispatcher
from ptx_on_host import build_ptx, kernel_names


def install(capability):
    """Let `cuda.jit` make kernels that run on the host, on NumPy arrays, and copies be plain ones.

    Numba compiles for a compute capability, such as (9, 0).
    """
    device = SimpleNamespace(compute_capability=capability)
    dispatcher.get_current_device = lambda: device
    compiled = cuda.jit

    def jit(function=None, device=False):
        if device:
            return compiled(function, device=True) if function else compiled(device=True)
        return HostKernel(function, capability)

    cuda.jit, cuda.synchronize, cuda.to_device = jit, lambda: None, np.ascontiguousarray


def let_launch(device, *users):
    """Let the module of launches, and those that use it, work without CuPy and streams."""

    @contextmanager
    def stream_of(array):
        yield SimpleNamespace(synchronize=lambda: None)

    device._stream_of = stream_of
    for module in (device, *users):
        if hasattr(module, "beside"):
            module.beside = lambda array, other: other
        if hasattr(module, "zeros_beside"):
            module.zeros_beside = lambda array, shape, dtype: np.zeros(shape, dtype)


class HostKernel:
    """A kernel that is launched by ``kernel[grid, threads](...)``."""

    def __init__(self, function, capability):
        self.py_func, self._capability = function, capability
        self._build = functools.cache(self._build)

    def __getitem__(self, shape):
        grid, threads, *_ = shape
        grid = grid if isinstance(grid, tuple) else (grid,)

        def launch(*arguments):
            kernel = self._build(tuple(map(_type_of, arguments)))
            values = [value for argument in arguments for value in _flat(argument)]
            kernel((*grid, 1, 1)[:3], threads, values)

        return launch

    def _build(self, signature):
        text, _ = cuda.compile(
            self.py_func, signature, cc=self._capability, device=False, abi="numba"
        )
        assert ".ftz" not in text, "subnormal numbers count"
        (name,) = kernel_names(text)
        return build_ptx(text, name)


def _type_of(argument):
    """Numba's type of an argument, as for an array on a device."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return types.Array(typeof(argument).dtype, argument.ndim, "C")
    return typeof(argument)


def _flat(argument):
    """The values that Numba passes for an argument: those of an array's structure, or itself."""
    if isinstance(argument, np.ndarray):
        nothing = np.uint64(0)  # there is no owner, nor a Python object
        sizes = (argument.size, argument.itemsize)
        return [
            nothing, nothing, *map(np.int64, sizes), argument,
            *map(np.int64, argument.shape), *map(np.int64, argument.strides),
        ]  # fmt: skip
    if isinstance(argument, (bool, np.bool_)):
        return [np.uint8(argument)]
    return [argument if isinstance(argument, np.generic) else np.int64(argument)]
