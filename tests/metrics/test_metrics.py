"""Every measure against a plain loop, another library or a case computed by hand."""

import inspect
import math
import re
import subprocess
import sys
import types

import cupy_stand_in
import naive
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import scipy.stats
import skimage.metrics

import pnncupy as pnn
from pnncupy import metrics, rng
from pnncupy.metrics.copies import largest_region

BIDIRECTIONAL = (metrics.coherence, metrics.completeness, metrics.bidirectional_dissimilarity)


@pytest.fixture
def colours(random):
    return random.integers(0, 256, (17, 21, 3)).astype(np.uint8)


def mean_of_nearest(query, key, p):
    """Mean of the smallest patch distances, (H, W, C) values as they are."""
    return naive.nearest(np.moveaxis(query, -1, 0), [np.moveaxis(key, -1, 0)], p)[1].mean()


# Bidirectional similarity


@pytest.mark.parametrize("p", [2, 3])
def test_bidirectional_against_plain_loops(p, random):
    source = random.integers(0, 256, (7, 8, 2)).astype(np.uint8)
    result = random.integers(0, 256, (9, 6, 2)).astype(np.uint8)
    options = {"patch_size": p, "engine": "numpy", "threads": 1}
    invented = mean_of_nearest(result / 255, source / 255, p)
    lost = mean_of_nearest(source / 255, result / 255, p)
    found = [measure(source, result, **options) for measure in BIDIRECTIONAL]
    np.testing.assert_allclose(found, [invented, lost, invented + lost], rtol=1e-5)
    assert all(type(value) is float for value in found)


def test_bidirectional_in_other_ranges_and_layouts(random):
    source, result = random.random((5, 8, 9)) * 7 - 3, random.random((5, 9, 8)) * 7 - 3
    last = [np.moveaxis(image, 0, -1) for image in (source, result)]
    options = {"patch_size": 3, "channel_axis": 0}
    width = source.max() - source.min()
    expected = mean_of_nearest(*last[::-1], 3)
    found = metrics.coherence(source, result, **options)
    assert found == pytest.approx(expected / width**2, rel=1e-5)
    assert found == metrics.coherence(*last, patch_size=3, channel_axis=-1)
    found = metrics.coherence(source, result, data_range=(-5, 15), **options)
    assert found == pytest.approx(expected / 400, rel=1e-5)


def test_bidirectional_of_several_sources(random):
    sources = [random.random((7, 8, 2)), random.random((6, 9, 2))]
    result = random.random((8, 7, 2))
    options = {"patch_size": 3, "data_range": (0, 1)}
    planes = [np.moveaxis(image, -1, 0) for image in (*sources, result)]
    invented = naive.nearest(planes[2], planes[:2], 3)[1].mean()
    lost = np.concatenate(
        [naive.nearest(source, planes[2:], 3)[1].ravel() for source in planes[:2]]
    ).mean()
    found = [measure(sources, result, **options) for measure in BIDIRECTIONAL]
    np.testing.assert_allclose(found, [invented, lost, invented + lost], rtol=1e-5)
    with pytest.raises(ValueError, match="`source` must hold at least one image"):
        metrics.coherence([], result)


@pytest.mark.parametrize("dtype", [bool, np.uint16, np.int64, np.float32])
def test_bidirectional_of_other_dtypes(dtype, random):
    source, result = random.integers(0, 2, (2, 9, 9)).astype(dtype)
    expected = mean_of_nearest(result[..., None].astype(float), source[..., None].astype(float), 4)
    assert metrics.coherence(source, result, patch_size=4) == pytest.approx(expected, rel=1e-5)


def test_wide_integers_are_compared_with_floats(random):
    source = random.integers(0, 100, (9, 9)) + 2**60
    shifted = (source + 1000).astype(np.float64)
    width = int(source.max() - source.min())
    found = metrics.coherence(source, shifted, patch_size=9)
    # float64 has steps of 128 here.
    assert found == pytest.approx((1000 / width) ** 2, rel=0.3)


def test_equal_pictures_have_no_distance(colours):
    for measure in BIDIRECTIONAL:
        assert measure(colours, colours) == 0
        assert measure(colours, colours, patch_size=5, method="patchmatch") < 1e-3
    assert metrics.patch_swd(colours, colours, patch_size=3) == (0, 0, 0)
    assert metrics.sifid(colours, colours, lambda image: image) < 1e-6


def test_shuffled_blocks_are_coherent_and_a_crop_is_incomplete(random):
    tiles = random.random((4, 6, 6))
    source, shuffled = (np.hstack([tiles[k] for k in order]) for order in ([0, 1, 2], [2, 0, 1]))
    inside = metrics.coherence(source, shuffled[:, :6], patch_size=3)
    assert inside == 0
    assert metrics.coherence(source, shuffled[:, 6:], patch_size=3) == 0
    # Patches across a seam are new; everything that was there is still there but for a seam.
    options = {"patch_size": 3, "data_range": (0, 1)}
    for measure, pair in (
        (metrics.coherence, (shuffled, source)), (metrics.completeness, (source, shuffled))
    ):  # fmt: skip
        expected = mean_of_nearest(*(image[..., None] for image in pair), 3)
        assert 0 < expected < 0.02
        assert measure(source, shuffled, **options) == pytest.approx(expected, rel=1e-5)
    assert metrics.coherence(source, source[:, :9], **options) == 0
    assert metrics.completeness(source, source[:, :9], **options) > 0.01


