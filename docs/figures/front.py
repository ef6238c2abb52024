"""Figure of the front page."""

from matplotlib.figure import Figure

import pnncupy as pnn
from pnncupy.samples import load_sample


def realisations() -> Figure:
    """A photograph and three realisations, beside each other."""
    rocket = load_sample("rocket")
    images = [rocket, *pnn.generate(rocket, 3, rng=10, distinct=True)]
    titles = ["source", "realisation 0", "realisation 1", "realisation 2"]
    figure = Figure(figsize=(9.6, 1.85), layout="constrained")
    for axes, image, title in zip(figure.subplots(1, 4), images, titles, strict=True):
        axes.imshow(image)
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_axis_off()
    return figure
