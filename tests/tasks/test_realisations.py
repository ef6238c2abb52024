"""Realisations that are new: independent of the layout of a texture, distinct from a scene."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.images.stationarity import stationarity
from pnncupy.samples import load_sample
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.tiled_guess import tiled_guess

FAST = {"iterations": 2, "rng": 3}


@pytest.fixture(scope="module")
def gravel():
    return load_sample("gravel")[:96, :96].copy()


def info_of(image, **options):
    return pnn.generate(image, return_info=True, **(FAST | options)).info


def plain_stationarity(image):
    """The measure in loops."""
    means, stds = [], []
    height, width = (side // 4 for side in image.shape)
    for y in range(4):
        for x in range(4):
            block = image[y * height : (y + 1) * height, x * width : (x + 1) * width].ravel()
            mean = sum(block.tolist()) / block.size
            means.append(mean)
            stds.append((sum((value - mean) ** 2 for value in block.tolist()) / block.size) ** 0.5)
    whole = image[: 4 * height, : 4 * width]
    return np.var(means) / whole.var(), np.std(stds) / np.mean(stds)


def test_stationarity_is_that_of_plain_loops(random, gravel):
    for image in (gravel.astype(float), random.random((64, 70))):
        found = stationarity([image[None]], [None], 7, labels=False)
        np.testing.assert_allclose(found, plain_stationarity(image), rtol=1e-12)
    colours = random.random((3, 64, 64))
    found = stationarity([colours], [None], 7, labels=False)
    np.testing.assert_allclose(found, plain_stationarity(colours.mean(0)), rtol=1e-12)


def test_the_worst_label_counts(random):
    labels = (random.random((1, 64, 64)) < 0.5).astype(int)
    even = stationarity([labels], [None], 7, labels=True)
    assert even.is_stationary
    labels[0, :8, :8] = 7  # in one block only
    assert not stationarity([labels], [None], 7, labels=True).is_stationary


def test_missing_pixels_do_not_count(random):
    image = random.random((1, 64, 64))
    known = random.random((64, 64)) < 0.7
    spoilt = np.where(known, image, 1e6)
    assert stationarity([image], [known], 7, labels=False) == stationarity(
        [spoilt], [known], 7, labels=False
    )
    known[:16, :16] = False
    assert stationarity([image], [known], 7, labels=False) is None


def test_small_and_flat_images_tell_nothing():
    assert (
        stationarity([np.random.default_rng(0).random((1, 50, 64))], [None], 14, labels=False)
        is None
    )
    assert stationarity([np.ones((1, 64, 64))], [None], 14, labels=False) is None


@pytest.mark.parametrize("name", ["chelsea", "rocket"])
def test_scenes_keep_their_layout(name):
    image = load_sample(name)[::2, ::2].copy()
    info = info_of(image)
    assert not info["independent"]
    assert len(info["stationarity"]) == 2
    np.testing.assert_array_equal(
        pnn.generate(image, **FAST), pnn.generate(image, independent=False, **FAST)
    )


def test_textures_are_synthesised_without_their_layout(gravel):
    made = pnn.generate(gravel, 4, return_info=True, return_index=True, **FAST)
    assert made.info["independent"]
    assert made.info["levels"] == info_of(gravel, independent=False)["levels"] - 2
    flat = [gravel.ravel(), *(image.ravel() for image in made.image)]
    correlations = np.abs(np.corrcoef(flat)[np.triu_indices(5, 1)])
    assert correlations.max() < 0.3
    assert np.median(correlations) < 0.12
    assert max(map(metrics.translation_share, made.index)) < 0.6
    again = pnn.generate(gravel, 2, first_sample=1, **FAST)
    np.testing.assert_array_equal(again, made.image[1:3])


@pytest.mark.parametrize("options", [{"threads": 1}, {"engine": "numpy"}])
def test_independent_bits_are_the_same_everywhere(gravel, options):
    image = gravel[:64, :60]
    assert info_of(image)["independent"]
    np.testing.assert_array_equal(
        pnn.generate(image, iterations=1, rng=1),
        pnn.generate(image, iterations=1, rng=1, **options),
    )


def test_independence_of_labels_sources_masks_and_other_shapes(gravel):
    labels = (gravel > 110).astype(np.uint8)
    made = pnn.generate(labels, categorical=True, independent=True, return_info=True, **FAST)
    assert made.info["independent"]
    assert set(np.unique(made.image)) <= {0, 1}
    two = pnn.generate([gravel, gravel[::-1].copy()], shape=(70, 120), return_info=True, **FAST)
    assert two.info["independent"]
    assert two.image.shape == (70, 120)
    holed = gravel.astype(float)
    holed[20:30, 20:30] = np.nan
    assert info_of(holed, nodata="nan")["independent"]


def test_a_guess_of_the_caller_is_the_start(gravel):
    info = info_of(gravel, initial_guess=np.zeros((23, 23)), levels=5)
    assert not info["independent"]
    with pytest.raises(ValueError, match='`independent` must be False or "auto" with an'):
        info_of(gravel, initial_guess=np.zeros((23, 23)), levels=5, independent=True)


@pytest.mark.parametrize("value", ["yes", "True", ""])
def test_independent_is_one_of_three(gravel, value):
    with pytest.raises(ValueError, match="`independent` must be one of"):
        info_of(gravel, independent=value)
    with pytest.raises(TypeError, match="`independent` must be"):
        info_of(gravel, independent=3)


def test_tiles_are_pieces_of_the_sources_from_other_places(random):
    source = np.arange(40 * 50, dtype=np.float32).reshape(1, 40, 50)
    made = tiled_guess([Source([source], [])], (33, 61), 7, np.random.default_rng(5))
    assert made.shape == (1, 33, 61)
    rows, columns = np.divmod(made[0].astype(int), 50)
    # Within a tile neighbours are neighbours; tiles are 10 pixels wide.
    inner = (np.diff(columns, axis=1) == 1) & (np.diff(rows, axis=1) == 0)
    assert inner.mean() > 0.85
    away = np.maximum(np.abs(rows - np.arange(33)[:, None]), np.abs(columns - np.arange(61)[None]))
    assert away.min() >= 5
    other = tiled_guess([Source([source], [])], (33, 61), 7, np.random.default_rng(6))
    assert (made != other).any()


def test_tiles_are_usable(random):
    source = random.random((1, 40, 50)).astype(np.float32)
    usable = np.ones((40, 50), bool)
    usable[15:25, 20:30] = False
    source[:, ~usable] = 9
    made = tiled_guess([Source([source], [], [usable])], (60, 60), 7, np.random.default_rng(1))
    assert made.max() < 9
    usable[:] = False
    assert tiled_guess([Source([source], [], [usable])], (9, 9), 7, np.random.default_rng(1)).any()


def test_copies_are_synthesised_again(tmp_path):
    image = load_sample("chelsea")[::3, ::3].copy()
    options = {"noise_std": 0.0, "rng": 1, "return_info": True, "return_index": True}
    copied = pnn.generate(image, 2, **options)
    assert min(map(metrics.translation_share, copied.index)) > 0.6
    made = pnn.generate(image, 2, distinct=True, **options)
    levels = copied.info["levels"]
    words = [sample["remade"] for sample in made.info["samples"]]
    assert words == [f"levels {levels - 1}, noise_std 1.5"] * 2
    assert max(map(metrics.translation_share, made.index)) < 0.6
    alone = pnn.generate(image, 1, first_sample=1, distinct=True, **options)
    np.testing.assert_array_equal(alone.image[0], made.image[1])
    kept = pnn.generate(image, levels=levels - 1, **(options | {"noise_std": 1.5}))
    np.testing.assert_array_equal(kept.image, made.image[0])


def test_what_is_no_copy_stays(gravel):
    made = pnn.generate(gravel, 2, distinct=True, return_info=True, **FAST)
    assert all("remade" not in sample for sample in made.info["samples"])
    np.testing.assert_array_equal(made.image, pnn.generate(gravel, 2, **FAST))


def test_progress_does_not_go_back_for_another_try():
    image = load_sample("chelsea")[::4, ::4].copy()
    seen = []
    pnn.generate(
        image, 2, noise_std=0.0, rng=1, distinct=True, iterations=2,
        callback=lambda event: seen.append(event.fraction),
    )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_translation_share_counts_pixels_of_one_move():
    rows, columns = np.indices((10, 10))
    index = np.stack([0 * rows, rows + 3, columns + 4], axis=-1)
    index[:4, :, 2] = index[:4, ::-1, 2]
    assert metrics.translation_share(index) == pytest.approx(0.6, abs=0.05)
    index[..., 0] = np.arange(10)[:, None]
    assert metrics.translation_share(index) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="`index` must have the shape"):
        metrics.translation_share(index[..., :2])
    with pytest.raises(TypeError, match="`index` must hold integers"):
        metrics.translation_share(index * 1.0)


@pytest.mark.parametrize(("variety", "noise"), [("low", 0.75), ("medium", 1.1), ("high", 1.5)])
def test_a_variety_is_a_name_of_noise(variety, noise):
    scene = load_sample("chelsea")[:60, :70]
    named = pnn.generate(scene, rng=0, variety=variety, iterations=1, return_info=True)
    assert named.info["noise_std"] == noise
    given = pnn.generate(scene, rng=0, noise_std=noise, iterations=1)
    np.testing.assert_array_equal(named.image, given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variety": "huge"}, "`variety` must be one of"),
        ({"variety": "low", "noise_std": 0.75}, "`variety` must be None with `noise_std`"),
        ({"noise_std": -1}, "`noise_std` must be"),
    ],
)
def test_a_wrong_variety_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pnn.generate(load_sample("gravel")[:40, :40], **options)
