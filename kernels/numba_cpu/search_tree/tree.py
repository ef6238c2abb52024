"""A tree of boxes over the key patches of one image.

Keys are ordered so that 32 neighbours in the space of their coordinates make a leaf, 16 leaves a
node, 16 nodes a node of the next level. A node holds the boxes of its 16 children side by side, so
that a few vector instructions bound the distances to all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pnncupy.kernels.numba_cpu.compile import compiled
from pnncupy.kernels.numba_cpu.search_tree.projection import (
    AXES,
    Axes,
    all_coordinates,
    principal_axes,
)
from pnncupy.kernels.protocol import Array
from pnncupy.kernels.slabs import addresses, interleaved, volume_of, volume_sides
from pnncupy.kernels.tiling import run_all
from pnncupy.patch_shape import PatchSize, patch_sides

LEAF, FAN = 32, 16
# Boxes bound the first axes only: the others have little variance.
BOX_AXES = 8
# The share by which bounds are widened for rounding.
WIDENING = 4e-3
_SPREAD_SAMPLE = 256
# Different patches with the same coordinates that are separated.
_MOST_ALIKE = 8
# A number of whole nodes, which one thread fills at a time.
_KEYS_PER_STEP = 16 * LEAF * FAN


@dataclass
class Tree:
    """Key patches of one image in a tree.

    Attributes
    ----------
    key : (C, H, W) float32, or a volume (C, Z, Y, X)
    patch_size : int, or one integer for each axis
    axes : Axes
    order : (m,) int32
        Numbers ``row * columns + column`` of the keys, leaf by leaf; of volumes with the slice in
        front.
    leaves : (leaves, axes + 1, LEAF) float32
        Coordinates of the keys; infinite behind the last one.
    places : (leaves * LEAF,) int32
        Numbers ``row * W + column`` of their first pixels; of volumes their places among the
        interleaved planes, see `kernels.slabs`.
    boxes : (nodes, BOX_AXES, 2, FAN) float32
        Lowest and highest coordinates of the children of all nodes, the root's first.
    first_nodes : (levels,) int64
        The first node of each level, from the root down.
    radius : float
        The largest norm of the keys' coordinates.
    """

    key: Array
    patch_size: PatchSize
    axes: Axes
    order: Array
    leaves: Array
    places: Array
    boxes: Array
    first_nodes: Array
    radius: float

    @property
    def size(self) -> int:
        """The number of keys."""
        return len(self.order)

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of a patch."""
        return patch_sides(self.patch_size, self.key.ndim - 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Patches of the image along each axis."""
        return tuple(
            pixels - side + 1 for pixels, side in zip(self.key.shape[1:], self.sides, strict=True)
        )

    def usable(self) -> Array:
        """Return which patches of the image are keys, (H-p+1, W-p+1) bool."""
        found = np.zeros(self.shape, np.bool_)
        found.ravel()[self.order] = True
        return found

    def refit(self, image: Array, threads: int) -> None:
        """Take the keys of an image that moved a little, in the same order."""
        found, self.radius = all_coordinates(image, self.axes, self.usable(), threads)
        self.key = image
        _fill_tree(self, found, threads)


def usable_patches(key: Array, patch_size: PatchSize) -> Array:
    """Return which patches have only finite pixels, (H-p+1, W-p+1) bool."""
    result: Array = np.isfinite(key).all(axis=0)
    for axis, side in enumerate(patch_sides(patch_size, result.ndim)):
        count, before = result.shape[axis] - side + 1, (slice(None),) * axis
        shorter = result[(*before, slice(count))].copy()
        for offset in range(1, side):
            shorter &= result[(*before, slice(offset, offset + count))]
        result = shorter
    return result


def build(
    key: Array,
    patch_size: PatchSize,
    threads: int,
    *,
    distinct: bool = False,
    count: int = AXES,
    axes: Axes | None = None,
) -> Tree | None:
    """Return the tree of an image's usable patches, None where there are none.

    Cost O(m log m); memory about 16 bytes a key and 4 for each of `count` axes, and as much again
    while it is built. With `distinct`, of patches with the same pixels only the first one is a key:
    no other can be the best one, as long as all have the same weight. `axes` may be given.
    """
    usable = usable_patches(key, patch_size)
    if not usable.any():
        return None
    axes = axes or principal_axes(key, patch_size, usable, count)
    found, radius = all_coordinates(key, axes, usable, threads)
    kept = _distinct(key, patch_size, found, usable) if distinct else usable
    order = np.flatnonzero(kept).astype(np.int32)
    unit = LEAF
    while unit * FAN < len(order):
        unit *= FAN
    _arrange()(found.reshape(-1, axes.coordinates), order, unit)
    leaf_count = -(-len(order) // LEAF)
    counts = [-(-leaf_count // FAN)]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // FAN))
    tree = Tree(
        key, patch_size, axes, order,
        leaves=np.full((leaf_count, axes.coordinates, LEAF), np.inf, np.float32),
        places=np.zeros(leaf_count * LEAF, np.int32 if key.ndim == 3 else np.int64),
        boxes=np.empty((sum(counts), BOX_AXES, 2, FAN), np.float32),
        first_nodes=np.cumsum([0, *counts[:0:-1]]).astype(np.int64),
        radius=radius,
    )  # fmt: skip
    tree.places[: len(order)] = _places(tree)
    _fill_tree(tree, found, threads)
    return tree


def _places(tree: Tree) -> Array:
    """Places of the keys' first pixels."""
    position = np.unravel_index(tree.order, tree.shape)
    numbers = np.ravel_multi_index(position, tree.key.shape[1:])
    return numbers if tree.key.ndim == 3 else addresses(numbers, tree.key)


def _fill_tree(tree: Tree, found: Array, threads: int) -> None:
    """Copy the coordinates of all patches into the leaves, and draw the boxes around them."""
    boxes = tree.boxes
    boxes[:, :, 0], boxes[:, :, 1] = np.inf, -np.inf
    below = boxes[tree.first_nodes[-1] :]
    kernel, flat = _fill(), found.reshape(-1, tree.axes.coordinates)

    def work(first: int) -> None:
        kernel(
            flat, tree.order, tree.leaves, below, first, min(first + _KEYS_PER_STEP, tree.size),
        )  # fmt: skip

    run_all(work, range(0, tree.size, _KEYS_PER_STEP), threads)
    for first in tree.first_nodes[-2::-1]:
        level = boxes[first : first + -(-len(below) // FAN)]
        level[...] = _level_above(below)
        below = level


def _level_above(boxes: Array) -> Array:
    """Boxes around all children of each node, FAN nodes a node."""
    count = -(-len(boxes) // FAN)
    above = np.empty((count * FAN, BOX_AXES, 2), np.float32)
    above[:, :, 0], above[:, :, 1] = np.inf, -np.inf
    above[: len(boxes), :, 0] = boxes[:, :, 0].min(axis=-1)
    above[: len(boxes), :, 1] = boxes[:, :, 1].max(axis=-1)
    return np.ascontiguousarray(above.reshape(count, FAN, BOX_AXES, 2).transpose(0, 2, 3, 1))


def _distinct(key: Array, patch_size: PatchSize, found: Array, usable: Array) -> Array:
    """Return which usable patches are the first of those with the same pixels."""
    bits = np.ascontiguousarray(found).view(np.uint32).reshape(-1, found.shape[-1])
    word = np.zeros(len(bits), np.uint64)
    for coordinate in range(bits.shape[1]):
        word = word * np.uint64(0x9E3779B97F4A7C15) + bits[:, coordinate]
    numbers = np.flatnonzero(usable)
    word = word[numbers]
    order = np.argsort(word)
    same = word[order[1:]] == word[order[:-1]]
    kept = usable.copy()
    if same.any():
        ends = np.append(np.flatnonzero(~same) + 1, len(order))
        depth, patch_rows, patch_columns = volume_sides(patch_size, key.ndim - 1)
        _drop_equals()(
            interleaved(volume_of(key)), len(key), depth * len(key), patch_rows, patch_columns,
            numbers[order], ends, *usable.shape[-2:], kept.reshape(-1),
        )  # fmt: skip
    return kept


@cache
def _drop_equals() -> Callable[..., None]:
    @compiled
    def drop_equals(
        image: Array, channels: int, planes: int, patch_rows: int, patch_columns: int,
        numbers: Array, ends: Array, rows: int, columns: int, kept: Any,
    ) -> None:  # fmt: skip
        """In each group of patches, drop those with the pixels of one of lower number.

        Patches with the same coordinates but other pixels are rare: a few are separated, and of
        more all are kept.
        """
        others = np.empty(_MOST_ALIKE, np.int64)
        first = 0
        for end in ends:
            count = 0
            if end - first > 1:
                # The first of a group is the most likely representative of all.
                for place in range(first + 1, end):
                    if numbers[place] < numbers[first]:
                        numbers[place], numbers[first] = numbers[first], numbers[place]
                for place in range(first, end):
                    number = numbers[place]
                    row, column = number // columns % rows, number % columns
                    plane = number // columns // rows * channels
                    found = False
                    for other in range(count):
                        top, left = others[other] // columns % rows, others[other] % columns
                        other_plane = others[other] // columns // rows * channels
                        found = True
                        for channel in range(planes):
                            for y in range(patch_rows):
                                for x in range(patch_columns):
                                    found &= (
                                        image[plane + channel, row + y, column + x]
                                        == image[other_plane + channel, top + y, left + x]
                                    )
                            if not found:
                                break
                        if found:
                            kept[max(number, others[other])] = False
                            others[other] = min(number, others[other])
                            break
                    if not found and count < len(others):
                        others[count] = number
                        count += 1
            first = end

    return drop_equals


@cache
def _arrange() -> Callable[..., None]:
    @compiled
    def arrange(found: Any, order: Array, unit: Array) -> None:
        """Order keys into pieces of LEAF * FAN**h, split where a sample of them spreads most."""
        pieces = [(0, len(order), unit)]
        while len(pieces) > 0:
            first, end, unit = pieces.pop()
            while end - first <= unit and unit > LEAF:
                unit //= FAN
            unit = max(unit, LEAF)
            if end - first <= LEAF:
                continue
            middle = first + -(-(end - first) // unit) // 2 * unit
            step = max(1, (end - first) // _SPREAD_SAMPLE)
            widest, axis = -1.0, 0
            for candidate in range(BOX_AXES):
                total, squares, count = 0.0, 0.0, 0
                for place in range(first, end, step):
                    value = found[order[place], candidate]
                    total += value
                    squares += value * value
                    count += 1
                spread = squares / count - (total / count) ** 2
                if spread > widest:
                    widest, axis = spread, candidate
            # Quickselect: nothing before `middle` is above what comes from there on.
            low, high = first, end - 1
            while low < high:
                one, two = found[order[low], axis], found[order[(low + high) >> 1], axis]
                three = found[order[high], axis]
                pivot = max(min(one, two), min(max(one, two), three))
                i, j = low, high
                while i <= j:
                    while found[order[i], axis] < pivot:
                        i += 1
                    while found[order[j], axis] > pivot:
                        j -= 1
                    if i <= j:
                        order[i], order[j] = order[j], order[i]
                        i += 1
                        j -= 1
                if middle <= j:
                    high = j
                elif middle >= i:
                    low = i
                else:
                    break
            pieces.append((first, middle, unit))
            pieces.append((middle, end, unit))

    return arrange


@cache
def _fill() -> Callable[..., None]:
    @compiled
    def fill(
        found: Any, order: Array, leaves: Array, boxes: Array, first: int, end: int,
    ) -> None:  # fmt: skip
        """Copy keys [first, end) into their leaves, and widen the boxes of these."""
        for number in range(first, end):
            leaf, lane = number // LEAF, number % LEAF
            node, child = leaf // FAN, leaf % FAN
            patch = order[number]
            for axis in range(found.shape[1]):
                value = found[patch, axis]
                leaves[leaf, axis, lane] = value
                if axis < BOX_AXES:
                    boxes[node, axis, 0, child] = min(boxes[node, axis, 0, child], value)
                    boxes[node, axis, 1, child] = max(boxes[node, axis, 1, child], value)

    return fill


def node_weights(tree: Tree, weight: Array) -> tuple[Array, Array]:
    """Return the factors of the keys in the order of the leaves, and the smallest of each box.

    Parameters
    ----------
    weight : (H-p+1, W-p+1) float32
    """
    of_keys = np.full(len(tree.places), np.inf, np.float32)
    of_keys[: tree.size] = weight.ravel()[tree.order]
    below: Any = of_keys.reshape(-1, LEAF).min(axis=1)
    levels = []
    counts = np.diff([*tree.first_nodes, len(tree.boxes)])
    for count in counts[::-1]:
        padded = np.full(count * FAN, np.inf, np.float32)
        padded[: len(below)] = below
        levels.append(padded)
        below = padded.reshape(-1, FAN).min(axis=1)
    return of_keys, np.concatenate(levels[::-1])


def bound_slack(tree: Tree, radius: float, channels: int) -> float:
    r"""Return the term that a widened limit needs, so that no key within the limit is lost.

    `radius` is the largest norm of the query patches. Let d be the exact difference of two patches
    along an axis, and e at least the error of the one that is computed: each coordinate is rounded
    to float32 (relative error u = 2^-24), the norm of the rest is the root of a difference (error
    below u of the patch's norm r), so that e = 8 u r. For every w > 0,
    (|d| + e)^2 <= (1 + w) d^2 + (1 + 1/w) e^2. With w half of the widening, the computed bound is
    at most (1 + w) (1 + 20 u) times the exact distance plus (1 + 1/w) S e^2, S the number of
    coordinates; and the exact distance at most 1 / (1 - c u) times the computed sum, c additions
    deep, plus what squares lose below the smallest float. So a key whose computed sum is at most
    `limit` has a computed bound below ``(1 + WIDENING) * limit + slack``. A factor of a score
    multiplies both sides, rounded once more on each: that is within the same widening.
    """
    error = 8 * 2.0**-24 * max(tree.radius, radius)
    lost = math.prod(tree.sides) * channels * 2.0**-148
    return float((1 + 2 / WIDENING) * tree.axes.coordinates * error**2 + 4 * lost) + 1e-44
