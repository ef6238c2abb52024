"""generate and the loop behind it."""

import math

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.rng import sample_generator


def decibels(image, other):
    return metrics.psnr(image, other, (0, 1))


def test_the_reference_generation(reference):
    arrays = reference("generation")
    made = pnn.generate(
        arrays["image"] / np.float32(255),
        initial_guess=arrays["initial_guess"],
        levels=int(arrays["num_levels"]),
        data_range=(0, 1),
    )
    assert decibels(made, arrays["output"]) > 55


def test_the_guess_is_the_coarsest_level_plus_noise(reference):
    arrays = reference("generation")
    image = arrays["image"] / np.float32(255)
    coarsest = pnn.pyramid(image, int(arrays["num_levels"]))[-1]
    np.testing.assert_allclose(coarsest + arrays["noise"], arrays["initial_guess"], atol=1e-5)


def test_sample_i_does_not_depend_on_how_many_are_made(photograph):
    options = {"rng": 5, "iterations": 2}
    three = pnn.generate(photograph, 3, **options)
    assert three.shape == (3, *photograph.shape)
    assert three.dtype == photograph.dtype
    np.testing.assert_array_equal(pnn.generate(photograph, 2, **options), three[:2])
    np.testing.assert_array_equal(pnn.generate(photograph, **options), three[0])
    assert not np.array_equal(three[0], three[1])


def test_seeds(photograph):
    def make(rng):
        return pnn.generate(photograph, rng=rng, iterations=1)

    np.testing.assert_array_equal(make(7), make(7))
    np.testing.assert_array_equal(make(7), make(np.random.SeedSequence(7)))
    np.testing.assert_array_equal(make(7), make(np.int64(7)))
    assert not np.array_equal(make(7), make(8))
    assert not np.array_equal(make(None), make(None))
    generator, again = np.random.default_rng(3), np.random.default_rng(3)
    first, second = make(generator), make(generator)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(make(again), first)
    np.testing.assert_array_equal(make(again), second)


def test_a_spawned_seed_gives_streams_of_its_own():
    parent = np.random.SeedSequence(1)
    child = parent.spawn(1)[0]
    draws = [sample_generator(seed, 0).random() for seed in (parent, child)]
    assert draws[0] != draws[1]


def test_a_spawned_seed_is_described_whole(photograph):
    child = np.random.SeedSequence([5, 6]).spawn(3)[2]
    made = pnn.generate(photograph, rng=child, iterations=1, return_info=True)
    again = np.random.SeedSequence(**made.info["seed"])
    np.testing.assert_array_equal(pnn.generate(photograph, rng=again, iterations=1), made.image)


def test_the_seed_in_info_makes_the_same_picture(photograph):
    made = pnn.generate(photograph, iterations=1, return_info=True)
    again = pnn.generate(photograph, iterations=1, rng=made.info["seed"])
    np.testing.assert_array_equal(made.image, again)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha": 0.005},
        *(
            pytest.param(options, marks=pytest.mark.exhaustive)
            for options in (
                {"patch_size": 4, "downscale": 1.5, "levels": 2, "coarse_iterations": 3},
                {"keys": "sharp"},
                {"keys": "both"},
                {"vote": "copy", "keys": "both"},
                {"vote": "median"},
                {"shape": (31, 70), "noise_std": 0.2},
                {"vote": "mean", "alpha": 0.02, "keys": "sharp", "shape": (50, 50)},
            )
        ),
    ],
)
@pytest.mark.slow
def test_savings_threads_and_engines_do_not_change_a_bit(options, photograph):
    options = {"rng": 11, "iterations": 3, **options}
    plain = pnn.generate(photograph, incremental=False, threads=1, **options)
    np.testing.assert_array_equal(plain, pnn.generate(photograph, threads=2, **options))
    np.testing.assert_array_equal(plain, pnn.generate(photograph, engine="numpy", **options))
    assert plain.shape[:2] == options.get("shape", photograph.shape[:2])


def test_savings_are_counted(photograph):
    made = pnn.generate(photograph, 2, rng=1, return_info=True)
    for sample in made.info["samples"]:
        assert 0 < sample["pairs_searched"] < sample["pairs"]
        assert 0 < sample["proofs_held"] < sample["proofs_tried"]
        assert 0 < sample["pairs_again"] < sample["pairs_searched"]
    plain = pnn.generate(photograph, rng=1, return_info=True, incremental=False)
    sample = plain.info["samples"][0]
    assert sample["pairs_searched"] == sample["pairs"]