BAD_PAIRS = [
    ({"patch_size": 1}, ValueError, "`patch_size` must be an integer of at least 2, got 1"),
    ({"patch_size": 9}, ValueError, "`result` must be at least `patch_size` = 9 .* got 8 x 12"),
    ({"method": "fast"}, ValueError, "`method` must be one of 'exact', .* got 'fast'"),
    ({"engine": "gpu"}, ValueError, "`engine` must be one of 'auto'"),
    ({"data_range": (0, 1e-60)}, ValueError, "`data_range` must be at least 1.18e-38 wide"),
    ({"data_range": (9e9, 1e10)}, ValueError, "`data_range` must lie nearer to the values, 0"),
    ({"data_range": (0, 1e-20)}, ValueError, "span .* set `data_range`"),
    ({"data_range": 3}, TypeError, "`data_range` must be None or two numbers"),
    ({"channel_axis": 4}, ValueError, "`channel_axis` must be an axis"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD_PAIRS)
@pytest.mark.parametrize("measure", BIDIRECTIONAL)
def test_bad_pairs(measure, options, error, message, colours):
    with pytest.raises(error, match=message):
        measure(colours, colours[:8, :12], **options)


@pytest.mark.parametrize(
    "measure",
    [*BIDIRECTIONAL, metrics.near_copy, metrics.patch_swd, metrics.sharpness_ratio, metrics.sifid],
)
def test_pictures_that_do_not_belong_together(measure, colours):
    message = "`result` must have the channels of `source`, 3, got 1; .* set `channel_axis`"
    with pytest.raises(ValueError, match=message):
        measure(colours, colours[..., 0])
    spoiled = colours.astype(np.float32)
    spoiled[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="`source` must be finite, got 1 NaN"):
        measure(spoiled, colours)
    with pytest.raises(TypeError, match="`result` must be a NumPy or CuPy array"):
        measure(colours, "picture.png")
    with pytest.raises(TypeError, match="`source` must hold bool, integer or floating"):
        measure(colours * 1j, colours)


# Images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_psnr_is_that_of_scikit_image(dtype, random):
    image, other = random.integers(0, 200, (2, 9, 11, 3)).astype(dtype)
    expected = skimage.metrics.peak_signal_noise_ratio(image, other, data_range=220)
    assert metrics.psnr(image, other, (10, 230)) == pytest.approx(expected, rel=1e-12)
    assert metrics.psnr(image, image, (0, 1)) == math.inf
    with pytest.raises(ValueError, match="`result` must have the shape"):
        metrics.psnr(image, other[:3], (0, 1))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_beyond_float64_are_compared(dtype, random):
    values = random.integers(0, 100, (12, 14))
    low = 2**62
    image, other = ((values + move).astype(dtype) + dtype(low) for move in (0, 1))
    expected = metrics.psnr(values, values + 1, (0, 100))
    assert metrics.psnr(image, other, (low, low + 100)) == pytest.approx(expected, rel=1e-12)
    found = metrics.near_copy(image, other[2:, 3:])
    span = int(values.max() - values.min())
    assert found.psnr == pytest.approx(20 * math.log10(span), rel=1e-12)
    assert found.shift == (2, 3)
    assert metrics.near_copy(image, image[1:]).shift == (1, 0)


@pytest.mark.parametrize(
    ("data_range", "error", "message"),
    [
        ((1, 1), ValueError, r"`data_range` must have low < high, got \(1.0, 1.0\)"),
        ((0, np.inf), ValueError, "`data_range` must be a finite number"),
        ((0, np.nan), ValueError, "`data_range` must be a finite number"),
        (None, TypeError, "`data_range` must be .*two numbers"),
        (("0", 1), TypeError, "`data_range` must be a real number"),
    ],
)
def test_psnr_refuses_bad_ranges(data_range, error, message):
    with pytest.raises(error, match=message):
        metrics.psnr(np.eye(3), np.eye(3), data_range)


def test_psnr_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="`result` must be finite, got 1 NaN"):
        metrics.psnr(np.zeros((1, 1)), np.full((1, 1), np.nan), (0, 1))


def test_diversity_by_hand(random):
    source = np.array([[0, 4], [4, 0]], np.uint8)
    samples = np.array([[[0, 4]], [[2, 4]], [[4, 7]]], np.uint16)
    spread = (math.sqrt(8 / 3) + math.sqrt(2)) / 2
    assert metrics.diversity(source, samples) == pytest.approx(spread / 2, rel=1e-14)
    assert metrics.diversity(source, [source, source]) == 0
    assert metrics.diversity(source > 2, [source > 2, source > 5]) == pytest.approx(0.5)


