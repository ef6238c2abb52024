"""Simulation: hard data are honoured bit for bit, and agree with what is around them."""

import math

import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.synthesis.hard_data import HardDataPyramid
from pnncupy.synthesis.schedule import Schedule

SMALL = {"iterations": 2, "patch_size": 3, "rng": 1}
RANDOM = np.random.default_rng(5)
TRAINING = RANDOM.random((16, 18))


def scattered(values, share=0.1, seed=0):
    """A grid that holds some of these values, NaN elsewhere, and where."""
    known = np.random.default_rng(seed).random(values.shape[:2]) < share
    wide = known if values.ndim == 2 else known[..., None]
    return np.where(wide, values, np.nan), known


def channels(shape, seed):
    """Bands with wavy edges, as bool."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    wave = 3 * np.sin(columns / 7 + random.uniform(0, 6))
    return (rows + wave + random.uniform(0, 12)) % 12 < 4


@pytest.mark.parametrize("channels", [1, 2])
def test_a_step_is_that_of_the_oracle(channels):
    training = RANDOM.random((9, 10, channels)).astype(np.float32)
    truth = RANDOM.random((8, 9, channels)).astype(np.float32)
    low, high = training.min(), training.max()
    truth = np.clip(truth, low, high)
    grid, known = scattered(truth, 0.2)
    guess = RANDOM.random(truth.shape).astype(np.float32)
    made = pnn.simulate(
        training, grid, levels=0, coarse_iterations=1, initial_guess=guess, data_weight=7.0,
        patch_size=3, return_index=True, data_range=(0, 1), channel_axis=-1,
    )  # fmt: skip
    planes = [np.moveaxis(each, -1, 0) for each in (guess, training, truth)]
    expected, index = naive.hard_data_step(planes[0], planes[1], 3, known, planes[2], 7.0)
    np.testing.assert_allclose(np.moveaxis(made.image, -1, 0), expected, atol=1e-5)
    # The patch of the largest weight covers a pixel with its centre.
    np.testing.assert_array_equal(made.index[1:-1, 1:-1], index + np.array([0, 1, 1]))


def test_the_weight_matters():
    training = channels((40, 40), 0).astype(float)
    grid, known = scattered(channels((30, 30), 3).astype(float), 0.05)
    made = [
        pnn.simulate(training, grid, return_index=True, data_weight=weight, rng=1)
        for weight in (1.0, 20.0)
    ]
    missed = [
        (np.abs(pnn.apply_index(training, each.index) - grid)[known] > 0.5).mean() for each in made
    ]
    assert missed[1] < missed[0]


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u8", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_hard_data_are_kept_bit_for_bit(dtype, engine):
    training = (TRAINING * 250).astype(dtype) if dtype != "?" else TRAINING > 0.5
    if dtype == "u8":
        training[0, :2] = 2**64 - 1, 2**63 + 1
    truth = training[::-1, ::-1][:12, :13]
    known = np.random.default_rng(2).random(truth.shape) < 0.2
    known[-1, -2:] = True
    grid = np.ma.MaskedArray(truth, ~known)
    made = pnn.simulate(training, grid, 2, engine=engine, **SMALL)
    assert made.dtype == training.dtype
    assert made.shape == (2, 12, 13)
    for each in made:
        np.testing.assert_array_equal(each[known].view("u1"), truth[known].view("u1"))
    # The range of the 64-bit integers leaves no difference between the others.
    assert dtype == "u8" or not np.array_equal(*made)


def test_engines_and_threads_have_the_same_bits():
    grid, _ = scattered(TRAINING[::-1, ::-1])
    made = [
        pnn.simulate(TRAINING, grid, return_index=True, **SMALL, **own)
        for own in ({"engine": "numpy"}, {"engine": "numba", "threads": 1},
                    {"engine": "numba", "threads": 2}, {"incremental": False})
    ]  # fmt: skip
    for other in made[1:]:
        np.testing.assert_array_equal(other.image, made[0].image)
        np.testing.assert_array_equal(other.index, made[0].index)


def test_realisations_are_numbered():
    grid, _ = scattered(TRAINING)
    whole = pnn.simulate(TRAINING, grid, 3, **SMALL)
    np.testing.assert_array_equal(
        pnn.simulate(TRAINING, grid, 2, first_sample=1, **SMALL), whole[1:]
    )


def test_labels_weights_and_periodic_axes():
    training = channels((24, 26), 0) + 2 * channels((24, 26), 1).T[:24, :24].repeat(2, 1)[:, :26]
    grid, known = scattered(training[::-1].astype(float), 0.1)
    made = pnn.simulate(
        training, grid, 2, categorical=True, periodic=(True, False), source_periodic=True, **SMALL
    )
    assert made.dtype == training.dtype
    assert set(np.unique(made)) <= set(np.unique(training))
    np.testing.assert_array_equal(made[:, known], np.stack([grid[known]] * 2))


def test_a_grid_without_data_is_simulated_freely():
    made = pnn.simulate(TRAINING, np.full((12, 14), np.nan), 2, **SMALL)
    assert np.isfinite(made).all()
    free = pnn.generate(TRAINING, 2, shape=(12, 14), independent=True, **SMALL)
    np.testing.assert_array_equal(made, free)


def test_unknown_pixels_of_the_training_image_are_not_used():
    training = TRAINING.copy()
    training[:, 12:] = np.nan
    grid, known = scattered(training[:14, :11], 0.1)
    made = pnn.simulate(training, grid, return_index=True, **SMALL)
    assert made.index[..., 2].max() < 12
    assert np.isfinite(made.image).all()
    np.testing.assert_array_equal(made.image[known], grid[known])


def test_nodata_masks_and_nan_mean_the_same():
    grid, known = scattered(TRAINING[::-1])
    expected = pnn.simulate(TRAINING, grid, **SMALL)
    others = [
        (np.ma.MaskedArray(np.nan_to_num(grid), ~known), None),
        (np.where(known, grid, -9.0), -9),
        (np.where(known, grid, np.where(TRAINING > 0.5, np.nan, -9.0)), -9),
    ]
    for other, nodata in others:
        np.testing.assert_array_equal(
            pnn.simulate(TRAINING, other, nodata=nodata, **SMALL), expected
        )


def test_a_secondary_variable_is_a_guide():
    training = channels((40, 40), 0)
    truth = channels((36, 38), 4)
    grid, known = scattered(truth.astype(float), 0.02)
    secondary = [(each * 0.8 + 0.1) for each in (training, truth)]
    made = pnn.simulate(
        training, grid, categorical=True, rng=1, guides=[(*secondary, 1.0)], patch_size=5
    )
    np.testing.assert_array_equal(made[known], truth[known])
    alone = pnn.simulate(training, grid, categorical=True, rng=1, patch_size=5)
    assert (made != truth).mean() < min(0.1, (alone != truth).mean())


def test_volumes_are_simulated_too():
    training = RANDOM.random((8, 9, 10))
    grid = np.full((7, 8, 6), np.nan)
    grid[3, 2, 1] = training[0, 0, 0]
    made = pnn.simulate(training, grid, channel_axis=None, **{**SMALL, "iterations": 1})
    assert made.shape == grid.shape
    assert made[3, 2, 1] == training[0, 0, 0]


def test_a_stopped_run_continues(tmp_path):
    grid, _ = scattered(TRAINING)
    expected = pnn.simulate(TRAINING, grid, **SMALL)
    file = tmp_path / "state"
    seen = []

    def stop(event):
        seen.append(event)
        return not (event.finished and event.level == 0)

    with pytest.raises(pnn.Cancelled):
        pnn.simulate(TRAINING, grid, checkpoint=file, callback=stop, **SMALL)
    assert file.exists()
    np.testing.assert_array_equal(pnn.simulate(TRAINING, grid, checkpoint=file, **SMALL), expected)


def test_coarse_data_are_those_of_the_oracle():
    known = RANDOM.random((17, 13)) < 0.2
    data = RANDOM.random((2, 17, 13)).astype(np.float32)
    schedule = Schedule(0.75, 3, 1, 1, "blurred", "weighted_mean", incremental=True)
    pyramid = HardDataPyramid.of(data, known, schedule, ())
    for level in range(4):
        shape = schedule.shape(known.shape, level)
        means, mask = naive.coarse_hard_data(data, known, 0.75, level, shape)
        np.testing.assert_array_equal(pyramid.masks[level], mask)
        np.testing.assert_allclose(pyramid.images[level], means, atol=1e-6)
    np.testing.assert_array_equal(pyramid.images[0][:, known], data[:, known])
    weights = pyramid.weights(11.0, schedule)
    assert set(np.unique(weights[2])) == {1.0, np.float32(1 + 10 * 0.75**2)}


def test_data_that_contradict_each_other_are_all_honoured():
    training = channels((40, 40), 0)
    grid = np.full((30, 30), np.nan)
    grid[10:14, 10:14] = np.indices((4, 4)).sum(axis=0) % 2
    made = pnn.simulate(training, grid, categorical=True, rng=1)
    known = np.isfinite(grid)
    np.testing.assert_array_equal(made[known], grid[known] > 0)


def test_memory_limits_hold_for_the_additional_plane():
    grid, _ = scattered(TRAINING)
    with pytest.raises(MemoryError, match="with 2 channels"):
        pnn.simulate(TRAINING, grid, max_memory=1000, **SMALL)
    made = pnn.simulate(TRAINING, grid, max_memory="30M", **SMALL)
    np.testing.assert_array_equal(made, pnn.simulate(TRAINING, grid, **SMALL))


GRID = scattered(TRAINING)[0]
LABELS = (TRAINING * 4).astype(int)
WRONG = {
    "beyond": (TRAINING, np.where(GRID > 0.9, 7.0, GRID), {}, "`grid` must hold values within the"),
    "beyond the range": (TRAINING, GRID, {"data_range": (0.4, 0.5)}, "within `data_range`, 0.4"),
    "foreign label": (LABELS, np.where(GRID > 0.9, 9, GRID * 0), {"categorical": True},
                      "`grid` must hold labels of the source only, got 9"),
    "half a label": (LABELS, GRID, {"categorical": True}, "that the dtype of `training`, int64"),
    "wrapped": ((TRAINING * 255).astype("u1"), np.ma.masked_equal(np.eye(9, dtype="i1") * -1, 0),
                {}, "that the dtype of `training`, uint8, holds, got -1"),
    "infinite": (TRAINING, np.where(GRID > 0.9, np.inf, GRID), {}, "`grid` must be finite"),
    "small": (TRAINING, GRID[:2], {}, "`grid` must be at least `patch_size` = 3"),
    "complete": (TRAINING, TRAINING, {}, "`grid` must have pixels to be simulated, got none"),
    "unknown": (TRAINING * np.nan, GRID, {}, "`training` must have pixels that are not missing"),
    "axes": (TRAINING, np.stack([GRID] * 2, -1), {}, "as many axes as `training`, 2, got 3"),
    "channels": (np.stack([TRAINING] * 3, -1), np.stack([GRID] * 2, -1), {},
                 "`grid` must have the channels of `training`, 3, got 2"),
    "some channels": (np.stack([TRAINING] * 2, -1), np.stack([GRID, TRAINING], -1), {},
                      "`grid` must have all channels of a pixel or none"),
    "some masked": (np.stack([LABELS] * 2, -1),
                    np.ma.MaskedArray(np.stack([LABELS] * 2, -1), np.arange(16 * 18 * 2).reshape(
                        16, 18, 2) % 5 == 0), {}, "all channels of a pixel or none"),
    "alpha": (TRAINING, GRID, {"alpha": 0.01}, "`alpha` must be infinity in `simulate`"),
    "weight": (TRAINING, GRID, {"data_weight": 0.5}, "`data_weight` must be from 1 to 100"),
    "guess": (TRAINING, GRID, {"n": 2, "initial_guess": TRAINING}, "`n` must be None or 1"),
}  # fmt: skip


@pytest.mark.parametrize(("training", "grid", "options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_calls_say_what_would_be_right(training, grid, options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        pnn.simulate(training, grid, **{**SMALL, **options})


def test_a_range_admits_data_that_the_training_image_has_not():
    grid = np.where(np.isnan(GRID), np.nan, 2.0)
    made = pnn.simulate(TRAINING, grid, data_range=(0, 2), **SMALL)
    np.testing.assert_array_equal(made[np.isfinite(grid)], 2.0)


def mostly_known(random):
    """A training image, and itself with a hole, which the whole image fills in one way."""
    training = random.random((60, 66), np.float32)
    grid = training.astype(float)
    grid[20:32, 24:36] = np.nan
    return training, grid


def test_parts_of_the_training_image_make_realisations_vary(random):
    training, grid = mostly_known(random)
    known = np.isfinite(grid)
    options = {"rng": 4, "iterations": 2, "vote": "copy"}
    alike = pnn.simulate(training, grid, 3, **options)
    made = pnn.simulate(training, grid, 3, training_share=0.25, **options)
    assert made.std(axis=0)[~known].mean() > 2 * alike.std(axis=0)[~known].mean()
    assert (made[:, known] == training[known]).all()
    assert np.isin(made, training).all()
    np.testing.assert_array_equal(
        pnn.simulate(training, grid, first_sample=2, training_share=0.25, **options), made[2]
    )


def test_a_realisation_has_pixels_of_its_own_part_only(random):
    training, grid = mostly_known(random)
    grid[:] = np.nan
    made = pnn.simulate(
        training, grid, 2, training_share=0.25, rng=1, iterations=1, vote="copy",
        return_index=True, return_info=True,
    )  # fmt: skip
    assert made.info["training_share"] == 0.25
    for index in made.index:
        used = np.zeros(training.shape, bool)
        used[index[..., 1], index[..., 2]] = True
        assert used.mean() < 0.4
    first, second = (np.unique(index[..., 1] * 100 + index[..., 2]) for index in made.index)
    assert len(np.intersect1d(first, second)) < 0.6 * len(first)


def test_labels_and_values_of_other_parts_are_no_foreign_ones(random):
    labels = np.zeros((60, 60), np.uint8)
    labels[:6, :6] = 7  # in one cell only
    grid = np.full((30, 30), np.nan)
    grid[5, 5] = 7
    options = {"training_share": 0.25, "rng": 2, "iterations": 1}
    made = pnn.simulate(labels, grid, 3, categorical=True, **options)
    assert (made[:, 5, 5] == 7).all()
    made = pnn.simulate(labels.astype(float), grid, 3, **options)
    assert (made[:, 5, 5] == 7).all()


@pytest.mark.parametrize("share", [0, 1.5, -1, math.nan])
def test_wrong_shares_are_refused(random, share):
    training, grid = mostly_known(random)
    with pytest.raises(ValueError, match="training_share"):
        pnn.simulate(training, grid, training_share=share)
