"""Votes on every engine against the oracle, and index maps."""

import naive
import numpy as np
import pytest
from engines import NUMPY_EXHAUSTIVE

import pnncupy as pnn
from pnncupy.synthesis import voting

HOWS = tuple(voting.VOTES)


def random_index(random, shapes, p, places):
    source = random.integers(0, len(shapes), places)
    limits = np.array(shapes)[source] - p + 1
    row = (random.random(places) * limits[..., 0]).astype(int)
    column = (random.random(places) * limits[..., 1]).astype(int)
    return np.stack([source, row, column], axis=-1)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("p", "channels", "places"), [(7, 3, (3, 9)), (7, 1, (1, 1)), (4, 5, (6, 2)), (2, 1, (5, 5))]
)
def test_vote_equals_the_oracle(how, p, channels, places, engine, random):
    shapes = [(p + 3, p + 5), (p, p + 1)]
    values = [random.random((*shape, channels), np.float32) for shape in shapes]
    index = random_index(random, shapes, p, places)
    found = pnn.vote(values, index, patch_size=p, how=how, engine=engine, channel_axis=-1)
    planes = [np.moveaxis(value, -1, 0) for value in values]
    expected = np.moveaxis(naive.vote(planes, index, p, how), 0, -1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("how", HOWS)
def test_engines_vote_the_same_bits(how, random):
    value = random.random((20, 25, 3), np.float32)
    index = random_index(random, [(20, 25)], 5, (30, 33))[..., 1:]
    plain, fast, threaded = (
        pnn.vote(value, index, (34, 37), patch_size=5, how=how, engine=name, threads=threads)
        for name, threads in (("numpy", 1), ("numba", 1), ("numba", 3))
    )
    np.testing.assert_array_equal(plain, fast)
    np.testing.assert_array_equal(plain, threaded)


def test_every_value_of_a_copy_or_median_exists_in_the_source(engine, random):
    value = random.permutation(30 * 31).reshape(30, 31).astype(np.float32)
    index = random_index(random, [(30, 31)], 6, (12, 13))[..., 1:]
    for how in ("copy", "median"):
        assert np.isin(pnn.vote(value, index, patch_size=6, how=how, engine=engine), value).all()


def test_a_trimmed_mean_is_good_at_outliers(random):
    """Wrong matches spoil a mean, and a median keeps more of the noise."""
    rows, columns = np.mgrid[:60, :70]
    clean = np.sin(rows / 9) + np.cos(columns / 9)
    value = (clean + random.normal(0, 0.1, clean.shape)).astype(np.float32)
    index = np.stack(np.mgrid[:54, :64], axis=-1)
    # Every patch is moved a little, so that a vote averages noise, and some are quite wrong.
    index = np.clip(index + random.integers(-2, 3, index.shape), 0, [53, 63])
    wrong = random.random(index.shape[:2]) < 0.15
    index[wrong] = random.integers(0, [54, 64], (int(wrong.sum()), 2))
    errors = {
        how: float(np.std((pnn.vote(value, index, how=how) - clean)[8:-8, 8:-8]))
        for how in ("weighted_mean", "mean", "median", "trimmed_mean")
    }
    assert errors["trimmed_mean"] < 0.95 * errors["median"], errors
    assert errors["trimmed_mean"] < 0.5 * errors["mean"], errors
    assert errors["trimmed_mean"] < 0.5 * errors["weighted_mean"], errors


def test_identity_matches_give_back_the_image(engine, random):
    image = random.random((18, 23, 2), np.float32)
    index = pnn.nearest_patches(image, image, engine=engine).index
    for how in HOWS:
        found = pnn.vote(image, index, image.shape[:2], how=how, engine=engine)
        np.testing.assert_allclose(found, image, rtol=1e-6)


def test_weights_are_those_of_the_release():
    weights = voting.side_weights(7)
    assert weights[3] == 1
    assert weights[0] == pytest.approx(0.84, abs=0.005)
    assert weights[0] ** 2 == pytest.approx(0.71, abs=0.005)
    assert weights == weights[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", NUMPY_EXHAUSTIVE)
def test_reference_votes(reference, engine):
    arrays = reference("pnn")
    query, key, value = arrays["query"], arrays["key"], arrays["value"]
    mask = arrays["mask"] > 0.5
    cases = [("inf", {}), ("0.005", {}), ("0.0005", {}), ("mean", {"vote": "mean"})]
    cases += [("median", {"vote": "median"}), ("masked", {"alpha": 0.005, "key_mask": mask})]
    for name, options in cases:
        if name[0].isdigit():
            options = {"alpha": float(name)}
        result = pnn.pnn_step(query, key, value, engine=engine, **options)
        error = np.mean((result.astype(float) - arrays[f"output_{name}"]) ** 2)
        assert -10 * np.log10(error) > 60, name


def test_apply_index_renders_any_layer(random):
    sources = [random.integers(0, 1000, (8, 9)), random.integers(0, 1000, (5, 4))]
    index = random_index(random, [(8, 9), (5, 4)], 1, (6, 7))
    rendered = pnn.apply_index(sources, index)
    for place in np.ndindex(6, 7):
        source, row, column = index[place]
        assert rendered[place] == sources[source][row, column]
    words = np.array([["a", "b"], ["c", "d"]])
    assert pnn.apply_index(words, np.array([[[0, 1, 0]]])).tolist() == [["c"]]
