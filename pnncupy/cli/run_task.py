"""One call of a task: its options, progress bar and files."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pnncupy.cli.scheduler import dask_client
from pnncupy.cli.signals import seconds_so_far
from pnncupy.tasks.registry import TASKS, TaskSpec, task_function
from pnncupy.terminal import say

# Seconds of an exact search from which on an estimate names the approximate one.
_LONG = 600
# Seconds of compilation that an estimate mentions.
_NOTICED = 0.5
# Options that are in the provenance elsewhere, or say where a result goes, or name a machine.
_NOT_RECORDED = {
    "files", "sample_names", "seed", "output", "save_index", "save_mask", "force", "quiet",
    "dry_run", "scheduler", "checkpoint", "preview_tiled", "ensemble",
}  # fmt: skip
# Options whose parameters have other names.
_PARAMETERS = {"count": "n", "guide_files": "guides"}


def run_task(
    verb: str,
    images: dict[str, Any],
    stem: str,
    sources: Sequence[Any],
    options: dict[str, Any],
) -> Any:
    """Run a task with a progress bar and write its results as they are finished.

    Parameters
    ----------
    verb : str
    images : dict
        Its images by parameter.
    stem : str
        What results are named after, where a folder is given.
    sources : sequence of arrays
        The images given first.
    options : dict
        The other options of the command, which are changed in place.

    Returns
    -------
    array
        The result, or the stack of them.
    """
    from pnncupy.cli.arguments import settle_labels, spoken_arguments
    from pnncupy.cli.outputs import ResultFiles

    spec = TASKS[verb]
    command = _CommandOptions.taken_from(options)
    changed = _changed_pixels(spec, images, options)
    made_from = _made_from(verb, spec, sources, options, partly=changed is not None)
    volume = bool(click.get_current_context().params["volume"])
    if volume:
        _within_slices(options, command)
    spoken_arguments(options, _image_files(spec), volume=volume)
    if spec.nan_missing and options["nodata"] is None:
        options["nodata"] = "nan"
    if isinstance(images.get("mask"), str) and not volume:
        _report_missing(made_from.sources[0], sources[0], options["nodata"])
    settle_labels(made_from.sources[0], sources, options)
    if command.dry_run:
        options["checkpoint"] = None
    given = {
        name: value
        for name, value in (images | options).items()
        if (value is not None or name == "channel_axis")
        and not (isinstance(value, tuple) and not value)
    }
    if command.dry_run:
        _report_costs(task_function(verb), given)
        raise click.exceptions.Exit
    if command.output is None:
        raise click.UsageError("Missing option '-o' / '--output': a folder, or an image file.")
    files = ResultFiles.plan(
        command.output, stem, options.get("n"), sources[0], command.save_index, command.force,
        made_from, command.save_mask, bool(command.preview_tiled), volume=volume,
    )  # fmt: skip
    statistics = None
    if command.ensemble:
        from pnncupy.cli.ensemble_results import EnsembleFiles

        statistics = EnsembleFiles.plan(files, bool(options.get("categorical")))
    with files.in_use(_inputs(spec)):
        for note in made_from.notes(files.images[0].suffix):
            say(note, error=True)
        made, seconds = _run(task_function(verb), given, command, files)
        _write_more(files, made, sources, given, changed, spec.margin_patches)
        written = [] if statistics is None else statistics.write()
    for line in _remarks(made.info):
        say(line)
    for file in written:
        say(f"wrote {file}")
    _report(files, f"{seconds:.1f} s, {made.info['levels']} levels below full size")
    return made.image


@dataclass(frozen=True)
class _CommandOptions:
    """The options of a command that are no parameters of its task."""

    output: Path | None
    save_index: Path | None
    force: bool
    quiet: bool
    dry_run: bool
    scheduler: str | None
    save_mask: Path | None
    preview_tiled: bool | None
    ensemble: bool | None

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> "_CommandOptions":
        return cls(**{each.name: options.pop(each.name, None) for each in fields(cls)})


def _within_slices(options: dict[str, Any], command: _CommandOptions) -> None:
    """Let rows and columns that wrap around be those of a volume's slices, in place."""
    if command.preview_tiled:
        raise click.UsageError("--preview-tiled is for images, not with --volume")
    for name in ("periodic", "source_periodic"):
        if options.get(name) and options[name] is not True:
            options[name] = (False, *options[name])


