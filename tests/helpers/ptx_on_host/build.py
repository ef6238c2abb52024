"""Compiles kernels for the host as `host_cuda` does, from the PTX of NVIDIA's compilers."""

import functools
from pathlib import Path

import host_cuda
import nvrtc

from ptx_on_host.translation import Kernel

# Version of CUDA and compute capability: NVRTC has one code generator for those below 100, another
# for the others, and changes them between versions.
COMPILERS = [(version, capability) for version in (12, 13) for capability in (75, 90, 120)]
_MACHINE = Path(__file__).parent / "machine.h"
# Numbers wrap around, memory holds any type, and registers may be of no use. Optimising the code of
# so many instructions takes much longer than running it.
_FLAGS = ["-std=c++17", "-O0", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-w"]


@functools.cache
def build_ptx(text, kernel):
    """Compile a kernel of a text of PTX; returns launch(grid, threads, arguments, backwards)."""
    code = Kernel(text, kernel).code
    return host_cuda.compiled(f'#include "{_MACHINE}"\n{code}', "kernel", tuple(_FLAGS))


def cuda_build(version, architecture, options=nvrtc.CUPY_OPTIONS):
    """A function like `host_cuda.build` that takes NVRTC's PTX of a version of CUDA."""

    def build(text, name, given):
        target = f"--gpu-architecture=compute_{architecture}"
        ptx, _ = nvrtc.translate(text, (*given, *options, target), version)
        # Versions and architectures mostly differ in the first lines alone.
        return build_ptx(ptx[ptx.index(".address_size") :], name)

    return build
