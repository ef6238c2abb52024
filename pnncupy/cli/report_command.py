"""The command `pnncupy report`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from pnncupy.cli import signals
from pnncupy.cli.command import Command
from pnncupy.errors import ImageReadError
from pnncupy.terminal import say, visible


@click.command(cls=Command)
@click.argument("spec", metavar="[SPEC.toml]", required=False,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option(
    "--demo", is_flag=True, help="Show the bundled photographs; SPEC.toml is written too."
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the page and its images (created if missing).")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; default: all cores.")
@click.option(
    "--force",
    is_flag=True,
    help="Use a folder that holds files: replace them, and remove those of an earlier page.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def report(
    spec: Path | None, demo: bool, output: Path, threads: int | None, force: bool, quiet: bool
) -> None:
    """Make a web page that shows results, baselines, measures, and their provenance.

    \b
    pnncupy report --demo -o demo        then open demo/index.html
    pnncupy report SPEC.toml -o page
    """
    if demo == (spec is not None):
        raise click.UsageError("give either SPEC.toml or --demo")
    if find_spec("jinja2") is None:
        raise click.ClickException(
            "reports need Jinja2; install it with `pip install 'pnncupy[report]'`"
        )
    from pnncupy.cli.progress_bars import report_bar
    from pnncupy.report.builder import build_demo, build_report

    # A report that is in the works has hidden files only: its lock tells about it.
    if not force and output.is_dir() and any(file.name[0] != "." for file in output.iterdir()):
        raise click.UsageError(
            f"the folder {output} holds files; choose another -o or replace with --force"
        )
    notes: list[str] = []
    with _kept_if_ended(output):
        try:
            with report_bar(quiet) as show:
                if spec is None:
                    page = build_demo(output, threads=threads, callback=show)
                else:
                    page = build_report(
                        spec, output, threads=threads, callback=show, note=notes.append
                    )
        except ImageReadError:
            raise
        except (ValueError, TypeError) as wrong:  # it speaks of names in the spec, not of options
            raise click.UsageError(str(wrong)) from wrong
    for line in notes:
        say(line, error=True)
    say(f"wrote {page}")


@contextmanager
def _kept_if_ended(folder: Path) -> Iterator[None]:
    """Let signals and errors within the block say what has become of the folder of a page."""
    before = _files(folder)

    def kept() -> str:
        name = visible(str(folder))
        if _files(folder) == before:
            return f"nothing of the page is kept, {name} is as it was"
        return f"{name} holds a part of the page; the same command with --force completes it"

    signals.set_kept(kept)
    try:
        yield
    except Exception as error:
        error.add_note(kept())
        raise
    signals.set_kept(lambda: f"the page in {visible(str(folder))} is complete")


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Identity and time of the files in a folder and its subfolders, but not of hidden ones."""
    files = [*folder.glob("[!.]*"), *folder.glob("[!.]*/*")]
    states = {file: file.lstat() for file in files if not file.is_dir()}
    return {file: (state.st_ino, state.st_mtime_ns) for file, state in states.items()}
