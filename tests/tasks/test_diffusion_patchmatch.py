"""generate with sampler="diffusion" and means of the near patches that PatchMatch finds."""

import math
from dataclasses import replace

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import errors, metrics
from pnncupy.engine import registry
from pnncupy.kernels import reference
from pnncupy.kernels.numba_cpu import engine as numba
from pnncupy.search import method, patchmatch_lists
from pnncupy.search.exact import NearestNeighborField, SearchSettings
from pnncupy.synthesis import denoiser, near_keys
from pnncupy.synthesis.problem import Source, SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule

OPTIONS = {"sampler": "diffusion", "patch_sizes": 7, "levels": 1, "steps": 5}
NEAR = OPTIONS | {"method": "patchmatch"}


@pytest.fixture
def near_everywhere(monkeypatch):
    """Approximate means at every level, however small."""
    monkeypatch.setattr(method, "EXACT_BELOW", 0)


def denoiser_of(planes, size, taken, shape=None, periodic=()):
    """Denoiser of one level with a method."""
    settings = SearchSettings(
        registry.load("numba"), size, len(planes[0]), math.inf, threads=2, method=taken
    )  # fmt: skip
    shape = planes[0].shape[1:] if shape is None else shape
    problem = SynthesisProblem([Source([each], []) for each in planes], shape, periodic=periodic)
    schedule = Schedule(0.5, 0, 1, 1, "sharp", "weighted_mean", True)
    run = SynthesisRun(problem, schedule, settings, ProgressReporter.silent())
    return denoiser.Denoiser(run, 0)


def planes_of(photograph):
    return np.moveaxis(photograph, -1, 0).astype(np.float32) / 255


@pytest.mark.parametrize(("sigma", "least"), [(0.3, 32), (0.1, 40), (0.02, 45)])
def test_means_are_near_those_of_all_patches(photograph, random, near_everywhere, sigma, least):
    clean = planes_of(photograph)
    image = clean + random.normal(0, sigma, clean.shape).astype(np.float32)
    exact, near = (
        denoiser_of([clean], 7, taken).denoise(image, sigma) for taken in ("exact", "patchmatch")
    )
    assert (exact != near).any()
    assert metrics.psnr(exact, near, (0, 1)) > least


@pytest.mark.parametrize("periodic", [(), (True, True)])
def test_lists_of_all_keys_give_the_mean_of_all(random, near_everywhere, monkeypatch, periodic):
    sources = [random.random((2, *shape), np.float32) for shape in ((5, 6), (6, 5))]
    image = random.random((2, 9, 8), np.float32)
    monkeypatch.setattr(near_keys, "LENGTH", 24)
    monkeypatch.setattr(patchmatch_lists, "FIRST_ROUNDS", 40)
    exact, near = (
        denoiser_of(sources, 3, taken, (9, 8), periodic).denoise(image, 0.3)
        for taken in ("exact", "patchmatch")
    )
    np.testing.assert_allclose(near, exact, rtol=1e-5)


def test_weights_are_those_of_gaussians():
    sums = np.array([[[0.5, 0.7, 1.5, 90, np.inf]]], np.float32)
    weights = near_keys.weights_of(NearestNeighborField(sums, sums), 0.4)[0, 0]
    expected = np.exp(-(sums[0, 0] - 0.5) / (2 * 0.4**2))
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-6)
    assert (weights[3:] == 0).all()


def test_results_are_seeded_and_the_same_on_every_engine_and_number_of_threads(
    photograph, near_everywhere
):
    image = photograph[:24, :26]
    made = pnn.generate(image, 2, rng=3, threads=1, **NEAR)
    assert made.dtype == image.dtype
    assert (made[0] != made[1]).any()
    assert (made != pnn.generate(image, 2, rng=3, **OPTIONS)).any()
    np.testing.assert_array_equal(pnn.generate(image, 2, rng=3, threads=3, **NEAR), made)
    np.testing.assert_array_equal(pnn.generate(image, first_sample=1, rng=3, **NEAR), made[1])
    small, options = image[:14, :15, :1], NEAR | {"patch_sizes": 5, "steps": 2}
    np.testing.assert_array_equal(
        pnn.generate(small, rng=3, engine="numpy", **options),
        pnn.generate(small, rng=3, **options),
    )


def test_small_levels_stay_exact(photograph):
    image = photograph[:40, :44]
    made = pnn.generate(image, rng=1, **NEAR)
    np.testing.assert_array_equal(made, pnn.generate(image, rng=1, **OPTIONS))


def test_missing_pixels_and_several_sources(photograph, near_everywhere):
    image = photograph[:40, :44, 0].astype(float)
    image[10:20, 12:30] = np.nan
    other = photograph[10:50, 20:60, 0].astype(float)
    made = pnn.generate([image, other], rng=1, nodata="nan", shape=(30, 60), **NEAR)
    known = np.concatenate([image[np.isfinite(image)], other.ravel()])
    assert made.shape == (30, 60)
    assert known.min() - 1e-3 <= made.min()
    assert made.max() <= known.max() + 1e-3


def test_a_hole_is_filled(photograph, near_everywhere):
    mask = np.zeros(photograph.shape[:2], bool)
    mask[20:30, 25:37] = True
    filled = pnn.inpaint(photograph, mask, rng=1, **NEAR)
    assert (filled[~mask] == photograph[~mask]).all()
    assert (filled[mask] != photograph[mask]).any()


def test_progress_reaches_the_end(photograph, near_everywhere):
    events = []
    pnn.generate(photograph[:40, :40], rng=1, callback=events.append, **NEAR)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_auto_takes_it_for_large_images_only(photograph, near_everywhere, monkeypatch):
    image = photograph[:30, :30]
    options = OPTIONS | {"method": "auto", "return_info": True}
    assert pnn.generate(image, rng=1, **options).info["method"] == "exact"
    few = {name: entry_of(spec, 1000) for name, spec in registry.ENGINES.items()}
    monkeypatch.setattr(method, "ENGINES", few)
    assert pnn.generate(image, rng=1, **options).info["method"] == "patchmatch"
    monkeypatch.delattr(numba, "update_lists")
    assert pnn.generate(image, rng=1, **options).info["method"] == "exact"


def entry_of(spec, pairs):
    """An engine's entry with another threshold of "auto"."""
    return replace(spec, approximate_from=pairs)


def test_engines_without_lists_refuse_it_with_a_reason(photograph, monkeypatch):
    monkeypatch.delattr(reference, "update_lists")
    with pytest.raises(errors.EngineUnavailable, match="'numpy' has no lists of near patches"):
        pnn.generate(photograph[:30, :30], rng=1, engine="numpy", **NEAR)


def test_methods_text_names_it(photograph, near_everywhere):
    info = pnn.generate(photograph[:30, :30], rng=1, return_info=True, **NEAR).info
    assert "only of the nearest ones that PatchMatch (Barnes et al. 2009)" in info.methods_text()
