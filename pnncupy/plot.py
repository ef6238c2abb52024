"""Figures for notebooks and reports: images side by side, samples, and where pixels come from.

Needs matplotlib: ``pip install 'pnncupy[report]'``. A figure shows itself in a notebook, and
``figure.savefig`` writes it, with or without a display. Only `slices` touches pyplot, and only
where its backend is interactive, so that sliders can move.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.curve_figure import descriptors as descriptors
from pnncupy.display import index_colours, middle_slices, preview, slices_at
from pnncupy.images.intensity_encoding import value_range
from pnncupy.images.planes import ChannelAxis, as_planes
from pnncupy.panel_figure import GAP, Figure, panel_figure, panels_of
from pnncupy.search.index_map import checked_index
from pnncupy.slice_sliders import SLIDER, is_interactive, managed_figure, sliders_below

_MOST_COLUMNS = 4
_MOST_CHANNELS = 4
_ASPECT = 16 / 9


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
    given, labels = _named("images", images, titles)
    names = [f"images[{number}]" for number in range(len(given))]
    shown = _previews(names, given, channel_axis, data_range)
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return panel_figure(panels_of(shown, labels), width, size)


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
        What ``generate`` returns with `n`, or images as in `compare`; of volumes, (n, Z, Y, X) or
        (n, Z, Y, X, C), the three middle slices are shown.
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
    return panel_figure(panels_of(shown, titles), width, size)


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
    data_range, columns, size
        As in `plot.compare`.
    channel_axis : int, None or "auto", default None
        Axis of the channels of 4-D arrays; None is their last one, if it is 1 to 4 long. 3-D
        arrays have none.

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
    given, labels = _named("volumes", volumes, titles)
    names = [f"volumes[{number}]" for number in range(len(given))]
    planes = [
        _volume_planes(name, volume, channel_axis)
        for name, volume in zip(names, given, strict=True)
    ]
    limits = value_range(planes[:1], data_range)
    sides = [max(each.shape[1 + axis] for each in planes) for axis in range(3)]
    point = _point(position, planes[0].shape[1:], sides)

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
    panels = panels_of([colours, *keys], ["where pixels come from", *titles])
    width = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    return panel_figure(panels, width, size)


def _named(name: str, images: Any, titles: Any) -> tuple[list[Any], list[str]]:
    """Images and their titles, which a dict has as keys."""
    if isinstance(images, Mapping):
        if titles is not None:
            raise ValueError(
                f"`titles` must be None where `{name}` is a dict, whose keys are titles, got "
                f"{validation.shortened(titles)}"
            )
        titles, images = list(images), list(images.values())
    given = _list(name, images)
    return given, _titles(titles, len(given))


def _volume_planes(name: str, volume: Any, channel_axis: ChannelAxis) -> Array:
    """A checked volume as a (C, Z, Y, X) NumPy array."""
    if channel_axis is None and getattr(volume, "ndim", 0) == 4:
        channel_axis = -1 if volume.shape[-1] <= _MOST_CHANNELS else None
    planes = _host_planes(name, volume, channel_axis)
    if planes.ndim != 4:
        raise ValueError(f"`{name}` must be a volume, got an image of shape {tuple(volume.shape)}")
    return planes


def _point(position: Any, first: Sequence[int], sides: Sequence[int]) -> list[int]:
    """Slice, row and column inside of these sides; by default the middle of the first volume."""
    if position is None:
        return [side // 2 for side in first]
    rule = "(slice, row, column), three integers of at least 0"
    if not validation.is_sequence(position) or len(position) != 3:
        raise ValueError(f"`position` must be {rule}, got {validation.shortened(position)}")
    point = [validation.integer("position", place, 0, rule) for place in position]
    if any(place >= side for place, side in zip(point, sides, strict=True)):
        raise ValueError(
            f"`position` must be inside of the volumes, of {tuple(sides)} voxels, got {point}"
        )
    return point


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
    if samples.ndim not in (3, 4, 5) or len(samples) == 0:
        raise ValueError(
            "`samples` must be a list of images or an array of shape (n, H, W) or (n, H, W, C), "
            f"or of volumes, got shape {samples.shape}"
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
