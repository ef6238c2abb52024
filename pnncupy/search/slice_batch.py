"""Parallel slices of a volume, which an engine searches as one tall image.

Slices are below each other with a row of infinite pixels between them, so that no patch of two
slices is ever matched, forwards or in reverse. A volume is (C, Z, Y, X), its axis 0 is Z.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.search.candidate_lists import finer_candidates
from pnncupy.search.patch_grid import Layout, PatchGrid


@dataclass(frozen=True)
class SliceBatch:
    """The slices of a volume perpendicular to an axis.

    Attributes
    ----------
    count : int
        Number of slices.
    shape : (int, int)
        Rows and columns of a slice: the two other axes of the volume, in their order.
    patch_size : int
    axis : int
        0, 1 or 2.
    """

    count: int
    shape: tuple[int, ...]
    patch_size: int
    axis: int

    @classmethod
    def of_shape(cls, shape: tuple[int, ...], axis: int, patch_size: int) -> "SliceBatch":
        """Return the slices of a volume of this shape (Z, Y, X)."""
        rest = tuple(side for number, side in enumerate(shape) if number != axis)
        return cls(shape[axis], rest, patch_size, axis)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Slices, and rows and columns of patches in each."""
        rows, columns = PatchGrid.of_shape(self.shape, self.patch_size).shape
        return self.count, rows, columns

    @property
    def tall_shape(self) -> tuple[int, int]:
        """Rows and columns of the tall image."""
        return self.count * (self.shape[0] + 1) - 1, self.shape[1]

    @property
    def patches(self) -> int:
        """Patches of all slices."""
        count, rows, columns = self.grid
        return count * rows * columns

    def tall(self, volume: Array) -> Array:
        """Return the slices of a volume (C, Z, Y, X) as one image (C, rows, columns)."""
        xp = arrays.namespace(volume)
        channels, (height, width) = len(volume), self.shape
        padded = xp.full((channels, self.count, height + 1, width), xp.inf, dtype=xp.float32)
        padded[:, :, :height] = self.of_volume(volume)
        return xp.ascontiguousarray(padded.reshape(channels, -1, width)[:, :-1])

    def of_volume(self, volume: Array) -> Array:
        """Return a view of a volume (C, Z, Y, X) as (C, slices, rows, columns)."""
        return arrays.namespace(volume).moveaxis(volume, self.axis + 1, 1)

    def needed(self, xp: Any) -> Array:
        """Return which patches of the tall image are in one slice; bool."""
        count, rows, _ = self.grid
        inside = self._whole_field(xp, np.bool_)
        inside[:, :rows] = True
        return self._cut(inside, count)

    def field(self, tall: Array) -> Array:
        """Return a field over the patches of the tall image as (slices, rows, columns)."""
        xp = arrays.namespace(tall)
        _, rows, columns = self.grid
        whole = self._whole_field(xp, tall.dtype)
        flat = whole.reshape(-1, columns)
        flat[: len(tall)] = tall
        return xp.ascontiguousarray(whole[:, :rows])

    def tall_field(self, field: Array) -> Array:
        """Return a field (slices, rows, columns, ...) for the tall image, 0 between slices."""
        count, rows, _ = self.grid
        whole = self._whole_field(arrays.namespace(field), field.dtype, *field.shape[3:])
        whole[:, :rows] = field
        return self._cut(whole, count)

    def _whole_field(self, xp: Any, dtype: Any, *more: int) -> Array:
        """Zeros for each slice with the row between, which a patch may begin in."""
        count, _, columns = self.grid
        return xp.zeros((count, self.shape[0] + 1, columns, *more), dtype=dtype)

    def _cut(self, whole: Array, count: int) -> Array:
        """The patches of the tall image among those of padded slices."""
        rows = self.tall_shape[0] - self.patch_size + 1
        flat = whole.reshape(count * (self.shape[0] + 1), *whole.shape[2:])
        return arrays.namespace(whole).ascontiguousarray(flat[:rows])

    def start(self, index: Array, coarse: Layout, fine: Layout) -> Array | None:
        """Return keys likely to be good from the matches of a coarser volume.

        Parameters
        ----------
        index : (n, h, w) int32
            The matches of the slices there, in the layout `coarse`.
        fine : Layout
            Of the same key image at this level.

        Returns
        -------
        (rows, columns, 4) int32 for the tall image, or None
        """
        count, rows, columns = self.grid
        found = []
        for number in range(count):
            near = index[number * len(index) // count]
            keys = finer_candidates(near, coarse, fine, (rows, columns), self.patch_size)
            if keys is None:
                return None
            found.append(keys)
        return self.tall_field(arrays.namespace(index).stack(found))
