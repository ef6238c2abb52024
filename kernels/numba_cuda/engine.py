"""Engine `numba-cuda`: the steps of engine `cupy`, written in Python, for reading and changing.

The arrays are CuPy's, or in Numba's simulator NumPy's.
"""

from pnncupy.kernels.numba_cuda.nearest import update_nearest
from pnncupy.kernels.numba_cuda.patchmatch import pair_sums, patchmatch_pass, scatter_minimum
from pnncupy.kernels.numba_cuda.vote import vote
from pnncupy.kernels.numba_cuda.weighted_mean import add_values, add_weights, lower_least
from pnncupy.kernels.slice_votes import add_slice_votes

__all__ = [
    "LEAST_PAIRS_FOR_LISTS",
    "QUERIES_PER_SEARCH",
    "STEPS_ON_DEVICE",
    "SUPPORTS_TOP_K",
    "add_slice_votes",
    "add_values",
    "add_weights",
    "lower_least",
    "pair_sums",
    "patchmatch_pass",
    "scatter_minimum",
    "update_nearest",
    "vote",
]  # fmt: skip

SUPPORTS_TOP_K = True
# Fewer are compared in less time than the host needs to direct the proofs.
LEAST_PAIRS_FOR_LISTS = 2e8
TREE_AXES = ()
STEPS_ON_DEVICE = False
# A device holds some hundred thousand threads, and the coarse levels of an image have few patches.
QUERIES_PER_SEARCH = 1 << 20
