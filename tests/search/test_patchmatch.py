"""Approximate search: against plain loops, against exact search, and in the tasks."""

import io
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace

import naive
import numpy as np
import pytest
from engines import ENGINES

import pnncupy as pnn
from pnncupy.engine.registry import ENGINES as SPECS
from pnncupy.kernels import reference
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.protocol import PassRequest
from pnncupy.samples import load_sample
from pnncupy.search import method as methods
from pnncupy.search import patchmatch
from pnncupy.search.method import chosen

INF = math.inf


def integers(random, shape):
    """Pixels whose squared differences are summed without rounding, with many ties."""
    return random.integers(0, 4, shape).astype(np.float32)


def run_pass(engine, query, key, p, usable, index, bound=None, alpha=INF, active=None, **options):
    """One call of `patchmatch_pass` with (row, column) in and out, and what keys learn of it."""
    width = key.shape[2]
    numbers = (index[..., 0] * width + index[..., 1]).astype(np.int32)
    places = np.arange(query[0].size, dtype=np.int32).reshape(query.shape[1:])
    places = np.ascontiguousarray(places[: index.shape[0], : index.shape[1]])
    sums = np.empty(numbers.shape, np.float32)
    engine.pair_sums(query, key, p, places.ravel(), numbers.ravel(), sums.reshape(-1), threads=1)
    words = None
    if bound is not None:
        words = bound.view(np.uint32).astype(np.uint64) << np.uint64(32) | np.uint64(2**32 - 1)
    out, out_sums, ticks = np.empty_like(numbers), np.empty_like(sums), []
    engine.patchmatch_pass(
        PassRequest(
            query, key, p, usable, numbers, sums, out, out_sums, bound=bound, alpha=alpha,
            key_words=words, active=active, **options,
        ),
        threads=2, tick=ticks.append,
    )  # fmt: skip
    assert sum(ticks) == numbers.size
    check = np.empty_like(sums)
    engine.pair_sums(query, key, p, places.ravel(), out.ravel(), check.reshape(-1), threads=1)
    np.testing.assert_array_equal(check, out_sums)
    return np.stack(np.divmod(out, width), axis=-1), words


@pytest.mark.parametrize("module", [reference, numba_cpu])
@pytest.mark.parametrize(
    ("p", "channels", "query_shape", "key_shape"),
    [
        (7, 3, (9, 12), (10, 8)),
        (2, 1, (5, 4), (3, 7)),
        (3, 5, (6, 5), (4, 9)),
        (9, 2, (9, 13), (9, 9)),
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {"step": 1, "radius": 0, "draws": 0},
        {"step": 2, "radius": 9, "draws": 2},
        {"step": 0, "radius": 4, "draws": 1},
    ],
)
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.slow
def test_a_pass_equals_the_oracle(
    module, p, channels, query_shape, key_shape, options, normalised, random
):
    # Ties are told apart by plain sums; normalised scores are rounded.
    draw = integers if not normalised else lambda random, shape: random.random(shape, np.float32)
    query, key = draw(random, (channels, *query_shape)), draw(random, (channels, *key_shape))
    rows, columns = (side - p + 1 for side in query_shape)
    key_rows, key_columns = (side - p + 1 for side in key_shape)
    usable = random.random((key_rows, key_columns)) > 0.2
    usable[0, 0] = True
    places = np.argwhere(usable)
    index = places[random.integers(0, len(places), (rows, columns))]
    active = random.random((rows, columns)) > 0.2
    count = p * p * channels
    bound = random.random(usable.shape, np.float32) * np.float32(count / 6) if normalised else None
    expected, nearest = naive.patchmatch_pass(
        query, key, p, usable, index, stream=3_000_000_000,
        bound=None if bound is None else bound.astype(float) / count, alpha=0.5, active=active,
        **options,
    )  # fmt: skip
    found, words = run_pass(
        module, query, key, p, usable, index, bound, 0.5, active, stream=3_000_000_000, **options
    )
    np.testing.assert_array_equal(found, expected)
    if normalised:
        for (row, column), (distance, number) in nearest.items():
            if distance * count < bound[row, column]:
                word = int(words[row, column])
                assert np.uint32(word >> 32).view(np.float32) == pytest.approx(distance * count)
                assert word & 0xFFFFFFFF == number


