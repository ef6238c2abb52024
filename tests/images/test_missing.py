"""Missing pixels: never part of a patch that is used, and filled where that is asked for."""

import math

import cupy_stand_in
import host_cuda
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.images.missing import checked_nodata, split_missing
from pnncupy.synthesis.masked_sources import MaskedPyramid
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.editing import _levels_of_mask

OPTIONS = {"iterations": 2, "coarse_iterations": 2}


@pytest.fixture
def image(random):
    return random.random((26, 30, 2))


@pytest.fixture
def missing():
    mask = np.zeros((26, 30), bool)
    mask[5:9, 3:8] = mask[14, 20] = mask[25, 28:] = True
    return mask


def with_hole(image, missing, value):
    made = image.copy()
    made[missing] = value
    return made


def tasks(other):
    """Each task of a source with missing pixels; `other` is a whole image."""
    return {
        "generate": lambda source, **more: pnn.generate(source, rng=3, **more),
        "larger": lambda source, **more: pnn.generate(source, rng=3, shape=(30, 40), **more),
        "retarget": lambda source, **more: pnn.retarget(source, (26, 22), **more),
        "gradual": lambda source, **more: pnn.retarget(source, (26, 22), gradual=True, **more),
        "analogy": lambda source, **more: pnn.analogy(source, other, **more),
        "collage": lambda source, **more: pnn.collage([source, other[:20]], **more),
        "edit": lambda source, **more: pnn.edit(source, other, **more),
        "several": lambda source, **more: pnn.generate([source, other], rng=1, **more),
    }


TASKS = list(tasks(None))


@pytest.mark.parametrize("keys", ["blurred", "sharp", "both"])
@pytest.mark.parametrize("name", TASKS)
@pytest.mark.slow
def test_missing_pixels_are_never_used(name, keys, image, missing):
    task = tasks(image[::-1].copy())[name]
    made = task(
        with_hole(image, missing, np.nan), nodata="nan", keys=keys, vote="copy", return_index=True,
        **OPTIONS,
    )  # fmt: skip
    source, row, column = np.moveaxis(made.index, -1, 0)
    assert not missing[row[source == 0], column[source == 0]].any()
    assert np.isfinite(made.image).all()
    values = set(image.ravel().tolist())
    assert values.issuperset(made.image.ravel().tolist())


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.slow
def test_what_stands_under_missing_pixels_does_not_matter(name, image, missing):
    task = tasks(image[::-1].copy())[name]
    expected = task(with_hole(image, missing, np.nan), nodata="nan", **OPTIONS)
    np.testing.assert_array_equal(
        task(with_hole(image, missing, -9999.0), nodata=-9999, **OPTIONS), expected
    )
    wide = np.broadcast_to(missing[..., None], image.shape)
    for hidden in (7e9, np.nan):
        masked = np.ma.masked_array(with_hole(image, missing, hidden), wide)
        made = task(masked, **OPTIONS)
        assert type(made) is np.ndarray
        np.testing.assert_array_equal(made, expected)


def test_one_missing_channel_is_enough(image, missing):
    spoiled = image.copy()
    spoiled[missing, 1] = np.nan
    made = pnn.generate(spoiled, rng=0, nodata="nan", vote="copy", return_index=True, **OPTIONS)
    assert not missing[made.index[..., 1], made.index[..., 2]].any()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_may_lie_on_any_axis(axis, image, missing):
    spoiled = with_hole(image, missing, np.nan)
    expected = pnn.generate(spoiled, rng=0, nodata="nan", **OPTIONS)
    made = pnn.generate(
        np.moveaxis(spoiled, -1, axis), rng=0, nodata=math.nan, channel_axis=axis, **OPTIONS
    )
    np.testing.assert_array_equal(np.moveaxis(made, axis, -1), expected)


