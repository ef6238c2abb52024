"""Exact or approximate: which search a call takes, decided by pixel counts and engine alone."""

import logging
import math
from collections.abc import Sequence

_LOG = logging.getLogger("pnncupy")

METHODS = ("exact", "patchmatch", "auto")

# Pairs of patches in one search from which on "auto" takes "patchmatch", about where it becomes
# several times faster: pictures of some 350 x 350 pixels on a CPU, of a megapixel on a GPU.
_APPROXIMATE_FROM = {"numpy": 1.5e10, "numba": 1.5e10, "cupy": 1e12, "numba-cuda": 1e12}
# In tasks with "patchmatch", searches of fewer pairs are exact all the same: they cost no more.
# One number for all engines, since the picture depends on it.
EXACT_BELOW = 1e8


def chosen(method: str, engine: str, queries: int, keys: int) -> str:
    """The method of searches of that many query patches among that many key patches."""
    if method != "auto":
        return method
    taken = "exact" if queries * keys < _APPROXIMATE_FROM[engine] else "patchmatch"
    _LOG.info("method 'auto' takes %r for %d x %d patches", taken, queries, keys)
    return taken


def patches(shape: Sequence[int], patch_size: int) -> int:
    """Patches in a picture of that height and width."""
    return math.prod(side - patch_size + 1 for side in shape)
