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