def test_a_picture_without_missing_pixels_is_as_ever(image):
    expected = pnn.generate(image, rng=0, **OPTIONS)
    for given, nodata in ((image, -1), (image, "nan"), (np.ma.masked_array(image), None)):
        np.testing.assert_array_equal(
            pnn.generate(given, rng=0, nodata=nodata, **OPTIONS), expected
        )


def test_inputs_are_not_changed(image, missing):
    spoiled = with_hole(image, missing, np.nan)
    kept = spoiled.copy()
    pnn.inpaint(spoiled, "nodata", **OPTIONS)
    np.testing.assert_array_equal(spoiled, kept)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_inpaint_fills_missing_pixels(dtype, image, missing):
    whole = (image * 1000).astype(dtype)
    expected = pnn.inpaint(whole, missing, fill="mean", **OPTIONS)
    spoiled = with_hole(whole, missing, 65000)
    np.testing.assert_array_equal(pnn.inpaint(spoiled, "nodata", nodata=65000, **OPTIONS), expected)
    wide = np.broadcast_to(missing[..., None], image.shape)
    np.testing.assert_array_equal(
        pnn.inpaint(np.ma.masked_array(spoiled, wide), "nodata", **OPTIONS), expected
    )
    np.testing.assert_array_equal(expected[~missing], whole[~missing])
    if dtype == np.float32:
        spoiled = with_hole(whole, missing, np.nan)
        np.testing.assert_array_equal(pnn.inpaint(spoiled, "nodata", **OPTIONS), expected)


def test_missing_pixels_outside_of_a_hole_stay(image, missing):
    hole = np.zeros_like(missing)
    hole[16:21, 4:12] = True
    made = pnn.inpaint(
        with_hole(image, missing, np.nan), hole, fill="mean", nodata="nan", return_index=True,
        **OPTIONS,
    )  # fmt: skip
    assert np.isnan(made.image[missing]).all()
    assert np.isfinite(made.image[~missing]).all()
    np.testing.assert_array_equal(made.image[~missing & ~hole], image[~missing & ~hole])
    rows, columns = made.index[hole][:, 1], made.index[hole][:, 2]
    assert not (missing | hole)[rows, columns].any()


@pytest.mark.exhaustive
def test_levels_are_lowered_where_little_is_known(random):
    image = random.random((40, 40))
    image[12:] = np.nan
    image[:, 12:] = np.nan
    made = pnn.generate(image, rng=0, nodata="nan", return_info=True, **OPTIONS)
    assert made.info["levels"] < pnn.generate(
        np.nan_to_num(image), rng=0, return_info=True, **OPTIONS
    ).info["levels"]  # fmt: skip
    with pytest.raises(ValueError, match=r"missing pixels of `image` must leave a patch .* levels"):
        pnn.generate(image, rng=0, nodata="nan", levels=3)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.slow
def test_on_a_device_missing_pixels_are_the_same(image, missing, monkeypatch):
    spoiled = with_hole(image, missing, np.nan).astype(np.float32)
    masked = np.ma.masked_array(spoiled, np.broadcast_to(missing[..., None], image.shape))
    options = {"iterations": 1, "levels": 1}
    expected = pnn.inpaint(spoiled, "nodata", **options)
    generated = pnn.generate(spoiled, rng=1, nodata="nan", **options)
    cupy = cupy_stand_in.install(monkeypatch)
    try:
        made = pnn.inpaint(cupy.asarray(spoiled), "nodata", **options)
        np.testing.assert_array_equal(made.host, expected)
        made = pnn.generate(cupy.asarray(spoiled), rng=1, nodata="nan", **options)
        np.testing.assert_array_equal(made.host, generated)
        np.testing.assert_array_equal(
            pnn.inpaint(masked, "nodata", engine="cupy", **options), expected
        )
        np.testing.assert_array_equal(
            pnn.generate(masked, rng=1, engine="cupy", **options), generated
        )
    finally:
        cupy_stand_in.forget()


