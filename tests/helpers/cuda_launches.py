"""Launches of the CUDA kernels on the host, as an engine would make them; see host_cuda.py."""

import math

import host_cuda
import numpy as np

from pnncupy.kernels import reference
from pnncupy.kernels.cupy_raw import sources
from pnncupy.kernels.match_words import unpack
from pnncupy.kernels.protocol import PassRequest, SearchRequest
from pnncupy.kernels.slabs import interleaved

# A missing array.
NOTHING = np.uint64(0)
EMPTY = np.uint64(0x7F800000) << np.uint64(32)


def plain_image(image):
    """Kernel arguments for an image, which is one slice deep, or a volume."""
    *depth, height, width = image.shape[1:]
    return image, *map(np.int32, (*(depth or [1]), height, width))


def bordered(key, tiling):
    rows, columns = tiling.border
    return np.pad(key, ((0, 0), (rows, rows), (columns, columns)), constant_values=np.inf)


def search_on_host(
    query, key, p, weight=None, active=None, busy=None, best=None, *, first_index=0, band=None,
    chunk_columns=512, slices=1, backwards=False,
):  # fmt: skip
    """Launch `update_nearest` as an engine would; returns scores and key numbers."""
    channels, height, width = query.shape
    columns = width - p + 1
    first_row, end_row = band or (0, height - p + 1)
    key_rows, key_columns = key.shape[1] - p + 1, key.shape[2] - p + 1
    options = sources.nearest_options(p, channels, weight is not None)
    tiling = sources.nearest_tiling(p, channels, weight is not None)
    launch = host_cuda.build(sources.text("nearest.cu"), "update_nearest", options)
    rows = end_row - first_row
    strips = -(-rows // tiling.strip)
    blocks = strips * -(-(columns + key_columns - 1) // sources.THREADS)
    best = np.full((rows, columns), EMPTY) if best is None else best
    number = np.int32
    for first_block in range(0, blocks, -(-blocks // slices)):
        count = min(-(-blocks // slices), blocks - first_block)
        launch(
            (count, -(-columns // chunk_columns), end_row - first_row + key_rows - 1),
            sources.THREADS,
            (query, number(height), number(width), bordered(key, tiling), number(key.shape[1]),
             number(key.shape[2]),
             *(NOTHING if array is None else array for array in (weight, active, busy)), best,
             NOTHING, number(first_index), number(key.shape[2]), number(0), number(1 - end_row),
             number(first_row), number(end_row), number(chunk_columns), number(strips),
             number(first_block)),
            backwards,
        )  # fmt: skip
    score = (best >> np.uint64(32)).astype(np.uint32).view(np.float32)
    return score, (best & np.uint64(0xFFFFFFFF)).astype(np.int64) - 1


def plain_search(query, key, p, weight=None, active=None):
    """The search of engine `numpy`; returns scores and key numbers."""
    shape = (query.shape[1] - p + 1, query.shape[2] - p + 1, 1)
    score, index = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
    reference.update_nearest(
        SearchRequest(
            query, key, p, weight, score, index, first_index=0, index_stride=key.shape[2],
            active=active,
        ),
        threads=1, tick=lambda pairs: None,
    )  # fmt: skip
    return score[..., 0], index[..., 0]


def search_volume_on_host(query, key, sides, weight, active, backwards):
    """Launch `update_nearest` for each slab of the key; returns scores and key numbers."""
    channels, counts = len(query), active.shape
    options = sources.nearest_options(sides, channels, True)
    tiling = sources.nearest_tiling(sides, channels, True)
    launch = host_cuda.build(sources.text("nearest.cu"), "update_nearest", options)
    strips, chunks = -(-counts[1] // tiling.strip), -(-counts[2] // 5)
    blocks = strips * -(-(counts[2] + weight.shape[2] - 1) // sources.THREADS)
    planes, keys = (np.ascontiguousarray(interleaved(volume)) for volume in (query, key))
    keys = bordered(keys, tiling)
    best = np.full(counts, EMPTY)
    for z in range(len(weight)):
        slab = keys[z * channels : (z + sides[0]) * channels]
        numbers = (z * key[0, 0].size, key.shape[3], 0, 1 - counts[1], 0, counts[1], 5, strips, 0)
        launch(
            (blocks, counts[0] * chunks, counts[1] + weight.shape[1] - 1), sources.THREADS,
            (planes, *map(np.int32, query.shape[2:]), slab, *map(np.int32, key.shape[2:]),
             weight[z], active, NOTHING, best, NOTHING, *map(np.int32, numbers)),
            backwards,
        )  # fmt: skip
    return unpack(best - np.uint64(1))


def approximate_pass(engine, query, key, p, start, bound, active, options, backwards=False):
    """A pass of PatchMatch by an engine, or where that is None by the CUDA kernels on the host."""
    channels = len(query)
    sides = (p,) * (key.ndim - 1) if isinstance(p, int) else p
    usable = np.ones(
        tuple(pixels - side + 1 for pixels, side in zip(key.shape[1:], sides, strict=True)), bool
    )
    usable[..., 1, 1] = False
    index, sums = start.copy(), np.full(start.shape, np.nan, np.float32)
    places = np.arange(query[0].size, dtype=np.int32).reshape(query.shape[1:])
    places = np.ascontiguousarray(places[tuple(map(slice, index.shape))])
    words = None
    if bound is not None:
        words = bound.view(np.uint32).astype(np.uint64) << np.uint64(32) | np.uint64(7)
    out, out_sums = np.empty_like(index), np.empty_like(sums)
    if engine is not None:
        engine.pair_sums(query, key, p, places.ravel(), index.ravel(), sums.reshape(-1), threads=1)
        engine.patchmatch_pass(
            PassRequest(
                query, key, p, usable, index, sums, out, out_sums, bound=bound, alpha=0.01,
                key_words=words, active=active, **options,
            ),
            threads=1, tick=lambda patches: None,
        )  # fmt: skip
        return sums, out, out_sums, words
    code = sources.text("patchmatch.cu")
    compiled = sources.patchmatch_options(p, channels, bound is not None)
    images = (*plain_image(query), *plain_image(key))
    launch = host_cuda.build(code, "pair_sums", compiled)
    launch((-(-index.size // 32), 1, 1), 32,
           (*images, places, index, sums, np.int64(index.size)), backwards)  # fmt: skip
    launch = host_cuda.build(code, "patchmatch_pass", compiled)
    launch(
        (-(-index.shape[-1] // 32) * math.prod(index.shape[:-1]), 1, 1), 32,
        (*images, usable, index, sums, out, out_sums, np.int32(options["step"]),
         np.int32(options["radius"]), np.int32(options["draws"]), np.int64(options["stream"]),
         NOTHING if bound is None else bound, np.float32(1 / (math.prod(sides) * channels)),
         np.float32(0.01),
         NOTHING if words is None else words, NOTHING if active is None else active),
        backwards,
    )  # fmt: skip
    return sums, out, out_sums, words


def vote_on_host(value, index, p, how, backwards=False, active=None, last=(NOTHING, NOTHING)):
    channels = value.shape[0]
    height, width = (side + p - 1 for side in index.shape)
    out = np.full((channels, height, width), np.nan, np.float32)
    given = (*plain_image(value), index, *plain_image(out)[1:],
             NOTHING if active is None else active, *last)  # fmt: skip
    options = sources.vote_options(p, channels)
    if how in ("median", "trimmed_mean"):
        launch = host_cuda.build(sources.text("vote.cu"), "vote_ranked", options)
        trimmed = np.int32(how == "trimmed_mean")
        grid = (-(-width // 32) * height, channels, 1)
        launch(grid, 32, (*given, trimmed, out), backwards)
        return out
    side = np.ones(p, np.float32)
    if how == "weighted_mean":
        side = np.exp(-(np.linspace(-1, 1, p) ** 2) / (2 * 1.7**2)).astype(np.float32)
    table = side[:, None] * side[None, :]
    launch = host_cuda.build(sources.text("vote.cu"), "vote_mean", options)
    launch((-(-width // 32) * height, 1, 1), 32, (*given, table, out), backwards)
    return out
