"""nearest_patches and key_minimum on every engine against the oracle."""

import math

import naive
import numpy as np
import pytest
from engines import NUMPY_EXHAUSTIVE
from hypothesis import given, settings
from hypothesis import strategies as st

import pnncupy as pnn
from pnncupy.kernels import reference, tiling
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.protocol import SearchRequest

INF = math.inf


def small_integers(random, shape, levels=7):
    """Pixels whose squared differences are summed without rounding, with many ties."""
    return random.integers(0, levels, shape).astype(np.float32)


def check_against_oracle(query, keys, p, alpha, masks, engine):
    """All planar; indices must be equal where the oracle's best is clearly the best."""
    matches = pnn.nearest_patches(
        np.moveaxis(query, 0, -1),
        [np.moveaxis(key, 0, -1) for key in keys],
        patch_size=p,
        alpha=alpha,
        key_mask=masks,
        engine=engine,
        channel_axis=-1,
    )
    _, expected_score = naive.nearest(query, keys, p, alpha, masks)
    np.testing.assert_allclose(matches.score, expected_score, rtol=1e-5, atol=1e-7)
    assert matches.index.dtype == np.int32
    assert matches.score.dtype == np.float32
    for (y, x), candidates in naive.scores(query, keys, p, alpha, masks).items():
        lowest = min(candidate[0] for candidate in candidates)
        # Sums of small integers are exact; only the division of the normalised score rounds.
        slack = 0 if math.isinf(alpha) else 1e-6 * lowest
        near = [candidate[1:] for candidate in candidates if candidate[0] <= lowest + slack]
        assert tuple(matches.index[y, x]) in near
        if slack == 0:
            assert tuple(matches.index[y, x]) == near[0]


@pytest.mark.parametrize(
    ("p", "channels", "query_shape", "key_shape", "alpha"),
    [
        (7, 3, (9, 11), (8, 23), INF),
        (7, 3, (9, 8), (12, 9), 0.3),
        (7, 1, (7, 7), (7, 7), INF),
        (7, 5, (7, 12), (10, 7), 5.0),
        (2, 1, (5, 21), (4, 40), INF),
        (3, 2, (13, 4), (6, 7), 0.01),
        (4, 5, (6, 9), (7, 5), INF),
        (5, 1, (5, 19), (19, 5), 0.5),
        (6, 4, (8, 8), (6, 11), INF),
        (8, 1, (9, 10), (11, 9), 2.0),
        (9, 1, (9, 12), (12, 9), INF),
        (16, 1, (17, 16), (16, 18), INF),
    ],
)
@pytest.mark.slow
def test_nearest_equals_the_oracle(p, channels, query_shape, key_shape, alpha, engine, random):
    query = small_integers(random, (channels, *query_shape))
    key = small_integers(random, (channels, *key_shape))
    check_against_oracle(query, [key], p, alpha, None, engine)


def test_nearest_with_masks_and_several_sources(engine, random):
    query = small_integers(random, (2, 8, 9))
    keys = [small_integers(random, (2, *shape)) for shape in ((7, 13), (10, 6), (5, 5))]
    masks = [random.random(key.shape[1:]) > 0.08 for key in keys]
    masks[2][:] = False
    masks[2][1, 1] = True
    check_against_oracle(query, keys, 4, INF, masks, engine)
    check_against_oracle(query, keys, 4, 0.05, masks, engine)


def test_a_masked_pixel_excludes_exactly_the_patches_that_touch_it(engine):
    image = np.arange(12 * 15, dtype=float).reshape(12, 15)
    mask = np.ones((12, 15), bool)
    mask[5, 6] = False
    index = pnn.nearest_patches(image, image, patch_size=3, key_mask=mask, engine=engine).index
    rows, columns = np.indices(index.shape[:2])
    itself = (index[..., 0] == rows) & (index[..., 1] == columns)
    touches = (abs(rows + 1 - 5) <= 1) & (abs(columns + 1 - 6) <= 1)
    np.testing.assert_array_equal(itself, ~touches)


def test_ties_go_to_the_lowest_key(engine):
    tile = np.arange(12.0).reshape(3, 4)
    texture = np.tile(tile, (6, 9))
    index = pnn.nearest_patches(texture, texture, patch_size=5, engine=engine).index
    rows, columns = np.indices(index.shape[:2])
    np.testing.assert_array_equal(index[..., 0], rows % 3)
    np.testing.assert_array_equal(index[..., 1], columns % 4)


