"""
Label images
============

Labels, such as phases, rock types or land cover, are names and not numbers: their mean says
nothing. With ``categorical=True`` distances count differing pixels, votes are majorities, and no
new label appears.
"""

# %%
# A map of parcels and three realisations
# ---------------------------------------
# Each pixel of the source has the label of the nearest of 70 random points.
# ``independent=True`` starts from random tiles, so that no realisation keeps the source's layout.

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

import pnncupy as pnn

random = np.random.default_rng(8)
points = random.uniform(0, 120, (70, 2))
kinds = random.integers(0, 4, 70)
pixels = np.stack(np.indices((120, 120)), axis=-1)
labels = kinds[cKDTree(points).query(pixels)[1]].astype("uint8")
realisations = pnn.generate(labels, 3, categorical=True, independent=True, rng=2)

colours = ListedColormap(["#264653", "#8ab17d", "#e9c46a", "#e76f51"])


def show(images):
    """Label images side by side, in the colours of their labels."""
    figure = Figure(figsize=(2.4 * len(images), 2.7), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(1, len(images)), images.items(), strict=True):
        axes.imshow(image, cmap=colours, vmin=0, vmax=3, interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_axis_off()
    return figure


figure = show(
    {"source": labels, **{f"realisation {i}": image for i, image in enumerate(realisations)}}
)

# %%
# Why not as numbers?
# -------------------
# As an ordinary image, labels 0 and 3 are averaged to 1 and 2 where they meet: rims of labels that
# have no business there. Isolated pixels, which differ from all four neighbours, count them.

numbers = pnn.generate(labels, categorical=False, independent=True, rng=2)
figure_numbers = show({"categorical": realisations[0], "as numbers": numbers})


def isolated(image):
    """Share of pixels whose label none of the pixels beside, above and below has."""
    inner = image[1:-1, 1:-1]
    neighbours = (image[1:-1, :-2], image[1:-1, 2:], image[:-2, 1:-1], image[2:, 1:-1])
    return np.all([inner != each for each in neighbours], axis=0).mean()


for name, image in {"source": labels, "categorical": realisations[0], "numbers": numbers}.items():
    print(f"{name:12} isolated pixels: {isolated(image):.2%}")

# %%
# Any numbers will do
# -------------------
# The values may be anything; no others appear in the result.

codes = np.array([7, 40, 1000, 52000])[labels]
result = pnn.generate(codes, categorical=True, rng=2)
print("source:", np.unique(codes), "result:", np.unique(result))
