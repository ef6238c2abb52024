"""Bidirectional Similarity, against plain loops and by what it promises."""

import cupy_stand_in
import host_cuda
import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import baselines
from pnncupy.baselines import bidirectional_similarity, scattered
from pnncupy.engine import registry
from pnncupy.search.exact import SearchSettings


def settings(engine, patch_size, channels, **others):
    return SearchSettings(registry.load(engine), patch_size, channels, np.inf, 1, **others)


@pytest.mark.parametrize("patch_size", [2, 3])
@pytest.mark.parametrize("shapes", [[(6, 7)], [(5, 6), (7, 4)]])
@pytest.mark.slow
def test_one_step_is_that_of_the_plain_loops(engine, random, patch_size, shapes):
    sources = [random.random((2, *shape), dtype=np.float32) for shape in shapes]
    picture = random.random((2, 5, 8), dtype=np.float32)
    voting = baselines._Voting(settings(engine, patch_size, 2), sources)
    made = voting.step(picture, 0)
    expected, dissimilarity = naive.bidirectional_step(sources, picture, patch_size)
    np.testing.assert_allclose(made, expected, atol=2e-6)
    assert voting.dissimilarity == pytest.approx(dissimilarity, rel=1e-5)


def test_scattered_patches_are_summed_exactly_in_any_order(random):
    source = random.random((3, 7, 8), dtype=np.float32)
    index = (random.integers(0, 4, (5, 6)) * 9 + random.integers(0, 7, (5, 6))).astype(np.int32)
    sums, counts = scattered(source, index, (6, 9), 3)
    expected = np.zeros((4, 6, 9))
    for row in range(5):
        for column in range(6):
            y, x = divmod(int(index[row, column]), 9)
            expected[:3, y : y + 3, x : x + 3] += source[:, row : row + 3, column : column + 3]
            expected[3, y : y + 3, x : x + 3] += 1
    np.testing.assert_allclose(sums, expected[:3], atol=1e-5)
    np.testing.assert_array_equal(counts[0], expected[3])
    # The same votes the other way round: flipping both images must flip the bits alone.
    flipped, _ = scattered(
        np.ascontiguousarray(source[:, ::-1, ::-1]),
        np.ascontiguousarray((3 - index // 9) * 9 + (6 - index % 9))[::-1, ::-1].astype(np.int32),
        (6, 9), 3,
    )  # fmt: skip
    np.testing.assert_array_equal(flipped[:, ::-1, ::-1], sums)


def texture_with_an_odd_element():
    tile = np.random.default_rng(4).integers(40, 160, (8, 8, 3)).astype(np.uint8)
    image = np.tile(tile, (6, 12, 1))
    image[20:28, 66:74] = (255, 0, 0)
    return image


@pytest.mark.slow
def test_half_the_width_keeps_the_one_odd_element():
    image = texture_with_an_odd_element()
    made = bidirectional_similarity(image, (48, 48))
    red = (made[..., 0] > 200) & (made[..., 1:] < 60).all(axis=2)
    rows, columns = np.nonzero(red)
    # One element of about 8 x 8 pixels, in one piece.
    assert 40 <= red.sum() <= 80
    assert np.ptp(rows) <= 9
    assert np.ptp(columns) <= 9
    squeezed = pnn.resize(image, (1, 0.5))
    assert pnn.metrics.bidirectional_dissimilarity(
        image, made
    ) < 0.2 * pnn.metrics.bidirectional_dissimilarity(
        image, np.clip(np.rint(squeezed), 0, 255).astype(np.uint8)
    )


def test_the_same_size_gives_the_source_back(photograph):
    np.testing.assert_array_equal(
        bidirectional_similarity(photograph, photograph.shape[:2]), photograph
    )


@pytest.mark.slow
def test_engines_and_threads_give_the_same_bits(photograph):
    image = photograph[:24, :30]
    options = {"iterations": 3, "levels": 1, "patch_size": 5, "step": 0.8, "tolerance": 0}
    expected = bidirectional_similarity(image, (20, 36), engine="numpy", **options)
    for threads in (1, 2):
        made = bidirectional_similarity(image, (20, 36), threads=threads, **options)
        np.testing.assert_array_equal(made, expected)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
def test_arrays_on_a_device_give_the_same_bits_there(photograph, monkeypatch):
    image = photograph[:16, :18]
    options = {"iterations": 2, "levels": 0}
    expected = bidirectional_similarity(image, (16, 14), **options)
    cupy = cupy_stand_in.install(monkeypatch)
    made = bidirectional_similarity(cupy.asarray(image), (16, 14), **options)
    moved = bidirectional_similarity(image, (16, 14), engine="cupy", **options)
    cupy_stand_in.forget()
    assert isinstance(made, cupy_stand_in.ndarray)
    np.testing.assert_array_equal(made.host, expected)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.slow
def test_dtype_axes_and_index_map(random):
    image = random.integers(0, 60000, (5, 24, 30)).astype(np.uint16)
    made = bidirectional_similarity(
        image, (24, 24), channel_axis=0, iterations=2, return_index=True, return_info=True
    )
    assert made.image.shape == (5, 24, 24)
    assert made.image.dtype == np.uint16
    assert made.index.shape == (24, 24, 3)
    assert pnn.apply_index(np.moveaxis(image, 0, -1), made.index).shape == (24, 24, 5)
    assert made.info["task"] == "bidirectional_similarity"
    assert made.info["samples"][0]["pairs_searched"] <= made.info["samples"][0]["pairs"]


def test_several_sources_all_appear(photograph):
    dark = np.zeros((30, 30, 3), np.uint8)
    dark[::2, ::2] = 40
    made = bidirectional_similarity([photograph[:30, :40], dark], (30, 40), iterations=5)
    assert made.shape == (30, 40, 3)
    assert (made.max(axis=2) <= 45).mean() > 0.1
    assert (made.max(axis=2) > 90).mean() > 0.3


def test_growing(photograph):
    made = bidirectional_similarity(photograph, (40, 80), iterations=4)
    assert made.shape == (40, 80, 3)
    assert pnn.metrics.coherence(photograph, made) < 0.002


@pytest.mark.slow
def test_approximate_search_is_nearly_as_good(photograph, monkeypatch):
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    exact = bidirectional_similarity(photograph, (40, 40), iterations=6)
    near = bidirectional_similarity(photograph, (40, 40), iterations=6, method="patchmatch")
    apart = [pnn.metrics.bidirectional_dissimilarity(photograph, made) for made in (exact, near)]
    assert apart[1] < 1.3 * apart[0]


def test_progress_and_cancelling(photograph):
    seen = []

    def watch(event):
        seen.append(event.fraction)
        return len(seen) < 4

    with pytest.raises(pnn.Cancelled):
        bidirectional_similarity(photograph, (40, 30), callback=watch)
    assert seen == sorted(seen)
    seen.clear()
    bidirectional_similarity(
        photograph, (40, 40), iterations=3, callback=lambda event: seen.append(event.fraction)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step": 1}, ValueError, "`step` must be between 0 and 1, got 1"),
        ({"step": "a"}, TypeError, "`step` must be a real number"),
        ({"tolerance": -1}, ValueError, "`tolerance` must be a finite number of at least 0"),
        ({"iterations": 0}, ValueError, "`iterations` must be an integer of at least 1"),
        ({"levels": 9}, ValueError, "`levels` must be at most 6"),
        ({"method": "fast"}, ValueError, "`method` must be one of"),
        ({"shape": (40, 5)}, ValueError, "`shape` must be .height, width., two integers of"),
        ({"image": []}, ValueError, "`image` must hold at least one image"),
    ],
)
def test_wrong_calls(photograph, options, error, message):
    given = {"image": photograph, "shape": (40, 40), **options}
    with pytest.raises(error, match=message):
        bidirectional_similarity(given.pop("image"), given.pop("shape"), **given)
