"""One job of a batch: its inputs, and its result wherever the batch is worked on."""

import functools
import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import errors
from pnncupy._version import __version__
from pnncupy.arrays import array_digest
from pnncupy.batch.job_arguments import MASK_CHOICE, check_for_volume
from pnncupy.batch.provenance import Provenance, provenance
from pnncupy.images.mask_judgement import (
    NO_CHOICE,
    Judgement,
    MaskChoice,
    hole_count,
    mask_choice,
    missing_hole,
)
from pnncupy.io import read_metadata, write_image
from pnncupy.io.image_file import ImageFile
from pnncupy.io.masks import read_mask, read_mask_of_volume, read_transparent
from pnncupy.io.ome_zarr import is_zarr
from pnncupy.io.sources import read_source
from pnncupy.io.volume_files import read_volume, write_volume
from pnncupy.tasks.labels_hint import labels_note
from pnncupy.tasks.registry import TASKS, task_function

# Images that a worker keeps, since the next job mostly needs them again.
_CACHED = 8


@dataclass(frozen=True)
class Input:
    """An input image of a job.

    Attributes
    ----------
    path : str
        Its file, where every worker finds it; of an array, a name.
    digest : str
        SHA-256 of the file, or of the array's bytes, shape and dtype.
    kind : {"image", "mask", "volume", "mask of a volume", "array"}
        How to read it.
    """

    path: str
    digest: str
    kind: str = "image"

    def path_from(self, folder: Path | None) -> str:
        """Its path relative to a folder, with slashes."""
        if folder is None or self.kind == "array":
            return self.path
        try:
            return Path(os.path.relpath(self.path, folder.resolve())).as_posix()
        except ValueError:  # on another drive of Windows
            return Path(self.path).name


@dataclass(frozen=True)
class Job:
    """One image to be synthesised.

    Attributes
    ----------
    verb : str
        Name of the task.
    inputs : dict
        For each image parameter of the task an `Input`, or a tuple of them.
    arguments : dict
        The task's other keywords, in types that JSON has.
    output : str
        File to write, relative to the batch's folder.
    seed : int or None
        Seed of the random numbers, where the task draws some.
    sample : int
        Which of the samples of that seed.
    volume : bool
        Whether images and result are volumes, or series in time.
    """

    verb: str
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    output: str
    seed: int | None = None
    sample: int = 0
    volume: bool = False

    def record(self, folder: Path | None = None) -> dict[str, Any]:
        """Record of all that determines the result, in types that JSON has.

        The names of files are relative to `folder`, if it is given, so that they hold where it is
        moved together with them.
        """
        return {
            "output": self.output,
            "verb": self.verb,
            "inputs": {
                name: [each.digest for each in _as_tuple(given)]
                for name, given in self.inputs.items()
            },
            "files": {
                name: [each.path_from(folder) for each in _as_tuple(given)]
                for name, given in self.inputs.items()
            },
            "arguments": dict(self.arguments),
            "seed": self.seed,
            "sample": self.sample,
            "versions": versions(),
            **({"volume": True} if self.volume else {}),
        }


@dataclass(frozen=True)
class Made:
    """Small record that a worker returns of a job.

    Attributes
    ----------
    digest : str
        SHA-256 of the file written.
    seconds : float
        Time it took.
    error : str
        Why there is no image; empty if there is one.
    number : int or None
        The operating system's number of the error, if it has one.
    notes : tuple of str
        A line with the number of pixels of the hole, if there is a mask, one if the source may hold
        labels, and one for each thing of its metadata that the image does not keep.
    """

    digest: str = ""
    seconds: float = 0.0
    error: str = ""
    number: int | None = field(default=None)
    notes: tuple[str, ...] = ()


@functools.cache
def versions() -> dict[str, str]:
    """Versions that the bits of a result may depend on."""
    others = ("numpy", "imagecodecs", "tifffile")
    return {"pnncupy": __version__, **{name: version(name) for name in others}}


def execute(
    job: Job, folder: str, threads: int | None, arrays: Mapping[str, Any] | None = None
) -> Made:
    """Make a job's image and write it; failures are returned, not raised.

    `arrays` holds those inputs that are no files, by digest.
    """
    start = time.perf_counter()
    try:
        task, arguments = task_call(job, arrays)
        image = _image_of(job, task, {**arguments, "threads": threads, "progress": False})
        file = Path(folder) / job.output
        file.parent.mkdir(parents=True, exist_ok=True)
        made_from = job_provenance(job, 1 if image.ndim == 2 + job.volume else image.shape[-1])
        record = made_from.record(job.sample)
        write = write_volume if job.volume else write_image
        write(file, image, overwrite=True, metadata=made_from.metadata, provenance=record)
        notes = (
            *_changes_of(job), *input_notes(job, arguments), *made_from.notes(file.suffix)
        )  # fmt: skip
        return Made(file_digest(file), time.perf_counter() - start, notes=notes)
    except Exception as error:
        seconds = time.perf_counter() - start
        return Made("", seconds, _reason(error), getattr(error, "errno", None))


