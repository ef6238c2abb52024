"""Figure of the page "PatchMatch"."""

import numpy as np
from matplotlib.figure import Figure

import pnncupy as pnn
from pnncupy.samples import load_sample

_ROUNDS = (1, 2, 3, 4, 6, 8, 12, 16)


def convergence() -> Figure:
    """Mean distance over rounds, in units of exact search."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, colour in (("rocket", "#2f6db3"), ("chelsea", "#d9822b"), ("gravel", "#8a63b8")):
        image = load_sample(name)[:128, :192].astype("float32") / 255
        half = image.shape[1] // 2
        query, key = image[:, :half], image[:, half:]
        best = np.mean(pnn.nearest_patches(query, key).score)
        found = [
            np.mean(pnn.nearest_patches(query, key, method="patchmatch", rounds=rounds).score)
            for rounds in _ROUNDS
        ]
        axes.plot(_ROUNDS, np.array(found) / best, "o-", color=colour, label=name, markersize=4)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set(xlabel="rounds", ylabel="mean distance over exact", yscale="log")
    axes.set_yticks([1, 1.1, 1.2, 1.5], ["1", "1.1", "1.2", "1.5"])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return figure
