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
from pnncupy.display import index_colours
from pnncupy.parallel.threads import thread_count
from pnncupy.report.commands import baseline_call, command_of
from pnncupy.report.display_range import shown_range
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.resources import Cost, processor
from pnncupy.report.results import BASELINE_ARGUMENTS, Made
from pnncupy.report.spec import BASELINE, INPUT_NAMES, RESIZED, RESULT, Spec, Study
from pnncupy.report.tables import Table, table_of
from pnncupy.tasks.registry import TASKS
from pnncupy.terminal import visible

# Where a spreadsheet may see a formula begin: in a cell, or in one of a list with semicolons, by
# which some take lines apart whatever is quoted.
_FORMULA = re.compile(r"(^|;)(?=\s*[=+@＝＋－＠-])")

# Times that a result is shown along an axis where it wraps around.
_REPEATS = 3


@dataclass(frozen=True)
class Layer:
    """One picture of a viewer, with the name on its button."""

    label: str
    shown: Shown


@dataclass(frozen=True)
class Level:
    """One stop of the slider over the pyramid."""

    text: str
    shown: Shown


@dataclass(frozen=True)
class Figure:
    """Part of the page for one entry.

    `layers` are swapped in place: what went in, then at `result` the one that `overlay`, the index
    map, and `levels` belong to, then others. `grid` holds all samples where there are several;
    `repeats` is how often a result that wraps around is shown down and across.
    """

    number: int
    title: str
    caption: str
    layers: Sequence[Layer]
    result: int
    overlay: Shown
    levels: Sequence[Level]
    grid: Sequence[Shown]
    table: Table
    repeats: tuple[int, ...] = (1, 1)

    @property
    def zoom(self) -> int:
        """Factor by which layers are enlarged, so that flicker compares.

        Pictures that are far larger than the result must not make a stamp of it.
        """
        own = [layer.shown for layer in self.layers[: self.result] if not layer.shown.is_smaller]
        return min(shown.zoom for shown in (*own, self.layers[self.result].shown))

    def width(self, shown: Shown) -> int:
        """Width of a picture on the page: a smaller preview has no pixels of its own."""
        pixels = self.layers[self.result].shown.width if shown.is_smaller else shown.width
        return pixels * self.zoom

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height on the page of one of the repeated results, half enlarged."""
        shown, zoom = self.layers[self.result].shown, max(1, self.zoom // 2)
        return shown.width * zoom, shown.height * zoom


@dataclass(frozen=True)
class Section:
    """A part of the page, with its figures or tables."""

    name: str
    heading: str
    introduction: str
    figures: Sequence[Figure] = ()
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
        figures = []
        for each in made:
            if each.entry.job.verb == verb:
                number += 1
                figures.append(_figure(number, each, files))
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


def _figure(number: int, made: Made, files: PictureFiles) -> Figure:
    entry, shown_range = made.entry, made.data_range
    title = entry.title

    def add(label: str, image: Any, values: tuple[float, float] = shown_range) -> Shown:
        name, alt = f"{number}_{title}_{label}", f"{label}: {title}"
        return files.add(name, image, values, alt, made.nodata)

    layers = [
        Layer(label, add(label, image, _range_of(image, made)))
        for label, image in _input_pictures(made)
    ]
    result = len(layers)
    several = len(made.images) > 1
    grid = []
    if several:
        grid = [
            files.add(
                f"{number}_{title}_sample_{sample}", image, shown_range,
                f"Sample {sample + 1} of {len(made.images)}: {title}", made.nodata,
            )
            for sample, image in enumerate(made.images)
        ]  # fmt: skip
    layers.append(Layer(RESULT, grid[0] if several else add(RESULT, made.images[0])))
    if made.resized is not None:
        layers.append(Layer(RESIZED, add(RESIZED, made.resized)))
    if made.baseline is not None:
        layers.append(Layer(BASELINE, add(BASELINE, made.baseline)))
    layers += [
        Layer(name, add(name, image, _range_of(image, made))) for name, image in made.others.items()
    ]
    colours = index_colours(made.indices[0], [source.shape[:2] for source in made.sources])
    overlay = files.add(
        f"{number}_{title}_index", colours, (0, 255),
        f"Where each pixel of the result comes from: {title}",
    )  # fmt: skip
    return Figure(
        number, title, entry.caption, layers, result, overlay, _levels(number, made, files), grid,
        table_of(made), tuple(_REPEATS if wraps else 1 for wraps in made.info["periodic"]),
    )  # fmt: skip


def _levels(number: int, made: Made, files: PictureFiles) -> list[Level]:
    """The pyramid, coarsest first; the result itself is the last."""
    found = []
    for level in sorted(made.levels, reverse=True):
        image = made.levels[level]
        height, width = image.shape[:2]
        text = f"level {level}, {width} × {height} pixels"
        name = f"{number}_{made.entry.title}_level_{level}"
        alt = f"The result at {text}: {made.entry.title}"
        shown = files.add(name, image, made.data_range, alt, made.nodata)
        found.append(Level(text, shown))
    return found


def _input_pictures(made: Made) -> list[tuple[str, Any]]:
    """Inputs, with names for the buttons."""
    found: list[tuple[str, Any]] = []
    for name, given in made.inputs.items():
        if isinstance(given, list):
            several = len(given) > 1
            found += [
                (f"Source {number}" if several else "Source", image)
                for number, image in enumerate(given, 1)
            ]
        else:
            found.append((INPUT_NAMES[name], given))
    return found


def _range_of(image: Any, made: Made) -> tuple[float, float]:
    """The values shown black and white: of another dtype than the source's, its own."""
    if image.dtype == made.sources[0].dtype:
        return made.data_range
    return shown_range([image], made.nodata)


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
        shown = [
            files.add(
                f"study_{number:02}_{letter}", image, each.data_range,
                f"Picture {letter.upper()} of pair {number}", each.nodata,
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
            each.entry.title, each.entry.job.verb, _size(each.images[0]), str(count),
            f"{each.cost.seconds / count:.2f}", _megabytes(each.cost),
            f"{pairs / count / 1e9:.2f}",
        ])  # fmt: skip
        if each.baseline_cost is not None:
            rows.append([
                each.entry.title, BASELINE, _size(each.baseline), "1",
                f"{each.baseline_cost.seconds:.2f}", _megabytes(each.baseline_cost), "",
            ])  # fmt: skip
    return Table(
        "Measured in this very run, after a warm-up; memory is the highest of the whole process "
        "meanwhile",
        ("picture", "task", "size", "pictures", "seconds each", "memory, MB", "10⁹ pairs each"),
        rows,
    )


def _size(image: Any) -> str:
    return f"{image.shape[1]} × {image.shape[0]}"


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
    commands = [command_of(made.entry, home)]
    if made.baseline is not None:
        commands.append(baseline_call(made.entry, made.baseline.shape[:2], shared))
    return {"title": made.entry.title, "verb": job.verb, "facts": facts, "commands": commands}
