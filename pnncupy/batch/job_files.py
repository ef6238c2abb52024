"""Jobs from files: a folder of images, or a list of jobs in TOML."""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pnncupy import errors, validation
from pnncupy.batch.folder_images import folder_images
from pnncupy.batch.job import Input, Job, file_digest
from pnncupy.batch.job_arguments import check_arguments, check_values, check_volume_name, plain
from pnncupy.batch.job_list import JobList, Series
from pnncupy.batch.provenance import provenance
from pnncupy.batch.toml_lines import Table, at_line, line_of_key, lines_of_tables, read_toml
from pnncupy.batch.volume_inputs import check_one_kind, with_kinds
from pnncupy.io import read_image
from pnncupy.io.ome_zarr import is_zarr
from pnncupy.io.volume_files import SUFFIXES as VOLUME_SUFFIXES
from pnncupy.io.writing import SUFFIXES, default_suffix
from pnncupy.parameter_hints import hint_at_names
from pnncupy.tasks.registry import TASKS, ImageParameter

# Samples of one image, more than can ever be synthesised.
_MOST_SAMPLES = 10**12
_LONGEST_NAME = 200


@hint_at_names
def jobs_of_folder(
    folder: str | os.PathLike[str],
    count: int,
    seed: int,
    arguments: Mapping[str, Any],
    *,
    verb: str = "generate",
    output: str | os.PathLike[str] | None = None,
    recursive: bool = False,
    volume: bool | None = None,
) -> JobList:
    """List the jobs of one task on every image in a folder.

    Parameters
    ----------
    folder : path
        Its image files are the sources, in the order of their names. Hidden files are left out.
    count : int
        Samples of each image, at least 1; more than 1 only for "generate".
    seed : int
        Seed of all images, at least 0; sample i is that of ``generate(n, rng=seed)``.
    arguments : dict
        Arguments of the task by name, in plain types. Images among them, such as a mask, are
        files, relative to the current folder, that all jobs share.
    verb : str, default "generate"
        Name of a task that makes an image of one: "generate", "retarget", "inpaint", "analogy" or
        "edit".
    output : path, optional
        Folder that `run` gets: the results in it are no sources, where it is in `folder` or is the
        same.
    recursive : bool, default False
        Include the images of subfolders; their results are in subfolders of the same names.
    volume : bool, optional
        Whether the files are volumes, or series in time: TIFF stacks and .npy files; results are
        stacks too. Default: where the TIFF files say so, see `pnncupy.io.read_volume`.

    Returns
    -------
    sequence of Job
        Jobs are created when they are needed, so that any `count` costs the same. Its attribute
        `notes` says which files and subfolders are passed over.

    Raises
    ------
    ValueError
        The folder holds no images, or images and volumes, or there is no argument of that name or
        value.
    """
    place = Path(folder)
    wanted = None if volume is None else validation.flag("volume", volume)
    count, seed = checked_count("count", count), validation.integer("seed", seed, 0)
    recursive = validation.flag("recursive", recursive)
    validation.optional_path("output", output)
    shared = _shared_arguments(verb, arguments, wanted)
    if count > 1 and not TASKS[verb].realisations:
        raise ValueError(f"`count` must be 1 for {verb}, got {count}")
    common = take_inputs(verb, shared, Path.cwd())
    found = folder_images(
        place, None if output is None else Path(output), recursive=recursive,
        common=[Path(each.path) for each in JobList([Series(Job(verb, common, {}, ""))]).inputs()],
        volume=wanted is True,
    )  # fmt: skip
    found.check()
    is_volume = check_one_kind(found, wanted)
    series = []
    for file, name in zip(found.files, found.names(), strict=True):
        inputs = {TASKS[verb].images[0].name: _input_of_folder(file), **common}
        inputs, _ = with_kinds(inputs, is_volume, shared)
        series.append(_series_of_file(verb, file, name, inputs, shared, count, seed, is_volume))
    return JobList(series, [found.note()] if found.note() else [])


