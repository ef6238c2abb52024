"""Arrays of other libraries of the array API standard: in and out of public functions."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.images.pyramid import enlarge, planes_pyramid
from pnncupy.images.resize import resize_planes

strict = pytest.importorskip("array_api_strict")


def test_results_belong_to_the_library_of_the_arguments(random):
    image = random.random((12, 14)).astype(np.float32)
    other = strict.asarray(image)
    options = {"iterations": 1, "patch_size": 3, "rng": 1}
    made = pnn.generate(other, 2, return_index=True, **options)
    plain = pnn.generate(image, 2, return_index=True, **options)
    assert isinstance(made, pnn.Result)
    for found, expected in ((made.image, plain.image), (made.index, plain.index)):
        assert type(found) is type(other)
        np.testing.assert_array_equal(np.from_dlpack(found), expected)
    step = pnn.pnn_step(other, other, other, patch_size=3)
    assert type(step) is type(other)
    expected = pnn.pnn_step(image, image, image, patch_size=3)
    np.testing.assert_array_equal(np.from_dlpack(step), expected)
    np.testing.assert_array_equal(np.from_dlpack(other), image)


def test_libraries_are_not_mixed(random):
    image = random.random((12, 14))
    with pytest.raises(TypeError):
        pnn.pnn_step(image, strict.asarray(image), image, patch_size=3)


def planar(random, *shape):
    return random.random(shape).astype(np.float32)


def assert_native(found, expected):
    assert type(found) is type(strict.asarray(expected))
    np.testing.assert_array_equal(np.from_dlpack(found), expected)


@pytest.mark.parametrize("periodic", [(), (True, False)])
@pytest.mark.parametrize(("scales", "shape"), [((0.7, 0.6), (14, 15)), ((1.5, 1.2), (30, 29))])
def test_resizing_is_written_in_the_standard(random, scales, shape, periodic):
    planes = planar(random, 2, 20, 24)
    assert_native(
        resize_planes(strict.asarray(planes), scales, shape, periodic),
        resize_planes(planes, scales, shape, periodic),
    )


def test_pyramids_are_written_in_the_standard(random):
    planes = planar(random, 3, 20, 24)
    levels = planes_pyramid(planes, 3, 3 / 4)
    for found, expected in zip(
        planes_pyramid(strict.asarray(planes), 3, 3 / 4), levels, strict=True
    ):
        assert_native(found, expected)
    larger = enlarge(strict.asarray(levels[1]), 3 / 4, (20, 24))
    assert_native(larger, enlarge(levels[1], 3 / 4, (20, 24)))


def test_resize_and_pyramid_return_arrays_of_the_library(random):
    image = planar(random, 20, 24)
    assert_native(pnn.resize(strict.asarray(image), 0.5), pnn.resize(image, 0.5))
    found = pnn.pyramid(strict.asarray(image), 2)
    for level, expected in zip(found, pnn.pyramid(image, 2), strict=True):
        assert_native(level, expected)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_all_of_a_synthesis_goes_in_and_out(random, engine):
    image = planar(random, 16, 18)
    mask = np.zeros((16, 18), bool)
    mask[5:9, 6:10] = True
    options = {"iterations": 2, "patch_size": 3, "engine": engine}
    found = pnn.inpaint(strict.asarray(image), strict.asarray(mask), **options)
    assert_native(found, pnn.inpaint(image, mask, **options))
