"""Engine protocol: the steps that cost time, with one signature for all engines.

Arrays are planar (channels, rows, columns), float32 and C-contiguous, in the engine's own array
library. Nothing is validated here: the public functions did that once.

Distances are summed in one fixed order on every engine, so that their bits agree everywhere:

1. squared differences of a pixel pair, channel by channel, no fused multiply-add;
2. the p rows of the patch, then its p columns, each by `sum of p = (S_a + S_b) + ...` where
   p = a + b + ... are its powers of two from the largest down, S_1 is the value itself and
   S_2k[i] = S_k[i] + S_k[i + k].

Volumes are (channels, slices, rows, columns). The values of a patch in different slices are summed
like channels: slice by slice, and in each channel by channel. Whatever is said here of rows and
columns holds for slices, rows and columns then.

There is no subtraction, so distances are never negative, equal patches tie exactly, the distance
of a pair does not depend on where it is computed, and an infinite key pixel excludes exactly the
patches that contain it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pnncupy.patch_shape import PatchSize, patch_sides

Array = Any
Tick = Callable[[int], None]

# Reason why `numba` cannot run where Numba is set to interpret, which would never end.
COMPILER_OFF = (
    "Numba's compiler is switched off; unset NUMBA_DISABLE_JIT, or `disable_jit` in a file "
    ".numba_config.yaml, and start Python again"
)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search of the patches of a query image among those of a key image.

    Attributes
    ----------
    query, key : (C, HQ, WQ) and (C, HK, WK) float32
        Key pixels that must not be used are infinite.
    patch_size : int, or one integer for each axis
        Side p of a patch; of a volume and of patches that are not square, all sides.
    weight : (HK-p+1, WK-p+1) float32 or None
        Factor of each key patch; None compares the plain sums of squared differences.
    score, index : (HQ-p+1, WQ-p+1, k) float32 and int32
        The k best so far, the best one first. A key enters only where it is strictly better than
        the last one, and is placed behind its equals, so that of equal keys the first one scanned
        is in front. Keys are scanned row by row.
    index_stride, first_index : int
        Key patch (row, column) is recorded as ``first_index + row * index_stride + column``.
    slice_stride : int
        Of volumes, what the indices of neighbouring slices differ by; 0 for rows that follow each
        other.
    active : (HQ-p+1, WQ-p+1) bool or None
        Query patches to search; None is all.
    key_score, key_index : (HK-p+1, WK-p+1) float32 and int32, or None
        If given, they are lowered in the same scan: to the smallest plain sum over all query
        patches, and the flat index ``row * WQ + column`` of a query patch that has it. Not together
        with `active`.
    """

    query: Array
    key: Array
    patch_size: PatchSize
    weight: Array | None
    score: Array
    index: Array
    index_stride: int
    first_index: int = 0
    active: Array | None = None
    key_score: Array | None = None
    key_index: Array | None = None
    slice_stride: int = 0

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of a patch."""
        return patch_sides(self.patch_size, self.query.ndim - 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Query patches along each axis."""
        return tuple(self.score.shape[:-1])

    @property
    def key_shape(self) -> tuple[int, ...]:
        """Key patches along each axis."""
        return tuple(
            pixels - side + 1 for pixels, side in zip(self.key.shape[1:], self.sides, strict=True)
        )


