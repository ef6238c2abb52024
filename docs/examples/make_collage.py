"""
Merge several images into one
=============================

:func:`pnncupy.collage` starts from the images side by side, shrinks this canvas step by step, and
keeps something of each image.
"""

# %%
# A cat and a rocket
# ------------------
# Give the collage room: without `shape` it has the size of the first image, and parts of each are
# lost.

import pnncupy as pnn
from pnncupy.samples import load_sample

cat, rocket = load_sample("chelsea"), load_sample("rocket")
result = pnn.collage([cat, rocket], shape=(165, 340), return_index=True)
figure = pnn.plot.compare({"cat": cat, "rocket": rocket, "collage": result.image}, size=4)

# %%
# Where each pixel comes from
# ---------------------------
# The index map names the source, row and column of every pixel. Colours change smoothly where a
# region was copied in one piece; the blue channel tells the two sources apart.

figure_index = pnn.plot.index_map([cat, rocket], result.index, result.image, size=4)

share = (result.index[..., 0] == 0).mean()
print(f"{share:.0%} of the pixels come from the cat, {1 - share:.0%} from the rocket")
