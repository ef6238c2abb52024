"""Tasks with volumes, time series, and patches with sides of different lengths."""

import math

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics, plot
from pnncupy.search import method

FAST = {"patch_size": 3, "iterations": 1, "coarse_iterations": 1}
GREY = {**FAST, "channel_axis": None}


@pytest.fixture
def volume(random):
    """A smooth volume, uint8."""
    made = pnn.resize(random.random((7, 8, 9)), 2, channel_axis=None)
    return np.clip(made * 255, 0, 255).astype(np.uint8)


@pytest.fixture
def hole(volume):
    mask = np.zeros(volume.shape, bool)
    mask[4:9, 5:11, 6:12] = True
    return mask


@pytest.fixture
def always_approximate(monkeypatch):
    monkeypatch.setattr(method, "EXACT_BELOW", 0)


@pytest.mark.parametrize("alpha", [math.inf, 0.01])
@pytest.mark.parametrize("search", ["exact", "patchmatch"])
def test_generate_has_the_same_bits_everywhere(volume, alpha, search, request):
    if search == "patchmatch":
        request.getfixturevalue("always_approximate")
    small = volume[:10, :11, :12]
    made = [
        pnn.generate(
            small, rng=1, alpha=alpha, method=search, engine=engine, threads=threads,
            incremental=incremental, return_index=True, **{**GREY, "iterations": 2},
        )
        for engine, threads, incremental in (
            ("numpy", 1, True), ("numba", 1, True), ("numba", 2, False)
        )
    ]  # fmt: skip
    assert made[0].image.shape == small.shape
    assert made[0].index.shape == (*small.shape, 4)
    for other in made[1:]:
        np.testing.assert_array_equal(made[0].image, other.image)
        np.testing.assert_array_equal(made[0].index, other.index)


def test_channels_realisations_and_axes(volume):
    colours = np.stack([volume, volume[::-1], volume[:, ::-1]], axis=-1)
    made = pnn.generate(colours, 2, rng=0, shape=(9, 10, 12), **FAST)
    assert made.shape == (2, 9, 10, 12, 3)
    first = pnn.generate(
        np.moveaxis(colours, -1, 0), 2, rng=0, shape=(9, 10, 12), channel_axis=0, **FAST
    )
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), made)


def test_copies_come_from_where_the_index_map_says(volume):
    sources = [volume, volume[:12, :13]]
    made = pnn.generate(sources, rng=3, vote="copy", return_index=True, **GREY)
    np.testing.assert_array_equal(pnn.apply_index(sources, made.index), made.image)
    positions = np.stack(np.indices(volume.shape), axis=-1)
    found = pnn.apply_index(volume, positions)
    np.testing.assert_array_equal(found, volume)


@pytest.mark.parametrize("fill", [None, "mean", "noise", "smooth"])
def test_inpaint_leaves_known_voxels(volume, hole, fill):
    made = pnn.inpaint(volume, hole, fill=fill, rng=0, return_index=True, **GREY)
    np.testing.assert_array_equal(made.image[~hole], volume[~hole])
    known = made.index[~hole]
    np.testing.assert_array_equal(known[:, 1:], np.argwhere(~hole))
    # No voxel comes from the hole.
    source = made.index[hole][:, 1:]
    assert not hole[tuple(source.T)].any()


def test_inpaint_missing_voxels(volume, hole):
    missing = volume.astype(np.float32)
    missing[hole] = np.nan
    assert np.isfinite(pnn.inpaint(missing, "nodata", **GREY)).all()
    masked = np.ma.MaskedArray(volume, hole)
    assert pnn.inpaint(masked, "nodata", **GREY).dtype == np.uint8
    assert np.isfinite(pnn.generate(missing, nodata="nan", rng=0, **GREY)).all()


def test_edit_keeps_what_is_far_from_the_mask(volume):
    large = np.tile(volume, (2, 1, 1))
    mask = np.zeros(large.shape, bool)
    mask[:3, :3, :3] = True
    edited = large[::-1].copy()
    made = pnn.edit(large, edited, mask=mask, **GREY)
    np.testing.assert_array_equal(made[9:], edited[9:])