def _changed_pixels(spec: TaskSpec, images: dict[str, Any], options: dict[str, Any]) -> Any:
    """The mask of what is to be synthesised, or "nodata"; None is everything."""
    given = [name for name, image in images.items() if image is not None]
    if not spec.changes_a_part(given, {k: v for k, v in options.items() if v is not None}):
        return None
    return images["mask"]


def _report_missing(name: str, source: Any, nodata: Any) -> None:
    """Report how many missing pixels are the hole; the task refuses an image without any."""
    from pnncupy.cli.inputs import say_hole
    from pnncupy.images.mask_judgement import missing_hole

    judged = missing_hole(source, nodata)
    if judged is not None:
        say_hole(name, judged)


def _run(
    task: Callable[..., Any], given: dict[str, Any], command: _CommandOptions, files: Any
) -> tuple[Any, float]:
    """The result of a task, and its seconds; realisations are written when they are finished."""
    from pnncupy.cli.progress_bars import progress_bar

    start = time.perf_counter()
    with dask_client(command.scheduler) as client, progress_bar(command.quiet) as show:

        def save(event: Any) -> None:
            show(event)
            if event.result is not None:
                files.write(event.sample, event.result)

        made = task(
            **given, callback=save, progress=False, return_index=command.save_index is not None,
            return_info=True, executor=client,
        )  # fmt: skip
    return made, time.perf_counter() - start


def _write_more(
    files: Any, made: Any, sources: Sequence[Any], given: dict[str, Any], synthesised: Any,
    margin_patches: int,
) -> None:  # fmt: skip
    """Write the contact sheet and the mask of the synthesised pixels, where they are wanted."""
    import numpy as np

    from pnncupy.cli.arguments import without_missing_pixels
    from pnncupy.display import contact_sheet, middle_slices
    from pnncupy.images.intensity_encoding import value_range
    from pnncupy.images.planes import as_planes

    if files.sheet is not None:
        plain = without_missing_pixels(sources, given)
        axis = given.get("channel_axis", -1)
        planes = [as_planes("image", each, axis) for each in [*plain, *made.image]]
        shown = value_range(planes[: len(plain)], given.get("data_range"))
        tiles = [plain[0], *made.image]
        if files.volume:
            tiles = [
                np.moveaxis(middle_slices(each), 0, -1)
                for each in [planes[0], *planes[len(plain) :]]
            ]
        files.write_sheet(contact_sheet(tiles, shown))
    if files.mask is not None:
        if synthesised is not None and not isinstance(synthesised, str):
            from pnncupy.tasks.editing import near_mask

            synthesised = near_mask(
                synthesised, margin_patches, made.info["patch_size"], given.get("periodic", ())
            )
        files.write_mask(_mask_of(synthesised, sources[0], given))


def _mask_of(synthesised: Any, source: Any, options: dict[str, Any]) -> Any:
    """Mask of the synthesised pixels; None is everything, "nodata" the missing pixels."""
    import numpy as np

    from pnncupy.images.missing import checked_nodata, split_missing
    from pnncupy.images.planes import image_shape

    if synthesised is None:
        return np.ones(image_shape("image", source, options["channel_axis"]), bool)
    if isinstance(synthesised, str):
        nodata = checked_nodata(options.get("nodata", "nan"))
        known = split_missing("image", source, nodata, options["channel_axis"])[1]
        assert known is not None  # else there was nothing to do
        return ~known
    return synthesised