def test_diversity_of_colours_is_that_of_their_mean(random):
    samples, source = random.random((4, 7, 9, 5)), random.random((8, 6, 5))
    expected = samples.mean(axis=3).std(axis=0).mean() / source.mean(axis=2).std()
    found = metrics.diversity(source, samples, channel_axis=-1)
    assert found == pytest.approx(expected, rel=1e-12)
    first = [np.moveaxis(image, -1, 0) for image in samples]
    found = metrics.diversity(np.moveaxis(source, -1, 0), first, channel_axis=0)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "source", "error", "message"),
    [
        ([np.eye(3)], np.eye(3), ValueError, "`result` must hold at least 2 images, got 1"),
        ([np.eye(3), np.eye(4)], np.eye(3), ValueError, r"must all have one shape, got \[\(3, 3\)"),
        (np.eye(3), np.eye(3), ValueError, r"must be a list of images or .* got shape \(3, 3\)"),
        (np.zeros((2, 3, 3)), np.ones((3, 3)), ValueError, "`source` must not be constant"),
        (np.zeros((3, 3, 3)), np.ones((3, 3, 3)), ValueError, "`result` must have the channels"),
        ([np.eye(3), [1]], np.eye(3), TypeError, r"`result\[1\]` must be a NumPy or CuPy array"),
        (np.eye(3) * np.ones((2, 1, 1)) / np.nan, np.eye(3), ValueError, r"`result\[0\]` .* fin"),
        ("files", np.eye(3), TypeError, "`result` must be a NumPy or CuPy array"),
    ],
)
def test_bad_samples(samples, source, error, message):
    with pytest.raises(error, match=message):
        metrics.diversity(source, samples)


def test_sharpness_is_the_laplacian_of_scipy(random):
    source, result = random.random((2, 8, 9)), random.random((2, 12, 7))
    sharp = [
        (scipy.ndimage.laplace(image.mean(axis=0))[1:-1, 1:-1] ** 2).mean()
        for image in (source, result)
    ]
    found = metrics.sharpness_ratio(source, result, channel_axis=0)
    assert found == pytest.approx(sharp[1] / sharp[0], rel=1e-12)
    assert metrics.sharpness_ratio(source[0], source[0] * 3 + 1) == pytest.approx(9)
    for flat in (np.ones((4, 4), np.uint8), np.arange(16, dtype=np.uint8).reshape(4, 4)):
        with pytest.raises(ValueError, match="`source` must have a Laplacian other than 0"):
            metrics.sharpness_ratio(flat, np.eye(4, dtype=np.uint8))
    with pytest.raises(ValueError, match="`result` must be at least 3 x 3 pixels, got 2 x 4"):
        metrics.sharpness_ratio(np.eye(4), np.eye(4)[:2])


# Copies


def loop_over_shifts(source, result, reach, data_range):
    """(PSNR, shift) by trying all shifts."""
    best = (-math.inf, None)
    smaller = min(source.shape[0] * source.shape[1], result.shape[0] * result.shape[1])
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            pairs = [
                (source[y + down, x + right], result[y, x])
                for y in range(result.shape[0])
                for x in range(result.shape[1])
                if 0 <= y + down < source.shape[0] and 0 <= x + right < source.shape[1]
            ]
            if 2 * len(pairs) >= smaller and pairs:
                one, other = (np.array(side) for side in zip(*pairs, strict=True))
                best = max(best, (metrics.psnr(one, other, data_range), (down, right)))
    return best


