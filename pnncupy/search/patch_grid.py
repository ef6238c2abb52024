"""Patch grids of images: counts of patches, their flat indices, and what they cover."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize, patch_sides


@dataclass(frozen=True)
class PatchGrid:
    """The patches of one image.

    Attributes
    ----------
    spatial_shape : tuple of int
        Pixels of the image along each axis.
    patch_shape : tuple of int
        Pixels of a patch along each axis.
    periodic : tuple of bool
        Axes along which patches wrap around; empty for none.
    """

    spatial_shape: tuple[int, ...]
    patch_shape: tuple[int, ...]
    periodic: tuple[bool, ...] = ()

    @classmethod
    def of(cls, planes: Array, patch_size: PatchSize) -> "PatchGrid":
        """Return the grid of the patches of an image (C, ...)."""
        return cls.of_shape(planes.shape[1:], patch_size)

    @classmethod
    def of_shape(
        cls, shape: Sequence[int], patch_size: PatchSize, periodic: tuple[bool, ...] = ()
    ) -> "PatchGrid":
        """Return the grid of the patches of an image of this spatial shape."""
        return _grid(tuple(shape), patch_size, periodic)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Patches along each axis."""
        return tuple(
            side if wraps else side - size + 1
            for side, size, wraps in zip(
                self.spatial_shape, self.patch_shape, self._periodic, strict=True
            )
        )

    @cached_property
    def count(self) -> int:
        """Patches of the image."""
        return math.prod(self.shape)

    @cached_property
    def _periodic(self) -> tuple[bool, ...]:
        return self.periodic or (False,) * len(self.spatial_shape)

    def flat_indices(self, xp: Any) -> Array:
        """Flat index of the first pixel of each patch, int32 of the grid's shape."""
        numbers = xp.arange(math.prod(self.spatial_shape), dtype=xp.int32)
        first = tuple(slice(count) for count in self.shape)
        return numbers.reshape(self.spatial_shape)[first]

    @cached_property
    def margins(self) -> tuple[int, ...]:
        """Pixels along each axis by which a patch may pass over the end and wrap around."""
        return tuple(
            size - 1 if wraps else 0
            for size, wraps in zip(self.patch_shape, self._periodic, strict=True)
        )

    def wrapped_shape(self, border: int = 0) -> tuple[int, ...]:
        """Pixels along each axis of a wrapped image."""
        sides = zip(self.spatial_shape, self.margins, self._borders(border), strict=True)
        return tuple(side + margin + 2 * more for side, margin, more in sides)

    def wrapped(self, planes: Array, border: int = 0) -> Array:
        """Image (..., *axes) whose periodic axes continue for the patches that wrap around.

        All patches of the wrapped image are patches of the grid, in its order. With a `border`,
        that many more patches are in front of the first and behind the last along these axes.
        """
        more = self._borders(border)
        behind = tuple(a + b for a, b in zip(self.margins, more, strict=True))
        return wrap(planes, more, behind)

    def widened(self, field: Array, border: int) -> Array:
        """Field (..., *grid) of the patches of a wrapped image with this `border`."""
        more = self._borders(border)
        return wrap(field, more, more)

    def narrowed(self, field: Array, border: int) -> Array:
        """Field of the grid from that of a wrapped image with this `border`."""
        return _cut(field, self._borders(border), self.shape)

    def covering(self, field: Array) -> Array:
        """Field (..., *grid) with the patches before the first that cover pixels of the image.

        What it votes for is the image and, along periodic axes, a margin on both sides that
        `inner` takes away.
        """
        return wrap(field, self.margins, (0,) * len(self.margins))

    def outer(self, images: Array) -> Array:
        """Images (..., *axes) with the margin on both sides that `covering` fields vote for."""
        return wrap(images, self.margins, self.margins)

    def inner(self, images: Array) -> Array:
        """Images (..., *axes) without that margin."""
        return _cut(images, self.margins, self.spatial_shape)

    def _borders(self, border: int) -> tuple[int, ...]:
        return tuple(border if wraps else 0 for wraps in self._periodic)

    def places(self, numbers: Array) -> Array:
        """Places among all patches, row by row, of flat indices of their first pixels; int32."""
        xp = arrays.namespace(numbers)
        position = unravelled(numbers, self.spatial_shape)
        return xp.astype(ravelled(position, self.shape), xp.int32)

    def inside(self, mask: Array) -> Array:
        """Patches all of whose pixels are True in a mask of the image; bool."""
        result = self.wrapped(mask[None])[0]
        for axis, size in enumerate(self.patch_shape):
            count = self.shape[axis]
            window: list[Any] = [slice(None)] * result.ndim
            window[axis] = slice(count)
            shorter = result[tuple(window)].copy()
            for offset in range(1, size):
                window[axis] = slice(offset, offset + count)
                shorter &= result[tuple(window)]
            result = shorter
        return result

    def covered(self, patches: Array) -> Array:
        """Pixels that lie in any of the patches that are True; bool."""
        xp = arrays.namespace(patches)
        sizes_and_wraps = list(zip(self.patch_shape, self._periodic, strict=True))
        margins = [0 if wraps else size - 1 for size, wraps in sizes_and_wraps]
        sides = [count + 2 * margin for count, margin in zip(self.shape, margins, strict=True)]
        others = xp.ones(tuple(sides), dtype=xp.bool)
        middle = tuple(
            slice(margin, margin + count) for margin, count in zip(margins, self.shape, strict=True)
        )
        others[middle] = ~patches
        mirrored = PatchGrid(tuple(sides), self.patch_shape, self.periodic)
        clear = mirrored.inside(others)
        for axis, (size, wraps) in enumerate(sizes_and_wraps):
            if wraps:  # a pixel is covered by the patches that begin before it
                clear = xp.roll(clear, size - 1, axis=axis)
        return ~clear

    def changed(self, planes: Array, before: Array) -> Array:
        """Patches that differ in any bit between two versions of the image; bool."""
        xp = arrays.namespace(planes)
        return ~self.inside(xp.all(arrays.bits(planes) == arrays.bits(before), axis=0))

    def centre_offsets(self, axis: int) -> Array:
        """For each pixel along an axis, its offset in the covering patch of the nearest centre.

        Of two equally near patches the one that starts first, in which the offset is larger.
        """
        size, count = self.patch_shape[axis], self.shape[axis]
        pixels = np.arange(count + size - 1)
        return np.clip(size // 2, pixels - count + 1, np.minimum(pixels, size - 1))


@lru_cache(maxsize=1024)
def _grid(shape: tuple[int, ...], patch_size: PatchSize, periodic: tuple[bool, ...]) -> PatchGrid:
    """Return a grid, mostly one of those of the last step."""
    return PatchGrid(shape, patch_sides(patch_size, len(shape)), periodic)


def wrap(array: Array, before: Sequence[int], behind: Sequence[int]) -> Array:
    """Continue the last axes of an array periodically, by some entries at both ends of each."""
    xp = arrays.namespace(array)
    first = array.ndim - len(before)
    for axis, (front, back) in enumerate(zip(before, behind, strict=True), start=first):
        if front or back:
            places = xp.arange(-front, array.shape[axis] + back) % array.shape[axis]
            array = xp.take(array, places, axis=axis)
    return array


def _cut(array: Array, first: Sequence[int], sides: Sequence[int]) -> Array:
    """A contiguous box of the last axes of an array."""
    if not any(first):
        return array
    box = tuple(slice(start, start + side) for start, side in zip(first, sides, strict=True))
    return arrays.namespace(array).ascontiguousarray(array[..., *box])


def unravelled(numbers: Array, shape: Sequence[int]) -> list[Array]:
    """Positions along each axis of the flat indices in an array of a shape."""
    position = []
    for side in reversed(shape[1:]):
        position.append(numbers % side)
        numbers = numbers // side
    return [numbers, *reversed(position)]


def ravelled(position: Sequence[Array], shape: Sequence[int]) -> Array:
    """Flat indices of positions in an array of a shape."""
    numbers, *others = position
    for place, side in zip(others, shape[1:], strict=True):
        numbers = numbers * side + place
    return numbers


@dataclass(frozen=True)
class Layout:
    """Layout of the flat indices of several images of different sizes.

    The images stand below each other on a canvas as wide as the widest (volumes one behind the
    other, on one as high and wide as the largest); a pixel's number is its flat index on that
    canvas, so that numbers rise with source and position.
    """

    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, planes: Sequence[Array]) -> "Layout":
        """The layout of planar images; refuses more pixels than 32-bit numbers have."""
        layout = cls(tuple(image.shape[1:] for image in planes))
        if layout.pixels > np.iinfo(np.int32).max:
            raise ValueError(
                f"the images have {layout.pixels} pixels together, more than the {2**31 - 1} that "
                "can be numbered; use smaller ones"
            )
        return layout

    def patch_count(self, patch_size: PatchSize) -> int:
        """Patches of all images together."""
        return sum(PatchGrid.of_shape(shape, patch_size).count for shape in self.shapes)

    @property
    def canvas_shape(self) -> tuple[int, ...]:
        """Pixels of the canvas along each axis."""
        first, *others = zip(*self.shapes, strict=True)
        return (sum(first), *map(max, others))

    @property
    def width(self) -> int:
        """Pixels from one row of the canvas to the next."""
        return self.canvas_shape[-1]

    @property
    def height(self) -> int:
        """Rows of the canvas; of volumes, slices."""
        return self.canvas_shape[0]

    @property
    def slice_stride(self) -> int:
        """Pixels from one slice of the canvas of volumes to the next; 0 for images."""
        return math.prod(self.canvas_shape[1:]) if len(self.canvas_shape) > 2 else 0

    @property
    def pixels(self) -> int:
        """Pixels of the canvas."""
        return math.prod(self.canvas_shape)

    @property
    def tops(self) -> tuple[int, ...]:
        """Canvas row (of volumes, slice) of each image's first one."""
        tops = [0]
        for first, *_ in self.shapes[:-1]:
            tops.append(tops[-1] + first)
        return tuple(tops)

    @property
    def first_indices(self) -> tuple[int, ...]:
        """Flat index of each image's first pixel."""
        stride = math.prod(self.canvas_shape[1:])
        return tuple(top * stride for top in self.tops)

    def stack(self, planes: Sequence[Array]) -> Array:
        """The canvas with all images on it; a single image is its own canvas."""
        if len(planes) == 1:
            return planes[0]
        xp = arrays.namespace(planes[0])
        shape = (planes[0].shape[0], *self.canvas_shape)
        canvas = xp.zeros(shape, dtype=planes[0].dtype)
        for image, top in zip(planes, self.tops, strict=True):
            first, *others = image.shape[1:]
            canvas[(slice(None), slice(top, top + first), *map(slice, others))] = image
        return canvas

    def decode(self, numbers: Array) -> tuple[Array, ...]:
        """Source and position along each axis of pixel numbers."""
        xp = arrays.namespace(numbers)
        first, *others = unravelled(numbers, self.canvas_shape)
        tops = xp.asarray(self.tops, dtype=xp.int32)
        source = xp.astype(xp.searchsorted(tops, first, side="right"), xp.int32) - 1
        return (source, first - tops[source], *others)

    def encode(self, source: Array, first: Array, *others: Array) -> Array:
        """Pixel numbers of sources and positions along each axis."""
        xp = arrays.namespace(first)
        position = (first + xp.asarray(self.tops)[source], *others)
        numbers = ravelled(position, self.canvas_shape)
        return xp.ascontiguousarray(xp.astype(numbers, xp.int32))
