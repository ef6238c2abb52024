"""Execution of a prepared task: the realisations, and what is returned of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize
from pnncupy.search.patch_grid import Layout
from pnncupy.synthesis.coarse_to_fine import Synthesised, synthesise
from pnncupy.synthesis.problem import SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.voting import VOTES, apply_index, pixel_numbers
from pnncupy.tasks.prepare import PreparedTask, range_of
from pnncupy.tasks.progress_display import reported
from pnncupy.tasks.result import Result
from pnncupy.tasks.run_info import RunInfo, with_call

# Synthesises a batch of realisations.
Work = Callable[[ProgressReporter], Synthesised]


@dataclass(frozen=True)
class KeptPixels:
    """Pixels of a result that are those of an array of the caller, bit for bit.

    Attributes
    ----------
    original : array
        In the caller's form.
    mask : (H, W) bool
        True where a pixel is taken from it.
    in_source : bool
        The array is the first source, so that these pixels map to themselves in the index map.
    """

    original: Array
    mask: Array
    in_source: bool = True


def synthesis(task: PreparedTask, problem: SynthesisProblem, guess: Array) -> Work:
    """The work of a task that is one run of the loop; `guess` is (B, C, h, w)."""
    given = task.checked_guess()
    first = guess if given is None else given[None]

    def work(reporter: ProgressReporter) -> Synthesised:
        run = SynthesisRun(problem, task.schedule, task.settings, reporter)
        return synthesise(run, first, task.options.checkpoint_file)

    return work


def execute(
    task: PreparedTask,
    work: Callable[[range], Work],
    info: dict[str, Any],
    *,
    count: int | None = None,
    stages: Sequence[int] = (),
    resumable: bool = True,
    kept: KeptPixels | None = None,
) -> Any:
    """Run the synthesis for each realisation and assemble the result.

    ``work(numbers)`` synthesises a batch of realisations. `stages` are the pairs of its plans, if
    it has several; it is `resumable` if it has one run of the loop.
    """
    info = with_call(
        info
        | dict(task.options.chosen_by)
        | {
            "engine": task.engine_name,
            "method": task.settings.method,
            "threads": task.settings.threads,
            "patch_size": plain_size(task.options.patch_size),
            "levels": task.schedule.levels,
            "shape": list(task.shape),
            "periodic": list(task.periodic),
            "source_periodic": list(task.source_periodic),
            "data_range": range_of(task.encoding),
            "samples": [],
        }
    )
    total = count or 1
    if task.options.checkpoint is not None and (total > 1 or not resumable):
        raise ValueError(
            "`checkpoint` must be None with several images or `gradual`, got "
            f"{validation.shortened(task.options.checkpoint)}; "
            "use `pnncupy.batch` for many images"
        )
    batch_size = min(total, task.batch_size)
    results: list[Result] = []
    with reported(task.options.progress, task.options.callback) as callback:
        while len(results) < total:
            numbers = range(len(results), min(len(results) + batch_size, total))
            reporter = ProgressReporter(
                callback, task.encoding.decode, (task.engine_name, task.settings.method),
                numbers[0], total, stages, len(numbers),
            )  # fmt: skip
            try:
                results += _realise(task, work(numbers), reporter, info, numbers, kept)
            except MemoryError:
                if len(numbers) == 1:
                    raise
                batch_size = len(numbers) // 2
    return _assembled(task, results, info, stack=count is not None)


def plain_size(patch_size: PatchSize) -> int | list[int]:
    """A patch size of plain types, for records."""
    return patch_size if isinstance(patch_size, int) else list(patch_size)


def _realise(
    task: PreparedTask,
    work: Work,
    reporter: ProgressReporter,
    info: RunInfo,
    numbers: range,
    kept: KeptPixels | None,
) -> list[Result]:
    """Synthesise a batch of realisations, and note in `info` what that took."""
    start = time.perf_counter()
    images, indices, layout = work(reporter)
    finished = [
        _finished(task, images[number], indices[number], layout, kept)
        for number in range(len(images))
    ]
    # Realisations of a batch have equal shares of the work.
    count = len(numbers)
    record = {
        "pairs": reporter.pairs_planned // count,
        "pairs_searched": reporter.pairs_searched // count,
        "proofs_tried": reporter.reuse.tried // count,
        "proofs_held": reporter.reuse.held // count,
        "pairs_again": reporter.reuse.pairs_again // count,
        "seconds": (time.perf_counter() - start) / count,
    }
    records = [_with_remade(record, reporter, number) for number in range(count)]
    results = [
        Result(*each, _info_of_one(info, number, own))
        for each, number, own in zip(finished, numbers, records, strict=True)
    ]
    for number, result in zip(numbers, results, strict=True):
        reporter.complete(number, result)
    info["samples"] += records
    return results


def _info_of_one(info: RunInfo, number: int, record: dict[str, Any]) -> RunInfo:
    """The statistics of one of the realisations."""
    own = {"first_sample": info["first_sample"] + number} if "first_sample" in info else {}
    return RunInfo({**info, **own, "samples": [record]})


def _with_remade(record: dict[str, Any], reporter: ProgressReporter, number: int) -> dict[str, Any]:
    """The record of a realisation, with how it was synthesised again, if it was."""
    remade = reporter.remade.get(number)
    return record if remade is None else {**record, "remade": remade}


def _finished(
    task: PreparedTask, planes: Array, index: Array, layout: Layout, kept: KeptPixels | None
) -> tuple[Array, Array | None]:
    """A realisation in the caller's form, and its index map where that is returned."""
    index_map = None
    exact_copy = VOTES[task.schedule.vote].exact_copy
    if task.options.return_index or exact_copy:
        index_map = index_map_of(task, index, layout)
    image = _copied(task, index_map) if exact_copy else task.encoding.decode(planes)
    if kept is not None:
        image, index_map = _with_kept(task, image, index_map, kept)
    return image, index_map if task.options.return_index else None


