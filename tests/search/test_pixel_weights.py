"""Weights of query pixels: the identity that lets any search compare weighted distances."""

import numpy as np
import pytest

from pnncupy.search.patch_metric import PatchMetric
from pnncupy.search.pixel_weights import PixelWeights

RANDOM = np.random.default_rng(0)


@pytest.fixture
def metric():
    weights = np.where(RANDOM.random((6, 7)) > 0.7, 9.0, 1.0).astype(np.float32)
    return PatchMetric(pixels=PixelWeights.of([0, 0.2], [1, 0.8], [weights]))


def test_distances_are_the_weighted_ones_but_for_a_constant(metric):
    image = RANDOM.random((1, 2, 6, 7), dtype=np.float32)
    image[:, 1] = 0.2 + 0.6 * image[:, 1]
    keys = RANDOM.random((3, 2, 6, 7), dtype=np.float32) * 0.6 + 0.2
    weights = metric.pixels.weights[0]
    query = metric.queries(image, 0)[0].astype(float)
    plain = PatchMetric(pixels=PixelWeights.of([0, 0.2], [1, 0.8], [np.ones_like(weights)]))
    point = plain.queries(image, 0)[0].astype(float)
    for key in keys:
        vector = metric.key(key, 0, 0).astype(float)
        found = ((query - vector) ** 2).sum(axis=0)
        expected = weights * ((point - vector) ** 2).sum(axis=0)
        constant = (weights - 1.0) ** 2 * metric.pixels.squared_radius
        np.testing.assert_allclose(found, expected + constant, rtol=1e-5, atol=1e-6)


def test_all_pixels_are_of_one_length_and_distances_nearly_plain(metric):
    one, two = RANDOM.random((2, 2, 6, 7), dtype=np.float32) * 0.6 + 0.2
    first, second = (metric.key(each, 0, 0).astype(float) for each in (one, two))
    radius = metric.pixels.squared_radius
    assert radius == pytest.approx(4 * (0.5**2 + 0.3**2))
    np.testing.assert_allclose((first**2).sum(axis=0), radius, rtol=1e-5)
    plain = ((one.astype(float) - two) ** 2).sum(axis=0)
    ratio = ((first - second) ** 2).sum(axis=0) / plain
    assert ratio.min() > 0.999
    assert ratio.max() < 4 / 3 + 0.001


def test_values_beyond_the_range_are_finite(metric):
    vector = metric.key(np.full((2, 6, 7), 9, np.float32), 0, 0)
    assert np.isfinite(vector).all()
    np.testing.assert_array_equal(vector[-1], 0)
