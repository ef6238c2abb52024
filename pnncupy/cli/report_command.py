"""The command `pnncupy report`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from pnncupy.cli import signals
from pnncupy.cli.command import Command
from pnncupy.errors import ImageReadError
from pnncupy.report.starter import FEWEST_IMAGES, MOST_SAMPLES, commented_spec_text, spec_text
from pnncupy.terminal import say, visible


@click.command(cls=Command)
@click.argument("files", metavar="[SPEC.toml | IMAGE...]", nargs=-1,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the page and its images (created if missing).  "
              "[required]")  # fmt: skip
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(FEWEST_IMAGES)),
              help="Task for the IMAGEs; can be repeated; default generate.")  # fmt: skip
@click.option("-n", "count", type=click.IntRange(1, MOST_SAMPLES),
              help="Images that generate makes of each IMAGE; default 4.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Seed of generate; default 0.")
@click.option(
    "--demo", is_flag=True, help="Show the bundled photographs; SPEC.toml is written too."
)
@click.option("--init", type=click.Path(dir_okay=False, path_type=Path), is_flag=False,
              flag_value=Path("report.toml"), metavar="[FILE.toml]",
              help="Write a spec to edit, of the IMAGEs or of bundled photographs; default "
              "report.toml.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; default: all cores.")
@click.option(
    "--force",
    is_flag=True,
    help="Use a folder that holds files: replace them, and remove those of an earlier page.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def report(
    files: tuple[Path, ...],
    output: Path | None,
    tasks: tuple[str, ...],
    count: int | None,
    seed: int | None,
    demo: bool,
    init: Path | None,
    threads: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Make a web page that shows results, baselines, measures, and their provenance.

    \b
    pnncupy report photo.png -n 8 -o page    then open page/index.html
    pnncupy report a.png b.png --task generate --task collage -o page
    pnncupy report --init my.toml            a spec to edit
    pnncupy report my.toml -o page
    pnncupy report --demo -o demo
    """
    specs = [file for file in files if file.suffix.lower() == ".toml"]
    if bool(specs or demo) and (tasks or count or seed is not None):
        raise click.UsageError("--task, -n and --seed are for IMAGEs; a spec says it itself")
    if init is not None:
        if specs or demo or output is not None:
            raise click.UsageError("--init takes IMAGEs only: it writes a spec, and no page")
        _write_spec(init, files, tasks, count, seed, force)
        return
    if len(specs) > 1 or (specs and len(files) > 1) or demo == bool(files):
        raise click.UsageError("give one SPEC.toml, or IMAGEs, or --demo")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    text = None if specs or demo else _text_of(files, tasks, count, seed)
    _make_page(specs[0] if specs else None, text, output, threads, force, quiet)


def _text_of(
    files: Sequence[Path], tasks: Sequence[str], count: int | None, seed: int | None
) -> str:
    """The spec of images."""
    try:
        return spec_text([str(file) for file in files], tasks or ["generate"], count or 4,
                         seed or 0)  # fmt: skip
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong


def _make_page(
    spec: Path | None, text: str | None, output: Path, threads: int | None, force: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Make the page of a spec's file, of its text, or without both of the photographs."""
    if find_spec("jinja2") is None:
        raise click.ClickException(
            "reports need Jinja2; install it with `pip install 'pnncupy[report]'`"
        )
    from pnncupy.cli.progress_bars import report_bar
    from pnncupy.report.builder import build_demo, build_report, build_report_of_text

    # A report that is in the works has hidden files only: its lock tells about it.
    if not force and output.is_dir() and any(file.name[0] != "." for file in output.iterdir()):
        raise click.UsageError(
            f"the folder {output} holds files; choose another -o or replace with --force"
        )
    notes: list[str] = []
    with _kept_if_ended(output):
        try:
            with report_bar(quiet) as show:
                if spec is not None:
                    page = build_report(
                        spec, output, threads=threads, callback=show, note=notes.append
                    )
                elif text is not None:
                    page = build_report_of_text(
                        text, output, threads=threads, callback=show, note=notes.append
                    )
                else:
                    page = build_demo(output, threads=threads, callback=show)
        except ImageReadError:
            raise
        except (ValueError, TypeError) as wrong:  # it speaks of names in the spec, not of options
            raise click.UsageError(str(wrong)) from wrong
    for line in notes:
        say(line, error=True)
    say(f"wrote {page}")


def _write_spec(
    file: Path, images: Sequence[Path], tasks: Sequence[str], count: int | None,
    seed: int | None, force: bool,
) -> None:  # fmt: skip
    """Write a commented spec of images; without them of photographs, which are written too."""
    from pnncupy.atomic_files import write_text
    from pnncupy.io import write_image
    from pnncupy.samples import load_sample

    if file.suffix.lower() != ".toml":
        raise click.UsageError(f"--init must name a .toml file, got {file}; put IMAGEs first")
    photographs = {}
    names = [_relative(image, file.parent) for image in images]
    if not images:
        names = [f"{file.stem}_images/gravel.png"]
        photographs = {file.parent / names[0]: load_sample("gravel")}
    existing = [each for each in (file, *photographs) if each.exists()]
    if existing and not force:
        raise click.UsageError(f"{existing[0]} exists; choose another, or replace with --force")
    try:
        text = commented_spec_text(
            file.name, names, tasks or ["generate", "retarget"], count or 4, seed or 0
        )
        encoded = text.encode("utf-8")
    except UnicodeEncodeError as wrong:
        raise click.UsageError("a name of an IMAGE is not UTF-8; rename the file") from wrong
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    for each, image in photographs.items():
        each.parent.mkdir(parents=True, exist_ok=True)
        write_image(each, image, overwrite=force)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, encoded.decode("utf-8"))
    say(f"wrote {file}; edit it, then: pnncupy report {file} -o page")


def _relative(image: Path, folder: Path) -> str:
    """Name of an image as a file in a folder names it."""
    if image.is_absolute():
        return str(image)
    return Path(os.path.relpath(image, folder)).as_posix()


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
