"""Launches of the CUDA kernels on the host, with the arguments that an engine would give."""

import host_cuda
import numpy as np

from pnncupy.kernels import reference
from pnncupy.kernels.cupy_raw import sources
from pnncupy.kernels.protocol import PassRequest, SearchRequest

# A missing array.
NOTHING = np.uint64(0)
EMPTY = np.uint64(0x7F800000) << np.uint64(32)


def search_on_host(
    query, key, p, weight=None, active=None, busy=None, best=None, *, first_index=0, band=None,
    chunk_rows=64, slices=1, backwards=False,
):  # fmt: skip
    """Launch `update_nearest` as an engine would; returns scores and key numbers."""
    channels, height, width = query.shape
    columns = width - p + 1
    first_row, end_row = band or (0, height - p + 1)
    key_rows, key_columns = key.shape[1] - p + 1, key.shape[2] - p + 1
    options = sources.nearest_options(p, channels, weight is not None)
    launch = host_cuda.build(sources.text("nearest.cu"), "update_nearest", options)
    strip = sources.strip_width(p)
    strips = -(-columns // strip)
    blocks = strips * -(-(key_columns + strip - 1) // sources.THREADS)
    rows = end_row - first_row
    best = np.full((rows, columns), EMPTY) if best is None else best
    number = np.int32
    for first_block in range(0, blocks, -(-blocks // slices)):
        count = min(-(-blocks // slices), blocks - first_block)
        launch(
            (count, -(-rows // chunk_rows), end_row + key_rows - 1), sources.THREADS,
            (query, number(height), number(width), key, number(key.shape[1]), number(key.shape[2]),
             *(NOTHING if array is None else array for array in (weight, active, busy)), best,
             number(first_index), number(key.shape[2]), number(1 - end_row), number(first_row),
             number(end_row), number(chunk_rows), number(strips), number(first_block)),
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


def plain_image(image):
    return image, np.int32(image.shape[1]), np.int32(image.shape[2])


def approximate_pass(engine, query, key, p, start, bound, active, options, backwards=False):
    """A pass of PatchMatch by an engine, or where that is None by the CUDA kernels on the host."""
    channels = len(query)
    usable = np.ones(tuple(side - p + 1 for side in key.shape[1:]), bool)
    usable[1, 2] = False
    index, sums = start.copy(), np.full(start.shape, np.nan, np.float32)
    places = np.arange(query[0].size, dtype=np.int32).reshape(query.shape[1:])
    places = np.ascontiguousarray(places[: len(index), : index.shape[1]])
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
        (-(-index.shape[1] // 32) * len(index), 1, 1), 32,
        (*images, usable, index, sums, out, out_sums, np.int32(options["step"]),
         np.int32(options["radius"]), np.int32(options["draws"]), np.int64(options["stream"]),
         NOTHING if bound is None else bound, np.float32(1 / (p * p * channels)), np.float32(0.01),
         NOTHING if words is None else words, NOTHING if active is None else active),
        backwards,
    )  # fmt: skip
    return sums, out, out_sums, words


def vote_on_host(value, index, p, how, backwards=False, active=None):
    channels = value.shape[0]
    height, width = (side + p - 1 for side in index.shape)
    out = np.full((channels, height, width), np.nan, np.float32)
    sizes = (np.int32(value.shape[1]), np.int32(value.shape[2]), index, np.int32(height),
             np.int32(width), NOTHING if active is None else active)  # fmt: skip
    options = sources.vote_options(p, channels)
    if how in ("median", "trimmed_mean"):
        launch = host_cuda.build(sources.text("vote.cu"), "vote_ranked", options)
        trimmed = np.int32(how == "trimmed_mean")
        grid = (-(-width // 32) * height, channels, 1)
        launch(grid, 32, (value, *sizes, trimmed, out), backwards)
        return out
    side = np.ones(p, np.float32)
    if how == "weighted_mean":
        side = np.exp(-(np.linspace(-1, 1, p) ** 2) / (2 * 1.7**2)).astype(np.float32)
    table = side[:, None] * side[None, :]
    launch = host_cuda.build(sources.text("vote.cu"), "vote_mean", options)
    launch((-(-width // 32) * height, 1, 1), 32, (value, *sizes, table, out), backwards)
    return out
