"""Phases of the source of an entry: its labels, or two sides of a threshold."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.images.planes import MOST_CHANNELS
from pnncupy.report.display_range import is_missing
from pnncupy.report.results import Made

_BINS = 256


@dataclass(frozen=True)
class Phases:
    """Phases that are measured.

    Attributes
    ----------
    labels : list of int or bool
        The most frequent labels, rising; True where there is a threshold.
    threshold : float or None
        Of intensities: a pixel is in the phase where it is above.
    left_out : int
        Number of rarer labels.
    """

    labels: list[Any]
    threshold: float | None
    left_out: int = 0


def phases_of(made: Made, most: int) -> Phases | None:
    """Return up to `most` phases of an entry; None where there are none.

    Images of several channels have none, nor have those with missing pixels, and images of one
    value.
    """
    source = made.sources[0]
    images = [source, *made.images]
    if source.ndim != (3 if made.volume else 2) or any(
        is_missing(each, made.nodata).any() for each in images
    ):
        return None
    # Measures take so few columns for channels.
    if made.volume and any(each.shape[2] <= MOST_CHANNELS for each in images):
        return None
    if made.entry.job.arguments.get("categorical") or source.dtype.kind == "b":
        shares = metrics.phase_fractions(source)
        frequent = sorted(zip(shares.fractions, shares.labels, strict=True), reverse=True)
        shown = sorted(label for _, label in frequent[:most])
        return Phases(shown, None, len(shares.labels) - len(shown))
    threshold = otsu_threshold(source)
    return None if threshold is None else Phases([True], threshold)


def otsu_threshold(image: Any) -> float | None:
    """Threshold that maximises the variance between both sides, of 256 bins; None for one value.

    It is midway between the largest value below and the smallest above. Otsu 1979,
    doi:10.1109/TSMC.1979.4310076.
    """
    values = image.ravel().astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return None
    scaled = (values - low) / (high - low)
    bins = np.minimum((scaled * _BINS).astype(np.int64), _BINS - 1)
    counts, sums = np.bincount(bins), np.bincount(bins, scaled)
    below, of_below = np.cumsum(counts)[:-1], np.cumsum(sums)[:-1]
    above, of_above = values.size - below, scaled.sum() - of_below
    # The first and the last bin are never empty.
    between = below * above * (of_below / below - of_above / above) ** 2
    is_below = bins <= int(between.argmax())
    return float(values[is_below].max() / 2 + values[~is_below].min() / 2)
