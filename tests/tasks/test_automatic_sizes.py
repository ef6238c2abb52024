"""Patch sizes and depths that are chosen from the sources."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.samples import load_sample

FEW = {"iterations": 1, "coarse_iterations": 1, "return_info": True}
PHOTOGRAPH = load_sample("chelsea")[40:110, 60:150]


def enlarged(factor):
    return np.clip(pnn.resize(PHOTOGRAPH[:50, :60], factor), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("image", "side"), [(PHOTOGRAPH, 7), (enlarged(2), 13)])
def test_patches_grow_with_the_finest_detail(image, side):
    made = pnn.generate(image, rng=0, patch_size="auto", **FEW)
    assert made.info["patch_size"] == side
    assert set(made.info["patch_size_chosen_by"]) == {"detail", "noise"}
    plain = pnn.generate(image, rng=0, patch_size=side, **FEW)
    np.testing.assert_array_equal(made.image, plain.image)
    assert "patch_size_chosen_by" not in plain.info


def calls():
    large = enlarged(2)
    hole = np.zeros(large.shape[:2], bool)
    hole[40:50, 50:60] = True
    return {
        "inpaint": lambda **more: pnn.inpaint(large, hole, fill="smooth", **more),
        "retarget": lambda **more: pnn.retarget(large, (100, 110), **more),
        "analogy": lambda **more: pnn.analogy(large, large[:60], **more),
        "edit": lambda **more: pnn.edit(large, np.roll(large, 9, axis=1), **more),
        "collage": lambda **more: pnn.collage([large, large[:50]], **more),
    }


@pytest.mark.parametrize("task", sorted(calls()))
def test_every_task_chooses_the_patch_size(task):
    assert calls()[task](patch_size="auto", **FEW).info["patch_size"] == 13


def test_a_hole_does_not_count():
    large = enlarged(2)
    hole = np.zeros(large.shape[:2], bool)
    hole[20:80, 20:100] = True
    noise = np.random.default_rng(0).integers(0, 256, large.shape, np.uint8)
    spoilt = np.where(hole[..., None], noise, large)
    assert pnn.inpaint(spoilt, hole, patch_size="auto", **FEW).info["patch_size"] == 13
    missing = np.where(hole[..., None], np.nan, large.astype(np.float32))
    assert pnn.inpaint(missing, "nodata", patch_size="auto", **FEW).info["patch_size"] == 13


def test_a_patch_fits_into_the_smallest_source():
    flat = np.tile(np.arange(40, dtype=np.float32), (9, 1))  # a ramp has no detail at all
    assert pnn.generate(flat, rng=0, patch_size="auto", **FEW).info["patch_size"] == 9


def test_labels_are_measured_by_their_borders():
    labels = (np.indices((60, 60)) // 12).sum(axis=0) % 3
    made = pnn.generate(labels, rng=0, categorical=True, patch_size="auto", **FEW)
    assert made.info["patch_size"] == 7


def copying_scene():
    """A scene whose parts are so different that noise hardly moves them at any depth."""
    rows, columns = np.indices((90, 110))
    return np.stack([rows * 2, columns * 2, (rows + columns) // 2], axis=-1).astype(np.uint8)


def test_the_depth_is_lowered_where_noise_moves_nothing():
    made = pnn.generate(copying_scene(), rng=0, levels="auto", noise_std=0.2, **FEW)
    default = pnn.generate(copying_scene(), rng=0, noise_std=0.2, **FEW)
    shares = made.info["levels_chosen_by"]["unmoved"]
    assert all(share > 0.25 for share in shares[:-1])
    assert made.info["levels"] == default.info["levels"] - len(shares) + 1
    assert made.info["levels"] < default.info["levels"]
    plain = pnn.generate(copying_scene(), rng=0, levels=made.info["levels"], noise_std=0.2, **FEW)
    np.testing.assert_array_equal(made.image, plain.image)


def test_the_depth_stays_where_noise_moves_patches():
    made = pnn.generate(PHOTOGRAPH, rng=0, levels="auto", noise_std=5, **FEW)
    default = pnn.generate(PHOTOGRAPH, rng=0, noise_std=5, **FEW)
    assert made.info["levels"] == default.info["levels"]
    np.testing.assert_array_equal(made.image, default.image)


def test_a_texture_and_a_given_guess_keep_the_default():
    gravel = load_sample("gravel")[:100, :100]
    made = pnn.generate(gravel, rng=0, levels="auto", **FEW)
    assert made.info["independent"]
    assert "levels_chosen_by" not in made.info


@pytest.mark.parametrize("name", ["patch_size", "levels"])
def test_other_words_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer or \"auto\", got 'many'"):
        pnn.generate(PHOTOGRAPH, **{name: "many"})


def test_only_realisations_choose_their_depth():
    with pytest.raises(ValueError, match=r"`levels` must be .*, which only `generate` takes"):
        pnn.edit(PHOTOGRAPH, PHOTOGRAPH, levels="auto")
