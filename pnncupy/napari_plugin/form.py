"""The fields of the widget, and what they hold."""

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import ComboBox, SpinBox

from pnncupy.napari_plugin.layer_data import Layer, spatial_shape
from pnncupy.napari_plugin.operations import (
    AUTOMATIC,
    FILLS,
    OPERATIONS,
    Choices,
    Operation,
)
from pnncupy.search.method import METHODS
from pnncupy.tasks.realisations import VARIETIES

_LONGEST_SIDE = 100_000
_MOST_IMAGES = 100
_MOST_LEVELS = 12
_LARGEST_PATCH = 63
_LARGEST_SEED = 2**31 - 1
# Sides of a grown volume at first: it takes some seconds.
_VOLUME_SIDE = 48
_SIDES = ("depth", "height", "width")
_SHARED = ("operation", "layer", "patch_size", "levels", "method", "seed")


class Form:
    """The fields of the widget by name; only those of the chosen operation are shown.

    Parameters
    ----------
    layers, label_layers : callable
        Return the layers that may be chosen, and those that may be a hole.
    """

    def __init__(
        self, layers: Callable[..., Sequence[Layer]], label_layers: Callable[..., Sequence[Layer]]
    ):
        titles = [operation.title for operation in OPERATIONS]
        self.fields: dict[str, Any] = {
            field.name: field
            for field in (
                ComboBox(name="operation", label="task", choices=titles),
                ComboBox(name="layer", choices=layers, nullable=True),
                ComboBox(name="other", choices=layers, nullable=True),
                ComboBox(
                    name="hole", choices=label_layers, nullable=True,
                    tooltip="Labels layer; what is painted is synthesised",
                ),
                ComboBox(name="fill", label="steered by", choices=list(FILLS)),
                SpinBox(name="count", label="images", value=1, min=1, max=_MOST_IMAGES),
                *(SpinBox(name=name, value=1, min=1, max=_LONGEST_SIDE) for name in _SIDES),
                ComboBox(name="variety", choices=list(VARIETIES)),
                SpinBox(
                    name="patch_size", label="patch size", value=7, min=2, max=_LARGEST_PATCH,
                    tooltip="side of a patch in pixels",
                ),
                ComboBox(
                    name="levels", choices=[AUTOMATIC, *range(_MOST_LEVELS + 1)],
                    tooltip="pyramid levels: more rearrange larger parts",
                ),
                ComboBox(
                    name="method", choices=list(METHODS),
                    tooltip="search for patches; 'patchmatch' is faster for large layers",
                ),
                SpinBox(
                    name="seed", value=0, min=0, max=_LARGEST_SEED,
                    tooltip="the same seed gives the same result",
                ),
            )
        }  # fmt: skip
        self.fields["operation"].changed.connect(self.update)
        self.fields["layer"].changed.connect(self.update)

    @property
    def operation(self) -> Operation:
        """The chosen operation."""
        title = self.fields["operation"].value
        return next(each for each in OPERATIONS if each.title == title)

    @property
    def choices(self) -> Choices:
        """The values of all fields."""
        names = ("layer", "other", "hole", "fill", "count", "variety", *_SHARED[2:])
        values = {name: self.fields[name].value for name in names}
        return Choices(size=tuple(self.fields[name].value for name in self._sides()), **values)

    def update(self) -> None:
        """Show the fields of the operation, with the size of the layer."""
        operation = self.operation
        shown = {*_SHARED, *operation.fields}
        if "size" in shown:
            shown |= {*self._sides()}
        for name, field in self.fields.items():
            field.visible = name in shown
        self.fields["other"].label = operation.other or "other"
        layer = self.fields["layer"].value
        if layer is None:
            return
        sides = spatial_shape(layer)
        if operation.verb == "volume":
            sides = (_VOLUME_SIDE,) * 3
        for name, side in zip(reversed(_SIDES), reversed(sides), strict=False):
            self.fields[name].value = side

    def _sides(self) -> tuple[str, ...]:
        """Names of the sides that a result has."""
        layer = self.fields["layer"].value
        if self.operation.verb == "volume" or (layer is not None and layer.ndim == 3):
            return _SIDES
        return _SIDES[1:]
