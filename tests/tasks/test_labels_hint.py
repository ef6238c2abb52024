"""A hint where images may hold labels, and the call does not say so."""

import time
import warnings

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.images.label_values import label_like_values, value_words

LABELS = (np.mgrid[:24, :28].sum(axis=0) // 5 % 3).astype(np.uint8)
STACK = np.stack([LABELS] * 8)
MASK = np.zeros(LABELS.shape, bool)
MASK[8:14, 9:15] = True
GRID = np.where(np.mgrid[:24, :28][1] % 9 == 0, LABELS, np.nan)
FAST = {"iterations": 1, "patch_size": 5}
CALLS = {
    "generate": lambda image, **options: pnn.generate(image, 2, rng=1, **FAST, **options),
    "several sources": lambda image, **options: pnn.generate(
        [image, image], rng=1, **FAST, **options
    ),
    "volume": lambda image, **options: pnn.generate(
        np.stack([image] * 8), rng=1, channel_axis=None, **FAST, **options
    ),
    "automatic": lambda image, **options: pnn.generate(
        image, 2, rng=1, levels="auto", distinct=True, iterations=1, patch_size="auto", **options
    ),
    "retarget": lambda image, **options: pnn.retarget(
        image, (24, 20), gradual=True, **FAST, **options
    ),
    "inpaint": lambda image, **options: pnn.inpaint(image, MASK, **FAST, **options),
    "analogy": lambda image, **options: pnn.analogy(image, image.T.copy(), **FAST, **options),
    "collage": lambda image, **options: pnn.collage([image, image], **FAST, **options),
    "edit": lambda image, **options: pnn.edit(image, image, **FAST, **options),
    "simulate": lambda image, **options: pnn.simulate(image, GRID, 2, rng=1, **FAST, **options),
    "grow_volume": lambda image, **options: pnn.grow_volume(
        image, (8, 8, 8), rng=1, **FAST, **options
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_hint_a_call_at_the_line_of_the_caller(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name](LABELS)
    (hint,) = caught
    assert hint.category is pnn.LabelsHint
    assert hint.filename == __file__
    assert "3 different values (0, 1, 2)" in str(hint.message)
    assert "`categorical=True`" in str(hint.message)
    assert "`categorical=False`" in str(hint.message)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_says_what_values_are_gets_none(name):
    for categorical in (True, False):
        CALLS[name](LABELS, categorical=categorical)  # warnings are errors here


def test_none_is_false():
    with pytest.warns(pnn.LabelsHint):
        made = pnn.generate(LABELS, rng=1, **FAST)
    np.testing.assert_array_equal(made, pnn.generate(LABELS, rng=1, categorical=False, **FAST))


@pytest.mark.parametrize(
    "options", [{"data_range": (0, 2)}, {"vote": "copy"}, {"channel_weights": [1.0]}]
)
def test_options_of_intensities_and_votes_that_mix_nothing_need_no_hint(options):
    pnn.generate(LABELS, rng=1, **FAST, **options)


def test_grown_volumes_mix_no_two_values():
    pnn.grow_volume((LABELS > 0) * np.uint8(255), (8, 8, 8), rng=1, **FAST)


def test_the_baseline_has_no_labels():
    pnn.baselines.bidirectional_similarity(LABELS, (20, 20), iterations=1)


@pytest.mark.parametrize(
    ("images", "values"),
    [
        ([np.array([[0, 255], [255, 0]], np.uint8)], [0, 255]),
        ([np.arange(16).reshape(4, 4)], list(range(16))),
        ([np.arange(17)[None]], []),
        ([np.array([[1, 2]]), np.array([[2, 3]])], [1, 2, 3]),
        ([np.arange(9)[None], np.arange(9, 18)[None]], []),
        ([np.zeros((5, 5), np.uint8)], []),
        ([np.eye(4, dtype=bool)], []),
        ([np.eye(4)], []),
        ([np.array([[-3, 2**62]])], [-3, 2**62]),
        ([STACK], [0, 1, 2]),
    ],
)
def test_values_that_may_be_labels(images, values):
    planes = [image[None] for image in images]
    assert label_like_values(planes, [None] * len(images)) == values


def test_a_rare_value_outside_of_the_sample_is_found():
    image = np.zeros((1, 300, 300), np.uint16)
    image[0, 150, 1:40] = np.arange(1, 40)
    assert label_like_values([image[:, :, :150] * 0 + 7, image], [None, None]) == []
    image[0] = 0
    image[0, 299, 299] = 9
    assert label_like_values([image], [None]) == [0, 9]


def test_missing_pixels_do_not_count():
    image = np.array([[[0, 1, 99]]])
    assert label_like_values([image], [image[0] < 99]) == [0, 1]
    holes = np.where(MASK, 200, LABELS * 50).astype(np.uint8)
    with pytest.warns(pnn.LabelsHint, match=r"3 different values \(0, 50, 100\)"):
        pnn.generate(holes, rng=1, nodata=200, **FAST)


def test_several_channels_are_no_labels():
    assert (
        label_like_values([np.zeros((3, 4, 4), np.uint8) + np.eye(4, dtype=np.uint8)], [None]) == []
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("largest", [5, 120])
def test_counting_costs_little(random, dtype, largest):
    image = random.integers(0, largest, (1, 512, 512)).astype(dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        label_like_values([image], [None])
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02


def test_values_in_words():
    assert value_words([0, 255]) == "2 different values (0, 255)"
    assert value_words(range(9)) == "9 different values (0, 1, 2, ..., 8)"


def test_values_of_arrays_on_a_device(cupy):
    planes = cupy.asarray(LABELS[None] * 3)
    assert label_like_values([planes], [None]) == [0, 3, 6]
    assert label_like_values([planes], [planes[0] > 0]) == [3, 6]
