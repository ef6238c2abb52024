"""Figure of the page "Memory"."""

import numpy as np
from matplotlib.figure import Figure

# Bytes a pixel of exact search with a tree, measured: see docs/performance.md.
_TREE = 190


def growth() -> Figure:
    """Memory over the side of a square RGB image."""
    sides = np.array([64, 128, 256, 512, 1024, 2048, 4096])
    pixels = sides.astype(float) ** 2
    curves = (
        ("all distances", 4 * pixels**2, "#d9822b", "-."),
        ("all patches unfolded, twice", 2 * 4 * 49 * 3 * pixels, "#8a63b8", "--"),
        ("pnncupy, exact with a tree", _TREE * pixels, "#2f6db3", "-"),
    )
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for label, memory, colour, style in curves:
        axes.plot(sides, memory / 1e9, color=colour, linestyle=style, linewidth=2, label=label)
    axes.axhline(16, color="grey", linewidth=0.8)
    axes.text(64, 22, "16 GB", color="grey", fontsize=8)
    axes.set(
        xscale="log", yscale="log", xlabel="side of the image in pixels", ylabel="memory in GB"
    )
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return figure