def test_ties_of_normalised_scores_go_to_the_lowest_key(engine, random):
    tile = random.random((5, 6))
    texture = np.tile(tile, (4, 7))
    query = random.random((12, 12))
    index = pnn.nearest_patches(query, texture, patch_size=4, alpha=0.01, engine=engine).index
    assert index[..., 0].max() < 5
    assert index[..., 1].max() < 6


def test_equal_sources_tie_to_the_first(engine, random):
    key = random.random((9, 10))
    index = pnn.nearest_patches(random.random((8, 8)), [key, key], engine=engine).index
    assert not index[..., 0].any()


def test_constant_images_have_distance_zero(engine):
    image = np.full((9, 10, 3), 0.1)
    for alpha in (INF, 1e-6):
        matches = pnn.nearest_patches(image, image, alpha=alpha, engine=engine)
        assert not matches.index.any()
        assert not matches.score.any()


def test_key_minimum_equals_the_oracle(engine, random):
    query = small_integers(random, (3, 8, 12))
    key = small_integers(random, (3, 11, 9))
    found = pnn.key_minimum(
        np.moveaxis(query, 0, -1), np.moveaxis(key, 0, -1), patch_size=4, engine=engine
    )
    np.testing.assert_allclose(found, naive.key_minimum(query, key, 4), rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    p=st.integers(2, 9),
    channels=st.integers(1, 5),
    extra=st.tuples(*[st.integers(0, 40)] * 4),
    alpha=st.sampled_from([INF, 1e-3, 0.3]),
    kind=st.sampled_from(["noise", "flat", "tiles", "steps"]),
    masked=st.booleans(),
)
@pytest.mark.exhaustive
def test_engines_return_the_same_bits(seed, p, channels, extra, alpha, kind, masked):
    random = np.random.default_rng(seed)
    images = []
    for height, width in (extra[:2], extra[2:]):
        shape = (p + height % 17, p + width, channels)
        image = random.random(shape, np.float32)
        if kind == "flat":
            image[...] = image[0, 0]
        elif kind == "tiles":
            image = np.resize(image[:2], shape)
        elif kind == "steps":
            image = np.round(image * 2)
        images.append(image)
    mask = random.random(images[1].shape[:2]) > 0.02 if masked else None
    if mask is not None:
        mask[:p, :p] = True
    plain, fast = (
        pnn.nearest_patches(
            *images, patch_size=p, alpha=alpha, key_mask=mask, engine=name, channel_axis=-1
        )
        for name in ("numpy", "numba")
    )
    np.testing.assert_array_equal(plain.index, fast.index)
    np.testing.assert_array_equal(plain.score, fast.score)


def test_the_score_does_not_depend_on_threads_or_tiles(random, monkeypatch):
    query, key = random.random((70, 90, 3)), random.random((60, 75, 3))
    plain = pnn.nearest_patches(query, key, alpha=0.01, threads=1)
    for threads, height, pairs in ((2, 32, 1e5), (4, 17, 3e8), (3, 64, 1e4)):
        monkeypatch.setattr(tiling, "TALLEST_TILE", height)
        monkeypatch.setattr("pnncupy.kernels.numba_cpu.nearest._MOST_PAIRS_PER_STEP", pairs)
        other = pnn.nearest_patches(query, key, alpha=0.01, threads=threads)
        np.testing.assert_array_equal(plain.index, other.index)
        np.testing.assert_array_equal(plain.score, other.score)


@pytest.mark.parametrize("kernels", [reference, numba_cpu])
@pytest.mark.slow
def test_only_active_queries_are_searched(kernels, random):
    query, key = random.random((2, 45, 70), np.float32), random.random((2, 20, 30), np.float32)
    active = random.random((41, 66)) > 0.9
    active[:, 20:40] = False

    def search(score, index, active):
        kernels.update_nearest(
            SearchRequest(
                query, key, 5, None, score, index, first_index=0, index_stride=30, active=active,
            ),
            threads=2, tick=lambda pairs: None,
        )  # fmt: skip

    everything = np.full((41, 66, 1), np.inf, np.float32), np.full((41, 66, 1), -1, np.int32)
    search(*everything, None)
    some = np.full((41, 66, 1), np.inf, np.float32), np.full((41, 66, 1), -1, np.int32)
    search(*some, active)
    for full, partial, untouched in zip(everything, some, (np.inf, -1), strict=True):
        np.testing.assert_array_equal(partial[active], full[active])
        assert (partial[~active] == untouched).all()


