"""Shapes of patches: one side, or a side along each axis of an image or a volume."""

from typing import Any

from pnncupy import validation

# Side of a square patch, or its sides along the rows and columns of an image, or the axes of a
# volume.
PatchSize = int | tuple[int, ...]


def patch_sides(patch_size: PatchSize, axes: int) -> tuple[int, ...]:
    """Sides of a patch along each axis."""
    return (patch_size,) * axes if isinstance(patch_size, int) else tuple(patch_size)


def square_side(patch_size: PatchSize) -> int:
    """Side of a square patch, where no other can come."""
    assert isinstance(patch_size, int)
    return patch_size


def checked_patch_size(patch_size: Any) -> PatchSize:
    """An integer of at least 2, or one of at least 1 for each axis with one of at least 2."""
    if not validation.is_sequence(patch_size):
        return validation.integer("patch_size", patch_size, 2)
    rule = "`patch_size` must be an integer of at least 2, or one for each of 2 or 3 axes"
    if len(patch_size) not in (2, 3):
        raise TypeError(f"{rule}, got {validation.described(patch_size)}")
    sides = tuple(validation.integer("patch_size", side, 1) for side in patch_size)
    if max(sides) < 2:
        raise ValueError(f"{rule}, got {sides}")
    return sides


def shape_for(patch_size: PatchSize, axes: int, name: str = "the images") -> PatchSize:
    """Patch size as searches take it: an integer for square patches of images, else a tuple."""
    sides = patch_sides(patch_size, axes)
    if len(sides) != axes:
        raise ValueError(
            f"`patch_size` must be one integer, or one for each axis of {name} ({axes}), got "
            f"{patch_size}"
        )
    return sides[0] if axes == 2 and sides[0] == sides[1] else sides
