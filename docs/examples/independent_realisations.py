"""
Independent realisations
========================

Noise on top of the source still holds the source's layout, and realisations of a small image come
back much like it. Where an image is a sample of a stationary process, such as a microstructure,
realisations must be independent of it and of each other: ``independent=True`` starts from random
tiles instead.
"""

# %%
# With and without the layout of the source
# -----------------------------------------
# The source is a smooth random field, 112 pixels a side, whose blobs are large: little of it fits
# into the coarsest level, so that noise alone moves little.

import numpy as np
from scipy.ndimage import gaussian_filter

import pnncupy as pnn

field = gaussian_filter(np.random.default_rng(4).standard_normal((112, 112)), 4, mode="wrap")
source = np.clip(0.5 + 0.2 * field / field.std(), 0, 1).astype("float32")

independent = pnn.generate(source, 4, rng=1, independent=True)
with_layout = pnn.generate(source, 4, rng=1, independent=False)
images = [source, *with_layout[:3], source, *independent[:3]]
titles = ["source", *["with layout"] * 3, "source", *["independent"] * 3]
figure = pnn.plot.compare(images, titles, columns=4, data_range=(0, 1), size=2)

# %%
# How much of the source is at the same place
# -------------------------------------------
# The correlation of each realisation with the source, pixel by pixel:


def correlations(image, others):
    """Correlation coefficient of one image with each of the others."""
    return [float(np.corrcoef(image.ravel(), other.ravel())[0, 1]) for other in others]


for name, images in {"with layout": with_layout, "independent": independent}.items():
    values = " ".join(f"{value:+.2f}" for value in correlations(source, images))
    print(f"{name}: {values}")

# %%
# The mean of independent realisations of a stationary process becomes flat; that of realisations
# with one layout does not.

means = {
    "mean of 4 with layout": with_layout.mean(axis=0),
    "mean of 4 independent": independent.mean(axis=0),
}
figure_means = pnn.plot.compare({"source": source, **means}, data_range=(0, 1))

# %%
# The default
# -----------
# ``independent="auto"`` measures whether the source is stationary, and starts from tiles if it is.
# The source above is too small for its large blobs to look stationary; gravel does. What was
# measured is in the result's `info`: the share of the variance that the means of 4 x 4 blocks make
# up (at most 0.10), and the spread of their standard deviations (at most 0.15).

gravel = pnn.samples.load_sample("gravel")[:96, :96]
for name, image in {"random field": source, "gravel": gravel}.items():
    info = pnn.generate(image, rng=1, return_info=True, iterations=1).info
    means, deviations = info["stationarity"]
    print(f"{name:12} {means:.2f} {deviations:.2f}   independent: {info['independent']}")
