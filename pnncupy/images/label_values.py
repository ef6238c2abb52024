"""Images whose few values may be labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

# Quantised and posterised photographs have more; images of phases, facies and land cover fewer.
MOST_LABELS = 16
# Pixels that tell nearly any photograph from labels, before all pixels are read.
_SAMPLE = 4096


def label_like_values(planes: Sequence[Array], known: Sequence[Array | None]) -> list[int]:
    """Return the values of images that may be labels, rising.

    Parameters
    ----------
    planes : sequence of (C, H, W) or (C, Z, Y, X) arrays
    known : sequence of (H, W) or (Z, Y, X) bool arrays or None
        Pixels that are not missing.

    Returns
    -------
    list of int
        The 2 to 16 different values of integer images of one channel; empty of all others. Images
        of bool have none: their results have two values anyway.
    """
    found: set[int] = set()
    for image, mask in zip(planes, known, strict=True):
        if image.dtype.kind not in "iu" or image.shape[0] != 1:
            return []
        pixels = image[0].reshape(-1) if mask is None else image[0][mask]
        found.update(_few_values(pixels))
        if len(found) > MOST_LABELS:
            return []
    return sorted(found) if len(found) > 1 else []


def _few_values(pixels: Array) -> list[int]:
    """The different values of pixels (n,), or more of them than labels have."""
    values = np.unique(arrays.on_host(pixels[:: max(1, len(pixels) // _SAMPLE)]))
    if values.size <= MOST_LABELS:
        rest: Any = arrays.on_host(pixels)
        rest = rest[~np.isin(rest, values)]
        values = np.union1d(values, rest)
    return values.tolist()  # type: ignore[no-any-return]


def value_words(values: Sequence[int]) -> str:
    """Number of values in words, and some of them: "3 different values (0, 1, 2)"."""
    listed = list(map(str, values))
    shown = listed if len(listed) <= 4 else [*listed[:3], "...", listed[-1]]
    return f"{len(values)} different values ({', '.join(shown)})"
