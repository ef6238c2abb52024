"""Engine `cupy` where subnormal numbers decide, on the stand-in, which flushes as CuPy does."""

from importlib import import_module

import host_cuda
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.engine import registry
from pnncupy.search.patch_grid import PatchGrid

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]
TINY = np.finfo(np.float32).tiny


@pytest.fixture
def images(random):
    """Two images that are dark but for a corner, with subnormal squares of differences."""
    dark = [(random.random(shape) * 1e-20).astype(np.float32) for shape in ((14, 16), (11, 19))]
    for image in dark:
        image[0, 0] = 1
    return dark


def test_the_stand_in_flushes(cupy):
    small = cupy.asarray(np.array([TINY / 2, TINY], np.float32))
    assert (small == 0).host.tolist() == [True, False]
    assert (small * np.float32(0.5)).host.tolist() == [0, 0]


@pytest.mark.parametrize("method", ["exact", "patchmatch"])
@pytest.mark.parametrize("alpha", [np.inf, 1e-4])
def test_matches_and_scores_are_those_of_the_cpu(method, alpha, cupy, images):
    options = {"patch_size": 3, "alpha": alpha, "method": method}
    expected = pnn.nearest_patches(*images, **options)
    found = pnn.nearest_patches(*map(cupy.asarray, images), **options)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.host, other)
    assert (expected.score < 1e-30).any()


def test_minima_of_keys_are_those_of_the_cpu(cupy, images):
    expected = pnn.key_minimum(*images, patch_size=3)
    found = pnn.key_minimum(*map(cupy.asarray, images), patch_size=3)
    np.testing.assert_array_equal(found.host, expected)
    assert (expected < 1e-30).any()


def test_changes_of_tiny_values_are_seen(cupy):
    before = np.zeros((1, 3, 4), np.float32)
    after = before.copy()
    after[0, 1, 3] = TINY / 8
    grid = PatchGrid.of(before, 2)
    expected = grid.changed(after, before)
    assert expected.sum() == 2
    found = grid.changed(cupy.asarray(after), cupy.asarray(before))
    np.testing.assert_array_equal(found.host, expected)


@pytest.mark.parametrize("method", ["exact", "patchmatch"])
@pytest.mark.parametrize("alpha", [np.inf, 0.005])
def test_dark_parts_of_images_become_those_of_the_cpu(method, alpha, cupy, random, monkeypatch):
    registry.check("cupy")
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    engine = import_module("pnncupy.kernels.cupy_raw.engine")
    monkeypatch.setattr(engine, "LEAST_PAIRS_FOR_LISTS", 1)
    image = random.random((24, 20)).astype(np.float32)
    image[:, 6:] *= np.float32(3e-20)
    options = {"patch_size": 3, "method": method, "alpha": alpha, "iterations": 2, "levels": 2}
    expected = pnn.retarget(image, (22, 26), **options)
    found = pnn.retarget(cupy.asarray(image), (22, 26), **options)
    np.testing.assert_array_equal(found.host, expected)