def _made_from(
    verb: str, spec: TaskSpec, sources: Sequence[Any], options: dict[str, Any], partly: bool
) -> Any:
    """Provenance of the results."""
    from pnncupy.batch.provenance import provenance

    context = click.get_current_context()
    given = context.params
    arguments = {
        _PARAMETERS.get(name, name): value
        for name, value in given.items()
        if name not in _NOT_RECORDED
        and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return provenance(
        verb,
        given["files"] or [f"sample {name}" for name in given["sample_names"]],
        1 if options["channel_axis"] is None or sources[0].ndim == 2 else sources[0].shape[-1],
        file=given["files"][0] if given["files"] else None,
        page=given["page"],
        volume=given["volume"],
        seed=options["rng"] if spec.draws(given) else None,
        partly=partly,
        arguments=arguments,
    )


def _report_costs(task: Callable[..., Any], given: dict[str, Any]) -> None:
    """Print what a call would cost."""
    from pnncupy.tasks.cost_estimate import estimate

    say("trying it on smaller images ...", error=True)
    before = seconds_so_far()
    cost = estimate(task, given)
    what = "pairs of patches" if cost.method == "exact" else "pairs tried, at most"
    total = before + cost.loading + cost.seconds * cost.samples
    each, share = "", f"for the command, {_duration(cost.seconds)} of them for the synthesis"
    if cost.samples > 1:
        each, share = " an image", f"in all, {_duration(cost.seconds)} an image"
    say(f"method {cost.method}, engine {cost.engine}")
    say(f"{what}: {cost.pairs:.2g}{each}")
    say(f"time: about {_duration(total)} {share}")
    if cost.compiling > _NOTICED:
        say(
            f"compiling: {_duration(cost.compiling)} more in a first run; later runs load kernels "
            "from the disk, as from now on"
        )
    say(f"peak memory: about {cost.megabytes:.0f} MB beside the inputs")
    if cost.method == "exact" and total > _LONG:
        say("much faster: --method patchmatch, an approximate search")


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, as befits a guess."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return (
                f"{seconds / size:.2g} {unit}"
                if seconds < 10 * size
                else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds:.1f} s"


def _image_files(spec: TaskSpec) -> list[Path]:
    """The files of a command whose pixels are worked on."""
    given = click.get_current_context().params
    single = [given.get(image.name) for image in spec.images if not image.mask]
    named = [*given.get("files", ()), *(name for name in single if name is not None)]
    return [Path(name) for name in named if Path(name).is_file()]


def _inputs(spec: TaskSpec) -> list[Path]:
    """Every file that the command reads, none of which a result may replace."""
    given = click.get_current_context().params
    single = [given.get(image.name) for image in spec.images]
    guides = [name for each in given.get("guide_files", ()) for name in each[:2]]
    named = [*given.get("files", ()), *guides, *(name for name in single if name is not None)]
    return [Path(name) for name in named if Path(name).exists()]


def _remarks(info: dict[str, Any]) -> list[str]:
    """Lines on how realisations were synthesised, where it is not the plain way."""
    lines = []
    if info.get("independent"):
        lines.append(
            "independent realisations, from random tiles of a stationary texture; --independent "
            "no keeps its layout"
        )
    if "patch_size_chosen_by" in info:
        detail = info["patch_size_chosen_by"]["detail"]
        scale = "no detail" if detail is None else f"finest details of {detail:.2g} pixels"
        lines.append(f"patch size {info['patch_size']}, chosen by {scale}")
    if "levels_chosen_by" in info:
        share = info["levels_chosen_by"]["unmoved"][-1]
        lines.append(
            f"{info['levels']} levels, chosen as the noise leaves {share:.0%} of the patches there "
            "where they are"
        )
    remade = {n: each["remade"] for n, each in enumerate(info["samples"]) if "remade" in each}
    return lines + [
        f"image {number}: synthesised again with {how}, as it copied the source"
        for number, how in remade.items()
    ]


def _report(files: Any, facts: str) -> None:
    groups = (
        (files.images, "images"), (files.tiled, "images repeated 2 x 2"),
        (files.indices, "index maps"),
    )  # fmt: skip
    for group, what in groups:
        if len(group) == 1:
            say(f"wrote {group[0]}")
        elif group:
            say(f"wrote {len(group)} {what}, {group[0]} to {group[-1].name}")
    if files.sheet is not None:
        say(f"wrote {files.sheet} (the source first, then the images)")
    if files.mask is not None:
        say(f"wrote {files.mask} (255: synthesised)")
    say(facts)
