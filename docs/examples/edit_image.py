"""
Make a rough edit seamless
==========================

Cut, paste and move parts of an image by hand; :func:`pnncupy.edit` rebuilds the rough edit with
patches of the unedited image, so that seams disappear.
"""

# %%
# A second rocket
# ---------------
# The paste below covers the mast at the left and has hard edges.

import pnncupy as pnn
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
rough = rocket.copy()
rough[30:, 58:98] = rocket[30:, 105:145]
seamless = pnn.edit(rocket, rough, levels=2)
figure = pnn.plot.compare({"source": rocket, "rough edit": rough, "edit": seamless})

# %%
# How much may change
# -------------------
# `levels` sets how far from a seam pixels may change. With one level only the nearest pixels are
# rebuilt, with many the coarse layout may change too, also where it should stay.

by_levels = {f"levels={levels}": pnn.edit(rocket, rough, levels=levels) for levels in (1, 2, 4)}
figure_levels = pnn.plot.compare(by_levels)

# %%
# Keep what is far from the edit
# ------------------------------
# With a mask of the edit, pixels farther from it than two patches are returned bit for bit.

import numpy as np

mask = np.zeros(rocket.shape[:2], bool)
mask[30:, 58:98] = True
kept = pnn.edit(rocket, rough, levels=2, mask=mask)
changed = (kept != rocket).any(axis=2)
columns = np.flatnonzero(changed.any(axis=0))
print(f"changed columns: {columns.min()} to {columns.max()} of {rocket.shape[1]}")
