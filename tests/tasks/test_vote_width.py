"""`vote_width` reaches the vote of every task."""

import numpy as np
import pytest

import pnncupy as pnn

SMALL = {"iterations": 2, "levels": 1, "patch_size": 5}
ONCE = {"levels": 0, "iterations": 1, "coarse_iterations": 1, "patch_size": 5}


def hole(image):
    mask = np.zeros(image.shape[:2], bool)
    mask[8:15, 9:18] = True
    return mask


def data(image):
    return np.where(hole(image)[..., None], np.nan, image.astype(float))


CALLS = {
    "generate": lambda image, **given: pnn.generate(image, rng=1, **given),
    "retarget": lambda image, **given: pnn.retarget(image, (24, 20), **given),
    "inpaint": lambda image, **given: pnn.inpaint(image, hole(image), **given),
    "analogy": lambda image, **given: pnn.analogy(image, image[::-1], **given),
    "collage": lambda image, **given: pnn.collage([image, image[:, ::-1]], **given),
    "edit": lambda image, **given: pnn.edit(image, image[::-1], **given),
    "simulate": lambda image, **given: pnn.simulate(image, data(image)[::-1], rng=1, **given),
    "grow_volume": lambda image, **given: pnn.grow_volume(image[..., 0], (7, 8, 9), rng=1, **given),
}


@pytest.mark.parametrize("task", CALLS)
def test_every_task_votes_with_its_width(photograph, task):
    image = photograph[:24, :26]
    found = CALLS[task](image, vote_width=0.3, **SMALL)
    for more in ({"engine": "numpy"}, {"threads": 1}, {"incremental": False}):
        np.testing.assert_array_equal(CALLS[task](image, vote_width=0.3, **SMALL, **more), found)
    assert np.any(found != CALLS[task](image, **SMALL))
    np.testing.assert_array_equal(
        CALLS[task](image, vote_width=np.float64(1.7), **SMALL), CALLS[task](image, **SMALL)
    )


def test_one_step_is_that_of_the_building_block(random):
    image, guess = (random.random((18, 19, 3), np.float32) for _ in range(2))
    made = pnn.generate(
        image, initial_guess=guess, data_range=(0, 1), vote_width=0.25, noise_std=0, **ONCE
    )
    expected = pnn.pnn_step(guess, image, image, patch_size=5, vote_width=0.25)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_copied_pixels_do_not_depend_on_it(photograph):
    """With one step the matches are those of the guess."""
    image = photograph[:24, :26]
    for keep_grain in (True, False):
        narrow, wide = (
            pnn.analogy(image, image[::-1], keep_grain=keep_grain, vote_width=width, **ONCE)
            for width in (0.2, 1.7)
        )
        assert np.array_equal(narrow, wide) == keep_grain


def test_labels_are_voted_for_with_it(photograph):
    labels = photograph[..., 0] // 64
    given = {"rng": 1, "categorical": True, "noise_std": 2, **SMALL}
    found = pnn.generate(labels, vote_width=0.3, **given)
    assert set(np.unique(found)) <= set(range(4))
    assert np.any(found != pnn.generate(labels, **given))


def test_a_checkpoint_is_that_of_its_width(photograph, tmp_path):
    given = {"rng": 1, "checkpoint": tmp_path / "state", **SMALL}

    def before_the_end(event):
        return not (event.finished and event.level == 0)

    whole = pnn.generate(photograph, rng=1, vote_width=0.4, **SMALL)
    with pytest.raises(pnn.Cancelled):
        pnn.generate(photograph, vote_width=0.4, callback=before_the_end, **given)
    for other in ({}, {"vote_width": 0.5}):
        with pytest.raises(pnn.CheckpointError, match="does not fit"):
            pnn.generate(photograph, **other, **given)
    np.testing.assert_array_equal(pnn.generate(photograph, vote_width=0.4, **given), whole)


def test_the_methods_text_has_it(photograph):
    made = pnn.generate(photograph, rng=1, vote_width=0.4, return_info=True, **SMALL)
    assert "vote_width = 0.4" in made.info.methods_text()
    made = pnn.generate(photograph, rng=1, vote_width=1.7, return_info=True, **SMALL)
    assert "vote_width" not in made.info.methods_text()