@pytest.mark.parametrize("alpha", [INF, 0.01])
@pytest.mark.parametrize(("p", "channels"), [(7, 3), (2, 1), (16, 2), (5, 9)])
@pytest.mark.slow
def test_engines_and_threads_give_the_same_bits(alpha, p, channels, random):
    query = random.random((p + 11, p + 20, channels))
    keys = [random.random((p + 9, p + 13, channels)), random.random((p + 3, p + 17, channels))]
    mask = random.random((p + 9, p + 13)) > 0.005
    results = [
        pnn.nearest_patches(
            query,
            keys,
            key_mask=[mask, None],
            patch_size=p,
            alpha=alpha,
            method="patchmatch",
            rounds=4,
            engine=engine,
            threads=threads,
            rng=5,
            channel_axis=-1,
        )
        for engine, threads in (("numpy", 1), ("numba", 1), ("numba", 2), ("numba", 5))
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].index, other.index)
        np.testing.assert_array_equal(results[0].score, other.score)
    source, row, column = np.moveaxis(results[0].index, -1, 0)
    for number, key in enumerate(keys):
        here = source == number
        assert here.any()
        assert (row[here] <= key.shape[0] - p).all()
        assert (column[here] <= key.shape[1] - p).all()
    for y, x in zip(row[source == 0], column[source == 0], strict=True):
        assert mask[y : y + p, x : x + p].all()


def test_tiny_scores_are_the_same_on_all_engines(random):
    images = [random.random((14, 15)).astype(np.float32) * np.float32(1e-12) for _ in range(2)]
    options = {"patch_size": 4, "alpha": 1e18, "method": "patchmatch"}
    mine, other = (pnn.nearest_patches(*images, engine=name, **options) for name in ENGINES)
    np.testing.assert_array_equal(mine.index, other.index)
    np.testing.assert_array_equal(mine.score, other.score)


def test_scores_are_those_of_the_keys_found(random):
    query, key = random.random((20, 24, 3)), random.random((22, 21, 3))
    found = pnn.nearest_patches(query, key, method="patchmatch", patch_size=5)
    planes = [np.moveaxis(image, -1, 0) for image in (query, key)]
    for y, x in ((0, 0), (7, 11), (15, 19)):
        distance = naive.patch_distance(*planes, y, x, *found.index[y, x], 5)
        assert found.score[y, x] == pytest.approx(distance, rel=1e-5)


PHOTOGRAPHS = ("rocket", "chelsea")


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("alpha", [INF, 0.005])
@pytest.mark.slow
def test_a_search_from_random_keys_comes_near_the_exact_one(name, alpha):
    image = load_sample(name).astype(np.float32) / 255
    query, key = image[:, :124], image[:, 124:]
    exact = pnn.nearest_patches(query, key, alpha=alpha)
    near = pnn.nearest_patches(query, key, alpha=alpha, method="patchmatch")
    assert near.score.mean() <= 1.05 * exact.score.mean()
    # It may begin where another ended.
    again = pnn.nearest_patches(
        query, key, alpha=alpha, method="patchmatch", initial=near.index, rng=1
    )
    assert again.score.mean() <= (near.score.mean() if alpha == INF else 1.05 * exact.score.mean())


@pytest.fixture
def always_approximate(monkeypatch):
    """Also at the small levels that tasks search exactly otherwise."""
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)


@pytest.mark.parametrize("alpha", [INF, 0.005])
def test_the_tenth_search_of_a_level_is_nearly_exact(alpha, monkeypatch, always_approximate):
    image = load_sample("chelsea")[::2, ::2]
    last, search = [], patchmatch.PatchMatch.search

    def recorded(self, query):
        found = search(self, query)
        last[:] = [query, self._canvas, found]
        return found

    monkeypatch.setattr(patchmatch.PatchMatch, "search", recorded)
    pnn.generate(image, rng=2, alpha=alpha, method="patchmatch")
    query, key, found = last
    exact = pnn.nearest_patches(*(np.moveaxis(x, 0, -1) for x in (query, key)), alpha=alpha)
    assert found.score.mean() <= 1.02 * exact.score.mean()