def _assembled(task: PreparedTask, results: Sequence[Result], info: Any, stack: bool) -> Any:
    """The images, and what was requested beside them."""
    xp = arrays.namespace(results[0].image)
    image = xp.stack([each.image for each in results]) if stack else results[0].image
    if not (task.options.return_index or task.options.return_info):
        return image
    index = results[0].index
    if stack and task.options.return_index:
        index = xp.stack([each.index for each in results])
    return Result(image, index, info if task.options.return_info else None)


def index_map_of(task: PreparedTask, index: Array, layout: Layout) -> Array:
    """Return (source, row, column) of each pixel, (H, W, 3)."""
    grid = task.grid
    numbers = pixel_numbers(grid.covering(index), layout.canvas_shape, task.settings.patch_size)
    source, *places = layout.decode(grid.inner(numbers))
    xp = arrays.namespace(index)
    if any(task.source_periodic):
        sides = xp.asarray(task.images.shapes)[source]
        places = [place % sides[..., axis] for axis, place in enumerate(places)]
    return xp.astype(xp.stack([source, *places], axis=-1), xp.int32)


def _copied(task: PreparedTask, index_map: Array | None) -> Array:
    """The result of a vote that copies pixels, taken from the originals themselves."""
    axis = task.encoding.channel_axis
    originals = task.images.originals
    if axis is None:
        return apply_index(originals, index_map)
    xp = arrays.namespace(originals[0])
    last = [xp.moveaxis(image, axis, -1) for image in originals]
    copied = apply_index(last, index_map)
    return xp.ascontiguousarray(xp.moveaxis(copied, -1, axis))


def _with_kept(
    task: PreparedTask, image: Array, index_map: Array | None, kept: KeptPixels
) -> tuple[Array, Array | None]:
    """The kept pixels from the original array itself, bit for bit."""
    xp = arrays.namespace(image)
    axis, mask = task.encoding.channel_axis, kept.mask
    wide = mask if axis is None else xp.expand_dims(mask, axis=axis)
    image = xp.where(wide, kept.original, image).astype(kept.original.dtype)
    if index_map is not None and kept.in_source:
        position = xp.meshgrid(
            *(xp.arange(side, dtype=xp.int32) for side in mask.shape), indexing="ij"
        )
        itself = xp.stack([xp.zeros_like(position[0]), *position], axis=-1)
        index_map = xp.where(mask[..., None], itself, index_map)
    return image, index_map
