"""What all tasks end with: making the samples, and returning what was asked for."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.search.patch_grid import Layout, fields_of, pictures_of
from pnncupy.synthesis.coarse_to_fine import synthesise
from pnncupy.synthesis.problem import SynthesisProblem
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.voting import apply_index, pixel_numbers
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask, checked_guess


class Result(NamedTuple):
    """What a task returns when asked for more than the picture.

    Attributes
    ----------
    image : array
        The picture, or the stack of them.
    index : (H, W, 3) or (n, H, W, 3) int32 array, or None
        (source, row, column) of the pixel that the patch of the largest vote weight puts at each
        place; pixels that were kept have their own. `apply_index` renders other layers through it.
        None unless asked for.
    info : dict or None
        Numbers about the run, of plain types: task, engine, method, seed, levels, and for each
        sample the pairs of patches of a plain run (``pairs``), those that searches covered, by
        comparing or through a tree (``pairs_searched``), the query patches whose match was to be
        proven without a search (``proofs_tried``) and was (``proofs_held``), the pairs that the
        others cost (``pairs_again``), and seconds. None unless asked for.
    """

    image: Array
    index: Array | None  # type: ignore[assignment]  # shadows tuple.index, as the name is fixed
    info: dict[str, Any] | None


# Makes some pictures, stacked as in `stacking`, their matches, and the layout of these.
Work = Callable[[ProgressReporter], tuple[Array, Array, Layout]]


def synthesis(setup: PreparedTask, problem: SynthesisProblem, guess: Array) -> Work:
    """The work of a task that is one run of the loop."""
    given = checked_guess(setup)
    return lambda reporter: synthesise(
        setup.settings, setup.schedule, problem, guess if given is None else given, reporter,
        setup.checkpoint,
    )  # fmt: skip


def run(
    setup: PreparedTask,
    work: Callable[[range], Work],
    info: dict[str, Any],
    *,
    count: int | None = None,
    stages: int = 1,
    kept: tuple[Array, Array] | None = None,
) -> Any:
    """Make the samples, some at a time, and return what was asked for.

    ``work(samples)`` makes those samples together, by `stages` runs of the loop. `kept` is an array
    as the caller gave it and a mask (H, W) of the pixels that are taken from it.
    """
    info = info | {
        "engine": setup.engine_name,
        "method": setup.settings.method,
        "threads": setup.settings.threads,
        "levels": setup.schedule.levels,
        "shape": list(setup.shape),
        "samples": [],
    }
    total = count or 1
    if setup.options.checkpoint is not None and (total > 1 or stages > 1):
        raise ValueError(
            "`checkpoint` must be None with several pictures or `gradual`, got "
            f"{validation.shortened(setup.options.checkpoint)}; "
            "use `pnncupy.batch` for many pictures"
        )
    together = min(total, setup.together)
    made: list[Result] = []
    while len(made) < total:
        samples = range(len(made), min(len(made) + together, total))
        reporter = ProgressReporter(
            setup.options.callback, setup.form.decode, (setup.engine_name, setup.settings.method),
            samples[0], total, stages, len(samples),
        )  # fmt: skip
        try:
            made += _make(setup, work(samples), reporter, info, samples, kept)
        except MemoryError:
            if len(samples) == 1:
                raise
            together = len(samples) // 2
    return _collect(made, count is not None, info, setup.options)


def _make(
    setup: PreparedTask,
    work: Work,
    reporter: ProgressReporter,
    info: dict[str, Any],
    samples: range,
    kept: tuple[Array, Array] | None,
) -> list[Result]:
    """Make some samples together, and note in `info` what that took."""
    start = time.perf_counter()
    pictures, indices, layout = work(reporter)
    count, size = len(samples), setup.settings.patch_size
    finished = []
    for picture, index in zip(
        pictures_of(pictures, count), fields_of(indices, count, size), strict=True
    ):
        index_map = None
        if setup.options.return_index or setup.schedule.vote == "copy":
            index_map = _index_map(index, layout, size)
        image = _final_picture(setup, picture, index_map)
        if kept is not None:
            image, index_map = _with_kept(setup, image, index_map, *kept)
        finished.append((image, index_map if setup.options.return_index else None))
    # Samples that are made together have equal shares of the work.
    record = {
        "pairs": reporter.pairs_planned // count,
        "pairs_searched": reporter.pairs_searched // count,
        "proofs_tried": reporter.reuse.tried // count,
        "proofs_held": reporter.reuse.held // count,
        "pairs_again": reporter.reuse.pairs_again // count,
        "seconds": (time.perf_counter() - start) / count,
    }
    results = [Result(*each, {**info, "samples": [record]}) for each in finished]
    for sample, result in zip(samples, results, strict=True):
        reporter.complete(sample, result)
    info["samples"] += [record] * count
    return results


def _collect(samples: Sequence[Result], stack: bool, info: Any, options: TaskOptions) -> Any:
    xp = arrays.namespace(samples[0].image)
    image = xp.stack([made.image for made in samples]) if stack else samples[0].image
    if not (options.return_index or options.return_info):
        return image
    index = samples[0].index
    if stack and options.return_index:
        index = xp.stack([made.index for made in samples])
    return Result(image, index, info if options.return_info else None)


def _index_map(index: Array, layout: Layout, patch_size: int) -> Array:
    """(source, row, column) of each pixel, (H, W, 3)."""
    numbers = pixel_numbers(index, layout.width, patch_size)
    xp = arrays.namespace(index)
    return xp.astype(xp.stack(layout.decode(numbers), axis=-1), xp.int32)


def _final_picture(setup: PreparedTask, picture: Array, index_map: Array | None) -> Array:
    """The result in the caller's form; copied pixels are taken from the originals themselves."""
    if setup.schedule.vote != "copy":
        return setup.form.decode(picture)
    axis = setup.form.channel_axis
    if axis is None:
        return apply_index(setup.originals, index_map)
    xp = arrays.namespace(picture)
    last = [xp.moveaxis(image, axis, -1) for image in setup.originals]
    copied = apply_index(last, index_map)
    return xp.ascontiguousarray(xp.moveaxis(copied, -1, axis))


def _with_kept(
    setup: PreparedTask, image: Array, index_map: Array | None, original: Array, mask: Array
) -> tuple[Array, Array | None]:
    """The kept pixels from the original array itself, bit for bit; they map to themselves."""
    xp = arrays.namespace(image)
    axis = setup.form.channel_axis
    wide = mask if axis is None else xp.expand_dims(mask, axis=axis % 3)
    image = xp.where(wide, original, image).astype(original.dtype)
    if index_map is not None:
        rows, columns = xp.meshgrid(
            xp.arange(mask.shape[0], dtype=xp.int32),
            xp.arange(mask.shape[1], dtype=xp.int32),
            indexing="ij",
        )
        itself = xp.stack([xp.zeros_like(rows), rows, columns], axis=-1)
        index_map = xp.where(mask[..., None], itself, index_map)
    return image, index_map