def test_retarget_analogy_and_collage(volume):
    assert pnn.retarget(volume, (12, 20, 16), gradual=False, **GREY).shape == (12, 20, 16)
    made = pnn.retarget(volume, (14, 16, 27), return_info=True, **GREY)
    assert made.image.shape == (14, 16, 27)
    assert made.info["gradual"]
    assert pnn.analogy(volume, volume[:10, ::-1], **GREY).shape == (10, 16, 18)
    for gradual in (False, True):
        made = pnn.collage([volume, volume[:12, :, :10]], gradual=gradual, **GREY)
        assert made.shape == volume.shape


def test_time_series_keep_their_length(random):
    series = pnn.resize(random.random((6, 10, 12, 3)), (1, 2, 2))
    options = {"patch_size": (3, 5, 5), "downscale": (1, 4 / 3, 4 / 3), "iterations": 1}
    made = pnn.generate(series, rng=1, return_info=True, **options)
    assert made.image.shape == series.shape
    assert made.info["levels"] == 2  # 20 rows are about two patches at 12
    levels = pnn.pyramid(series, 2, options["downscale"])
    assert [level.shape for level in levels] == [(6, 20, 24, 3), (6, 15, 18, 3), (6, 12, 14, 3)]


def test_patches_of_images_with_two_sides(volume):
    made = [
        pnn.generate(volume[0], rng=0, engine=engine, **{**FAST, "patch_size": (3, 5)})
        for engine in ("numpy", "numba")
    ]
    np.testing.assert_array_equal(*made)


def test_labels_guides_and_weights(volume):
    labels = (volume > 127).astype(np.uint8)
    made = pnn.generate(labels, categorical=True, independent=True, rng=0, **GREY)
    assert set(np.unique(made)) <= {0, 1}
    made = pnn.generate(
        [volume, volume[:12]], shape=(9, 10, 11), rng=0, keys="both", channel_weights="std",
        guides=[([volume, volume[:12]], volume[:9, :10, :11], 0.3)], **GREY,
    )  # fmt: skip
    assert made.shape == (9, 10, 11)


