"""The command `pnncupy batch`."""

import mimetypes
import secrets
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pnncupy.cli import completion
from pnncupy.cli.command import BASIC, write_groups
from pnncupy.cli.options import FactorsCommand
from pnncupy.cli.scheduler import dask_client
from pnncupy.tasks.registry import TASKS
from pnncupy.terminal import say

if TYPE_CHECKING:
    from pnncupy.batch import JobList

# Where the context keeps the task.
_VERB = "pnncupy.batch.verb"


class _BatchCommand(FactorsCommand):
    """The command with the options of the task that `--verb` names."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; the task among them decides which options there are."""
        verb = _verb_among(args)
        if ctx.resilient_parsing and (verb not in TASKS or TASKS[verb].volume):
            verb = "generate"  # while a shell completes the word
        if verb not in TASKS:
            raise click.UsageError(f"--verb must be one of {', '.join(TASKS)}, got {verb!r}", ctx)
        if TASKS[verb].volume:
            raise click.UsageError(
                f"--verb must be a task whose results are like its images, got {verb!r}; use "
                f"pnncupy {verb}", ctx,
            )  # fmt: skip
        ctx.meta[_VERB] = verb
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            flags = [
                each.opts[-1] for each in self.get_params(ctx) if isinstance(each, click.Option)
            ]
            raise click.UsageError(
                f"pnncupy batch --verb {verb} has no option {error.option_name}; it has "
                f"{', '.join(flags)}", ctx,
            ) from error  # fmt: skip

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the command, and those of the task."""
        spec = TASKS[_verb_of(ctx)]
        missing = {
            name for name, there in (("count", spec.realisations), ("seed", spec.seeded))
            if not there
        }  # fmt: skip
        own = [each for each in super().get_params(ctx) if each.name not in missing]
        return [*own, *_task_options(_verb_of(ctx))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, those of the task apart from those of the command."""
        of_task = {each.name for each in _task_options(_verb_of(ctx))}
        parameters = self.get_params(ctx)
        own, others = (
            [each for each in parameters if (each.name in of_task) is is_of_task]
            for is_of_task in (False, True)
        )
        write_groups(formatter, ctx, {BASIC: own, f"Options of {_verb_of(ctx)}": others})


def _verb_among(words: Sequence[str]) -> str:
    """The task that is named last among the words of a command."""
    verb = "generate"
    for number, word in enumerate(words):
        if word == "--verb":
            verb = "".join(words[number + 1 : number + 2])
        elif word.startswith("--verb="):
            verb = word.removeprefix("--verb=")
    return verb


def _verb_of(ctx: click.Context) -> str:
    return str(ctx.meta.get(_VERB, "generate"))


def _task_options(verb: str) -> list[click.Parameter]:
    """Those options of the command of a task that a job can have."""
    from pnncupy.batch.job_arguments import arguments_of_jobs
    from pnncupy.cli.task_commands import task_command

    names = arguments_of_jobs(verb)
    return [
        each for each in task_command(verb).params
        if isinstance(each, click.Option) and each.name in names
    ]  # fmt: skip


def _refuse_image(ctx: click.Context, parameter: click.Parameter, source: Path) -> Path:
    """Refuse a single image before anything else is missed."""
    kind, _ = mimetypes.guess_type(source.name)
    if source.is_file() and (kind or "").startswith("image/"):
        words = shlex.join(["pnncupy", _verb_of(ctx), str(source)])
        raise click.UsageError(
            f"SOURCE must be a folder or a TOML list of jobs, got the image {source}; use {words}"
        )
    return source


@click.command(cls=_BatchCommand)
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, path_type=Path),
                callback=_refuse_image)  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the images and the manifest (created if missing).")  # fmt: skip
@click.option("-n", "count", type=click.IntRange(min=1), default=1, show_default=True,
              help="Images to make of each in a folder.")  # fmt: skip
@click.option("--verb", metavar="TASK", default="generate", show_default=True,
              shell_complete=completion.words(*(verb for verb in TASKS if not TASKS[verb].volume)),
              help="Task for a folder; --verb TASK --help lists its options.")  # fmt: skip
@click.option("--recursive", is_flag=True,
              help="Include the images of subfolders; results are in subfolders, too.")  # fmt: skip
@click.option("--volume/--no-volume", default=None,
              help="Files are volumes: stacks, .npy; default: what TIFF files say.")  # fmt: skip
@click.option("--depth", type=click.IntRange(min=1),
              help="Slices of each result, with --volume and --shape.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0),
              help="Of a folder's images; default: as in the manifest, or new.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--threads", type=click.IntRange(min=1),
              help="CPU threads of each process; default: cores over workers.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Let a Dask cluster work, such as tcp://host:8786.")  # fmt: skip