def _reason(error: Exception) -> str:
    """Reason of a failure, in one line."""
    reason = " ".join(f"{error}".split()) or type(error).__name__
    if isinstance(error, (ValueError, TypeError, OSError, errors.EngineUnavailable)):
        return reason
    return f"{type(error).__name__}: {reason}"


def early_error(job: Job) -> str:
    """Reason why a job of files fails before its first step; empty if it does not."""
    try:
        task, arguments = task_call(job)
        with suppress(errors.Cancelled):
            task(**arguments, callback=lambda event: False, progress=False)
    except Exception as error:
        return _reason(error)
    return ""


def _image_of(job: Job, task: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    if not TASKS[job.verb].realisations:
        return task(**arguments)
    return task(**arguments, n=1, first_sample=job.sample)[0]


def job_provenance(job: Job, channels: int) -> Provenance:
    """Provenance of the result of a job, with a number of channels."""
    spec = TASKS[job.verb]
    sources = _as_tuple(job.inputs[spec.images[0].name])
    others = {
        parameter: [_name(each) for each in given] if isinstance(given, tuple) else _name(given)
        for parameter, given in job.inputs.items()
        if parameter != spec.images[0].name
    }
    return provenance(
        job.verb,
        [_name(each) for each in sources],
        channels,
        file=None if sources[0].kind == "array" else sources[0].path,
        volume=job.volume,
        seed=job.seed if spec.draws(job.arguments) else None,
        partly=spec.changes_a_part(job.inputs, job.arguments),
        arguments={**others, **job.arguments, **({"volume": True} if job.volume else {})},
    )


def _name(given: Input) -> str:
    return "an array" if given.kind == "array" else given.path


def task_call(
    job: Job, arrays: Mapping[str, Any] | None = None
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The task of a job, and the arguments that make its image."""
    inputs = {
        name: [_read(each, arrays or {}) for each in given]
        if isinstance(given, tuple)
        else _read(given, arrays or {}, job_mask_choice(job))
        for name, given in job.inputs.items()
    }
    arguments = {name: each for name, each in job.arguments.items() if name not in MASK_CHOICE}
    if arguments.get("mask") == "alpha":
        inputs["image"], judged = _transparent(job.inputs["image"])
        arguments["mask"] = judged.hole
        if "fill" not in inputs:
            arguments.setdefault("fill", "smooth")
    source = next(iter(inputs.values()))
    first = source[0] if isinstance(source, list) else source
    if job.volume:
        check_for_volume(job.arguments)
    _set_sides(arguments, first.shape[: 3 if job.volume else 2])
    if job.volume:
        _within_slices(arguments)
    if TASKS[job.verb].seeded:
        arguments["rng"] = job.seed
    if arguments.get("nodata") == "none":
        arguments["nodata"] = None
    elif "nodata" not in arguments:
        arguments["nodata"] = _nodata_of_all(job)
    # Images of files have their channels on the last axis.
    axis = None if job.volume and first.ndim == 3 else -1
    call = {"channel_axis": axis, **inputs, **arguments}
    if _labels_note(job, call):  # which `input_notes` reports
        call["categorical"] = False
    return task_function(job.verb), call


def _set_sides(arguments: dict[str, Any], sides: tuple[int, ...]) -> None:
    """Set the shape of a result of an image with these sides, in place.

    Of a volume two sides or factors are those of its slices.
    """
    for name in ("shape", "data_range"):
        if arguments.get(name) is not None:
            arguments[name] = tuple(arguments[name])
    if "scale" in arguments:
        scale = arguments.pop("scale")
        scales = scale if isinstance(scale, (list, tuple)) else (scale, scale)
        scales = (*[1] * (len(sides) - len(scales)), *scales)
        arguments["shape"] = tuple(
            round(side * factor) for side, factor in zip(sides, scales, strict=True)
        )
    elif arguments.get("shape") is not None and len(sides) == 3 and len(arguments["shape"]) == 2:
        arguments["shape"] = (sides[0], *arguments["shape"])


def _within_slices(arguments: dict[str, Any]) -> None:
    """Let two flags of axes that wrap around be those of a volume's slices, in place."""
    for name in ("periodic", "source_periodic"):
        flags = arguments.get(name)
        if isinstance(flags, (list, tuple)) and len(flags) == 2:
            arguments[name] = (False, *flags)


def job_mask_choice(job: Job) -> MaskChoice:
    """The values of a mask file that are the hole of a job."""
    return mask_choice(*(job.arguments.get(name) for name in MASK_CHOICE))


def input_notes(job: Job, arguments: Mapping[str, Any]) -> list[str]:
    """Lines on the images of a job: the pixels of its hole, and whether it may hold labels.

    `arguments` are those of its call.
    """
    labels = _labels_note(job, arguments)
    return [*_hole_notes(job, arguments), *([labels] if labels else [])]


def _labels_note(job: Job, arguments: Mapping[str, Any]) -> str:
    """Line that the source of a job may hold labels; "" if it is clear."""
    parameter = TASKS[job.verb].images[0].name
    source, *_ = _as_tuple(job.inputs[parameter])
    images = arguments[parameter]
    return labels_note(
        Path(_name(source)).name,
        images if isinstance(images, list) else [images],
        {**arguments, "categorical": job.arguments.get("categorical")},
        ("set categorical=True (--categorical)", "categorical=False (--no-categorical)"),
    )


def _hole_notes(job: Job, arguments: Mapping[str, Any]) -> list[str]:
    """Line with the number of pixels of the hole of a job; none without a mask from files."""
    mask, word = job.inputs.get("mask"), job.arguments.get("mask")
    if mask is not None and mask.kind != "array":
        return [hole_count(Path(mask.path).name, _judged(mask, job_mask_choice(job)))]
    if not isinstance(word, str) or job.inputs["image"].kind != "image":
        return []
    name = Path(job.inputs["image"].path).name
    if word == "alpha":
        return [hole_count(name, _transparent(job.inputs["image"])[1])]
    judged = missing_hole(arguments["image"], arguments["nodata"])
    return [] if judged is None else [hole_count(name, judged)]


def _nodata_of_all(job: Job) -> float | None:
    """Nodata value in the tags of a job's files, which must agree."""
    files = [each for given in job.inputs.values() for each in _as_tuple(given)]
    tags = [tag for each in files if each.kind == "image" and (tag := _nodata_of(each)) is not None]
    if len({str(tag) for tag in tags}) > 1:
        raise ValueError(
            f"`nodata` must be given where files name several values, got {sorted(set(tags))}; "
            '"none" ignores them'
        )
    return tags[0] if tags else None


@functools.lru_cache(_CACHED)
def _nodata_of(given: Input) -> float | None:
    """Nodata value in the tags of a file; None if it cannot be read."""
    try:
        return read_metadata(given.path).nodata
    except errors.ImageReadError:
        return None


def _read(given: Input, arrays: Mapping[str, Any], choice: MaskChoice = NO_CHOICE) -> Any:
    if given.digest in arrays:
        return arrays[given.digest]
    return read_input(given, choice)


@functools.lru_cache(_CACHED)
def read_input(given: Input, choice: MaskChoice = NO_CHOICE) -> Any:
    """The image or mask in a file, which must be what it was when the job was listed."""
    if given.kind == "array":
        return _read_array(given)
    if given.kind in ("mask", "mask of a volume"):
        return _judged(given, choice).hole
    _check_unchanged(given)
    if given.kind == "volume":
        return read_volume(given.path)
    return _read_source(given).masked


@functools.lru_cache(_CACHED)
def _judged(given: Input, choice: MaskChoice) -> Judgement:
    _check_unchanged(given)
    read = read_mask if given.kind == "mask" else read_mask_of_volume
    return read(given.path, choice)


@functools.lru_cache(_CACHED)
def _transparent(given: Input) -> tuple[Any, Judgement]:
    """The image in a file without its alpha channel, and its transparent pixels as a hole."""
    _check_unchanged(given)
    return read_transparent(given.path)


def _check_unchanged(given: Input) -> None:
    if file_digest(Path(given.path)) != given.digest:
        raise errors.ImageReadError(f"{given.path}: it has changed since the work began")


@functools.lru_cache(_CACHED)
def _read_source(given: Input) -> ImageFile:
    return read_source(given.path)


def _changes_of(job: Job) -> list[str]:
    """Notes on what was changed in the images of a job when they were read."""
    files = [each for given in job.inputs.values() for each in _as_tuple(given)]
    return [
        f"{Path(each.path).name}: {note}"
        for each in files
        if each.kind == "image"
        for note in _read_source(each).notes
    ]


def _read_array(given: Input) -> Any:
    """The array in a file that `pnncupy.batch.run` has written for its workers."""
    try:
        array = np.load(given.path, allow_pickle=False)
    except Exception as error:  # a damaged file may break the decoder in any way
        raise errors.ImageReadError(f"{given.path}: damaged array ({error})") from error
    if array_digest(array) != given.digest:
        raise errors.ImageReadError(f"{given.path}: it has changed since the work began")
    return array


def file_digest(file: Path) -> str:
    """SHA-256 of a file, or of all names and files in a folder of OME-Zarr."""
    if is_zarr(file):
        digest = hashlib.sha256()
        for each in sorted(each for each in file.rglob("*") if each.is_file()):
            digest.update(f"{each.relative_to(file).as_posix()} {file_digest(each)}\n".encode())
        return digest.hexdigest()
    mode = file.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe may wait for ever
        raise errors.ImageReadError(f"{file}: not a regular file; save the image to one first")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _as_tuple(given: Any) -> tuple[Any, ...]:
    return given if isinstance(given, tuple) else (given,)
