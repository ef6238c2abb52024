"""The limit of memory: kept by doing without what costs memory, or refused before any work."""

import json
import re
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import cupy_stand_in
import host_cuda
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import cli
from pnncupy.memory_limit import in_words, limit_from_environment, parse_bytes
from pnncupy.memory_need import Means, Size, need, together_within, within

SIZE = Size(250_000, 250_000, 3)

# Growth of a warm process by one synthesis, and the limit it had.
PROGRAM = """
import gc, json, pathlib, sys
import numpy as np, pnncupy as pnn
side, limit, options = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])

def status(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
options |= {"rng": 0, "iterations": 2, "return_info": True}
for incremental in (True, False):  # compiles all that may be needed
    pnn.generate(image[:40, :40], **{**options, "incremental": incremental})
gc.collect()
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
info = pnn.generate(image, max_memory=limit, **options).info
print(json.dumps({"growth": status("VmHWM") - before, "threads": info["threads"]}))
"""


def growth(side, limit, **options):
    command = [sys.executable, "-c", PROGRAM, str(side), str(limit), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("share", [1.0, 0.8])
def test_a_process_grows_by_no_more_than_the_limit(share):
    side = 160
    least = need(Size(side**2, side**2, 3), Means(1, incremental=False))
    most = need(Size(side**2, side**2, 3), Means(2, incremental=True))
    limit = max(least, int(share * most))
    assert growth(side, limit, threads=2)["growth"] <= 1.1 * limit


def test_less_memory_costs_threads_and_then_savings():
    wanted = Means(4, incremental=True)
    assert within(None, SIZE, wanted) == wanted
    least = need(SIZE, Means(1, incremental=False))
    limits = [*range(10**9, least, -2_000_000), least]
    seen = [within(limit, SIZE, wanted) for limit in limits]
    assert seen[0] == wanted
    assert Means(1, incremental=True) in seen
    assert seen[-1] == Means(1, incremental=False)
    ranks = [(means.incremental, means.threads) for means in seen]
    for better, worse in pairwise(ranks):
        assert worse <= better


def test_pictures_are_made_together_as_memory_allows():
    means = Means(1, incremental=False)
    one = need(SIZE, means)
    assert together_within(None, SIZE, means, 16) == 16
    assert together_within(one, SIZE, means, 16) == 1
    assert together_within(need(SIZE, means, 5), SIZE, means, 16) == 4


def test_the_picture_does_not_depend_on_the_limit(photograph):
    expected = pnn.generate(photograph, rng=0, iterations=3, return_info=True)
    size = Size(photograph.shape[0] * photograph.shape[1], photograph[..., 0].size, 3)
    least = need(size, Means(1, incremental=False))
    made = pnn.generate(photograph, rng=0, iterations=3, return_info=True, max_memory=least)
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


def test_the_need_that_a_refusal_names_is_accepted(photograph):
    with pytest.raises(MemoryError) as refused:
        pnn.generate(photograph, max_memory=1000)
    need_in_words = re.search(r"at least ([\d.]+ MB)", str(refused.value))[1]
    pnn.generate(photograph, rng=0, iterations=1, max_memory=need_in_words)


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
    pixels = photograph[..., 0].size
    least = need(Size(pixels, pixels, 3), Means(1, incremental=False))
    made = pnn.generate(photograph, rng=0, iterations=2, checkpoint=file, max_memory=least)
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
    assert cli.run([*arguments, "--max-memory", "2M"]) == 1
    assert "--max-memory must be at least 14.7 MB" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
    assert cli.run([*arguments, "--max-memory", "lots"]) == 2
    assert "--max-memory must be a number of bytes" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0, -1, "", "2X", "1.5.2G", "G", True, 1.5, None])
def test_numbers_of_bytes_that_are_none(value):
    with pytest.raises((TypeError, ValueError), match="`max_memory` must be a number of bytes"):
        parse_bytes("max_memory", value)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
def test_a_device_pool_keeps_the_limit(monkeypatch, random):
    image = random.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    expected = pnn.generate(image, 3, rng=0, iterations=1, levels=1)
    cupy = cupy_stand_in.install(monkeypatch)
    memory = cupy_stand_in.memory
    try:
        device = cupy.asarray(image)
        memory.peak = before = memory.used
        limit = need(Size(20 * 24, 20 * 24, 3), Means(1, incremental=True))
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
            pnn.generate(device, max_memory="1M")
        assert memory.get_limit() == 0
    finally:
        memory.set_limit(0)
        cupy_stand_in.forget()
