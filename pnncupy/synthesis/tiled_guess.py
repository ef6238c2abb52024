"""First guess without a layout: tiles of the coarsest level in random places."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.synthesis.problem import Source

# As wide as the patches are compared, and half of that again: narrower tiles lose what the texture
# is made of, wider ones bring pieces of the source back.
_TILE_PATCHES = 1.5
_TRIES = 100


def tiled_guess(
    sources: Sequence[Source], shape: tuple[int, ...], patch_size: int,
    generator: np.random.Generator, periodic: tuple[bool, ...] = (),
    source_periodic: tuple[bool, ...] = (),
) -> Array:  # fmt: skip
    """Fill an image with square tiles of the sources' coarsest level.

    Parameters
    ----------
    sources : sequence of Source
        Tiles hold usable pixels only, where there is room for them.
    shape : (int, int)
        Height and width.
    patch_size : int
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
    tile = min(round(_TILE_PATCHES * patch_size), *(min(each.shape[1:]) for each in images))
    places = _usable_places(sources, tile, source_periodic)
    images = [PatchGrid.of_shape(each.shape[1:], tile, source_periodic).wrapped(each)
              for each in images]  # fmt: skip
    xp = arrays.namespace(images[0])
    # Larger by a tile on each side, so that no tile is cut.
    height, width = ((side // tile + 2) * tile for side in shape)
    canvas = xp.empty((images[0].shape[0], height, width), dtype=images[0].dtype)
    down, right = generator.integers(0, tile, 2).tolist()
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            own = (row - down, column - right)
            number, top, left = _drawn_place(places, own, tile, generator)
            canvas[:, row : row + tile, column : column + tile] = images[number][
                :, top : top + tile, left : left + tile
            ]
    # Where the image wraps around, it begins and ends with a whole tile or a cut one, and is moved.
    wraps = periodic or (False,) * len(shape)
    firsts = (down, right)
    starts = (0 if each else first for each, first in zip(wraps, firsts, strict=True))
    box = tuple(slice(start, start + side) for start, side in zip(starts, shape, strict=True))
    moves = tuple(-first if each else 0 for each, first in zip(wraps, firsts, strict=True))
    guess = canvas[:, *box]
    axes = tuple(range(1, guess.ndim))
    return xp.roll(guess, moves, axis=axes) if any(wraps) else guess


def _usable_places(sources: Sequence[Source], tile: int, periodic: tuple[bool, ...]) -> Any:
    """(source, row, column) of all tiles of usable pixels; of all tiles where there are none."""
    found = []
    for number, source in enumerate(sources):
        shape = source.sharp[-1].shape[1:]
        grid = PatchGrid.of_shape(shape, tile, periodic)
        inside = np.ones(grid.shape, bool)
        if source.usable is not None:
            inside = arrays.on_host(grid.inside(source.usable[-1]))
        rows, columns = np.nonzero(inside)
        found.append(np.stack([np.full(len(rows), number), rows, columns], axis=1))
    places = np.concatenate(found)
    if not len(places):
        whole = [Source(each.sharp, each.blurred) for each in sources]
        return _usable_places(whole, tile, periodic)
    return places


def _drawn_place(
    places: Any, own: tuple[int, int], tile: int, generator: np.random.Generator
) -> tuple[int, int, int]:
    """A random place; not near the tile's own in the first source, if there is another one."""
    place = (0, 0, 0)
    for _ in range(_TRIES):
        place = tuple(places[generator.integers(len(places))].tolist())
        number, top, left = place
        if number or 2 * max(abs(top - own[0]), abs(left - own[1])) >= tile:
            break
    return place