def _shared_arguments(
    verb: str, arguments: Mapping[str, Any], volume: bool | None
) -> dict[str, Any]:
    """The arguments of all jobs of a folder, checked."""
    validation.choice("verb", verb, tuple(TASKS))
    source = TASKS[verb].images[0]
    if source.several == "required":
        raise ValueError(
            f"`verb` must be a task that makes an image of one, got {verb!r}; list the images of "
            "each job in a TOML file, a [[job]] for each result"
        )
    if source.name in arguments:
        raise ValueError(f"`{source.name}` must be left out, as the folder holds these images")
    check_arguments(verb, {source.name: "", **arguments}, volume=volume)
    check_values(verb, arguments)
    return plain(arguments)


def checked_count(name: str, value: Any) -> int:
    """Number of samples of one image."""
    count = validation.integer(name, value, 1)
    if count > _MOST_SAMPLES:
        raise ValueError(
            f"`{name}` must be at most {_MOST_SAMPLES}, got {validation.shortened(count)}"
        )
    return count


def _series_of_file(
    verb: str,
    file: Path,
    name: PurePath,
    inputs: Mapping[str, Input],
    arguments: Mapping[str, Any],
    count: int,
    seed: int,
    volume: bool,
) -> Series:
    """The jobs of one file of a folder, whose results have a name."""
    spec, suffix = TASKS[verb], ".tif" if volume else _suffix(file, verb)
    own_seed = seed if spec.seeded_by(arguments) else None
    drawn = "" if own_seed is None else f"_seed{seed}"
    job = Job(
        verb, inputs, arguments, f"{name}_{verb}{drawn}{suffix}", own_seed, volume=volume,
    )  # fmt: skip
    return Series(job, count, suffix, numbered=spec.realisations)


def _input_of_folder(file: Path) -> Input:
    """A file; the jobs of one that cannot be read fail later, by themselves."""
    try:
        return Input(str(file.resolve()), file_digest(file))
    except (errors.ImageReadError, OSError, RuntimeError):  # the last of links in a circle
        return Input(os.path.abspath(file), "")  # noqa: PTH100 - it follows no links


def _suffix(file: Path, verb: str) -> str:
    """The format that keeps what a file holds and a task leaves true.

    Jobs of a damaged one fail later, by themselves.
    """
    try:
        image = read_image(file)
        channels = 1 if image.ndim == 2 else image.shape[2]
        made_from = provenance(verb, [str(file)], channels, file=str(file))
        return default_suffix(image, made_from.metadata)
    except (errors.ImageReadError, OSError):
        return ".png"


@hint_at_names
def jobs_of_toml(file: str | os.PathLike[str]) -> JobList:
    """Read the jobs of a list: tables ``[[job]]`` with a verb, its images, and its arguments.

    Files are relative to the list. Besides a task's own arguments a job may have `n`, `seed`,
    `output`, the name of its image, and `volume`, true where its files are volumes, which they may
    say themselves. A table ``[defaults]`` holds arguments of all jobs.

    Parameters
    ----------
    file : path
        The list, a TOML file.

    Returns
    -------
    sequence of Job
        Jobs are created when they are needed, so that any `n` costs the same.

    Raises
    ------
    ValueError
        The list is no TOML, or a job is wrong; the message names the line.
    """
    file = Path(file)
    content, text = read_toml(file)
    for name in content:
        if name not in ("defaults", "job"):
            message = f"unknown `{name}`; use [[job]] and [defaults]"
            raise ValueError(at_line(file, line_of_key(text, name), message))
    defaults, tables = content.get("defaults", {}), content.get("job", [])
    if not isinstance(defaults, dict):
        raise ValueError(at_line(file, line_of_key(text, "defaults"), "write [defaults]"))
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(at_line(file, line_of_key(text, "job"), "write [[job]]"))
    if not tables:
        raise ValueError(f"{file}: it has no [[job]]; add one with the image of a job")
    lines = lines_of_tables(text, "job", len(tables))
    series = []
    for table, line in zip(tables, lines, strict=True):
        try:
            series.append(_series_of_table({**defaults, **table}, file.parent))
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(Table(file, text, line).told(error)) from error
    jobs = JobList(series)
    if (clash := jobs.clash()) is not None:
        output, first, second = clash
        message = (
            f"{output} is written by the job in line {lines[first]} too; give one of them another "
            "`output`"
        )
        raise ValueError(at_line(file, lines[second], message))
    return jobs


