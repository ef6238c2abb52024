"""Patch grids of any number of axes, periodic or not, against plain loops; layouts of images."""

import itertools

import numpy as np
import pytest

from pnncupy.search.patch_grid import Layout, PatchGrid

GRIDS = [
    PatchGrid((5, 7), (2, 2)),
    PatchGrid((4, 4), (4, 4)),
    PatchGrid((6, 5), (3, 2), (False, True)),
    PatchGrid((3, 4), (3, 3), (True, True)),
    PatchGrid((9,), (4,), (True,)),
    PatchGrid((1, 5, 4), (1, 3, 3)),
    PatchGrid((4, 3, 5), (2, 3, 2), (True, False, True)),
]


def pixels_of(grid, place):
    """The pixels of the patch that begins at a place; periodic axes wrap around."""
    for offset in itertools.product(*map(range, grid.patch_shape)):
        pixel = [a + b for a, b in zip(place, offset, strict=True)]
        yield tuple(a % side for a, side in zip(pixel, grid.spatial_shape, strict=True))


def places(grid):
    """Where patches may begin: anywhere along periodic axes, else where they fit."""
    wraps = grid.periodic or (False,) * len(grid.spatial_shape)
    return itertools.product(*(
        range(side if wrap else side - size + 1)
        for side, size, wrap in zip(grid.spatial_shape, grid.patch_shape, wraps, strict=True)
    ))  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS)
def test_grids_equal_plain_loops(grid, random):
    everywhere = list(places(grid))
    assert grid.count == len(everywhere)
    assert grid.shape == tuple(max(place[axis] for place in everywhere) + 1
                               for axis in range(len(grid.spatial_shape)))  # fmt: skip
    numbers = np.arange(np.prod(grid.spatial_shape)).reshape(grid.spatial_shape)
    found = grid.flat_indices(np)
    assert found.dtype == np.int32
    assert found.ravel().tolist() == [numbers[place] for place in everywhere]
    mask = random.random(grid.spatial_shape) < 0.8
    inside = [all(mask[pixel] for pixel in pixels_of(grid, place)) for place in everywhere]
    assert grid.inside(mask).ravel().tolist() == inside
    patches = random.random(grid.shape) < 0.2
    covered = np.zeros(grid.spatial_shape, bool)
    for place in everywhere:
        if patches[place]:
            for pixel in pixels_of(grid, place):
                covered[pixel] = True
    np.testing.assert_array_equal(grid.covered(patches), covered)
    image = random.random((2, *grid.spatial_shape))
    other = np.where(random.random(image.shape) < 0.1, image + 1, image)
    changed = [
        any((image[:, *pixel] != other[:, *pixel]).any() for pixel in pixels_of(grid, place))
        for place in everywhere
    ]
    assert grid.changed(image, other).ravel().tolist() == changed


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if any(grid.periodic)])
def test_wrapped_images_hold_the_patches_that_wrap_around(grid, random):
    image = random.random((2, *grid.spatial_shape))
    wrapped = grid.wrapped(image)
    for place in places(grid):
        box = tuple(slice(a, a + size) for a, size in zip(place, grid.patch_shape, strict=True))
        wanted = [image[:, *pixel] for pixel in pixels_of(grid, place)]
        np.testing.assert_array_equal(wrapped[:, *box].reshape(2, -1).T, wanted)


def test_the_nearest_centre_is_that_of_the_patch_of_the_largest_weight():
    for side, size in ((9, 4), (9, 5), (5, 5), (3, 2)):
        grid = PatchGrid((side,), (size,))
        for pixel, offset in enumerate(grid.centre_offsets(0)):
            covering = [first for first in range(grid.count) if 0 <= pixel - first < size]
            nearest = min(covering, key=lambda first: (abs(2 * (pixel - first) - size + 1), first))
            assert pixel - offset == nearest


def test_layouts_number_the_pixels_of_several_images():
    layout = Layout(((3, 4), (2, 5)))
    assert (layout.height, layout.width, layout.pixels) == (5, 5, 25)
    assert layout.patch_count(2) == 2 * 3 + 1 * 4
    for source, (height, width) in enumerate(layout.shapes):
        row, column = (axis.ravel() for axis in np.indices((height, width)))
        numbers = layout.encode(np.full(row.shape, source), row, column)
        for found, wanted in zip(layout.decode(numbers), (source, row, column), strict=True):
            np.testing.assert_array_equal(found, np.broadcast_to(wanted, row.shape))
    assert len(np.unique(layout.encode(np.array([0, 1]), np.array([2, 0]), np.array([3, 4])))) == 2
