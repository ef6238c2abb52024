"""
Measure results
===============

A good realisation has the patches of its source, all of them, as sharp as there, and is no copy.
Each of these is a number in :mod:`pnncupy.metrics`.
"""

# %%
# Results that differ in quality
# ------------------------------
# Three ways to rearrange an image of gravel (CC0Textures, CC0): synthesis, a blurred synthesis, and
# random tiles pasted beside each other.

import numpy as np
from scipy.ndimage import gaussian_filter

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.samples import load_sample

gravel = load_sample("gravel")[:112, :112]
made = pnn.generate(gravel, 3, rng=1)
random = np.random.default_rng(0)
tiles = np.zeros_like(gravel)
for row in range(0, 112, 16):
    for column in range(0, 112, 16):
        top, left = random.integers(0, 96, 2)
        tiles[row : row + 16, column : column + 16] = gravel[top : top + 16, left : left + 16]
results = {"synthesis": made[0], "blurred": gaussian_filter(made[0], 1), "tiles": tiles}
figure = pnn.plot.compare({"source": gravel, **results}, size=2.3)

# %%
# The numbers
# -----------
# `coherence`: patches that the source does not have, 0 is best. `completeness`: patches of the
# source that are missing, 0 is best. `patch_swd`: distance of the distributions of patches, at
# three scales; here their mean. `sharpness_ratio`: 1 is as sharp as the source.

print("            coherence  completeness  patch SWD  sharpness")
for name, image in results.items():
    print(
        f"{name:12} {metrics.coherence(gravel, image):8.4f}"
        f" {metrics.completeness(gravel, image):13.4f}"
        f" {np.mean(metrics.patch_swd(gravel, image)):10.4f}"
        f" {metrics.sharpness_ratio(gravel, image):10.2f}"
    )

# %%
# Copies and diversity
# --------------------
# More than 30 dB at some small shift is a near-copy. `diversity` compares the realisations with
# each other: 0 if all are equal, about 1 if they share nothing but the histogram.

copy = metrics.near_copy(gravel, made[0])
print(f"nearest at shift {copy.shift}: {copy.psnr:.1f} dB, near-copy: {copy.is_copy}")
print(f"diversity of {len(made)} realisations: {metrics.diversity(gravel, made):.2f}")
