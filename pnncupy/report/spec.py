"""Specification of a report, read from a TOML file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnncupy import validation
from pnncupy.batch.job import Input, Job
from pnncupy.batch.job_arguments import check_arguments, plain
from pnncupy.batch.job_files import input_of, take_inputs, taken_volume
from pnncupy.batch.toml_lines import (
    Table,
    at_line,
    line_of_key,
    lines_of_tables,
    parse_toml,
    read_toml,
)
from pnncupy.batch.volume_inputs import with_kinds
from pnncupy.report.starter import MOST_SAMPLES
from pnncupy.tasks.registry import TASKS

# Arguments that the command line does not have, so that no command could be shown.
_NOT_IN_REPORTS = ("channel_axis", "incremental", "label_costs")
# Arguments that the classical method does not know.
_NOT_IN_BASELINE = (
    "nodata", "categorical", "label_costs", "keep_fractions", "channel_weights", "periodic",
    "source_periodic",
)  # fmt: skip
# Parameter of a task -> what its image is called beside the result.
INPUT_NAMES = {
    "image": "Source", "mask": "Hole", "fill": "Fill", "source": "Source",
    "structure": "Structure", "edited": "Rough edit", "training": "Training image",
    "grid": "Hard data",
}  # fmt: skip
# What the results are called beside which others are shown, in images and in tables.
RESULT, RESIZED, BASELINE = "Result", "Resized", "Bidirectional Similarity"
RESULT_IN_TABLES, RESIZED_IN_TABLES = "pnncupy", "plain resizing"
_TAKEN = {
    name.casefold()
    for name in (*INPUT_NAMES.values(), RESULT, RESIZED, BASELINE, RESULT_IN_TABLES,
                 RESIZED_IN_TABLES)
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One thing to make and to show.

    Attributes
    ----------
    job : Job
        Task, images and arguments.
    title, caption : str
        What is above and below it.
    count : int
        Images to make; more than 1 for generate only.
    baseline : bool
        Whether to make it by Bidirectional Similarity too.
    others : dict
        Further results to show beside it: name -> file.
    table : Table
        Where the spec asks for it.
    """

    job: Job
    title: str
    table: Table
    caption: str = ""
    count: int = 1
    baseline: bool = False
    others: Mapping[str, Input] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """Pairs of a real and a generated image for a user study.

    Attributes
    ----------
    pairs : int
        Pairs for each image that others were generated from.
    seed : int
        Seed of the choice and the order.
    """

    pairs: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Spec:
    """A whole report."""

    title: str
    entries: Sequence[Entry]
    study: Study | None


def read_spec(file: Path) -> Spec:
    """Read a report's TOML file; messages name the file and the line.

    Tables ``[[generate]]``, ``[[inpaint]]``, ``[[analogy]]``, ``[[retarget]]``, ``[[collage]]`` and
    ``[[edit]]`` each hold the images (files, relative to the spec) and the arguments of one call,
    and besides: `title`, `caption`, `seed`, `n` (for generate), `baseline` (for retarget and
    collage), `others`, further results by name, and `volume`, true where the files are volumes and
    do not say so. ``[study]`` asks for study sheets.
    """
    content, text = read_toml(file)
    return _spec_of(file, content, text)


def spec_of_text(text: str, folder: Path) -> Spec:
    """Read a report's TOML from a text; its files are relative to a folder."""
    file = folder / "report.toml"
    return _spec_of(file, parse_toml(file, text), text)


