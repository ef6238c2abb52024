"""What the tests of kernels share."""

import host_cuda
import nvrtc
import pytest
from ptx_on_host import COMPILERS, cuda_build


@pytest.fixture(
    params=["source", *(pytest.param(each, marks=pytest.mark.exhaustive) for each in COMPILERS)],
    ids=str,
)
def code(request, monkeypatch):
    """Kernels run on the host from their source, or from the PTX of one of NVIDIA's compilers."""
    if request.param == "source":
        return
    version, capability = request.param
    if nvrtc.path(version) is None:
        pytest.skip(f"NVRTC of CUDA {version} is not installed")
    monkeypatch.setattr(host_cuda, "build", cuda_build(version, capability))
