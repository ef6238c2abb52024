"""
Change the size of an image, not of its objects
===============================================

:func:`pnncupy.retarget` changes the aspect of an image while objects keep their shape. Resizing
would squeeze them, cropping would lose them.
"""

# %%
# Narrower and taller
# -------------------
# Large changes go in several small steps of their own accord (``gradual="auto"``), which keeps
# objects whole. Growing repeats what there is: the tall image has a longer sky.

import pnncupy as pnn
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
narrow = pnn.retarget(rocket, (165, 149))
tall = pnn.retarget(rocket, (198, 248))
figure = pnn.plot.compare({"source": rocket, "0.6 of the width": narrow, "1.2 of the height": tall})

# %%
# Beside resizing and the classical method
# ----------------------------------------
# Bidirectional similarity (Simakov et al. 2008,
# `doi:10.1109/CVPR.2008.4587842 <https://doi.org/10.1109/CVPR.2008.4587842>`__) is the method that
# GPNN builds on: :func:`pnncupy.baselines.bidirectional_similarity`.

from pnncupy.baselines import bidirectional_similarity

results = {
    "retarget": narrow,
    "bidirectional": bidirectional_similarity(rocket, (165, 149)),
    "resized": pnn.resize(rocket, (1, 149 / 248), (165, 149)),
}
figure_methods = pnn.plot.compare(results)

# %%
# `coherence` is 0 if every patch of the result is in the source, `completeness` is 0 if every patch
# of the source is in the result; both in squared units of the value range.

from pnncupy import metrics

for name, image in results.items():
    coherence = metrics.coherence(rocket, image)
    completeness = metrics.completeness(rocket, image)
    print(f"{name:14} coherence {coherence:.5f}   completeness {completeness:.5f}")