@pytest.mark.parametrize("kernels", [reference, numba_cpu])
def test_ticks_add_up_to_all_pairs(kernels, random):
    query, key = random.random((1, 60, 70), np.float32), random.random((1, 33, 21), np.float32)
    ticks = []
    kernels.update_nearest(
        SearchRequest(
            query, key, 4, None, np.full((57, 67, 1), np.inf, np.float32),
            np.zeros((57, 67, 1), np.int32), first_index=0, index_stride=21, active=None,
        ),
        threads=2, tick=ticks.append,
    )  # fmt: skip
    assert sum(ticks) == 57 * 67 * 30 * 18


def test_an_exception_in_a_tick_ends_the_search(random):
    def fail(pairs):
        raise KeyboardInterrupt

    query = random.random((1, 80, 80), np.float32)
    for threads in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            numba_cpu.update_nearest(
                SearchRequest(
                    query, query, 4, None, np.full((77, 77, 1), np.inf, np.float32),
                    np.zeros((77, 77, 1), np.int32), first_index=0, index_stride=80, active=None,
                ),
                threads=threads, tick=fail,
            )  # fmt: skip


def test_window_sums_equal_plain_sums():
    values = np.arange(60.0).reshape(3, 20) ** 2
    for size in range(1, 19):
        expected = np.lib.stride_tricks.sliding_window_view(values, size, axis=1).sum(axis=-1)
        np.testing.assert_allclose(reference.window_sums(values, size, axis=1), expected)


def test_inputs_may_be_read_only_strided_and_of_any_dtype(engine, random):
    image = random.integers(0, 200, (3, 20, 24)).astype(np.uint8)
    expected = pnn.nearest_patches(
        np.moveaxis(image, 0, -1).astype(float), np.moveaxis(image, 0, -1).astype(float)[:, ::-1],
        engine=engine,
    )  # fmt: skip
    for dtype in ("uint8", "int16", ">u2", "<i8", "float16", "f4", ">f8"):
        query = image.astype(dtype)
        query.flags.writeable = False
        before = query.copy()
        matches = pnn.nearest_patches(query, query[:, :, ::-1], channel_axis=0, engine=engine)
        np.testing.assert_array_equal(matches.index, expected.index)
        np.testing.assert_array_equal(matches.score, expected.score)
        np.testing.assert_array_equal(query, before)


def test_bool_images_match_as_zeros_and_ones(engine, random):
    image = random.random((14, 15)) > 0.5
    matches = pnn.nearest_patches(image, image, engine=engine)
    assert not matches.score.any()


def test_permuting_channels_changes_only_rounding(random):
    query, key = random.random((12, 13, 4)), random.random((15, 11, 4))
    order = [2, 0, 3, 1]
    straight = pnn.nearest_patches(query, key)
    permuted = pnn.nearest_patches(query[..., order], key[..., order])
    np.testing.assert_allclose(straight.score, permuted.score, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("engine", NUMPY_EXHAUSTIVE)
def test_the_reference_step(reference, engine):
    arrays = reference("pnn")
    query, key = arrays["query"], arrays["key"]
    minimum = pnn.key_minimum(query, key, engine=engine)
    np.testing.assert_allclose(minimum, arrays["key_min"], rtol=1e-5)
    for alpha in ("inf", "0.005", "0.0005"):
        matches = pnn.nearest_patches(query, key, alpha=float(alpha), engine=engine)
        score, second = arrays[f"score_{alpha}"], arrays[f"second_score_{alpha}"]
        np.testing.assert_allclose(matches.score, score, rtol=1e-5)
        number = matches.index[..., 0] * (key.shape[1] - 6) + matches.index[..., 1]
        clear = second - score > 1e-5 * score
        np.testing.assert_array_equal(number[clear], arrays[f"index_{alpha}"][clear])
