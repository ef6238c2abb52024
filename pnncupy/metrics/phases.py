"""Phases of images of labels: checked images, indicators of a phase, axes and distances."""

from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array

# Arrays with a last axis up to this are images with channels, which are no labels.
_MOST_CHANNELS = 4

Phase = int | bool


def labelled(source: Any, result: Any, name: str, threshold: Any) -> list[Array]:
    """Check the source, and the result of this name if there is one, as labels of one kind."""
    limit = None if threshold is None else validation.finite("threshold", threshold)
    given = {"source": source} if result is None else {"source": source, name: result}
    arrays.same_library(**given)
    found = [labels_of(whose, each, limit) for whose, each in given.items()]
    check_same_kind(name, found[-1], "source", found[0])
    return found


def check_same_kind(name: str, labels: Array, other_name: str, other: Array) -> None:
    """Refuse labels with other axes, or bool beside integers."""
    if labels.ndim != other.ndim:
        raise ValueError(
            f"`{name}` must have as many axes as `{other_name}`, {other.ndim}, got {labels.ndim}"
        )
    if (labels.dtype.kind == "b") != (other.dtype.kind == "b"):
        raise TypeError(
            f"`{name}` must hold labels like those of `{other_name}`, {other.dtype}, got "
            f"{labels.dtype}; convert one, or give a `threshold`"
        )


def labels_of(name: str, image: Any, threshold: float | None) -> Array:
    """Check an image as labels of one value for each pixel, or make two by a threshold."""
    image = one_value_per_pixel(name, image)
    if threshold is not None:
        arrays.check_finite(name, image, arrays.namespace(image))
        return image > threshold
    if image.dtype.kind == "f":
        raise TypeError(
            f"`{name}` must hold labels, bool or integers, got dtype {image.dtype}; give a "
            "`threshold`"
        )
    return image


def one_value_per_pixel(name: str, image: Any) -> Array:
    """Check a 2-D or 3-D image without channels."""
    arrays.library(name, image)
    arrays.check_real(name, image)
    if image.ndim == 3 and 0 < image.shape[2] <= _MOST_CHANNELS:
        raise ValueError(
            f"`{name}` must be a 2-D array, or a volume of more than {_MOST_CHANNELS} columns, "
            f"with one label for each pixel, got shape {tuple(image.shape)}"
        )
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"`{name}` must be a 2-D or 3-D array that is not empty, got shape {tuple(image.shape)}"
        )
    return arrays.native(image)


def indicator(image: Any, phase: Any, threshold: Any) -> Any:
    """Check an image and find the pixels of a phase, a bool NumPy array."""
    limit = None if threshold is None else validation.finite("threshold", threshold)
    labels = labels_of("image", image, limit)
    return arrays.on_host(in_phase(labels, checked_phase(phase, labels)))


def checked_phase(phase: Any, labels: Array) -> Phase:
    """The label of the phase."""
    if labels.dtype.kind == "b":
        return True if phase is None else validation.flag("phase", phase)
    if phase is None:
        raise ValueError(
            f"`phase` must be given for labels of dtype {labels.dtype}: the label of the phase to "
            "measure"
        )
    return validation.integer("phase", phase, -(2**63))


def in_phase(labels: Array, phase: Phase) -> Array:
    """Indicator of the phase, bool."""
    xp = arrays.namespace(labels)
    if labels.dtype.kind != "b":
        limits = np.iinfo(labels.dtype)
        if not limits.min <= phase <= limits.max:
            return xp.zeros(labels.shape, dtype=bool)
    return labels == phase


def counts(labels: Array) -> dict[Phase, int]:
    """Pixels of each label."""
    xp = arrays.namespace(labels)
    if labels.dtype.kind == "b":
        count = int(xp.sum(labels))
        return {False: int(labels.size) - count, True: count}
    values, found = (
        arrays.on_host(each).tolist() for each in xp.unique(labels, return_counts=True)
    )
    return dict(zip(values, found, strict=True))


def checked_axis(axis: Any, axes: int) -> int | None:
    """The axis along which is measured, from 0; None is every direction."""
    if axis is None:
        return None
    rule = f"an axis of the image, {-axes} to {axes - 1}"
    number = validation.integer("axis", axis, -axes, rule)
    if number >= axes:
        raise ValueError(f"`axis` must be {rule}, got {number}")
    return number % axes


def checked_connectivity(connectivity: Any, axes: int) -> int:
    """Number of coordinates in which neighbours may differ, 1 to the number of axes."""
    rule = f"an integer from 1 to the number of axes, {axes}"
    number = validation.integer("connectivity", connectivity, 1, rule)
    if number > axes:
        raise ValueError(f"`connectivity` must be {rule}, got {number}")
    return number


def checked_distance(
    largest: Any, shapes: list[tuple[int, ...]], axis: int | None, wraps: tuple[bool, ...]
) -> int:
    """The largest distance that is measured: half of the smallest side by default.

    Around a border no displacement is longer than half of the side.
    """
    axes = range(len(wraps)) if axis is None else [axis]
    side = min(shape[each] for shape in shapes for each in axes)
    if largest is None:
        return side // 2
    reach = validation.integer("largest_distance", largest, 0)
    if reach >= side:
        raise ValueError(
            f"`largest_distance` must be less than the smallest side, {side} pixels, got {reach}"
        )
    halves = [shape[each] // 2 for shape in shapes for each in axes if wraps[each]]
    if halves and reach > min(halves):
        raise ValueError(
            "`largest_distance` must be at most half of the smallest periodic side, "
            f"{min(halves)} pixels, got {reach}"
        )
    return reach
