"""Sliders below a figure of slices, where matplotlib shows figures that can be moved."""

from collections.abc import Callable, Sequence
from typing import Any

from pnncupy.arrays import Array
from pnncupy.panel_figure import DOTS_PER_INCH, GAP, Figure

# In dots: a slider below a figure, its label and its value.
SLIDER, _LABEL, _VALUE = 20, 24, 48
# Backends of matplotlib that show nothing by themselves.
_STILL_BACKENDS = {"agg", "cairo", "inline", "pdf", "pgf", "ps", "svg", "template"}


def is_interactive() -> bool:
    """Test whether matplotlib's backend shows figures that can be moved."""
    try:
        import matplotlib
    except ImportError:  # which `figure_class` reports
        return False
    name = str(matplotlib.get_backend()).lower()
    return name.rpartition(".")[2].removeprefix("backend_") not in _STILL_BACKENDS


def managed_figure(**given: Any) -> Figure:
    """A figure in a window of its own."""
    from matplotlib import pyplot

    return pyplot.figure(**given)


def sliders_below(
    figure: Figure, point: Sequence[int], sides: Sequence[int], pictures: Sequence[Any],
    shown: Callable[[Sequence[int]], list[Array]],
) -> list[Any]:  # fmt: skip
    """A slider for each axis below a figure; each shows the slices at the new point."""
    from matplotlib.widgets import Slider

    width, height = figure.get_size_inches() * DOTS_PER_INCH
    left, long = GAP + _LABEL, width - 2 * GAP - _LABEL - _VALUE
    found: list[Any] = []

    def move(_: Any) -> None:
        for picture, image in zip(pictures, shown([int(each.val) for each in found]), strict=True):
            picture.set_data(image)
        figure.canvas.draw_idle()

    for row, (letter, place, side) in enumerate(zip("zyx", point, sides, strict=True)):
        bottom = GAP + (2 - row) * SLIDER
        box = (left / width, bottom / height, long / width, SLIDER / height)
        found.append(
            Slider(
                figure.add_axes(box), letter, 0, max(side - 1, 1), valinit=place, valstep=1
            )
        )  # fmt: skip
    for slider in found:
        slider.on_changed(move)
    return found
