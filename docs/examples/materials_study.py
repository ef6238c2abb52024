"""
A materials study: representative microstructures
=================================================

One micrograph, many microstructures: how far do the statistics of synthesised realisations agree
with those of the measured section, and how large must a volume element be?
"""

# %%
# The section
# -----------
# A two-phase microstructure takes the place of a segmented micrograph: a threshold in a smooth
# Gaussian random field gives a phase fraction of 0.35.

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

import pnncupy as pnn
from pnncupy import metrics

field = gaussian_filter(np.random.default_rng(11).standard_normal((128, 128)), 2.5, mode="wrap")
section = (field > np.quantile(field, 0.65)).astype("uint8")

# %%
# Realisations
# ------------
# Labels stay labels (``categorical=True``), realisations do not share the section's layout
# (``independent=True``), and a small `alpha` keeps rare features, and with them the phase fraction.

realisations = pnn.generate(
    section, 6, shape=(96, 96), categorical=True, independent=True, alpha=0.01, rng=1
)
figure = pnn.plot.samples(section * 255, [image * 255 for image in realisations[:3]], columns=4)

# %%
# Two-point correlation
# ---------------------
# S2(r) is the probability that two pixels at a distance r are both in the phase (Torquato 2002,
# `doi:10.1007/978-1-4757-6355-3 <https://doi.org/10.1007/978-1-4757-6355-3>`__). Its value at 0 is
# the phase fraction, its slope there the length of the phase boundary.


def s2(image):
    """Two-point correlation of the bright phase up to 30 pixels."""
    return metrics.two_point_correlation(image, phase=1, largest_distance=30).probability


measured = s2(section)
synthesised = np.array([s2(image) for image in realisations])

figure_s2 = Figure(figsize=(6, 3.4), layout="constrained")
axes = figure_s2.subplots()
axes.plot(synthesised.T, color="#6c8ebf", linewidth=0.8, alpha=0.7)
axes.plot(synthesised.mean(axis=0), color="#2f6db3", linewidth=2, label="mean of 6 realisations")
axes.plot(measured, color="#d9822b", linewidth=2, linestyle="--", label="section")
axes.axhline(measured[0] ** 2, color="grey", linewidth=0.8, linestyle=":")
axes.set(xlabel="distance r in pixels", ylabel="S2(r)")
axes.legend(frameon=False)
figure_s2.alt = "S2 of the section, of six realisations, and their mean, over the distance"

# %%
# In numbers, with the standard deviation over the realisations:

fractions = synthesised[:, 0]
print(f"phase fraction: section {measured[0]:.3f}, "
      f"realisations {fractions.mean():.3f} +- {fractions.std(ddof=1):.3f}")  # fmt: skip
surface, made_surface = measured[0] - measured[1], synthesised[:, 0] - synthesised[:, 1]
print(f"boundary (slope at 0): realisations over section {made_surface.mean() / surface:.2f} "
      f"+- {made_surface.std(ddof=1) / surface:.2f}")  # fmt: skip

# %%
# A volume element for simulations
# --------------------------------
# Solvers with periodic boundaries need a periodic cell. A small one holds few features, so that its
# phase fraction scatters from cell to cell; the scatter tells how many cells, or how large ones, a
# property needs.

for side in (32, 48, 64):
    cells = pnn.generate(
        section, 4, shape=(side, side), periodic=True, categorical=True, independent=True,
        alpha=0.01, rng=2,
    )  # fmt: skip
    shares = cells.mean(axis=(1, 2))
    print(f"{side} x {side}: phase fraction {shares.mean():.3f} +- {shares.std(ddof=1):.3f}")

figure_cell = pnn.plot.compare(
    {"cell": cells[0] * 255, "repeated 2 x 2": np.tile(cells[0], (2, 2)) * 255}, size=2.6
)

# %%
# The same section grows to a volume by :func:`pnncupy.grow_volume`, see
# :ref:`sphx_glr_gallery_volume_from_slices.py`.