def test_workers_share_exact_searches(volume, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from pnncupy.search import blocks

    monkeypatch.setattr(blocks, "_FEWEST_PAIRS", 0)
    monkeypatch.setattr(blocks, "_MOST_BYTES", 6000)
    sources = [volume, volume[:12, :13]]
    for alpha in (math.inf, 0.01):
        expected = pnn.generate(sources, rng=0, alpha=alpha, **GREY)
        with ThreadPoolExecutor(2) as executor:
            made = pnn.generate(sources, rng=0, alpha=alpha, executor=executor, **GREY)
        np.testing.assert_array_equal(made, expected)


def test_guesses_of_labels_have_a_plane_for_each(volume, random):
    labels = (volume // 43).astype(np.uint8)  # six labels
    for source, options in ((labels, GREY), (labels[0], FAST)):
        count = len(np.unique(source))
        guess = random.random((*source.shape, count))
        made = pnn.generate(source, categorical=True, levels=0, initial_guess=guess, **options)
        assert made.shape == source.shape


def test_a_copy_is_synthesised_again(volume):
    made = pnn.generate(volume, rng=0, distinct=True, noise_std=0, return_info=True, **GREY)
    assert made.info["samples"][0]["remade"]


def test_a_checkpoint_continues(volume, tmp_path):
    class Stop(Exception):  # noqa: N818
        pass

    seen = []

    def stop(event):
        seen.append(event)
        if len(seen) > 4:
            raise Stop

    options = {**GREY, "rng": 0, "checkpoint": tmp_path / "state"}
    with pytest.raises(Stop):
        pnn.generate(volume, callback=stop, **options)
    continued = pnn.generate(volume, **options)
    np.testing.assert_array_equal(continued, pnn.generate(volume, rng=0, **GREY))


def test_pnn_steps(volume):
    same = pnn.pnn_step(volume, volume, volume, patch_size=(3, 2, 4), channel_axis=None)
    np.testing.assert_allclose(same, volume, rtol=1e-6)


def test_metrics(volume, random):
    assert metrics.coherence(volume, volume[2:], patch_size=3, channel_axis=None) == 0
    assert metrics.completeness(volume, volume[2:], patch_size=3, channel_axis=None) > 0
    found = metrics.near_copy(volume, volume[2:, :, 1:], channel_axis=None)
    assert found[:3] == (math.inf, (2, 0, 1), True)
    assert metrics.diversity(volume, [volume, volume[::-1]], channel_axis=None) > 0
    with pytest.raises(ValueError, match="`source` must be an image, got a volume"):
        metrics.sharpness_ratio(volume, volume, channel_axis=None)
    labels = random.integers(0, 3, (5, 6, 7))
    assert sum(metrics.phase_fractions(labels).fractions) == pytest.approx(1)
    for axis in range(3):
        phase = np.moveaxis(labels == 1, axis, 0)
        expected = [(phase[: len(phase) - r] & phase[r:]).mean() for r in range(4)]
        curve = metrics.two_point_correlation(labels, phase=1, largest_distance=3, axis=axis)
        np.testing.assert_allclose(curve.probability, expected)
    with pytest.raises(ValueError, match="`axis` must be an axis of the image, -3 to 2, got 3"):
        metrics.two_point_correlation(labels, phase=1, axis=3)
    with pytest.raises(ValueError, match="or a volume of more than 4 columns, with one label"):
        metrics.phase_fractions(labels[..., :3])


def test_plots_show_three_middle_slices(volume):
    pytest.importorskip("matplotlib")
    figure = plot.compare([volume], channel_axis=None)
    depth, height, width = volume.shape
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape[:2] == (height + 4 + depth, width + 4 + depth)
    np.testing.assert_array_equal(
        shown[:height, :width, 0], np.rint(volume[depth // 2] / 255 * 255).astype(np.uint8)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_axis": "auto"}, "`image` of shape .* `channel_axis=None` for a volume"),
        ({"channel_axis": 3}, r"`channel_axis` must be an axis of `image` \(-3 to 2\), got 3"),
        ({"patch_size": (3, 3)}, "`patch_size` must be one integer, or one for each axis"),
        ({"patch_size": 20}, "must be at least `patch_size` = 20 pixels on every side"),
        ({"downscale": (1, 2)}, r"`downscale` must be one number, or one for each axis \(3\)"),
        ({"downscale": (1, 1, 1)}, "`downscale` must be 1 or at least 1.01 along each axis, and"),
        ({"shape": (9, 9)}, r"`shape` must be \(depth, height, width\), three integers of at"),
        ({"levels": 9}, "still holds a patch of 3 x 3 x 3 pixels, got 9"),
    ],
)
def test_wrong_calls_say_what_would_be_right(volume, changes, message):
    with pytest.raises(ValueError, match=message):
        pnn.generate(volume, **{**GREY, **changes})
    with pytest.raises(ValueError, match=r"4 axes|at most 3 axes of space"):
        pnn.generate(volume[None], **GREY)


@pytest.mark.parametrize(("shape", "clear"), [((9, 9, 4), True), ((9, 9, 5), False)])
def test_auto_refuses_what_could_be_two_things(shape, clear):
    image = np.zeros(shape)
    if clear:
        assert pnn.resize(image, 2).shape == (18, 18, 4)
        return
    with pytest.raises(ValueError, match=r"`channel_axis=None` for a volume, .*=-1"):
        pnn.resize(image, 2)
    assert pnn.resize(image, 2, channel_axis=-1).shape == (18, 18, 5)
    assert pnn.resize(image, 2, channel_axis=None).shape == (18, 18, 10)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("periodic", [True, (False, True, True), (True, False, False)])
def test_a_rolled_guess_gives_the_rolled_volume(periodic, engine, random):
    source, guess = random.random((2, 8, 9, 10))
    wraps = (True,) * 3 if periodic is True else periodic
    shift = tuple(3 * each for each in wraps)
    options = {
        "levels": 0, "iterations": 1, "coarse_iterations": 2, "patch_size": 3, "periodic": periodic,
        "data_range": (0, 1), "channel_axis": None, "engine": engine,
    }  # fmt: skip
    plain = pnn.generate(source, initial_guess=guess, **options)
    moved = pnn.generate(source, initial_guess=np.roll(guess, shift, axis=(0, 1, 2)), **options)
    np.testing.assert_array_equal(np.roll(plain, shift, axis=(0, 1, 2)), moved)


def test_index_maps_of_periodic_sources_stay_within_them(random):
    source = random.random((8, 9, 10))
    made = pnn.generate(
        source, rng=1, source_periodic=True, patch_size=3, channel_axis=None, levels=1,
        vote="copy", return_index=True,
    )  # fmt: skip
    assert (made.index >= 0).all()
    assert (made.index[..., 1:] < source.shape).all()
    np.testing.assert_array_equal(pnn.apply_index(source, made.index), made.image)