@pytest.mark.parametrize("shape", [(9, 12), (13, 7), (6, 17)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_near_copy_against_a_loop(shape, dtype, random):
    source, result = (random.random((*sides, 2)) * 2 for sides in ((9, 12), shape))
    if dtype != np.float32:
        source, result = source // 1, result // 1
    source, result = source.astype(dtype), result.astype(dtype)
    data_range = (-0.5, 2.5)
    found = metrics.near_copy(source, result, largest_shift=4, data_range=data_range)
    expected = loop_over_shifts(source, result, 4, data_range)
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    if dtype == np.float32:
        assert found.shift == expected[1]
    assert not found.is_copy
    assert found[3:] == (None, None, None)


@pytest.mark.parametrize(("down", "right"), [(3, -5), (-8, 8), (0, 0)])
def test_a_shifted_copy_is_found(down, right, random):
    wide = random.integers(0, 65536, (60, 70, 3)).astype(np.uint16)
    source, result = wide[10:50, 10:60], wide[10 + down : 50 + down, 10 + right : 60 + right]
    found = metrics.near_copy(source, result)
    assert found == (math.inf, (down, right), True, None, None, None)
    noisy = result + random.normal(0, 300, result.shape)
    found = metrics.near_copy(source, noisy, data_range=(0, 65535))
    assert found.shift == (down, right)
    assert found.psnr == pytest.approx(20 * math.log10(65535 / 300), abs=0.2)
    if (down, right) != (0, 0):
        assert not metrics.near_copy(source, result, largest_shift=2).is_copy


def test_equally_good_shifts_and_flat_pictures():
    stripes = np.tile(np.array([0, 1, 2, 1], np.uint8), (9, 5))
    assert metrics.near_copy(stripes, stripes).shift == (0, 0)
    assert metrics.near_copy(stripes, np.roll(stripes, 1, axis=1)).shift == (0, -1)
    # Equal up to the rounding of sums: the shortest.
    tenths = np.tile(np.array([0.1, 0.7, 0.3, 0.7]), (9, 5))
    assert metrics.near_copy(tenths, np.roll(tenths, 1, axis=1) + 0.2).shift == (0, -1)
    flat = np.full((9, 9), 0.25)
    assert metrics.near_copy(flat, flat + 0.5).shift == (0, 0)
    assert metrics.near_copy(flat, flat + 0.5).psnr == pytest.approx(20 * math.log10(2))


def loop_over_wrapped_shifts(source, result, reach, periodic, source_periodic, data_range):
    """(PSNR, shift) by trying all shifts, pixel by pixel; the shortest of the best ones."""
    ways = [(periodic, source_periodic), ((False, False), (False, False))]
    smaller = min(source.shape[0] * source.shape[1], result.shape[0] * result.shape[1])
    found = []
    for wraps, of_source in ways:
        ranges, pairs_of = [], []
        for there, here, wrap, source_wrap in zip(
            source.shape[:2], result.shape[:2], wraps, of_source, strict=True
        ):
            period = there if source_wrap else here
            shifts = range(-reach, reach + 1)
            if source_wrap or wrap:
                shifts = range(period // 2 - period + 1, period // 2 + 1)
            ranges.append(shifts)
            pairs_of.append({})
            for shift in shifts:
                if source_wrap:
                    pairs = [((y + shift) % there, y) for y in range(here)]
                elif wrap:
                    pairs = [(y, (y - shift) % here) for y in range(min(there, here))]
                else:
                    pairs = [(y + shift, y) for y in range(here) if 0 <= y + shift < there]
                pairs_of[-1][shift] = pairs
        for down in ranges[0]:
            for right in ranges[1]:
                pixels = [
                    (source[y, x], result[v, u])
                    for y, v in pairs_of[0][down]
                    for x, u in pairs_of[1][right]
                ]
                if pixels and 2 * len(pixels) >= smaller:
                    one, other = (np.array(side) for side in zip(*pixels, strict=True))
                    value = metrics.psnr(one, other, data_range)
                    found.append((value, (down**2 + right**2, down, right)))
    best = max(value for value, _ in found)
    return best, min(key for value, key in found if value >= best - 1e-9)[1:]


WRAPS = [
    ((True, True), (False, False)), ((False, True), (False, False)),
    ((False, False), (True, True)), ((True, False), (False, True)), ((True, True), (True, False)),
]  # fmt: skip


@pytest.mark.parametrize("shape", [(9, 12), (11, 7), (6, 13)])
@pytest.mark.parametrize(("periodic", "source_periodic"), WRAPS)
def test_near_copy_of_what_wraps_around_against_a_loop(shape, periodic, source_periodic, random):
    source, result = (random.random((*sides, 2)) for sides in ((9, 12), shape))
    options = {"periodic": periodic, "source_periodic": source_periodic, "data_range": (0, 1)}
    found = metrics.near_copy(source, result, largest_shift=2, **options)
    expected = loop_over_wrapped_shifts(source, result, 2, **options)
    assert found.psnr == pytest.approx(expected[0], rel=1e-12)
    assert found.shift == expected[1]


def test_a_copy_around_the_border_is_found(random):
    source = random.random((25, 30))
    result = np.roll(source, (11, -14), axis=(0, 1))
    assert not metrics.near_copy(source, result).is_copy
    assert not metrics.near_copy(source, result, periodic=(True, False)).is_copy
    for name in ("periodic", "source_periodic"):
        found = metrics.near_copy(source, result, **{name: True})
        assert found[:3] == (math.inf, (-11, 14), True)
    # Twice the period of the source; and a piece of it, which does not wrap.
    twice = np.tile(result, (2, 1))
    assert metrics.near_copy(source, twice, source_periodic=True).shift == (-11, 14)
    assert metrics.near_copy(source, source[4:20, 6:], periodic=True).shift == (4, 6)
    volume = random.random((6, 7, 8))
    rolled = np.roll(volume, (3, 2, -4), axis=(0, 1, 2))
    found = metrics.near_copy(
        volume, rolled, channel_axis=None, periodic=(True, False, True), largest_shift=0
    )
    assert not found.is_copy
    found = metrics.near_copy(volume, rolled, channel_axis=None, periodic=True)
    assert (found.is_copy, found.shift) == (True, (3, -2, 4))


@pytest.mark.parametrize("last", [2, 3])
def test_the_largest_region_of_an_index(last, random):
    source, result = random.random((20, 24)), random.random((16, 18))
    index = random.integers(0, [20, 24], (16, 18, 2))
    rows, columns = np.mgrid[3:10, 5:13]
    index[3:10, 5:13] = np.stack([rows + 8, columns - 2], axis=-1)
    index[6, 9] = 0, 0  # a hole in the box
    index[12:14, :5] = np.stack(np.mgrid[0:2, 0:5], axis=-1)
    if last == 3:
        index = np.insert(index, 0, 0, axis=2)
    found = metrics.near_copy(source, result, index=index.astype(np.int32))
    assert found[3:] == (55, 55 / (16 * 18), (3, 5, 7, 8))


def test_diagonal_neighbours_are_not_one_region():
    index = np.array([[[0, 0], [0, 0]], [[0, 0], [1, 1]]])
    found = metrics.near_copy(np.eye(2), np.eye(2), index=index)
    assert found[3:] == (1, 0.25, (0, 0, 1, 1))
    index[0, 1] = 0, 1
    assert metrics.near_copy(np.eye(2), np.eye(2), index=index)[3:] == (3, 0.75, (0, 0, 2, 2))


def region_by_filling(index, shape, periodic, source_periodic):
    """Pixels of the largest region, by filling from every pixel."""
    height, width = index.shape[:2]
    sides = [
        shape[axis] if source_periodic[axis] else index.shape[axis] if periodic[axis] else 10**9
        for axis in range(2)
    ]
    move = {
        (y, x): tuple((index[y, x, axis] - (y, x)[axis]) % sides[axis] for axis in range(2))
        for y in range(height)
        for x in range(width)
    }
    best = 0
    while move:
        start, kind = next(iter(move.items()))
        waiting, size = [start], 0
        del move[start]
        while waiting:
            y, x = waiting.pop()
            size += 1
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                v = v % height if periodic[0] else v
                u = u % width if periodic[1] else u
                if move.get((v, u)) == kind:
                    del move[v, u]
                    waiting.append((v, u))
        best = max(best, size)
    return best


@pytest.mark.parametrize(("periodic", "source_periodic"), [((False, False),) * 2, *WRAPS])
def test_the_largest_region_goes_on_at_the_other_border(periodic, source_periodic, random):
    shape = (12, 15)
    index = np.stack(np.indices(shape), axis=-1)
    index = np.roll(index, (5, -4), axis=(0, 1))
    other = random.random(shape) < 0.25
    index[other] = random.integers(0, shape, (other.sum(), 2))
    found = metrics.near_copy(
        np.eye(*shape), np.eye(*shape), index=index, periodic=periodic,
        source_periodic=source_periodic,
    )  # fmt: skip
    assert found.region_pixels == region_by_filling(index, shape, periodic, source_periodic)


def test_a_region_lies_in_one_source():
    index = np.zeros((2, 4, 3), int)
    index[..., 1:] = np.stack(np.mgrid[:2, :4], axis=-1)
    index[:, 3, 0] = 1
    assert largest_region(index, [(2, 4), (2, 4)], (2, 4)) == (6, 0.75, (0, 0, 2, 3))


def test_the_index_of_a_task_fits(photograph):
    made = pnn.generate(photograph, rng=1, iterations=1, return_index=True)
    found = metrics.near_copy(photograph, made.image, index=made.index)
    assert 0 < found.region_share <= 1
    assert found.region_pixels <= found.region_box[2] * found.region_box[3]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"largest_shift": -1}, ValueError, "`largest_shift` must be an integer of at least 0"),
        ({"index": np.zeros((4, 4, 2))}, TypeError, "`index` must hold integers"),
        ({"index": np.zeros((3, 4, 2), int)}, ValueError, r"`index` must have the height and .* 4"),
        ({"index": np.full((4, 4, 2), 4)}, ValueError, "`index` must lie inside"),
        ({"index": np.ones((4, 4, 3), int)}, ValueError, "`index` must lie inside"),
        ({"index": np.zeros((4, 4), int)}, ValueError, r"`index` must have shape \(rows, columns"),
        ({"index": [0]}, TypeError, "`index` must be a NumPy or CuPy array"),
        ({"data_range": (3, 2)}, ValueError, "`data_range` must have low < high"),
        ({"periodic": (True,)}, ValueError, "`periodic` must be True or False, or one of these"),
        ({"source_periodic": 1}, TypeError, "`source_periodic` must be"),
    ],
)
def test_bad_near_copies(options, error, message):
    with pytest.raises(error, match=message):
        metrics.near_copy(np.eye(4), np.eye(4), **options)


