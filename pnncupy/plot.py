"""Figures for notebooks and reports: images side by side, samples, and where pixels come from.

Needs matplotlib: ``pip install 'pnncupy[report]'``. No function here touches pyplot: a figure shows
itself in a notebook, and ``figure.savefig`` writes it, with or without a display.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.display import index_colours, middle_slices, preview
from pnncupy.images.intensity_encoding import value_range
from pnncupy.images.planes import ChannelAxis, as_planes
from pnncupy.search.index_map import checked_index

Figure = Any

_DOTS_PER_INCH = 100
_MOST_COLUMNS = 4
_ASPECT = 16 / 9
# In dots: white around and between images, and titles of 9 points.
_GAP = 10
_FONT_POINTS = 9
_LINE = 16
_LETTER = 7
_BELOW_TITLE = 4


def compare(
    images: Any,
    titles: Any = None,
    *,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
    columns: int | None = None,
    size: float = 3.0,
) -> Figure:
    """Show images side by side, all at one scale.

    Parameters
    ----------
    images : list of (H, W) or (H, W, C) arrays, or dict of them by title
        NumPy or CuPy arrays of any real dtype, finite; sizes, dtypes and channels may differ. Of
        two channels the first is shown, of three or more the first three as RGB, and a fourth of
        four is opacity over white.
    titles : list of str, optional
        One for each image, shown as it is: ``$`` and ``_`` mean themselves.
    data_range : (float, float), optional
        The values that are black and white in all images. Default: those of the first image, as
        tasks find them: 0 to 255 for uint8, 0 to 1 for bool, else its smallest and largest value.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of 3-D images.
    columns : int, optional
        Images in a row; default: up to four.
    size : float, default 3
        Longest side of the largest image in inches (100 dots each). It is rounded down such that
        a pixel takes a whole number of dots, if it takes one at all.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        An argument has the wrong type.
    ValueError
        An argument has a wrong value or shape.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> figure = pnn.plot.compare({"source": image, "half": pnn.resize(image, 0.5)})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['source', 'half']
    """
    if isinstance(images, Mapping):
        if titles is not None:
            raise ValueError(
                "`titles` must be None where `images` is a dict, whose keys are titles, got "
                f"{validation.shortened(titles)}"
            )
        titles, images = list(images), list(images.values())
    given = _list("images", images)
    labels = _titles(titles, len(given))
    names = [f"images[{number}]" for number in range(len(given))]
    shown = _previews(names, given, channel_axis, data_range)
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return _figure(_panels(shown, labels), width, size)


def samples(
    samples: Any,
    source: Any = None,
    *,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
    columns: int | None = None,
    size: float = 2.0,
) -> Figure:
    """Show samples in a grid, numbered from 0, their source first.

    Parameters
    ----------
    samples : (n, H, W) or (n, H, W, C) array, or list of images
        What ``generate`` returns with `n`, or images as in `compare`.
    source : (H, W) or (H, W, C) array, optional
        Their source.
    data_range : (float, float), optional
        The values that are black and white. Default: those of the source, or of the first sample,
        as in `compare`.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of one image.
    columns : int, optional
        Images in a row; default: as many as make the figure about as wide as a screen.
    size : float, default 2
        Longest side of the largest image in inches, as in `compare`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError, TypeError, ValueError
        As `compare`.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> made = pnn.generate(image, 3, rng=1, iterations=2)
    >>> len(pnn.plot.samples(made, image).axes)
    4
    """
    images = _stack_or_list(samples)
    names = [f"samples[{number}]" for number in range(len(images))]
    titles = [f"sample {number}" for number in range(len(images))]
    if source is not None:
        images, names, titles = [source, *images], ["source", *names], ["source", *titles]
    shown = _previews(names, images, channel_axis, data_range)
    width = validation.optional_integer("columns", columns, 1) or _columns_of_a_screen(shown)
    return _figure(_panels(shown, titles), width, size)


def index_map(
    index: Any,
    sources: Any,
    image: Any = None,
    *,
    opacity: float = 0.7,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
    columns: int | None = None,
    size: float = 5.0,
) -> Figure:
    """Show where every pixel comes from: the index map beside the sources, in the same colours.

    A pixel of the map has the colour of the place in a source that it was copied from: red rises
    with the column, green with the row, and blue tells several sources apart. A region that was
    copied in one piece is a smooth gradient, and a seam is an edge.

    Parameters
    ----------
    index : (H, W, 3) or (H, W, 2) integer array
        (source, row, column) of each pixel, as tasks return it; or (row, column) in one source.
    sources : (H, W) or (H, W, C) array, or a list of them
        What the index map points into, in the order of the task.
    image : (H, W) or (H, W, C) array, optional
        The image that the map belongs to. It is shown below the map's colours.
    opacity : float, default 0.7
        Of the colours over the images, which are grey below them: from 0, only the images, to
        1, only the colours.
    data_range : (float, float), optional
        The values that are black and white. Default: those of the first source, as in `compare`.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of 3-D images.
    columns : int, optional
        Images in a row; default: up to four.
    size : float, default 5
        Longest side of the largest image in inches, as in `compare`.

    Returns
    -------
    matplotlib.figure.Figure
        The map first, then the sources.

    Raises
    ------
    ImportError, TypeError
        As `compare`.
    ValueError
        As `compare`; or the map points outside of the sources.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    >>> made = pnn.generate(image, rng=1, iterations=2, return_index=True)
    >>> figure = pnn.plot.index_map(made.index, image, made.image)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['where pixels come from', 'source']
    """
    cover = _opacity(opacity)
    if isinstance(sources, (list, tuple)):
        images = _list("sources", sources)
        names = [f"sources[{number}]" for number in range(len(images))]
    else:
        images, names = [sources], ["sources"]
    count = len(images)
    if image is not None:
        images, names = [*images, image], [*names, "image"]
    shown = _previews(names, images, channel_axis, data_range)
    shapes = [panel.shape[:2] for panel in shown[:count]]
    numbers = _host_index(index, shapes)
    colours = index_colours(numbers, shapes)
    if image is not None:
        _check_same_size(shown[-1], numbers)
        colours = _over(shown[-1], colours, cover)
    keys = [
        _over(panel, index_colours(_positions(number, panel.shape[:2]), shapes), cover)
        for number, panel in enumerate(shown[:count])
    ]
    titles = ["source"] if count == 1 else [f"source {number}" for number in range(count)]
    panels = _panels([colours, *keys], ["where pixels come from", *titles])
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return _figure(panels, width, size)


def _list(name: str, images: Any) -> list[Any]:
    """Images that are given one by one; an array could be a single image."""
    alone = hasattr(images, "dtype") or isinstance(images, (str, bytes))
    if alone or not isinstance(images, Iterable):
        raise TypeError(
            f"`{name}` must be a list of arrays, got {type(images).__qualname__}; put a single "
            "image into a list"
        )
    found = list(images)
    if not found:
        raise ValueError(f"`{name}` must hold at least one image, got none")
    return found


def _stack_or_list(samples: Any) -> list[Any]:
    """Images along the first axis of an array, or those of a list."""
    if not hasattr(samples, "dtype"):
        return _list("samples", samples)
    arrays.library("samples", samples)
    if samples.ndim not in (3, 4) or len(samples) == 0:
        raise ValueError(
            "`samples` must be a list of images or an array of shape (n, H, W) or (n, H, W, C), "
            f"got shape {samples.shape}"
        )
    return [samples[number] for number in range(len(samples))]


def _titles(titles: Any, count: int) -> list[str]:
    """As many titles as images."""
    if titles is None:
        return [""] * count
    if isinstance(titles, (str, bytes)) or not isinstance(titles, Iterable):
        raise TypeError(f"`titles` must be a list of strings, got {titles!r}")
    found = [str(title) for title in titles]
    if len(found) != count:
        raise ValueError(f"`titles` must hold one for each of the {count} images, got {len(found)}")
    return found


def _opacity(opacity: Any) -> float:
    """A number from 0 to 1."""
    value = validation.non_negative("opacity", opacity)
    if value > 1:
        raise ValueError(f"`opacity` must be a number from 0 to 1, got {opacity!r}")
    return value


def _columns_of_a_screen(shown: Sequence[Array]) -> int:
    """As many columns as give the grid the aspect of a screen."""
    height = max(image.shape[0] for image in shown)
    width = max(image.shape[1] for image in shown)
    return max(1, round(math.sqrt(len(shown) * height / width * _ASPECT)))


def _previews(
    names: Sequence[str], images: Sequence[Any], channel_axis: ChannelAxis, data_range: Any
) -> list[Array]:
    """Images as 8-bit RGB on the host, in the value range of the first."""
    planes = [
        _host_planes(name, image, channel_axis) for name, image in zip(names, images, strict=True)
    ]
    limits = value_range(planes[:1], data_range)
    return [preview(np.moveaxis(_flat(each), 0, -1), limits) for each in planes]


def _flat(planes: Array) -> Array:
    """An image as it is; of a volume its three middle slices, side by side."""
    return planes if planes.ndim == 3 else middle_slices(planes)


def _host_planes(name: str, image: Any, channel_axis: ChannelAxis) -> Array:
    """A checked image as a (C, H, W) NumPy array."""
    arrays.library(name, image)
    on_host = arrays.on_host(image)
    planes = as_planes(name, on_host, channel_axis)
    arrays.check_finite(name, on_host, np)
    return planes


def _host_index(index: Any, shapes: Sequence[tuple[int, int]]) -> Array:
    """An index map that is inside of its sources, as a NumPy array."""
    arrays.library("index", index)
    numbers = arrays.on_host(index)
    without_source = numbers.ndim == 3 and numbers.shape[2] == 2 and len(shapes) == 1
    parts = checked_index("index", numbers, shapes, not without_source, 1)
    return np.stack(parts, axis=-1)


def _check_same_size(image: Array, index: Array) -> None:
    if image.shape[:2] != index.shape[:2]:
        raise ValueError(
            f"`image` must have the height and width of `index`, {index.shape[:2]}, got "
            f"{image.shape[:2]}"
        )


def _positions(source: int, shape: tuple[int, int]) -> Array:
    """The index map that renders a source as it is."""
    rows, columns = np.indices(shape)
    return np.stack([np.full(shape, source), rows, columns], axis=-1)


def _over(image: Array, colours: Array, opacity: float) -> Array:
    """Colours over an image in grey, so that every hue is one of the colours."""
    grey = image.mean(axis=2, keepdims=True)
    return np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)


class _Panel(NamedTuple):
    image: Array
    title: str


def _panels(images: Sequence[Array], titles: Sequence[str]) -> list[_Panel]:
    return [_Panel(*pair) for pair in zip(images, titles, strict=True)]


@dataclass(frozen=True)
class _Grid:
    """Positions of the panels of a figure, in dots from its upper left corner."""

    rows: list[list[_Panel]]
    scale: float  # dots a pixel

    @property
    def widths(self) -> list[float]:
        """Of the columns."""
        columns = range(len(self.rows[0]))
        return [
            max(row[k].image.shape[1] for row in self.rows if k < len(row)) * self.scale
            for k in columns
        ]

    def heading(self, row: Sequence[_Panel]) -> tuple[list[str], int]:
        """The titles of a row broken into lines, and the height that they take."""
        wrapped = [
            "\n".join(textwrap.wrap(panel.title, max(1, int(width / _LETTER))))
            for panel, width in zip(row, self.widths, strict=False)
        ]
        if not any(wrapped):
            return wrapped, 0
        lines = max(title.count("\n") + 1 for title in wrapped)
        return wrapped, lines * _LINE + _BELOW_TITLE

    def height(self, row: Sequence[_Panel]) -> float:
        """Of the images of a row."""
        pixels: int = max(panel.image.shape[0] for panel in row)
        return pixels * self.scale


def _figure(panels: Sequence[_Panel], columns: int, size: Any) -> Figure:
    """Panels in rows; the images of a row hang from one line below their titles."""
    make = _figure_class()
    rows = [list(panels[start : start + columns]) for start in range(0, len(panels), columns)]
    grid = _Grid(rows, _dots_per_pixel(panels, validation.positive("size", size)))
    width = sum(grid.widths) + (len(grid.widths) + 1) * _GAP
    height = sum(grid.heading(row)[1] + grid.height(row) + _GAP for row in rows) + _GAP
    figure = make(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
    # matplotlib's own choice, "antialiased", blurs pixels of three dots.
    interpolation = "nearest" if grid.scale >= 1 else "antialiased"
    top = float(_GAP)
    for row in rows:
        titles, heading = grid.heading(row)
        top += heading
        left = float(_GAP)
        for panel, title, column in zip(row, titles, grid.widths, strict=False):
            tall, wide = (side * grid.scale for side in panel.image.shape[:2])
            box = (left / width, 1 - (top + tall) / height, wide / width, tall / height)
            _draw(figure, panel.image, title, box, interpolation)
            left += column + _GAP
        top += grid.height(row) + _GAP
    # Without pyplot a notebook knows no other way to show a figure.
    figure._repr_png_ = partial(_png, figure)
    return figure


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`pnncupy.plot` needs matplotlib; install it with `pip install 'pnncupy[report]'`"
        ) from error
    return Figure


def _dots_per_pixel(panels: Sequence[_Panel], size: float) -> float:
    """A whole number, so that all pixels are equal, unless that would be none."""
    longest = max(max(panel.image.shape[:2]) for panel in panels)
    scale: float = size * _DOTS_PER_INCH / longest
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


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
