"""
Volumes
=======

Every task takes volumes. From a single image, :func:`pnncupy.grow_volume` makes a volume whose
slices along all three axes look like that image: from a section to a solid microstructure.
"""

# %%
# From a section to a volume
# --------------------------
# The section has two phases, made by a threshold in a smooth random field.

import numpy as np
from scipy.ndimage import gaussian_filter

import pnncupy as pnn
from pnncupy import metrics

field = gaussian_filter(np.random.default_rng(5).standard_normal((64, 64)), 1.8, mode="wrap")
section = (field > 0.4 * field.std()).astype("uint8")
volume = pnn.grow_volume(section, (32, 32, 32), categorical=True, rng=1)

figure = pnn.plot.compare({"section": section * 255}, size=2.5)
figure_volume = pnn.plot.slices({"three slices of the volume": volume * 255}, size=4)

# %%
# The volume fraction is that of the section:

print(f"section {section.mean():.4f}, volume {volume.mean():.4f}")

# %%
# Its correlation is near that of the section, in all three directions:

for axis, name in enumerate("zyx"):
    s2 = metrics.two_point_correlation(volume, phase=1, axis=axis, largest_distance=12)
    print(f"S2 along {name} at distance 3: {s2.probability[3]:.3f}")
s2 = metrics.two_point_correlation(section, phase=1, largest_distance=12)
print(f"S2 of the section:          {s2.probability[3]:.3f}")

# %%
# More volumes from a volume
# --------------------------
# With ``channel_axis=None`` all axes of an array are space. Patches of 5 x 5 x 5 voxels are a good
# start, and ``independent=True`` drops the layout of so small a source.

realisations = pnn.generate(
    volume[:24, :24, :24],
    2,
    channel_axis=None,
    categorical=True,
    patch_size=5,
    independent=True,
    rng=3,
)
figure_realisations = pnn.plot.slices(
    {"source": volume[:24, :24, :24] * 255}
    | {f"realisation {i}": each * 255 for i, each in enumerate(realisations)},
    size=2.5,
)
