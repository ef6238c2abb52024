"""Figures of images beside and below each other, each pixel a whole number of dots."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

from pnncupy import validation
from pnncupy.arrays import Array

Figure = Any

DOTS_PER_INCH = 100
# In dots: white around and between images, and titles of 9 points.
GAP = 10
_FONT_POINTS = 9
_LINE = 16
_LETTER = 7
_BELOW_TITLE = 4
# A bar of colours: the white above it, its height, and that with its words.
_ABOVE_BAR, _BAR = 4, 8
_BAR_AND_WORDS = _ABOVE_BAR + _BAR + _LINE


class Bar(NamedTuple):
    """Colours (1, n, 3) of a bar below an image, and a word for each, or for the two ends."""

    colours: Array
    words: tuple[str, ...]


class Panel(NamedTuple):
    """An 8-bit image of a figure, its title, and the bar of its colours."""

    image: Array
    title: str
    bar: Bar | None = None


def panels_of(images: Sequence[Array], titles: Sequence[str]) -> list[Panel]:
    """Panels of images and their titles."""
    return [Panel(*pair) for pair in zip(images, titles, strict=True)]


@dataclass(frozen=True)
class _Grid:
    """Positions of the panels of a figure, in dots from its upper left corner."""

    rows: list[list[Panel]]
    scale: float  # dots a pixel

    @property
    def widths(self) -> list[float]:
        """Of the columns."""
        columns = range(len(self.rows[0]))
        return [
            max(row[k].image.shape[1] for row in self.rows if k < len(row)) * self.scale
            for k in columns
        ]

    def heading(self, row: Sequence[Panel]) -> tuple[list[str], int]:
        """The titles of a row broken into lines, and the height that they take."""
        wrapped = [
            "\n".join(textwrap.wrap(panel.title, max(1, int(width / _LETTER))))
            for panel, width in zip(row, self.widths, strict=False)
        ]
        if not any(wrapped):
            return wrapped, 0
        lines = max(title.count("\n") + 1 for title in wrapped)
        return wrapped, lines * _LINE + _BELOW_TITLE

    def height(self, row: Sequence[Panel]) -> float:
        """Of the images of a row, with their bars."""
        heights: list[float] = [
            panel.image.shape[0] * self.scale + (0 if panel.bar is None else _BAR_AND_WORDS)
            for panel in row
        ]
        return max(heights)


def panel_figure(
    panels: Sequence[Panel], columns: int, size: Any, *, make: Any = None, below: int = 0
) -> Figure:
    """Panels in rows; the images of a row hang from one line below their titles.

    Parameters
    ----------
    panels : sequence of Panel
    columns : int
        Panels in a row.
    size : float
        Longest side of the largest image in inches.
    make : callable, optional
        What makes the figure; default: `figure_class`.
    below : int, default 0
        Dots that are left free below all panels.
    """
    make = make or figure_class()
    rows = [list(panels[start : start + columns]) for start in range(0, len(panels), columns)]
    grid = _Grid(rows, _dots_per_pixel(panels, validation.positive("size", size)))
    width = sum(grid.widths) + (len(grid.widths) + 1) * GAP
    height = sum(grid.heading(row)[1] + grid.height(row) + GAP for row in rows) + GAP + below
    figure = make(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    # matplotlib's own choice, "antialiased", blurs pixels of three dots.
    interpolation = "nearest" if grid.scale >= 1 else "antialiased"
    top = float(GAP)
    for row in rows:
        titles, heading = grid.heading(row)
        top += heading
        left = float(GAP)
        for panel, title, column in zip(row, titles, grid.widths, strict=False):
            tall, wide = (side * grid.scale for side in panel.image.shape[:2])
            box = (left / width, 1 - (top + tall) / height, wide / width, tall / height)
            _draw(figure, panel.image, title, box, interpolation)
            if panel.bar is not None:
                bottom = top + tall + _ABOVE_BAR + _BAR
                _draw_bar(figure, panel.bar, (box[0], 1 - bottom / height, box[2], _BAR / height))
            left += column + GAP
        top += grid.height(row) + GAP
    # Without pyplot a notebook knows no other way to show a figure.
    figure._repr_png_ = partial(png, figure)
    return figure


def figure_class() -> Any:
    """Import matplotlib's class of figures, which need no pyplot."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`pnncupy.plot` needs matplotlib; install it with `pip install 'pnncupy[report]'`"
        ) from error
    return Figure


def _dots_per_pixel(panels: Sequence[Panel], size: float) -> float:
    """A whole number, so that all pixels are equal, unless that would be none."""
    longest = max(max(panel.image.shape[:2]) for panel in panels)
    scale: float = size * DOTS_PER_INCH / longest
    return float(math.floor(scale)) if scale >= 1 else scale


def _draw(
    figure: Figure, image: Array, title: str, box: tuple[float, ...], interpolation: str
) -> None:
    """One image that fills its axes, and its title as plain text."""
    axes = figure.add_axes(box)
    axes.imshow(image, aspect="auto", interpolation=interpolation)
    axes.set_axis_off()
    axes.set_title(
        title, loc="left", fontsize=_FONT_POINTS, pad=_BELOW_TITLE, parse_math=False, usetex=False
    )


def _draw_bar(figure: Figure, bar: Bar, box: tuple[float, ...]) -> None:
    """A bar of colours, and its words below it."""
    axes = figure.add_axes(box)
    axes.imshow(bar.colours, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    count = bar.colours.shape[1]
    for number, word in enumerate(bar.words):
        place, align = (number + 0.5) / count, "center"
        if len(bar.words) != count:
            place, align = float(number), ("left", "right")[number]
        axes.text(
            place, -0.3, word, transform=axes.transAxes, ha=align, va="top",
            fontsize=_FONT_POINTS - 1, parse_math=False,
        )  # fmt: skip


def png(figure: Figure) -> bytes:
    """Render a figure as the bytes of a PNG file."""
    stream = BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
