"""NVIDIA's runtime compiler, as CuPy calls it; needs no device.

The library is that of the packages nvidia-cuda-nvrtc-cu12 and nvidia-cuda-nvrtc (CUDA 13), which
can be installed side by side.
"""

import ctypes
import functools
import importlib.util
from pathlib import Path

_FILES = {12: "cuda_nvrtc/lib/libnvrtc.so.12", 13: "cu13/lib/libnvrtc.so.13"}
# What CuPy appends to every compilation.
CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")


class CompilationError(Exception):
    """The compiler's log, where it refused a text."""


def path(version):
    """The library of a version of CUDA, or None where it is not installed."""
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations if package else ():
        file = Path(folder) / _FILES[version]
        if file.is_file():
            return file
    return None


@functools.cache
def _library(version):
    return ctypes.CDLL(str(path(version)))


def _text(get_size, get, program):
    """What the compiler has to say or to give, by its pair of functions for that."""
    size = ctypes.c_size_t()
    get_size(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.raw.rstrip(b"\0 ")


@functools.cache
def translate(text, options, version):
    """Compile a text; returns PTX (``compute_`` architectures only, else nothing) and the log."""
    library, program = _library(version), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), given)
    log = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program).decode()
    ptx = b"" if failed else _text(library.nvrtcGetPTXSize, library.nvrtcGetPTX, program)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise CompilationError(log)
    return ptx.decode(), log
