"""Hard data of a call: the known pixels of a grid, checked, without a change of any value."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.intensity_encoding import given_range
from pnncupy.images.label_encoding import LabelEncoding, check_labels
from pnncupy.images.missing import (
    missing_pixels,
    missing_values,
    typical,
    with_colour,
    with_nan_missing,
)
from pnncupy.images.planes import as_planes, check_fits_patch
from pnncupy.search.pixel_weights import PixelWeights
from pnncupy.synthesis.hard_data import HardDataPyramid
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask
from pnncupy.tasks.source_images import SourceImages


@dataclass(frozen=True)
class HardData:
    """Known pixels of a grid.

    Attributes
    ----------
    original : (H, W) or (H, W, C) array
        The grid in the dtype of the training image; a value of that where nothing is known.
    planes : (C, H, W) array
        The same as planes.
    known : (H, W) bool
    """

    original: Array
    planes: Array
    known: Array

    @classmethod
    def of(cls, grid: Any, images: SourceImages, options: TaskOptions) -> "HardData":
        """Check a grid for training images.

        Raises
        ------
        TypeError, ValueError
            It is no image like these, or holds values that a result cannot have.
        """
        axis, first = options.channel_axis, images.originals[0]
        grid = with_nan_missing(grid)
        data, missing = missing_pixels("grid", grid, options.missing_value, axis)
        xp = arrays.same_library(grid=data, training=first)
        planes = as_planes("grid", data, axis)
        _check_layout(data, planes, images)
        check_fits_patch("grid", planes, options.patch(images.axes))
        if missing is None:
            raise ValueError(
                "`grid` must have pixels to be simulated, got none; mark them with NaN, a masked "
                "array or `nodata`"
            )
        _check_whole_pixels(grid, options)
        known = ~missing
        converted = _converted(planes[:, known], first.dtype)
        if converted.size:
            _check_range(converted, images, options)
        colour = typical(_known_values(images), options.holds_labels)
        original = with_colour(data, missing, xp.zeros_like(colour, dtype=data.dtype), axis)
        original = with_colour(original.astype(first.dtype), missing, colour, axis)
        return cls(original, as_planes("grid", original, axis), known)

    @property
    def count(self) -> int:
        """Number of known pixels."""
        return int(self.known.sum())

    def pyramid(self, task: PreparedTask) -> HardDataPyramid:
        """The known pixels at all levels of a task."""
        if isinstance(task.encoding, LabelEncoding):
            check_labels("grid", self.planes, task.encoding)
        planes = task.encoding.encode(self.planes, "grid")
        return HardDataPyramid.of(planes, self.known, task.schedule, task.periodic)

    def pixel_weights(
        self, task: PreparedTask, pyramid: HardDataPyramid, factor: float
    ) -> PixelWeights:
        """Weights of the pixels of results, for the planes that are compared."""
        ends = [
            (planes if known is None else planes[:, known][:, None])
            for planes, known in zip(task.planes, task.images.known, strict=True)
        ]
        ends.append(pyramid.images[0][:, self.known][:, None])
        spans = [_ends(task.metric.scaled(each)) for each in ends if each.size]
        low = np.min([low for low, _ in spans], axis=0).tolist()
        high = np.max([high for _, high in spans], axis=0).tolist()
        return PixelWeights.of(low, high, pyramid.weights(factor, task.schedule))


def _known_values(images: SourceImages) -> Array:
    """Values (C, n) of the first training image that are known."""
    planes, known = images.planes[0], images.known[0]
    return planes.reshape(len(planes), -1) if known is None else planes[:, known]


def _check_layout(data: Array, planes: Array, images: SourceImages) -> None:
    """Refuse a grid whose axes are not those of the training image."""
    first, first_planes = images.originals[0], images.planes[0]
    if data.ndim != first.ndim or planes.ndim != first_planes.ndim:
        raise ValueError(
            f"`grid` must have as many axes as `training`, {first.ndim}, got {data.ndim}"
        )
    if planes.shape[0] != first_planes.shape[0]:
        raise ValueError(
            f"`grid` must have the channels of `training`, {first_planes.shape[0]}, got "
            f"{planes.shape[0]}; give variables that are known everywhere as `guides`"
        )


def _check_whole_pixels(grid: Any, options: TaskOptions) -> None:
    """Refuse pixels of which only some channels are known."""
    _, missing = missing_values("grid", grid, options.missing_value)
    assert missing is not None  # else there was nothing to simulate
    planes = as_planes("grid", missing, options.channel_axis)
    if bool((planes != planes[:1]).any()):
        raise ValueError(
            "`grid` must have all channels of a pixel or none, got pixels with some; give "
            "variables that are known everywhere as `guides`"
        )


def _converted(values: Array, dtype: Any) -> Array:
    """The same values (C, n) in the dtype of the result; refused where that cannot hold them."""
    xp = arrays.namespace(values)
    arrays.check_finite("grid", values, xp)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values.astype(dtype)
        back = converted.astype(values.dtype)
    # The sign tells wrapped integers from equal ones.
    lost = (back != values) | ((converted < 0) != (values < 0))
    if bool(xp.any(lost)):
        value = values[lost][0].item()
        raise ValueError(
            f"`grid` must hold values that the dtype of `training`, {dtype}, holds, got {value!r}; "
            f"convert `training` to {values.dtype}, or round the grid"
        )
    return converted


def _check_range(values: Array, images: SourceImages, options: TaskOptions) -> None:
    """Refuse hard data (C, n) that nothing in the training image is like."""
    xp = arrays.namespace(values)
    if options.categorical:
        return  # foreign labels are found with the encoding
    if options.data_range is not None:
        low, high = given_range(options.data_range)
        owner, remedy = "`data_range`", "widen it"
    else:
        seen = [
            planes if known is None else planes[:, known]
            for planes, known in zip(images.planes, images.known, strict=True)
        ]
        low = min(xp.min(each).item() for each in seen)
        high = max(xp.max(each).item() for each in seen)
        owner, remedy = "the values of `training`", "set `data_range` to a range with both"
    found = (xp.min(values).item(), xp.max(values).item())
    if found[0] < low or found[1] > high:
        raise ValueError(
            f"`grid` must hold values within {owner}, {low} to {high}, got {found[0]} to "
            f"{found[1]}; correct the data, or {remedy}"
        )


def _ends(planes: Array) -> tuple[Any, Any]:
    """The smallest and the largest value of each plane."""
    xp = arrays.namespace(planes)
    flat = xp.reshape(planes, (len(planes), -1))
    return arrays.on_host(xp.min(flat, axis=1)), arrays.on_host(xp.max(flat, axis=1))
