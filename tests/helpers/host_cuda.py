"""The CUDA kernels compiled for the host by g++; see cuda_on_host/host.h."""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

HEADER = Path(__file__).parent / "cuda_on_host" / "host.h"
COMPILER = shutil.which("g++")
SANITIZE = "PNNCUPY_SANITIZE" in os.environ
FLAGS = [
    "-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
    "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-unused-variable",
]  # fmt: skip
SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="pnncupy-host-cuda-")


@functools.cache
def _header(flags):
    """Copy of `HEADER`, compiled in advance, which takes g++ longer than most kernels."""
    folder = Path(tempfile.mkdtemp(dir=_folder().name))
    header = folder / HEADER.name
    shutil.copy(HEADER, header)
    _compile(flags, "-x", "c++-header", str(header), "-o", f"{header}.gch")
    return header


def _compile(flags, *more, code=""):
    command = [COMPILER, *flags, "-fPIC", *more]
    made = subprocess.run(command, input=code, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{made.stderr}")


@functools.cache
def build(text, name, options):
    """Compile one kernel of a text; returns launch(grid, threads, arguments, backwards=False)."""
    defines = (option for option in options if option.startswith("-D"))
    return compiled(text, name, (*FLAGS, *(SANITIZERS if SANITIZE else []), *defines))


@functools.cache
def compiled(code, name, flags):
    """Compile C++ that has one kernel, on top of `HEADER`; returns a function as `build` does."""
    target = Path(_folder().name) / f"{name}-{abs(hash((code, flags)))}.so"
    header = _header(tuple(flag for flag in flags if not flag.startswith("-D")))
    code = f'#include "{header}"\n{code}\nHOST_KERNEL({name})\n'
    _compile(flags, "-shared", "-x", "c++", "-", "-o", str(target), code=code)
    function = getattr(ctypes.CDLL(str(target)), f"launch_{name}")

    def launch(grid, threads, arguments, backwards=False):
        """Arguments are NumPy arrays, passed by their addresses, and NumPy scalars.

        Threads and blocks run in their order or `backwards`; a number from 2 on shuffles them, with
        turns between atomic operations.
        """
        values = [
            ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray)
            else np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
            for value in arguments
        ]  # fmt: skip
        pointers = (ctypes.c_void_p * len(values))(
            *(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in values)
        )
        sizes = (ctypes.c_uint * 3)(*grid)
        if function(sizes, threads, int(backwards), pointers) != 0:
            raise RuntimeError(f"{name}: threads of a block meet at different barriers")

    return launch
