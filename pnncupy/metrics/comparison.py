"""Descriptors of a source beside those of realisations."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.metrics.description import checked_phases, describe
from pnncupy.metrics.phases import Phase, check_same_kind, checked_distance, labels_of
from pnncupy.parameter_hints import hint_at_names

_LOW, _HIGH = 0.05, 0.95
_COLUMNS = ("source", "mean", "low", "high", "minimum", "maximum")
# Of the lines of a table: where curves are read.
_ROWS_OF_A_CURVE = 5


@dataclass(frozen=True)
class DescriptorComparison:
    """One descriptor of the source and the realisations: a curve, or a number as one of one value.

    Attributes
    ----------
    descriptor : str
    phase : int, bool or None
        None for the variogram.
    x : (n,) NumPy array or None
        Distances in pixels; None for a number.
    source, mean, minimum, maximum, low, high : (n,) float64 NumPy arrays
        The source, and of the realisations mean, smallest and largest value, 5 % and 95 %
        quantiles. NaN where it is not defined for any of them.
    """

    descriptor: str
    phase: Phase | None
    x: Any
    source: Any
    mean: Any
    minimum: Any
    maximum: Any
    low: Any
    high: Any

    @property
    def inside(self) -> float:
        """Share of the curve where the source is between the extremes of the realisations."""
        known = np.isfinite(self.source) & np.isfinite(self.mean)
        if not known.any():
            return float("nan")
        within = (self.minimum <= self.source) & (self.source <= self.maximum)
        return float(within[known].mean())


@dataclass(frozen=True)
class Comparison:
    """Descriptors of a source and of realisations; ``str()`` is a table.

    Attributes
    ----------
    realisations : int
        Number of realisations.
    curves, values : tuple of DescriptorComparison
        Functions of a distance, and numbers.
    """

    realisations: int
    curves: tuple[DescriptorComparison, ...]
    values: tuple[DescriptorComparison, ...]

    def __str__(self) -> str:
        """Table of the numbers, and of some places on the curves."""
        head = ["descriptor", "phase", "at", *_COLUMNS]
        rows = [[*row[:3], *(f"{each:.4g}" for each in row[3:])] for row in self.rows()]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [head, *rows]
        ]
        title = f"{self.realisations} realisation{'s' if self.realisations > 1 else ''}"
        return "\n".join([title, *lines])

    def rows(self, *, every: bool = False) -> list[list[Any]]:
        """Lines of the table: descriptor, phase, distance and the six numbers there.

        Parameters
        ----------
        every : bool, default False
            All distances of the curves, not only a few.
        """
        found = []
        for each in (*self.values, *self.curves):
            count = len(each.source)
            places = np.linspace(0, count - 1, min(count, _ROWS_OF_A_CURVE)).astype(int)
            for k in range(count) if every else places.tolist():
                at = "" if each.x is None else str(each.x[k])
                phase = "" if each.phase is None else str(each.phase)
                numbers = [float(getattr(each, name)[k]) for name in _COLUMNS]
                found.append([each.descriptor, phase, at, *numbers])
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and strings, as JSON has them; None for what is not defined."""
        return {
            "realisations": self.realisations,
            **{
                name: [
                    {
                        "descriptor": each.descriptor,
                        "phase": each.phase,
                        "x": None if each.x is None else each.x.tolist(),
                        **{column: _plain(getattr(each, column)) for column in _COLUMNS},
                    }
                    for each in found
                ]
                for name, found in (("curves", self.curves), ("values", self.values))
            },
        }

    def to_csv(self) -> str:
        """All numbers and all points of the curves as text with commas, one a line."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["descriptor", "phase", "distance", *_COLUMNS])
        writer.writerows(self.rows(every=True))
        return stream.getvalue()


@hint_at_names
def compare(
    source: Any,
    results: Iterable[Any],
    *,
    phases: Sequence[Phase] | None = None,
    threshold: float | None = None,
    largest_distance: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
    source_periodic: bool | tuple[bool, ...] = False,
    connectivity: int = 1,
    sizes: int | None = None,
) -> Comparison:
    """Compare the descriptors of a source with their envelope over realisations.

    Parameters
    ----------
    source : (H, W) or (Z, Y, X) array of any real dtype
        As `image` in `metrics.describe`.
    results : iterable of arrays like `source`
        The realisations; sizes may differ. They are read one after the other, and only their
        descriptors kept.
    phases : sequence of int or bool, optional
        The labels of the phases. Default: all labels of the source, at most 32.
    threshold : float, optional
        As in `metrics.describe`; it holds for all images.
    largest_distance : int, optional
        R in pixels, less than the smallest side of all images. Default: half of the smallest side
        of the source.
    periodic : bool or tuple of bool, default False
        Whether the realisations wrap around: along all axes, or one value for each.
    source_periodic : bool or tuple of bool, default False
        Whether the source wraps around.
    connectivity, sizes
        As in `metrics.describe`.

    Returns
    -------
    Comparison
        ``str()`` is a table, ``as_dict()`` is for JSON, ``to_csv()`` for spreadsheets, and
        `plot.descriptors` shows it.

    Raises
    ------
    TypeError, ValueError
        As `metrics.describe`; or `results` is no list of images, holds none, or labels of another
        kind than `source`.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> random = np.random.default_rng(0)
    >>> source, *results = random.random((4, 16, 16)) < 0.5
    >>> found = metrics.compare(source, results, phases=[True], largest_distance=3)
    >>> found.realisations, found.values[0].descriptor, found.values[0].source.tolist()
    (3, 'fraction', [0.453125])
    """
    images = _listed(results)
    first = labels_if_any("source", source, threshold)
    if first is not None:
        phases = checked_phases(phases, first)
    wraps = validation.axes("source_periodic", source_periodic, source.ndim)
    shape = tuple(map(int, source.shape))
    reach = checked_distance(largest_distance, [shape], None, wraps)
    options: dict[str, Any] = {
        "phases": phases, "threshold": threshold, "largest_distance": reach,
        "connectivity": connectivity, "sizes": sizes,
    }  # fmt: skip
    own = describe(source, periodic=wraps, **options)
    curves, values = [], []
    for number, image in enumerate(images):
        name = f"results[{number}]"
        other = labels_if_any(name, image, threshold)
        if first is not None and other is not None:
            check_same_kind(name, other, "source", first)
        found = describe(image, periodic=periodic, **options)
        curves.append(found.curves())
        values.append(found.values())
    if not curves:
        raise ValueError("`results` must hold at least one image, got none")
    return Comparison(
        len(curves),
        tuple(
            _compared(curve.descriptor, curve.phase, curve.x, curve.y, [each.y for each in others])
            for curve, *others in zip(own.curves(), *curves, strict=True)
        ),
        tuple(
            _compared(one.descriptor, one.phase, None, [one.value], [[x.value] for x in others])
            for one, *others in zip(own.values(), *values, strict=True)
        ),
    )


def labels_if_any(name: str, image: Any, threshold: Any) -> Array | None:
    """Check an image; its labels, or None where it holds intensities and no threshold is given."""
    arrays.library(name, image)
    if threshold is None and image.dtype.kind == "f":
        return None
    return labels_of(name, image, threshold)


def _listed(results: Any) -> Iterable[Any]:
    """Images one by one: the first axis of an array holds them too."""
    if isinstance(results, (str, bytes)) or not isinstance(results, Iterable):
        raise TypeError(
            f"`results` must be a list of arrays, got {type(results).__qualname__}; put a single "
            "image into a list"
        )
    return results


def _compared(
    descriptor: str, phase: Phase | None, x: Any, source: Any, results: Sequence[Any]
) -> DescriptorComparison:
    """Statistics of the realisations at each place of a curve, NaN left out."""
    own = np.asarray(source, dtype=np.float64)
    # Windows of other images may have more or fewer sizes.
    stack = np.full((len(results), len(own)), np.nan)
    for row, result in zip(stack, results, strict=True):
        common = min(len(row), len(result))
        row[:common] = result[:common]
    rows = np.full((5, len(own)), np.nan)
    for k, column in enumerate(stack.T):
        known = column[~np.isnan(column)]
        if known.size:
            low, high = np.quantile(known, [_LOW, _HIGH])
            rows[:, k] = known.mean(), known.min(), known.max(), low, high
    return DescriptorComparison(descriptor, phase, x, own, *rows)


def _plain(numbers: Any) -> list[float | None]:
    return [None if np.isnan(each) else each for each in numbers.tolist()]
