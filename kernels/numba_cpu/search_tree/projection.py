"""Coefficients of patches on orthonormal axes: lower bounds of patch distances.

The axes are products of a direction in channel space (of volumes, that of all planes of a slab, see
`kernels.slabs`), a vertical and a horizontal cosine, so that
all coefficients of an image cost a few operations a pixel: cosines are close to the principal axes
of the patches of natural images (Ahmed et al. 1974, doi:10.1109/T-C.1974.223784). Those of largest
variance in a sample are taken. Whichever they are, the result of a search is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import compiled
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.slabs import interleaved
from pnncupy.kernels.tiling import run_all
from pnncupy.patch_shape import PatchSize, patch_sides

# Axes; a patch has one coordinate more, the norm of what the axes leave over.
AXES = 16
_SAMPLE = 400
_ROWS_PER_STEP = 32
_NO_MASK = np.empty((0, 0), np.bool_)


@dataclass(frozen=True)
class Axes:
    """Orthonormal axes of the patches of an image.

    Attributes
    ----------
    channels : (C, C) float64
        Directions in channel space, a row each.
    middle : (C,) float64
        Subtracted from the pixels first, so that coefficients are small.
    waves, across : (p, p) float64
        Orthonormal cosines along the rows and the columns of a patch, a row each, the constant one
        first.
    lines : (u, 2) int64
        Channel direction and vertical wave of the sums over columns that are needed.
    chosen : (axes, 2) int64
        Line and horizontal wave of each axis, in the order of falling variance; -1 for none.
    """

    channels: Array
    middle: Array
    waves: Array
    across: Array
    lines: Array
    chosen: Array

    @property
    def coordinates(self) -> int:
        """The number of coordinates of a patch."""
        return len(self.chosen) + 1


def principal_axes(key: Array, patch_size: PatchSize, usable: Array, count: int = AXES) -> Axes:
    """Return the axes of largest variance in a sample of patches.

    Parameters
    ----------
    key : (C, H, W) float32, or a volume
    patch_size : int, or one integer for each axis
    usable : (H-p+1, W-p+1) bool
        Patches without infinite pixels, at least one.
    count : int
        The number of axes.
    """
    places = np.flatnonzero(usable)
    if len(places) > _SAMPLE:
        places = np.random.default_rng(0).choice(places, _SAMPLE, replace=False)
    sides = patch_sides(patch_size, key.ndim - 1)
    position: Any = np.unravel_index(places, usable.shape)
    every = tuple(range(1, key.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(key, sides, every)
    sample = windows[(slice(None), *position)].astype(np.float64)
    if key.ndim == 4:  # the planes of a slab: slice by slice, and in each channel by channel
        sample = sample.transpose(2, 0, 1, 3, 4).reshape(-1, len(places), *sides[1:])
    middle = sample.mean(axis=(1, 2, 3))
    sample -= middle[:, None, None, None]
    directions = _channel_directions(sample)
    waves, across = _cosines(sides[-2]), _cosines(sides[-1])
    turned = np.einsum("ck,knyx->cnyx", directions, sample)
    vertical = np.einsum("ay,cnyx->cnax", waves, turned)
    variance = np.einsum("bx,cnax->cnab", across, vertical).var(axis=1)
    order = np.argsort(-variance, axis=None, kind="stable")[:count]
    channel, up, along = np.unravel_index(order, variance.shape)
    lines, line = np.unique(np.stack([channel, up], axis=1), axis=0, return_inverse=True)
    chosen = np.full((count, 2), -1, np.int64)
    chosen[: len(order)] = np.stack([line.ravel(), along], axis=1)
    return Axes(directions, middle, waves, across, lines.astype(np.int64), chosen)


def _channel_directions(sample: Array) -> Array:
    """Principal axes of the pixels' channels, (C, C), a row each."""
    flat = sample.reshape(len(sample), -1)
    _, vectors = np.linalg.eigh(np.einsum("ki,li->kl", flat, flat))
    return np.ascontiguousarray(vectors.T)


def _cosines(count: int) -> Array:
    """The orthonormal discrete cosine transform (type 2) of `count` values."""
    wave, place = np.arange(count)[:, None], np.arange(count)[None, :]
    rows = np.cos(np.pi * wave * (2 * place + 1) / (2 * count)) * np.sqrt(2 / count)
    rows[0] = np.sqrt(1 / count)
    return rows


