"""
Choose parameters
=================

Four parameters decide most of what a result looks like: `patch_size`, `levels`, `alpha` and the
noise. This page varies one at a time, with the same seed.
"""

# %%
# Patch size
# ----------
# A patch must hold what has to stay together. Small patches mix freely and lose structure, large
# ones copy larger pieces. "brick" comes with scikit-image (CC0Textures, CC0).

from skimage import data

import pnncupy as pnn
from pnncupy import metrics

brick = pnn.resize(data.brick(), 0.25)[:96, :96]
by_patch = {
    f"patch_size={size}": pnn.generate(brick, rng=1, patch_size=size) for size in (3, 7, 15)
}
figure = pnn.plot.compare({"source": brick, **by_patch}, size=2)

# %%
# ``patch_size="auto"`` measures how blurred the finest details are:

info = pnn.generate(brick, rng=1, patch_size="auto", iterations=1, return_info=True).info
print("chosen patch size:", info["patch_size"])

# %%
# Levels
# ------
# The coarsest level is where noise decides the layout. Fewer levels: more variety, and less of the
# source's large structure.

rocket = pnn.samples.load_sample("rocket")
by_levels = {f"levels={n}": pnn.generate(rocket, rng=4, levels=n) for n in (4, 6, 8)}
figure_levels = pnn.plot.compare(by_levels)

# %%
# Completeness
# ------------
# ``alpha=inf`` lets each patch take its nearest neighbour, whatever is left out. Small values make
# patches of the source that nobody uses cheap, so that the result shows more of it. `completeness`
# is 0 when nothing of the source is missing. In a part of the Hubble Deep Field (NASA; it comes
# with scikit-image) most patches are dark sky, a near neighbour of almost anything faint.

sky = pnn.resize(data.hubble_deep_field()[200:500, 100:520], 0.25)
by_alpha = {}
for alpha in (float("inf"), 0.02, 0.002):
    image = pnn.generate(sky, rng=1, alpha=alpha, independent=True)
    by_alpha[f"alpha={alpha}"] = image
    print(f"alpha={alpha:<6} completeness {metrics.completeness(sky, image):.5f}")
figure_alpha = pnn.plot.compare({"source": sky, **by_alpha}, columns=2)

# %%
# Noise
# -----
# From 0, which gives back about the source, to values that forget it.

by_noise = {
    f"noise_std={std}": pnn.generate(rocket, rng=6, noise_std=std) for std in (0, 0.75, 2.5)
}
figure_noise = pnn.plot.compare(by_noise)
for name, image in by_noise.items():
    copy = metrics.near_copy(rocket, image)
    print(f"{name:15} {copy.psnr:4.1f} dB from the source at the best shift")
