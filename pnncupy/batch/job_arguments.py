"""Arguments of jobs: those that a task has, checked before any image is read."""

import inspect
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from pnncupy import validation
from pnncupy.images import intensity_encoding
from pnncupy.images.mask_judgement import mask_choice
from pnncupy.io.volume_files import SUFFIXES as VOLUME_SUFFIXES
from pnncupy.parameter_hints import right_name
from pnncupy.tasks.automatic_sizes import is_auto
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.registry import TASKS, TaskSpec, task_function

# Parameters that are no part of a job: they are the batch's own, or no numbers or words.
_NOT_ARGUMENTS = {
    "n", "first_sample", "rng", "callback", "progress", "return_index", "return_info",
    "initial_guess", "executor", "checkpoint", "threads", "guides",
}  # fmt: skip
# Arguments of jobs that say which values of a mask file are the hole.
MASK_CHOICE = ("mask_values", "mask_above")


def check_arguments(
    verb: Any,
    given: Mapping[str, Any],
    refused: Collection[str] = frozenset(),
    volume: bool | None = None,
) -> None:
    """Refuse a task, or arguments of one, that there is not; the message names them.

    `refused` are arguments that cannot be given here. What becomes a tuple is looked at too: where
    it is created, Python's message would name something else. `volume` says whether the images are
    volumes; None is either.
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
            meant = right_name(name, allowed, given)
            rest = f"use `{meant}`" if meant else f"it has {', '.join(sorted(allowed))}"
            raise ValueError(f"{verb} has no argument `{name}`; {rest}")
    for image in spec.images:
        if image.required and image.name not in given:
            raise ValueError(f"{verb} needs `{image.name}`")
    if spec.scalable and ("shape" in given) == ("scale" in given):
        raise ValueError(f"{verb} needs either `shape` or `scale`")
    if given.get("channel_axis", -1) is None:
        raise ValueError(
            "`channel_axis` must be an axis in batches, got None; volumes have `volume = true` "
            "there"
        )
    check_sides(given, volume)
    if given.get("data_range") is not None:
        intensity_encoding.value_range([], given["data_range"])
    _check_mask_choice(spec, given)


def _check_mask_choice(spec: TaskSpec, given: Mapping[str, Any]) -> None:
    """Refuse a choice of values without a mask file that has them."""
    named = [name for name in MASK_CHOICE if name in given]
    if not named:
        return
    mask_choice(*(given.get(name) for name in MASK_CHOICE))
    if given.get("mask") is None or given["mask"] in spec.image("mask").words:
        raise ValueError(f"`{named[0]}` needs `mask`, the name of a file")


def check_values(verb: str, given: Mapping[str, Any]) -> None:
    """Refuse values of arguments that are wrong whatever the images are."""
    parameters = inspect.signature(task_function(verb)).parameters
    values = {name: each.default for name, each in parameters.items()} | dict(given)
    if values.get("nodata") == "none":
        values["nodata"] = None
    automatic = ["patch_size", *(["levels"] if TASKS[verb].automatic_levels else [])]
    for name in automatic:
        if is_auto(name, values[name]):
            values[name] = parameters[name].default
    TaskOptions(**{each.name: values[each.name] for each in fields(TaskOptions)
                   if each.name in values})  # fmt: skip
    if "noise_std" in given or "variety" in given:
        from pnncupy.tasks.realisations import checked_noise

        checked_noise(given.get("noise_std"), given.get("variety"))


def check_sides(given: Mapping[str, Any], volume: bool | None) -> None:
    """Refuse sizes that images, or volumes, do not have; None is either.

    Two sides or factors for a volume are those of its slices.
    """
    shape, scale = given.get("shape"), given.get("scale")
    if shape is not None:
        with_depth = volume is not False and validation.is_sequence(shape) and len(shape) == 3
        validation.shape("shape", shape, 1, 3 if with_depth else 2)
    if "scale" not in given:
        return
    factors = list(scale) if isinstance(scale, (list, tuple)) else [scale]
    allowed: tuple[int, ...] = (1, 2)
    rule = "one factor, or factors of (height, width)"
    if volume is None:
        allowed, rule = (1, 2, 3), f"{rule} or (depth, height, width)"
    elif volume:
        allowed, rule = (2, 3), "factors of (height, width) or (depth, height, width) for a volume"
    if len(factors) not in allowed or (len(factors) == 1 and isinstance(scale, (list, tuple))):
        raise TypeError(f"`scale` must be {rule}, got {validation.described(scale)}")
    for factor in factors:
        validation.positive("scale", factor)


def check_for_volume(given: Mapping[str, Any]) -> None:
    """Refuse arguments that volumes do not have."""
    check_sides(given, True)
    if isinstance(given.get("mask"), str) and given["mask"] == "alpha":
        raise ValueError('`mask` "alpha" is for images; volumes have no alpha channel')


def check_volume_name(name: str, suffix: str) -> None:
    """Refuse a format that holds no volumes."""
    if suffix.lower() not in VOLUME_SUFFIXES:
        raise ValueError(
            f"`{name}` of a volume must end with {', '.join(sorted(VOLUME_SUFFIXES))}, got "
            f"{suffix!r}"
        )


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
    return names | scale | (set(MASK_CHOICE) if TASKS[verb].masked else set())


def arguments_of_jobs(verb: str) -> set[str]:
    """Names of the arguments that a job of a task may have."""
    return (arguments_of(verb) | set(TASKS[verb].image_names)) - _NOT_ARGUMENTS
