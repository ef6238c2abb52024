"""Figures of curves: those of a source beside the envelope of its realisations."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from pnncupy import validation
from pnncupy.panel_figure import Figure, figure_class, png
from pnncupy.parameter_hints import hint_at_names

_MOST_COLUMNS = 4
# Of one pair of axes, relative to its width.
_HEIGHT = 0.8
_SOURCE, _RESULTS = "#c0392b", "#2e6da4"


@hint_at_names
def descriptors(
    comparison: Any,
    descriptor: str | Sequence[str] | None = None,
    *,
    columns: int | None = None,
    size: float = 2.6,
) -> Figure:
    """Show the curves of a source over the envelope of its realisations.

    The line of the source is red; that of the realisations' mean is blue, in a band from their 5 %
    to their 95 % quantile, in a paler one from the smallest to the largest value.

    Parameters
    ----------
    comparison : Comparison
        What `metrics.compare` returns.
    descriptor : str or list of str, optional
        Names of the descriptors to show. Default: all, but correlations along single axes.
    columns : int, optional
        Curves in a row; default: up to four.
    size : float, default 2.6
        Width of each curve in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        `comparison` is something else.
    ValueError
        There is no curve, or none of that name.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> source, *results = np.random.default_rng(0).random((4, 16, 16)) < 0.5
    >>> compared = pnn.metrics.compare(source, results, phases=[True])
    >>> figure = pnn.plot.descriptors(compared, "lineal path")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['lineal path, phase True']
    """
    curves = _chosen(comparison, descriptor)
    limit = validation.optional_integer("columns", columns, 1) or _MOST_COLUMNS
    width = validation.positive("size", size)
    across = min(limit, len(curves))
    down = math.ceil(len(curves) / across)
    figure = figure_class()(figsize=(across * width, down * width * _HEIGHT), layout="constrained")
    for number, curve in enumerate(curves, 1):
        _draw(figure.add_subplot(down, across, number), curve, number == 1)
    figure._repr_png_ = partial(png, figure)
    return figure


def _chosen(comparison: Any, descriptor: Any) -> list[Any]:
    """The curves to show."""
    curves = getattr(comparison, "curves", None)
    if not isinstance(curves, tuple):
        raise TypeError(
            "`comparison` must be what `metrics.compare` returns, got "
            f"{type(comparison).__qualname__}"
        )
    names = [descriptor] if isinstance(descriptor, str) else descriptor
    if names is None:
        found = [curve for curve in curves if ", axis " not in curve.descriptor]
    else:
        known = sorted({curve.descriptor for curve in curves})
        for name in names:
            validation.choice("descriptor", name, known)
        found = [curve for curve in curves if curve.descriptor in names]
    if not found:
        raise ValueError("`comparison` must have at least one curve, got none")
    return found


def _draw(axes: Any, curve: Any, is_first: bool) -> None:
    """One curve, its envelope and its name."""
    axes.fill_between(curve.x, curve.minimum, curve.maximum, color=_RESULTS, alpha=0.15, lw=0,
                      label="smallest to largest")  # fmt: skip
    axes.fill_between(curve.x, curve.low, curve.high, color=_RESULTS, alpha=0.3, lw=0,
                      label="5 % to 95 %")  # fmt: skip
    axes.plot(curve.x, curve.mean, color=_RESULTS, lw=1, label="mean of the realisations")
    axes.plot(curve.x, curve.source, color=_SOURCE, lw=1.2, label="source")
    phase = "" if curve.phase is None else f", phase {curve.phase}"
    axes.set_title(f"{curve.descriptor}{phase}", loc="left", fontsize=8, parse_math=False)
    axes.set_xlabel("pixels", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.margins(x=0)
    if is_first:
        axes.legend(fontsize=6, frameon=False)
