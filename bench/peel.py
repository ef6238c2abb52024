"""An experiment: a hole that begins with patches from its border inwards, not smoothly.

At the coarsest level the hole is filled ring by ring: each pixel of a ring takes the patch of known
pixels that is nearest to what is known or filled around it, and overlapping patches are averaged,
as Newson et al. 2014 begin (doi:10.1137/140954933). `pnncupy.inpaint` goes on from there.
"""

from typing import Any

import numpy as np

PATCH = 7
DOWNSCALE = 4 / 3


def peeled(image: Any, mask: Any, threads: int) -> Any:
    """Fill the hole of a uint8 image."""
    import pnncupy as pnn
    from pnncupy.synthesis.masked_sources import MaskedPyramid
    from pnncupy.tasks.hole_starts import HoleWidths

    levels = max(HoleWidths.of(mask).levels(PATCH, DOWNSCALE))
    planes = np.atleast_3d(image).transpose(2, 0, 1).astype(np.float32) / 255
    pyramid = MaskedPyramid.of(planes, ~mask, levels, 1 / DOWNSCALE)
    guess = peel(pyramid.images[-1], pyramid.usable[-1]).transpose(1, 2, 0)
    return pnn.inpaint(
        image, mask, fill="mean", initial_guess=guess.reshape(*guess.shape[:2], *image.shape[2:]),
        levels=levels, data_range=(0, 255), threads=threads,
    )  # fmt: skip


def peel(image: Any, usable: Any) -> Any:
    """Fill a (C, h, w) image ring by ring where it is not usable."""
    from scipy.ndimage import binary_dilation

    values, known = image.astype(np.float64), usable.copy()
    inside = np.lib.stride_tricks.sliding_window_view(usable, (PATCH, PATCH)).all(axis=(-1, -2))
    windows = np.lib.stride_tricks.sliding_window_view(values, (PATCH, PATCH), axis=(1, 2))
    keys = windows[:, inside].transpose(1, 0, 2, 3).copy()
    while not known.all():
        ring = binary_dilation(known, np.ones((3, 3))) & ~known
        total, weight = np.zeros_like(values), np.zeros(known.shape)
        for row, column in np.argwhere(ring):
            part = window(row, known.shape[0]), window(column, known.shape[1])
            differences = (keys - values[:, *part]) ** 2 * known[part]
            nearest = keys[differences.sum(axis=(1, 2, 3)).argmin()]
            share = known[part].mean()
            total[:, *part] += share * nearest
            weight[part] += share
        values[:, ring] = total[:, ring] / weight[ring]
        known |= ring
    return values.astype(np.float32)


def window(centre: int, size: int) -> slice:
    """A patch's rows or columns, inside of the image."""
    start = min(max(centre - PATCH // 2, 0), size - PATCH)
    return slice(start, start + PATCH)
