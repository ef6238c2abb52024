"""Everything that a report shows is made here: results, baselines, pyramid levels, costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import images
from pnncupy.baselines import bidirectional_similarity
from pnncupy.jobs import read_input, task_call
from pnncupy.report.measuring import Cost, measured
from pnncupy.report.spec import Entry, Spec
from pnncupy.resizing import resize
from pnncupy.tasks import generate

# The parameters of the baseline that it has in common with the tasks.
BASELINE_ARGUMENTS = ("patch_size", "method", "engine", "data_range")


@dataclass(frozen=True)
class Step:
    """Progress of a report.

    Attributes
    ----------
    title : str
        What is being made.
    fraction : float
        Share of the whole report, 0 to 1, each result counting the same.
    """

    title: str
    fraction: float


@dataclass(frozen=True)
class Made:
    """An entry of the spec, made.

    Attributes
    ----------
    entry : Entry
    inputs : dict
        Name -> array, or list of arrays, as read from the files.
    sources : sequence of arrays
        The images whose patches were used.
    pictures, indices : sequences of arrays
        The results and their index maps.
    levels : dict
        Level -> how the first result looked at the end of that level.
    info : dict
        What the task told of the run.
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
    """

    entry: Entry
    inputs: Mapping[str, Any]
    sources: Sequence[Any]
    pictures: Sequence[Any]
    indices: Sequence[Any]
    levels: Mapping[int, Any]
    info: Mapping[str, Any]
    cost: Cost
    baseline: Any
    baseline_cost: Cost | None
    resized: Any
    others: Mapping[str, Any]
    data_range: tuple[float, float]


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

        made.append(_make(entry, threads, tell))
        done += 1 + entry.baseline
    return made


def _warm_up(threads: int | None) -> None:
    """Compile or load the kernels first, so that no measured time contains it."""
    image = np.random.default_rng(0).random((24, 24, 3))
    for alpha in (np.inf, 0.005):
        generate(image, rng=0, alpha=alpha, iterations=2, threads=threads)


def _make(entry: Entry, threads: int | None, tell: Callable[[str, float], None]) -> Made:
    job = entry.job
    task, arguments = task_call(job)
    inputs = {name: arguments[name] for name in job.inputs}
    last_of_level: dict[int, Callable[[], Any]] = {}

    def watch(event: Any) -> None:
        tell(f"{job.verb} {entry.title}", event.fraction)
        if event.sample == 0 and event.finished and event.result is None:
            last_of_level[event.level] = event.render

    if job.verb == "generate":
        arguments["n"] = entry.count
    with measured() as cost:
        result = task(
            **arguments, threads=threads, callback=watch, return_index=True, return_info=True
        )
    several = job.verb == "generate"
    pictures = list(result.image) if several else [result.image]
    sources = _sources(inputs)
    shape = images.image_shape("result", pictures[0], -1)
    baseline, baseline_cost = None, None
    if entry.baseline:
        shared = {name: arguments[name] for name in BASELINE_ARGUMENTS if name in arguments}
        with measured() as baseline_cost:
            baseline = bidirectional_similarity(
                list(sources), (shape[0], shape[1]), **shared, threads=threads,
                callback=lambda event: tell(f"baseline {entry.title}", 1 + event.fraction),
            )  # fmt: skip
    return Made(
        entry=entry,
        inputs=inputs,
        sources=sources,
        pictures=pictures,
        indices=list(result.index) if several else [result.index],
        levels={level: render() for level, render in last_of_level.items() if level > 0},
        info=result.info,
        cost=cost,
        baseline=baseline,
        baseline_cost=baseline_cost,
        resized=_resized(sources[0], shape) if job.verb == "retarget" else None,
        others={name: read_input(each) for name, each in (entry.others or {}).items()},
        data_range=images.value_range(
            [images.planes("source", source) for source in sources], arguments.get("data_range")
        ),
    )


def _sources(inputs: Mapping[str, Any]) -> list[Any]:
    """The first image parameter of each task is what patches are taken from."""
    first = next(iter(inputs.values()))
    return first if isinstance(first, list) else [first]


def _resized(source: Any, shape: tuple[int, ...]) -> Any:
    """What plain resizing makes, in the dtype of the source."""
    scales = [new / old for new, old in zip(shape, source.shape[:2], strict=True)]
    values = resize(source, scales, shape)
    if source.dtype.kind == "f":
        return values.astype(source.dtype)
    if source.dtype.kind == "b":
        return values > 0.5
    limits = np.iinfo(source.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(source.dtype)
