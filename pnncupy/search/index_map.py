"""Checks of arrays that say where patches or pixels come from."""

from collections.abc import Sequence

from pnncupy import arrays
from pnncupy.arrays import Array


def checked_index(
    name: str, index: Array, shapes: Sequence[tuple[int, ...]], with_source: bool, size: int
) -> tuple[Array, Array, Array]:
    """Source, row and column of an index array, each of which must hold a `size` x `size` patch."""
    last = 3 if with_source else 2
    words = "(source, row, column)" if with_source else "(row, column)"
    if index.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must hold integers {words}, got dtype {index.dtype}")
    if index.ndim != 3 or index.shape[2] != last or 0 in index.shape:
        raise ValueError(
            f"`{name}` must have shape (rows, columns, {last}) for {words}, got {index.shape}"
        )
    xp = arrays.namespace(index)
    wide = xp.astype(index, xp.int64)
    source = wide[..., 0] if with_source else xp.zeros(index.shape[:2], dtype=xp.int64)
    row, column = wide[..., -2], wide[..., -1]
    inside = (source >= 0) & (source < len(shapes))
    if bool(xp.all(inside)):
        limits = xp.asarray(shapes)[source] - size
        inside = (row >= 0) & (column >= 0) & (row <= limits[..., 0]) & (column <= limits[..., 1])
    if not bool(xp.all(inside)):
        first = tuple(int(axis[0]) for axis in xp.nonzero(~inside))
        raise ValueError(
            f"`{name}` must lie inside of the images of {[tuple(shape) for shape in shapes]} "
            f"pixels, got {index[first].tolist()} at {first}"
        )
    return source, row, column
