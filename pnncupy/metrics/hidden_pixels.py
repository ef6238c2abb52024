"""Hidden pixels: which known pixels of an image a validation hides."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pnncupy import arrays, validation

# Columns that a stripe moves to the left from one row to the next.
_SLANT = 0.25


def hidden_pixels(
    hidden: Any, known: Any, pattern: str, width: int, random: np.random.Generator
) -> Any:
    """Draw the pixels to hide, a bool array of the shape of `known`.

    `hidden` is a share of the known pixels, or a mask; pixels that are not known are left out.

    Raises
    ------
    ValueError
        Nothing is hidden, or nothing is left.
    """
    if isinstance(hidden, np.ndarray):
        found = hidden & known
        share = "a mask"
    else:
        found = PATTERNS[pattern](hidden, known, width, random) & known
        share = f"{hidden!r} of {int(known.sum())} known pixels"
    if not found.any():
        raise ValueError(
            f"`hidden` must hide at least one known pixel, got {share}; hide more, or other pixels"
        )
    if (found == known).all():
        raise ValueError(f"`hidden` must leave known pixels, got {share}; hide fewer")
    return found


def checked_hidden(hidden: Any, shape: tuple[int, ...]) -> Any:
    """The share of the pixels to hide, or their mask on the host."""
    if getattr(hidden, "ndim", 0) == 0:
        share = validation.positive("hidden", hidden)
        if share >= 1:
            raise ValueError(
                f"`hidden` must be a share between 0 and 1, or a bool mask, got {hidden!r}"
            )
        return share
    arrays.library("hidden", hidden)
    mask = arrays.on_host(hidden)
    if mask.dtype.kind != "b":
        raise TypeError(f"`hidden` must be a share or a bool mask, got dtype {mask.dtype}")
    if mask.shape != shape:
        raise ValueError(f"`hidden` must have the shape of the image, {shape}, got {mask.shape}")
    return mask


def checked_width(width: Any, shape: tuple[int, ...], pattern: str) -> int:
    """The side of blocks or stripes in pixels."""
    side = validation.integer("width", width, 1)
    if pattern == "blocks" and side > min(shape):
        raise ValueError(
            f"`width` must be at most the smallest side of the image, {min(shape)}, got {side}"
        )
    return side


def _pixels(share: float, known: Any, width: int, random: np.random.Generator) -> Any:
    """Single pixels, that share of the known ones within rounding."""
    places = np.flatnonzero(known)
    found = np.zeros(known.shape, bool)
    found.ravel()[random.permutation(places)[: round(share * len(places))]] = True
    return found


def _blocks(share: float, known: Any, width: int, random: np.random.Generator) -> Any:
    """Square or cubic blocks at random places, until that share is hidden."""
    free = tuple(side - width + 1 for side in known.shape)
    wanted, count = share * int(known.sum()), 0
    found = np.zeros(known.shape, bool)
    for number in random.permutation(math.prod(free)):
        corner = np.unravel_index(number, free)
        block = tuple(slice(first, first + width) for first in corner)
        count += int((known[block] & ~found[block]).sum())
        found[block] = True
        if count >= wanted:
            break
    return found


def _stripes(share: float, known: Any, width: int, random: np.random.Generator) -> Any:
    """Slanting stripes, like the gaps of Landsat 7 since its scan line corrector failed."""
    period = width / share
    rows, columns = np.indices(known.shape[-2:])
    across = columns + _SLANT * rows + random.uniform(0, period)
    return np.broadcast_to(across % period < width, known.shape)


PATTERNS: dict[str, Callable[[float, Any, int, np.random.Generator], Any]] = {
    "pixels": _pixels, "blocks": _blocks, "stripes": _stripes,
}  # fmt: skip
