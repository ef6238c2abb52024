"""Approximate means of the closed-form denoiser: those of the nearest keys that PatchMatch finds.

At small noise nearly all of the weight is on few keys. Five of them, found with an inverted-file
index, gave about the same images as all in Qiu et al. 2026, doi:10.48550/arXiv.2606.04299.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import combined, exp2
from pnncupy.search import patchmatch_lists
from pnncupy.search.candidate_lists import Keys
from pnncupy.search.exact import NearestNeighborField, SearchSettings
from pnncupy.search.patchmatch_lists import PatchMatchLists

# Keys that count in a mean.
LENGTH = 16
# Smaller weights than this power of two of the largest one are left out.
_BITS = 24


def tries(key_shape: Sequence[int], step: int) -> int:
    """Keys that a query patch tries at most in a denoising of a level."""
    return patchmatch_lists.tries(key_shape, LENGTH, step)


class NearKeys:
    """Means of the nearest keys of the query images of a level, one after the other.

    Parameters
    ----------
    settings : SearchSettings
    keys : Keys
    values : sequence of (C, h, w) float32
        What the keys stand for.
    level : int
        Part of the stream of random numbers.
    """

    def __init__(self, settings: SearchSettings, keys: Keys, values: list[Array], level: int):
        self._settings = replace(settings, stream=combined(settings.stream, level))
        self._value = keys.layout.stack(values)
        self._lists = PatchMatchLists(self._settings, keys.images, keys.layout, LENGTH)

    def means(self, query: Array, sigma: float, window: Array) -> Array:
        """Weighted value patches times `window`, added up in the pixels of a query (C, h, w)."""
        found = self._lists.search(query)
        xp = arrays.namespace(query)
        made = xp.zeros((len(self._value), *query.shape[1:]), dtype=xp.float32)
        self._settings.engine.add_listed_values(
            found.index, weights_of(found, sigma), self._value, window, made,
            threads=self._settings.threads,
        )  # fmt: skip
        return made


def weights_of(found: NearestNeighborField, sigma: float) -> Array:
    """Weights of listed keys by their sums, with a total of 1 for each query."""
    xp = arrays.namespace(found.score)
    scale = np.float32(1 / (2 * sigma**2 * math.log(2)))
    weights = xp.zeros_like(found.score)
    total = xp.zeros(found.score.shape[:-1], dtype=xp.float32)
    for k in range(found.score.shape[-1]):
        power = (found.score[..., 0] - found.score[..., k]) * scale
        weights[..., k] = xp.where(power >= -_BITS, exp2(power, xp), xp.float32(0))
        total += weights[..., k]
    weights *= (xp.float32(1) / total)[..., None]
    return weights