def _spec_of(file: Path, content: dict[str, Any], text: str) -> Spec:
    """The spec that a TOML file holds."""
    for name in content:
        if name not in ("title", "study", *TASKS):
            message = (
                f"unknown section `{name}`; there are title, [study] and "
                f"{', '.join(f'[[{verb}]]' for verb in TASKS)}"
            )
            raise ValueError(at_line(file, line_of_key(text, name), message))
    entries = []
    for verb in TASKS:
        tables = content.get(verb, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise ValueError(at_line(file, line_of_key(text, verb), f"write [[{verb}]]"))
        lines = lines_of_tables(text, verb, len(tables))
        for table, line in zip(tables, lines, strict=True):
            place = Table(file, text, line)
            try:
                entries.append(_entry(verb, dict(table), place))
            except (ValueError, TypeError, OSError) as error:
                raise ValueError(place.told(error)) from error
    if not entries:
        raise ValueError(f"{file}: it defines no entries; add a table such as [[generate]]")
    place = Table(file, text, 0)
    try:
        title = validation.text("title", content.get("title", file.stem))
        place = Table(file, text, lines_of_tables(text, "study", 1)[0])
        study = _study(content["study"]) if "study" in content else None
    except (ValueError, TypeError) as error:
        raise ValueError(place.told(error)) from error
    return Spec(title, entries, study)


def _entry(verb: str, given: dict[str, Any], table: Table) -> Entry:
    folder = table.file.parent
    drawn = TASKS[verb].seeded_by(given)
    count = validation.integer("n", given.pop("n", 1), 1)
    if count > 1 and not TASKS[verb].realisations:
        raise ValueError(f"`n` is for generate, not for {verb}")
    if count > MOST_SAMPLES:
        raise ValueError(f"`n` must be at most {MOST_SAMPLES} in a report, got {count}")
    if "seed" in given and not drawn:
        raise ValueError(
            f"`seed` is for {' and '.join(_drawing())}, not for {verb} without diffusion"
        )
    seed = validation.integer("seed", given.pop("seed", 0), 0)
    wanted, baseline_wanted = taken_volume(given), given.pop("baseline", None)
    others = _others(given.pop("others", {}), folder)
    title, caption = given.pop("title", None), given.pop("caption", "")
    for name in _NOT_IN_REPORTS:
        if name in given:
            raise ValueError(f"`{name}` cannot be set in a report")
    check_arguments(verb, given, _NOT_IN_REPORTS, wanted)
    inputs, volume = with_kinds(take_inputs(verb, given, folder), wanted, given)
    baseline = _baseline(verb, given, baseline_wanted, volume)
    if volume:
        others = with_kinds(others, True, {})[0]
        _check_periodic(given)
    first = next(iter(inputs.values()))
    first = first[0] if isinstance(first, tuple) else first
    title = Path(first.path).stem if title is None else validation.text("title", title)
    if not isinstance(caption, str):
        raise TypeError(f"`caption` must be a string, got {caption!r}")
    drawn_seed = seed if drawn else None
    job = Job(verb, inputs, plain(given), output="", seed=drawn_seed, volume=volume)
    return Entry(job, title, table, caption, count, baseline, others)


def _check_periodic(given: Mapping[str, Any]) -> None:
    """Refuse axes of a volume that wrap around without rows and columns: no command has them."""
    for name in ("periodic", "source_periodic"):
        flags = given.get(name)
        if isinstance(flags, list) and len(flags) == 3 and flags[0] and not all(flags):
            raise ValueError(
                f"`{name}` of a volume must be true or [rows, columns] in a report, whose commands "
                f"have no other, got {flags}"
            )


def _baseline(verb: str, given: Mapping[str, Any], asked: Any, volume: bool) -> bool:
    """Test whether the classical method is requested; by default where it can do the same."""
    # 0 is a value of missing pixels, too.
    other = [name for name in _NOT_IN_BASELINE if given.get(name, False) is not False]
    can = TASKS[verb].baseline and not other and not volume
    wanted: bool = validation.flag("baseline", can if asked is None else asked)
    if wanted and volume:
        raise ValueError("`baseline` must be false for volumes, which it does not know")
    if wanted and not TASKS[verb].baseline:
        able = " and ".join(each for each, spec in TASKS.items() if spec.baseline)
        raise ValueError(f"`baseline` is for {able}, not for {verb}")
    if wanted and other:
        raise ValueError(f"`baseline` must be false with `{other[0]}`, which it does not know")
    return wanted


def _drawing() -> list[str]:
    return [verb for verb, spec in TASKS.items() if spec.seeded_by({})]


def _others(given: Any, folder: Path) -> dict[str, Input]:
    if not isinstance(given, dict):
        raise TypeError(f'`others` must be a table like {{ SinGAN = "file.png" }}, got {given!r}')
    found = {}
    for name, file in given.items():
        if not name.strip():
            raise ValueError("`others` must name each result, got an empty name")
        if re.sub(r" \d+$", "", name.strip().casefold()) in _TAKEN:
            raise ValueError(f"`others` must not be called {name!r}, as another image is")
        if not isinstance(file, str):
            raise TypeError(f"`others` must name one file for {name!r}, got {file!r}")
        found[name] = input_of("others", file, folder)
    return found


def _study(given: Any) -> Study:
    if not isinstance(given, dict):
        raise TypeError("`study` must be a table: write [study]")
    for name in given:
        if name not in ("pairs", "seed"):
            raise ValueError(f"[study] has no `{name}`; it has `pairs` and `seed`")
    return Study(
        validation.integer("pairs", given.get("pairs", 1), 1),
        validation.integer("seed", given.get("seed", 0), 0),
    )
