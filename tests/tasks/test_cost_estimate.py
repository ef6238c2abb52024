"""What a call will cost."""

import inspect
import time

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.samples import load_sample
from pnncupy.tasks import cost_estimate
from pnncupy.tasks.cost_estimate import estimate


@pytest.fixture
def quick(monkeypatch):
    """Trials of little work."""
    monkeypatch.setattr(cost_estimate, "_LAST_TRIAL", 0.1)


def named(task, arguments):
    """Arguments by the names of a task's parameters."""
    return dict(zip(inspect.signature(task).parameters, arguments, strict=False))


def test_pairs_are_those_of_the_call(photograph, quick):
    options = {"rng": 1, "alpha": 0.01, "iterations": 3}
    cost = estimate(pnn.generate, {"image": photograph, "n": 5, **options})
    info = pnn.generate(photograph, return_info=True, **options).info
    assert cost.pairs == info["samples"][0]["pairs"]
    assert (cost.method, cost.engine, cost.samples) == ("exact", "numba", 5)
    assert cost.scale == 1


@pytest.mark.slow
def test_time_is_about_that_of_the_call(monkeypatch):
    monkeypatch.setattr(cost_estimate, "_LAST_TRIAL", 0.6)
    image = load_sample("rocket")
    pnn.generate(image, rng=1)  # compiles
    start = time.perf_counter()
    pnn.generate(image, rng=1)
    seconds = time.perf_counter() - start
    cost = estimate(pnn.generate, {"image": image, "rng": 1})
    assert 0.3 < cost.scale < 1
    # Both are measured on machines that others use too.
    assert seconds / 4 < cost.seconds < 4 * seconds
    assert 1 < cost.megabytes < 200


class Clock:
    """Time that passes only in trials, by a power of the pixels."""

    def __init__(self, power, monkeypatch):
        self.now = 0.0

        def one(task, given):
            seconds = 1e-4 * np.prod(given["image"].shape[:2], dtype=float) ** power
            self.now += seconds
            return {"samples": [{"pairs": 1}]}, seconds, 2 * seconds

        monkeypatch.setattr(cost_estimate, "_one", one)


@pytest.mark.parametrize(("method", "power"), [("exact", 1.0), ("exact", 1.7), ("exact", 2.0),
                                               ("patchmatch", 1.0)])  # fmt: skip
def test_the_growth_of_time_is_measured(method, power, photograph, monkeypatch):
    clock = Clock(power, monkeypatch)
    image = np.tile(photograph, (12, 10, 1))
    monkeypatch.setattr(cost_estimate, "_LAST_TRIAL", 1e-4 * (image[..., 0].size / 4) ** power)
    cost = estimate(pnn.generate, {"image": image, "rng": 1, "iterations": 1, "method": method})
    assert cost.scale < 0.9
    assert cost.seconds == pytest.approx(1e-4 * image[..., 0].size ** power, rel=0.1)
    assert clock.now < 4 * cost.seconds


def test_what_ends_soon_is_tried_itself(photograph):
    options = {"image": photograph, "rng": 1, "iterations": 1}
    assert estimate(pnn.generate, options).scale == 1
    cost = estimate(pnn.generate, options)
    assert cost.compiling == 0  # by the first one
    assert cost.loading < 1


@pytest.mark.slow
def test_every_kind_of_argument_becomes_smaller(quick):
    image = load_sample("chelsea")
    mask = np.zeros(image.shape[:2], bool)
    mask[60:100, 80:120] = True
    calls = [
        (pnn.retarget, [image, (165, 300)], {"data_range": (0, 255)}),
        (pnn.inpaint, [image, mask], {"fill": image}),
        (pnn.analogy, [image, image[::-1]], {}),
        (pnn.collage, [[image, image[:, ::-1]], None], {"iterations": 1}),
        (pnn.edit, [image, image[::-1]], {"mask": mask}),
    ]
    for task, arguments, options in calls:
        cost = estimate(task, {**named(task, arguments), "iterations": 2, **options})
        assert cost.scale < 1
        assert cost.seconds > 0


def test_large_pictures_are_estimated_for_the_method_they_take(quick):
    image = np.random.default_rng(0).integers(0, 256, (700, 900), np.uint8)
    cost = estimate(pnn.generate, {"image": image, "n": 2, "rng": 0, "method": "auto"})
    assert cost.method == "patchmatch"
    assert cost.scale < 0.5
    assert cost.pairs < 2000 * image.size


def test_all_stages_count(photograph, quick):
    options = {"gradual": True, "levels": 1, "iterations": 1, "coarse_iterations": 1}
    cost = estimate(pnn.retarget, {"image": photograph, "shape": (40, 30), **options})
    info = pnn.retarget(photograph, (40, 30), return_info=True, **options).info
    assert cost.pairs == pytest.approx(info["samples"][0]["pairs"], rel=0.2)


def test_what_fits_large_pictures_only_is_tried_on_larger_ones(monkeypatch):
    trials = {"exact": (1e7, 4), "patchmatch": (1e6, 2)}
    monkeypatch.setattr(cost_estimate, "_FIRST_TRIAL", trials)
    monkeypatch.setattr(cost_estimate, "_LAST_TRIAL", 0.01)
    image = load_sample("rocket")
    cost = estimate(pnn.generate, {"image": image, "levels": 10, "iterations": 1})
    assert 0 < cost.scale <= 1
    hole = np.zeros(image.shape[:2], bool)
    hole[30, 40] = True
    assert estimate(pnn.inpaint, {"image": image, "mask": hole, "iterations": 1}).scale < 1


def test_hard_data_and_the_range_of_their_training_image_are_sampled(quick):
    training = np.random.default_rng(0).random((300, 300))
    training[1, 1] = 2
    grid = np.full((200, 200), np.nan)
    grid[::40, ::50] = 1.5
    for data in (grid, np.ma.masked_invalid(grid)):
        cost = estimate(pnn.simulate, {"training": training, "grid": data, "iterations": 1})
        assert 0 < cost.scale < 1
        assert cost.seconds > 0


@pytest.mark.slow
def test_small_sources_of_large_pictures_are_made_smaller_too(quick):
    image = load_sample("rocket")[:60, :60]
    cost = estimate(pnn.generate, {"image": image, "shape": (900, 900), "iterations": 1})
    assert cost.scale < 0.9


def test_trials_do_not_hint_at_labels(quick):
    labels = (np.mgrid[:40, :44].sum(axis=0) // 8 % 3).astype(np.uint8)
    estimate(pnn.generate, {"image": labels, "rng": 1, "iterations": 1})  # warnings are errors
