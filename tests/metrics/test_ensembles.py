"""Statistics of each pixel over realisations, against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.stats

from pnncupy import metrics

LEVELS = [0.05, 0.5, 0.95, 0, 1]


class Reread:
    """Images that are read again at each iteration, and how often."""

    def __init__(self, images):
        self.images, self.times = images, 0

    def __iter__(self):
        self.times += 1
        return iter(self.images)


@pytest.mark.parametrize("shape", [(7, 9), (5, 4, 3), (3, 4, 5, 6)])
def test_moments_and_quantiles_are_those_of_numpy(shape, random):
    images = random.normal(1e3, 2, (13, *shape)).astype(np.float32)
    wide = images.astype(np.float64)
    for given in (images, list(images), Reread(images)):
        found = metrics.ensemble(given, quantiles=LEVELS)
        np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.std, wide.std(axis=0), rtol=1e-9)
        assert list(found.quantiles) == sorted(LEVELS)
        for level, values in found.quantiles.items():
            np.testing.assert_allclose(values, np.quantile(wide, level, axis=0), rtol=1e-14)
        assert found.realisations == 13
        np.testing.assert_array_equal(found.known, np.full(shape, 13))
    assert given.times == 1 + -(-shape[0] // max(1, 4 * shape[0] // 13))
    once = metrics.ensemble(iter(images))
    np.testing.assert_array_equal(once.mean, found.mean)
    assert once.quantiles == {}


def test_unknown_pixels_do_not_count(random):
    images = random.random((9, 6, 7))
    images[random.random(images.shape) < 0.4] = np.nan
    images[:, 0, 0] = np.nan
    found = metrics.ensemble(images, quantiles=[0.25])
    known = ~np.isnan(images)
    np.testing.assert_array_equal(found.known, known.sum(axis=0))
    for place in np.ndindex(6, 7):
        own = images[(slice(None), *place)][known[(slice(None), *place)]]
        if place == (0, 0):
            assert np.isnan(
                [found.mean[place], found.std[place], found.quantiles[0.25][place]]
            ).all()
            continue
        expected = [own.mean(), own.std(), np.quantile(own, 0.25)]
        got = [found.mean[place], found.std[place], found.quantiles[0.25][place]]
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_probabilities_of_labels_are_those_of_scipy(random):
    images = random.integers(0, 4, (11, 6, 7)).astype(np.uint8) * 3
    found = metrics.ensemble(iter(images), categorical=True)
    assert found.labels == (0, 3, 6, 9)
    for label, share in zip(found.labels, found.probability, strict=True):
        np.testing.assert_array_equal(share, (images == label).mean(axis=0))
    expected = scipy.stats.entropy(found.probability, base=2, axis=0)
    np.testing.assert_allclose(found.entropy, expected, atol=1e-14)
    for place in np.ndindex(6, 7):
        own = images[(slice(None), *place)].tolist()
        assert found.most_likely[place] == max(sorted(set(own)), key=own.count)
    assert found.most_likely.dtype == np.uint8
    phase = metrics.ensemble(images > 3, categorical=True)
    assert phase.labels == (False, True)
    assert phase.most_likely.dtype == bool
    same = metrics.ensemble([images[0]] * 3, categorical=True)
    assert not same.entropy.any()
    np.testing.assert_array_equal(same.most_likely, images[0])


@pytest.mark.parametrize(
    ("results", "options", "error", "message"),
    [
        ([], {}, ValueError, "`results` must hold at least one image"),
        ([], {"categorical": True}, ValueError, "`results` must hold at least one image"),
        (7, {}, TypeError, "`results` must be a list of arrays, got int"),
        ([[1]], {}, TypeError, r"`results\[0\]` must be a NumPy or CuPy array"),
        ([np.eye(3), np.eye(4)], {}, ValueError, r"`results\[1\]` must have the shape of the fir"),
        ([np.full((3, 3), np.inf)], {}, ValueError, r"`results\[0\]` must be finite or NaN"),
        ([np.eye(3)], {"categorical": True}, TypeError, r"`results\[0\]` must hold labels"),
        ([np.eye(3)], {"categorical": 1}, TypeError, "`categorical` must be True or False"),
        ([np.eye(3)], {"quantiles": 0.5}, TypeError, "`quantiles` must be a list of numbers"),
        ([np.eye(3)], {"quantiles": [2]}, ValueError, "`quantiles` must be numbers from 0 to 1"),
        ([np.eye(3) > 0], {"quantiles": [0.5], "categorical": True}, ValueError, "be empty for la"),
        (iter([np.eye(3)]), {"quantiles": [0.5]}, TypeError, "must not be an iterator with"),
        (
            [np.arange(400).reshape(20, 20)], {"categorical": True}, ValueError,
            "at most 256 labels",
        ),
    ],
)  # fmt: skip
def test_bad_ensembles(results, options, error, message):
    with pytest.raises(error, match=message):
        metrics.ensemble(results, **options)


def test_ensembles_on_the_device(cupy, random):
    images = random.random((4, 5, 6))
    found = metrics.ensemble(list(map(cupy.asarray, images)), quantiles=[0.5])
    np.testing.assert_equal(found, metrics.ensemble(images, quantiles=[0.5]))
