"""The command `pnncupy batch`."""

import logging
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pnncupy.terminal import say

if TYPE_CHECKING:
    from pnncupy.batch import JobList

# Seconds that a scheduler has to answer.
_SCHEDULER_TIMEOUT = 8


@click.command()
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the images and the manifest (created if missing).")  # fmt: skip
@click.option("-n", "count", type=click.IntRange(min=1), default=1, show_default=True,
              help="Images to make of each in a folder.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0),
              help="Of a folder's images; default: as in the manifest, or new.")  # fmt: skip
@click.option("--method", type=click.Choice(["exact", "patchmatch", "auto"]),
              help="Search, for a folder.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--scheduler", metavar="ADDRESS",
              help="Let a Dask cluster work, such as tcp://host:8786.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--dry-run", is_flag=True, help="Make nothing, but count what there is to do.")
def batch(
    source: Path,
    output: Path,
    count: int,
    seed: int | None,
    method: str | None,
    workers: int | None,
    scheduler: str | None,
    quiet: bool,
    dry_run: bool,
) -> None:
    """Make many images: of every image in a folder, or those listed in a JOBS.toml.

    The same command again makes only what is missing or was changed.

    \b
    pnncupy batch micrographs -o results -n 100 --seed 1
    pnncupy batch jobs.toml -o results --workers 4
    """
    from pnncupy import batch as batches
    from pnncupy.cli.progress_bars import counting_bar

    jobs = _listed(source, output, count, seed, method)
    if dry_run:
        there = batches.count_kept(jobs, output)
        say(f"{len(jobs) - there} images to make in {output}, {there} are there already")
        return
    with dask_client(scheduler) as executor, counting_bar(quiet) as show:
        report = batches.run(jobs, output, executor=executor, workers=workers, callback=show)
    for note in report.notes:
        say(note, error=True)
    kept = f", {report.kept} were there already" if report.kept else ""
    say(f"made {report.made} images in {output}{kept}")
    if report.failures:
        for job, error in report.failures:
            say(f"failed: {job.output}: {error}", error=True)
        raise click.ClickException(
            f"{len(report.failures)} of {len(jobs)} failed; the same command tries them again"
        )


def _listed(
    source: Path, output: Path, count: int, seed: int | None, method: str | None
) -> "JobList":
    """The jobs of a folder of images, or of a list."""
    from pnncupy import batch as batches

    if not source.is_dir():
        if count != 1 or seed is not None or method is not None:
            raise click.UsageError("-n, --seed and --method are for folders; set them in the list")
        try:
            return batches.jobs_of_toml(source)
        except (ValueError, TypeError) as wrong:  # it speaks of names in the list, not of options
            raise click.UsageError(str(wrong)) from wrong
    if seed is None:
        seed = known_seed(output)
        say(f"seed {seed}", error=True)
    arguments = {} if method is None else {"method": method}
    return batches.jobs_of_folder(source, count, seed, arguments)


def known_seed(output: Path) -> int:
    """The seed of the folder's manifest, so that the same command continues; else a new one."""
    from pnncupy.batch.manifest import Manifest

    return Manifest(output).seed() if output.is_dir() else secrets.randbits(32)


@contextmanager
def dask_client(scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler, or None."""
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client
        from distributed.versions import VersionMismatchWarning
    except ModuleNotFoundError as error:
        raise click.UsageError(
            "--scheduler needs Dask; install it with `pip install 'pnncupy[dask]'`"
        ) from error
    _silence_dask()
    try:
        with warnings.catch_warnings():
            # Versions are compared by `workers.check_versions`.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(scheduler, timeout=_SCHEDULER_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {scheduler} ({type(error).__name__}); start one with "
            "`dask scheduler`, or leave out --scheduler"
        ) from error
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=1)


def _silence_dask() -> None:
    """Turn off Dask's log, up to the end of the process: what matters is in our own messages."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("asyncio", "distributed", "tornado"):
            logging.getLogger(name).disabled = True