WRONG = [
    (np.nan, {}, ValueError, "`image` must be finite, got .* NaN"),
    (np.nan, {"nodata": -1}, ValueError, "`image` must be finite, got"),
    (np.nan, {"nodata": "none"}, ValueError, '`nodata` must be a number, "nan" or None, got'),
    (np.nan, {"nodata": [1]}, TypeError, "`nodata` must be a real number"),
    (np.nan, {"nodata": True}, TypeError, "`nodata` must be a real number, got True"),
]


@pytest.mark.parametrize(("value", "options", "error", "message"), WRONG)
def test_wrong_calls(value, options, error, message, image, missing):
    with pytest.raises(error, match=message):
        pnn.generate(with_hole(image, missing, value), **options)


def test_wrong_masks(image, missing):
    with pytest.raises(ValueError, match='`mask` must be a bool array or "nodata", got'):
        pnn.inpaint(image, "holes")
    with pytest.raises(ValueError, match='`image` must have missing pixels with `mask` "nodata"'):
        pnn.inpaint(image, "nodata")
    with pytest.raises(ValueError, match="`nodata` must say which value is missing with `mask`"):
        pnn.inpaint((image * 9).astype(np.uint8), "nodata")
    with pytest.raises(ValueError, match="`image` must have pixels that are not missing"):
        pnn.generate(np.full((20, 20), np.nan), nodata="nan")
    scattered = image.copy()
    scattered[::5, ::5] = np.nan
    with pytest.raises(ValueError, match="missing pixels of `image` must leave a patch of 7 x 7"):
        pnn.generate(scattered, nodata="nan")
    with pytest.raises(TypeError, match="plain array, got MaskedArray"):
        pnn.nearest_patches(np.ma.masked_array(image), image)


@pytest.mark.parametrize("fill", ["mean", "noise", "array"])
def test_what_stands_in_a_filled_hole_does_not_matter(fill, image, missing):
    hole = np.zeros_like(missing)
    hole[16:21, 4:12] = True
    spoiled = with_hole(image, missing, -9999.0)
    steering = spoiled[::-1].copy() if fill == "array" else fill
    results = [
        pnn.inpaint(
            with_hole(spoiled, hole, value), hole, fill=steering, nodata=-9999, rng=2, **OPTIONS
        )
        for value in (0.5, 1e6, np.nan)
    ]
    for made in results[1:]:
        np.testing.assert_array_equal(made, results[0])
    assert np.isfinite(results[0]).all()


def test_missing_pixels_do_not_leak_without_keep_known(image, missing):
    hole = np.zeros_like(missing)
    hole[16:21, 4:12] = True
    made = pnn.inpaint(
        with_hole(image, missing, np.nan), hole, fill="mean", nodata="nan", keep_known=False,
        vote="copy", return_index=True, **OPTIONS,
    )  # fmt: skip
    rows, columns = made.index[..., 1], made.index[..., 2]
    assert not (missing | hole)[rows, columns].any()


def test_the_first_nan_that_is_not_missing_is_named(image, missing):
    spoiled = with_hole(image, missing, -1.0)
    spoiled[10, 10, 1] = np.nan
    with pytest.raises(ValueError, match=r"got 1 NaN .* at index \(10, 10, 1\)"):
        pnn.generate(spoiled, nodata=-1)


@pytest.mark.parametrize("nodata", [math.inf, -math.inf, np.finfo(np.float64).min, 0.1])
def test_unusual_values_of_missing_pixels(nodata, image, missing):
    spoiled = with_hole(image, missing, 0.0).astype(np.float32)
    with np.errstate(over="ignore"):
        spoiled[missing] = nodata
    if nodata == np.finfo(np.float64).min:  # beyond float32: then none is missing
        with pytest.raises(ValueError, match="must be finite"):
            pnn.generate(spoiled, nodata=nodata)
        return
    made = pnn.generate(spoiled, rng=0, nodata=nodata, vote="copy", return_index=True, **OPTIONS)
    assert not missing[made.index[..., 1], made.index[..., 2]].any()


