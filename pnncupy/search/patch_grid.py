"""How the pixels of several images are numbered together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array


@dataclass(frozen=True)
class Layout:
    """How the pixels of several images of different sizes are numbered together.

    The images stand below each other on a canvas as wide as the widest; a pixel's number is
    ``row * width + column`` on that canvas, so that numbers rise with source, row and column.
    """

    shapes: tuple[tuple[int, int], ...]

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

    @property
    def width(self) -> int:
        """Pixels from one row of the canvas to the next."""
        return max(width for _, width in self.shapes)

    @property
    def height(self) -> int:
        """Rows of the canvas."""
        return sum(height for height, _ in self.shapes)

    @property
    def pixels(self) -> int:
        """Pixels of the canvas."""
        return self.height * self.width

    @property
    def tops(self) -> tuple[int, ...]:
        """Canvas row of each image's first row."""
        tops = [0]
        for height, _ in self.shapes[:-1]:
            tops.append(tops[-1] + height)
        return tuple(tops)

    def stack(self, planes: Sequence[Array]) -> Array:
        """The canvas with all images on it; a single image is its own canvas."""
        if len(planes) == 1:
            return planes[0]
        xp = arrays.namespace(planes[0])
        shape = (planes[0].shape[0], self.height, self.width)
        canvas = xp.zeros(shape, dtype=planes[0].dtype)
        for image, top in zip(planes, self.tops, strict=True):
            canvas[:, top : top + image.shape[1], : image.shape[2]] = image
        return canvas

    def decode(self, numbers: Array) -> tuple[Array, Array, Array]:
        """Source, row and column of pixel numbers."""
        xp = arrays.namespace(numbers)
        row, column = numbers // self.width, numbers % self.width
        tops = xp.asarray(self.tops, dtype=xp.int32)
        source = xp.astype(xp.searchsorted(tops, row, side="right"), xp.int32) - 1
        return source, row - tops[source], column

    def encode(self, source: Array, row: Array, column: Array) -> Array:
        """Pixel numbers of sources, rows and columns."""
        xp = arrays.namespace(row)
        numbers = (row + xp.asarray(self.tops)[source]) * self.width + column
        return xp.ascontiguousarray(xp.astype(numbers, xp.int32))


def stacked(pictures: Sequence[Array]) -> Array:
    """Planar pictures (C, H, W) below each other: (C, count * H, W)."""
    if len(pictures) == 1:
        return pictures[0]
    return arrays.namespace(pictures[0]).concat(list(pictures), axis=1)


def pictures_of(tall: Array, count: int) -> list[Array]:
    """The pictures of a tall one, contiguous."""
    if count == 1:
        return [tall]
    xp = arrays.namespace(tall)
    height = tall.shape[1] // count
    return [
        xp.ascontiguousarray(tall[:, top : top + height])
        for top in range(0, count * height, height)
    ]


def fields_of(tall: Array, count: int, patch_size: int) -> list[Array]:
    """What a tall (rows, columns) array over patches says of each picture's patches."""
    height = (tall.shape[0] + patch_size - 1) // count
    rows = height - patch_size + 1
    return [tall[top : top + rows] for top in range(0, count * height, height)]


def patches_of_one(tall: Array, needed: Array | None, count: int, patch_size: int) -> Array | None:
    """Patches of a tall picture (C, count * H, W) that lie in one picture and are needed there.

    `needed` is (H-p+1, W-p+1) bool for each of the pictures, None for all; so is the result of the
    tall picture's patches.
    """
    if count == 1:
        return needed
    xp = arrays.namespace(tall)
    rows, columns = (side - patch_size + 1 for side in tall.shape[1:])
    inside = xp.zeros((rows, columns), dtype=xp.bool)
    for field in fields_of(inside, count, patch_size):
        field[...] = True if needed is None else needed
    return inside


def windows_all(mask: Array, patch_size: int) -> Array:
    """Whether all pixels of each patch are True."""
    rows, columns = (side - patch_size + 1 for side in mask.shape)
    inside = mask[:rows].copy()
    for offset in range(1, patch_size):
        inside &= mask[offset : offset + rows]
    result = inside[:, :columns].copy()
    for offset in range(1, patch_size):
        result &= inside[:, offset : offset + columns]
    return result


def changed_patches(query: Array, last_query: Array, patch_size: int) -> Array:
    """Return which query patches differ in any pixel from what they were; bool (HQ-p+1, WQ-p+1)."""
    xp = arrays.namespace(query)
    return ~windows_all(xp.all(query == last_query, axis=0), patch_size)
