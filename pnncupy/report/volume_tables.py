"""Phases of volumes in numbers: shares of the voxels, and correlations along each axis."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.report.phases import phases_of
from pnncupy.report.results import Made
from pnncupy.report.tables import Table

# More labels than this are grey values, or the rarer ones are left out.
_MOST_PHASES = 8


def phase_table(made: Made, letters: Sequence[str]) -> Table | None:
    """Shares and correlations of the phases of a source and its results, or None without phases."""
    phases = phases_of(made, _MOST_PHASES)
    if phases is None:
        return None
    threshold = phases.threshold
    names = [
        str(label) if threshold is None else f"above {threshold:.4g}" for label in phases.labels
    ]
    what = "Phases"
    if phases.left_out:
        what = f"Phases, the {len(phases.labels)} most frequent"
    if threshold is not None:
        what = "Phase above the threshold of Otsu's method"
    volumes = [made.sources[0], *made.images]
    rows = [
        [name, *_measures(volumes, label, threshold)]
        for name, label in zip(names, phases.labels, strict=True)
    ]
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
