"""Engine `numba-cuda`: the steps of engine `cupy`, written in Python, for reading and changing.

The arrays are CuPy's, or in Numba's simulator NumPy's.
"""

from pnncupy.kernels.numba_cuda.nearest import lower_nearest
from pnncupy.kernels.numba_cuda.patchmatch import improve, pair_sums, scatter_minimum
from pnncupy.kernels.numba_cuda.vote import vote

__all__ = [
    "LISTS", "QUERIES_TOGETHER", "improve", "lower_nearest", "pair_sums", "scatter_minimum", "vote",
]  # fmt: skip

LISTS = False
TREES = ()
# A device holds some hundred thousand threads, and the coarse levels of a picture have few patches.
QUERIES_TOGETHER = 1 << 20
