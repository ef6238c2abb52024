"""Several pictures of one size as one tall picture, so that one search serves them all.

They stand below each other. Patches that lie in two of them are never asked for.
"""

from collections.abc import Sequence

from pnncupy import arrays
from pnncupy.arrays import Array


def stacked(pictures: Sequence[Array]) -> Array:
    """Planar pictures (C, H, W) below each other: (C, count * H, W)."""
    if len(pictures) == 1:
        return pictures[0]
    return arrays.namespace(pictures[0]).concat(list(pictures), axis=1)


def pictures_of(tall: Array, count: int) -> list[Array]:
    """The pictures of a tall one, contiguous."""
    if count == 1:
        return [tall]
    xp = arrays.namespace(tall)
    height = tall.shape[1] // count
    return [
        xp.ascontiguousarray(tall[:, top : top + height])
        for top in range(0, count * height, height)
    ]


def fields_of(tall: Array, count: int, patch_size: int) -> list[Array]:
    """What a tall (rows, columns) array over patches says of each picture's patches."""
    height = (tall.shape[0] + patch_size - 1) // count
    rows = height - patch_size + 1
    return [tall[top : top + rows] for top in range(0, count * height, height)]


def patches_of_one(tall: Array, needed: Array | None, count: int, patch_size: int) -> Array | None:
    """Patches of a tall picture (C, count * H, W) that lie in one picture and are needed there.

    `needed` is (H-p+1, W-p+1) bool for each of the pictures, None for all; so is the result of the
    tall picture's patches.
    """
    if count == 1:
        return needed
    xp = arrays.namespace(tall)
    rows, columns = (side - patch_size + 1 for side in tall.shape[1:])
    inside = xp.zeros((rows, columns), dtype=xp.bool)
    for field in fields_of(inside, count, patch_size):
        field[...] = True if needed is None else needed
    return inside
