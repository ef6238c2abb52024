"""The limit of memory: kept by doing without what costs memory, or refused before any work."""

import re
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cupy_stand_in
import host_cuda
import memory_growth
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.cli import app
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.numba_cpu.search_tree.tree import build
from pnncupy.memory_limit import in_words, limit_from_environment, parse_bytes
from pnncupy.samples import load_sample
from pnncupy.synthesis.memory import MemoryPlan, Workload, batch_within, need, within
from pnncupy.synthesis.schedule import Schedule
from pnncupy.tasks import prepare

# Calls that once took more than their limits; `bench/memory.py` has many more.
EXHAUSTIVE = (
    "two key sets of two sources", "a canvas larger than its sources", "many levels",
    "through trees of half the axes",
)  # fmt: skip
GROWING = {
    "two key sets of two sources": {
        "task": "collage", "sides": [[160, 160], [120, 200]],
        "options": {"method": "patchmatch", "keys": "both"},
    },
    "a canvas larger than its sources": {
        "task": "generate", "sides": [[300, 40], [40, 300]], "shape": [60, 60],
        "options": {"method": "patchmatch", "keys": "both", "alpha": 0.005},
    },
    "many results": {
        "task": "generate", "sides": [[90, 90]], "n": 12, "dtype": "float64",
        "options": {"return_index": True},
    },
    "the plain engine": {
        "task": "generate", "sides": [[104, 104]], "channels": 1,
        "options": {"method": "patchmatch", "engine": "numpy"},
    },
    "axes that wrap around": {
        "task": "generate", "sides": [[120, 120]],
        "options": {"periodic": True, "source_periodic": True},
    },
    "through trees": {
        "task": "generate", "sides": [[140, 140]], "noise": 0, "share": 3,
        "options": {},
    },
    "through trees of half the axes": {
        "task": "generate", "sides": [[140, 140]], "noise": 0, "share": 2.4, "options": {},
    },
    "many levels": {
        "task": "generate", "sides": [[80, 80]], "options": {"downscale": 1.01},
    },
}  # fmt: skip


def workload(shape=(500, 500), channels=3, **more):
    schedule = Schedule(3 / 4, 6, 10, 1, "blurred", "weighted_mean", incremental=True)
    return Workload(schedule, 7, shape, [shape], channels=channels, **more)


def least(image, **options):
    """The limit that a refusal of `generate` names."""
    with pytest.raises(MemoryError) as refused:
        pnn.generate(image, max_memory=1000, **options)
    named = re.search(r"at least ([\d.]+ \w+)", str(refused.value))[1]
    return parse_bytes("max_memory", named.removesuffix(" bytes"))


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=pytest.mark.exhaustive if name in EXHAUSTIVE else ())
        for name, case in GROWING.items()
    ],
)
def test_a_process_grows_by_no_more_than_the_limit(case):
    few = {"iterations": 1, "coarse_iterations": 1}
    found = memory_growth.growth({**case, "options": {**few, **case["options"]}})
    assert 0.4 * found["limit"] < found["growth"] <= found["limit"]


def test_volumes_need_at_least_what_images_of_as_many_pixels_do():
    means = MemoryPlan(2, incremental=True)
    for more in ({}, {"normalised": True}, {"approximate": True}):
        image = need(workload((512, 512), 1, **more), means)
        volume = need(replace(workload((64, 64, 64), 1, **more), patch_size=(5, 5, 5)), means)
        assert image < volume < 2 * image


def test_less_memory_costs_threads_and_then_savings():
    wanted, work = MemoryPlan(4, incremental=True), workload()
    assert within(None, work, wanted) == wanted
    limits = [*range(10**9, need(work, MemoryPlan(1, incremental=False)), -1_000_000)]
    seen = [within(limit, work, wanted) for limit in limits]
    assert seen[0] == wanted
    assert MemoryPlan(1, incremental=True) in seen
    assert seen[-1] == MemoryPlan(1, incremental=False)
    ranks = [(means.incremental, means.threads) for means in seen]
    for better, worse in pairwise(ranks):
        assert worse <= better


def test_less_memory_costs_axes_of_trees_before_savings():
    wanted, work = MemoryPlan(1, incremental=True, trees=(16, 8)), workload(normalised=True)
    limits = range(10**9, need(work, MemoryPlan(1, incremental=False)), -1_000_000)
    seen = [within(limit, work, wanted) for limit in limits]
    assert list(dict.fromkeys((means.axes, means.incremental) for means in seen)) == [
        (16, True), (8, True), (0, True), (0, False)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.005, float("inf")])
