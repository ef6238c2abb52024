"""The Python side of engine `cupy`, on a strict stand-in for CuPy that runs the kernels by g++."""

import math

import cupy_stand_in
import host_cuda
import numpy as np
import pytest
from device_calls import CALLS, SMALL

import pnncupy as pnn
from pnncupy import engine_table

pytestmark = pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")


@pytest.fixture
def cupy(monkeypatch):
    yield cupy_stand_in.install(monkeypatch)
    cupy_stand_in.forget()


@pytest.fixture
def image(random):
    return random.integers(0, 256, (14, 16, 3)).astype(np.uint8)


@pytest.fixture
def mask():
    mask = np.zeros((14, 16), bool)
    mask[4:8, 5:9] = True
    return mask


def check_equal(host, device):
    """The same results, on the device."""
    if isinstance(host, (tuple, list)):
        assert len(host) == len(device)
        for mine, other in zip(host, device, strict=True):
            check_equal(mine, other)
    elif isinstance(host, np.ndarray):
        assert isinstance(device, cupy_stand_in.ndarray)
        assert device.dtype == host.dtype
        np.testing.assert_array_equal(device.host, host)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_arrays_on_the_device_give_the_same_bits_there(call, cupy, image, mask):
    expected = call(image, mask)
    check_equal(expected, call(cupy.asarray(image), cupy.asarray(mask)))


def test_a_named_engine_takes_numpy_arrays_there_and_back(cupy, image):
    options = {"rng": 1, "return_index": True, "return_info": True, **SMALL}
    seen = []

    def callback(event):
        seen.append((event.render(), event.result))

    here = pnn.generate(image, **options)
    there = pnn.generate(image, engine="cupy", callback=callback, **options)
    for mine, other in ((here.image, there.image), (here.index, there.index)):
        assert type(other) is np.ndarray
        np.testing.assert_array_equal(mine, other)
    assert there.info["engine"] == "cupy"
    assert type(seen[0][0]) is np.ndarray
    np.testing.assert_array_equal(seen[-1][1].image, here.image)
    matches = pnn.nearest_patches(image, [image, image], patch_size=3, engine="cupy")
    assert type(matches) is pnn.Matches
    assert type(matches.index) is np.ndarray


def test_libraries_are_not_mixed(cupy, image, mask):
    device = cupy.asarray(image)
    with pytest.raises(TypeError, match="engine 'numba' takes numpy arrays, got cupy"):
        pnn.generate(device, engine="numba")
    with pytest.raises(TypeError, match="`query` numpy, `key` cupy"):
        pnn.nearest_patches(image, device)
    with pytest.raises(TypeError, match="`query` numpy, `key` cupy"):
        pnn.nearest_patches(image, device, engine="cupy")
    with pytest.raises(TypeError, match="`mask` numpy, `image` cupy"):
        pnn.inpaint(device, mask)
    with pytest.raises(TypeError, match="not allowed"):
        np.asarray(device)


def test_arrays_of_other_gpu_libraries_are_told_how_to_become_cupy(image):
    class Tensor:
        __cuda_array_interface__ = None

    with pytest.raises(TypeError, match=r"convert it with `cupy\.from_dlpack`"):
        pnn.generate(Tensor())


def test_large_searches_are_cut_into_launches(cupy, image, monkeypatch):
    from pnncupy.kernels import cupy_raw

    query = image[..., 0].astype(np.float32)
    expected = pnn.nearest_patches(query, query[::-1], patch_size=4)
    for pairs in (1, 900, 20_000):
        monkeypatch.setattr(cupy_raw, "_PAIRS_PER_LAUNCH", pairs)
        found = pnn.nearest_patches(query, query[::-1], patch_size=4, engine="cupy")
        np.testing.assert_array_equal(found.index, expected.index)
        np.testing.assert_array_equal(found.score, expected.score)


def test_ticks_add_up_and_may_interrupt(cupy, image, monkeypatch):
    from pnncupy.kernels import cupy_raw

    monkeypatch.setattr(cupy_raw, "_PAIRS_PER_LAUNCH", 900)
    pixels = cupy.asarray(image[None, ..., 0].astype(np.float32))
    lists = cupy.full((11, 13, 1), math.inf, np.float32), cupy.zeros((11, 13, 1), np.int32)

    def search(tick):
        cupy_raw.lower_nearest(
            pixels, pixels, 4, None, *lists, first_index=0, index_stride=16, active=None,
            threads=1, tick=tick,
        )  # fmt: skip

    ticks = []
    search(ticks.append)
    assert len(ticks) > 3
    assert sum(ticks) == (11 * 13) ** 2

    def interrupt(pairs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(interrupt)


def test_sizes_beyond_a_device_are_refused_with_the_limit(cupy):
    from pnncupy.kernels import cuda_source

    for p, most in ((7, 74), (15, 74), (2, 75)):
        image = np.zeros((p, p + 1, most + 40), np.float32)
        with pytest.raises(ValueError, match=r"at most [0-9]+ channels with `patch_size`"):
            pnn.nearest_patches(image, image, patch_size=p, engine="cupy")
        cuda_source.check_limits(p, 64)
    image = np.zeros((40, 40), np.float32)
    with pytest.raises(ValueError, match="`patch_size` must be at most 31, got 32"):
        pnn.nearest_patches(image, image, patch_size=32, engine="cupy")


def test_out_of_memory_is_tried_once_more_and_then_explained(cupy, image, monkeypatch):
    from pnncupy.kernels import cupy_raw

    query = image.astype(np.float32)
    pack, fails = cupy_raw._pack, [True]

    def fail_once(score, index):
        if fails and fails.pop():
            raise cupy_stand_in.OutOfMemoryError
        return pack(score, index)

    expected = pnn.nearest_patches(query, query, patch_size=3)
    pnn.engines()
    monkeypatch.setattr(cupy_raw, "_pack", fail_once)
    found = pnn.nearest_patches(query, query, patch_size=3, engine="cupy")
    np.testing.assert_array_equal(found.index, expected.index)
    assert cupy.pool.freed == 1

    def always(score, index):
        raise cupy_stand_in.OutOfMemoryError

    monkeypatch.setattr(cupy_raw, "_pack", always)
    with pytest.raises(MemoryError, match=r"needs 0\.0 MB of device memory.*smaller images"):
        pnn.nearest_patches(query, query, patch_size=3, engine="cupy")


def test_engines_that_cannot_run_say_why(cupy, image, monkeypatch):
    states = {engine.name: engine for engine in pnn.engines()}
    assert states["cupy"].available

    class NoDriverError(Exception):
        pass

    def fail(*arguments):
        raise NoDriverError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    engine_table._device_failure.cache_clear()
    monkeypatch.setattr(cupy_stand_in.RawModule, "get_function", fail)
    from pnncupy.kernels import cupy_raw

    cupy_raw._kernel.cache_clear()
    state = {engine.name: engine for engine in pnn.engines()}["cupy"]
    assert not state.available
    assert "NoDriverError: cudaErrorInsufficientDriver" in state.detail
    assert state.detail.endswith("install NVIDIA's driver, or a newer one")
    with pytest.raises(pnn.EngineUnavailable, match="'cupy' cannot run here: a small search fail"):
        pnn.generate(image, engine="cupy")
    with pytest.raises(pnn.EngineUnavailable, match="'cupy' cannot run here"):
        pnn.generate(cupy.asarray(image))


def test_without_cupy_the_engine_says_what_to_install(image):
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(pnn.EngineUnavailable, match=r"pip install 'pnncupy\[gpu\]'"):
            pnn.generate(image, engine="cupy")
    else:
        pytest.skip("CuPy is installed")
