"""Everything that a report shows: results, baselines, pyramid levels, costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy.baselines import bidirectional_similarity
from pnncupy.batch.job import Input, Job, input_notes, job_mask_choice, read_input, task_call
from pnncupy.errors import Cancelled, EngineUnavailable, ImageReadError
from pnncupy.images import planes
from pnncupy.images.missing import checked_nodata, split_missing
from pnncupy.images.resize import resize
from pnncupy.report.display_range import is_missing, shown_range
from pnncupy.report.resources import Cost, measured
from pnncupy.report.spec import Entry, Spec
from pnncupy.tasks import generate
from pnncupy.tasks.registry import TASKS

# What a wrong entry raises; a kind before those that it is one of.
_KINDS = (ImageReadError, EngineUnavailable, TypeError, ValueError)
# The parameters of the baseline that it has in common with the tasks.
BASELINE_ARGUMENTS = ("patch_size", "method", "engine", "data_range")


@dataclass(frozen=True)
class Step:
    """Progress of a report.

    Attributes
    ----------
    title : str
        Name of the entry at work.
    fraction : float
        Share of the whole report, 0 to 1, each result counting the same.
    """

    title: str
    fraction: float


@dataclass(frozen=True)
class Made:
    """Results of an entry of the spec.

    Attributes
    ----------
    entry : Entry
    inputs : dict
        Name -> array, or list of arrays, as read from the files.
    sources : sequence of arrays
        The images whose patches were used.
    images, indices : sequences of arrays
        The results and their index maps, none of results by diffusion.
    levels : dict
        Level -> how the first result looked at the end of that level.
    info : dict
        Statistics of the run.
    cost : Cost
        Seconds and memory of all results together.
    baseline : array or None
        Result of Bidirectional Similarity.
    baseline_cost : Cost or None
    resized : array or None
        The source squeezed or stretched, for retargeting.
    others : dict
        Name -> a result that was supplied.
    data_range : (float, float)
        The values that are shown black and white.
    nodata : float or None
        The value of missing pixels.
    is_not_measurable : bool
        Whether pixels of a source are missing, or values are labels: distances say nothing then.
    channel_axis : int or None
        Axis of the channels; None where all axes are space.
    """

    entry: Entry
    inputs: Mapping[str, Any]
    sources: Sequence[Any]
    images: Sequence[Any]
    indices: Sequence[Any]
    levels: Mapping[int, Any]
    info: Mapping[str, Any]
    cost: Cost
    baseline: Any
    baseline_cost: Cost | None
    resized: Any
    others: Mapping[str, Any]
    data_range: tuple[float, float]
    nodata: float | None
    is_not_measurable: bool
    channel_axis: int | None = -1

    @property
    def volume(self) -> bool:
        """Test whether images are volumes."""
        return self.entry.job.volume

    def sides(self, image: Any) -> tuple[int, ...]:
        """Height and width of an image, of a volume depth, height and width."""
        return tuple(image.shape[: 3 if self.volume else 2])


def try_all(spec: Spec, threads: int | None, note: Callable[[str], Any] | None = None) -> None:
    """Find out what is wrong with any entry before the work on the first one begins.

    All files are read, and each task runs until its first step: then it has checked its call.
    `note` receives the lines on the images of each entry, such as the pixels of its hole.
    """
    for entry in spec.entries:
        with _told_of(entry):
            for name, given in entry.job.inputs.items():
                for each in given if isinstance(given, tuple) else (given,):
                    _read(name, each, entry.job)
            for each in entry.others.values():
                shown_range([_read("others", each, entry.job)], None)
            task, arguments = task_call(entry.job)
            for line in input_notes(entry.job, arguments):
                if note is not None:
                    note(line)
            with suppress(Cancelled):
                task(**arguments, threads=threads, callback=lambda event: False, progress=False)


def _read(name: str, given: Input, job: Job) -> Any:
    """An image; the parameter is named where it is not one, that names it."""
    try:
        return read_input(given, job_mask_choice(job))
    except ImageReadError as error:
        raise ImageReadError(f"`{name}`: {error}") from error


@contextmanager
def _told_of(entry: Entry) -> Iterator[None]:
    """Errors name the file and the line of the spec, and the entry."""
    try:
        yield
    except _KINDS as error:
        kind = next(kind for kind in _KINDS if isinstance(error, kind))
        raise kind(entry.table.told(error, f"{entry.job.verb} {entry.title!r}")) from error


def make_all(spec: Spec, threads: int | None, callback: Callable[[Step], Any] | None) -> list[Made]:
    """Make all entries, one after the other."""
    _warm_up(threads)
    parts = sum(1 + entry.baseline for entry in spec.entries)
    made: list[Made] = []
    done = 0
    for entry in spec.entries:

        def tell(what: str, share: float, done: int = done) -> None:
            if callback is not None:
                callback(Step(what, (done + share) / parts))

        with _told_of(entry):
            made.append(_make(entry, threads, tell))
        done += 1 + entry.baseline
    return made


def _warm_up(threads: int | None) -> None:
    """Compile or load the kernels first, so that no measured time contains it."""
    image = np.random.default_rng(0).random((24, 24, 3))
    for alpha in (np.inf, 0.005):
        generate(image, rng=0, alpha=alpha, iterations=2, threads=threads, progress=False)


def _make(entry: Entry, threads: int | None, tell: Callable[[str, float], None]) -> Made:
    job = entry.job
    task, arguments = task_call(job)
    inputs = {name: arguments[name] for name in job.inputs}
    last_of_level: dict[int, Callable[[], Any]] = {}

    def watch(event: Any) -> None:
        tell(f"{job.verb} {entry.title}", event.fraction)
        if event.sample == 0 and event.finished and event.result is None and not job.volume:
            last_of_level[event.level] = event.render

    # Means of all patches have no index map, and are never made again.
    averages = arguments.get("sampler") == "diffusion"
    if TASKS[job.verb].realisations:
        if TASKS[job.verb].has_option("distinct"):
            # As on the command line, whose commands the page shows.
            arguments.setdefault("distinct", entry.count > 1 and not averages)
        arguments["n"] = entry.count
    with measured() as cost:
        result = task(
            **arguments, threads=threads, callback=watch, progress=False,
            return_index=not averages, return_info=True,
        )  # fmt: skip
    several = TASKS[job.verb].realisations
    images = list(result.image) if several else [result.image]
    sources = _sources(inputs)
    nodata = checked_nodata(arguments.get("nodata"))
    categorical = bool(arguments.get("categorical"))
    # Bicubic resizing mixes labels.
    is_resized = TASKS[job.verb].scalable and not categorical
    axis = arguments["channel_axis"]
    shape = planes.image_shape("result", images[0], axis)
    baseline, baseline_cost = None, None
    if entry.baseline:
        shared = {name: arguments[name] for name in BASELINE_ARGUMENTS if name in arguments}
        shared["patch_size"] = result.info["patch_size"]  # which may have been chosen
        with measured() as baseline_cost:
            baseline = bidirectional_similarity(
                list(sources), (shape[0], shape[1]), **shared, channel_axis=-1, threads=threads,
                progress=False,
                callback=lambda event: tell(f"baseline {entry.title}", 1 + event.fraction),
            )  # fmt: skip
    return Made(
        entry=entry,
        inputs=inputs,
        sources=sources,
        images=images,
        indices=[] if averages else list(result.index) if several else [result.index],
        levels={level: render() for level, render in last_of_level.items() if level > 0},
        info=result.info,
        cost=cost,
        baseline=baseline,
        baseline_cost=baseline_cost,
        resized=_resized(sources[0], shape, nodata, axis) if is_resized else None,
        others={name: read_input(each) for name, each in entry.others.items()},
        data_range=_range_of(sources, nodata, arguments.get("data_range"), categorical),
        nodata=nodata,
        channel_axis=axis,
        is_not_measurable=categorical
        or any(bool(is_missing(source, nodata).any()) for source in sources),
    )


def _sources(inputs: Mapping[str, Any]) -> list[Any]:
    """The first image parameter of each task is what patches are taken from."""
    first = next(iter(inputs.values()))
    return first if isinstance(first, list) else [first]


def _range_of(
    sources: Sequence[Any], nodata: float | None, data_range: Any, categorical: bool
) -> tuple[float, float]:
    """The values that are shown black and white; of labels the lowest and the highest."""
    if categorical and data_range is None:
        known = [source[~is_missing(source, nodata)] for source in sources]
        labels = [label for each in known if each.size for label in (each.min(), each.max())]
        if labels and min(labels) < max(labels):
            return float(min(labels)), float(max(labels))
    return shown_range(sources, nodata, data_range)


def _resized(
    source: Any, shape: tuple[int, ...], nodata: float | None, channel_axis: int | None
) -> Any:
    """Plain resizing, in the dtype of the source; missing pixels have a mean colour."""
    source = split_missing("source", source, nodata, channel_axis)[0]
    scales = [new / old for new, old in zip(shape, source.shape[: len(shape)], strict=True)]
    values = resize(source, scales, shape, channel_axis=channel_axis)
    if source.dtype.kind == "f":
        return values.astype(source.dtype)
    if source.dtype.kind == "b":
        return values > 0.5
    limits = np.iinfo(source.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(source.dtype)