def test_trees_have_the_axes_that_memory_allows(alpha, monkeypatch):
    image, options = load_sample("rocket")[:80, :90], {"rng": 1, "iterations": 2, "alpha": alpha}
    expected, counts = pnn.generate(image, **options), set()

    def recorded(*arguments, count, **options):
        counts.add(count)
        return build(*arguments, count=count, **options)

    monkeypatch.setattr(prepare, "within", lambda *_: MemoryPlan(2, incremental=True, trees=(8,)))
    monkeypatch.setattr(numba_cpu, "build_tree", recorded)
    np.testing.assert_array_equal(pnn.generate(image, **options), expected)
    assert counts == {8}


def test_pictures_are_made_together_as_memory_allows():
    means, work = MemoryPlan(1, incremental=False), workload()
    one = need(work, means)
    assert batch_within(None, work, means, 16) == 16
    assert batch_within(one, work, means, 16) == 1
    assert batch_within(need(work, means, 5), work, means, 16) == 4


@pytest.mark.parametrize(
    "more",
    [
        {"downscale": 1.05},
        {"alpha": 0.005},
        {"n": 50},
        {"n": 1, "return_index": True},
        {"shape": (60, 60)},
        {"guides": 2},
        {"channel_weights": "std"},
        {"patches": 2},
    ],
    ids=str,
)
def test_what_takes_more_memory_needs_a_higher_limit(more, photograph):
    if "guides" in more:
        guide = photograph[..., 0]
        more = {"guides": [(guide, guide, 1.0)] * more["guides"]}
    image = photograph
    if "patches" in more:  # more sources than one
        image, more = [photograph] * more["patches"], {}
    assert least(image, **more) > least(photograph)


@pytest.mark.parametrize("approximate", [False, True])
def test_a_second_set_of_keys_needs_memory_in_all_searches(approximate):
    one = workload(approximate=approximate, normalised=True)
    two = replace(one, schedule=replace(one.schedule, keys="both"))
    for incremental in (False, True):
        means = MemoryPlan(1, incremental)
        assert need(two, means) > need(one, means)


def test_the_need_of_missing_pixels_counts(photograph):
    holes = np.zeros(photograph.shape, bool)
    holes[3:9, 4:10] = True
    assert least(np.ma.MaskedArray(photograph, holes)) > least(photograph)


def test_small_searches_of_patchmatch_need_what_exact_ones_do(photograph):
    assert least(photograph, method="patchmatch") == least(photograph)


def test_the_picture_does_not_depend_on_the_limit(photograph):
    expected = pnn.generate(photograph, rng=0, iterations=3, return_info=True)
    made = pnn.generate(
        photograph, rng=0, iterations=3, return_info=True, max_memory=least(photograph)
    )
    np.testing.assert_array_equal(made.image, expected.image)
    assert made.info["threads"] == 1
    assert made.info["samples"][0]["proofs_tried"] == 0
    assert expected.info["samples"][0]["proofs_tried"] > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda image, **more: pnn.generate(image, **more),
        lambda image, **more: pnn.retarget(image, (30, 40), **more),
        lambda image, **more: pnn.retarget(image, (30, 40), gradual=True, **more),
        lambda image, **more: pnn.analogy(image, image, **more),
        lambda image, **more: pnn.collage([image, image], **more),
        lambda image, **more: pnn.collage([image, image], gradual=True, **more),
        lambda image, **more: pnn.edit(image, image, **more),
        lambda image, **more: pnn.inpaint(image, image[..., 0] > 200, **more),
    ],
)
def test_what_cannot_fit_is_refused_with_the_need_before_any_work(call, photograph):
    def never(event):
        raise AssertionError("it has begun")

    message = r"`max_memory` must be at least [\d.]+ MB for .* pixels with 3 channels, got 1 MB;"
    with pytest.raises(MemoryError, match=message):
        call(photograph, max_memory="1M", callback=never)


