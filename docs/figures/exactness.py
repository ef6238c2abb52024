"""Figure of the page "Exactness and bits"."""

import numpy as np
from matplotlib.figure import Figure

import pnncupy as pnn
from pnncupy.samples import load_sample


def _unfolded(image, places, size=7):
    """Patches at given places as rows of values."""
    return np.stack([image[r : r + size, c : c + size].ravel() for r, c in places])


def rounding() -> Figure:
    """Relative errors of distances by a product, and by summed squared differences."""
    image = load_sample("chelsea").astype("float32") / 255
    matches = pnn.nearest_patches(image[:, :100], image[:, 100:])
    random = np.random.default_rng(0)
    rows = random.integers(0, matches.index.shape[0], 2000)
    columns = random.integers(0, matches.index.shape[1], 2000)
    queries = _unfolded(image[:, :100], zip(rows, columns, strict=True))
    keys = _unfolded(image[:, 100:], matches.index[rows, columns])
    exact = np.mean((queries.astype(np.float64) - keys) ** 2, axis=1)
    norms = np.sum(queries**2, axis=1) + np.sum(keys**2, axis=1)
    product = (norms - 2 * np.einsum("ij,ij->i", queries, keys)) / queries.shape[1]
    summed = matches.score[rows, columns]

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    bins = np.logspace(-10, 0, 60)
    for values, label, colour in (
        (product, "expansion into a product", "#d9822b"),
        (summed, "pnncupy", "#2f6db3"),
    ):
        errors = np.clip(np.abs(values / exact - 1), 1e-10, None)
        axes.hist(errors, bins, label=label, color=colour, alpha=0.8)
    axes.set(xscale="log", xlabel="relative error of the distance", ylabel="pairs")
    axes.legend(frameon=False)
    return figure
