"""The GPU engines on a real device, bit for bit against the CPU: `pytest -m gpu`."""

import os

import numpy as np
import pytest
from device_calls import CALLS, VOLUME_CALLS, WITHOUT_ENGINE

import pnncupy as pnn
from pnncupy.tasks import execute

pytestmark = pytest.mark.gpu
ENGINES = ("cupy", "numba-cuda")


@pytest.fixture(scope="module")
def cupy():
    """CuPy with a device that works."""
    state = {engine.name: engine for engine in pnn.engines()}["cupy"]
    if not state.available:
        if os.environ.get("PNNCUPY_NEEDS_GPU"):
            pytest.fail(f"no GPU: {state.detail}")
        pytest.skip(f"no GPU: {state.detail}")
    import cupy

    return cupy


@pytest.fixture
def image(random):
    return random.integers(0, 256, (34, 46, 3)).astype(np.uint8)


@pytest.fixture
def mask():
    mask = np.zeros((34, 46), bool)
    mask[10:20, 12:25] = True
    return mask


@pytest.fixture
def volume(random):
    made = pnn.resize(random.random((9, 10, 12)), 2, channel_axis=None)
    return np.clip(made * 255, 0, 255).astype(np.uint8)


@pytest.fixture
def hole(volume):
    mask = np.zeros(volume.shape, bool)
    mask[5:11, 7:14, 8:16] = True
    return mask


def on_host(value, cupy):
    """The result with every device array copied to the host, and how many there were."""
    if isinstance(value, cupy.ndarray):
        return cupy.asnumpy(value), 1
    if isinstance(value, (tuple, list)):
        parts = [on_host(part, cupy) for part in value]
        return [part for part, _ in parts], sum(count for _, count in parts)
    return value, 0


def check_equal(mine, expected):
    if isinstance(expected, (tuple, list)):
        for one, other in zip(mine, expected, strict=True):
            check_equal(one, other)
    elif isinstance(expected, np.ndarray):
        assert mine.dtype == expected.dtype
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("name", CALLS)
def test_device_arrays_give_the_bits_of_the_cpu(name, cupy, image, mask):
    expected = CALLS[name](image, mask)
    found, count = on_host(CALLS[name](cupy.asarray(image), cupy.asarray(mask)), cupy)
    assert count > 0
    check_equal(found, expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in WITHOUT_ENGINE])
def test_named_engines_give_the_bits_of_the_cpu(name, engine, cupy, image, mask):
    check_equal(CALLS[name](image, mask, engine=engine), CALLS[name](image, mask))


@pytest.mark.parametrize("name", VOLUME_CALLS)
def test_volumes_on_the_device_give_the_bits_of_the_cpu(name, cupy, volume, hole):
    expected = VOLUME_CALLS[name](volume, hole)
    found, count = on_host(VOLUME_CALLS[name](cupy.asarray(volume), cupy.asarray(hole)), cupy)
    assert count > 0
    check_equal(found, expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", VOLUME_CALLS)
def test_volumes_with_named_engines_give_the_bits_of_the_cpu(name, engine, cupy, volume, hole):
    check_equal(VOLUME_CALLS[name](volume, hole, engine=engine), VOLUME_CALLS[name](volume, hole))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("sides", "channels", "query", "key"),
    [
        ((3, 3, 3), 1, (20, 30, 70), (15, 40, 90)),
        ((5, 5, 5), 3, (9, 70, 20), (12, 17, 23)),
        ((1, 4, 7), 2, (70, 5, 9), (3, 70, 31)),
        ((15, 2, 3), 4, (16, 9, 9), (20, 5, 12)),
        ((2, 31), 1, (40, 50), (9, 75)),
    ],
)
@pytest.mark.parametrize("alpha", [np.inf, 0.01])
@pytest.mark.parametrize("levels", [3, 1 << 20])
def test_searches_of_volumes(sides, channels, query, key, alpha, levels, engine, cupy, random):
    images = [
        random.integers(0, levels, (*shape, channels)).astype(np.float32) / levels
        for shape in (query, key)
    ]
    options = {"patch_size": sides, "alpha": alpha, "channel_axis": -1}
    expected = pnn.nearest_patches(*images, **options)
    found = pnn.nearest_patches(*images, engine=engine, **options)
    check_equal(list(found), list(expected))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("p", "channels", "query", "key"),
    [
        (7, 3, (70, 90), (61, 130)),
        (7, 3, (200, 31), (40, 300)),
        (5, 4, (33, 64), (64, 33)),
        (2, 1, (5, 300), (300, 5)),
        (3, 64, (20, 21), (22, 23)),
        (9, 2, (40, 50), (50, 40)),
        (15, 1, (50, 41), (40, 61)),
        (15, 64, (15, 15), (15, 16)),
        (8, 1, (8, 300), (8, 9)),
    ],
)
@pytest.mark.parametrize("alpha", [np.inf, 0.01])
@pytest.mark.parametrize("levels", [3, 1 << 20])
def test_searches_of_all_sizes(p, channels, query, key, alpha, levels, engine, cupy, random):
    images = [
        random.integers(0, levels, (*shape, channels)).astype(np.float32) / levels
        for shape in (query, key)
    ]
    options = {"patch_size": p, "alpha": alpha, "channel_axis": -1}
    expected = pnn.nearest_patches(*images, **options)
    found = pnn.nearest_patches(*images, engine=engine, **options)
    check_equal(list(found), list(expected))


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_made_together_are_those_made_alone(engine, cupy, image):
    made = pnn.generate(image, 9, rng=3, engine=engine)
    check_equal(made, pnn.generate(image, 9, rng=3))
    check_equal(made, pnn.generate(image, 9, rng=3, engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("alpha", [np.inf, 0.005])
def test_approximate_pictures_are_those_of_the_cpu(alpha, engine, cupy, random):
    image = random.integers(0, 256, (130, 150, 3)).astype(np.uint8)
    options = {"rng": 3, "alpha": alpha, "iterations": 3, "method": "patchmatch"}
    check_equal(pnn.generate(image, engine=engine, **options), pnn.generate(image, **options))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("alpha", [np.inf, 0.005])
def test_approximate_volumes_are_those_of_the_cpu(alpha, engine, cupy, random):
    volume = random.integers(0, 256, (20, 50, 60)).astype(np.uint8)
    options = {"rng": 3, "alpha": alpha, "iterations": 3, "method": "patchmatch", "patch_size": 5}
    options["channel_axis"] = None
    check_equal(pnn.generate(volume, engine=engine, **options), pnn.generate(volume, **options))


def test_little_memory_gives_the_same_pictures(cupy, image, monkeypatch):
    """Enough for one image, not for six at a time: they are tried, and then fewer."""
    expected = pnn.generate(image, 6, rng=3)
    pool = cupy.get_default_memory_pool()
    before = pool.get_limit()
    needed, tried = {}, []
    for count in (1, 6):
        pool.free_all_blocks()
        used = pool.total_bytes()
        pnn.generate(image, count, rng=3, engine="cupy")
        needed[count] = pool.total_bytes() - used
    assert needed[6] > 1.2 * needed[1]
    realise = execute._realise
    monkeypatch.setattr(
        execute, "_realise", lambda *given: (tried.append(len(given[4])), realise(*given))[1]
    )
    pool.free_all_blocks()
    try:
        pool.set_limit(size=pool.total_bytes() + (needed[1] + needed[6]) // 2)
        check_equal(pnn.generate(image, 6, rng=3, engine="cupy"), expected)
    finally:
        pool.set_limit(size=before)
    assert tried[0] == 6
    assert len(tried) > 2