@pytest.mark.parametrize("guides", [0, 3])
def test_the_need_that_a_refusal_names_is_accepted(guides, photograph):
    guide = photograph[..., 0]
    more = {"guides": [(guide, guide, 1.0)] * guides, "iterations": 1, "coarse_iterations": 1}
    made = pnn.generate(photograph, rng=0, max_memory=least(photograph, **more), **more)
    np.testing.assert_array_equal(made, pnn.generate(photograph, rng=0, **more))


@pytest.mark.parametrize("size", [999, 999_600_000, 1_000_000, 4_092_160, 123_456_789_000])
def test_words_for_bytes_are_enough_and_can_be_read(size):
    told = in_words(size).replace(" bytes", "")
    assert size <= parse_bytes("max_memory", told) <= size * 1.01


def test_labels_are_refused_before_their_planes_are_made():
    labels = np.arange(1600).reshape(40, 40)
    tracemalloc.start()
    with pytest.raises(MemoryError, match="with 1600 channels"):
        pnn.generate(labels, categorical=True, max_memory="5M")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_canvas_of_a_collage_counts():
    sources = [np.zeros((100, 10)), np.zeros((10, 1000))]
    for gradual in (True, False):
        with pytest.raises(MemoryError, match="for a result of 1001000 pixels"):
            pnn.collage(sources, gradual=gradual, levels=0, max_memory="5M")


def test_gradual_steps_count_pixels_not_channels(photograph):
    with pytest.raises(MemoryError, match=f"for a result of {photograph[..., 0].size} pixels"):
        pnn.retarget(photograph, (30, 40), gradual=True, max_memory="1M")


def test_a_checkpoint_goes_on_with_less_memory(photograph, tmp_path):
    file = tmp_path / "state.npz"
    expected = pnn.generate(photograph, rng=0, iterations=2)
    with pytest.raises(pnn.Cancelled):
        pnn.generate(
            photograph, rng=0, iterations=2, checkpoint=file, callback=lambda event: event.level > 1
        )
    made = pnn.generate(
        photograph, rng=0, iterations=2, checkpoint=file, max_memory=least(photograph)
    )
    np.testing.assert_array_equal(made, expected)


def test_the_environment_sets_a_limit(photograph, monkeypatch):
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", "1 MB")
    assert limit_from_environment() == 1_000_000
    with pytest.raises(MemoryError, match="`max_memory` must be at least"):
        pnn.generate(photograph, iterations=1)
    pnn.generate(photograph, iterations=1, rng=0, max_memory="1G")
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", "much")
    with pytest.raises(ValueError, match="PNNCUPY_MAX_MEMORY"):
        pnn.generate(photograph, iterations=1)


def test_the_command_line_sets_a_limit(tmp_path, capsys):
    arguments = ["generate", "--sample", "rocket", "-o", str(tmp_path / "a.png")]
    assert app.run([*arguments, "--max-memory", "2M"]) == 1
    assert re.search(r"--max-memory must be at least [\d.]+ MB", capsys.readouterr().err)
    assert not (tmp_path / "a.png").exists()
    assert app.run([*arguments, "--max-memory", "lots"]) == 2
    assert "--max-memory must be a number of bytes" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0, -1, "", "2X", "1.5.2G", "G", True, 1.5, None])
def test_numbers_of_bytes_that_are_none(value):
    with pytest.raises((TypeError, ValueError), match="`max_memory` must be a number of bytes"):
        parse_bytes("max_memory", value)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.slow
def test_a_device_pool_keeps_the_limit(monkeypatch, random):
    image = random.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    expected = pnn.generate(image, 3, rng=0, iterations=1, levels=1)
    cupy = cupy_stand_in.install(monkeypatch)
    memory = cupy_stand_in.memory
    try:
        device = cupy.asarray(image)
        memory.peak = before = memory.used
        limit = need(workload((20, 24)), MemoryPlan(1, incremental=True))
        seen = []
        made = pnn.generate(
            device, 3, rng=0, iterations=1, levels=1, max_memory=limit, threads=1,
            callback=lambda event: seen.append(memory.limit),
        )  # fmt: skip
        np.testing.assert_array_equal(made.host, expected)
        assert set(seen) == {before + limit}
        assert memory.peak <= before + limit
        assert memory.get_limit() == 0
        with pytest.raises(MemoryError, match="`max_memory` must be at least"):
            pnn.generate(device, max_memory="100K")
        assert memory.get_limit() == 0
    finally:
        memory.set_limit(0)
        cupy_stand_in.forget()
