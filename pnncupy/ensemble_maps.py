"""Statistics of realisations as images to show, with the values that are black and white."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy.arrays import Array
from pnncupy.images.planes import ChannelAxis, as_planes

# Rarer labels have no map of their own.
_MOST_PROBABILITIES = 8


class EnsembleMap(NamedTuple):
    """One statistic of each pixel.

    Attributes
    ----------
    title : str
    image : (H, W) or (H, W, C) array, of volumes (Z, Y, X) or (Z, Y, X, C)
    data_range : (float, float)
        The values that are black and white.
    ends : (str, str)
        What is black and what is white, in words.
    labels : tuple of int or bool
        The labels that the image holds; empty for intensities.
    """

    title: str
    image: Array
    data_range: tuple[float, float]
    ends: tuple[str, str]
    labels: tuple[int | bool, ...] = ()


def ensemble_maps(
    statistics: Any,
    *,
    unit: str = "",
    data_range: tuple[float, float] | None = None,
    channel_axis: ChannelAxis = "auto",
) -> list[EnsembleMap]:
    """List the maps of what `metrics.ensemble` returns.

    Parameters
    ----------
    statistics : Ensemble or LabelEnsemble
    unit : str
        Unit of intensities.
    data_range : (float, float), optional
        Black and white of the mean and the quantiles. Default: their smallest and largest value.
    channel_axis : int, None or "auto"
        Axis of the channels of intensities.
    """
    if hasattr(statistics, "labels"):
        return _of_labels(statistics)
    return _of_intensities(statistics, unit, data_range, channel_axis)


def _of_intensities(
    statistics: Any, unit: str, data_range: Any, channel_axis: ChannelAxis
) -> list[EnsembleMap]:
    """Mean, standard deviation, quantiles, and the range from the first to the last of them."""
    mean, std, *quantiles = (
        as_planes("statistics", image, channel_axis)
        for image in (statistics.mean, statistics.std, *statistics.quantiles.values())
    )
    levels = [f"{100 * level:g} %" for level in statistics.quantiles]
    limits = _limits([mean, *quantiles]) if data_range is None else data_range
    ends = (_number(limits[0], unit), _number(limits[1], unit))
    found = [
        EnsembleMap("mean", _image(mean), limits, ends),
        # Of channels the root of the mean variance.
        _from_zero("standard deviation", np.sqrt(np.mean(std**2, axis=0)), unit),
        *(
            EnsembleMap(f"{level} quantile", _image(planes), limits, ends)
            for level, planes in zip(levels, quantiles, strict=True)
        ),
    ]
    if len(quantiles) > 1:
        spread = (quantiles[-1] - quantiles[0]).mean(axis=0)
        found.append(_from_zero(f"range, {levels[0]} to {levels[-1]}", spread, unit))
    return found


def _of_labels(statistics: Any) -> list[EnsembleMap]:
    """The most probable label, the entropy, and the probability of the most frequent labels."""
    labels = statistics.labels
    low, high = float(labels[0]), float(labels[-1])
    limits = (low, high) if low < high else (low, low + 1)
    shares = statistics.probability.reshape(len(labels), -1).mean(axis=1)
    frequent = sorted(np.argsort(-shares, kind="stable")[:_MOST_PROBABILITIES].tolist())
    return [
        EnsembleMap(
            "most probable label", statistics.most_likely, limits,
            (str(labels[0]), str(labels[-1])), labels,
        ),
        _from_zero("entropy", statistics.entropy, "bits"),
        *(
            EnsembleMap(
                f"probability of {labels[k]}", statistics.probability[k], (0.0, 1.0), ("0", "1")
            )
            for k in frequent
        ),
    ]  # fmt: skip


def _from_zero(title: str, image: Array, unit: str) -> EnsembleMap:
    """A map whose black is 0 and whose white is the largest value."""
    known = image[~np.isnan(image)]
    largest = float(known.max()) if known.size else 0.0
    return EnsembleMap(title, image, (0.0, largest or 1.0), ("0", _number(largest or 1.0, unit)))


def _limits(images: Sequence[Array]) -> tuple[float, float]:
    """The smallest and the largest known value."""
    known = np.concatenate([image[~np.isnan(image)] for image in images])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if low < high else (low, low + 1)


def _image(planes: Array) -> Array:
    """Planes with their channels last, and without an axis for a single one."""
    return planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)


def _number(value: float, unit: str) -> str:
    return f"{value:.4g}{f' {unit}' if unit else ''}"
