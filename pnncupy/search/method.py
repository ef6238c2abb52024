"""Exact or approximate: which search a call takes, by pixel counts, engine, and counted steps."""

import logging
import math
from collections.abc import Callable

from pnncupy.engine.registry import ENGINES
from pnncupy.patch_shape import PatchSize

_LOG = logging.getLogger("pnncupy")

METHODS = ("exact", "patchmatch", "auto")

# Steps a query through a tree of the keys, up to which exact search takes about the same time.
_FEW_STEPS = 200
# In tasks with "patchmatch", searches of fewer pairs are exact all the same: they cost no more.
# One number for all engines, since the image depends on it.
EXACT_BELOW = 1e8
# The same in volumes, whose pairs cost several times as much.
_VOLUMES_EXACT_BELOW = 2e7


def chosen(
    method: str,
    engine: str,
    queries: int,
    keys: int,
    steps: Callable[[], float] = lambda: math.inf,
) -> str:
    """Return the method of searches of that many query patches among that many key patches.

    `steps` samples how many a query takes through a tree of the keys; infinite without trees. It
    is called where "auto" cannot be decided without.
    """
    if method != "auto":
        return method
    if queries * keys < ENGINES[engine].approximate_from:
        taken, why = "exact", "few pairs"
    else:
        needed = steps()
        taken = "exact" if needed <= _FEW_STEPS else "patchmatch"
        why = f"{needed:.0f} steps a query" if math.isfinite(needed) else "many pairs"
    _LOG.info("method 'auto' takes %r for %d x %d patches (%s)", taken, queries, keys, why)
    return taken


def is_approximate(method: str, pairs: float, patch_size: PatchSize) -> bool:
    """Test whether a task's search of this number of pairs is left to PatchMatch."""
    least = EXACT_BELOW
    if not isinstance(patch_size, int):
        least = min(least, _VOLUMES_EXACT_BELOW)
    return method == "patchmatch" and pairs >= least
