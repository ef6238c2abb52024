"""First guess without a layout: tiles of the coarsest level in random places."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.synthesis.problem import Source

# As wide as the patches are compared, and half of that again: narrower tiles lose what the texture
# is made of, wider ones bring pieces of the source back.
_TILE_PATCHES = 1.5
_TRIES = 100


def tiled_guess(
    sources: Sequence[Source], shape: tuple[int, ...], patch_size: PatchSize,
    generator: np.random.Generator, periodic: tuple[bool, ...] = (),
    source_periodic: tuple[bool, ...] = (),
) -> Array:  # fmt: skip
    """Fill an image with tiles of the sources' coarsest level, square where patches are.

    Parameters
    ----------
    sources : sequence of Source
        Tiles hold usable pixels only, where there is room for them.
    shape : (int, int)
        Height and width; of volumes the depth first.
    patch_size : int, or one for each axis
        A tile is 1.5 patches wide; of smaller sources as large as fits.
    generator : Generator
        Draws the offset of the grid of tiles and the place of each, never within half a tile of its
        own.
    periodic, source_periodic : tuple of bool
        Axes along which the image, and the sources, wrap around; empty for none. Tiles pass over
        the borders there.

    Returns
    -------
    (C, h, w) array
    """
    images = [source.sharp[-1] for source in sources]
    tile = _tile(images, patch_sides(patch_size, len(shape)))
    places = _usable_places(sources, tile, source_periodic)
    images = [PatchGrid.of_shape(each.shape[1:], tile, source_periodic).wrapped(each)
              for each in images]  # fmt: skip
    xp = arrays.namespace(images[0])
    # Larger by a tile on each side, so that no tile is cut.
    sides = [(side // own + 2) * own for side, own in zip(shape, tile, strict=True)]
    canvas = xp.empty((images[0].shape[0], *sides), dtype=images[0].dtype)
    if len(set(tile)) == 1:
        offset = generator.integers(0, tile[0], len(tile)).tolist()
    else:
        offset = generator.integers(0, tile).tolist()
    for first in product(*map(range, [0] * len(tile), sides, tile)):
        own = [start - shift for start, shift in zip(first, offset, strict=True)]
        number, *start = _drawn_place(places, own, tile, generator)
        canvas[_box(first, tile)] = images[number][_box(start, tile)]
    # Where the image wraps around, it begins and ends with a whole tile or a cut one, and is moved.
    wraps = periodic or (False,) * len(shape)
    starts = [0 if each else first for each, first in zip(wraps, offset, strict=True)]
    moves = [-first if each else 0 for each, first in zip(wraps, offset, strict=True)]
    guess = canvas[_box(starts, shape)]
    return xp.roll(guess, moves, axis=tuple(range(1, guess.ndim))) if any(wraps) else guess


def _tile(images: Sequence[Array], sides: Sequence[int]) -> tuple[int, ...]:
    """Sides of a tile."""
    smallest = [min(axis) for axis in zip(*(each.shape[1:] for each in images), strict=True)]
    wanted = [round(_TILE_PATCHES * side) for side in sides]
    if len(set(sides)) == 1:
        return (min(*wanted, *smallest),) * len(sides)
    return tuple(map(min, wanted, smallest))


def _box(first: Sequence[int], sides: Sequence[int]) -> tuple[slice, ...]:
    """All channels of a box of an image."""
    box = (slice(start, start + side) for start, side in zip(first, sides, strict=True))
    return (slice(None), *box)


def _usable_places(
    sources: Sequence[Source], tile: tuple[int, ...], periodic: tuple[bool, ...]
) -> Any:
    """(source, row, column) of all tiles of usable pixels; of all tiles where there are none."""
    found = []
    for number, source in enumerate(sources):
        grid = PatchGrid.of_shape(source.sharp[-1].shape[1:], tile, periodic)
        inside = np.ones(grid.shape, bool)
        if source.usable is not None:
            inside = arrays.on_host(grid.inside(source.usable[-1]))
        position = np.nonzero(inside)
        found.append(np.stack([np.full(len(position[0]), number), *position], axis=1))
    places = np.concatenate(found)
    if not len(places):
        whole = [Source(each.sharp, each.blurred) for each in sources]
        return _usable_places(whole, tile, periodic)
    return places


def _drawn_place(
    places: Any, own: Sequence[int], tile: Sequence[int], generator: np.random.Generator
) -> tuple[int, ...]:
    """A random place; not near the tile's own in the first source, if there is another one."""
    place: tuple[int, ...] = (0,) * (len(tile) + 1)
    for _ in range(_TRIES):
        place = tuple(places[generator.integers(len(places))].tolist())
        number, *first = place
        if number or any(
            2 * abs(start - here) >= side
            for start, here, side in zip(first, own, tile, strict=True)
        ):
            break
    return place
