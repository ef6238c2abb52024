"""Lists of keys and means of the values they name, for engine `numpy`: see `protocol.Engine`."""

from collections.abc import Callable, Iterator

import numpy as np

from pnncupy.kernels.protocol import Array, ListRequest, Tick
from pnncupy.kernels.random_bits import combined, drawn

_NO_KEY = np.iinfo(np.int32).max


def pass_over_lists(request: ListRequest, pair_sums: Callable[..., None], tick: Tick) -> None:
    """Run a pass with an engine's `pair_sums`."""
    here = np.indices(request.index.shape[:2])
    place = np.ravel_multi_index(tuple(here), request.query.shape[1:]).astype(np.int32)
    index, sums = request.index.copy(), request.sums
    if sums is None:
        index[...] = -1
        sums = np.full(index.shape, np.inf, np.float32)
        for own in np.moveaxis(request.index, -1, 0):
            row, column = np.divmod(own, request.key.shape[2])
            index, sums = _with_key(request, place, row, column, own >= 0, index, sums, pair_sums)
    for row, column, allowed in (*_moved_keys(request, here), *_random_keys(request, here, place)):
        index, sums = _with_key(request, place, row, column, allowed, index, sums, pair_sums)
    request.out_index[...], request.out_sums[...] = index, sums
    tick(place.size)


def _moved_keys(request: ListRequest, here: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Rows and columns of the neighbours' keys, moved along, and where there are some."""
    step, (rows, columns, length) = request.step, request.index.shape
    for dy, dx in ((-step, 0), (step, 0), (0, -step), (0, step)) if step else ():
        y, x = here[0] + dy, here[1] + dx
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        theirs = request.index[np.where(inside, y, 0), np.where(inside, x, 0)]
        for k in range(length):
            row, column = np.divmod(theirs[..., k], request.key.shape[2])
            yield row - dy, column - dx, inside & (theirs[..., k] >= 0)


def _random_keys(
    request: ListRequest, here: Array, place: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """Rows and columns of random keys in windows around the keys of the list before."""
    of_patch = combined(request.stream, place.astype(np.int64))
    radius, draw = request.radius, 0
    while radius > 0:
        for _ in range(request.draws):
            own = request.index[..., draw % request.index.shape[2]]
            centre = np.where(own >= 0, np.divmod(own, request.key.shape[2]), here)
            row, column = (
                drawn(combined(of_patch, 2 * draw + axis), np.maximum(at - radius, 0),
                      np.minimum(at + radius, last - 1))
                for axis, (at, last) in enumerate(zip(_inside(centre, request.usable.shape),
                                                      request.usable.shape, strict=True))
            )  # fmt: skip
            yield row, column, np.ones(place.shape, bool)
            draw += 1
        radius //= 2


def _inside(position: Array, shape: tuple[int, ...]) -> list[Array]:
    """Positions with each coordinate lowered to the last one of a shape."""
    return [np.minimum(at, count - 1) for at, count in zip(position, shape, strict=True)]


def _with_key(
    request: ListRequest, place: Array, row: Array, column: Array, allowed: Array, index: Array,
    sums: Array, pair_sums: Callable[..., None],
) -> tuple[Array, Array]:  # fmt: skip
    """Lists with one more key for each query where it is allowed, the worst one dropped."""
    key_rows, key_columns = request.usable.shape
    allowed = allowed & (row >= 0) & (row < key_rows) & (column >= 0) & (column < key_columns)
    row, column = np.where(allowed, row, 0), np.where(allowed, column, 0)
    allowed &= request.usable[row, column]
    number = (row * request.key.shape[2] + column).astype(np.int32)
    allowed &= (index != number[..., None]).all(axis=-1)
    found = np.full(place.shape, np.inf, np.float32)
    evaluated = np.empty(np.count_nonzero(allowed), np.float32)
    pair_sums(
        request.query, request.key, request.patch_size, place[allowed], number[allowed], evaluated,
        threads=1,
    )  # fmt: skip
    found[allowed] = evaluated
    number = np.where(np.isfinite(found), number, np.int32(-1))
    all_index = np.concatenate([index, number[..., None]], axis=-1)
    all_sums = np.concatenate([sums, found[..., None]], axis=-1)
    order = np.lexsort((np.where(all_index < 0, _NO_KEY, all_index), all_sums), axis=-1)
    order = order[..., : index.shape[-1]]
    return (
        np.take_along_axis(all_index, order, axis=-1),
        np.take_along_axis(all_sums, order, axis=-1),
    )


def add_listed_values(
    index: Array, weight: Array, value: Array, window: Array, out: Array, *, threads: int
) -> None:  # fmt: skip
    """Add offset by offset in the patch; see `protocol.Engine.add_listed_values`."""
    rows, columns, length = index.shape
    flat = value.reshape(len(value), -1)
    named = np.maximum(index, 0)
    # A pixel's first query patch covers it with its last offset.
    for dy in reversed(range(len(window))):
        for dx in reversed(range(len(window))):
            mean = np.zeros((len(value), rows, columns), np.float32)
            for k in range(length):
                mean += weight[..., k] * flat[:, named[..., k] + (dy * value.shape[2] + dx)]
            out[:, dy : dy + rows, dx : dx + columns] += window[dy] * window[dx] * mean
