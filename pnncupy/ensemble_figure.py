"""Figures of the statistics of each pixel over realisations."""

import math
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.display import middle_slices, preview
from pnncupy.ensemble_maps import EnsembleMap, ensemble_maps
from pnncupy.images.intensity_encoding import given_range
from pnncupy.images.planes import ChannelAxis
from pnncupy.panel_figure import Bar, Figure, Panel, panel_figure
from pnncupy.parameter_hints import hint_at_names

_MOST_COLUMNS = 4
# More labels than this are named by their ends only.
_MOST_NAMED = 6
_GREYS = 256


@hint_at_names
def ensemble(
    statistics: Any,
    *,
    unit: str | None = None,
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
    columns: int | None = None,
    size: float = 3.0,
) -> Figure:
    """Show the statistics of each pixel over realisations, each map above its grey scale.

    Of intensities the mean, the standard deviation, the quantiles, and the range from the first to
    the last of them; of labels the most probable one, the entropy, and the probabilities of the
    eight most frequent ones. Where nothing is known is white.

    Parameters
    ----------
    statistics : Ensemble or LabelEnsemble
        What `metrics.ensemble` returns. Of volumes the three middle slices are shown.
    unit : str, optional
        Unit of the intensities, such as "HU" or "m".
    data_range : (float, float), optional
        The values that are black and white in the mean and the quantiles, such as those of the
        source. Default: their smallest and largest value. Other maps are black at 0, and white at
        their largest value.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of intensities. The standard deviation is the root of the mean
        variance of the channels, the range the mean of their ranges.
    columns : int, optional
        Maps in a row; default: up to four.
    size : float, default 3
        As in `plot.compare`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        `statistics` is something else, or `unit` is no string.
    ValueError
        Another argument has a wrong value.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> results = np.random.default_rng(0).random((5, 16, 20))
    >>> found = pnn.metrics.ensemble(results, quantiles=[0.05, 0.95])
    >>> figure = pnn.plot.ensemble(found, unit="m")
    >>> [axes.get_title(loc="left") for axes in figure.axes][:4:2]
    ['mean', 'standard deviation']
    """
    if not (hasattr(statistics, "mean") or hasattr(statistics, "entropy")) or hasattr(
        statistics, "dtype"
    ):
        raise TypeError(
            "`statistics` must be what `metrics.ensemble` returns, got "
            f"{type(statistics).__qualname__}"
        )
    limits = None if data_range is None else given_range(data_range)
    words = "" if unit is None else validation.text("unit", unit)
    maps = ensemble_maps(statistics, unit=words, data_range=limits, channel_axis=channel_axis)
    rows = math.ceil(len(maps) / _MOST_COLUMNS)
    width = validation.optional_integer("columns", columns, 1) or math.ceil(len(maps) / rows)
    # A map of several channels is one with an axis more than those of a single one.
    axes = min(each.image.ndim for each in maps)
    return panel_figure([_panel(each, axes) for each in maps], width, size)


def _panel(each: EnsembleMap, axes: int) -> Panel:
    """A map as an image; of a volume its three middle slices, side by side."""
    image = each.image
    if axes == 3:
        planes = image[None] if image.ndim == axes else np.moveaxis(image, -1, 0)
        image = np.moveaxis(middle_slices(planes), 0, -1)
    shown = preview(image, each.data_range)
    return Panel(shown, each.title, _bar(each))


def _bar(each: EnsembleMap) -> Bar:
    """The greys of a map from black to white, or those of its labels."""
    values = np.array(each.labels, float) if each.labels else np.linspace(*each.data_range, _GREYS)
    words = tuple(map(str, each.labels))
    return Bar(
        preview(values[None], each.data_range),
        words if 0 < len(words) <= _MOST_NAMED else each.ends,
    )
