"""Phases of volumes in numbers: shares of the voxels, and correlations along each axis."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.report.display_range import is_missing
from pnncupy.report.results import Made
from pnncupy.report.tables import Table

# More labels than this are grey values, or the rarer ones are left out.
_MOST_PHASES = 8


def phase_table(made: Made, letters: Sequence[str]) -> Table | None:
    """Shares and correlations of the phases of a source and its results, or None without phases.

    Grey values make two phases: those above the mean of the source. Volumes of several channels
    have none, nor have those with missing voxels.
    """
    source = made.sources[0]
    volumes = [source, *made.images]
    if source.ndim > 3 or any(is_missing(each, made.nodata).any() for each in volumes):
        return None
    labels: Any = np.unique(source)
    few = len(labels) <= _MOST_PHASES and source.dtype.kind in "biu"
    if few or made.entry.job.arguments.get("categorical"):
        shares = metrics.phase_fractions(source)
        frequent = sorted(zip(shares.fractions, shares.labels, strict=True), reverse=True)
        shown = sorted(label for _, label in frequent[:_MOST_PHASES])
        left_out = len(shares.labels) - len(shown)
        what = f"Phases{f', the {len(shown)} most frequent' if left_out else ''}"
        phases = [(str(label), label) for label in shown]
        threshold = None
    else:
        threshold = float(source.mean(dtype=np.float64))
        what, phases = "Phases", [(f"above the source's mean, {threshold:.4g}", True)]
    try:
        rows = [[name, *_measures(volumes, label, threshold)] for name, label in phases]
    except (ValueError, TypeError):  # of so few columns that these could be channels
        return None
    several = "results, mean" if len(made.images) > 1 else "result"
    return Table(
        f"{what}: share of the voxels, and how far the two-point correlation S2 along each axis is "
        "from that of the source (mean of the absolute differences up to half of the side)",
        ("phase", "source", several, *(f"S2 along {letter}" for letter in letters)),
        rows,
    )


def _measures(volumes: Sequence[Any], label: Any, threshold: float | None) -> list[str]:
    """Share of a phase in the source and in the results, and the differences along each axis."""
    source, *results = volumes
    shares = [_share(each, label, threshold) for each in volumes]
    differences = [
        statistics.mean(
            float(np.abs(metrics.two_point_correlation(
                source, each, phase=label, threshold=threshold, axis=axis
            ).difference).mean())
            for each in results
        )
        for axis in range(3)
    ]  # fmt: skip
    return [
        f"{shares[0]:.1%}", f"{statistics.mean(shares[1:]):.1%}",
        *(f"{difference:.4f}" for difference in differences),
    ]  # fmt: skip


def _share(volume: Any, label: Any, threshold: float | None) -> float:
    return float(np.mean(volume > threshold if threshold is not None else volume == label))
