"""
Where every pixel comes from
============================

With ``return_index=True`` a task also returns the source position of each pixel. Any other layer of
the source, such as labels, another channel or a height map, can be rendered through it.
"""

# %%
# An index map
# ------------
# Red rises with the column in the source, green with the row. A smooth gradient is a region that
# was copied in one piece; an edge is a seam.

import numpy as np

import pnncupy as pnn
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
result = pnn.generate(rocket, rng=3, return_index=True)
figure = pnn.plot.index_map(rocket, result.index, result.image, size=3, columns=2)

# %%
# Carry labels along
# ------------------
# The source's sky, ground and objects are separated here by brightness and row. The labels of the
# result follow from the map, and match it.

brightness = rocket.mean(axis=2)
rows = np.indices(brightness.shape)[0]
labels = np.where(rows > 140, 1, 0) + 2 * (brightness > 110)
new_labels = pnn.apply_index(labels, result.index)
figure_labels = pnn.plot.compare(
    {
        "source": rocket,
        "its labels": (labels * 85).astype("uint8"),
        "result": result.image,
        "labels through the map": (new_labels * 85).astype("uint8"),
    },
    columns=2,
)

# %%
# Exact copies
# ------------
# Patches overlap and are averaged, so that pixels of the result are usually not in the source. With
# ``vote="copy"`` each one is, and the map gives back the result bit for bit.

copied = pnn.generate(rocket, rng=3, vote="copy", return_index=True)
same = pnn.apply_index(rocket, copied.index)
print("equal:", bool((same == copied.image).all()))

# %%
# The largest piece that one translation moved covers this share of the pixels; more than 0.6 is a
# copy to the eye.

from pnncupy.metrics import translation_share

print(f"largest translation: {translation_share(result.index):.2f}")
