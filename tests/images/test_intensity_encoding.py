"""The way of a user's array into working form and back."""

import numpy as np
import pytest

from pnncupy.images.intensity_encoding import intensity_encoding_of
from pnncupy.images.planes import as_planes

DTYPES = [
    "?",
    "u1",
    "u2",
    "u4",
    "u8",
    "i1",
    "i2",
    "i4",
    "i8",
    "f2",
    "f4",
    "f8",
    ">u2",
    ">i8",
    ">f4",
]


def working(image, channel_axis=-1, data_range=None):
    planes = as_planes("image", image, channel_axis)
    form = intensity_encoding_of([planes], [image], channel_axis, data_range)
    return form, form.encode(planes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 5)])
def test_every_dtype_comes_back(dtype, shape, random):
    image = (random.random(shape) * 100).astype(dtype)
    before = image.copy()
    image.flags.writeable = False
    form, inside = working(image)
    assert inside.dtype == np.float32
    assert inside.flags.c_contiguous
    assert inside.shape == (shape[2] if len(shape) == 3 else 1, 5, 6)
    back = form.decode(inside)
    assert back.dtype == image.dtype
    assert back.shape == image.shape
    np.testing.assert_allclose(back.astype(float), before.astype(float), rtol=2e-3, atol=1e-5)
    if image.dtype.kind in "biu":
        np.testing.assert_array_equal(back, before)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([[0, 255]], np.uint8), (0, 255)),
        (np.array([[3, 4]], np.uint8), (0, 255)),
        (np.array([[False, False]]), (0, 1)),
        (np.array([[-3, 9]], np.int16), (-3, 9)),
        (np.array([[7, 7]], np.uint16), (7, 8)),
        (np.array([[-0.5, 2.25]]), (-0.5, 2.25)),
        (np.array([[1e300, 1e300]]), (1e300, np.nextafter(1e300, np.inf))),
    ],
)
def test_the_default_range(image, expected):
    form, inside = working(image)
    assert (form.low, form.high) == expected
    assert 0 <= inside.min() <= inside.max() <= 1


def test_a_given_range_scales_and_is_not_enforced():
    form, inside = working(np.array([[0, 50, 300]], np.int32), data_range=(0, 100))
    np.testing.assert_allclose(inside, [[[0, 0.5, 3]]])
    np.testing.assert_array_equal(form.decode(inside), [[0, 50, 300]])


def test_integers_are_rounded_half_to_even_and_clipped():
    form, _ = working(np.array([[0, 255]], np.uint8), data_range=(0, 1))
    values = np.array([[[-0.2, 0.5, 1.5, 2.5, 254.6, 300]]], np.float32)
    np.testing.assert_array_equal(form.decode(values), [[0, 0, 2, 2, 255, 255]])


@pytest.mark.parametrize("dtype", ["u8", "i8", "u4", "i4"])
def test_the_ends_of_wide_integers_survive(dtype):
    limits = np.iinfo(dtype)
    image = np.array([[limits.min, limits.max]], dtype)
    form, inside = working(image)
    np.testing.assert_array_equal(form.decode(inside), image)
    np.testing.assert_array_equal(form.decode(inside * 2), [[limits.min, limits.max]])


@pytest.mark.parametrize("dtype", ["i8", "u8", ">u8"])
@pytest.mark.parametrize("low", [0, 1_700_000_000_000_000_000, 2**62, 2**64 - 1001, -(2**63)])
def test_64_bit_integers_far_from_zero_keep_their_digits(dtype, low, random):
    limits = np.iinfo(dtype)
    low = min(max(low, limits.min), limits.max - 999)
    image = (low + np.arange(1000).astype(object)).astype(dtype).reshape(20, 50)
    form, inside = working(image)
    assert (inside.min(), inside.max()) == (0, 1)
    np.testing.assert_array_equal(form.decode(inside), image)
    assert int(form.decode(inside * 3 - 1).min()) == max(low - 999, limits.min)


def test_wide_integers_in_a_range_that_is_no_integer_are_clipped():
    for dtype in ("i8", "u8"):
        image = np.array([[0, np.iinfo(dtype).max]], dtype)
        form, inside = working(image, data_range=(0.5, 100))
        back = form.decode(inside)
        assert back[0, 0] == 0
        assert back[0, 1] > np.iinfo(dtype).max * 0.999


def test_bool_in_another_range_comes_back():
    image = np.array([[True, False]])
    form, inside = working(image, data_range=(0, 10))
    np.testing.assert_array_equal(form.decode(inside), image)


def test_channels_go_back_to_their_axis(random):
    image = random.random((4, 3, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1, -2, -3):
        form, inside = working(image, channel_axis=axis)
        assert inside.shape[0] == image.shape[axis]
        assert form.decode(inside).shape == image.shape


def test_a_range_far_from_all_values_is_refused():
    image = np.linspace(0.5, 0.5 + 1e-9, 12).reshape(3, 4)
    for data_range in ((0, 1), (-1, 0.5)):  # no difference that counts in these ranges
        assert np.ptp(working(image, data_range=data_range)[1]) < 1e-7
    for data_range in ((1, 1.1), (1e9, 1.1e9)):
        with pytest.raises(ValueError, match="`data_range` must lie nearer to the values"):
            working(image, data_range=data_range)
    working(np.full((3, 4), 0.5), data_range=(1e9, 1.1e9))
