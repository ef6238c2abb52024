"""The CUDA kernels without a GPU: on the host against the oracle, and through NVIDIA's compiler."""

import os
import re
import subprocess
import sys

import host_cuda
import naive
import numpy as np
import pytest

from pnncupy.kernels import reference
from pnncupy.kernels.cupy_raw import sources
from pnncupy.kernels.protocol import PassRequest, SearchRequest

pytestmark = pytest.mark.process

needs_compiler = pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
# A missing array.
NOTHING = np.uint64(0)
EMPTY = np.uint64(0x7F800000) << np.uint64(32)


def integers(random, shape):
    """Pixels whose squared differences are summed without rounding, with many ties."""
    return random.integers(0, 4, shape).astype(np.float32)


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


SIZES = [
    (7, 3, (9, 20), (8, 23)),
    (7, 1, (7, 7), (7, 7)),
    (7, 4, (8, 7), (13, 31)),
    (2, 1, (5, 21), (4, 40)),
    (3, 2, (13, 4), (6, 7)),
    (4, 5, (6, 9), (7, 5)),
    (5, 3, (5, 37), (19, 5)),
    (6, 1, (8, 8), (6, 11)),
    (8, 1, (9, 10), (11, 9)),
    (9, 2, (10, 17), (9, 9)),
    (11, 1, (12, 13), (13, 12)),
    (15, 1, (16, 15), (15, 18)),
    (16, 1, (17, 16), (16, 16)),
    (23, 2, (23, 24), (24, 23)),
    (31, 1, (32, 31), (31, 33)),
    (2, 64, (4, 5), (3, 6)),
    (7, 20, (7, 8), (8, 9)),
]


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("p", "channels", "query_shape", "key_shape"), SIZES)
def test_search_equals_the_oracle(p, channels, query_shape, key_shape, backwards, random):
    query = integers(random, (channels, *query_shape))
    key = integers(random, (channels, *key_shape))
    score, number = search_on_host(query, key, p, backwards=backwards)
    index, expected = naive.nearest(query, [key], p)
    np.testing.assert_allclose(score / (p * p * channels), expected, rtol=1e-6)
    np.testing.assert_array_equal(number, index[..., 1] * key.shape[2] + index[..., 2])


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "cut", [{}, {"band": (5, 17), "chunk_rows": 5, "slices": 3}, {"chunk_rows": 1}]
)
def test_search_has_the_bits_of_the_other_engines(cut, backwards, random):
    query = random.random((3, 24, 31), np.float32)
    key = random.random((3, 19, 80), np.float32)
    key[:, 3, 70] = np.inf
    weight = random.random((13, 74)).astype(np.float32)
    for weights in (None, weight):
        found = search_on_host(query, key, 7, weights, backwards=backwards, **cut)
        rows = slice(*cut.get("band", (None,)))
        for mine, expected in zip(found, plain_search(query, key, 7, weights), strict=True):
            np.testing.assert_array_equal(mine, expected[rows])


