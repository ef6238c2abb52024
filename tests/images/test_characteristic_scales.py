"""The scale of the finest detail, and the noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import pnncupy as pnn
from pnncupy.images.characteristic_scales import characteristic_scales
from pnncupy.samples import load_sample


def length_by_loops(values, known):
    """Lag along the last axis at which the autocorrelation has fallen to 1/e, pair by pair."""
    side = values.shape[-1]
    correlations = []
    for lag in range(side):
        products, pairs = 0.0, 0
        for plane in values:
            for line, ok in zip(plane, known, strict=True):
                for first in range(side - lag):
                    if ok[first] and ok[first + lag]:
                        products += line[first] * line[first + lag]
                        pairs += 1
        correlations.append(products / pairs if pairs else 0.0)
    correlations = np.array(correlations) / correlations[0]
    lag = next(lag for lag, value in enumerate(correlations) if value < np.exp(-1))
    before, after = correlations[lag - 1], correlations[lag]
    return lag - (np.exp(-1) - after) / (before - after)


def detail_by_loops(planes, known):
    lengths = []
    for turned, mask in ((planes, known), (planes.swapaxes(1, 2), known.T)):
        both = mask[:, 1:] & mask[:, :-1]
        lengths.append(length_by_loops(np.where(both, np.diff(turned, axis=2), 0), both))
    return np.mean(lengths)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("holes", [False, True])
def test_detail_is_that_of_plain_loops(channels, holes):
    random = np.random.default_rng(channels)
    planes = gaussian_filter(random.normal(size=(channels, 14, 17)), (0, 1, 1))
    known = random.random((14, 17)) < 0.9 if holes else np.ones((14, 17), bool)
    found = characteristic_scales(planes, known if holes else None)
    assert found.detail == pytest.approx(detail_by_loops(planes, known), rel=1e-9)


def test_enlarging_enlarges_the_detail():
    photograph = load_sample("chelsea")[:80, :100]
    planes = np.moveaxis(photograph, -1, 0)
    larger = np.moveaxis(pnn.resize(photograph, 2), -1, 0)
    sharp, blurred = (characteristic_scales(image, None).detail for image in (planes, larger))
    assert sharp < 1
    assert 1.6 * sharp < blurred < 2.4 * sharp


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_noise_is_found_beside_structure(share):
    random = np.random.default_rng(0)
    structure = gaussian_filter(random.normal(size=(200, 200)), 6)
    structure /= structure.std()
    noisy = structure + random.normal(0, share, structure.shape)
    expected = share / np.sqrt(1 + share**2)
    assert characteristic_scales(noisy[None], None).noise == pytest.approx(expected, rel=0.05)


def test_missing_pixels_do_not_count():
    random = np.random.default_rng(0)
    image = gaussian_filter(random.normal(size=(60, 60)), 2)
    known = np.ones(image.shape, bool)
    known[20:30, 10:50] = False
    other = np.where(known, image, 1e6)
    first, second = (characteristic_scales(each[None], known) for each in (image, other))
    assert first == pytest.approx(second)


def test_what_has_no_detail_has_no_scale():
    assert characteristic_scales(np.full((1, 20, 20), 3.0), None) == (np.inf, 0.0)
    assert characteristic_scales(np.full((2, 1, 1), 3.0), None) == (np.inf, 0.0)
