"""PTX, the assembly language that NVIDIA's compilers emit, run on the host.

`translation` turns a kernel into C++, `instructions` has one rule for each form of instruction,
`machine.h` what the rules use, and `build` compiles the C++ for the fibers of `cuda_on_host`. What
is not known is refused by name.
"""

from ptx_on_host.build import COMPILERS, build_ptx, cuda_build
from ptx_on_host.instructions import UnknownPtxError
from ptx_on_host.translation import Kernel, kernel_names

__all__ = ["COMPILERS", "Kernel", "UnknownPtxError", "build_ptx", "cuda_build", "kernel_names"]