@needs_compiler
def test_search_of_active_queries_only(random):
    query, key = integers(random, (2, 20, 40)), integers(random, (2, 9, 30))
    active = random.random((17, 37)) > 0.7
    active[:, :16] = False
    strip = sources.strip_width(4)
    strips = -(-37 // strip)
    busy = np.zeros((4, strips), bool)
    for y, x in np.argwhere(active):
        busy[y // 5, x // strip] = True
    assert not busy.all()
    found = search_on_host(query, key, 4, None, active, busy, chunk_rows=5)
    for mine, expected in zip(found, plain_search(query, key, 4, None, active), strict=True):
        np.testing.assert_array_equal(mine, expected)


@needs_compiler
def test_what_was_found_before_stays_unless_it_is_beaten(random):
    query, key = integers(random, (1, 10, 12)), integers(random, (1, 11, 9))
    score, number = plain_search(query, key, 3)
    best = (score.view(np.uint32).astype(np.uint64) << np.uint64(32)) | np.uint64(1)
    # The same scores by key 0: none is better, and equal ones have higher numbers.
    again, kept = search_on_host(query, key, 3, best=best.copy(), first_index=5)
    np.testing.assert_array_equal(again, score)
    assert (kept == 0).all()
    # A limit without a key, just above: the first key that is below is found.
    above = np.nextafter(score, np.float32(np.inf))
    limit = above.view(np.uint32).astype(np.uint64) << np.uint64(32)
    np.testing.assert_array_equal(search_on_host(query, key, 3, best=limit)[1], number)
    exact = score.view(np.uint32).astype(np.uint64) << np.uint64(32)
    assert (search_on_host(query, key, 3, best=exact)[1] == -1).all()


def plain_image(image):
    """Kernel arguments for an image, which is one slice deep, or a volume."""
    *depth, height, width = image.shape[1:]
    return image, *map(np.int32, (*(depth or [1]), height, width))


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


@needs_compiler
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(
    ("p", "channels"), [(7, 3), (2, 1), (3, 64), (5, 4), (8, 2), (15, 1), (31, 1)]
)
def test_approximate_passes_have_the_bits_of_the_oracle(p, channels, normalised, backwards, random):
    query = integers(random, (channels, p + 4, p + 36))
    key = integers(random, (channels, p + 2, p + 5))
    start = random.integers(0, 3, (5, 37)) * key.shape[2] + random.integers(3, 6, (5, 37))
    start = start.astype(np.int32)
    bound = None
    if normalised:
        bound = (random.random((3, 6)) * p * p * channels).astype(np.float32)
    active = random.random((5, 37)) > 0.2
    for options in (
        {"step": 2, "radius": 0, "draws": 0, "stream": 1},
        {"step": 1, "radius": p + 5, "draws": 2, "stream": 4_000_000_000},
    ):
        results = [
            approximate_pass(engine, query, key, p, start, bound, mask, options, backwards)
            for engine, mask in ((None, active), (reference, active))
        ]
        for mine, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(mine, expected)


@needs_compiler
def test_scattered_minima_have_the_bits_of_the_other_engines(random):
    words = random.integers(0, 100, 40).astype(np.uint64) << np.uint64(40)
    places = random.integers(0, 40, 99).astype(np.int32)
    values = random.integers(0, 100, 99).astype(np.uint64) << np.uint64(40)
    expected = words.copy()
    reference.scatter_minimum(expected, places, values)
    options = sources.patchmatch_options(2, 1, False)
    launch = host_cuda.build(sources.text("patchmatch.cu"), "scatter_minimum", options)
    launch((4, 1, 1), 32, (words, places, values, np.int64(99)))
    np.testing.assert_array_equal(words, expected)


def vote_on_host(value, index, p, how, backwards=False, active=None):
    channels = value.shape[0]
    height, width = (side + p - 1 for side in index.shape)
    out = np.full((channels, height, width), np.nan, np.float32)
    given = (*plain_image(value), index, *plain_image(out)[1:],
             NOTHING if active is None else active)  # fmt: skip
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


@needs_compiler
@pytest.mark.parametrize("how", ["weighted_mean", "mean", "median", "trimmed_mean"])
@pytest.mark.parametrize(("p", "channels"), [(7, 3), (2, 1), (5, 4), (15, 1), (3, 64)])
def test_vote_equals_the_oracle(p, channels, how, random):
    value = random.random((channels, p + 6, p + 11), np.float32)
    places = np.stack(
        [np.zeros((5, 9)), *(random.integers(0, n, (5, 9)) for n in (7, 12))], axis=-1
    ).astype(int)
    index = (places[..., 1] * value.shape[2] + places[..., 2]).astype(np.int32)
    expected = naive.vote([value], places, p, how)
    found = vote_on_host(value, index, p, how)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found, vote_on_host(value, index, p, how, backwards=True))
    same = np.empty_like(found)
    weight = [1.0] * p if how == "mean" else None
    if how != "weighted_mean":
        reference.vote(value, index, p, how, weight, same, active=None, threads=1)
        np.testing.assert_array_equal(found, same)
    pixels = random.random(found.shape[1:]) > 0.5
    some = vote_on_host(value, index, p, how, active=pixels)
    np.testing.assert_array_equal(some[:, pixels], found[:, pixels])
    assert np.isnan(some[:, ~pixels]).all()


@needs_compiler
@pytest.mark.skipif(host_cuda.SANITIZE, reason="this is the sanitized run")
@pytest.mark.exhaustive
def test_no_access_out_of_bounds_and_nothing_undefined():
    library = subprocess.run(
        [host_cuda.COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    # Two halves at the same time.
    halves = ("oracle", "(bits or active or stays) and not oracle")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__,
             "-k", half],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PNNCUPY_SANITIZE": "1", "LD_PRELOAD": library,
                 "ASAN_OPTIONS": "detect_leaks=0"},
        )
        for half in halves
    ]  # fmt: skip
    for run in runs:
        output, _ = run.communicate()
        assert run.returncode == 0, output[-6000:]
        assert re.search(r"\d+ passed", output)


# The oldest and the newest, and those between.
ENDS, BETWEEN = (70, 120), (75, 80, 86, 89, 90, 100)
# Lines of the compiler's log that are no warnings.
REPORT = re.compile(
    r"^ptxas info|^ptxas +\. +\d+ bytes stack frame|^\s*$"
    r"|^nvrtc: warning: Architectures prior to '<compute/sm>_75' are deprecated"
)


def compile_for(architecture, file, options):
    """Machine code for one architecture by NVRTC; returns the compiler's log."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    flags = [*options, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v"]
    _, program = nvrtc.nvrtcCreateProgram(sources.text(file).encode(), file.encode(), 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(flags), [flag.encode() for flag in flags])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    return log.decode().rstrip("\0 ")


# The largest of all takes some seconds to compile, so only for the oldest and the newest.
LARGEST = ("nearest.cu", sources.nearest_options(15, 64, True))
COMPILED = [
    ("nearest.cu", sources.nearest_options(7, 3, False)),
    ("nearest.cu", sources.nearest_options(7, 3, True)),
    ("nearest.cu", sources.nearest_options(5, 1, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, False)),
    ("patchmatch.cu", sources.patchmatch_options(7, 3, True)),
    ("patchmatch.cu", sources.patchmatch_options(15, 64, True)),
    ("vote.cu", sources.vote_options(7, 3)),
    ("vote.cu", sources.vote_options(15, 64)),
]


@pytest.mark.parametrize(
    ("file", "options", "architecture"),
    [(*case, architecture) for case in COMPILED for architecture in ENDS]
    + [
        pytest.param(*case, architecture, marks=pytest.mark.exhaustive)
        for case in COMPILED
        for architecture in BETWEEN
    ]
    + [pytest.param(*LARGEST, each, marks=pytest.mark.exhaustive) for each in ENDS],
)
def test_every_kernel_compiles_without_a_warning(file, options, architecture):
    log = compile_for(architecture, file, options)
    unexpected = [line for line in log.splitlines() if not REPORT.search(line)]
    assert not unexpected, "\n".join(unexpected)
    assert "registers" in log
    # The median sorts in a local array; the common searches have all of their sums in registers.
    if file == "nearest.cu" and "-DPX=15" not in options:
        assert log.count("bytes stack frame") == 3
        assert log.count(" 0 bytes stack frame, 0 bytes spill stores") == 3
