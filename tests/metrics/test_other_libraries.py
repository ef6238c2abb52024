"""Descriptors against PoreSpy and MCRpy, where these are installed (no extra brings them)."""

import importlib
import warnings

import numpy as np
import pytest
import scipy.ndimage

from pnncupy import metrics


def imported(name):
    """A module that may warn while it is loaded; skips where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


@pytest.fixture(params=[(60, 70), (24, 26, 28)], ids=["image", "volume"])
def phase(request, random):
    return scipy.ndimage.gaussian_filter(random.normal(size=request.param), 2) > 0


@pytest.mark.filterwarnings("ignore")
class TestPoreSpy:
    @pytest.fixture(autouse=True)
    def porespy(self):
        return imported("porespy")

    def test_local_thickness(self, porespy, phase):
        """Its radii are float32, and its other methods round them to whole numbers."""
        radius = imported("edt").edt(phase)
        sizes = np.unique(radius[phase])
        found = porespy.filters.local_thickness(phase, dt=radius, method="legacy", sizes=sizes)
        np.testing.assert_allclose(metrics.local_thickness(phase), 2 * found, atol=1e-6)

    def test_two_point_correlation(self, porespy, phase):
        """Its bins are [r, r + 1), which one row of pixels fills with r only."""
        row = phase[:1] if phase.ndim == 2 else phase[0, :1]
        reach = row.shape[1] // 2
        bins = np.arange(reach + 2)
        other = porespy.metrics.two_point_correlation(row, bins=bins).probability_scaled
        found = metrics.two_point_correlation(row, axis=1, largest_distance=reach)
        np.testing.assert_allclose(found.probability, other, atol=1e-12)

    def test_chord_lengths(self, porespy, phase):
        """It draws every other line, and drops what touches any border of these."""
        lines = tuple(slice(2, 2 * ((side - 1) // 2), 2) for side in phase.shape)
        for axis in range(phase.ndim):
            drawn = porespy.filters.apply_chords(phase, axis=axis, spacing=1)
            other = sorted(porespy.metrics.chord_counts(drawn))
            own = tuple(slice(None) if k == axis else each for k, each in enumerate(lines))
            found = metrics.chord_lengths(phase[own], axis=axis)
            assert np.repeat(found.length, found.count).tolist() == other

    def test_crossings(self, porespy, random):
        for share in (0.3, 0.6, 0.75):
            image = random.random((20, 30)) < share
            found = metrics.connectivity_function(image).crosses
            assert found == tuple(
                porespy.metrics.is_percolating(image, axis=axis, conn="min") for axis in (0, 1)
            )


@pytest.mark.filterwarnings("ignore")
def test_two_point_correlation_of_mcrpy(random):
    """Periodic, for each displacement; its lineal path is a smooth approximation."""
    imported("mcrpy")
    correlations = importlib.import_module("mcrpy.descriptors.FFTCorrelations").FFTCorrelations
    phase = scipy.ndimage.gaussian_filter(random.normal(size=(60, 60)), 2) > 0
    reach = 7
    descriptor = correlations.make_singlephase_descriptor(phase.shape, reach + 1)
    other = np.asarray(descriptor(phase.astype(np.float64).reshape(1, 60, 60, 1)))
    for axis, line in enumerate((other[reach:, reach], other[reach, reach:])):
        found = metrics.two_point_correlation(
            phase, axis=axis, periodic=True, largest_distance=reach
        )
        np.testing.assert_allclose(found.probability, line, atol=1e-12)
