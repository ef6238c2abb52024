"""Engine `numba`: exact search and vote on the CPU, compiled, vectorised and on all cores."""

from pnncupy.kernels.numba_cpu.code_cache import compilation_seconds
from pnncupy.kernels.numba_cpu.listed_means import add_listed_values, update_lists
from pnncupy.kernels.numba_cpu.nearest import update_nearest
from pnncupy.kernels.numba_cpu.pair_sums import pair_sums
from pnncupy.kernels.numba_cpu.patchmatch import scatter_minimum
from pnncupy.kernels.numba_cpu.search_tree.projection import AXES
from pnncupy.kernels.numba_cpu.search_tree.search import search as search_tree
from pnncupy.kernels.numba_cpu.search_tree.tree import build as build_tree
from pnncupy.kernels.numba_cpu.slice_votes import add_slice_votes
from pnncupy.kernels.numba_cpu.volume_patchmatch import patchmatch_pass
from pnncupy.kernels.numba_cpu.vote import vote
from pnncupy.kernels.numba_cpu.weighted_mean import add_values, add_weights, lower_least

__all__ = [
    "LEAST_PAIRS_FOR_LISTS",
    "QUERIES_PER_SEARCH",
    "STEPS_ON_DEVICE",
    "SUPPORTS_TOP_K",
    "TREE_AXES",
    "add_listed_values",
    "add_slice_votes",
    "add_values",
    "add_weights",
    "build_tree",
    "compilation_seconds",
    "lower_least",
    "pair_sums",
    "patchmatch_pass",
    "scatter_minimum",
    "search_tree",
    "update_lists",
    "update_nearest",
    "vote",
]  # fmt: skip

SUPPORTS_TOP_K = True
LEAST_PAIRS_FOR_LISTS = 0
TREE_AXES = (AXES, AXES // 2)
STEPS_ON_DEVICE = False
QUERIES_PER_SEARCH = 1
