"""Jobs from files: a folder of pictures, or a list of jobs in TOML."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pnncupy import checks
from pnncupy.io import SUFFIXES, default_suffix, read_image
from pnncupy.jobs import VERBS, Input, Job, check_arguments, file_digest, plain
from pnncupy.provenance import provenance
from pnncupy.toml_files import Table, line_of_key, line_of_table, read_toml

_WORDS = {"fill": ("mean", "noise"), "mask": ("nodata",)}
# Where a task takes a list of files: instead of one, or always.
_ONE_OR_SEVERAL = (("generate", "image"), ("retarget", "image"), ("analogy", "source"))
_SEVERAL = (("collage", "images"),)


def jobs_of_folder(
    folder: str | os.PathLike[str], count: int, seed: int, arguments: Mapping[str, Any]
) -> list[Job]:
    """So many generated samples of every picture in a folder.

    Parameters
    ----------
    folder : path
        Its image files are the sources, in the order of their names.
    count : int
        Samples of each picture, at least 1.
    seed : int
        Seed of all pictures, at least 0; sample i is that of ``generate(n, rng=seed)``.
    arguments : dict
        Arguments of `pnncupy.generate` by name, in plain types.

    Returns
    -------
    list of Job

    Raises
    ------
    ValueError
        The folder holds no pictures, or there is no argument of that name.
    """
    folder = Path(folder)
    count, seed = checks.integer("count", count, 1), checks.integer("seed", seed, 0)
    pictures = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not pictures:
        raise ValueError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    check_arguments("generate", {"image": "", **arguments})
    return [
        job for file in pictures for job in _samples(file, count, seed, arguments, f"{file.stem}")
    ]


def _samples(
    file: Path, count: int, seed: int, arguments: Mapping[str, Any], stem: str
) -> Iterator[Job]:
    given = Input(str(file.resolve()), file_digest(file))
    digits = max(3, len(str(count - 1)))
    suffix = _suffix(file, "generate")
    for sample in range(count):
        name = f"{stem}_generate_seed{seed}_{sample:0{digits}}{suffix}"
        yield Job("generate", {"image": given}, dict(arguments), name, seed, sample)


def _suffix(file: Path, verb: str) -> str:
    """The format that keeps what a file holds and a task leaves true.

    Jobs of a damaged one fail later, by themselves.
    """
    try:
        image = read_image(file)
        channels = 1 if image.ndim == 2 else image.shape[2]
        made_from = provenance(verb, [str(file)], channels, file=str(file))
        return default_suffix(image, made_from.metadata)
    except (checks.ImageReadError, OSError):
        return ".png"


def jobs_of_toml(file: str | os.PathLike[str]) -> list[Job]:
    """The jobs of a list: tables ``[[job]]`` with a verb, its images, and its arguments.

    Files are relative to the list. Besides a task's own arguments a job may have `n`, `seed` and
    `output`, the name of its picture. A table ``[defaults]`` holds arguments of all jobs.

    Parameters
    ----------
    file : path
        The list, a TOML file.

    Returns
    -------
    list of Job

    Raises
    ------
    ValueError
        The list is no TOML, or a job is wrong; the message names the line.
    """
    file = Path(file)
    content, text = read_toml(file)
    for name in content:
        if name not in ("defaults", "job"):
            line = line_of_key(text, name)
            raise ValueError(f"{file}, line {line}: unknown `{name}`; use [[job]] and [defaults]")
    given = content.get("job", [])
    if not isinstance(given, list) or not given:
        raise ValueError(f"{file}: it has no [[job]]")
    found: list[Job] = []
    outputs: dict[str, int] = {}
    for number, table in enumerate(given):
        start = line_of_table(text, "job", number)
        try:
            jobs = list(_jobs_of_table(content.get("defaults", {}), table, file.parent))
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(Table(file, text, start).told(error)) from error
        for job in jobs:
            if job.output in outputs:
                raise ValueError(
                    f"{file}, line {start}: {job.output} is written by the job in line "
                    f"{outputs[job.output]} too; give one of them another `output`"
                )
            outputs[job.output] = start
        found += jobs
    return found


def _jobs_of_table(
    defaults: Mapping[str, Any], table: Mapping[str, Any], folder: Path
) -> Iterator[Job]:
    given = {**defaults, **table}
    verb = given.pop("verb", "generate")
    count = checks.integer("n", given.pop("n", 1), 1)
    seed = checks.integer("seed", given.pop("seed", 0), 0)
    output = given.pop("output", None)
    check_arguments(verb, given)
    if count > 1 and verb != "generate":
        raise ValueError(f"`n` is for generate, not for {verb}")
    inputs = take_inputs(verb, given, folder)
    first = next(iter(inputs.values()))
    first = first[0] if isinstance(first, tuple) else first
    yield from _numbered(verb, inputs, plain(given), output, seed, count, Path(first.path))


def _numbered(
    verb: str, inputs: Mapping[str, Any], arguments: Mapping[str, Any], output: Any, seed: int,
    count: int, source: Path,
) -> Iterator[Job]:  # fmt: skip
    drawn = VERBS[verb][1]
    stem = f"{source.stem}_{verb}" + (f"_seed{seed}" if drawn else "")
    name = Path(checks.text("output", output)) if output is not None else Path(stem)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"`output` must be a name in the batch's folder, got {output!r}")
    suffix = name.suffix if name.suffix.lower() in SUFFIXES else _suffix(source, verb)
    stem = str(name)[: -len(suffix)] if name.suffix == suffix else str(name)
    digits = max(3, len(str(count - 1)))
    for sample in range(count):
        number = f"_{sample:0{digits}}" if count > 1 else ""
        yield Job(
            verb, inputs, dict(arguments), f"{stem}{number}{suffix}", seed if drawn else None,
            sample,
        )  # fmt: skip


def take_inputs(verb: str, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The images among a task's arguments, which are removed from them."""
    return {
        name: _inputs_of(verb, name, given.pop(name), folder)
        for name in VERBS[verb][0]
        if name in given and given[name] not in _WORDS.get(name, ())
    }


def _inputs_of(verb: str, name: str, given: Any, folder: Path) -> Input | tuple[Input, ...]:
    """One file, or a tuple of them, as the task takes it."""
    if not isinstance(given, list):
        if (verb, name) in _SEVERAL:
            raise TypeError(f"`{name}` must be a list of files, got {checks.shortened(given)}")
        return input_of(name, given, folder)
    if (verb, name) not in (*_SEVERAL, *_ONE_OR_SEVERAL):
        raise TypeError(f"`{name}` of {verb} must be one file, got {checks.shortened(given)}")
    if not given:
        raise ValueError(f"`{name}` must name at least one file, got an empty list")
    return tuple(input_of(name, each, folder) for each in given)


def input_of(name: str, given: Any, folder: Path) -> Input:
    """A file relative to a folder."""
    path = folder / checks.text(name, given)
    if not path.is_file():
        raise ValueError(f"`{name}`: there is no file {path}")
    return Input(str(path.resolve()), file_digest(path), "mask" if name == "mask" else "image")