def test_pictures_that_hardly_overlap_are_refused():
    with pytest.raises(ValueError, match=r"overlap .* got \(20, 2\) and \(2, 20\) pixels; crop"):
        metrics.near_copy(np.eye(20)[:2], np.eye(20)[:, :2])


# Distributions


def projected_patches(values, directions, p):
    """All patches of (H, W, C) times each direction."""
    patches = [
        values[y : y + p, x : x + p].ravel()
        for y in range(values.shape[0] - p + 1)
        for x in range(values.shape[1] - p + 1)
    ]
    return np.array(patches) @ directions.T


@pytest.mark.parametrize("shape", [(12, 14, 3), (11, 17, 3)])
def test_patch_swd_against_scipy(shape, random, monkeypatch):
    monkeypatch.setattr("pnncupy.metrics.distributions._UNFOLDED", 500)
    source = random.integers(0, 65536, (12, 14, 3)).astype(np.uint16)
    result = random.integers(0, 65536, shape).astype(np.uint16)
    options = {"patch_size": 3, "scales": 2, "projections": 11, "rng": 5}
    found = metrics.patch_swd(source, result, data_range=(0, 65535), **options)
    drawn = np.random.default_rng(rng.seed_sequence(5)).standard_normal((11, 27))
    drawn /= np.sqrt((drawn**2).sum(axis=1, keepdims=True))
    pictures = [image / np.float32(65535) for image in (source, result)]
    for distance in found:
        lines = [projected_patches(image, drawn, 3) for image in pictures]
        expected = np.mean([
            scipy.stats.wasserstein_distance(lines[0][:, k], lines[1][:, k]) for k in range(11)
        ])  # fmt: skip
        assert distance == pytest.approx(expected, rel=1e-4)
        pictures = [pnn.pyramid(image, 1, 2)[1] for image in pictures]
    assert found != metrics.patch_swd(source, result, **{**options, "rng": 6})


def test_patch_swd_of_a_constant_difference(random):
    source = random.random((2, 16, 16))
    (found,) = metrics.patch_swd(
        source, source + 0.25, scales=1, patch_size=2, channel_axis=0, data_range=(0, 1)
    )
    # All patches move by one vector: the mean length of its projections, about 2/sqrt(2 pi).
    assert found == pytest.approx(0.25 * math.sqrt(2 / math.pi), rel=0.15)


