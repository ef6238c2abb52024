"""The numbers that a report shows of its results."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pnncupy import metrics
from pnncupy.metrics.copies import largest_region
from pnncupy.report.results import Made
from pnncupy.report.spec import BASELINE, RESIZED_IN_TABLES, RESULT_IN_TABLES
from pnncupy.tasks.registry import TASKS


@dataclass(frozen=True)
class Table:
    """Numbers to show: a caption, names of the columns, and rows of words."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def table_of(made: Made) -> Table:
    """The measures that fit a task; of volumes there is no sharpness."""
    if TASKS[made.entry.job.verb].realisations:
        return _of_samples(made)
    return _of_results(made)


def _of_samples(made: Made) -> Table:
    """Measures of a set of samples as a whole."""
    first, images = made.sources[0], made.images
    several = len(made.sources) > 1
    by = f"by that of the {'first ' if several else ''}source"
    rows = []
    if len(images) > 1:
        diversity = _or_not_defined(
            made, ".2f", lambda: metrics.diversity(first, images, channel_axis=made.channel_axis)
        )
        rows.append([f"diversity (standard deviation over the samples, {by})", diversity])
    if made.volume:
        rows += _distances_of_samples(made)
    else:
        sharpness = _or_not_defined(
            made, ".2f",
            lambda: statistics.mean(
                metrics.sharpness_ratio(first, each, channel_axis=-1) for each in images
            ),
        )  # fmt: skip
        rows.append([f"sharpness (mean squared Laplacian, {by})", sharpness])
    of = "one of the sources" if several else "the source"
    rows.append(
        [f"nearly a copy of {of} (PSNR over {metrics.NEAR_COPY_DECIBELS:.0f} dB)",
         _near_copies(made)]
    )  # fmt: skip
    if made.indices:
        rows.append(
            [f"largest piece in {'a' if several else 'the'} source's own arrangement, median of "
             "the samples",
             f"{_largest_piece(made):.0%} of the {'volume' if made.volume else 'picture'}"]
        )  # fmt: skip
    return Table("Measures of the samples", ("measure", "value"), rows)


def _largest_piece(made: Made) -> float:
    """Median of the shares of the largest pieces of the results."""
    shapes = [made.sides(source) for source in made.sources]
    return statistics.median(
        largest_region(index, shapes, made.sides(image), *_wraps(made).values())[1]
        for index, image in zip(made.indices, made.images, strict=True)
    )


def _distances_of_samples(made: Made) -> list[list[str]]:
    """Coherence and completeness, the means over the samples."""
    sources, options = list(made.sources), _distance_options(made)

    def mean_of(measure: Callable[..., float]) -> float:
        return 1000 * statistics.mean(measure(sources, each, **options) for each in made.images)

    unit = "(mean distance of patches in thousandths of the squared value range)"
    return [
        [f"coherence {unit}", _or_not_defined(made, ".3f", lambda: mean_of(metrics.coherence))],
        [
            f"completeness {unit}",
            _or_not_defined(made, ".3f", lambda: mean_of(metrics.completeness)),
        ],
    ]


def _near_copies(made: Made) -> str:
    """Number of samples that are nearly a copy of any of the sources."""
    closest = [_closest(made, image) for image in made.images]
    known = [decibels for decibels in closest if decibels is not None]
    if made.is_not_measurable or len(known) < len(closest):
        return "not comparable"
    near = sum(decibels > metrics.NEAR_COPY_DECIBELS for decibels in known)
    return f"{near} of {len(known)}"


def _closest(made: Made, image: Any) -> float | None:
    """The largest PSNR of an image to a source; None if it overlaps none of them enough."""
    found = []
    wraps: dict[str, Any] = _wraps(made)
    for source in made.sources:
        with suppress(ValueError):
            copy = metrics.near_copy(
                source, image, data_range=_range(made), channel_axis=made.channel_axis, **wraps
            )
            found.append(copy.psnr)
    return max(found, default=None)


def _wraps(made: Made) -> dict[str, tuple[bool, ...]]:
    """Axes along which results and sources wrap around, as arguments of measures."""
    return {name: tuple(made.info[name]) for name in ("periodic", "source_periodic")}


def _of_results(made: Made) -> Table:
    """Each result beside the baseline and others: what was invented, what was lost."""
    shown = [(RESULT_IN_TABLES, made.images[0])]
    if made.baseline is not None:
        shown.append((BASELINE, made.baseline))
    if made.resized is not None:
        shown.append((RESIZED_IN_TABLES, made.resized))
    shown += list(made.others.items())
    rows = [[name, *_judged(made, image)] for name, image in shown]
    sharpness = ["sharpness" if len(made.sources) == 1 else "sharpness, by the first source"]
    return Table(
        "Measures (coherence and completeness: distances in thousandths of the squared value "
        "range, lower is better)",
        ("result", "coherence", "completeness", *([] if made.volume else sharpness)),
        rows,
    )


def _judged(made: Made, image: Any) -> list[str]:
    first, sources = made.sources[0], list(made.sources)
    axes, blank = len(made.sides(first)), [""] if made.volume else ["", ""]
    if image.shape[axes:] != first.shape[axes:] or image.ndim != first.ndim:
        return ["other channels", *blank]
    if image.dtype != first.dtype:
        return ["other dtype", *blank]
    options = _distance_options(made)
    found = [
        _or_not_defined(made, ".3f", lambda: 1000 * metrics.coherence(sources, image, **options)),
        _or_not_defined(
            made, ".3f", lambda: 1000 * metrics.completeness(sources, image, **options)
        ),
    ]
    if not made.volume:
        found.append(
            _or_not_defined(
                made, ".2f", lambda: metrics.sharpness_ratio(first, image, channel_axis=-1)
            )
        )
    return found


def _distance_options(made: Made) -> dict[str, Any]:
    """Arguments of coherence and completeness, as the results were made."""
    return {
        "channel_axis": made.channel_axis, "data_range": _range(made),
        "method": made.info["method"], "patch_size": made.info.get("patch_size", 7),
    }  # fmt: skip


def _range(made: Made) -> tuple[float, float] | None:
    """The value range that distances are measured by; None is that of the only source."""
    if len(made.sources) > 1:
        return made.data_range
    return made.entry.job.arguments.get("data_range")


def _or_not_defined(made: Made, form: str, measure: Callable[[], float]) -> str:
    """A measure in words, also where it does not apply, of which its own checks know best."""
    if made.is_not_measurable:
        return "not defined"
    try:
        return format(measure(), form)
    except ValueError:
        return "not defined"