TASKS = {
    "generate": lambda i, m, **o: pnn.generate(i, 2, rng=1, return_index=True, **o),
    "generate, alpha": lambda i, m, **o: pnn.generate(i, rng=1, alpha=0.005, keys="both", **o),
    "generate, sharp": lambda i, m, **o: pnn.generate(i, rng=1, keys="sharp", vote="copy", **o),
    "sources": lambda i, m, **o: pnn.generate([i, i[:20, :25]], rng=1, alpha=0.01, **o),
    "retarget": lambda i, m, **o: pnn.retarget(i, (24, 40), **o),
    "inpaint": lambda i, m, **o: pnn.inpaint(i, m, fill="mean", **o),
    "inpaint, alpha": lambda i, m, **o: pnn.inpaint(i, m, alpha=0.01, keep_known=False, **o),
    "analogy": lambda i, m, **o: pnn.analogy(i, i[::-1], **o),
    "collage": lambda i, m, **o: pnn.collage([i, i[:, ::-1]], **o),
    "edit": lambda i, m, **o: pnn.edit(i, i[::-1], mask=m, **o),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.exhaustive
def test_tasks_are_the_same_on_all_engines(task, photograph, always_approximate):
    image = photograph[:30, :36]
    mask = np.zeros(image.shape[:2], bool)
    mask[10:16, 12:20] = True
    options = {"method": "patchmatch", "patch_size": 5, "iterations": 3, "levels": 2}
    results = [task(image, mask, engine=engine, **options) for engine in ENGINES]
    results.append(task(image, mask, threads=3, incremental=False, **options))
    first = results[0] if isinstance(results[0], tuple) else (results[0],)
    for other in results[1:]:
        other = other if isinstance(other, tuple) else (other,)
        for mine, theirs in zip(first, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_samples_do_not_depend_on_each_other(photograph, always_approximate):
    options = {"method": "patchmatch", "iterations": 2, "levels": 1, "rng": 4}
    three = pnn.generate(photograph, 3, **options)
    np.testing.assert_array_equal(three[0], pnn.generate(photograph, 1, **options)[0])
    assert (three[0] != three[1]).any()


@pytest.mark.process
def test_the_bits_do_not_depend_on_the_process(photograph, always_approximate):
    program = (
        "import io, sys, hashlib, numpy, pnncupy\n"
        "image = numpy.load(io.BytesIO(sys.stdin.buffer.read()))\n"
        "found = pnncupy.nearest_patches(image, image[::-1], alpha=0.3, method='patchmatch')\n"
        "print(hashlib.sha256(found.index.tobytes() + found.score.tobytes()).hexdigest())\n"
    )
    digests = set()
    for threads in ("1", "2", "4"):
        stream = io.BytesIO()
        np.save(stream, photograph)
        run = subprocess.run(
            [sys.executable, "-c", program], input=stream.getvalue(), capture_output=True,
            check=True, env={**os.environ, "NUMBA_NUM_THREADS": threads},
        )  # fmt: skip
        digests.add(run.stdout)
    assert len(digests) == 1


def rare_object_survives(seed, method):
    """Whether a small odd object of a texture is still there at 0.7 of the width."""
    random = np.random.default_rng(seed)
    image = random.integers(90, 130, (70, 90, 3)).astype(np.uint8)
    top, left = random.integers(12, 48), random.integers(12, 66)
    image[top : top + 9, left : left + 9] = (250, 20, 20)
    small = pnn.retarget(image, (70, 63), alpha=0.005, method=method)
    red = (small[..., 0] > 200) & (small[..., 1] < 80)
    return red.sum() >= 40


@pytest.mark.exhaustive
def test_rare_objects_survive_as_often_as_with_exact_search(always_approximate):
    seeds = range(6)
    exact = sum(rare_object_survives(seed, "exact") for seed in seeds)
    near = sum(rare_object_survives(seed, "patchmatch") for seed in seeds)
    assert exact >= 5
    assert near >= exact


@pytest.mark.exhaustive
def test_bidirectional_dissimilarity_is_that_of_exact_results():
    image = load_sample("rocket")[:110, :150]
    source = image.astype(np.float32) / 255

    def dissimilarity(picture):
        made = picture.astype(np.float32) / 255
        coherence = pnn.nearest_patches(made, source).score.mean()
        return coherence + pnn.key_minimum(made, source).mean()

    exact, near = (
        np.mean([dissimilarity(picture) for picture in pnn.generate(image, 4, rng=3, method=name)])
        for name in ("exact", "patchmatch")
    )
    assert near == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("alpha", [INF, 0.005])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_odd_pictures_just_work(alpha, engine, always_approximate):
    options = {"alpha": alpha, "engine": engine, "method": "patchmatch"}
    flat = np.full((12, 15, 3), 9, np.uint8)
    np.testing.assert_array_equal(pnn.generate(flat, rng=0, **options), flat)
    two = np.zeros((9, 11))
    two[4, 4] = two[4, 6] = 1
    assert set(np.unique(pnn.generate(two, rng=0, vote="copy", **options))) <= {0.0, 1.0}
    thin = np.random.default_rng(0).random((7, 40))
    assert pnn.generate(thin, rng=0, **options).shape == (7, 40)
    one = pnn.nearest_patches(thin[:, :7], thin[:, :7], **options)
    assert one.index.tolist() == [[[0, 0]]]


def test_auto_goes_by_pixel_counts_and_engine(monkeypatch, caplog, photograph):
    assert chosen("auto", "numba", 122_000, 122_000) == "exact"
    assert chosen("auto", "numba", 123_000, 123_000) == "patchmatch"
    assert chosen("auto", "cupy", 10**6, 10**6 - 1) == "exact"
    assert chosen("exact", "numba", 10**9, 10**9) == "exact"
    options = {"rng": 1, "iterations": 1, "method": "auto", "return_info": True}
    with caplog.at_level(logging.INFO, logger="pnncupy"):
        assert pnn.generate(photograph, **options).info["method"] == "exact"
        monkeypatch.setitem(SPECS, "numba", replace(SPECS["numba"], approximate_from=1e6))
        monkeypatch.setattr(methods, "_FEW_STEPS", 1)
        assert pnn.generate(photograph, **options).info["method"] == "patchmatch"
    assert "method 'auto' takes 'patchmatch' for 1700 x 1700 patches (" in caplog.text
    index = pnn.nearest_patches(photograph, photograph[::-1], method="auto").index
    near = pnn.nearest_patches(photograph, photograph[::-1], method="patchmatch").index
    np.testing.assert_array_equal(index, near)


def test_auto_is_exact_where_a_sample_takes_few_steps(monkeypatch):
    smooth = np.cumsum(np.random.default_rng(0).normal(size=(70, 70)), axis=0)
    noise = np.random.default_rng(0).random((70, 70))
    mask = np.ones((70, 70), bool)
    mask[20:30, 20:30] = False
    monkeypatch.setitem(SPECS, "numba", replace(SPECS["numba"], approximate_from=1e6))
    options = {"rng": 1, "iterations": 1, "method": "auto", "return_info": True}
    assert pnn.generate(smooth, **options).info["method"] == "exact"
    assert pnn.generate(np.ma.masked_array(smooth, ~mask), **options).info["method"] == "exact"
    assert pnn.generate(noise, **options).info["method"] == "patchmatch"
    # Plain NumPy has no trees.
    monkeypatch.setitem(SPECS, "numpy", replace(SPECS["numpy"], approximate_from=1e6))
    assert pnn.generate(smooth, engine="numpy", **options).info["method"] == "patchmatch"
    for image, method in ((smooth, "exact"), (noise, "patchmatch")):
        found = pnn.nearest_patches(image[::-1], image, method="auto", key_mask=mask)
        wanted = pnn.nearest_patches(image[::-1], image, method=method, key_mask=mask)
        np.testing.assert_array_equal(found.index, wanted.index)


def test_wrong_starts_are_refused(photograph):
    image = photograph[:20, :24]
    start = np.zeros((14, 18, 2), int)
    options = {"method": "patchmatch"}
    pnn.nearest_patches(image, image, initial=start, **options)
    with pytest.raises(ValueError, match=r"`initial` must have one entry .* \(14, 18\), got shape"):
        pnn.nearest_patches(image, image, initial=start[1:], **options)
    with pytest.raises(ValueError, match=r"`initial` must lie inside"):
        pnn.nearest_patches(image, image, initial=start + np.array([14, 0]), **options)
    with pytest.raises(ValueError, match=r"`initial` must have shape \(rows, columns, 3\)"):
        pnn.nearest_patches(image, [image], initial=start, **options)
    with pytest.raises(TypeError, match="`initial` must hold integers"):
        pnn.nearest_patches(image, image, initial=start * 1.0, **options)
    with pytest.raises(TypeError, match="`initial` must be a NumPy or CuPy array"):
        pnn.nearest_patches(image, image, initial=start.tolist(), **options)
    with pytest.raises(ValueError, match="`rounds` must be an integer of at least 1, got 0"):
        pnn.nearest_patches(image, image, rounds=0, **options)
    with pytest.raises(TypeError, match="`rng` must be None"):
        pnn.nearest_patches(image, image, rng="x", **options)


def test_a_callback_sees_rising_fractions_and_can_cancel(photograph, always_approximate):
    seen = []
    options = {"method": "patchmatch", "iterations": 3, "rng": 1}
    pnn.generate(photograph, callback=lambda event: seen.append(event.fraction), **options)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    with pytest.raises(pnn.Cancelled):
        pnn.generate(photograph, callback=lambda event: False, **options)
