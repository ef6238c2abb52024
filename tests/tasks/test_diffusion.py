"""generate with sampler="diffusion"."""

import math

import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.engine import registry
from pnncupy.images.pyramid import planes_pyramid
from pnncupy.images.resize import resize_planes
from pnncupy.rng import draw_normal, sample_seed, seed_sequence
from pnncupy.search.exact import SearchSettings
from pnncupy.synthesis import denoiser
from pnncupy.synthesis.noise_schedule import NoiseSchedule
from pnncupy.synthesis.problem import Source, SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule

OPTIONS = {"sampler": "diffusion", "patch_sizes": 7, "levels": 1, "steps": 5}


def run_of(sources, shape, size, engine="numba", periodic=()):
    """A run of one level."""
    settings = SearchSettings(
        registry.load(engine), size, len(sources[0]), math.inf, threads=2
    )  # fmt: skip
    problem = SynthesisProblem(
        [Source([planes], []) for planes in sources], shape, periodic=periodic
    )
    schedule = Schedule(0.5, 0, 1, 1, "sharp", "weighted_mean", True)
    return SynthesisRun(problem, schedule, settings, ProgressReporter.silent())


@pytest.mark.parametrize("sigma", [0.5, 0.1])
@pytest.mark.parametrize("periodic", [(), (False, True), (True, True)])
def test_a_step_is_that_of_plain_loops(random, sigma, periodic):
    sources = [random.random((2, *shape), np.float32) for shape in ((8, 9), (7, 10))]
    image = random.random((2, 9, 8), np.float32)
    run = run_of(sources, (9, 8), 3, periodic=periodic)
    found = denoiser.Denoiser(run, 0).denoise(image, sigma)
    wraps = periodic or (False, False)
    wide = np.pad(image, [(0, 0), *((0, 2 if wrap else 0) for wrap in wraps)], mode="wrap")
    values = [planes.astype(float) for planes in sources]
    expected = expected_mean(wide.astype(float), values, sigma, (9, 8))
    np.testing.assert_allclose(found, expected, rtol=3e-5)


def expected_mean(wide, sources, sigma, shape):
    """Plain loops, with the pixels beyond the border added to those at its other side."""
    side = denoiser.window(3).astype(float)
    ones = [np.ones_like(source[:1]) for source in sources]
    weights = np.multiply.outer(
        *(np.convolve(np.ones(count - 2), side) for count in wide.shape[1:])
    )  # fmt: skip
    made = naive.weighted_mean(wide, sources, sources, 3, sigma, side) * weights
    assert np.allclose(naive.weighted_mean(wide, sources, ones, 3, sigma, side), 1)
    total = np.zeros((len(made), *shape))
    whole = np.zeros(shape)
    for y, x in np.ndindex(wide.shape[1:]):
        total[:, y % shape[0], x % shape[1]] += made[:, y, x]
        whole[y % shape[0], x % shape[1]] += weights[y, x]
    return total / whole


def test_a_whole_sampling_is_that_of_the_formulas(random):
    smooth = np.cumsum(np.cumsum(random.random((2, 18, 20)) - 0.5, axis=1), axis=2)
    image = ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)
    made = pnn.generate(
        np.moveaxis(image, 0, -1), rng=3, sampler="diffusion", patch_sizes=5, levels=1, steps=6,
        data_range=(0, 1),
    )  # fmt: skip
    generator = np.random.default_rng(sample_seed(seed_sequence(3), 0))
    shapes = [(18, 20), (9, 10)]
    noises = [draw_normal(generator, (2, *shape)) for shape in shapes[::-1]][::-1]
    noise = NoiseSchedule(6, 8.0, 1e-4)
    expected = naive.diffusion(
        planes_pyramid(image, 1, 0.5), shapes, [noise.levels(coarsest=each) for each in (0, 1)],
        noises, 5, denoiser.window(5).astype(float), resized,
    )  # fmt: skip
    assert metrics.psnr(expected, np.moveaxis(made, -1, 0), (0, 1)) > 50


def resized(planes, shape):
    scales = tuple(
        2.0 if new > old else 0.5 for new, old in zip(shape, planes.shape[1:], strict=True)
    )
    return resize_planes(planes, scales, shape)


def test_hardly_any_noise_leaves_the_nearest_patches(random):
    source = random.random((2, 14, 15), np.float32)
    query = source + (random.random(source.shape) * 0.01).astype(np.float32)
    made = denoiser.Denoiser(run_of([source], (14, 15), 3), 0).denoise(query, 1e-6)
    np.testing.assert_allclose(made, source, rtol=1e-6)


def test_the_share_of_noise_falls_in_equal_steps_to_the_smallest_noise():
    noise = NoiseSchedule(20, 4.5, 0.01)
    coarse, fine = noise.levels(coarsest=True), noise.levels(coarsest=False)
    shares = np.array(coarse) / (np.array(coarse) + 0.5)
    np.testing.assert_allclose(shares[:20], np.linspace(0.9, 0.01 / 0.51, 20))
    assert coarse[-2:] == fine[-2:] == [0.01, 0.01]
    np.testing.assert_allclose(fine[0], 0.5 * 0.3 / 0.7)
    assert (len(coarse), len(fine)) == (21, 5)
    assert NoiseSchedule(4, 0.1, 0.09).levels(coarsest=False)[0] == pytest.approx(0.09)


