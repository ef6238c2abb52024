"""The command `pnncupy report`."""

from importlib.util import find_spec
from pathlib import Path

import click

from pnncupy.errors import ImageReadError
from pnncupy.terminal import say


@click.command()
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
    try:
        notes: list[str] = []
        with report_bar(quiet) as show:
            if spec is None:
                page = build_demo(output, threads=threads, callback=show)
            else:
                page = build_report(spec, output, threads=threads, callback=show, note=notes.append)
    except ImageReadError:
        raise
    except (ValueError, TypeError) as wrong:  # it speaks of names in the spec, not of options
        raise click.UsageError(str(wrong)) from wrong
    for line in notes:
        say(line, error=True)
    say(f"wrote {page}")
