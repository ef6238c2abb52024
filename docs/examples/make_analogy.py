"""
The layout of one image in the texture of another
=================================================

:func:`pnncupy.analogy` rebuilds a structure image with the patches of a source.
"""

# %%
# A cat of gravel
# ---------------
# The structure gives the size and the coarse layout. `levels` says at which size the layout is
# taken over: with one level, the patches of the gravel are only arranged at three quarters of full
# size, and the cat remains visible. A small `alpha` asks that all of the gravel be used.

import pnncupy as pnn
from pnncupy.samples import load_sample

cat = load_sample("chelsea").mean(axis=2).astype("uint8")
gravel = load_sample("gravel")[:128, :128]
cat_of_gravel = pnn.analogy(gravel, cat, levels=1, alpha=0.001)
figure = pnn.plot.compare({"source": gravel, "structure": cat, "analogy": cat_of_gravel})

# %%
# More levels, less structure
# ---------------------------
# Each level more hands more of the layout to the texture.

by_levels = {
    f"levels={levels}": pnn.analogy(gravel, cat, levels=levels, alpha=0.001) for levels in (2, 3)
}
figure_levels = pnn.plot.compare({"levels=1": cat_of_gravel, **by_levels})

# %%
# As sharp as the source
# ----------------------
# Overlapping patches are averaged, which takes some of the grain. ``keep_grain=True`` copies pixels
# in the last vote instead.

from pnncupy.metrics import sharpness_ratio

sharp = pnn.analogy(gravel, cat, levels=1, alpha=0.001, keep_grain=True)
for name, image in {"averaged": cat_of_gravel, "keep_grain": sharp}.items():
    print(f"{name:10} sharpness {sharpness_ratio(gravel, image):.2f} of the source's")
figure_grain = pnn.plot.compare({"averaged": cat_of_gravel, "keep_grain=True": sharp})
