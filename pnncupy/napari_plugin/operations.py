"""Operations of the widget: tasks in words of layers, and the calls that they become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pnncupy.arrays import Array
from pnncupy.napari_plugin.layer_data import (
    Layer,
    check_same_kind,
    hole_of,
    is_labels,
    pixels_of,
    spatial_shape,
)
from pnncupy.tasks.registry import TASKS, task_function

# What steers the pixels of a hole, and the argument `fill`.
FILLS: dict[str, str | None] = {
    "what is around it (removes things)": "smooth",
    "the colours painted into it": None,
    "the mean colour": "mean",
    "noise": "noise",
}
AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Operation:
    """One entry of the widget's list of tasks.

    Attributes
    ----------
    title : str
    verb : str
        Its task, as in `tasks.registry.TASKS`.
    fields : tuple of str
        Fields of the widget that it reads beside those of all tasks: "hole", "fill", "other",
        "count", "size", "variety".
    other : str
        Label of the second layer.
    arguments : mapping
        Further arguments of the task.
    """

    title: str
    verb: str
    fields: tuple[str, ...]
    other: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keeps_position(self) -> bool:
        """Test whether pixels of the result are where those of the layer are."""
        return TASKS[self.verb].keeps_origin


OPERATIONS = (
    Operation("Fill a hole", "inpaint", ("hole", "fill")),
    Operation("Generate", "generate", ("count", "size", "variety")),
    Operation(
        "Make periodic", "generate", ("count", "size", "variety"), arguments={"periodic": True}
    ),
    Operation("Change the size", "retarget", ("size",)),
    Operation("Make an edit seamless", "edit", ("other", "hole"), "edited layer"),
    Operation("Rebuild another layer", "analogy", ("other",), "structure"),
    Operation("Merge two layers", "collage", ("other", "size"), "second layer"),
    Operation("Grow a volume", "volume", ("size",)),
)


@dataclass(frozen=True)
class Choices:
    """Values of the widget's fields.

    Attributes
    ----------
    layer : Image or Labels layer
        The source.
    hole : Labels layer or None
    other : Image or Labels layer or None
    fill : str
        A key of `FILLS`.
    count : int
    size : tuple of int
        (height, width), or (depth, height, width).
    variety : str
    patch_size : int
    levels : int or "automatic"
    method : str
    seed : int
    """

    layer: Layer | None
    hole: Layer | None = None
    other: Layer | None = None
    fill: str = next(iter(FILLS))
    count: int = 1
    size: tuple[int, ...] = ()
    variety: str = "low"
    patch_size: int = 7
    levels: int | str = AUTOMATIC
    method: str = "exact"
    seed: int = 0


@dataclass(frozen=True)
class TaskCall:
    """A call of a task, whose arrays are copies: layers may change meanwhile.

    Attributes
    ----------
    operation : Operation
    layer : Image or Labels layer
        What the result is like.
    function : callable
    arguments : dict
    record : dict
        Its numbers and words, for the metadata of results.
    """

    operation: Operation
    layer: Layer
    function: Callable[..., Any]
    arguments: dict[str, Any]
    record: dict[str, Any]


def task_call(operation: Operation, choices: Choices) -> TaskCall:
    """The call of a task for the layers and numbers that were chosen.

    Raises
    ------
    ValueError
        A layer is missing or does not fit; the message says what to do.
    """
    layer = choices.layer
    if layer is None:
        raise ValueError("choose a layer: open an image, or one of File > Open Sample > pnncupy")
    image = pixels_of(layer)
    images = _images(operation, choices, layer, image)
    spec = TASKS[operation.verb]
    settings: dict[str, Any] = {
        "patch_size": choices.patch_size, "method": choices.method, **_of_layer(operation, layer),
        **operation.arguments,
    }  # fmt: skip
    if choices.levels != AUTOMATIC:
        settings["levels"] = choices.levels
    if "fill" in operation.fields:
        settings["fill"] = FILLS[choices.fill]
    if "size" in operation.fields:
        settings["shape"] = choices.size
    if "count" in operation.fields:
        settings |= {"n": choices.count, "variety": choices.variety}
    if spec.seeded:
        settings["rng"] = choices.seed
    if image.dtype.kind == "f" and bool(np.isnan(image).any()):
        settings["nodata"] = "nan"
    record = {"task": operation.verb, "source": str(layer.name), "arguments": dict(settings)}
    return TaskCall(
        operation, layer, task_function(operation.verb), images | settings, record
    )  # fmt: skip


def _images(operation: Operation, choices: Choices, layer: Layer, image: Array) -> dict[str, Any]:
    """The arguments that are images."""
    names = TASKS[operation.verb].image_names
    images: dict[str, Any] = {names[0]: image}
    if "other" in operation.fields:
        other = choices.other
        if other is None:
            raise ValueError(f"choose the {operation.other}: a second layer like {layer.name!r}")
        check_same_kind(layer, other)
        if operation.verb == "collage":
            images[names[0]] = [image, pixels_of(other)]
        else:
            images[names[1]] = pixels_of(other)
    if "hole" in operation.fields and (choices.hole is not None or operation.verb == "inpaint"):
        images["mask"] = hole_of(choices.hole, layer)
    return images


def _of_layer(operation: Operation, layer: Layer) -> dict[str, Any]:
    """The arguments that the kind of a layer sets."""
    if operation.verb == "volume":
        if len(spatial_shape(layer)) != 2:
            raise ValueError("choose a 2-D layer: a volume grows from slices that look like it")
        axis: int | str | None = "auto"
    else:
        axis = -1 if getattr(layer, "rgb", False) else None
    return {"channel_axis": axis, "categorical": is_labels(layer)}
