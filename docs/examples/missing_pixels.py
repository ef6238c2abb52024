"""
Missing pixels
==============

Measurements have gaps: dead pixels, clouds, trails, masked stars. Missing pixels are NaN, a
"no data" value, or what a masked array hides. No patch that contains one is used.
"""

# %%
# Fill the gaps
# -------------
# ``"nodata"`` as the mask of :func:`pnncupy.inpaint` means all missing pixels. The image is a part
# of the Hubble Deep Field (NASA; it comes with scikit-image), with the trail of a satellite, a dead
# column and an occluded disc.

import numpy as np
from skimage import data

import pnncupy as pnn

sky = pnn.resize(data.hubble_deep_field()[200:500, 100:520].astype("float32"), 0.4)
rows, columns = np.indices(sky.shape[:2])
gaps = np.abs(rows - 0.5 * columns - 16) < 1.5
gaps |= np.hypot(rows - 48, columns - 136) < 10
gaps[:, 32] = True

measured = sky.copy()
measured[gaps] = np.nan
filled = pnn.inpaint(measured, "nodata")

shown = np.where(gaps[..., None], 255, sky)
figure = pnn.plot.compare(
    {"measured (gaps white)": shown, "filled": filled, "original": sky}, data_range=(0, 255)
)

# %%
# What was measured is kept bit for bit. What was under the disc cannot be known: the filling is
# plausible, not true.

print("kept:", bool((filled[~gaps] == sky[~gaps]).all()))

# %%
# Generate from an image with gaps
# --------------------------------
# Other tasks take such images too, and their results have no gaps. Without ``nodata="nan"`` NaN is
# refused, so that it is never used by accident. With a small `alpha` all of the source is used, not
# only the dark sky.

realisations = pnn.generate(measured, 2, nodata="nan", independent=True, alpha=0.005, rng=1)
print("missing in the source:", int(np.isnan(measured).any(axis=2).sum()))
print("missing in the results:", int(np.isnan(realisations).sum()))
figure_realisations = pnn.plot.compare(
    {"source (gaps white)": shown, **{f"realisation {i}": r for i, r in enumerate(realisations)}},
    data_range=(0, 255),
)

# %%
# Integers with a value for "no data", and masked arrays, give the same result:

counts = np.where(gaps[..., None], 0, np.rint(sky) + 1).astype("uint16")
by_value = pnn.inpaint(counts, "nodata", nodata=0)
by_array = pnn.inpaint(np.ma.masked_equal(counts, 0), "nodata")
print("equal:", bool((by_value == by_array).all()))
