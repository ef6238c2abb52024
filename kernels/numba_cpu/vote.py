"""Vote of engine `numba`, parallel over rows of pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import compiled, inlined
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.tiling import run_all

_ALL = np.empty((0, 0), np.bool_)
_MOST_PIXELS_PER_BAND = 2**16


@inlined
def _cover(
    index: Array, y: int, x: int, patch_size: int, value_width: int, places: Array, offsets: Array,
) -> Any:  # fmt: skip
    """Value pixels that the patches over a pixel put there, row by row, and how many."""
    rows, columns = index.shape
    count = 0
    for dy in range(max(0, y - rows + 1), min(patch_size, y + 1)):
        for dx in range(max(0, x - columns + 1), min(patch_size, x + 1)):
            places[count] = index[y - dy, x - dx] + dy * value_width + dx
            offsets[count] = dy * patch_size + dx
            count += 1
    return count


@compiled
def _vote_mean(
    value: Array, value_width: int, index: Array, patch_size: int, weight: Array, active: Array,
    out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Weighted mean of the patches that cover each pixel; `value` is (C, pixels)."""
    places = np.empty(patch_size * patch_size, np.int64)
    offsets = np.empty(patch_size * patch_size, np.int64)
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            if active.size > 0 and not active[y, x]:
                continue
            count = _cover(index, y, x, patch_size, value_width, places, offsets)
            weights = np.float32(0)
            for k in range(count):
                weights += weight[offsets[k]]
            for channel in range(out.shape[0]):
                total = np.float32(0)
                for k in range(count):
                    total += weight[offsets[k]] * value[channel, places[k]]
                out[channel, y, x] = total / weights


@compiled
def _vote_ranked(
    value: Array, value_width: int, index: Array, patch_size: int, trimmed: int, active: Array,
    out: Array, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Lower median or trimmed mean of the patches that cover each pixel; `value` is (C, pixels)."""
    places = np.empty(patch_size * patch_size, np.int64)
    offsets = np.empty(patch_size * patch_size, np.int64)
    covering = np.empty(patch_size * patch_size, np.float32)
    for y in range(first_row, last_row):
        for x in range(out.shape[2]):
            if active.size > 0 and not active[y, x]:
                continue
            count = _cover(index, y, x, patch_size, value_width, places, offsets)
            for channel in range(out.shape[0]):
                # Insertion sort: at most p * p values, mostly nearly equal.
                for k in range(count):
                    new = value[channel, places[k]]
                    place = k
                    while place > 0 and covering[place - 1] > new:
                        covering[place] = covering[place - 1]
                        place -= 1
                    covering[place] = new
                first, end = (count - 1) // 2, (count - 1) // 2 + 1
                if trimmed:
                    first, end = count // 4, count - count // 4
                total = covering[first]
                for rank in range(first + 1, end):
                    total += covering[rank]
                out[channel, y, x] = total / np.float32(end - first)


def vote(
    value: Array,
    index: Array,
    patch_size: int,
    reduction: str,
    weight: Sequence[float] | None,
    out: Array,
    *,
    active: Array | None,
    threads: int,
) -> None:
    """Vote row by row of the output; see `protocol.Engine.vote`."""
    height = out.shape[1]
    # Small ones, since a thread does not stop within one.
    count = min(height, max(8 * threads, out[0].size // _MOST_PIXELS_PER_BAND))
    bands = [(height * k // count, height * (k + 1) // count) for k in range(count)]
    planes, width = value.reshape(len(value), -1), value.shape[2]
    pixels = _ALL if active is None else active
    if reduction != "mean":
        trimmed = reduction == "trimmed_mean"
        run_all(
            lambda band: _vote_ranked(
                planes, width, index, patch_size, trimmed, pixels, out, *band
            ),
            bands, threads,
        )  # fmt: skip
        return
    side = np.asarray(weight, np.float32)
    table = (side[:, None] * side[None, :]).ravel()
    run_all(
        lambda band: _vote_mean(planes, width, index, patch_size, table, pixels, out, *band),
        bands, threads,
    )  # fmt: skip
