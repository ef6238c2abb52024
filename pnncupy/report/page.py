"""From results to a web page: views that the templates show, and the files of the page."""

import csv
import io
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.atomic_files import write_text
from pnncupy.batch.job import versions
from pnncupy.parallel.threads import thread_count
from pnncupy.report.commands import baseline_call, command_of
from pnncupy.report.figures import Figure, figure_of
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.resources import Cost, processor
from pnncupy.report.results import BASELINE_ARGUMENTS, Made
from pnncupy.report.spec import BASELINE, Spec, Study
from pnncupy.report.tables import Table
from pnncupy.report.volume_figures import VolumeFigure, middle_picture, volume_figure_of
from pnncupy.tasks.registry import TASKS
from pnncupy.terminal import visible

# Where a spreadsheet may see a formula begin: in a cell, or in one of a list with semicolons, by
# which some take lines apart whatever is quoted.
_FORMULA = re.compile(r"(^|;)(?=\s*[=+@＝＋－＠-])")


@dataclass(frozen=True)
class Section:
    """A part of the page, with its figures or tables."""

    name: str
    heading: str
    introduction: str
    figures: Sequence[Figure | VolumeFigure] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Pair:
    """A pair of a study: what is left and right."""

    number: int
    pictures: Sequence[Shown]


@dataclass
class Page:
    """All that the templates need."""

    title: str
    sections: list[Section] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    study_asked: bool = False
    runtime: Table | None = None
    provenance: list[Mapping[str, Any]] = field(default_factory=list)
    facts: Mapping[str, str] = field(default_factory=dict)


def write_page(
    spec: Spec, made: Sequence[Made], folder: Path, home: Path, threads: int | None
) -> None:
    """Write index.html and all its files into a folder; commands name files relative to `home`."""
    files = PictureFiles(folder)
    page = Page(spec.title, study_asked=spec.study is not None)
    made = sorted(made, key=lambda each: list(TASKS).index(each.entry.job.verb))
    number = 0
    for verb, task in TASKS.items():
        figures: list[Figure | VolumeFigure] = []
        for each in made:
            if each.entry.job.verb == verb:
                number += 1
                figure = volume_figure_of if each.volume else figure_of
                figures.append(figure(number, each, files))
        if figures:
            page.sections.append(Section(verb, task.heading, task.introduction, figures))
    if spec.study is not None:
        page.pairs, key = _pairs(spec.study, made, files)
        if page.pairs:
            write_text(folder / "study_key.csv", key)
    page.runtime = _runtime(made)
    page.provenance = [_provenance(each, home) for each in made]
    page.facts = {
        "processor": processor(),
        "threads": str(thread_count(threads)),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **versions(),
    }
    write_text(folder / "index.html", _rendered("page.html", page))
    if page.pairs:
        write_text(folder / "study.html", _rendered("study.html", page))


def _rendered(template: str, page: Page) -> str:
    """Fill a template; everything that is put into it is visible, and escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pnncupy.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    filled: str = environment.get_template(template).render(page=page)
    return filled


def _shown(value: Any) -> Any:
    return visible(value, keep="\n\t") if isinstance(value, str) else value


def _cell(words: str) -> str:
    """Words for a cell of CSV, after an apostrophe where a spreadsheet would run them."""
    return _FORMULA.sub(r"\1'", visible(words))


def _pairs(study: Study, made: Sequence[Made], files: PictureFiles) -> tuple[list[Pair], str]:
    """Pairs of real and generated pictures in random order, and the key as CSV."""
    random = np.random.default_rng(study.seed)
    chosen = []
    for each in made:
        fits = [
            sample
            for sample, image in enumerate(each.images)
            if TASKS[each.entry.job.verb].realisations and image.shape == each.sources[0].shape
        ]
        count = min(study.pairs, len(fits))
        chosen += (
            [(each, int(sample)) for sample in random.choice(fits, count, replace=False)]
            if fits
            else []
        )
    key = io.StringIO()
    lines = csv.writer(key)
    lines.writerow(["pair", "real", "picture", "sample"])
    pairs = []
    for number, place in enumerate(random.permutation(len(chosen)), 1):
        each, sample = chosen[place]
        real_first = bool(random.integers(2))
        both = [each.sources[0], each.images[sample]]
        values, nodata = each.data_range, each.nodata
        if each.volume:
            both, values, nodata = [middle_picture(one, each) for one in both], (0, 255), None
        shown = [
            files.add(
                f"study_{number:02}_{letter}", image, values,
                f"Picture {letter.upper()} of pair {number}", nodata,
            )
            for letter, image in zip("ab", both if real_first else both[::-1], strict=True)
        ]  # fmt: skip
        pairs.append(Pair(number, shown))
        lines.writerow([number, "A" if real_first else "B", _cell(each.entry.title), sample + 1])
    return pairs, key.getvalue()


def _runtime(made: Sequence[Made]) -> Table:
    """Seconds and memory of everything, as measured in this run."""
    rows = []
    for each in made:
        count = len(each.images)
        pairs = sum(sample["pairs_searched"] for sample in each.info["samples"])
        rows.append([
            each.entry.title, each.entry.job.verb, _size(each.sides(each.images[0])), str(count),
            f"{each.cost.seconds / count:.2f}", _megabytes(each.cost),
            f"{pairs / count / 1e9:.2f}",
        ])  # fmt: skip
        if each.baseline_cost is not None:
            rows.append([
                each.entry.title, BASELINE, _size(each.sides(each.baseline)), "1",
                f"{each.baseline_cost.seconds:.2f}", _megabytes(each.baseline_cost), "",
            ])  # fmt: skip
    return Table(
        "Measured in this very run, after a warm-up; memory is the highest of the whole process "
        "meanwhile",
        ("picture", "task", "size", "pictures", "seconds each", "memory, MB", "10⁹ pairs each"),
        rows,
    )


def _size(sides: Sequence[int]) -> str:
    return " × ".join(map(str, reversed(sides)))


def _megabytes(cost: Cost) -> str:
    return "not measured" if cost.megabytes is None else f"{cost.megabytes:.0f}"


def _provenance(made: Made, home: Path) -> dict[str, Any]:
    """Provenance of a picture: parameters, seed, engine, and the command to repeat it."""
    job = made.entry.job
    shared = {name: job.arguments[name] for name in BASELINE_ARGUMENTS if name in job.arguments}
    facts = {
        "files": ", ".join(
            Path(each.path).name
            for given in job.inputs.values()
            for each in (given if isinstance(given, tuple) else (given,))
        ),
        "parameters": ", ".join(f"{name} = {value}" for name, value in job.arguments.items())
        or "all defaults",
        "engine": made.info["engine"],
        "search": made.info["method"],
        "levels below full size": made.info["levels"],
    }
    if job.seed is not None:
        facts["seed"] = job.seed
    commands = [command_of(made.entry, home, made.sides(made.images[0]))]
    if made.baseline is not None:
        commands.append(baseline_call(made.entry, made.baseline.shape[:2], shared))
    return {"title": made.entry.title, "verb": job.verb, "facts": facts, "commands": commands}
