"""
Seamless tiles
==============

``periodic=True`` wraps the result around: its right border continues at the left one, its bottom at
the top. It can be repeated without a seam, as a texture or as the unit cell of a simulation.
"""

# %%
# A tile of gravel
# ----------------

import numpy as np

import pnncupy as pnn
from pnncupy.samples import load_sample

gravel = load_sample("gravel")
ordinary = pnn.generate(gravel, shape=(64, 64), rng=1)
tile = pnn.generate(gravel, shape=(64, 64), rng=1, periodic=True)

repeated = {
    "source": gravel[:128, :128],
    "ordinary, 2 x 2": np.tile(ordinary, (2, 2)),
    "periodic, 2 x 2": np.tile(tile, (2, 2)),
}
figure = pnn.plot.compare(repeated)

# %%
# The step across the seam, over the mean step inside:


def seam(image):
    """Mean absolute step across the wrapped border, in units of that inside."""
    across = np.abs(image[:, 0].astype(float) - image[:, -1]).mean()
    return across / np.abs(np.diff(image.astype(float), axis=1)).mean()


print(f"ordinary: {seam(ordinary):.2f}, periodic: {seam(tile):.2f}")

# %%
# One direction only
# ------------------
# A strip repeats to the left and right, but not upwards: ``periodic=(False, True)``.

strip = pnn.generate(gravel, shape=(48, 96), rng=2, periodic=(False, True))
figure_strip = pnn.plot.compare({"repeated three times": np.tile(strip, (1, 3))}, size=6)

# %%
# A larger tile from a tile
# -------------------------
# ``source_periodic=True`` says that the source is a tile itself, so that patches are taken across
# its border too.

larger = pnn.retarget(tile, (64, 96), periodic=True, source_periodic=True)
figure_larger = pnn.plot.compare({"tile": tile, "retargeted to 64 x 96": larger})
