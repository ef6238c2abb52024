"""Volumes whose slices look like images: against plain loops, on all engines."""

import math

import naive
import numpy as np
import pytest
from engines import ENGINES

import pnncupy as pnn
from pnncupy.engine.registry import pick
from pnncupy.images.pyramid import planes_pyramid
from pnncupy.search.exact import SearchSettings
from pnncupy.search.slice_batch import SliceBatch
from pnncupy.synthesis import volume_growth
from pnncupy.synthesis.histogram import HistogramTarget, balanced, correlated, decorrelated
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.synthesis.volume_growth import VolumeProblem, VolumeRun

QUICK = {"iterations": 2, "patch_size": 3, "levels": 1, "rng": 3}


@pytest.fixture
def phases():
    """A smooth field's upper part: two phases, (24, 26) bool."""
    field = np.random.default_rng(1).standard_normal((30, 32))
    field = sum(field[dy : dy + 26, dx : dx + 28] for dy in range(5) for dx in range(5))
    return (field > np.quantile(field, 0.65))[:24, :26]


def run_of(images, axes, shape, engine, alpha, size, width=1.7):
    """One step at the only level."""
    sources = [Source(planes_pyramid(image, 0, 0.5), []) for image in images]
    module = pick(engine, images[0])[1]
    settings = SearchSettings(module, size, len(images[0]), alpha, 2)
    schedule = Schedule(0.5, 0, 1, 1, "sharp", "weighted_mean", True, vote_width=width)
    problem = VolumeProblem(sources, axes, shape)
    return VolumeRun(problem, schedule, settings, ProgressReporter.silent())


@pytest.mark.parametrize("alpha", [math.inf, 0.02])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("axes", "width"), [((0, 1, 2), 1.7), ((2,), 1.7), ((1, 0), 0.3)])
def test_a_step_is_that_of_plain_loops(axes, width, channels, alpha, random):
    shape, size = (6, 7, 8), 3
    images = [random.random((channels, 7 + n, 9 - n), np.float32) for n in range(len(axes))]
    volume = random.random((channels, *shape), np.float32)
    expected = naive.volume_votes(volume, images, axes, size, alpha, width)
    found = []
    for engine in ENGINES:
        run = run_of(images, axes, shape, engine, alpha, size, width)
        searches = [
            volume_growth._search(run, number, 0, 0, "sharp", None) for number in range(len(axes))
        ]
        found.append(volume_growth._voted(run, 0, volume, searches, [None] * len(axes)))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], expected, rtol=2e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_patch_is_in_two_slices(axis, random):
    slices = SliceBatch.of_shape((5, 6, 7), axis, 3)
    volume = random.random((2, 5, 6, 7), np.float32)
    tall = slices.tall(volume)
    assert tall.shape == (2, *slices.tall_shape)
    field = random.random(slices.grid)
    np.testing.assert_array_equal(slices.field(slices.tall_field(field)), field)
    corners = slices.field(tall[0][: tall.shape[1] - 2, : tall.shape[2] - 2])
    moved = np.moveaxis(volume[0], axis, 0)
    np.testing.assert_array_equal(corners, moved[:, :-2, :-2])
    assert slices.needed(np).sum() == slices.patches


def test_histograms_are_matched_rank_by_rank(random):
    reference = random.random((1, 30), np.float32)
    values = np.round(random.random((1, 4, 5, 3), np.float32), 1)  # with ties
    found = HistogramTarget(reference, labels=False).matched(values)
    np.testing.assert_array_equal(found[0], naive.matched_values(values[0], reference[0]))
    half = HistogramTarget(reference, labels=False).matched(values, 0.5)
    np.testing.assert_allclose(half, (values + found) / 2, rtol=1e-5)


