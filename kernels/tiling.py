"""Cutting a query image into tiles, and working on them with threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numpy as np

from pnncupy.kernels.protocol import Array, Tick

# (top, bottom, left, right) of the query patches in it.
Tile = tuple[int, int, int, int]

WIDEST_TILE = 64
TALLEST_TILE = 256
SPARSE_TILE = 32
# What a patch that is searched alone costs, in patches of a tile.
COST_OF_ONE = 4.0
_SECONDS_BETWEEN_TICKS = 0.1


def divide(
    shape: tuple[int, int], active: Array | None, widest: int, threads: int, patch_size: int
) -> tuple[list[Tile], Array]:
    """Cut up the query patches to be searched; the result of a search does not depend on it.

    Returns
    -------
    tiles, places
        Tiles (top, bottom, left, right) to be searched as a whole, and the numbers
        ``row * columns + column`` of the other patches, int32, to be searched one by one.
    """
    if active is None:
        return _whole(shape, widest, threads), np.empty(0, np.int32)
    numbers = np.arange(active.size, dtype=np.int32).reshape(shape)
    boxes, places = [], [np.empty(0, np.int32)]
    for tile in _grid(shape, SPARSE_TILE, min(SPARSE_TILE, widest)):
        box = _bounding_box(active, tile)
        if box is None:
            continue
        top, bottom, left, right = box
        inside = active[top:bottom, left:right]
        area = (bottom - top + patch_size - 1) * (right - left + patch_size - 1)
        if np.count_nonzero(inside) * COST_OF_ONE < area:
            places.append(numbers[top:bottom, left:right][inside])
        else:
            boxes.append(box)
    return boxes, np.concatenate(places)


def _whole(shape: tuple[int, int], widest: int, threads: int) -> list[Tile]:
    """Tiles of the whole image: few, since each begins with rows whose sums are not complete."""
    height = TALLEST_TILE
    while height > SPARSE_TILE and len(_grid(shape, height, widest)) < threads:
        height //= 2
    return _grid(shape, height, widest)


def pairs_of_rows(top: int, bottom: int, key_rows: int, first_dy: int, end_dy: int) -> int:
    """Pairs of a query row of [top, bottom) and a key row that are dy apart, over a range of dy."""
    return sum(max(0, min(bottom, key_rows - dy) - max(top, -dy)) for dy in range(first_dy, end_dy))


def displacement_parts(
    shape: tuple[int, ...], key_shape: tuple[int, ...], most: float
) -> Iterator[tuple[int, int, int]]:
    """Rows of displacements [first, end) of parts of at most about `most` pairs, and the pairs."""
    (rows, columns), (key_rows, key_columns) = shape, key_shape
    step = max(1, int(most / (min(rows, key_rows) * columns * key_columns)))
    for first_dy in range(1 - rows, key_rows, step):
        end_dy = min(first_dy + step, key_rows)
        pairs = pairs_of_rows(0, rows, key_rows, first_dy, end_dy)
        yield first_dy, end_dy, pairs * columns * key_columns


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


def run(jobs: Iterable[Iterator[int]], threads: int, tick: Tick) -> None:
    """Drive all jobs to their ends on threads; `tick` runs in the calling thread.

    A job is an iterator that works a little in each step and yields how many pairs that was. Steps
    of different jobs take turns, so that all threads are busy until nearly the end; those of one
    job never run at the same time.
    """
    waiting = deque(jobs)
    if threads == 1 or len(waiting) <= 1:
        for job in waiting:
            for pairs in job:
                tick(pairs)
        return
    stopped = False
    done = [0] * threads

    def work(worker: int) -> None:
        while not stopped:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            pairs = next(job, None)
            if pairs is not None:
                done[worker] += pairs
                waiting.append(job)

    with ThreadPoolExecutor(min(threads, len(waiting))) as pool:
        pending = {pool.submit(work, worker) for worker in range(min(threads, len(waiting)))}
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


def run_all(work: Callable[[Any], None], items: Sequence[Any], threads: int) -> None:
    """Call ``work(item)`` for all items on threads."""

    def job(item: Any) -> Iterator[int]:
        work(item)
        yield 0

    run(map(job, items), threads, lambda pairs: None)
