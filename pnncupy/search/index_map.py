"""Checks of arrays that say where patches or pixels come from."""

from collections.abc import Sequence

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize
from pnncupy.search.patch_grid import PatchGrid


def checked_index(
    name: str,
    index: Array,
    shapes: Sequence[tuple[int, ...]],
    with_source: bool,
    patch_size: PatchSize,
) -> tuple[Array, ...]:
    """Source and position along each axis of an index array; each must hold a patch."""
    axes = len(shapes[0])
    last = axes + with_source
    places = "row, column" if axes == 2 else "slice, row, column"
    words = f"(source, {places})" if with_source else f"({places})"
    of_image = "rows, columns" if axes == 2 else "slices, rows, columns"
    if index.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must hold integers {words}, got dtype {index.dtype}")
    if index.ndim != axes + 1 or index.shape[-1] != last or 0 in index.shape:
        raise ValueError(
            f"`{name}` must have shape ({of_image}, {last}) for {words}, got {index.shape}"
        )
    xp = arrays.namespace(index)
    wide = xp.astype(index, xp.int64)
    source = wide[..., 0] if with_source else xp.zeros(index.shape[:-1], dtype=xp.int64)
    position = tuple(wide[..., axis - axes] for axis in range(axes))
    inside = (source >= 0) & (source < len(shapes))
    if bool(xp.all(inside)):
        counts = xp.asarray([PatchGrid.of_shape(shape, patch_size).shape for shape in shapes])
        limits = counts[source]
        for axis, place in enumerate(position):
            inside = inside & (place >= 0) & (place < limits[..., axis])
    if not bool(xp.all(inside)):
        first = tuple(int(axis[0]) for axis in xp.nonzero(~inside))
        raise ValueError(
            f"`{name}` must lie inside of the images of {[tuple(shape) for shape in shapes]} "
            f"pixels, got {index[first].tolist()} at {first}"
        )
    return (source, *position)
