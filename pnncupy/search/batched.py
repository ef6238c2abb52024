"""Batches of images (B, C, H, W), which an engine searches as one tall image (C, B * H, W).

One search of all images keeps a device busy where one image is too small for that. Patches that lie
in two images of the tall one are not searched. Volumes (B, C, Z, Y, X) stand one behind the other.
"""

from collections.abc import Callable

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.patch_shape import PatchSize
from pnncupy.search.exact import NearestNeighborField
from pnncupy.search.patch_grid import PatchGrid


def tall(images: Array) -> Array:
    """Return the images of a batch below each other; a single one is a view."""
    if len(images) == 1:
        return images[0]
    xp = arrays.namespace(images)
    return xp.ascontiguousarray(xp.moveaxis(images, 0, 1)).reshape(
        images.shape[1], -1, *images.shape[3:]
    )


def tall_grid(images: Array, patch_size: PatchSize) -> PatchGrid:
    """Return the patches of the tall image."""
    count, _, first, *others = images.shape
    return PatchGrid.of_shape((count * first, *others), patch_size)


def needed_patches(needed: Array | None, images: Array, patch_size: PatchSize) -> Array | None:
    """Return the patches of the tall image that lie in one image and are needed there.

    `needed` is (H-p+1, W-p+1) bool for each of the images, None for all.
    """
    if len(images) == 1:
        return needed
    xp = arrays.namespace(images)
    height = images.shape[2]
    rows = PatchGrid.of(images[0], patch_size).shape[0]
    inside = xp.zeros(tall_grid(images, patch_size).shape, dtype=xp.bool)
    for top in range(0, len(images) * height, height):
        inside[top : top + rows] = True if needed is None else needed
    return inside


def fields_of_images(field: Array, images: Array, patch_size: PatchSize) -> Array:
    """Return a field over the tall image's patches as (B, H-p+1, W-p+1)."""
    if len(images) == 1:
        return field[None]
    height = images.shape[2]
    rows = PatchGrid.of(images[0], patch_size).shape[0]
    tops = range(0, len(images) * height, height)
    return arrays.namespace(field).stack([field[top : top + rows] for top in tops])


def batched(
    search: Callable[[Array], NearestNeighborField], patch_size: PatchSize
) -> Callable[[Array], Array]:
    """Return a search of batches (B, C, H, W): flat indices (B, H-p+1, W-p+1) of the matches."""

    def call(images: Array) -> Array:
        return fields_of_images(search(tall(images)).index, images, patch_size)

    return call