@pytest.mark.parametrize("dtype", ["?", "u2", ">i4", "f2", "f8"])
def test_dtype_and_channels_are_kept(dtype, photograph):
    image = np.moveaxis(photograph, -1, 0)[:2]
    image = image > 90 if dtype == "?" else image.astype(dtype)
    image.flags.writeable = False
    before = image.copy()
    made = pnn.generate(image, channel_axis=0, rng=0, iterations=2)
    assert made.dtype == image.dtype
    assert made.shape == image.shape
    assert image.min() <= made.min() <= made.max() <= image.max()
    np.testing.assert_array_equal(image, before)


def test_grey_and_five_channels(photograph):
    assert pnn.generate(photograph[..., 0], rng=0, iterations=1).shape == (40, 56)
    five = np.concatenate([photograph, photograph[..., :2]], axis=2)
    made = pnn.generate(five, 2, rng=0, iterations=1, channel_axis=-1)
    assert made.shape == (2, 40, 56, 5)


def test_no_noise_gives_back_the_source(photograph):
    made = pnn.generate(photograph, noise_std=0)
    assert metrics.psnr(made, photograph, (0, 255)) > 40


def test_small_alpha_misses_less_of_the_source(photograph):
    source = photograph / 255

    def missed(alpha):
        made = pnn.generate(source, shape=(40, 30), rng=2, alpha=alpha, data_range=(0, 1))
        return pnn.key_minimum(made, source).mean()

    assert missed(0.001) < 0.9 * missed(math.inf)


def test_copy_vote_is_the_index_map(photograph, random):
    for image in (photograph, photograph[..., 0].astype(np.uint64) << 50):
        made = pnn.generate(image, 2, rng=4, iterations=2, vote="copy", return_index=True)
        assert made.index.shape == (2, *image.shape[:2], 3)
        assert made.index.dtype == np.int32
        for picture, index in zip(made.image, made.index, strict=True):
            np.testing.assert_array_equal(picture, pnn.apply_index(image, index))
    planes_first = np.moveaxis(photograph, -1, 0)
    made = pnn.generate(planes_first, rng=4, iterations=1, vote="copy", channel_axis=0)
    expected = pnn.generate(photograph, rng=4, iterations=1, vote="copy")
    np.testing.assert_array_equal(made, np.moveaxis(expected, -1, 0))


def test_events(photograph):
    events = []
    made = pnn.generate(photograph, 2, rng=3, iterations=3, callback=events.append)
    steps = [event for event in events if event.finished and event.result is None]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert [event.level for event in steps[:4]] == [steps[0].levels, *[steps[0].levels - 1] * 3]
    assert steps[0].iterations == 1
    assert steps[1].iterations == 3
    assert steps[0].render().shape[2] == 3
    np.testing.assert_array_equal(steps[-1].render(), made[1])
    finished = [event.result.image for event in events if event.result is not None]
    np.testing.assert_array_equal(finished, made)


def test_returning_false_cancels_and_exceptions_pass(photograph):
    with pytest.raises(pnn.Cancelled, match="sample 0, level"):
        pnn.generate(photograph, callback=lambda event: event.iteration < 1)

    def fail(event):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        pnn.generate(photograph, callback=fail)


def test_long_searches_report_in_between(photograph, monkeypatch):

    monkeypatch.setattr("pnncupy.synthesis.progress._SECONDS_BETWEEN_EVENTS", 0)
    monkeypatch.setattr("pnncupy.kernels.numba_cpu.nearest._MOST_PAIRS_PER_STEP", 1e5)
    events = []
    pnn.generate(photograph, iterations=1, threads=1, callback=events.append)
    within = [event for event in events if not event.finished]
    assert within
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)


def test_results_are_as_sharp_as_the_source():
    from pnncupy.samples import load_sample

    def sharpness(image):
        grey = image.astype(float)
        laplacian = (
            grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
            - 4 * grey[1:-1, 1:-1]
        )  # fmt: skip
        return (laplacian**2).mean()

    image = load_sample("gravel")[:96, :96]
    ratios = [
        sharpness(made) / sharpness(image)
        for made in pnn.generate(image, 3, rng=0, independent=False)
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


def test_progress_never_goes_back_where_a_search_counts_more_than_planned():
    from pnncupy.synthesis.progress import ProgressReporter
    from pnncupy.synthesis.schedule import Schedule

    seen = []
    reporter = ProgressReporter(
        lambda event: seen.append(event.fraction), lambda picture: picture, ("numba", "exact"), 0, 1
    )
    reporter.plan(Schedule(0.75, 0, 2, 2, "blurred", "mean", True), {(0, 0): 100, (0, 1): 100})
    reporter.begin(0, 0, None)
    reporter._told -= 1
    reporter.tick(120)
    reporter.end(None)
    assert seen == [0.5, 0.5]
