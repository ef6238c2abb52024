"""Volumes, and images of many channels, with engine `cupy` on the stand-in for a device."""

import math

import host_cuda
import numpy as np
import pytest
from device_calls import VOLUME_CALLS, check_equal

import pnncupy as pnn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture
def volume(random):
    """A smooth volume."""
    made = pnn.resize(random.random((5, 6, 6)), 2, channel_axis=None)
    return np.clip(made * 255, 0, 255).astype(np.uint8)


@pytest.fixture
def hole(volume):
    mask = np.zeros(volume.shape, bool)
    mask[3:6, 4:8, 4:8] = True
    return mask


@pytest.mark.parametrize("call", VOLUME_CALLS.values(), ids=VOLUME_CALLS)
def test_volumes_on_the_device_give_the_same_bits_there(call, cupy, volume, hole, monkeypatch):
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    expected = call(volume, hole)
    check_equal(expected, call(cupy.asarray(volume), cupy.asarray(hole)))


def test_searches_of_volumes_are_cut_into_launches_and_bands(cupy, volume, monkeypatch):
    from pnncupy.kernels.cupy_raw import launch, nearest

    colours = np.stack([volume, volume[::-1]], axis=-1)
    options = {"patch_size": (2, 3, 4), "channel_axis": -1}
    expected = pnn.nearest_patches(colours, colours[:, ::-1], **options)
    monkeypatch.setattr(nearest, "_CHUNK_COLUMNS", 4)
    for pairs, blocks in ((1e4, 65535), (3e5, 7), (2e10, 3)):
        monkeypatch.setattr(launch, "PAIRS_PER_LAUNCH", pairs)
        monkeypatch.setattr(nearest, "_MOST_BLOCKS", blocks)
        found = pnn.nearest_patches(colours, colours[:, ::-1], engine="cupy", **options)
        np.testing.assert_array_equal(found.index, expected.index)
        np.testing.assert_array_equal(found.score, expected.score)


@pytest.mark.parametrize(
    ("p", "channels"),
    [(5, 12), *(pytest.param(*each, marks=pytest.mark.exhaustive) for each in ((2, 64), (9, 30)))],
)
@pytest.mark.parametrize("alpha", [math.inf, 0.1])
def test_key_pixels_of_many_planes_stay_in_the_memory_of_the_device(
    p, channels, alpha, cupy, random
):
    from pnncupy.kernels.cupy_raw import sources

    tiling = sources.nearest_tiling(p, channels, alpha < 1)
    assert not tiling.shared_keys
    query, key = (random.random((p + 3, p + 9, channels)) for _ in range(2))
    options = {"patch_size": p, "channel_axis": -1, "alpha": alpha}
    expected = pnn.nearest_patches(query, key, **options)
    found = pnn.nearest_patches(query, key, engine="cupy", **options)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.score, expected.score)
    # A volume has as many planes a slab.
    query, key = (random.random((3, p + 1, p + 4, channels // 2)) for _ in range(2))
    options["patch_size"] = (2, p, p)
    expected = pnn.nearest_patches(query, key, **options)
    found = pnn.nearest_patches(query, key, engine="cupy", **options)
    np.testing.assert_array_equal(found.index, expected.index)
