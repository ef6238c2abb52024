"""Figures for notebooks and reports: images side by side, samples, and where pixels come from.

Needs matplotlib: ``pip install 'pnncupy[report]'``. A figure shows itself in a notebook, and
``figure.savefig`` writes it, with or without a display. Only `slices` touches pyplot, and only
where its backend is interactive, so that sliders can move.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.curve_figure import descriptors as descriptors
from pnncupy.display import index_colours, middle_slices, preview, slices_at
from pnncupy.ensemble_figure import ensemble as ensemble
from pnncupy.figure_inputs import (
    check_index_map,
    check_same_size,
    check_source,
    checked_opacity,
    host_index,
    host_planes,
    image_list,
    named_images,
    point_in_volumes,
    result_list,
    volume_planes,
)
from pnncupy.images.intensity_encoding import value_range
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.result_images import is_list
from pnncupy.panel_figure import GAP, Figure, panel_figure, panels_of
from pnncupy.parameter_hints import hint_at_names
from pnncupy.slice_sliders import SLIDER, is_interactive, managed_figure, sliders_below

__all__ = ["compare", "descriptors", "ensemble", "index_map", "samples", "slices"]

_MOST_COLUMNS = 4
_ASPECT = 16 / 9


@hint_at_names
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
    given, labels = named_images("images", images, titles)
    names = [f"images[{number}]" for number in range(len(given))]
    shown = _previews(names, given, channel_axis, data_range)
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return panel_figure(panels_of(shown, labels), width, size)


@hint_at_names
def samples(
    source: Any,
    result: Any,
    *,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
    columns: int | None = None,
    size: float = 2.0,
) -> Figure:
    """Show samples in a grid, numbered from 0, their source first.

    Parameters
    ----------
    source : (H, W) or (H, W, C) array, or None
        Their source; None shows the samples only.
    result : (n, H, W) or (n, H, W, C) array, or list of images
        What ``generate`` returns with `n`, or images as in `compare`; of volumes, (n, Z, Y, X) or
        (n, Z, Y, X, C), the three middle slices are shown.
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
    >>> len(pnn.plot.samples(image, made).axes)
    4
    """
    check_source(source, result, channel_axis)
    images = result_list(result)
    names = [f"result[{number}]" for number in range(len(images))]
    titles = [f"sample {number}" for number in range(len(images))]
    if source is not None:
        images, names, titles = [source, *images], ["source", *names], ["source", *titles]
    shown = _previews(names, images, channel_axis, data_range)
    width = validation.optional_integer("columns", columns, 1) or _columns_of_a_screen(shown)
    return panel_figure(panels_of(shown, titles), width, size)


@hint_at_names
def slices(
    volumes: Any,
    titles: Any = None,
    *,
    position: tuple[int, int, int] | None = None,
    sliders: bool | None = None,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = None,
    columns: int | None = None,
    size: float = 3.0,
) -> Figure:
    """Show three slices of each volume through one point, with sliders to move it.

    Parameters
    ----------
    volumes : list of (Z, Y, X) or (Z, Y, X, C) arrays, or dict of them by title
        As in `plot.compare`. The slice of rows and columns is at the top left, beside it that of
        rows and slices, below it that of slices and columns.
    titles : list of str, optional
        As in `plot.compare`.
    position : (int, int, int), optional
        Slice, row and column of the point in all volumes; a smaller one shows its last slice.
        Default: the middle of the first volume.
    sliders : bool, optional
        Whether there is a slider for each axis. Default: where matplotlib's backend is
        interactive; then pyplot manages the figure, and ``matplotlib.pyplot.show()`` opens it.
    data_range
        As in `plot.compare`.
    channel_axis : int, None or "auto", default None
        Axis of the channels of 4-D arrays; None is their last one, if it is 1 to 4 long. 3-D
        arrays have none.
    columns, size
        As in `plot.compare`.

    Returns
    -------
    matplotlib.figure.Figure
        Its attribute ``sliders`` holds the widgets for z, y and x.

    Raises
    ------
    ImportError, TypeError
        As `compare`.
    ValueError
        As `compare`; or an array is no volume, or `position` is outside of all volumes.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> volume = np.random.default_rng(0).random((8, 10, 12))
    >>> figure = pnn.plot.slices([volume], position=(2, 5, 7), sliders=True)
    >>> [slider.val for slider in figure.sliders]
    [2, 5, 7]
    """
    given, labels = named_images("volumes", volumes, titles)
    names = [f"volumes[{number}]" for number in range(len(given))]
    planes = [
        volume_planes(name, volume, channel_axis) for name, volume in zip(names, given, strict=True)
    ]
    limits = value_range(planes[:1], data_range)
    sides = [max(each.shape[1 + axis] for each in planes) for axis in range(3)]
    point = point_in_volumes(position, planes[0].shape[1:], sides)

    def shown(point: Sequence[int]) -> list[Array]:
        return [preview(np.moveaxis(slices_at(each, point), 0, -1), limits) for each in planes]

    moving = is_interactive() if sliders is None else validation.flag("sliders", sliders)
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    figure = panel_figure(
        panels_of(shown(point), labels), width, size,
        make=managed_figure if moving and is_interactive() else None,
        below=3 * SLIDER + GAP if moving else 0,
    )  # fmt: skip
    pictures = [axes.images[0] for axes in figure.axes]
    figure.sliders = sliders_below(figure, point, sides, pictures, shown) if moving else []
    return figure


@hint_at_names
def index_map(
    source: Any,
    index: Any,
    result: Any = None,
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
    source : (H, W) or (H, W, C) array, or a list of them
        What the index map points into, in the order of the task.
    index : (H, W, 3) or (H, W, 2) integer array
        (source, row, column) of each pixel, as tasks return it; or (row, column) in one source.
    result : (H, W) or (H, W, C) array, optional
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
    >>> figure = pnn.plot.index_map(image, made.index, made.image)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['where pixels come from', 'source']
    """
    cover = checked_opacity(opacity)
    check_index_map(source, index)
    if is_list(source):
        images = image_list("source", source)
        names = [f"source[{number}]" for number in range(len(images))]
    else:
        images, names = [source], ["source"]
    count = len(images)
    if result is not None:
        images, names = [*images, result], [*names, "result"]
    shown = _previews(names, images, channel_axis, data_range)
    shapes = [panel.shape[:2] for panel in shown[:count]]
    numbers = host_index(index, shapes)
    colours = index_colours(numbers, shapes)
    if result is not None:
        check_same_size(shown[-1], numbers)
        colours = _over(shown[-1], colours, cover)
    keys = [
        _over(panel, index_colours(_positions(number, panel.shape[:2]), shapes), cover)
        for number, panel in enumerate(shown[:count])
    ]
    titles = ["source"] if count == 1 else [f"source {number}" for number in range(count)]
    panels = panels_of([colours, *keys], ["where pixels come from", *titles])
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return panel_figure(panels, width, size)


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
        host_planes(name, image, channel_axis) for name, image in zip(names, images, strict=True)
    ]
    limits = value_range(planes[:1], data_range)
    return [preview(np.moveaxis(_flat(each), 0, -1), limits) for each in planes]


def _flat(planes: Array) -> Array:
    """An image as it is; of a volume its three middle slices, side by side."""
    return planes if planes.ndim == 3 else middle_slices(planes)


def _positions(source: int, shape: tuple[int, int]) -> Array:
    """The index map that renders a source as it is."""
    rows, columns = np.indices(shape)
    return np.stack([np.full(shape, source), rows, columns], axis=-1)


def _over(image: Array, colours: Array, opacity: float) -> Array:
    """Colours over an image in grey, so that every hue is one of the colours."""
    grey = image.mean(axis=2, keepdims=True)
    return np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)
