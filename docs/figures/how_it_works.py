"""Figures of the page "How it works"."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import pnncupy as pnn
from pnncupy.samples import load_sample

_COLOURS = ("#ff9f1c", "#2ec4b6", "#e71d36")


def _panels(images, titles, rows=1, *, scale=1.0, **options):
    """A figure with images in rows."""
    columns = len(images) // rows
    height, width = images[0].shape[:2]
    size = (2.4 * columns * scale, (2.4 * height / width + 0.3) * rows * scale)
    figure = Figure(figsize=size, layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, image, title in zip(grid, images, titles, strict=True):
        axes.imshow(image, **options)
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_axis_off()
    return figure, grid


def one_step() -> Figure:
    """A query, its matches in the source, and the vote."""
    source = pnn.resize(load_sample("rocket"), 0.3).astype("float32") / 255
    noise = np.random.default_rng(3).normal(0, 0.12, source.shape)
    query = np.clip(np.roll(source, 9, axis=1) + noise, 0, 1).astype("float32")
    matches = pnn.nearest_patches(query, source)
    result = pnn.vote(source, matches.index)
    figure, grid = _panels(
        [query, np.clip(source, 0, 1), np.clip(result, 0, 1)], ["query", "source", "vote"]
    )
    for colour, (row, column) in zip(_COLOURS, ((20, 38), (40, 14), (36, 62)), strict=True):
        for axes, place in zip(grid, ((row, column), matches.index[row, column]), strict=False):
            corner = (place[1] - 0.5, place[0] - 0.5)
            axes.add_patch(Rectangle(corner, 7, 7, fill=False, edgecolor=colour, linewidth=1.6))
    return figure


def levels() -> Figure:
    """The source's pyramid and the result at the end of the same levels."""
    source = load_sample("rocket")
    finished = {}

    def keep(event):
        if event.finished:  # later steps of a level replace earlier ones
            finished[event.level] = event.render()

    pnn.generate(source, rng=3, callback=keep)
    coarsest = max(finished)
    shown = [coarsest, coarsest - 2, coarsest - 4, coarsest - 6, 0]
    pyramid = pnn.pyramid(source, coarsest)
    images = [np.clip(pyramid[level] / 255, 0, 1) for level in shown]
    images += [finished[level] for level in shown]
    titles = [f"source, level {level}" for level in shown]
    titles += [f"result, level {level}" for level in shown]
    largest = [source] * len(images)
    figure, grid = _panels(largest, titles, 2, scale=0.75)
    for axes, image in zip(grid, images, strict=True):
        axes.clear()
        axes.imshow(image, interpolation="nearest")
        axes.set_axis_off()
    for axes, title in zip(grid, titles, strict=True):
        axes.set_title(title, loc="left", fontsize=8)
    return figure


def completeness() -> Figure:
    """Counts of how often pixels of the source are used, for two values of alpha."""
    source = load_sample("rocket")
    counts = []
    for alpha in (float("inf"), 0.005):
        made = pnn.generate(source, rng=4, alpha=alpha, return_index=True)
        place = np.ravel_multi_index(
            tuple(np.moveaxis(made.index[..., 1:], -1, 0)), source.shape[:2]
        )
        used = np.bincount(place.ravel(), minlength=source[..., 0].size).reshape(source.shape[:2])
        counts.append(used)
    figure, grid = _panels(
        [source, *(np.minimum(each, 4) for each in counts)],
        ["source", "alpha = inf", "alpha = 0.005"], cmap="viridis",
    )  # fmt: skip
    bar = figure.colorbar(grid[-1].images[0], ax=list(grid[1:]), shrink=0.75, ticks=range(5))
    bar.ax.set_yticklabels(["0", "1", "2", "3", "4+"])
    bar.set_label("times used", fontsize=8)
    for axes, used in zip(grid[1:], counts, strict=True):
        title = axes.get_title(loc="left")
        axes.set_title(f"{title}: {np.mean(used == 0):.0%} unused", loc="left", fontsize=9)
    return figure