LARGE = 2**53 + 1


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, ">i8"])
@pytest.mark.parametrize("nodata", [LARGE, np.int64(LARGE), np.uint64(LARGE), np.array(LARGE)])
def test_large_integers_are_missing_to_the_last_digit(nodata, dtype, random):
    image = random.integers(LARGE - 2, LARGE + 3, (16, 18)).astype(dtype)
    _, known = split_missing("image", image, checked_nodata(nodata), -1)
    np.testing.assert_array_equal(known, image != image.dtype.type(LARGE))
    assert 0 < known.sum() < known.size


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [(np.int64, -(2**63)), (np.int64, 2**63 - 1), (np.uint64, 2**64 - 1), (np.uint8, 255.0)],
)
def test_the_ends_of_a_dtype_may_be_missing(dtype, nodata):
    image = np.array([[nodata, 3], [4, nodata]], dtype)
    for given in (image, image[..., None]):
        _, known = split_missing("image", given, checked_nodata(nodata), -1)
        assert known.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        (np.uint8, 300), (np.uint8, -9999), (np.uint8, 256.0), (np.int16, 1.5), (np.int8, 2**70),
        (np.uint64, -1), (np.int64, 2**63), (np.int64, 2.0**63), (np.uint64, 2**64),
        (np.int32, math.inf), (np.int32, math.nan), (bool, 2), (bool, 0.5), (np.float32, 1e39),
    ],
)  # fmt: skip
def test_what_a_dtype_cannot_hold_hides_nothing(dtype, nodata):
    image = np.arange(-128, 128).astype(dtype).reshape(16, 16)
    made, known = split_missing("image", image, checked_nodata(nodata), -1)
    assert known is None
    assert made is image


TURNS = {
    "left_right": (np.fliplr, np.fliplr),
    "upside_down": (np.flipud, np.flipud),
    "transposed": (np.transpose, np.transpose),
    "half_turn": (lambda array: np.rot90(array, 2), lambda array: np.rot90(array, 2)),
    "quarter_turn": (np.rot90, lambda array: np.rot90(array, -1)),
}


def rectangles(random, shape):
    """A mask with holes whose sides often cut coarse pixels in half."""
    known = np.ones(shape, bool)
    for _ in range(random.integers(1, 3)):
        row, column = random.integers(0, shape)
        known[row : row + random.integers(1, 16), column : column + random.integers(1, 16)] = False
    return known


def usable(known, levels, ratio):
    return MaskedPyramid.of(np.zeros((1, *known.shape), np.float32), known, levels, ratio).usable


def kept(known, levels, ratio):
    return _levels_of_mask(known, Schedule(ratio, levels, 1, 1, "blurred", "mean", True))


@pytest.mark.parametrize("decide", [usable, kept])
@pytest.mark.parametrize("ratio", [0.75, 0.8, 0.5, 0.9, 1 / 1.37, 0.31])
@pytest.mark.slow
def test_a_turned_mask_is_decided_alike(ratio, decide, random):
    mixed = 0
    for _ in range(20):
        known = rectangles(random, random.integers(14, 40, 2))
        expected = decide(known, 3, ratio)
        mixed += sum(level.any() and not level.all() for level in expected)
        for forth, back in TURNS.values():
            made = decide(np.ascontiguousarray(forth(known)), 3, ratio)
            for one, other in zip(expected, made, strict=True):
                np.testing.assert_array_equal(one, back(other))
    assert mixed > 40


@pytest.mark.parametrize("decide", [usable, kept])
def test_half_of_a_pixel_is_not_more_than_half(decide):
    known = np.zeros((12, 12), bool)
    known[:, :5] = True  # half of the third of the pixels of two columns
    sides = [decide(mask, 1, 0.5)[1] for mask in (known, ~known)]
    np.testing.assert_array_equal(sides[0], np.tile(np.arange(6) < 2, (6, 1)))
    np.testing.assert_array_equal(sides[1], np.tile(np.arange(6) > 2, (6, 1)))
