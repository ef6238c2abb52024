"""
Generate images from one example
================================

:func:`pnncupy.generate` rearranges the patches of one image. Noise at the coarsest level of its
pyramid decides the new layout; from there to full size every patch is replaced by its nearest
neighbour in the source. There is no training.
"""

# %%
# Four realisations
# -----------------
# An integer `rng` makes the call reproducible: the same seed gives the same bits on every engine
# and for any number of threads. ``distinct=True`` synthesises a realisation again if it came back
# as a copy of the source.

import pnncupy as pnn
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
realisations = pnn.generate(rocket, 4, rng=10, distinct=True)
figure = pnn.plot.samples(rocket, realisations, columns=3)

# %%
# The photograph is by SpaceX (public domain) and comes with the package.
#
# Another size
# ------------
# `shape` sets the height and width of the result. The layout follows the source, stretched, and
# patches keep their size: the panorama has more sky and another mast, not a wider rocket.

panorama = pnn.generate(rocket, shape=(165, 400), rng=7)
figure_panorama = pnn.plot.compare({"source": rocket, "165 x 400 pixels": panorama}, size=5)

# %%
# More or less variety
# --------------------
# `variety` sets the noise by name. Low is the setting of the paper; with high more parts of a scene
# move, and some end up where they do not belong. The seed is the same in all three.

by_variety = {
    f'variety="{variety}"': pnn.generate(rocket, rng=4, variety=variety)
    for variety in ("low", "medium", "high")
}
figure_variety = pnn.plot.compare(by_variety)

# %%
# Realisation *i* depends on the seed and *i* alone, so that further ones can be made later, or on
# another computer.

third = pnn.generate(rocket, 1, rng=10, first_sample=2, distinct=True)
print("the third realisation again:", bool((third[0] == realisations[2]).all()))
