"""One big exact search over workers: blocks of queries against blocks of keys.

The search is global, so no block can do without the others; but both of its reductions, the
smallest distance of a key over all queries and the best key of a query over all keys, may be taken
in any order. So the result has the same bits with any plan of blocks and any number of workers.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib import import_module
from itertools import pairwise, product
from threading import Lock
from typing import Any, cast

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine import registry
from pnncupy.engine.interface import Engine, SearchRequest, Tick, refuse_lists
from pnncupy.parallel.executors import check_versions, checked, completed, is_client, worker_count
from pnncupy.parallel.threads import thread_count
from pnncupy.patch_shape import PatchSize
from pnncupy.search.pruned_search import PairSearch

# Most pairs in one block: some seconds' work, which is lost where a worker dies.
_MOST_PAIRS = 2e10
# Most bytes of the images of one block.
_MOST_BYTES = 64 * 2**20
# Images of fewer pixels are not worth the way of their sources to the workers.
_FEWEST_PIXELS = 4_000_000
# Searches of fewer pairs are not worth the way to the workers and back.
_FEWEST_PAIRS = 2e8
# The trees of the last blocks of keys that a worker has searched, by content.
_MOST_TREES = 2
_TREES: dict[Any, Any] = {}
_TREES_LOCK = Lock()


Range = tuple[int, int]


@dataclass(frozen=True)
class BlockEngine:
    """An engine that lets workers search, and does the rest itself.

    Attributes
    ----------
    name : str
        The engine that the workers use.
    local : Engine
        The engine of this process, for small images.
    executor : concurrent.futures.Executor or distributed.Client
    """

    name: str
    local: Engine
    executor: Any

    SUPPORTS_TOP_K = False
    LEAST_PAIRS_FOR_LISTS = 0
    TREE_AXES: tuple[int, ...] = ()
    STEPS_ON_DEVICE = False
    QUERIES_PER_SEARCH = 1

    def update_nearest(self, request: SearchRequest, *, threads: int, tick: Tick) -> None:
        """Search block by block; see `protocol.Engine.update_nearest`."""
        refuse_lists(request)
        # Of volumes slices are divided, as rows are of images.
        (rows, *rest), (key_rows, *key_rest) = request.shape, request.key_shape
        columns, key_columns = math.prod(rest), math.prod(key_rest)
        if rows * columns * key_rows * key_columns < _FEWEST_PAIRS:
            self.local.update_nearest(request, threads=threads, tick=tick)
            return
        workers = worker_count(self.executor)
        row_bytes = 4 * max(image[:, 0].size for image in (request.query, request.key))
        plan = list(block_plan((rows, columns), (key_rows, key_columns), row_bytes, workers))
        calls = (
            (number, (self.name, block, self._threads_of_worker()))
            for number, (queries, keys) in enumerate(plan)
            if (block := _block_of(request, queries, keys)) is not None
        )
        # Closed at once where `tick` raises, which cancels the blocks that wait.
        with closing(completed(self.executor, search_block, calls, 2 * workers)) as results:
            for number, found in results:
                if isinstance(found, BaseException):
                    raise found
                (top, bottom), (first, end) = plan[number]
                lists = request.score[top:bottom, ..., 0], request.index[top:bottom, ..., 0]
                _reduce(*lists, *found)
                tick((bottom - top) * columns * (end - first) * key_columns)

    def _threads_of_worker(self) -> int:
        if is_client(self.executor):
            return 1
        cores = thread_count(None)
        share = max(1, cores // worker_count(self.executor))
        return int(getattr(self.executor, "threads", share))

    def pair_sums(self, *arguments: Any, **options: Any) -> None:
        """See `protocol.Engine.pair_sums`."""
        self.local.pair_sums(*arguments, **options)

    def patchmatch_pass(self, *arguments: Any, **options: Any) -> None:
        """See `protocol.Engine.patchmatch_pass`."""
        self.local.patchmatch_pass(*arguments, **options)

    def scatter_minimum(self, *arguments: Any) -> None:
        """See `protocol.Engine.scatter_minimum`."""
        self.local.scatter_minimum(*arguments)

    def add_slice_votes(self, *arguments: Any, **options: Any) -> None:
        """See `protocol.Engine.add_slice_votes`."""
        self.local.add_slice_votes(*arguments, **options)

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
        """Vote band by band of the output; see `protocol.Engine.vote`."""
        height = out.shape[1]
        if out[0].size < _FEWEST_PIXELS or not isinstance(patch_size, int):
            self.local.vote(
                value, index, patch_size, reduction, weight, out, active=active,
                threads=threads,
            )  # fmt: skip
            return
        bands = _ranges(height, min(height, worker_count(self.executor)))

        def calls() -> Iterator[tuple[int, tuple[Any, ...]]]:
            for number, (top, bottom) in enumerate(bands):
                # All patches that cover a pixel of the band.
                first = max(0, top - patch_size + 1)
                rows = slice(first, min(bottom, len(index)))
                pixels = slice(first, rows.stop + patch_size - 1)
                asked = None if active is None else active[pixels]
                if asked is None or asked.any():
                    yield number, (
                        self.name, value, index[rows], patch_size, reduction, weight,
                        out[:, pixels],
                        (top - first, bottom - first), asked, self._threads_of_worker(),
                    )  # fmt: skip

        with closing(completed(self.executor, vote_band, calls(), len(bands))) as results:
            for number, found in results:
                if isinstance(found, BaseException):
                    raise found
                top, bottom = bands[number]
                out[:, top:bottom] = found


def block_plan(
    shape: tuple[int, int], key_shape: tuple[int, int], row_bytes: int, workers: int
) -> Iterator[tuple[Range, Range]]:
    """Blocks as pairs of ranges: of query rows, and of key rows.

    As many as there are workers, or more where they would be too much for one. Queries are divided
    first: every block begins with rows of incomplete sums, and few tall ones have least of these.
    """
    (rows, columns), (key_rows, key_columns) = shape, key_shape
    pairs = rows * columns * key_rows * key_columns
    count = max(workers, math.ceil(pairs / _MOST_PAIRS))
    query_blocks = min(rows, max(count, math.ceil(rows * row_bytes / _MOST_BYTES)))
    key_blocks = min(key_rows, max(1, math.ceil(key_rows * row_bytes / _MOST_BYTES)))
    yield from product(_ranges(rows, query_blocks), _ranges(key_rows, key_blocks))


def _ranges(size: int, count: int) -> list[Range]:
    return list(pairwise(size * k // count for k in range(count + 1)))


def _block_of(request: SearchRequest, queries: Range, keys: Range) -> SearchRequest | None:
    """The search of some query rows among some key rows, None where no query is active.

    It holds copies: sent with the call and not scattered, as what a dead worker held would be lost.
    Of scores and indices too: those of the request change while the block waits, one after another.
    """
    (top, bottom), (first, end) = queries, keys
    active = None if request.active is None else request.active[top:bottom]
    if active is not None and not active.any():
        return None
    margin = request.sides[0] - 1
    stride = request.index_stride
    if request.key.ndim > 3:
        stride = request.slice_stride or request.key.shape[2] * stride
    return replace(
        request,
        query=np.ascontiguousarray(request.query[:, top : bottom + margin]),
        key=np.ascontiguousarray(request.key[:, first : end + margin]),
        weight=None if request.weight is None else request.weight[first:end],
        score=request.score[top:bottom].copy(),
        index=request.index[top:bottom].copy(),
        first_index=request.first_index + first * stride,
        active=active,
    )


def search_block(engine: str, request: SearchRequest, threads: int) -> tuple[Array, Array]:
    """Search one block on a worker; its scores and indices."""
    registry.check(engine)
    copies, cupy = _copies(
        engine, request.query, request.key, request.weight, request.score, request.index,
        request.active,
    )  # fmt: skip
    query, key, weight, score, index, active = copies
    search = PairSearch(
        registry.load(engine), request.patch_size, threads, lambda pairs: None, query, key,
        index_stride=request.index_stride, first_index=request.first_index, weight=weight,
        active=active, slice_stride=request.slice_stride,
    )  # fmt: skip
    search.lower(score, index, _tree_of_block(search))
    if cupy is not None:
        score, index = cupy.asnumpy(score), cupy.asnumpy(index)
    return score[..., 0], index[..., 0]


def _tree_of_block(search: PairSearch) -> Any:
    """Return the tree of a block's keys, built once per process, or None where none is tried."""
    if not search.worth_trying:
        return None
    content = blake2b(search.key, digest_size=16).digest(), search.key.shape, search.patch_size
    with _TREES_LOCK:
        if content not in _TREES:
            while len(_TREES) >= _MOST_TREES:
                _TREES.pop(next(iter(_TREES)))
            _TREES[content] = search.built(distinct=True)
        return _TREES[content]


