"""Ways to cut the work of engine `numba` into pieces, none of which may change a bit."""

from contextlib import contextmanager

import pytest

from pnncupy.kernels import tiling
from pnncupy.kernels.numba_cpu import nearest, pair_sums, patchmatch

# Widest and tallest tile, side of a sparse one, cost of a patch by itself, pairs of one step, rows
# of one step.
TILINGS = {
    "one patch": (1, 1, 1, 4.0, 1, 1),
    "rows": (64, 1, 1, 4.0, 1000, 1),
    "odd": (3, 5, 2, 4.0, 77, 2),
    "all by itself": (64, 256, 32, 0.0, 30, 5),
    "nothing by itself": (7, 4, 3, 1e9, 10**6, 100),
}


@contextmanager
def tiled(name):
    """Let searches be cut up so; kernels have room for tiles of 64 columns, and no more."""
    width, height, sparse, cost, pairs, rows = TILINGS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "tile_width", lambda patch_size: width)
        patch.setattr(tiling, "TALLEST_TILE", height)
        patch.setattr(tiling, "SPARSE_TILE", sparse)
        patch.setattr(tiling, "COST_OF_ONE", cost)
        patch.setattr(nearest, "_MOST_PAIRS_PER_STEP", pairs)
        patch.setattr(nearest, "_SPARSE_PAIRS_PER_STEP", pairs)
        patch.setattr(nearest, "_SPARSE_PER_JOB", rows)
        patch.setattr(pair_sums, "_PAIRS_PER_STEP", pairs)
        patch.setattr(patchmatch, "_ROWS_PER_STEP", rows)
        yield
