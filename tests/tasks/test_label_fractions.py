"""Results keep the fractions of the labels of their sources, rare ones too."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.synthesis.histogram import FixedLabels, balanced_towards

OPTIONS = {"categorical": True, "rng": 2, "iterations": 3}


@pytest.fixture(scope="module")
def phases():
    """Three labels, of which one has 3 % of the pixels."""
    y, x = np.mgrid[:64, :64]
    image = ((np.sin(x / 5.0) + np.cos(y / 7.0)) > 0.2).astype(np.uint8)
    spots = (x * 7 + y * 13) % 64 < 2
    image[spots & (image == 1)] = 5
    return image


def fractions(image):
    return np.array([(image == label).mean() for label in (0, 1, 5)])


@pytest.mark.parametrize(
    "costs", [None, {5: 4}, [[0, 1, 4], [1, 0, 1], [4, 1, 0]], [[0, 1, 2], [1, 0, 1], [2, 1, 0]]]
)
def test_realisations_have_the_fractions_of_the_source(phases, costs):
    made = pnn.generate(
        phases, 2, independent=True, keep_fractions=True, label_costs=costs, **OPTIONS
    )
    for image in made:
        np.testing.assert_allclose(fractions(image), fractions(phases), atol=0.01)


def test_without_it_a_rare_label_becomes_rarer(phases):
    made = pnn.generate(phases, 2, independent=True, **OPTIONS)
    assert max(fractions(image)[2] for image in made) < 0.8 * fractions(phases)[2]


def test_a_filled_hole_has_the_fractions_around_it(phases):
    mask = np.zeros(phases.shape, bool)
    mask[15:50, 10:52] = True
    made = pnn.inpaint(phases, mask, keep_fractions=True, categorical=True)
    np.testing.assert_array_equal(made[~mask], phases[~mask])
    np.testing.assert_allclose(fractions(made), fractions(phases[~mask]), atol=0.01)


def test_engines_return_the_same_bits(phases):
    options = {**OPTIONS, "independent": True, "keep_fractions": True, "label_costs": {5: 4}}
    one, other = (
        pnn.generate(phases[:30, :34], engine=engine, **options) for engine in ("numpy", "numba")
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("locally", [False, True])
def test_balanced_votes_win_in_their_shares(random, locally):
    votes = random.random((3, 20, 30)).astype(np.float32)
    shares = (0.7, 0.25, 0.05)
    found = balanced_towards(votes, shares, locally=locally, completely=True).argmax(axis=0)
    counts = np.bincount(found.ravel(), minlength=3) / found.size
    np.testing.assert_allclose(counts, shares, atol=2 / found.size)


def test_equal_votes_are_not_divided():
    votes = np.zeros((2, 6, 6), np.float32)
    votes[0, :2], votes[1, 2:] = 1, 1
    found = balanced_towards(votes, (0.5, 0.5), completely=True).argmax(axis=0)
    assert np.unique(found[:2]).size == np.unique(found[2:]).size == 1
    assert {int(found[0, 0]), int(found[5, 5])} == {0, 1}


def test_fixed_labels_count_and_stay(random):
    votes = random.random((2, 10, 10)).astype(np.float32)
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    values = np.stack([np.ones((10, 10)), np.zeros((10, 10))]).astype(np.float32)
    found = balanced_towards(votes, (0.6, 0.4), FixedLabels(mask, values), completely=True)
    np.testing.assert_array_equal(found[:, mask], votes[:, mask])
    assert (found.argmax(axis=0)[~mask] == 0).sum() == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_fractions": True}, "`keep_fractions` must be False without `categorical`"),
        ({"label_costs": {1: 2}}, "`label_costs` must be None without `categorical`"),
        ({"keep_fractions": True, "categorical": True, "vote": "copy"}, "'copy'"),
    ],
)
def test_what_is_about_labels_needs_labels(phases, options, message):
    with pytest.raises(ValueError, match=message):
        pnn.generate(phases, **options)


def agreement(source, image):
    """Cohen's kappa without a shift."""
    chance = sum((source == label).mean() * (image == label).mean() for label in np.unique(source))
    return ((source == image).mean() - chance) / (1 - chance)


def test_labels_without_a_layout_start_from_tiles(random):
    fine = (random.random((64, 64)) < 0.4).astype(np.uint8)
    fine[random.random((64, 64)) < 0.03] = 5
    made = pnn.generate(fine, 2, return_info=True, **OPTIONS)
    assert made.info["independent"] is True
    assert max(agreement(fine, image) for image in made.image) < 0.3


def test_labels_with_a_layout_keep_it(phases):
    layers = np.where(np.arange(64)[:, None] < 30, phases, 7).astype(np.uint8)
    made = pnn.generate(layers, return_info=True, **OPTIONS)
    assert made.info["independent"] is False


def test_copies_of_labels_are_made_again(phases):
    options = {**OPTIONS, "independent": False, "noise_std": 0.1, "return_info": True}
    copy = pnn.generate(phases, **options)
    assert agreement(phases, copy.image) > 0.9
    assert "remade" not in copy.info["samples"][0]
    made = pnn.generate(phases, distinct=True, **options)
    assert made.info["samples"][0]["remade"]
    assert agreement(phases, made.image) < 0.6
