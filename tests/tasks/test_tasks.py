"""Retargeting, inpainting, analogy, collage and editing."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.images.pyramid import step_shapes, valid_pyramid, valid_shares
from pnncupy.tasks.hole_starts import largest_square

FAST = {"iterations": 2, "coarse_iterations": 1}


@pytest.fixture
def hole(photograph):
    """Two holes, one of them ragged and at the border."""
    mask = np.zeros(photograph.shape[:2], bool)
    mask[10:22, 15:29] = True
    mask[30:, 50:] = True
    mask[28, 45:52] = True
    return mask


def unit(image):
    return image / np.float32(255)


def decibels(image, other):
    return metrics.psnr(image, other, (0, 1))


@pytest.mark.slow
def test_reference_retargeting(reference):
    arrays = reference("retargeting")
    for name, width in (("output_1_0_6", 87), ("output_1_1_4", 202)):
        made = pnn.retarget(
            unit(arrays["image"]), (96, width), levels=int(arrays["num_levels"]),
            downscale=1 / float(arrays["downscale_ratio"]), alpha=float(arrays["alpha"]),
            data_range=(0, 1), gradual=False,
        )  # fmt: skip
        assert decibels(made, arrays[name]) > 55


def test_reference_analogy(reference):
    arrays = reference("structural_analogy")
    made = pnn.analogy(
        unit(arrays["source"]), unit(arrays["structure"]), levels=int(arrays["num_levels"]),
        downscale=1 / float(arrays["downscale_ratio"]), alpha=float(arrays["alpha"]),
        data_range=(0, 1),
    )  # fmt: skip
    assert decibels(made, arrays["output"]) > 45


def test_reference_editing(reference):
    arrays = reference("editing")
    made = pnn.edit(
        unit(arrays["source"]), unit(arrays["edited"]), levels=int(arrays["num_levels"]),
        downscale=1 / float(arrays["downscale_ratio"]), data_range=(0, 1),
    )  # fmt: skip
    assert decibels(made, arrays["output"]) > 48


def test_reference_inpainting(reference):
    arrays = reference("conditional_inpainting")
    made = pnn.inpaint(
        unit(arrays["masked_image"]), ~arrays["mask"], keep_known=False,
        levels=int(arrays["num_levels"]), downscale=1 / float(arrays["downscale_ratio"]),
        data_range=(0, 1),
    )  # fmt: skip
    assert decibels(made, arrays["output"]) > 48


@pytest.mark.parametrize("shape", [(40, 34), (30, 56), (52, 90), (25, 80)])
@pytest.mark.parametrize("gradual", [False, True, "auto"])
def test_retarget_reaches_any_shape(shape, gradual, photograph):
    made = pnn.retarget(photograph, shape, gradual=gradual, return_index=True, **FAST)
    assert made.image.shape == (*shape, 3)
    assert made.image.dtype == photograph.dtype
    assert made.index.shape == (*shape, 3)


def test_steps_are_small_and_end_where_they_should():
    for start, stop in (((100, 200), (100, 90)), ((50, 80), (200, 20)), ((30, 30), (30, 30))):
        shapes = step_shapes(start, stop)
        assert shapes[-1] == stop
        for old, new in zip([start, *shapes], shapes, strict=False):
            for before, after in zip(old, new, strict=True):
                assert 0.9 * before - 1 <= after <= 1.2 * before + 1


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((40, 50), {}, True), ((50, 60), {}, False), ((48, 52), {}, False), ((48, 51), {}, True),
        ((60, 64), {}, True), ((40, 50), {"gradual": False}, False),
        ((40, 50), {"guides": []}, False),
    ],
)  # fmt: skip
def test_strong_changes_go_in_steps(shape, options, expected, random):
    image = random.integers(0, 256, (48, 64), dtype=np.uint8)
    made = pnn.retarget(image, shape, return_info=True, iterations=1, **options)
    assert made.info["gradual"] is expected


def test_quick_steps_are_few_but_at_the_finest_levels(photograph):
    def steps(**options):
        seen = []
        pnn.retarget(
            photograph, (photograph.shape[0], photograph.shape[1] * 3 // 2),
            callback=lambda event: seen.append((event.levels, event.level, event.iterations)),
            incremental=False, **options,
        )  # fmt: skip
        return set(seen), len(seen)

    quick, plain = steps(), steps(gradual=True)
    assert {count for _, _, count in quick[0]} == {2, 6, 10}
    assert {level for _, level, count in quick[0] if count == 10} == {0, 1}
    assert {count for _, _, count in plain[0]} == {10}
    assert quick[1] < plain[1]


def test_gradual_fractions_rise_to_one(photograph):
    events = []
    pnn.retarget(photograph, (40, 30), gradual=True, callback=events.append, **FAST)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i4", "u8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("keys", ["blurred", "sharp", "both"])
def test_known_pixels_are_equal_bit_for_bit(dtype, keys, photograph, hole):
    image = photograph > 100 if dtype == "?" else photograph.astype(dtype)
    image.flags.writeable = False
    made = pnn.inpaint(image, hole, keys=keys, **FAST)
    assert made.dtype == image.dtype
    assert made[~hole].tobytes() == image[~hole].tobytes()
    assert not np.array_equal(made[hole], image[hole]) or dtype == "?"


@pytest.mark.parametrize("keep_known", [True, False])
@pytest.mark.parametrize("options", [{}, {"keys": "both", "alpha": 0.01}, {"levels": 2}])
def test_no_key_touches_the_hole(keep_known, options, photograph, hole):
    made = pnn.inpaint(
        photograph, hole, keep_known=keep_known, return_index=True, **FAST, **options
    )
    source, row, column = np.moveaxis(made.index, -1, 0)
    assert not source.any()
    assert not hole[row, column].any()
    if keep_known:
        rows, columns = np.indices(hole.shape)
        np.testing.assert_array_equal(row[~hole], rows[~hole])
        np.testing.assert_array_equal(column[~hole], columns[~hole])


def test_hole_colours_never_leak_into_keys(photograph, hole):
    planes = np.moveaxis(unit(photograph), -1, 0)
    loud = np.where(hole, np.float32(1e6), planes)
    shares = valid_shares(~hole, 4, 0.75)
    pictures, _ = valid_pyramid(loud, shares, 0.75)
    quiet, _ = valid_pyramid(planes, shares, 0.75)
    for picture, other, share in zip(pictures, quiet, shares, strict=True):
        np.testing.assert_array_equal(picture, other)
        assert picture[:, share > 0.5].max() < 2


def test_what_stands_in_the_hole_steers_unless_filled(photograph, hole):
    red = np.where(hole[..., None], np.array([255, 0, 0], np.uint8), photograph)
    blue = np.where(hole[..., None], np.array([0, 0, 255], np.uint8), photograph)
    steered = [pnn.inpaint(image, hole, **FAST) for image in (red, blue)]
    assert not np.array_equal(*steered)
    filled = [pnn.inpaint(image, hole, fill=red, **FAST) for image in (red, blue)]
    np.testing.assert_array_equal(filled[0], steered[0])
    np.testing.assert_array_equal(*filled)
    for fill in ("mean", "noise"):
        made = [pnn.inpaint(image, hole, fill=fill, rng=3, **FAST) for image in (red, blue)]
        np.testing.assert_array_equal(*made)
    noisy = [pnn.inpaint(red, hole, fill="noise", rng=seed, **FAST) for seed in (1, 2)]
    assert not np.array_equal(*noisy)


def test_nan_in_the_hole_needs_a_fill(photograph, hole):
    image = np.where(hole[..., None], np.nan, photograph)
    with pytest.raises(ValueError, match="must be finite"):
        pnn.inpaint(image, hole)
    made = pnn.inpaint(image, hole, fill="mean", **FAST)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.exhaustive
def test_a_hole_that_vanishes_at_coarse_levels(engine, photograph):
    image = np.tile(photograph, (2, 2, 1))
    mask = np.zeros(image.shape[:2], bool)
    mask[40:42, 50:53] = True
    made = pnn.inpaint(image, mask, levels=5, engine=engine, threads=2, **FAST)
    np.testing.assert_array_equal(made[~mask], image[~mask])
    made = pnn.edit(image, image[::-1].copy(), mask=mask, levels=6, threads=2, **FAST)
    np.testing.assert_array_equal(made[0], image[-1])


def test_largest_square():
    mask = np.zeros((20, 30), bool)
    assert largest_square(mask) == 0
    mask[2:9, 3:20] = True
    mask[5, 10] = False
    assert largest_square(mask) == 7
    mask[:] = True
    assert largest_square(mask) == 20


def test_default_depth_of_inpainting_follows_the_hole(photograph):
    image = np.tile(photograph, (3, 3, 1))
    for side, levels in ((7, 0), (14, 2), (28, 5)):
        mask = np.zeros(image.shape[:2], bool)
        mask[40 : 40 + side, 50 : 50 + side] = True
        made = pnn.inpaint(image, mask, iterations=1, return_info=True)
        assert made.info["levels"] == levels


@pytest.mark.exhaustive
def test_inpainting_savings_change_nothing(photograph, hole):
    for options in ({}, {"alpha": 0.01}, {"keys": "sharp", "keep_known": False}):
        plain = pnn.inpaint(photograph, hole, incremental=False, **options)
        np.testing.assert_array_equal(plain, pnn.inpaint(photograph, hole, **options))
        again = pnn.inpaint(photograph, hole, engine="numpy", **options)
        np.testing.assert_array_equal(plain, again)


def test_editing_with_a_mask_leaves_the_rest(photograph):
    image = np.tile(photograph, (2, 2, 1))
    edited = image.copy()
    edited[20:30, 20:40] = image[45:55, 60:80]
    mask = np.zeros(image.shape[:2], bool)
    mask[20:30, 20:40] = True
    made = pnn.edit(image, edited, mask=mask, return_index=True, **FAST)
    far = np.ones_like(mask)
    far[20 - 14 : 30 + 14, 20 - 14 : 40 + 14] = False
    np.testing.assert_array_equal(made.image[far], edited[far])
    assert not np.array_equal(made.image[~far], edited[~far])


def test_a_seam_is_gone_after_editing(photograph):
    image = np.tile(photograph, (2, 2, 1)).astype(np.float32)
    edited = image.copy()
    edited[30:50, 30:60] = image[10:30, 70:100]
    made = pnn.edit(image, edited)
    coherence = pnn.key_minimum(image, made).mean(), pnn.key_minimum(image, edited).mean()
    assert coherence[0] < coherence[1]


def test_analogy_has_the_layout_of_one_and_the_patches_of_the_other(photograph):
    structure = photograph[:30, ::-1]
    made = pnn.analogy(photograph, structure, levels=1, vote="copy", return_index=True)
    assert made.image.shape == structure.shape
    np.testing.assert_array_equal(made.image, pnn.apply_index(photograph, made.index))
    near = np.abs(made.image.astype(float) - structure).mean()
    assert near < np.abs(photograph[10:].astype(float) - structure).mean()


def test_collage_uses_all_sources(photograph):
    dark, light = photograph[:30] // 3, (255 - photograph[:, :40] // 3).astype(np.uint8)
    made = pnn.collage([dark, light, photograph], return_index=True, vote="copy", **FAST)
    assert made.image.shape == dark.shape
    assert set(np.unique(made.index[..., 0])) == {0, 1, 2}
    rendered = pnn.apply_index([dark, light, photograph], made.index)
    np.testing.assert_array_equal(made.image, rendered)
    wide = pnn.collage([dark, light], (25, 60), gradual=True, **FAST)
    assert wide.shape == (25, 60, 3)


@pytest.mark.parametrize("keys", ["blurred", "sharp", "both"])
@pytest.mark.slow
def test_several_sources_and_every_key_scheme(keys, photograph):
    sources = [photograph[:, :30], photograph[:20, 20:]]
    structure = photograph[5:35, 10:40]
    for made in (
        pnn.generate(sources, rng=1, keys=keys, shape=(24, 24), return_index=True, **FAST),
        pnn.retarget(sources, (30, 40), keys=keys, return_index=True, **FAST),
        pnn.analogy(sources, structure, keys=keys, return_index=True, **FAST),
        pnn.collage(sources, keys=keys, return_index=True, **FAST),
    ):
        assert set(np.unique(made.index[..., 0])) <= {0, 1}
        rendered = pnn.apply_index(sources, made.index)
        assert rendered.shape == made.image.shape
    same = [
        pnn.generate(sources, rng=1, keys=keys, engine=engine, shape=(24, 24), **FAST)
        for engine in ("numpy", "numba")
    ]
    np.testing.assert_array_equal(*same)


def test_grey_planar_and_channel_axis(photograph, hole):
    grey = photograph[..., 0]
    assert pnn.inpaint(grey, hole, **FAST).shape == grey.shape
    planar = np.ascontiguousarray(np.moveaxis(photograph, -1, 0))
    for name, made in {
        "inpaint": pnn.inpaint(planar, hole, fill="noise", rng=1, channel_axis=0, **FAST),
        "edit": pnn.edit(planar, planar[:, ::-1], mask=hole, channel_axis=0, **FAST),
        "retarget": pnn.retarget(planar, (40, 30), channel_axis=0, **FAST),
    }.items():
        assert made.shape[0] == 3, name
    last = pnn.inpaint(photograph, hole, fill="noise", rng=1, **FAST)
    first = pnn.inpaint(planar, hole, fill="noise", rng=1, channel_axis=0, **FAST)
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), last)


IMAGE = np.random.default_rng(0).random((30, 34, 3))
MASK = np.zeros((30, 34), bool)
MASK[10:20, 12:22] = True
STRIPES = np.zeros((30, 34), bool)
STRIPES[::6] = True
WRONG = [
    (pnn.inpaint, (IMAGE, MASK[1:]), {}, ValueError, r"`mask` .* \(30, 34\), got \(29, 34\)"),
    (pnn.inpaint, (IMAGE, MASK * 1), {}, TypeError, "`mask` must be bool"),
    (pnn.inpaint, (IMAGE, [[True]]), {}, TypeError, "`mask` must be a NumPy or CuPy array"),
    (pnn.inpaint, (IMAGE, MASK & False), {}, ValueError, "`mask` must be True somewhere"),
    (pnn.inpaint, (IMAGE, MASK | True), {}, ValueError, "`mask` must be False somewhere"),
    (pnn.inpaint, (IMAGE, STRIPES), {}, ValueError, "none at level 0; no number of levels works"),
    (pnn.inpaint, (IMAGE, np.roll(MASK, 3)), {"levels": 9}, ValueError, "`levels` must be at most"),
    (pnn.inpaint, (IMAGE, MASK), {"fill": IMAGE[1:]}, ValueError, "`fill` must have the shape"),
    (pnn.inpaint, (IMAGE, MASK), {"fill": IMAGE > 0}, TypeError, "`fill` must have the dtype"),
    (pnn.inpaint, (IMAGE, MASK), {"fill": "black"}, ValueError, "`fill` must be one of 'mean'"),
    (pnn.inpaint, (IMAGE, MASK), {"keep_known": 1}, TypeError, "`keep_known` must be True or"),
    (pnn.edit, (IMAGE, IMAGE[1:]), {}, ValueError, r"`edited` .* \(30, 34\), got \(29, 34\)"),
    (pnn.edit, (IMAGE, IMAGE[..., :2]), {}, ValueError, "`edited` must have the channels"),
    (pnn.edit, (IMAGE, IMAGE > 0), {}, TypeError, "`edited` must have the dtype"),
    (pnn.edit, (IMAGE, IMAGE), {"mask": MASK[:5]}, ValueError, "`mask` must have the height"),
    (pnn.edit, (IMAGE, IMAGE * np.nan), {}, ValueError, "`edited` must be finite"),
    (pnn.analogy, (IMAGE, IMAGE[..., 0]), {}, ValueError, "`structure` must have the channels"),
    (pnn.analogy, (IMAGE, IMAGE[:5]), {}, ValueError, "`structure` must be at least"),
    (pnn.analogy, (IMAGE, IMAGE.astype("f4")), {}, TypeError, "`structure` must have the dtype"),
    (pnn.analogy, ([], IMAGE), {}, ValueError, "`source` must hold at least one image"),
    (pnn.retarget, (IMAGE, (30, 5)), {}, ValueError, r"`shape` must be \(height, width\)"),
    (pnn.retarget, (IMAGE, None), {}, TypeError, "`shape` must be"),
    (pnn.retarget, ([], (9, 9)), {}, ValueError, "`image` must hold at least one image"),
    (pnn.retarget, (IMAGE, (9, 9)), {"gradual": "yes"}, ValueError, "`gradual` must be one of"),
    (pnn.retarget, (IMAGE, (20, 20)), {"gradual": True, "initial_guess": IMAGE}, ValueError,
     "`initial_guess` must be None with `gradual`"),
    (pnn.collage, ([],), {}, ValueError, "`images` must hold at least one image"),
    (pnn.collage, ([IMAGE, IMAGE[..., :2]],), {}, ValueError, r"`images\[1\]` .* channels"),
    (pnn.collage, ([IMAGE, IMAGE > 0],), {}, TypeError, r"`images\[1\]` must have the dtype"),
    (pnn.collage, ([IMAGE, IMAGE[:3]],), {}, ValueError, r"`images\[1\]` must be at least"),
    (pnn.generate, ([IMAGE, IMAGE[..., 0]],), {}, ValueError, r"`image\[1\]` .* channels"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "arguments", "options", "error", "message"), WRONG)
def test_wrong_calls(task, arguments, options, error, message):
    with pytest.raises(error, match=message):
        task(*arguments, **options)


def test_too_many_levels_for_a_mask_say_how_many_work():
    image = np.random.default_rng(0).random((80, 80))
    mask = np.ones((80, 80), bool)
    mask[5:22, 5:22] = False
    with pytest.raises(ValueError, match=r"got none at level 3; at most 2 levels would work"):
        pnn.inpaint(image, mask, levels=6)
    assert pnn.inpaint(image, mask, return_info=True, **FAST).info["levels"] == 2


@pytest.mark.parametrize("gradual", [False, True])
def test_a_collage_tells_its_progress_from_the_canvas_on(gradual, random):
    images = [random.random((24, 30)), random.random((20, 26))]
    events = []
    pnn.collage(images, iterations=2, coarse_iterations=2, gradual=gradual, callback=events.append)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.3
    assert fractions[-1] == 1
    # The canvas is wider than the result.
    assert events[0].render().shape[1] > events[-1].render().shape[1] or gradual
    assert events[0].level == events[0].levels
    assert len({event.pairs for event in events}) == 1

    def cancel(event):
        raise StoppedError

    class StoppedError(Exception):
        pass

    with pytest.raises(StoppedError):
        pnn.collage(images, gradual=gradual, callback=cancel)
    with pytest.raises(pnn.Cancelled, match="at sample 0, level"):
        pnn.collage(images, gradual=gradual, callback=lambda event: False)


@pytest.mark.parametrize("task", ["analogy", "edit"])
def test_kept_grain_is_copied_from_the_source(task, photograph):
    small = photograph[:40, :44]
    other = np.roll(small, 9, axis=1)
    mask = np.zeros(small.shape[:2], bool)
    mask[18:22, 18:22] = True
    more = {"mask": mask} if task == "edit" else {}
    call = getattr(pnn, task)
    made = call(small, other, keep_grain=True, return_index=True, **more, **FAST)
    mean = call(small, other, return_index=True, **more, **FAST)
    np.testing.assert_array_equal(made.index, mean.index)
    copied = pnn.apply_index(small, made.index)
    changed = np.ones(small.shape[:2], bool)
    if task == "edit":
        changed = pnn.tasks.editing.near(mask, [2 * 7] * 2)
        np.testing.assert_array_equal(made.image[~changed], other[~changed])
    np.testing.assert_array_equal(made.image[changed], copied[changed])
    assert not np.array_equal(mean.image[changed], copied[changed])
