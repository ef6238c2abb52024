"""Cutting a query image into tiles, and working on them with threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numpy as np

from pnncupy.kernels.protocol import Array, Tick

# (top, bottom, left, right) of the query patches in it.
Tile = tuple[int, int, int, int]

WIDEST_TILE = 64
TALLEST_TILE = 96
SPARSE_TILE = 32
_SECONDS_BETWEEN_TICKS = 0.1


def tiles(shape: tuple[int, int], active: Array | None, widest: int, threads: int) -> list[Tile]:
    """Tiles (top, bottom, left, right) that cover the active query patches, evenly cut.

    The result of a search does not depend on its tiles.
    """
    if active is not None:
        grid = _grid(shape, SPARSE_TILE, min(SPARSE_TILE, widest))
        return [box for tile in grid if (box := _bounding_box(active, tile)) is not None]
    height = TALLEST_TILE
    while height > SPARSE_TILE:
        grid = _grid(shape, height, widest)
        if len(grid) >= 4 * threads:
            return grid
        height //= 2
    return _grid(shape, SPARSE_TILE, widest)


def _grid(shape: tuple[int, int], height: int, width: int) -> list[Tile]:
    rows, columns = (
        [side * k // count for k in range(count + 1)]
        for side, count in ((shape[0], -(-shape[0] // height)), (shape[1], -(-shape[1] // width)))
    )
    return [
        (top, bottom, left, right)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def _bounding_box(active: Array, tile: Tile) -> Tile | None:
    top, bottom, left, right = tile
    inside = active[top:bottom, left:right]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    return (
        top + int(rows[0]),
        top + int(rows[-1]) + 1,
        left + int(columns[0]),
        left + int(columns[-1]) + 1,
    )


def run(work: Callable[[Any, Tick], None], items: Sequence[Any], threads: int, tick: Tick) -> None:
    """Call ``work(item, report)`` for all items on threads; `tick` runs in the calling thread."""
    if threads == 1 or len(items) <= 1:
        for item in items:
            work(item, tick)
        return
    stopped = False
    done = [0] * len(items)

    def guarded(number: int) -> None:
        def report(pairs: int) -> None:
            done[number] += pairs
            if stopped:
                raise _Stopped

        if not stopped:
            work(items[number], report)

    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        pending = {pool.submit(guarded, number) for number in range(len(items))}
        reported = 0
        try:
            while pending:
                finished, pending = wait(pending, _SECONDS_BETWEEN_TICKS, FIRST_EXCEPTION)
                for future in finished:
                    future.result()
                total = sum(done)
                tick(total - reported)
                reported = total
        finally:
            stopped = True


class _Stopped(Exception):  # noqa: N818 - not an error
    """Raised inside a worker thread to leave its loop after an interruption."""