def vote_band(
    engine: str,
    value: Array,
    index: Array,
    patch_size: int,
    reduction: str,
    weight: Any,
    out: Array,
    band: tuple[int, int],
    active: Array | None,
    threads: int,
) -> Array:
    """Vote for some rows of pixels on a worker: those of `band` in `out`."""
    registry.check(engine)
    copies, cupy = _copies(engine, value, index, out, active)
    value, index, out, active = copies
    registry.load(engine).vote(
        value, index, patch_size, reduction, weight, out, active=active, threads=threads
    )
    made = out[:, band[0] : band[1]]
    return np.ascontiguousarray(made if cupy is None else cupy.asnumpy(made))


def _copies(engine: str, *given: Array | None) -> tuple[list[Any], Any]:
    """Arrays that a worker may write to, where its engine works, and CuPy if that is a device."""
    copies = [None if array is None else np.array(array, order="C") for array in given]
    if not registry.on_device(engine):
        return copies, None
    cupy = import_module("cupy")
    return [None if array is None else cupy.asarray(array) for array in copies], cupy


def _reduce(score: Array, index: Array, new_score: Array, new_index: Array) -> None:
    """Keep the better of two matches, and of equally good ones the lower key."""
    better = (new_score < score) | ((new_score == score) & (new_index < index) & (new_index >= 0))
    np.copyto(score, new_score, where=better)
    np.copyto(index, new_index, where=better)


def pick(name: Any, array: Any, executor: Any) -> tuple[str, Engine]:
    """Name of the engine for an array and its kernels, or what lets an executor work with it."""
    if checked(executor) is None:
        return registry.pick(name, array)
    validation.choice("engine", name, registry.NAMES)
    if arrays.library("array", array) != "numpy":
        raise TypeError("with an `executor` arrays must be NumPy arrays; use `cupy.asnumpy`")
    if is_client(executor):
        check_versions(executor)
    name = registry.automatic("numpy") if name == "auto" else name
    local = "numpy" if name == "numpy" else "numba"
    registry.check(local)
    return name, cast(Engine, BlockEngine(name, registry.load(local), executor))
