"""The command line: parse, call, print."""

import re
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy import __version__, interrupts
from pnncupy.cli_batch import batch, dask_client
from pnncupy.cli_options import (
    EXISTING_FILE,
    GRADUAL_OPTION,
    GUIDE_OPTION,
    MASK_RESULT_OPTION,
    RESULT_OPTIONS,
    SEED_OPTION,
    SHAPE_OPTION,
    SOURCE_OPTIONS,
    SYNTHESIS_OPTIONS,
    with_options,
)  # fmt: skip
from pnncupy.cli_report import report
from pnncupy.errors import CheckpointError, EngineUnavailable, ImageReadError
from pnncupy.terminal import guarded_output, say, visible

INTERRUPTED = 130
# Parameters of the library that have another name on the command line.
_OPTION_NAMES = {
    "image": "IMAGE", "images": "IMAGE", "source": "IMAGE", "rng": "--seed", "n": "-n",
    "count": "-n",
    "guides": "--guide",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 done, 1 failed, 2 wrong call, 130 interrupted, 143 terminated.
    """
    interrupts.guard_process()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with guarded_output():
        try:
            return interrupts.exit_code(lambda: _outcome(arguments))
        except Exception:  # a mistake of the package: its traceback may quote names, too
            traceback.print_exc()
            return 1


def _outcome(arguments: Sequence[str] | None) -> int:
    """The exit code of a command that no signal ends."""
    try:
        commands.main(args=arguments, prog_name="pnncupy", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted; pictures that were finished are kept.", error=True)
        return INTERRUPTED
    except (ImageReadError, EngineUnavailable, OSError) as error:
        say(f"Error: {error or type(error).__name__}", error=True)
        return 1
    except CheckpointError as error:
        say(f"Error: {_with_option_names(str(error))}", error=True)
        return 1
    except MemoryError as error:
        say(f"Error: {_with_option_names(str(error)) or 'out of memory'}", error=True)
        return 1
    except (TypeError, ValueError) as error:
        say(f"Error: {_with_option_names(str(error))}", error=True)
        return 2
    return 0


def _show(error: click.ClickException) -> None:
    """Print the usage, if it is to blame, and a message in one line."""
    message = error.format_message()
    if not isinstance(error, click.UsageError):
        say(f"Error: {message}", error=True)
    elif error.ctx is not None and message == error.ctx.get_help():  # no command was named
        error.show()
    elif sys.stderr is not None:
        click.UsageError(visible(message), error.ctx).show(sys.stderr)


def _with_option_names(message: str) -> str:
    """`noise_std` in a message of the library is --noise-std here."""

    def option(match: re.Match[str]) -> str:
        name, position = match[1], match[2] or ""
        if name.isupper():  # an environment variable
            return name
        return _OPTION_NAMES.get(name, f"--{name.replace('_', '-')}") + position

    return re.sub(r"`(\w+)(\[\d+\])?`", option, message)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pnncupy")
def commands() -> None:
    """Make new pictures from the patches of others, without training."""


@commands.command()
def engines() -> None:
    """Say which engines can run here, and why not."""
    from pnncupy.engine.registry import engines as find_engines

    for engine in find_engines():
        state = "runs" if engine.available else "cannot run"
        say(f"{engine.name:12}{state:12}{engine.detail}")


@commands.command()
@with_options(SOURCE_OPTIONS)
@click.option("-n", "count", type=int, default=1, show_default=True, help="Pictures to make.")
@click.option("--noise-std", type=float,
              help="Noise at the coarsest level, in units of the value range: more is more "
              "diverse; default 0.75.")  # fmt: skip
@with_options(SHAPE_OPTION, SEED_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def generate(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    count: int,
    seed: int | None,
    **options: Any,
) -> None:
    """Make new pictures with the patches of IMAGE, arranged differently.

    \b
    pnncupy generate photo.png -o results -n 8
    pnncupy generate --sample rocket -o rocket.png --shape 165 400
    """
    from pnncupy.cli_arguments import without_missing_pixels
    from pnncupy.cli_files import read_sources
    from pnncupy.tasks import generate

    if count < 1:
        raise click.UsageError(f"-n must be at least 1, got {count}")
    name, sources = read_sources(files, sample_names, page)
    seed = secrets.randbits(32) if seed is None else seed
    stem = f"{name}_generate_seed{seed}"
    options["rng"] = seed
    pictures = _run(generate, [_one_or_all(sources), count], stem, sources, options, count)
    say(f"seed {seed}")
    _report_near_copies(without_missing_pixels(sources[:1], options)[0], pictures)


@commands.command()
@with_options(SOURCE_OPTIONS, SHAPE_OPTION)
@click.option("--scale", nargs=2, type=float, metavar="Y X",
              help="Instead of --shape: factors of the height and the width.")  # fmt: skip
@with_options(GRADUAL_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def retarget(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    shape: tuple[int, int] | None,
    scale: tuple[float, float] | None,
    **options: Any,
) -> None:
    """Change the size or aspect of IMAGE while its objects keep theirs.

    \b
    pnncupy retarget photo.png -o narrow.png --scale 1 0.6
    """
    from pnncupy.cli_files import read_sources
    from pnncupy.tasks import retarget

    name, sources = read_sources(files, sample_names, page)
    if bool(shape) == bool(scale):
        raise click.UsageError("give either --shape H W or --scale Y X")
    if scale:
        height, width = sources[0].shape[:2]
        shape = (round(height * scale[0]), round(width * scale[1]))
    _run(retarget, [_one_or_all(sources), shape], f"{name}_retarget", sources, options)


@commands.command()
@with_options(SOURCE_OPTIONS)
@click.option(
    "--mask",
    "mask_file",
    required=True,
    metavar="FILE|nodata",
    help="Picture of IMAGE's size, bright where it is to be made anew; nodata: what is missing.",
)
@click.option(
    "--fill",
    metavar="FILE|mean|noise",
    help="What steers the result instead of what stands in the hole.",
)
@click.option("--remake-known", is_flag=True,
              help="Make the rest anew too, instead of leaving it as it is.")  # fmt: skip
@with_options(SEED_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS, MASK_RESULT_OPTION)
def inpaint(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    mask_file: str,
    fill: str | None,
    remake_known: bool,
    seed: int | None,
    **options: Any,
) -> None:
    """Fill holes of IMAGE with its patches, steered by the colours painted into them.

    \b
    pnncupy inpaint painted.png --mask mask.png -o filled.png
    """
    from pnncupy.cli_files import read_picture, read_sources
    from pnncupy.io.masks import read_mask
    from pnncupy.tasks import inpaint

    name, sources = read_sources(files, sample_names, page)
    seed = secrets.randbits(32) if seed is None else seed
    steering = fill if fill in (None, "mean", "noise") else read_picture(fill)
    options |= {"fill": steering, "keep_known": not remake_known, "rng": seed}
    if mask_file != "nodata" and not Path(mask_file).is_file():
        raise click.UsageError(f"--mask must name a file, or be nodata: there is no {mask_file}")
    mask = "nodata" if mask_file == "nodata" else read_mask(mask_file)
    made = None if remake_known else mask
    _run(inpaint, [_only(sources), mask], f"{name}_inpaint", sources, options, synthesised=made)
    if fill == "noise":
        say(f"seed {seed}")


@commands.command()
@with_options(SOURCE_OPTIONS)
@click.option("--structure", "structure_file", required=True, type=EXISTING_FILE,
              help="Picture that gives the layout and the size.")  # fmt: skip
@with_options(SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def analogy(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    structure_file: str,
    **options: Any,
) -> None:
    """Rebuild the layout of a structure picture with the patches of IMAGE.

    \b
    pnncupy analogy snow.png --structure sand.png -o prints_in_snow.png
    """
    from pnncupy.cli_files import read_picture, read_sources
    from pnncupy.tasks import analogy

    name, sources = read_sources(files, sample_names, page)
    stem = f"{name}_analogy_{Path(structure_file).stem}"
    _run(analogy, [_one_or_all(sources), read_picture(structure_file)], stem, sources, options)


@commands.command()
@with_options(SOURCE_OPTIONS, SHAPE_OPTION, GRADUAL_OPTION, SYNTHESIS_OPTIONS, RESULT_OPTIONS)
def collage(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    shape: tuple[int, int] | None,
    **options: Any,
) -> None:
    """Merge two or more IMAGEs into one picture that has something of each.

    \b
    pnncupy collage beach.png forest.png city.png -o merged.png
    """
    from pnncupy.cli_files import read_sources
    from pnncupy.tasks import collage

    name, sources = read_sources(files, sample_names, page)
    _run(collage, [sources, shape or None], f"{name}_collage", sources, options)


@commands.command()
@with_options(SOURCE_OPTIONS)
@click.option(
    "--edited", "edited_file", required=True, type=EXISTING_FILE, help="IMAGE after a rough edit."
)
@click.option("--mask", "mask_file", type=EXISTING_FILE,
              help="Picture that is bright where the edit was made; the rest is kept.")  # fmt: skip
@with_options(SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS, MASK_RESULT_OPTION)
def edit(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    edited_file: str,
    mask_file: str | None,
    **options: Any,
) -> None:
    """Make a rough edit of IMAGE seamless.

    \b
    pnncupy edit photo.png --edited rough.png -o seamless.png
    """
    from pnncupy.batch.provenance import near_mask
    from pnncupy.cli_files import read_picture, read_sources
    from pnncupy.io.masks import read_mask
    from pnncupy.tasks import edit

    name, sources = read_sources(files, sample_names, page)
    made = None
    if mask_file is not None:
        options["mask"] = read_mask(mask_file)
        made = near_mask(options["mask"], options["patch_size"])
    pictures = [_only(sources), read_picture(edited_file)]
    _run(edit, pictures, f"{name}_edit", sources, options, synthesised=made)


commands.add_command(batch)
commands.add_command(report)


def _one_or_all(sources: Sequence[Any]) -> Any:
    """A single source by itself, so that messages do not number it."""
    return sources[0] if len(sources) == 1 else sources


def _only(sources: Sequence[Any]) -> Any:
    """The one source of a task that takes one."""
    if len(sources) > 1:
        raise click.UsageError(f"this command takes one IMAGE, got {len(sources)}")
    return sources[0]


def _run(
    task: Callable[..., Any],
    arguments: Sequence[Any],
    stem: str,
    sources: Sequence[Any],
    options: dict[str, Any],
    count: int | None = None,
    synthesised: Any = None,
) -> Any:
    """Run a task with a progress bar and write its pictures as they are finished.

    `synthesised` is a mask of what is made anew; None: everything.
    """
    from pnncupy.cli_arguments import spoken_arguments
    from pnncupy.cli_files import ResultFiles
    from pnncupy.progress_bars import progress_bar

    output, save_index = options.pop("output"), options.pop("save_index")
    force, quiet, dry = options.pop("force"), options.pop("quiet"), options.pop("dry_run")
    scheduler, save_mask = options.pop("scheduler"), options.pop("save_mask", None)
    made_from = _made_from(sources, options, partly=synthesised is not None)
    spoken_arguments(options, _pictures())
    if dry:
        options["checkpoint"] = None
    given = {
        name: value
        for name, value in options.items()
        if value is not None and not (isinstance(value, tuple) and not value)
    }
    if dry:
        _report_costs(task, arguments, given)
        raise click.exceptions.Exit
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output': a folder, or an image file.")
    files = ResultFiles.plan(
        output, stem, count, sources[0], save_index, force, made_from, save_mask
    )
    with files.in_use(_inputs()):
        for note in made_from.notes(files.pictures[0].suffix):
            say(note, error=True)
        start = time.perf_counter()
        with dask_client(scheduler) as client, progress_bar(quiet) as show:

            def save(event: Any) -> None:
                show(event)
                if event.result is not None:
                    files.write(event.sample, event.result)

            made = task(
                *arguments, callback=save, return_index=save_index is not None, return_info=True,
                executor=client, **given,
            )  # fmt: skip
        seconds = time.perf_counter() - start
        _write_more(files, made, sources, given, synthesised)
    _report(files, f"{seconds:.1f} s, {made.info['levels']} levels below full size")
    return made.image


def _write_more(
    files: Any, made: Any, sources: Sequence[Any], given: dict[str, Any], synthesised: Any
) -> None:
    """Write the contact sheet and the mask of what was made, where they are wanted."""
    from pnncupy.cli_arguments import without_missing_pixels
    from pnncupy.display import contact_sheet
    from pnncupy.images.intensity_encoding import value_range
    from pnncupy.images.planes import as_planes

    if files.sheet is not None:
        plain = without_missing_pixels(sources, given)
        shown = value_range([as_planes("image", each) for each in plain], given.get("data_range"))
        files.write_sheet(contact_sheet([plain[0], *made.image], shown))
    if files.mask is not None:
        files.write_mask(_mask_of(synthesised, sources[0], given))


def _mask_of(synthesised: Any, source: Any, options: dict[str, Any]) -> Any:
    """What was made anew, as a mask; None is everything, "nodata" the missing pixels."""
    import numpy as np

    from pnncupy.images.missing import checked_nodata, split_missing

    if synthesised is None:
        return np.ones(source.shape[:2], bool)
    if isinstance(synthesised, str):
        known = split_missing("image", source, checked_nodata(options.get("nodata", "nan")), -1)[1]
        assert known is not None  # else there was nothing to do
        return ~known
    return synthesised


def _made_from(sources: Sequence[Any], options: dict[str, Any], partly: bool) -> Any:
    """What results say of themselves."""
    from pnncupy.batch.provenance import provenance

    context = click.get_current_context()
    given, verb = context.params, str(context.command.name)
    draws = verb == "generate" or given.get("fill") == "noise"
    return provenance(
        verb,
        given["files"] or [f"sample {name}" for name in given["sample_names"]],
        1 if sources[0].ndim == 2 else sources[0].shape[2],
        file=given["files"][0] if given["files"] else None,
        page=given["page"],
        seed=options["rng"] if draws else None,
        partly=partly,
    )


def _report_costs(
    task: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]
) -> None:
    """Print what a call would cost."""
    from pnncupy.tasks.cost_estimate import estimate

    say("trying it on smaller pictures ...", error=True)
    cost = estimate(task, arguments, options)
    what = "pairs of patches" if cost.method == "exact" else "pairs tried, at most"
    each, total = "", _duration(cost.seconds * cost.samples)
    if cost.samples > 1:
        each, total = " a picture", f"{_duration(cost.seconds)} a picture, {total} in all"
    say(f"method {cost.method}, engine {cost.engine}")
    say(f"{what}: {cost.pairs:.2g}{each}")
    say(f"time: about {total}")
    say(f"peak memory: about {cost.megabytes:.0f} MB beside the inputs")


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


def _pictures() -> list[Path]:
    """The files of a command whose pixels are worked on."""
    given = click.get_current_context().params
    single = [given.get(name) for name in ("edited_file", "structure_file", "fill")]
    named = [*given.get("files", ()), *(name for name in single if name is not None)]
    return [Path(name) for name in named if Path(name).is_file()]


def _inputs() -> list[Path]:
    """Every file that the command reads, none of which a result may replace."""
    given = click.get_current_context().params
    single = [given.get(name) for name in ("mask_file", "edited_file", "structure_file", "fill")]
    guides = [name for each in given.get("guide_files", ()) for name in each[:2]]
    named = [*given.get("files", ()), *guides, *(name for name in single if name is not None)]
    return [Path(name) for name in named if Path(name).exists()]


def _report(files: Any, facts: str) -> None:
    for group, what in ((files.pictures, "pictures"), (files.indices, "index maps")):
        if len(group) == 1:
            say(f"wrote {group[0]}")
        elif group:
            say(f"wrote {len(group)} {what}, {group[0]} to {group[-1].name}")
    if files.sheet is not None:
        say(f"wrote {files.sheet} (the source first, then the pictures)")
    if files.mask is not None:
        say(f"wrote {files.mask} (255: synthesised)")
    say(facts)


def _report_near_copies(source: Any, pictures: Any) -> None:
    """Say how many results are hardly different from the source, rather than hide it."""
    from pnncupy.metrics import NEAR_COPY_DECIBELS, near_copy

    if pictures.shape[1:] != source.shape:
        return
    close = sum(near_copy(source, made).is_copy for made in pictures)
    advice = "; more --noise-std or fewer --levels give more variety" if close else ""
    say(
        f"{close} of {len(pictures)} nearly a copy of the source (PSNR over "
        f"{NEAR_COPY_DECIBELS:.0f} dB, moved by up to 8 pixels){advice}"
    )
