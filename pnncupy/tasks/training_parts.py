"""Random parts of a training image, another one for each realisation."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.images.pyramid import axis_ratios
from pnncupy.patch_shape import patch_sides
from pnncupy.tasks.prepare import PreparedTask

# Side of a cell over the smallest side of the training image.
_CELL = 0.2
# Pixels that a cell has more than a patch at the coarsest level: its border falls between pixels.
_MARGIN = 2


def part_levels(task: PreparedTask) -> int:
    """Levels at which a whole cell of each training image still holds a patch."""
    sides = patch_sides(task.settings.patch_size, len(task.shape))
    levels = task.schedule.levels
    for shape in task.images.shapes:
        cell = _cell(shape, sides)
        for side, ratio in zip(sides, axis_ratios(task.schedule.ratio, len(shape)), strict=True):
            if ratio < 1:
                most = math.floor(math.log(cell / (side + _MARGIN)) / math.log(1 / ratio))
                levels = min(levels, max(0, most))
    return levels


def random_part(
    task: PreparedTask, share: float, seed: np.random.SeedSequence
) -> PreparedTask:  # fmt: skip
    """The task with a random share of its training images known, in cells.

    The seed's own numbers are left to the realisation.
    """
    generator = np.random.default_rng(
        np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0))
    )
    sides = patch_sides(task.settings.patch_size, len(task.shape))
    known = []
    for shape, mask in zip(task.images.shapes, task.images.known, strict=True):
        part = arrays.like(_cells(shape, _cell(shape, sides), share, generator), task.planes[0])
        known.append(part if mask is None else mask & part)
    return replace(task, images=replace(task.images, known=known))


def _cell(shape: Sequence[int], sides: Sequence[int]) -> int:
    """Side of a cell: a share of the image's, and at least a patch."""
    return max(round(_CELL * min(shape)), max(sides) + _MARGIN)


def _cells(shape: Sequence[int], cell: int, share: float, generator: np.random.Generator) -> Any:
    """A share of the cells of a grid at a random place, one at least; bool."""
    counts = [-(-side // cell) + 1 for side in shape]
    count = math.prod(counts)
    chosen = generator.permutation(count).reshape(counts) < max(1, round(share * count))
    part = np.kron(chosen, np.ones((cell,) * len(counts), np.bool_))
    first = generator.integers(0, cell, len(counts))
    return part[tuple(slice(at, at + side) for at, side in zip(first, shape, strict=True))]