@click.option("--ro-crate", is_flag=True,
              help="Describe images, sources and calls in the folder as an RO-Crate.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Make nothing, but count what there is to do and what would fail.",
)
@click.pass_context
def batch(
    ctx: click.Context,
    /,
    source: Path,
    output: Path,
    workers: int | None,
    threads: int | None,
    scheduler: str | None,
    ro_crate: bool,
    quiet: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Make many images: of every image in a folder, or those listed in a JOBS.toml.

    The same command again makes only what is missing or was changed. A file that cannot be read
    stops no other. Options of the task, such as --alpha, hold for all images of a folder; a mask
    or another image among them is one file for all. A TOML list has arguments for each job.

    \b
    pnncupy batch micrographs -o results -n 100 --seed 1
    pnncupy batch photos -o narrow --recursive --verb retarget --scale 1 0.6
    pnncupy batch stacks -o grown -n 5 --volume --categorical
    pnncupy batch jobs.toml -o results --workers 4
    """
    from pnncupy import batch as batches
    from pnncupy.cli.progress_bars import counting_bar

    if ro_crate:
        _check_crate(output)
    if scheduler is not None and threads is not None:
        raise click.UsageError("--threads is for processes here, not for a cluster's workers")
    jobs = _listed(ctx, source, output, options)
    for note in jobs.notes:
        say(note, error=True)
    if dry_run:
        _count(jobs, output, quiet)
        return
    with dask_client(scheduler) as executor, counting_bar(quiet) as show:
        report = batches.run(
            jobs, output, executor=executor, workers=workers, threads=threads, callback=show,
            ro_crate=ro_crate,
        )  # fmt: skip
    for note in report.notes[len(jobs.notes) :]:
        say(note, error=True)
    if ro_crate and report.made + report.kept:
        say(f"wrote {output / 'ro-crate-metadata.json'}")
    kept = f", {report.kept} were there already" if report.kept else ""
    say(f"made {report.made} images in {output}{kept}")
    if report.failures:
        # Workers fail in any order.
        for job, error in sorted(report.failures, key=lambda failure: failure[0].output):
            say(f"failed: {job.output}: {error}", error=True)
        raise click.ClickException(
            f"{len(report.failures)} of {len(jobs)} failed; the same command tries them again"
        )


def _check_crate(output: Path) -> None:
    """Refuse to begin where the description could not be written in the end."""
    from pnncupy.batch.ro_crate import check_crate

    try:
        check_crate(output)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            "--ro-crate needs rocrate; install it with `pip install 'pnncupy[crate]'`"
        ) from error


def _count(jobs: "JobList", output: Path, quiet: bool) -> None:
    """Report what there is to do, and what would fail before its first step."""
    from pnncupy.batch.runner import count_kept, early_failures
    from pnncupy.cli.progress_bars import counting_bar

    with counting_bar(quiet) as show:
        there, failures = count_kept(jobs, output), early_failures(jobs, output, callback=show)
    failing = sum(count for _, count, _ in failures)
    say(f"{len(jobs) - there - failing} images to make in {output}, {there} are there already")
    for job, count, error in failures:
        more = f" and {count - 1} more" if count > 1 else ""
        say(f"failed: {job.output}{more}: {error}", error=True)
    if failing:
        raise click.ClickException(f"{failing} of {len(jobs)} would fail")


def _listed(ctx: click.Context, source: Path, output: Path, options: dict[str, Any]) -> "JobList":
    """The jobs of a folder of images, or of a list."""
    from pnncupy import batch as batches

    if not source.is_dir():
        given = [
            each.opts[0] for each in ctx.command.get_params(ctx)
            if each.name in options
            and ctx.get_parameter_source(each.name) is ParameterSource.COMMANDLINE
        ]  # fmt: skip
        if given:
            raise click.UsageError(
                f"these options are for folders; set them in the list: {', '.join(given)}"
            )
        try:
            return batches.jobs_of_toml(source)
        except (ValueError, TypeError) as wrong:  # it speaks of names in the list, not of options
            raise click.UsageError(str(wrong)) from wrong
    verb, recursive = options.pop("verb"), options.pop("recursive")
    count, seed = options.pop("count", 1), options.pop("seed", None)
    volume, depth = options.pop("volume"), options.pop("depth")
    arguments = _arguments(verb, options)
    if depth is not None:
        if not (volume and arguments.get("shape")):
            raise click.UsageError("--depth needs --volume and --shape")
        arguments["shape"] = (depth, *arguments["shape"])
    is_new = seed is None
    jobs = batches.jobs_of_folder(
        source, count, known_seed(output) if seed is None else seed, arguments, verb=verb,
        output=output, recursive=recursive, volume=volume,
    )  # fmt: skip
    if is_new and TASKS[verb].draws(arguments):
        say(f"seed {jobs[0].seed}", error=True)
    return jobs


def _arguments(verb: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of all jobs of a folder from the options of a task."""
    from pnncupy.cli.arguments import parse_numbers
    from pnncupy.cli.task_commands import check_image_file

    given = {name: value for name, value in options.items() if value is not None}
    for image in TASKS[verb].images[1:]:
        if image.name in given:
            check_image_file(image, given[image.name])
    parse_numbers(given)
    # In a job None is what the files say.
    return {name: "none" if value is None else value for name, value in given.items()}


def known_seed(output: Path) -> int:
    """The seed of the folder's manifest, so that the same command continues; else a new one."""
    from pnncupy.batch.manifest import Manifest

    return Manifest(output).seed() if output.is_dir() else secrets.randbits(32)