def _series_of_table(given: dict[str, Any], folder: Path) -> Series:
    verb = given.pop("verb", "generate")
    count = checked_count("n", given.pop("n", 1))
    seed = validation.integer("seed", given.pop("seed", 0), 0)
    output = given.pop("output", None)
    wanted = taken_volume(given)
    check_arguments(verb, given, volume=wanted)
    if count > 1 and not TASKS[verb].realisations:
        raise ValueError(f"`n` is for generate, not for {verb}")
    inputs, volume = with_kinds(take_inputs(verb, given, folder), wanted, given)
    first = next(iter(inputs.values()))
    source = Path((first[0] if isinstance(first, tuple) else first).path)
    drawn = TASKS[verb].seeded_by(given)
    stem = f"{source.stem}_{verb}" + (f"_seed{seed}" if drawn else "")
    name = Path(stem) if output is None else checked_output("output", output)
    known = {*SUFFIXES, *VOLUME_SUFFIXES} if volume else SUFFIXES
    if name.suffix.lower() in known:
        suffix = name.suffix
    else:
        suffix = ".tif" if volume else _suffix(source, verb)
    if volume:
        check_volume_name("output", suffix)
    whole = str(name) if name.suffix == suffix else f"{name}{suffix}"
    job = Job(verb, inputs, plain(given), whole, seed if drawn else None, volume=volume)
    return Series(job, count, suffix, numbered=count > 1)


def taken_volume(given: dict[str, Any]) -> bool | None:
    """Take from arguments whether images are volumes; None where they do not say."""
    wanted = given.pop("volume", None)
    return None if wanted is None else validation.flag("volume", wanted)


def checked_output(name: str, value: Any) -> Path:
    """Name of a file, or of files without their numbers, relative to the folder of a batch."""
    given = validation.text(name, value)
    path = Path(given)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"`{name}` must be a name in the batch's folder, got {given!r}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in given):
        raise ValueError(f"`{name}` must not contain control characters, got {given!r}")
    if any(len(part.encode()) > _LONGEST_NAME for part in path.parts):
        raise ValueError(
            f"`{name}` must have names of at most {_LONGEST_NAME} bytes, got "
            f"{validation.shortened(given)}"
        )
    return path


def take_inputs(verb: str, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The images among a task's arguments, which are removed from them."""
    return {
        image.name: _inputs_of(verb, image, given.pop(image.name), folder)
        for image in TASKS[verb].images
        if image.name in given and given[image.name] not in image.words
    }


def _inputs_of(
    verb: str, image: ImageParameter, given: Any, folder: Path
) -> Input | tuple[Input, ...]:
    """One file, or a tuple of them, as the task takes it."""
    name = image.name
    if not isinstance(given, list):
        if image.several == "required":
            raise TypeError(f"`{name}` must be a list of files, got {validation.shortened(given)}")
        return input_of(name, given, folder, mask=image.mask)
    if image.several == "no":
        raise TypeError(f"`{name}` of {verb} must be one file, got {validation.shortened(given)}")
    if not given:
        raise ValueError(f"`{name}` must name at least one file, got an empty list")
    return tuple(input_of(name, each, folder) for each in given)


def input_of(name: str, given: Any, folder: Path, *, mask: bool = False) -> Input:
    """A file relative to a folder."""
    path = folder / validation.text(name, given)
    if not (path.is_file() or is_zarr(path)):
        raise ValueError(f"`{name}`: there is no file {path}; name one relative to {folder}")
    return Input(str(path.resolve()), file_digest(path), "mask" if mask else "image")
