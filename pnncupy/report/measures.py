"""The numbers that a report shows of its results."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pnncupy import metrics
from pnncupy.report.making import Made


@dataclass(frozen=True)
class Table:
    """Numbers to show: a caption, names of the columns, and rows of words."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def table_of(made: Made) -> Table:
    """The measures that fit a task."""
    if made.entry.job.verb == "generate":
        return _of_samples(made)
    return _of_results(made)


def _of_samples(made: Made) -> Table:
    """What a set of samples is like, as a whole."""
    source, pictures = made.sources[0], made.pictures
    rows = []
    if len(pictures) > 1 and pictures[0].std() > 0 and source.std() > 0:
        rows.append(
            ["diversity (standard deviation over the samples, by that of the source)",
             f"{metrics.diversity(pictures, source):.2f}"]
        )  # fmt: skip
    if source.std() > 0:
        sharpness = statistics.mean(metrics.sharpness_ratio(source, each) for each in pictures)
        rows.append(
            ["sharpness (mean squared Laplacian, by that of the source)", f"{sharpness:.2f}"]
        )
    with_index = len(made.sources) == 1
    copies = [
        metrics.near_copy(
            source, each, index=index if with_index else None, data_range=made.data_range
        )
        for each, index in zip(pictures, made.indices, strict=True)
    ]
    near = sum(copy.is_copy for copy in copies)
    rows.append(
        [f"nearly a copy of the source (PSNR over {metrics.NEAR_COPY_DECIBELS:.0f} dB)",
         f"{near} of {len(copies)}"]
    )  # fmt: skip
    shares = [copy.region_share for copy in copies if copy.region_share is not None]
    if shares:
        rows.append(
            ["largest piece in the source's own arrangement, median of the samples",
             f"{statistics.median(shares):.0%} of the picture"]
        )  # fmt: skip
    return Table("Measures of the samples", ("measure", "value"), rows)


def _of_results(made: Made) -> Table:
    """Each result beside the baseline and others: what was invented, what was lost."""
    shown = [("pnncupy", made.pictures[0])]
    if made.baseline is not None:
        shown.append(("Bidirectional Similarity", made.baseline))
    if made.resized is not None:
        shown.append(("plain resizing", made.resized))
    shown += list(made.others.items())
    rows = [[name, *_judged(made, picture)] for name, picture in shown]
    return Table(
        "Measures (coherence and completeness: distances in thousandths of the squared value "
        "range, lower is better)",
        ("result", "coherence", "completeness", "sharpness"),
        rows,
    )


def _judged(made: Made, picture: Any) -> list[str]:
    first = made.sources[0]
    if picture.shape[2:] != first.shape[2:] or picture.ndim != first.ndim:
        return ["other channels", "", ""]
    options = {
        "data_range": made.data_range, "method": made.info["method"],
        "patch_size": made.entry.job.arguments.get("patch_size", 7),
    }  # fmt: skip
    sources = list(made.sources)
    sharpness = "" if first.std() == 0 else f"{metrics.sharpness_ratio(first, picture):.2f}"
    return [
        f"{1000 * metrics.coherence(sources, picture, **options):.3f}",
        f"{1000 * metrics.completeness(sources, picture, **options):.3f}",
        sharpness,
    ]
