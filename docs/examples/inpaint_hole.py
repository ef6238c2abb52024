"""
Fill holes: remove objects, steer what appears
==============================================

:func:`pnncupy.inpaint` fills the pixels of a mask with patches from elsewhere in the image. Pixels
outside the mask are returned bit for bit.
"""

# %%
# Remove a mast
# -------------
# ``fill="smooth"`` starts from a smooth continuation of what surrounds the hole: this removes
# whatever the mask covers.

import numpy as np

import pnncupy as pnn
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
mask = np.zeros(rocket.shape[:2], bool)
mask[40:150, 164:192] = True
removed = pnn.inpaint(rocket, mask, fill="smooth")

covered = rocket.copy()
covered[mask] = (255, 0, 128)
figure = pnn.plot.compare({"source": rocket, "mask": covered, "filled": removed})

# %%
# Pixels outside the mask are untouched:

print("unchanged outside:", bool((removed[~mask] == rocket[~mask]).all()))

# %%
# Steer the content with colours
# ------------------------------
# Without `fill` the values inside the hole steer what appears there, as in the conditional
# inpainting of the GPNN paper. The hole covers a spoon: red paint asks for the saucer, brown paint
# for the wood of the table. The photograph "coffee" comes with scikit-image (Rachel Michetti, CC0).

from skimage import data

coffee = pnn.resize(data.coffee(), 0.4)
spoon = np.zeros(coffee.shape[:2], bool)
spoon[101:140, 123:168] = True
steered = {}
for colour, patch in {"red": coffee[60:140, 52:66], "brown": coffee[20:60, 200:235]}.items():
    painted = coffee.copy()
    painted[spoon] = np.median(patch.reshape(-1, 3), axis=0)
    steered[f"painted {colour}"] = painted
    steered[f"filled from {colour}"] = pnn.inpaint(painted, spoon, levels=3)
figure_steered = pnn.plot.compare(steered, columns=2)

# %%
# Scratches and text
# ------------------
# Thin damage needs nothing special: each hole starts at the pyramid level of its own width. See
# :doc:`/defects` for figures beside other methods.

cat = load_sample("chelsea")
scratches = np.zeros(cat.shape[:2], bool)
scratches[60:63] = True
rows = np.arange(cat.shape[0])
for offset in range(3):
    scratches[rows, (40 + rows // 2 + offset) % cat.shape[1]] = True
damaged = cat.copy()
damaged[scratches] = 255
repaired = pnn.inpaint(damaged, scratches, fill="smooth")
figure_scratches = pnn.plot.compare({"source": cat, "scratched": damaged, "repaired": repaired})