@dataclass(frozen=True, slots=True)
class PassRequest:
    """One pass of PatchMatch.

    Attributes
    ----------
    query, key : (C, HQ, WQ) and (C, HK, WK) float32
    patch_size : int, or one integer for each axis
    usable : (HK-p+1, WK-p+1) bool
        Key patches that may be matched; all pixels of these are finite.
    index, sums : (HQ-p+1, WQ-p+1) int32 and float32
        The match of each query patch, ``row * WK + column`` of a usable key patch, and their sum of
        squared differences.
    out_index, out_sums : the same
        What is found.
    step, radius, draws : int
        See `Engine.patchmatch_pass`; a step or radius of 0 for none.
    stream : int
        Key of the random numbers, below 2**32.
    bound : (HK-p+1, WK-p+1) float32, or None
        Upper bound M of each key's smallest sum. With it keys are compared by ``D / (alpha + min(M,
        D))``, D and M as means; without, by their sums.
    alpha : float
        Used with `bound` only.
    key_words : (HK-p+1, WK-p+1) uint64, or None
        With `bound`: for each key the sum of a pair (its bits, in the upper half) and the flat
        index ``row * WQ + column`` of the query (lower half). They are not above the bounds, and
        lowered by every pair tried whose sum does not exceed its key's bound.
    active : (HQ-p+1, WQ-p+1) bool, or None
        Query patches that try; the others keep what they have. None is all.
    """

    query: Array
    key: Array
    patch_size: PatchSize
    usable: Array
    index: Array
    sums: Array
    out_index: Array
    out_sums: Array
    step: int
    radius: int
    draws: int
    stream: int
    bound: Array | None = None
    alpha: float = math.inf
    key_words: Array | None = None
    active: Array | None = None

    @property
    def mean_factor(self) -> np.float32:
        """From a sum of squared differences to their mean."""
        return np.float32(1 / (math.prod(self.sides) * len(self.query)))

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of a patch."""
        return patch_sides(self.patch_size, self.query.ndim - 1)


@dataclass(frozen=True, slots=True)
class StepRequest:
    """Searches of one query image after the other among the same keys, by plain distances.

    Attributes
    ----------
    keys : sequence of (C, HK, WK) float32
        The first one wins ties. Pixels that must not be used are infinite.
    canvas : (C, HC, WC) float32
        All key images, where their indices say; a single one is its own canvas.
    first_indices : sequence of int
        Of each key image, as `SearchRequest.first_index`.
    index_stride, slice_stride, patch_size
        As in `SearchRequest`.
    needed : (HQ-p+1, WQ-p+1) bool or None
        Query patches to search; None is all.
    """

    keys: Sequence[Array]
    canvas: Array
    first_indices: Sequence[int]
    index_stride: int
    slice_stride: int
    patch_size: PatchSize
    needed: Array | None = None


@dataclass(frozen=True, slots=True)
class MeanRequest:
    """Weights of the key patches of a query image, by their distances.

    A key patch whose sum of squared differences to a query patch is ``D < limit`` has the weight
    ``exp2((least - D) * scale)``, see `kernels.exp2`, and others have 0.

    Attributes
    ----------
    query, key : (C, HQ, WQ) and (C, HK, WK) float32
        Key pixels that must not be used are infinite.
    patch_size : int
        Side p of a patch.
    least, limit : (HQ-p+1, WQ-p+1) float32
        Of each query patch the sum that has weight 1, not above any D, and that from which on keys
        have none.
    scale : float32
        Halvings of the weight for each unit of D.
    index_stride, first_index : int
        As in `SearchRequest`.
    """

    query: Array
    key: Array
    patch_size: int
    least: Array
    limit: Array
    scale: np.float32
    index_stride: int
    first_index: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Query patches along each axis."""
        return tuple(self.least.shape)

    @property
    def key_shape(self) -> tuple[int, ...]:
        """Key patches along each axis."""
        return tuple(pixels - self.patch_size + 1 for pixels in self.key.shape[1:])


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One pass of PatchMatch that keeps several keys of every query patch.

    Attributes
    ----------
    query, key : (C, HQ, WQ) and (C, HK, WK) float32
    patch_size : int
        Side p of a patch.
    usable : (HK-p+1, WK-p+1) bool
        Keys that may be used; their pixels are finite.
    index : (HQ-p+1, WQ-p+1, length) int32
        Keys so far as flat indices ``row * WK + column``, -1 for none.
    sums : (HQ-p+1, WQ-p+1, length) float32, or None
        Their sums of squared differences, infinite for none, in the order of `out_sums`. None where
        the sums are to be evaluated: keys may then be in any order, repeated, or not usable.
    out_index, out_sums
        Become the lists after the pass: of all keys of the list before and those tried, the ones of
        lowest sums, in order; of equal sums the lower flat index comes first.
    step : int
        The keys of the neighbours this many patches above, below, left and right are tried, moved
        along; 0 tries none.
    radius, draws, stream : int
        As in `PassRequest`, but windows are centred at the keys of the list before in turn, or at
        the query's own position where it has none there.
    """

    query: Array
    key: Array
    patch_size: int
    usable: Array
    index: Array
    sums: Array | None
    out_index: Array
    out_sums: Array
    step: int
    radius: int
    draws: int
    stream: int


class StepSearch(Protocol):
    """Searches that follow each other without a word to the host; see `Engine.step_search`."""

    def search(self, query: Array) -> Array:
        """Index of the best key of every query patch, (HQ-p+1, WQ-p+1) int32; 0 where not needed.

        Of queries of one shape; patches that are as they were are not searched again.
        """

    def missing(self) -> bool:
        """Test whether any search so far found no key for a patch that is needed; waits."""


def refuse_lists(request: SearchRequest) -> None:
    """Raise where lists are requested of an engine without `SUPPORTS_TOP_K`."""
    if request.score.shape[-1] > 1 or request.key_score is not None:
        raise NotImplementedError(
            "this engine keeps one key of each query, and no `key_score` or `key_index`; use one "
            "with SUPPORTS_TOP_K"
        )


class Engine(Protocol):
    """The functions that a kernel module provides.

    Attributes
    ----------
    SUPPORTS_TOP_K : bool
        Whether `update_nearest` keeps more than one key for each query and lowers `key_score`.
        Without, k is 1.
    LEAST_PAIRS_FOR_LISTS : float
        Pairs of a search from which lists of keys save more than their upkeep costs.
    TREE_AXES : tuple of int
        Axes that the trees of `build_tree` and `search_tree` may have, the fastest number first;
        empty without such functions. See `kernels.search_tree`.
    STEPS_ON_DEVICE : bool
        Whether there are `step_search` and `vote_step`.
    QUERIES_PER_SEARCH : int
        Query patches that one search should have to keep the engine busy: images of one call are
        searched together up to that many.
    """

    SUPPORTS_TOP_K: bool
    LEAST_PAIRS_FOR_LISTS: float
    TREE_AXES: tuple[int, ...]
    STEPS_ON_DEVICE: bool
    QUERIES_PER_SEARCH: int

    def update_nearest(self, request: SearchRequest, *, threads: int, tick: Tick) -> None:
        """Lower `score` and `index` of each query patch to its best key patches, in place.

        Parameters
        ----------
        request : SearchRequest
        threads : int
            Threads to use, where the engine has threads.
        tick : callable
            Called now and then from the calling thread with the number of pairs done since the
            last call; what it raises ends the search.

        Raises
        ------
        NotImplementedError
            Lists or `key_score` are requested of an engine without `SUPPORTS_TOP_K`.
        """

    def build_tree(
        self, key: Array, patch_size: PatchSize, threads: int, *, distinct: bool, count: int
    ) -> Any:
        """Return a tree of the finite patches of a key image (C, HK, WK), None without any.

        It has `count` axes; with `distinct`, of patches with the same pixels it holds the first
        one only.

        Engines without trees have no such function. A tree has `key`, `size`, the number of its
        keys, and ``refit(image, threads)`` to take an image that moved a little.
        """

    def search_tree(
        self,
        tree: Any,
        request: SearchRequest,
        *,
        any_key: bool = False,
        most_steps: float | None = None,
        left: Array | None = None,
        threads: int,
        tick: Tick,
    ) -> Any:
        """Lower lists through a tree of the request's key and return the counts of work.

        See `kernels.numba_cpu.search_tree.search`.
        """

    def step_search(self, request: StepRequest, *, tick: Tick) -> StepSearch:
        """Begin searches that follow each other, of engines with `STEPS_ON_DEVICE`.

        Whoever makes them need not wait for the device, nor ask it what changed.
        """

    def vote_step(
        self,
        value: Array,
        index: Array,
        patch_size: PatchSize,
        reduction: str,
        weight: Sequence[float] | Sequence[Sequence[float]] | None,
        last: tuple[Array, Array] | None,
    ) -> Array:
        """Return the images (B, C, HQ, WQ) of a batch of matches, as `vote` makes each.

        `index` is (B, HQ-p+1, WQ-p+1) int32, and `last` other matches and the images they made:
        pixels all of whose patches are the same are copied from there. Of engines with
        `STEPS_ON_DEVICE`.
        """

    def pair_sums(
        self,
        query: Array,
        key: Array,
        patch_size: PatchSize,
        query_number: Array,
        key_number: Array,
        out: Array,
        *,
        threads: int,
    ) -> None:
        """Fill `out` with the sums of squared differences of given pairs of patches.

        Parameters
        ----------
        query, key, patch_size, threads
            As in `update_nearest` and its request.
        query_number, key_number : (k,) int32
            Numbers ``row * W + column`` of the patches' first pixels, each in its own image.
        out : (k,) float32
        """

    def patchmatch_pass(self, request: PassRequest, *, threads: int, tick: Tick) -> None:
        """One pass of PatchMatch: try a few keys for every query patch and keep the best one.

        Each query patch reads only what `index` and `sums` hold before the pass, so that the
        result depends on no order. It tries, one after the other, with the best so far as limit:

        1. if `step` is not 0, the matches of the patches `step` above, below, left and right of
           it, moved back by that step, unless it has that one already; in a volume those before
           and behind first;
        2. for w = radius, radius // 2, ... down to 1, `draws` keys within w rows and columns of the
           best so far, drawn as `random_bits` says.

        Keys outside of the image or not usable are passed over. Of equal scores the lowest flat
        index wins. `tick` is called now and then with the number of query patches done.
        """

    def scatter_minimum(self, words: Array, places: Array, values: Array) -> None:
        """``words[places[k]] = min(words[places[k]], values[k])`` for all k, in place.

        All are flat: uint64 words and values, int32 places, which may repeat.
        """

    def vote(
        self,
        value: Array,
        index: Array,
        patch_size: PatchSize,
        reduction: str,
        weight: Sequence[float] | Sequence[Sequence[float]] | None,
        out: Array,
        *,
        active: Array | None,
        threads: int,
    ) -> None:
        """Fill `out` with the vote of the value patches that cover each pixel.

        Parameters
        ----------
        value : (C, HV, WV) float32
        index : (HQ-p+1, WQ-p+1) int32
            Pixel number ``row * WV + column`` in `value` of each patch's first pixel.
        reduction : {"mean", "median", "trimmed_mean"}
            Mean weighted by `weight`, its sums over the rows of the patch, then its columns;
            median, the lower one of two in the middle; or mean of what is left of n values without
            the n // 4 lowest and highest ones, summed from the lowest.
        weight : p floats, a list of them for each axis, or None
            One side of the separable weights of the mean.
        out : (C, HQ, WQ) float32
        active : (HQ, WQ) bool or None
            Pixels to fill; the others keep what `out` holds. None is all.
        """

    def add_slice_votes(
        self,
        value: Array,
        index: Array,
        patch_size: int,
        weight: Array,
        side: Sequence[float],
        total: Array,
        weights: Array,
        *,
        threads: int,
    ) -> None:
        """Add the value patches that cover each voxel of some parallel slices, in place.

        A patch counts with its own weight times that of the offset in it. Sums run over the rows of
        the patch, then its columns, so that their bits are the same on all engines.

        Parameters
        ----------
        value : (C, HV, WV) float32
        index : (N, H-p+1, W-p+1) int32
            For each of N slices the pixel number ``row * WV + column`` in `value` of each patch.
        weight : (N, H-p+1, W-p+1) float32
            Of each patch.
        side : p floats
            One side of the separable weights of the offsets.
        total, weights : (C, N, H, W) and (N, H, W) float32
            Weighted sums and sums of weights; views of any strides.
        """

    def lower_least(self, request: MeanRequest, *, threads: int, tick: Tick) -> Any:
        """Lower `least` of a request to the smallest sums, in place, and return what was reached.

        Only sums below `limit`, which is above `least`, are looked for. What is returned tells
        where they are: for `add_weights` and `add_values` of a request with the same images, and
        limits that are not above. Engines without diffusion have none of these three.
        """

    def add_weights(
        self,
        request: MeanRequest,
        reached: Any,
        total: Array,
        index: Array,
        *,
        threads: int,
        tick: Tick,
    ) -> None:
        """Add the weights of all key patches to `total`, key by key in order.

        Parameters
        ----------
        request : MeanRequest
        reached
            What `lower_least` returned.
        total, index : (HQ-p+1, WQ-p+1) float32 and int32
            `index` becomes that of the first key whose sum is `least`, where it is -1.
        """

    def add_values(
        self,
        request: MeanRequest,
        reached: Any,
        factor: Array,
        value: Array,
        window: Array,
        out: Array,
        *,
        threads: int,
        tick: Tick,
    ) -> None:
        """Add value patches times weights, factors and window to the pixels that they cover.

        Pixel by pixel in the order of the displacements between query and key, by rows, then by
        columns: the value at that displacement times the convolution of the weights (times
        `factor` of their query) with `window` along rows, then columns, each summed from the first
        offset in the patch on.

        Parameters
        ----------
        request, reached
            As in `add_weights`.
        factor : (HQ-p+1, WQ-p+1) float32
        value : (CV, HK, WK) float32
            Finite.
        window : (p,) float32
            One side of the separable weights of offsets in the patch.
        out : (CV, HQ, WQ) float32
        """

    def update_lists(self, request: ListRequest, *, threads: int, tick: Tick) -> None:
        """Run a pass that keeps several keys; see `ListRequest`.

        `tick` is called now and then with the number of query patches done. Engines without
        approximate diffusion have neither this nor `add_listed_values`.
        """

    def add_listed_values(
        self,
        index: Array,
        weight: Array,
        value: Array,
        window: Array,
        out: Array,
        *,
        threads: int,
    ) -> None:
        """Add the weighted sum of the listed value patches to the pixels that each query covers.

        Pixel by pixel in the order of the query patches, by rows, then columns: the product of the
        two window values of the offset, times the sum of weight times value in list order.

        Parameters
        ----------
        index : (HQ-p+1, WQ-p+1, length) int32
            Flat indices ``row * WV + column`` of value patches; -1, with weight 0, for none.
        weight : (HQ-p+1, WQ-p+1, length) float32
        value : (CV, HV, WV) float32
            Finite.
        window : (p,) float32
            One side of the separable weights of offsets in the patch.
        out : (CV, HQ, WQ) float32
        """