def test_results_are_seeded_and_the_same_on_every_engine_and_number_of_threads(photograph):
    image = photograph[:24, :26]
    made = pnn.generate(image, 2, rng=3, threads=1, **OPTIONS)
    assert made.shape == (2, *image.shape)
    assert made.dtype == image.dtype
    assert (made[0] != made[1]).any()
    for given in ({"threads": 2}, {"engine": "numpy"}):
        np.testing.assert_array_equal(pnn.generate(image, 2, rng=3, **given, **OPTIONS), made)
    np.testing.assert_array_equal(
        pnn.generate(image, first_sample=1, rng=3, **OPTIONS), made[1]
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_any_dtype_and_shape(photograph, dtype):
    image = (photograph[:40, :44, 0].astype(float) * 100).astype(dtype)
    made = pnn.generate(image, rng=1, shape=(30, 60), **OPTIONS)
    assert made.dtype == image.dtype
    assert made.shape == (30, 60)
    assert image.min() <= made.min() < made.max() <= image.max()


def test_missing_pixels_are_never_used(photograph):
    image = photograph[:40, :44, 0].astype(float)
    image[10:20, 12:30] = np.nan
    made = pnn.generate(image, rng=1, nodata="nan", **OPTIONS)
    assert np.isfinite(made).all()
    known = image[np.isfinite(image)]
    assert known.min() - 1e-3 <= made.min()
    assert made.max() <= known.max() + 1e-3


def test_periodic_results_have_no_seam(photograph):
    image = photograph[:48, :48]
    made = pnn.generate(image, rng=2, periodic=True, **OPTIONS).astype(float)
    steps = np.abs(np.diff(made, axis=0)).mean()
    assert np.abs(made[0] - made[-1]).mean() < 2.5 * steps


def test_results_are_no_copies_and_as_bright_as_the_source(photograph):
    made = pnn.generate(photograph, 3, rng=0, **OPTIONS)
    for each in made:
        assert metrics.psnr(photograph, each, (0, 255)) < 25
        assert abs(each.mean() - photograph.mean()) < 40


def test_info_names_the_sampler_and_its_options(photograph):
    info = pnn.generate(photograph[:40, :40], rng=1, return_info=True, **OPTIONS).info
    assert info["sampler"] == "diffusion"
    assert info["patch_sizes"] == [7, 7]
    assert (info["steps"], info["sigma_max"], info["sigma_min"]) == (5, 8.0, 0.0001)
    plain = pnn.generate(photograph[:40, :40], rng=1, return_info=True, iterations=1).info
    assert "sampler" not in plain


def test_progress_reaches_the_end(photograph):
    events = []
    pnn.generate(photograph[:40, :40], rng=1, callback=events.append, **OPTIONS)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert events[0].render().shape[2] == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"return_index": True}, "no pixel has one origin"),
        ({"patch_size": 9}, "takes `patch_sizes`"),
        ({"noise_std": 1.0}, "sigma_max"),
        ({"alpha": 0.01}, "`alpha` must be inf"),
        ({"vote_width": 0.4}, "`vote_width` must be 1.7 with .* window of its own"),
        ({"categorical": True}, "average labels"),
        ({"steps": 1}, "`steps`"),
        ({"sigma_min": 9.0}, "at most `sigma_max`"),
        ({"sigma_max": 0}, "`sigma_max`"),
        ({"patch_sizes": [7]}, "2 levels, got 1"),
        ({"patch_sizes": [7, 30]}, "at most 20 at level 1"),
        ({"patch_sizes": []}, "got none"),
        ({"patch_sizes": 1}, "`patch_sizes`"),
        ({"patch_sizes": 61}, "at most 60"),
        ({"sampler": "gan"}, "'patches', 'diffusion'"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(photograph, given, words):
    with pytest.raises(ValueError, match=words):
        pnn.generate(photograph[:40, :40], rng=1, **(OPTIONS | given))


@pytest.mark.parametrize("given", [{"steps": 5}, {"patch_sizes": 7}, {"sigma_min": 0.1}])
def test_options_of_diffusion_are_refused_without_it(photograph, given):
    with pytest.raises(ValueError, match="with `sampler` 'patches'"):
        pnn.generate(photograph[:40, :40], rng=1, **given)


def test_few_values_may_be_said_to_be_no_labels(photograph):
    image = photograph[:24, :26, 0] // 16
    with pytest.warns(pnn.LabelsHint):
        made = pnn.generate(image, rng=1, **OPTIONS)
    plain = pnn.generate(image, rng=1, categorical=False, **OPTIONS)
    np.testing.assert_array_equal(made, plain)


def test_volumes_are_refused(random):
    with pytest.raises(ValueError, match="for volumes"):
        pnn.generate(random.random((20, 20, 20)), rng=1, channel_axis=None, **OPTIONS)