def test_patch_swd_sees_frequencies_that_coherence_does_not(random):
    source = np.zeros((20, 20), bool)
    source[:, 10:] = True
    result = np.ones((20, 20), bool)
    result[:, 0] = False
    assert metrics.coherence(source, result, patch_size=2) == 0
    assert min(metrics.patch_swd(source, result, patch_size=2, scales=2)) > 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": 3}, r"`scales` must be at most 2 with `patch_size` = 7 and .* got 3"),
        ({"patch_size": 18}, "`source` must be at least `patch_size` = 18"),
        ({"scales": 0}, "`scales` must be an integer of at least 1"),
        ({"projections": 0}, "`projections` must be an integer of at least 1"),
        ({"rng": -2}, "`rng` must hold non-negative integers"),
    ],
)
def test_bad_patch_swd(options, message, colours):
    with pytest.raises(ValueError, match=message):
        metrics.patch_swd(colours, colours, **options)


# Materials


def count_pairs(phase, reach):
    """Probabilities by going through all pairs of pixels."""
    hits, pairs = np.zeros(reach + 1), np.zeros(reach + 1)
    places = [(y, x) for y in range(phase.shape[0]) for x in range(phase.shape[1])]
    for one in places:
        for other in places:
            distance = round(math.hypot(one[0] - other[0], one[1] - other[1]))
            if distance <= reach:
                pairs[distance] += 1
                hits[distance] += bool(phase[one]) and bool(phase[other])
    return hits / pairs


@pytest.mark.parametrize("shape", [(8, 11), (9, 5), (1, 6)])
def test_two_point_correlation_against_all_pairs(shape, random):
    image, source = random.integers(0, 3, shape).astype(np.uint8), random.integers(0, 3, (9, 10))
    reach = min(shape) - 1
    found = metrics.two_point_correlation(source, image, phase=2, largest_distance=reach)
    np.testing.assert_array_equal(found.distance, np.arange(reach + 1))
    expected = count_pairs(image == 2, reach)
    np.testing.assert_allclose(found.probability, expected, rtol=1e-14)
    assert found.probability[0] == (image == 2).mean()
    of_source = count_pairs(source == 2, reach)
    np.testing.assert_allclose(found.difference, expected - of_source, rtol=0, atol=1e-14)
    assert len(metrics.two_point_correlation(image == 2).distance) == min(shape) // 2 + 1


def test_two_point_correlation_of_stripes_and_other_phases(random):
    stripes = np.tile(np.arange(40) % 2 == 0, (3, 1))
    values = np.where(stripes, 0.75, 0.25).astype(np.float32)
    kept = metrics.two_point_correlation(values, threshold=0.5, largest_distance=2)
    np.testing.assert_array_equal(
        kept.probability, metrics.two_point_correlation(stripes, largest_distance=2).probability
    )
    assert kept.difference is None
    other = metrics.two_point_correlation(values, threshold=0.5, phase=False)
    np.testing.assert_allclose(other.probability, count_pairs(~stripes, 1), rtol=1e-14)
    nothing = metrics.two_point_correlation(stripes.astype(np.uint8), phase=300)
    np.testing.assert_array_equal(nothing.probability, [0, 0])


def test_counts_of_large_pictures_are_exact(random):
    # All pairs of a full image lie in the phase.
    found = metrics.two_point_correlation(np.ones((401, 613), bool))
    np.testing.assert_array_equal(found.probability, np.ones(201))


def test_phase_fractions_by_hand():
    image, source = np.array([[1, 1], [3, 7]], np.int16), np.array([[1, 2, 3, 3]], np.uint8)
    assert metrics.phase_fractions(image) == ((1, 3, 7), (0.5, 0.25, 0.25), None)
    found = metrics.phase_fractions(source, image)
    assert found.labels == (1, 2, 3, 7)
    assert found.fractions == (0.5, 0, 0.25, 0.25)
    assert found.difference == (0.25, -0.25, -0.25, 0.25)
    found = metrics.phase_fractions(source, image / 10, threshold=0.2)
    assert found == ((False, True), (0.5, 0.5), (0.5, -0.5))
    assert metrics.phase_fractions(np.ones((2, 2), bool)) == ((False, True), (0, 1), None)


@pytest.mark.parametrize("measure", [metrics.phase_fractions, metrics.two_point_correlation])
@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.eye(3), {}, TypeError, "`source` must hold labels, .* got dtype float64; give a `thr"),
        (
            np.ones(3, bool),
            {},
            ValueError,
            r"`source` must be a 2-D or 3-D .* got shape \(3,\)",
        ),
        (
            np.ones((0, 3), bool),
            {},
            ValueError,
            "`source` must be a 2-D or 3-D array that is not",
        ),
        (np.eye(3) / np.nan, {"threshold": 0}, ValueError, "`source` must be finite"),
        (np.eye(3), {"threshold": "half"}, TypeError, "`threshold` must be a real number"),
        (np.eye(3) > 0, {"result": np.eye(3, dtype=int)}, TypeError, "`result` .* labels like"),
        (np.eye(3) > 0, {"result": np.eye(3)}, TypeError, "`result` must hold labels, .* float64"),
        ("files", {}, TypeError, "`source` must be a NumPy or CuPy array"),
    ],
)
def test_bad_labels(measure, image, options, error, message):
    with pytest.raises(error, match=message):
        measure(image, **options)


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.eye(3, dtype=int), {}, ValueError, "`phase` must be given for labels of dtype int64"),
        (np.eye(3, dtype=int), {"phase": 0.5}, TypeError, "`phase` must be an integer"),
        (np.eye(3) > 0, {"phase": 1}, TypeError, "`phase` must be True or False, got 1"),
        (np.eye(3) > 0, {"largest_distance": 3}, ValueError, "less than the smallest side, 3 pix"),
        (np.eye(3) > 0, {"largest_distance": 0.5}, TypeError, "`largest_distance` must be an int"),
    ],
)
def test_bad_correlations(image, options, error, message):
    with pytest.raises(error, match=message):
        metrics.two_point_correlation(image, **options)


