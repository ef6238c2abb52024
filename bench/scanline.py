"""PatchMatch as first published, one patch after the other: the peer of `bench.approximate`.

Barnes et al. 2009, doi:10.1145/1531326.1531330: scans in alternating directions, in which a match
spreads along the whole image, and random search after each patch. It cannot be made parallel
without another result.
"""
# ruff: noqa: NPY002 - the only random numbers that Numba compiles

from typing import Any

import numpy as np
from numba import njit


@njit
def distance(query, key, y, x, row, column, size, limit):
    """Sum of squared differences of two patches, row by row, until it exceeds the limit."""
    total = np.float32(0)
    for dy in range(size):
        for dx in range(size):
            for channel in range(query.shape[2]):
                difference = query[y + dy, x + dx, channel] - key[row + dy, column + dx, channel]
                total += difference * difference
        if total > limit:
            break
    return total


@njit
def scan(query, key, field, sums, size, backwards):
    """One iteration over all patches."""
    rows, columns = sums.shape
    key_rows, key_columns = key.shape[0] - size + 1, key.shape[1] - size + 1
    step = -1 if backwards else 1
    for k in range(rows):
        y = rows - 1 - k if backwards else k
        for i in range(columns):
            x = columns - 1 - i if backwards else i
            row, column, best = field[y, x, 0], field[y, x, 1], sums[y, x]
            for side in range(2):
                near_y, near_x = (y - step, x) if side == 0 else (y, x - step)
                if 0 <= near_y < rows and 0 <= near_x < columns:
                    new_row = field[near_y, near_x, 0] + y - near_y
                    new_column = field[near_y, near_x, 1] + x - near_x
                    if 0 <= new_row < key_rows and 0 <= new_column < key_columns:
                        found = distance(query, key, y, x, new_row, new_column, size, best)
                        if found < best:
                            row, column, best = new_row, new_column, found
            radius = max(key_rows, key_columns)
            while radius >= 1:
                new_row = np.random.randint(
                    max(row - radius, 0), min(row + radius, key_rows - 1) + 1
                )
                new_column = np.random.randint(
                    max(column - radius, 0), min(column + radius, key_columns - 1) + 1
                )
                found = distance(query, key, y, x, new_row, new_column, size, best)
                if found < best:
                    row, column, best = new_row, new_column, found
                radius //= 2
            field[y, x, 0], field[y, x, 1], sums[y, x] = row, column, best


class Scanline:
    """A search that goes on as long as it is asked to."""

    def __init__(self, query: Any, key: Any, size: int = 7):
        self._images = np.ascontiguousarray(query), np.ascontiguousarray(key)
        self._size = size
        rows, columns = (side - size + 1 for side in query.shape[:2])
        random = np.random.default_rng(0)
        self._field = np.stack(
            [random.integers(0, side - size + 1, (rows, columns)) for side in key.shape[:2]],
            axis=-1,
        )
        self._sums = np.full((rows, columns), np.inf, np.float32)
        for y in range(rows):
            for x in range(columns):
                self._sums[y, x] = distance(
                    *self._images, y, x, *self._field[y, x], size, np.float32(np.inf)
                )
        self._iterations = 0

    def iterate(self) -> float:
        """One more iteration; the mean distance after it."""
        scan(*self._images, self._field, self._sums, self._size, self._iterations % 2 == 1)
        self._iterations += 1
        return float(self._sums.mean()) / (self._size**2 * self._images[0].shape[2])
