"""The sources of a call: checked, with their known pixels and planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.missing import split_missing
from pnncupy.images.planes import as_planes, check_fits_patch
from pnncupy.synthesis.memory import Shape
from pnncupy.tasks.labels_hint import FEWEST, hint_at_labels
from pnncupy.tasks.options import TaskOptions


@dataclass(frozen=True)
class SourceImages:
    """The sources of a call, checked.

    Attributes
    ----------
    names : sequence of str
        What messages call them.
    originals : sequence of arrays
        In the caller's form; missing pixels are filled.
    known : sequence of (H, W) bool arrays, or None
        Pixels that are not missing; None is all.
    planes : sequence of (C, H, W) arrays
        The originals as planes, in their dtype.
    """

    names: Sequence[str]
    originals: Sequence[Array]
    known: Sequence[Array | None]
    planes: Sequence[Array]

    @classmethod
    def of(
        cls, name: str, images: Any, options: TaskOptions, fewest_labels: int = FEWEST
    ) -> "SourceImages":
        """One image, or a list of them; see `hint_at_labels`."""
        if not isinstance(images, (list, tuple)):
            sources, names = [images], [name]
        elif images:
            sources = list(images)
            names = [f"{name}[{number}]" for number in range(len(images))]
        else:
            raise ValueError(f"`{name}` must hold at least one image, got an empty list")
        plain, known = without_missing(sources, names, options)
        return cls.of_known(names, plain, known, options, fewest_labels)

    @classmethod
    def of_known(
        cls,
        names: Sequence[str],
        images: Sequence[Array],
        known: Sequence[Array | None],
        options: TaskOptions,
        fewest_labels: int = FEWEST,
    ) -> "SourceImages":
        """Images whose known pixels have been found out."""
        xp = arrays.same_library(**dict(zip(names, images, strict=True)))
        axis = options.channel_axis
        planes = [as_planes(name, image, axis) for name, image in zip(names, images, strict=True)]
        for name, image, own in zip(names, images, planes, strict=True):
            if own.ndim != planes[0].ndim:
                raise ValueError(
                    f"`{name}` must have as many axes of space as the source, "
                    f"{planes[0].ndim - 1}, got {own.ndim - 1}"
                )
            check_fits_patch(name, own, options.patch_size)
            arrays.check_finite(name, image, xp)
            check_like(name, image, own, images[0], planes[0])
        hint_at_labels(names[0].partition("[")[0], planes, known, options, fewest_labels)
        return cls(names, images, known, planes)

    @property
    def shapes(self) -> list[Shape]:
        """Height and width of each."""
        return [tuple(image.shape[1:]) for image in self.planes]

    @property
    def axes(self) -> int:
        """Axes of space: 2 of images, 3 of volumes."""
        return int(self.planes[0].ndim) - 1

    @property
    def largest(self) -> int:
        """Number of the largest."""
        return max(range(len(self.planes)), key=lambda number: int(self.planes[number].size))


def check_like(name: str, image: Array, planes: Array, first: Array, first_planes: Array) -> None:
    """Refuse an image whose dtype or channels are not those of the first source."""
    if image.dtype.newbyteorder("=") != first.dtype.newbyteorder("="):
        raise TypeError(
            f"`{name}` must have the dtype of the source, {first.dtype}, got {image.dtype}"
        )
    if planes.shape[0] != first_planes.shape[0]:
        raise ValueError(
            f"`{name}` must have the channels of the source, {first_planes.shape[0]}, got "
            f"{planes.shape[0]}"
        )
    if image.ndim != first.ndim:
        raise ValueError(
            f"`{name}` must have as many axes as the source, {first.ndim}, got {image.ndim}"
        )


def without_missing(
    sources: Sequence[Any], names: Sequence[str], options: TaskOptions
) -> tuple[list[Array], list[Array | None]]:
    """Plain sources, missing pixels filled, and their known pixels (None for all)."""
    pairs = [
        split_missing(
            name, source, options.missing_value, options.channel_axis,
            categorical=options.holds_labels,
        )
        for name, source in zip(names, sources, strict=True)
    ]  # fmt: skip
    return [plain for plain, _ in pairs], [known for _, known in pairs]
