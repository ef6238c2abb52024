"""Number of pyramid levels of a call, and the requirements of a task."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pnncupy.images.planes import side_words
from pnncupy.images.pyramid import (
    Ratio,
    default_levels,
    fitting_levels,
    holds_patch,
    more_than_half,
    valid_shares,
)
from pnncupy.patch_shape import PatchSize, patch_sides
from pnncupy.synthesis.masked_sources import usable_levels
from pnncupy.synthesis.memory import Shape
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.source_images import SourceImages


@dataclass(frozen=True)
class Requirements:
    """Requirements of a task beside the options that all share.

    Attributes
    ----------
    coarsest_patches : float
        Smallest side of the coarsest level, in patches, that the default depth is chosen for.
    preferred_levels : int, optional
        Default depth instead. Either is lowered where fewer levels fit.
    fewer_levels : int
        Levels that the default depth is lowered by, down to none.
    unknown : str
        What hides pixels of the sources, for messages; default: that they are missing.
    between : callable, optional
        From the shapes of the result and the sources, the ratio and a level to the shapes of
        other images that have to hold a patch there.
    intermediate : callable, optional
        From the shapes of the result and the sources and the schedule to the levels and shapes of
        the query images that are not levels of the result, for the memory limit.
    pyramids : int
        Pyramids of the result's size that the task keeps, for the memory limit.
    realisations : int, optional
        Results that are stacked, if any.
    weighted_pixels : bool
        Pixels of the result have weights, for the memory limit.
    averaged : bool
        Patches become means of many, which no tree of patches finds.
    """

    coarsest_patches: float = 2.0
    preferred_levels: int | None = None
    fewer_levels: int = 0
    unknown: str = ""
    between: Callable[[Sequence[Shape], Ratio, int], Sequence[Sequence[int]]] | None = None
    intermediate: Callable[[Sequence[Shape], Schedule], Sequence[tuple[int, Shape]]] | None = None
    pyramids: int = 0
    realisations: int | None = None
    weighted_pixels: bool = False
    averaged: bool = False


def level_count(
    images: SourceImages, result: Shape, options: TaskOptions, requirements: Requirements
) -> int:
    """The number of levels: as given, if they fit, or as many of the preferred as fit."""
    size, ratio = options.patch(images.axes), options.ratio(images.axes)
    shapes = [result, *images.shapes]
    preferred = requirements.preferred_levels
    if preferred is None:
        preferred = default_levels(shapes, size, ratio, requirements.coarsest_patches)
    most = fitting_levels(shapes, size, ratio)
    preferred = max(0, preferred - requirements.fewer_levels)
    levels = min(preferred, most) if options.levels is None else options.levels
    if levels > most:
        raise ValueError(
            f"`levels` must be at most {most}, so that the coarsest level still holds a patch of "
            f"{_words(size, result)} pixels, got {levels}"
        )
    levels = _levels_with_known_patches(images, levels, options, requirements.unknown)
    if requirements.between is None:
        return levels
    return _levels_that_hold(requirements.between, shapes, levels, options)


def _levels_with_known_patches(
    images: SourceImages, levels: int, options: TaskOptions, unknown: str
) -> int:
    """As many of the levels as have a patch of known pixels."""
    masks = [mask for mask in images.known if mask is not None]
    if len(masks) < len(images.known):
        return levels
    periodic = options.source_periodic_axes(masks[0].ndim)
    usable = [
        [
            more_than_half(share)
            for share in valid_shares(mask, levels, options.ratio(mask.ndim), periodic)
        ]
        for mask in masks
    ]
    what = unknown or f"missing pixels of `{images.names[0]}`"
    return usable_levels(
        what, usable, options.patch(images.axes), levels, given=options.levels is not None,
        periodic=periodic,
    )  # fmt: skip


def _words(size: PatchSize, shape: Shape) -> str:
    """Sides of a patch for a message."""
    return side_words(patch_sides(size, len(shape)))


def _levels_that_hold(
    between: Callable[[Sequence[Shape], Ratio, int], Sequence[Sequence[int]]],
    shapes: Sequence[Shape],
    levels: int,
    options: TaskOptions,
) -> int:
    """As many of the levels as leave a patch in the images between; a given number has to fit."""
    axes = len(shapes[0])
    size, ratio = options.patch(axes), options.ratio(axes)
    words = _words(size, shapes[0])

    def holds(level: int, height: int) -> bool:
        result = (*shapes[0][:-2], height, shapes[0][-1])
        images = between([result, *shapes[1:]], ratio, level)
        return all(holds_patch(each, size) for each in images)

    height = shapes[0][-2]
    fitting = next((level for level in range(levels, -1, -1) if holds(level, height)), None)
    if fitting is None:
        least = next(higher for higher in itertools.count(height) if holds(0, higher))
        raise ValueError(
            f"`shape` must be at least {least} pixels high, so that the images side by side "
            f"hold a patch of {words} pixels, got {tuple(shapes[0])}; or "
            "use a smaller `patch_size`"
        )
    if fitting < levels and options.levels is not None:
        raise ValueError(
            f"`levels` must be at most {fitting}, so that the images side by side hold a patch of "
            f"{words} pixels at the coarsest level, got {levels}"
        )
    return fitting
