"""Engine `cupy`: exact search and vote on a GPU, in CUDA kernels that CuPy compiles."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.launch import (
    compilation_seconds,
    image,
    kernel,
    numbers,
    pointer,
    run_flat,
)
from pnncupy.kernels.cupy_raw.nearest import update_nearest
from pnncupy.kernels.cupy_raw.sources import (
    THREADS,
    check_patch,
    patchmatch_options,
    vote_options,
)
from pnncupy.kernels.cupy_raw.steps import step_search
from pnncupy.kernels.cupy_raw.weighted_mean import add_values, add_weights, lower_least
from pnncupy.kernels.protocol import Array, PassRequest, Tick
from pnncupy.kernels.slabs import lifted_pass, weight_table
from pnncupy.kernels.slice_votes import add_slice_votes
from pnncupy.patch_shape import PatchSize, patch_sides

__all__ = [
    "LEAST_PAIRS_FOR_LISTS",
    "QUERIES_PER_SEARCH",
    "STEPS_ON_DEVICE",
    "SUPPORTS_TOP_K",
    "TREE_AXES",
    "add_slice_votes",
    "add_values",
    "add_weights",
    "compilation_seconds",
    "lower_least",
    "pair_sums",
    "patchmatch_pass",
    "scatter_minimum",
    "step_search",
    "update_nearest",
    "vote",
    "vote_step",
]

SUPPORTS_TOP_K = True
# Fewer are compared in less time than the host needs to direct the proofs.
LEAST_PAIRS_FOR_LISTS = 1e9
TREE_AXES = ()
STEPS_ON_DEVICE = True
# A device holds some hundred thousand threads, and the coarse levels of an image have few patches.
QUERIES_PER_SEARCH = 1 << 20

_VOTE_THREADS = 128


def pair_sums(
    query: Array,
    key: Array,
    patch_size: PatchSize,
    query_number: Array,
    key_number: Array,
    out: Array,
    *,
    threads: int,
) -> None:
    """Evaluate one pair a thread; see `protocol.Engine.pair_sums`."""
    check_patch(patch_size)
    options = patchmatch_options(patch_sides(patch_size, query.ndim - 1), len(query), False)
    run_flat(
        "patchmatch.cu", "pair_sums", options,
        (*image(query), *image(key), cupy.ascontiguousarray(query_number),
         cupy.ascontiguousarray(key_number), out), out.size,
    )  # fmt: skip


def patchmatch_pass(request: PassRequest, *, threads: int, tick: Tick) -> None:
    """Work for one query patch a thread; see `protocol.Engine.patchmatch_pass`."""
    check_patch(request.patch_size)
    request = lifted_pass(request)
    *lines, columns = request.index.shape
    options = patchmatch_options(request.sides, len(request.query), request.bound is not None)
    kernel("patchmatch.cu", "patchmatch_pass", options)(
        (math.prod(lines) * -(-columns // THREADS), 1, 1), (THREADS, 1, 1),
        (*image(request.query), *image(request.key), request.usable, request.index,
         request.sums, request.out_index, request.out_sums,
         *numbers((request.step, request.radius, request.draws)), np.int64(request.stream),
         pointer(request.bound), request.mean_factor, np.float32(request.alpha),
         pointer(request.key_words), pointer(request.active)),
    )  # fmt: skip
    tick(request.index.size)


def scatter_minimum(words: Array, places: Array, values: Array) -> None:
    """Lower one word a thread; see `protocol.Engine.scatter_minimum`."""
    options = patchmatch_options(2, 1, False)
    run_flat("patchmatch.cu", "scatter_minimum", options, (words, places, values), places.size)


def vote(
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
    """Gather pixel by pixel; see `protocol.Engine.vote`."""
    _vote(value, index[None], patch_size, reduction, weight, out[None], active, None)


def vote_step(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    last: tuple[Array, Array] | None,
) -> Array:
    """Gather pixel by pixel of all images; see `protocol.Engine.vote_step`."""
    sides = patch_sides(patch_size, index.ndim - 1)
    shape = (count + side - 1 for count, side in zip(index.shape[1:], sides, strict=True))
    out = cupy.empty((len(index), len(value), *shape), np.float32)
    _vote(value, index, patch_size, reduction, weight, out, None, last)
    return out


def _vote(
    value: Array,
    index: Array,
    patch_size: PatchSize,
    reduction: str,
    weight: Sequence[float] | Sequence[Sequence[float]] | None,
    out: Array,
    active: Array | None,
    last: tuple[Array, Array] | None,
) -> None:
    """Vote for a batch of images (B, C, ...) by one launch; see `protocol.Engine.vote_step`."""
    count, channels, *lines, width = out.shape
    sides = patch_sides(patch_size, index.ndim - 1)
    given = (
        *image(value), index, *image(out[0])[1:], pointer(active),
        *map(pointer, last or (None, None)),
    )  # fmt: skip
    options = vote_options(sides, channels)
    blocks = math.prod(lines) * -(-width // _VOTE_THREADS)
    if reduction != "mean":
        trimmed = np.int32(reduction == "trimmed_mean")
        kernel("vote.cu", "vote_ranked", options)(
            (blocks, count * channels, 1), (_VOTE_THREADS, 1, 1), (*given, trimmed, out)
        )
        return
    assert weight is not None
    each = tuple(each if isinstance(each, float) else tuple(each) for each in weight)
    table = _weights(cupy.cuda.Device().id, cupy.cuda.get_current_stream().ptr, each, sides)
    kernel("vote.cu", "vote_mean", options)(
        (blocks, count, 1), (_VOTE_THREADS, 1, 1), (*given, table, out)
    )


@lru_cache(maxsize=16)
def _weights(device: int, stream: int, weight: Any, sides: tuple[int, ...]) -> Array:
    """Weights of all pixels of a patch, on a device; another stream might read them too early."""
    return cupy.asarray(weight_table(weight, sides))
