"""A matplotlib figure as two images: one for light pages, one for dark ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from matplotlib.text import Text

# Text of the theme on its light and dark pages.
_INK = {"light": "#222832", "dark": "#ced6dd"}


def save_themed(figure: Any, path: Path, dots_per_inch: float | None = None) -> dict[str, Path]:
    """Write a figure without a background for both themes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        A PNG file; the one for dark pages has "_dark" behind its name.
    dots_per_inch : float, optional
        Default: that of the figure.

    Returns
    -------
    dict of Path
        The files, by "light" and "dark".
    """
    paths = {"light": path, "dark": path.with_name(f"{path.stem}_dark{path.suffix}")}
    for theme, file in paths.items():
        with _inked(figure, _INK[theme]):
            figure.savefig(file, dpi=dots_per_inch or figure.dpi, transparent=True)
    return paths


@contextmanager
def _inked(figure: Any, ink: str) -> Iterator[None]:
    """Draw all that is black in one colour; put back what there was."""
    undo = []
    for artist, get, put in _black_parts(figure):
        colour = getattr(artist, get)()
        if same_color(colour, "black"):
            undo.append((artist, put, colour))
            getattr(artist, put)(ink)
    for legend in figure.findobj(Legend):
        legend.get_frame().set_alpha(0)
    yield
    for artist, put, colour in undo:
        getattr(artist, put)(colour)


def _black_parts(figure: Any) -> Iterator[tuple[Any, str, str]]:
    """Texts, ticks, frames and patches of a figure, with how to read and set their colour."""
    for text in figure.findobj(Text):
        yield text, "get_color", "set_color"
    for axes in figure.findobj(Axes):
        for spine in axes.spines.values():
            yield spine, "get_edgecolor", "set_edgecolor"
        for axis in (axes.xaxis, axes.yaxis):
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                yield tick.tick1line, "get_markeredgecolor", "set_markeredgecolor"
        for line in axes.get_lines():
            yield line, "get_color", "set_color"
    for patch in figure.findobj(Patch):
        if patch.axes is not None and patch not in patch.axes.spines.values():
            yield patch, "get_edgecolor", "set_edgecolor"