# Features


def test_sifid_of_independent_features_has_a_closed_form(random):
    def features(image):
        """Columns with exactly these means and deviations, and without covariance."""
        signs = scipy.linalg.hadamard(8)[:, 1:4] * math.sqrt(7 / 8)
        return image[0] + signs * image[1]

    source = np.array([[1.0, 2, 3], [0.5, 2, 0]])
    result = np.array([[2.0, 2, 1], [1.5, 0, 3]])
    assert metrics.sifid(source, result, features) == pytest.approx(5 + 1 + 4 + 9, rel=1e-12)
    assert metrics.sifid(source, source, features) == pytest.approx(0, abs=1e-12)


def test_sifid_against_the_matrix_root_of_scipy(random):
    source, result = random.random((9, 10, 4)), random.random((8, 12, 4)) ** 2
    mixed = random.random((4, 4))
    seen = []

    def features(image):
        seen.append(image.shape)
        return image @ mixed

    found = metrics.sifid(
        np.moveaxis(source, -1, 0), np.moveaxis(result, -1, 0), features, channel_axis=0
    )
    assert seen == [source.shape, result.shape]
    vectors = [(image @ mixed).reshape(-1, 4) for image in (source, result)]
    covariances = [np.cov(each, rowvar=False) for each in vectors]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((vectors[0].mean(axis=0) - vectors[1].mean(axis=0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    assert found == pytest.approx(expected, rel=1e-8)


def test_sifid_with_more_features_than_places(random):
    image = random.random((3, 40)) * 1e3
    assert 0 <= metrics.sifid(image, image.copy(), lambda picture: picture) < 1e-6
    column = random.random((9, 1))
    found = metrics.sifid(column, column * 3, lambda picture: picture)
    assert found == pytest.approx(4 * (column.mean() ** 2 + column.var(ddof=1)), rel=1e-12)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (3, TypeError, "`features` must be callable or None"),
        (lambda image: image[0], ValueError, r"`features` must return \(N, F\) or .* shape \(21,"),
        (lambda image: image[:1, :1], ValueError, "at 2 or more places"),
        (lambda image: image / np.nan, ValueError, r"`features\(...\)` must be finite"),
        (lambda image: None, TypeError, r"`features\(...\)` must be a NumPy or CuPy array"),
        (lambda image: image[:, : len(image)], ValueError, "as many features for both images"),
    ],
)
def test_bad_features(features, error, message, colours):
    grey = colours[..., 0].astype(float)
    with pytest.raises(error, match=message):
        metrics.sifid(grey, grey[:9], features)


@pytest.mark.parametrize("missing", ["torch", "torchvision"])
def test_without_torch_the_extra_is_named(missing, monkeypatch, colours):
    for name in ("torch", "torchvision"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"{missing}.*`pip install 'pnncupy\[fid\]'`"):
        metrics.inception_features()
    with pytest.raises(ImportError, match=r"pnncupy\[fid\]"):
        metrics.sifid(colours, colours)


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Modules with what is looked at before the weights are read."""
    torch, torchvision = types.ModuleType("torch"), types.ModuleType("torchvision")
    torch.hub = types.SimpleNamespace(get_dir=lambda: str(tmp_path))
    entry = types.SimpleNamespace(url="https://download.pytorch.org/models/inception_v3-0.pth")
    torchvision.models = types.SimpleNamespace(
        Inception_V3_Weights=types.SimpleNamespace(IMAGENET1K_V1=entry)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)


def test_without_weights_the_file_and_the_command_are_named(no_network, tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        metrics.inception_features()
    message = str(refused.value)
    assert str(tmp_path / "checkpoints" / "inception_v3-0.pth") in message
    assert '`python -c "from torchvision.models import inception_v3; inception_v3(' in message
    assert "not comparable" in message
    with pytest.raises(FileNotFoundError, match="`weights` must be a file, got 'nowhere'"):
        metrics.inception_features("nowhere")
    with pytest.raises(TypeError, match="`weights` must be a path or None"):
        metrics.inception_features(3)


def test_the_features_are_those_of_torchvision(tmp_path, colours):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(
        weights=None, init_weights=False, transform_input=True
    ).eval()
    torch.save(network.state_dict(), tmp_path / "state.pth")
    features = metrics.inception_features(tmp_path / "state.pth")
    image = np.tile(colours, (5, 4, 1))
    kept = []
    network.maxpool1.register_forward_hook(lambda module, given, made: kept.append(made[0]))
    preset = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
    values = torch.from_numpy(image).permute(2, 0, 1) / 255
    mean, deviation = (torch.tensor(part)[:, None, None] for part in (preset.mean, preset.std))
    with torch.no_grad():
        network(((values - mean) / deviation)[None])
    found = features(image)
    np.testing.assert_allclose(found, kept[0].permute(1, 2, 0).numpy(), atol=1e-5)
    grey = features(image[..., 0])
    np.testing.assert_array_equal(grey, features(np.repeat(image[..., :1], 3, axis=2)))
    scaled = metrics.inception_features(tmp_path / "state.pth", data_range=(0, 255))
    np.testing.assert_array_equal(scaled(image.astype(np.float64)), found)
    assert metrics.sifid(image, image, features) < 1e-6
    assert metrics.sifid(image, image[::-1, ::-1] // 2, features) > 1e-6
    with pytest.raises(ValueError, match="`image` must be grey or have 3 channels, got 4"):
        features(image[..., [0, 1, 2, 0]])
    with pytest.raises(ValueError, match=r"`image` must be at least 11 pixels .* got 10 x 84"):
        features(image[:10])
    assert features(image[:11, :11]).shape == (1, 1, 64)
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="`weights` must be the state of torchvision's"):
        metrics.inception_features(tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no tensors")
    with pytest.raises(ValueError, match="`weights` must be a file that torch has saved"):
        metrics.inception_features(tmp_path / "text.pth")


# Arrays on a device, and the package


def small_index(image):
    index = np.stack(np.mgrid[: image.shape[0], : image.shape[1]], axis=-1)
    index[5:, 3:] = index[2, 2]
    return index


DEVICE = {
    "diversity": lambda a, b, to: metrics.diversity(a, [a, b, a]),
    "diversity of a stack": lambda a, b, to: metrics.diversity(a[:, None][0], a[:, None]),
    "near_copy": lambda a, b, to: metrics.near_copy(
        a, b, index=to(small_index(a)), largest_shift=3
    ),
    "near_copy around the border": lambda a, b, to: metrics.near_copy(
        a, b, index=to(small_index(a)), periodic=(True, False), source_periodic=(False, True)
    ),
    "patch_swd": lambda a, b, to: metrics.patch_swd(a, b[:, 2:], patch_size=4, scales=2),
    "patch_swd of equal sizes": lambda a, b, to: metrics.patch_swd(a, b, projections=9, scales=1),
    "phase_fractions": lambda a, b, to: metrics.phase_fractions(b[..., 1], a[..., 0]),
    "psnr": lambda a, b, to: metrics.psnr(a, b, (0, 255)),
    "sharpness_ratio": lambda a, b, to: metrics.sharpness_ratio(a, b),
    "sifid": lambda a, b, to: metrics.sifid(a, b, lambda image: image),
    "thresholded fractions": lambda a, b, to: metrics.phase_fractions(a[..., 0], threshold=99),
    "two_point_correlation": lambda a, b, to: metrics.two_point_correlation(
        b[..., 1], a[..., 0], threshold=120
    ),
    "two points of labels": lambda a, b, to: metrics.two_point_correlation(a[..., 0], phase=-1),
}  # fmt: skip


@pytest.mark.parametrize("call", DEVICE.values(), ids=DEVICE)
def test_arrays_on_the_device_give_the_same_numbers(call, cupy, colours):
    other = colours[::-1].copy()
    expected = call(colours, other, lambda array: array)
    found = call(cupy.asarray(colours), cupy.asarray(other), cupy.asarray)
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        for mine, theirs in zip(expected, found, strict=True):
            assert type(theirs) is type(mine)
            np.testing.assert_equal(theirs, mine)
    else:
        assert found == expected


@pytest.mark.skipif(cupy_stand_in.host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.slow
def test_bidirectional_on_the_device(cupy, colours):
    other = colours[::-1].copy()
    for measure in BIDIRECTIONAL:
        expected = measure(colours, other, patch_size=5)
        assert measure(cupy.asarray(colours), cupy.asarray(other), patch_size=5) == expected
        assert measure(colours, other, patch_size=5, engine="cupy") == expected
    with pytest.raises(TypeError, match="`source` numpy, `result` cupy"):
        metrics.coherence(colours, cupy.asarray(other))


def test_inputs_are_not_modified(colours):
    before = colours.copy()
    colours.flags.writeable = False
    flipped = colours[:, ::-1]
    metrics.coherence(colours, flipped)
    metrics.near_copy(colours, flipped)
    metrics.patch_swd(colours, flipped, patch_size=3)
    metrics.diversity(colours, [colours, flipped])
    metrics.two_point_correlation(colours[..., 0], phase=1)
    metrics.sifid(colours, flipped, lambda image: image)
    np.testing.assert_array_equal(colours, before)


def test_importing_loads_no_heavy_library():
    code = "import sys, pnncupy.metrics; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split()
    assert "pnncupy.metrics.copies" in loaded
    assert not {"scipy", "torch", "torchvision", "numba", "cupy"} & set(loaded)


def test_every_measure_is_documented():
    for name in metrics.__all__:
        measure = getattr(metrics, name)
        if not inspect.isfunction(measure):
            continue
        text = inspect.getdoc(measure)
        assert "Examples" in text, name
        section = re.search(r"Parameters\n-+\n(.*?)\n\nReturns", text, re.S)[1]
        documented = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", section, re.M)
        names = ", ".join(documented).split(", ")
        assert names == list(inspect.signature(measure).parameters), name
