"""The command `pnncupy cite`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pnncupy import citation
from pnncupy._version import __version__
from pnncupy.cli.command import Command
from pnncupy.tasks.registry import TASKS, TaskSpec, task_function
from pnncupy.terminal import say

if TYPE_CHECKING:
    from pnncupy.citation import Reference
    from pnncupy.io import ProvenanceRecord


@click.command(cls=Command)
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(citation.FORMATS), default="text",
              show_default=True, help="Text, entries for BibTeX, or a CITATION.cff.")  # fmt: skip
def cite(file: Path | None, form: str) -> None:
    """Print how to cite pnncupy and its methods, or those that an image was synthesised with.

    Of a FILE that pnncupy has written, also sentences for a methods section.

    \b
    pnncupy cite
    pnncupy cite --format bibtex > pnncupy.bib
    pnncupy cite out/photo_generate_seed1_000.png
    """
    if file is None:
        _say_package(form)
        return
    from pnncupy.tasks.methods_section import methods_section, references

    record = _record_of(file)
    info = info_of_record(record)
    try:
        text, found = methods_section(info), references(info)
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from error
    if form == "text":
        say(text)
        say("")
    _say_entries(found, form, record.version)


def _say_package(form: str) -> None:
    if form != "text":
        _say_entries((citation.GPNN,), form)
        return
    say("Please cite the software, and the paper of the method:")
    say("")
    _say_entries((citation.GPNN,), form)
    say("")
    say("Where you use one of these, cite it too (`pnncupy cite FILE` knows what a result used):")
    for each in citation.REFERENCES:
        if each.feature:
            say("")
            say(f"{each.feature.replace('`', '')}:")
            say(each.text())


def _say_entries(references: "Sequence[Reference]", form: str, version: str = __version__) -> None:
    """Print entries of the package and of publications."""
    if form == "text":
        lines = [citation.software_text(version), *(each.text() for each in references)]
    else:
        write = citation.bibtex if form == "bibtex" else citation.cff
        lines = write(references, version).splitlines()
    for line in lines:
        say(line)


def _record_of(file: Path) -> "ProvenanceRecord":
    from pnncupy.io import read_provenance

    record = read_provenance(file)
    if record is None:
        raise click.ClickException(
            f"{file} does not say that pnncupy synthesised it; give a result as pnncupy wrote it, "
            "since other programs may drop its XMP"
        )
    return record


def info_of_record(record: "ProvenanceRecord") -> dict[str, Any]:
    """Return what a file says of its call as statistics of a run, images by their names."""
    from pnncupy.tasks.run_info import NOT_RECORDED, plain_defaults

    spec = TASKS.get(record.task)
    if spec is None:
        return {"task": record.task}
    inputs, known = _inputs(spec, record), plain_defaults(task_function(record.task))
    arguments = {
        name: value for name, value in record.arguments.items()
        if name not in inputs and name not in NOT_RECORDED
        and not (name in known and known[name] == value)
    }  # fmt: skip
    if spec.has_option("distinct") and record.arguments.get("n", 1) != 1:
        arguments.setdefault("distinct", True)  # the default of the command line for several
    info = {
        "task": record.task, "version": record.version, "inputs": inputs, "arguments": arguments,
        "seed": record.seed,
    }  # fmt: skip
    if record.sample is not None:
        return info | {"samples": [{}], "first_sample": record.sample}
    # A file without a number belongs to all realisations, if there are several.
    return info if spec.realisations else info | {"samples": [{}]}


def _inputs(spec: TaskSpec, record: "ProvenanceRecord") -> dict[str, Any]:
    """Images of a call by their names."""
    first, *others = spec.images
    found: dict[str, Any] = {first.name: [{"name": name} for name in record.sources]}
    for image in others:
        name = record.arguments.get(image.name)
        if isinstance(name, str) and name not in image.words:
            found[image.name] = {"name": name}
    guides = record.arguments.get("guides")
    if isinstance(guides, list) and all(isinstance(each, list) for each in guides):
        layers = [
            [{"name": source}, {"name": target}, weight]
            for source, target, weight in (each for each in guides if len(each) == 3)
        ]
        found |= {"guides": layers} if len(layers) == len(guides) else {}
    return found
