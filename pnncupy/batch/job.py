"""One job of a batch: its inputs, and its result wherever the batch is worked on."""

import functools
import hashlib
import inspect
import math
import os
import stat
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import errors, validation
from pnncupy._version import __version__
from pnncupy.batch.provenance import Provenance, provenance
from pnncupy.images import intensity_encoding
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
from pnncupy.io.masks import read_mask, read_transparent
from pnncupy.io.sources import read_source
from pnncupy.tasks.automatic_sizes import is_auto
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.registry import TASKS, TaskSpec, task_function

# Parameters that are no part of a job: they are the batch's own, or no numbers or words.
_NOT_ARGUMENTS = {
    "n", "first_sample", "rng", "callback", "return_index", "return_info", "initial_guess",
    "executor", "checkpoint", "threads", "guides",
}  # fmt: skip
# Arguments of jobs that say which values of a mask file are the hole.
_MASK_CHOICE = ("mask_values", "mask_above")
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
    kind : {"image", "mask", "array"}
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
    """

    verb: str
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    output: str
    seed: int | None = None
    sample: int = 0

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
        A line with the number of pixels of the hole, if there is a mask, and one for each thing of
        the source's metadata that the image does not keep.
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
        image = _image_of(job, task, {**arguments, "threads": threads})
        file = Path(folder) / job.output
        file.parent.mkdir(parents=True, exist_ok=True)
        made_from = job_provenance(job, 1 if image.ndim == 2 else image.shape[2])
        record = made_from.record(job.sample)
        write_image(file, image, overwrite=True, metadata=made_from.metadata, provenance=record)
        notes = (
            *_changes_of(job), *hole_notes(job, arguments), *made_from.notes(file.suffix)
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
            task(**arguments, callback=lambda event: False)
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
        seed=job.seed if spec.draws(job.arguments) else None,
        partly=spec.changes_a_part(job.inputs, job.arguments),
        arguments={**others, **job.arguments},
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
    arguments = {name: each for name, each in job.arguments.items() if name not in _MASK_CHOICE}
    if arguments.get("mask") == "alpha":
        inputs["image"], judged = _transparent(job.inputs["image"])
        arguments["mask"] = judged.hole
        if "fill" not in inputs:
            arguments.setdefault("fill", "smooth")
    for name in ("shape", "data_range"):
        if arguments.get(name) is not None:
            arguments[name] = tuple(arguments[name])
    if "scale" in arguments:
        image, scale = inputs["image"], arguments.pop("scale")
        scales = scale if isinstance(scale, (list, tuple)) else (scale, scale)
        sides = (image[0] if isinstance(image, list) else image).shape[:2]
        arguments["shape"] = tuple(
            round(side * factor) for side, factor in zip(sides, scales, strict=True)
        )
    if TASKS[job.verb].seeded:
        arguments["rng"] = job.seed
    if arguments.get("nodata") == "none":
        arguments["nodata"] = None
    elif "nodata" not in arguments:
        arguments["nodata"] = _nodata_of_all(job)
    # Images of files have their channels on the last axis.
    return task_function(job.verb), {"channel_axis": -1, **inputs, **arguments}


def job_mask_choice(job: Job) -> MaskChoice:
    """The values of a mask file that are the hole of a job."""
    return mask_choice(*(job.arguments.get(name) for name in _MASK_CHOICE))


def hole_notes(job: Job, arguments: Mapping[str, Any]) -> list[str]:
    """Line with the number of pixels of the hole of a job; none without a mask from files.

    `arguments` are those of its call.
    """
    mask, word = job.inputs.get("mask"), job.arguments.get("mask")
    if mask is not None and mask.kind == "mask":
        return [hole_count(Path(mask.path).name, _judged(mask, job_mask_choice(job)))]
    if not isinstance(word, str) or job.inputs["image"].kind == "array":
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
    if given.kind == "mask":
        return _judged(given, choice).hole
    _check_unchanged(given)
    return _read_source(given).masked


@functools.lru_cache(_CACHED)
def _judged(given: Input, choice: MaskChoice) -> Judgement:
    _check_unchanged(given)
    return read_mask(given.path, choice)


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
    """SHA-256 of a file."""
    mode = file.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe may wait for ever
        raise errors.ImageReadError(f"{file}: not a regular file; save the image to one first")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def array_digest(array: Any) -> str:
    """SHA-256 of an array, which depends on its shape and dtype too."""
    described = f"{array.shape} {array.dtype.str}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(array).tobytes()).hexdigest()


def check_arguments(
    verb: Any, given: Mapping[str, Any], refused: Collection[str] = frozenset()
) -> None:
    """Refuse a task, or arguments of one, that there is not; the message names them.

    `refused` are arguments that cannot be given here. What becomes a tuple is looked at too: where
    it is created, Python's message would name something else.
    """
    validation.choice("verb", verb, tuple(TASKS))
    spec = TASKS[verb]
    if spec.volume:
        raise ValueError(
            f"`verb` must be a task that makes images, got {verb!r}; for volumes use "
            f"`pnncupy.{spec.function or verb}`, or pnncupy {verb} on the command line"
        )
    allowed = arguments_of_jobs(verb) - set(refused)
    for name in given:
        if name not in allowed:
            raise ValueError(
                f"{verb} has no argument `{name}`; it has {', '.join(sorted(allowed))}"
            )
    for image in spec.images:
        if image.required and image.name not in given:
            raise ValueError(f"{verb} needs `{image.name}`")
    if spec.scalable and ("shape" in given) == ("scale" in given):
        raise ValueError(f"{verb} needs either `shape` or `scale`")
    if given.get("channel_axis", -1) is None:
        raise ValueError(
            "`channel_axis` must be an axis in batches, as their results are images, got None; "
            f"call `pnncupy.{verb}` for volumes"
        )
    if given.get("shape") is not None:
        validation.shape("shape", given["shape"], 1)
    if given.get("data_range") is not None:
        intensity_encoding.value_range([], given["data_range"])
    if "scale" in given:
        _check_scale(given["scale"])
    _check_mask_choice(spec, given)


def _check_mask_choice(spec: TaskSpec, given: Mapping[str, Any]) -> None:
    """Refuse a choice of values without a mask file that has them."""
    named = [name for name in _MASK_CHOICE if name in given]
    if not named:
        return
    mask_choice(*(given.get(name) for name in _MASK_CHOICE))
    if given.get("mask") is None or given["mask"] in spec.image("mask").words:
        raise ValueError(f"`{named[0]}` needs `mask`, the name of a file")


def check_values(verb: str, given: Mapping[str, Any]) -> None:
    """Refuse values of arguments that are wrong whatever the images are."""
    parameters = inspect.signature(task_function(verb)).parameters
    values = {name: each.default for name, each in parameters.items()} | dict(given)
    if values.get("nodata") == "none":
        values["nodata"] = None
    automatic = ["patch_size", *(["levels"] if TASKS[verb].realisations else [])]
    for name in automatic:
        if is_auto(name, values[name]):
            values[name] = parameters[name].default
    TaskOptions(**{each.name: values[each.name] for each in fields(TaskOptions)
                   if each.name in values})  # fmt: skip
    if "noise_std" in given or "variety" in given:
        from pnncupy.tasks.realisations import checked_noise

        checked_noise(given.get("noise_std"), given.get("variety"))


def _check_scale(scale: Any) -> None:
    factors = scale if isinstance(scale, (list, tuple)) else (scale, scale)
    if len(factors) != 2:
        raise TypeError(
            "`scale` must be one factor, or factors of (height, width), got "
            f"{validation.described(scale)}"
        )
    for factor in factors:
        validation.positive("scale", factor)


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that are equal to themselves, so that records of them can be compared."""
    return {
        name: "nan" if isinstance(value, float) and math.isnan(value) else value
        for name, value in arguments.items()
    }


def arguments_of(verb: str) -> set[str]:
    """Names of a task's parameters, and what replaces some of them in jobs."""
    names = set(inspect.signature(task_function(verb)).parameters)
    scale = {"scale"} if TASKS[verb].scalable else set()
    return names | scale | (set(_MASK_CHOICE) if TASKS[verb].masked else set())


def arguments_of_jobs(verb: str) -> set[str]:
    """Names of the arguments that a job of a task may have."""
    return (arguments_of(verb) | set(TASKS[verb].image_names)) - _NOT_ARGUMENTS


def _as_tuple(given: Any) -> tuple[Any, ...]:
    return given if isinstance(given, tuple) else (given,)
