"""Resize and pyramid against the oracle and the authors' own."""

import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.images import pyramid


def test_pyramids_equal_the_reference(reference):
    arrays = reference("resize")
    image = arrays["image"] / np.float32(255)
    for name, downscale in (("075", 4 / 3), ("080", 1.25)):
        for level, picture in enumerate(pnn.pyramid(image, 5, downscale)):
            expected = arrays[f"pyramid_{name}_{level}"]
            np.testing.assert_allclose(picture, expected, rtol=0, atol=1e-5)


def test_enlarging_and_retargeting_equal_the_reference(reference):
    arrays = reference("resize")
    image = arrays["image"] / np.float32(255)
    cases = [
        ("upscale_1", arrays["pyramid_075_2"], 4 / 3),
        ("upscale_0", arrays["pyramid_075_1"], 4 / 3),
        ("retarget_1_0.6", image, (1, 0.6)),
        ("retarget_1.3_0.8", image, (1.3, 0.8)),
    ]
    for name, source, scale in cases:
        found = pnn.resize(source, scale, arrays[name].shape[:2])
        np.testing.assert_allclose(found, arrays[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "scales", "new_shape"),
    [
        ((9, 7), (0.5, 0.75), (5, 6)),
        ((5, 8), (2.0, 1.3), (10, 10)),
        ((4, 6), (1.0, 1.0), (4, 6)),
        ((4, 6), (1.0, 1.0), (6, 3)),
        ((6, 1), (0.1, 3.7), (1, 4)),
        ((2, 3), (0.3, 0.2), (3, 2)),
        ((11, 13), (4 / 3, 0.031), (14, 1)),
    ],
)
def test_resize_equals_the_oracle(shape, scales, new_shape, random):
    image = random.random(shape)
    found = pnn.resize(image, scales, new_shape)
    assert found.dtype == np.float32
    assert found.shape == new_shape
    np.testing.assert_allclose(found, naive.resize(image, scales, new_shape), atol=1e-5)


def test_resizing_keeps_constants_and_the_input(random):
    image = np.full((6, 9, 2), 3, np.uint16)
    image.flags.writeable = False
    result = pnn.resize(image, 0.4)
    assert result.shape == (3, 4, 2)
    np.testing.assert_allclose(result, 3, rtol=1e-6)


def test_channel_axis_only_moves_the_channels(random):
    image = random.random((3, 8, 10))
    last = pnn.resize(np.moveaxis(image, 0, -1), 0.7)
    first = pnn.resize(image, 0.7, channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), last)


def test_level_shapes_undo_rounding():
    assert pyramid.level_shape((250, 180), 2, 0.8) == (160, 116)
    image = np.zeros((250, 10))
    assert [level.shape[0] for level in pnn.pyramid(image, 2, 1.25)] == [250, 200, 160]


def test_the_first_level_is_the_image_itself(random):
    image = random.integers(0, 9, (20, 21))
    assert pnn.pyramid(image, 0)[0] is image


@pytest.mark.parametrize(
    ("shape", "ratio", "patches", "expected"),
    [
        ((186, 248), 0.75, 2, 9),
        ((186, 248), 0.8, 4, 8),
        ((96, 144), 0.75, 2, 7),
        ((10, 10), 0.75, 2, 0),
        ((15, 400), 0.75, 2, 0),
        ((7, 7), 0.75, 2, 0),
    ],
)
def test_default_depth(shape, ratio, patches, expected):
    assert pyramid.default_levels([shape], 7, ratio, patches) == expected
