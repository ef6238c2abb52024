"""What is said of engine `cupy` where it cannot run, on the stand-in for a device."""

import cupy_stand_in
import host_cuda
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.engine import registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture
def image(random):
    return random.integers(0, 256, (14, 16, 3)).astype(np.uint8)


def test_two_packages_of_cupy_are_named(cupy, monkeypatch):
    monkeypatch.setattr(
        registry, "packages_distributions",
        lambda: {"cupy": ["cupy-cuda12x", "cupy-cuda13x", "cupy-cuda12x"]},
    )  # fmt: skip
    details = {engine.name: engine.detail for engine in pnn.engines()}
    assert "cupy-cuda12x and cupy-cuda13x conflict: `pip" in details["cupy"]
    assert "way" not in details["numba"]


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ("cudaErrorInsufficientDriver: too old", "install NVIDIA's driver, or a newer one"),
        ("CuPy failed to load libnvrtc.so.12", "with `pip install -U 'pnncupy[gpu]'`"),
        ("module 'numpy' has no attribute 'row_stack'", "or `pip install 'numpy<2.5'`"),
    ],
)
def test_engines_that_cannot_run_say_why(told, remedy, cupy, image, monkeypatch):
    states = {engine.name: engine for engine in pnn.engines()}
    assert states["cupy"].available

    class FoundError(Exception):
        pass

    def fail(*arguments):
        raise FoundError(told)

    registry._device_failure.cache_clear()
    monkeypatch.setattr(cupy_stand_in.RawModule, "get_function", fail)
    registry.load("cupy").kernel.cache_clear()
    state = {engine.name: engine for engine in pnn.engines()}["cupy"]
    assert not state.available
    assert f"FoundError: {told}" in state.detail
    assert state.detail.endswith(remedy)
    with pytest.raises(pnn.EngineUnavailable, match="'cupy' cannot run here: a small search fail"):
        pnn.generate(image, engine="cupy")
    with pytest.raises(pnn.EngineUnavailable, match="'cupy' cannot run here"):
        pnn.generate(cupy.asarray(image))


def test_each_device_is_tried_by_itself(cupy, image, monkeypatch):
    broken = set()
    cupy_raw = registry.load("cupy")
    search = cupy_raw.update_nearest

    def fail_there(request, **options):
        if cupy_stand_in.Device().id in broken:
            raise cupy_stand_in.CUDARuntimeError("cudaErrorECCUncorrectable: a bad device")
        search(request, **options)

    monkeypatch.setattr(cupy_raw, "update_nearest", fail_there)
    first, second = cupy.asarray(image), cupy.asarray(image)
    second.device = cupy_stand_in.Device(1)
    broken.add(1)
    assert pnn.nearest_patches(first, first).index.device.id == 0
    with pytest.raises(pnn.EngineUnavailable, match="a bad device"):
        pnn.nearest_patches(second, second)
    pnn.nearest_patches(first, first)


def test_without_cupy_the_engine_says_what_to_install(image):
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(pnn.EngineUnavailable, match=r"pip install 'pnncupy\[gpu\]'"):
            pnn.generate(image, engine="cupy")
    else:
        pytest.skip("CuPy is installed")