@pytest.mark.parametrize("channels", [2, 3, 5])
def test_channels_are_rotated_and_back(channels, random):
    planes = random.random((channels, 4, 5), np.float32)
    turned = decorrelated(planes)
    np.testing.assert_allclose((turned**2).sum(axis=0), (planes**2).sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(correlated(turned), planes, atol=1e-6)
    np.testing.assert_allclose(turned[0], planes.mean(axis=0) * math.sqrt(channels), rtol=1e-5)


def test_labels_win_in_their_shares(random):
    votes = random.random((3, 10, 10, 10), np.float32)
    votes[2] *= 0.3
    won = balanced(votes, [0.2, 0.5, 0.3]).argmax(axis=0)
    np.testing.assert_allclose(np.bincount(won.ravel()) / 1000, [0.2, 0.5, 0.3], atol=0.003)
    assert (balanced(votes, [0.5, 0.5, 0.0]).argmax(axis=0) < 2).all()
    assert (balanced(votes, [0.0, 1.0, 0.0]).argmax(axis=0) == 1).all()


@pytest.mark.parametrize("method", ["exact", "patchmatch"])
@pytest.mark.parametrize("alpha", [0.01, math.inf])
def test_bits_depend_on_neither_engine_nor_threads(method, alpha, phases, monkeypatch):
    monkeypatch.setattr(
        "pnncupy.synthesis.volume_growth.is_approximate",
        lambda name, pairs, size: name == "patchmatch",
    )
    options = {**QUICK, "method": method, "alpha": alpha}
    made = [
        pnn.grow_volume(phases, (7, 8, 9), **options, engine=engine, threads=threads)
        for engine, threads in (("numpy", 1), ("numba", 1), ("numba", 3))
    ]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


@pytest.mark.parametrize("alpha", [0.01, math.inf])
def test_trees_and_savings_do_not_change_a_bit(alpha, phases):
    """Searches of this size are pruned, those without savings compare all pairs."""
    options = {**QUICK, "alpha": alpha, "iterations": 3}
    made = pnn.grow_volume(phases, (20, 21, 22), **options)
    plain = pnn.grow_volume(phases, (20, 21, 22), **options, incremental=False)
    np.testing.assert_array_equal(made, plain)


def test_seeds_and_info(phases):
    made = pnn.grow_volume(phases, (9, 10, 11), **QUICK, return_info=True)
    assert made.index is None
    assert made.info["task"] == "grow_volume"
    assert (made.info["seed"], made.info["levels"], made.info["axes"]) == (3, 1, [0, 1, 2])
    assert made.info["shape"] == [9, 10, 11]
    assert made.info["samples"][0]["pairs"] > 0
    again = pnn.grow_volume(phases, (9, 10, 11), **QUICK)
    np.testing.assert_array_equal(made.image, again)
    other = pnn.grow_volume(phases, (9, 10, 11), **{**QUICK, "rng": 4})
    assert (made.image != other).any()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32", "float64", ">u2"])
def test_phases_keep_their_share_and_their_values(dtype, phases):
    low, high = {"bool": (0, 1), "uint16": (300, 4000)}.get(dtype, (3, 90))
    image = np.where(phases, high, low).astype(dtype)
    before = image.copy()
    made = pnn.grow_volume(image, (16, 15, 14), **QUICK)
    assert made.dtype == image.dtype
    assert set(np.unique(made)) == set(np.unique(image))
    np.testing.assert_allclose((made == high).mean(), phases.mean(), atol=0.015)
    np.testing.assert_array_equal(image, before)


def test_labels(phases):
    labels = phases.astype(np.int16) * 7
    labels[:, 13:] += 40
    made = pnn.grow_volume(labels, (12, 14, 16), **QUICK, categorical=True)
    assert made.dtype == labels.dtype
    values, counts = np.unique(labels, return_counts=True)
    found = [(made == value).mean() for value in values]
    np.testing.assert_allclose(found, counts / labels.size, atol=0.02)
    column = pnn.grow_volume(labels[..., None], (12, 14, 16), **QUICK, categorical=True)
    np.testing.assert_array_equal(column, made)


def test_colours(random):
    image = random.integers(0, 256, (20, 21, 3), dtype=np.uint8)
    made = pnn.grow_volume(image, (8, 9, 10), **QUICK)
    assert made.shape == (8, 9, 10, 3)
    np.testing.assert_allclose(made.mean(axis=(0, 1, 2)), image.mean(axis=(0, 1)), atol=4)
    first = pnn.grow_volume(np.moveaxis(image, 2, 0), (8, 9, 10), **QUICK, channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(first, 0, 3), made)


def test_each_axis_has_its_own_image():
    rows, columns = np.indices((24, 24)) // 3 % 2 == 0
    options = {**QUICK, "patch_size": 5, "iterations": 4}
    made = pnn.grow_volume([rows, columns], (16, 18, 20), axes=(0, 2), **options)
    changes = [np.diff(made, axis=axis).mean() for axis in range(3)]
    assert 0.25 < changes[1] < 0.4
    assert max(changes[0], changes[2]) < 0.15
    made = pnn.grow_volume(columns, (16, 18, 20), axes=(0,), **options)
    changes = [np.diff(made, axis=axis).mean() for axis in range(3)]
    assert 0.25 < changes[2] < 0.4
    assert changes[1] < 0.1


def test_missing_pixels_are_never_used(phases):
    image = np.where(phases, 200.0, 100.0)
    image[:6, :6] = np.nan
    made = pnn.grow_volume(image, (9, 9, 9), **QUICK, nodata="nan")
    assert set(np.unique(made)) <= {100.0, 200.0}


def test_events_show_volumes_and_cancel(phases):
    seen = []

    def watch(event):
        seen.append((event.level, event.fraction, event.render().shape, event.result is None))

    pnn.grow_volume(phases, (9, 10, 11), **QUICK, callback=watch)
    fractions = [fraction for _, fraction, _, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert not seen[-1][3]
    assert {level: shape for level, _, shape, _ in seen} == {0: (9, 10, 11), 1: (6, 7, 8)}
    with pytest.raises(pnn.Cancelled):
        pnn.grow_volume(phases, (9, 10, 11), **QUICK, callback=lambda event: False)


IMAGE = np.zeros((12, 13))


@pytest.mark.parametrize(
    ("images", "shape", "options", "error", "message"),
    [
        (IMAGE, (9, 9), {}, ValueError, r"`shape` must be \(depth, height, width\), three int"),
        (IMAGE, 9, {}, TypeError, r"`shape` must be \(depth, height, width\).* got 9 of type int"),
        (IMAGE, (9, 9, 2.5), {}, TypeError, r"`shape` must be three integers of at least"),
        (IMAGE, (9, 6, 9), {}, ValueError, r"`shape` must be .*`patch_size` = 7, got 6"),
        (IMAGE, (2000, 2000, 2000), {}, ValueError, r"`shape` must be at most 2147483647 voxels"),
        (IMAGE[:5], (9, 9, 9), {}, ValueError, r"`images` must be at least `patch_size` = 7"),
        (IMAGE, (9, 9, 9), {"axes": (0, 0)}, ValueError, r"`axes` must be 1 to 3 different"),
        (IMAGE, (9, 9, 9), {"axes": ()}, ValueError, r"`axes` must be 1 to 3 different"),
        (IMAGE, (9, 9, 9), {"axes": (0, 3)}, ValueError, r"`axes` must be .*got \(0, 3\)"),
        (IMAGE, (9, 9, 9), {"axes": (0, -1)}, ValueError, r"`axes` must be .*got -1"),
        (IMAGE, (9, 9, 9), {"axes": 1}, TypeError, r"`axes` must be .*got 1 of type int"),
        ([IMAGE] * 2, (9, 9, 9), {}, ValueError, r"`images` must hold one image, .*, got 2"),
        ([IMAGE, IMAGE[..., None]], (9, 9, 9), {"axes": (0, 1)}, ValueError,
         r"`images\[1\]` must have as many axes as the source, 2, got 3"),
        ([IMAGE, IMAGE.astype("f4")], (9, 9, 9), {"axes": (0, 1)}, TypeError,
         r"`images\[1\]` must have the dtype of the source, float64, got float32"),
        ([], (9, 9, 9), {}, ValueError, r"`images` must hold at least one image"),
        (IMAGE, (9, 9, 9), {"levels": 4}, ValueError, r"`levels` must be at most 0"),
        (np.zeros((12, 3, 13)), (9, 9, 9), {"channel_axis": 1}, ValueError,
         r"`channel_axis` must be the first or the last axis, got 1"),
        (IMAGE, (9, 9, 9), {"categorical": True}, TypeError, r"must hold integers or bool"),
        (IMAGE, (9, 9, 9), {"alpha": 0}, ValueError, r"`alpha` must be"),
        (IMAGE, (90, 90, 90), {"max_memory": "2M"}, MemoryError, r"`max_memory` must be at least"),
    ],
)  # fmt: skip
def test_wrong_calls(images, shape, options, error, message):
    with pytest.raises(error, match=message):
        pnn.grow_volume(images, shape, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": math.inf},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"categorical": True}, marks=pytest.mark.slow),
    ],
)
def test_a_device_gives_the_same_bits(options, cupy, phases):
    """CuPy's stand-in refuses arrays of the host, as a device does."""
    made = pnn.grow_volume(cupy.asarray(phases), (7, 8, 9), **QUICK, **options)
    expected = pnn.grow_volume(phases, (7, 8, 9), **QUICK, **options)
    np.testing.assert_array_equal(cupy.asnumpy(made), expected)