@cache
def _projection() -> Callable[..., None]:
    @compiled
    def project_rows(
        image: Array, channels: Array, middle: Any, waves: Array, across: Array, lines: Array,
        chosen: Array, active: Array, out: Array, top: int, bottom: int,
    ) -> Any:  # fmt: skip
        """Coordinates of the patches of rows [top, bottom), summed in float64; `out` begins there.

        Returns the largest norm of those that are active.
        """
        planes, _, width = image.shape
        size, across_size = waves.shape[0], across.shape[0]
        columns = width - across_size + 1
        axes, coordinates = chosen.shape[0], chosen.shape[0] + 1
        height = bottom - top + size - 1
        turned = np.zeros((planes, height, width))
        squares = np.zeros((height, width))
        for plane in range(planes):
            for y in range(height):
                line = turned[plane, y]
                for channel in range(planes):
                    factor, centre = channels[plane, channel], middle[channel]
                    row = image[channel, top + y]
                    for x in range(width):
                        value = np.float64(row[x])
                        # Patches with infinite pixels are never looked at.
                        line[x] += factor * (value - centre if value < np.inf else 0.0)
                total = squares[y]
                for x in range(width):
                    total[x] += line[x] * line[x]
        sums = np.empty((lines.shape[0], width))
        column_squares = np.empty(width)
        found = np.empty((coordinates, columns))
        norms = np.empty(columns)
        largest = 0.0
        for y in range(bottom - top):
            if active.size > 0:
                needed = False
                for x in range(columns):
                    needed |= active[top + y, x]
                if not needed:
                    continue
            for number in range(lines.shape[0]):
                line = sums[number]
                line[:] = 0
                for dy in range(size):
                    factor = waves[lines[number, 1], dy]
                    row = turned[lines[number, 0], y + dy]
                    for x in range(width):
                        line[x] += factor * row[x]
            column_squares[:] = 0
            for dy in range(size):
                row = squares[y + dy]
                for x in range(width):
                    column_squares[x] += row[x]
            rest = found[axes]
            rest[:] = 0
            for dx in range(across_size):
                for x in range(columns):
                    rest[x] += column_squares[x + dx]
            for x in range(columns):
                norms[x] = rest[x]
            for axis in range(axes):
                line = found[axis]
                line[:] = 0
                if chosen[axis, 0] < 0:
                    continue
                row = sums[chosen[axis, 0]]
                for dx in range(across_size):
                    factor = across[chosen[axis, 1], dx]
                    for x in range(columns):
                        line[x] += factor * row[x + dx]
                for x in range(columns):
                    rest[x] -= line[x] * line[x]
            for x in range(columns):
                rest[x] = np.sqrt(max(rest[x], 0.0))
                if active.size == 0 or active[top + y, x]:
                    largest = max(largest, norms[x])
            target = out[y]
            for coordinate in range(coordinates):
                line = found[coordinate]
                for x in range(columns):
                    target[x, coordinate] = line[x]
        return np.sqrt(largest)

    return project_rows


def coordinates(
    image: Array, axes: Axes, rows: tuple[int, int], active: Array | None = None
) -> tuple[Array, float]:
    """Return the coordinates of the patches of some rows, and the largest norm of active patches.

    The last one is the norm of what the axes leave over: by the inequality of Cauchy and Schwarz
    the squared distance of two patches is at least that of their coordinates.

    Parameters
    ----------
    image : (C, H, W) float32
    axes : Axes
    rows : (first, end)
    active : (H-p+1, W-p+1) bool or None
        Patches that are looked at; None is all.

    Returns
    -------
    (end - first, W-p+1, axes + 1) float32, float
        Of patches with infinite pixels, and rows without active ones, anything.
    """
    first, end = rows
    columns = image.shape[2] - len(axes.across) + 1
    out = np.empty((end - first, columns, axes.coordinates), np.float32)
    kernel: Any = _projection()
    norm = kernel(
        image, axes.channels, axes.middle, axes.waves, axes.across, axes.lines, axes.chosen,
        _NO_MASK if active is None else active, out, first, end,
    )  # fmt: skip
    return out, float(norm)


def all_coordinates(image: Array, axes: Axes, usable: Array, threads: int) -> tuple[Array, float]:
    """Return the coordinates of all patches, and the largest norm of the usable ones."""
    if image.ndim == 4:
        return _coordinates_of_volume(image, axes, usable, threads)
    rows, columns = usable.shape
    out = np.empty((rows, columns, axes.coordinates), np.float32)
    norms = []

    def work(first: int) -> None:
        some = first, min(first + _ROWS_PER_STEP, rows)
        out[slice(*some)], norm = coordinates(image, axes, some, usable)
        norms.append(norm)

    run_all(work, range(0, rows, _ROWS_PER_STEP), threads)
    return out, max(norms)


def _coordinates_of_volume(
    volume: Array, axes: Axes, usable: Array, threads: int
) -> tuple[Array, float]:
    """Return the coordinates of all patches of a volume, slab by slab."""
    slices, rows, _ = usable.shape
    out = np.empty((*usable.shape, axes.coordinates), np.float32)
    planes, channels, count = interleaved(volume), len(volume), len(axes.channels)
    norms = []

    def work(z: int) -> None:
        slab = planes[z * channels : z * channels + count]
        out[z], norm = coordinates(slab, axes, (0, rows), usable[z])
        norms.append(norm)

    run_all(work, range(slices), threads)
    return out, max(norms)
