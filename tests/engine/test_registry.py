"""Engines that cannot run, or give wrong answers, are found out and say why."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.engine import registry
from pnncupy.io import write_image

IMAGE = np.random.default_rng(0).random((20, 24, 3))
GREY = IMAGE[..., 0]


def test_an_engine_that_cannot_be_loaded_says_why(monkeypatch):
    spec = replace(registry.ENGINES["numba"], module="pnncupy.kernels.missing")
    monkeypatch.setitem(registry.ENGINES, "numba", spec)
    registry._failure.cache_clear()
    try:
        with pytest.raises(pnn.EngineUnavailable, match="'numba' cannot run here: No module"):
            pnn.generate(IMAGE)
        states = {engine.name: engine.available for engine in pnn.engines()}
        assert states["numpy"]
        assert not states["numba"]
    finally:
        registry._failure.cache_clear()


def test_an_engine_with_wrong_answers_is_found_out(monkeypatch):
    from pnncupy.kernels import reference

    monkeypatch.setattr(reference, "update_nearest", lambda *arguments, **options: None)
    assert "wrong answer" in {engine.name: engine for engine in pnn.engines()}["numpy"].detail
    assert registry.pick("numba", GREY)[0] == "numba"


# Calls with engines "auto", "numba" and "numpy" where Numba compiles nothing.
INTERPRETED = """
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import pnncupy as pnn
from pnncupy import baselines, metrics

image = np.random.default_rng(0).random((12, 14))
calls = [
    lambda **options: pnn.generate(image, rng=0, iterations=1, **options),
    lambda **options: pnn.collage([image, image], iterations=1, coarse_iterations=1, **options),
    lambda **options: pnn.nearest_patches(image, image, **options).index,
    lambda **options: pnn.vote(image, np.zeros((6, 8, 2), int), **options),
    lambda **options: metrics.coherence(image, image, **options),
    lambda **options: baselines.bidirectional_similarity(image, (12, 12), iterations=1, **options),
    lambda **options: pnn.nearest_patches(
        image, image, executor=ThreadPoolExecutor(1), **options
    ).index,
]
for call in calls:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = call()
    assert [warning.category for warning in told] == [RuntimeWarning], told
    message = str(told[0].message)
    assert "engine 'auto' takes the slow 'numpy': Numba's compiler is switched off" in message
    assert "unset NUMBA_DISABLE_JIT" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(call(engine="numpy"), made)
        try:
            call(engine="numba")
        except pnn.EngineUnavailable as error:
            assert "engine 'numba' cannot run here: Numba's compiler is switched off" in str(error)
        else:
            raise AssertionError
print("done")
"""


def python(*words, folder, **environment):
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.process
def test_without_a_compiler_the_automatic_engine_is_numpy(tmp_path):
    made = python("-c", INTERPRETED, folder=tmp_path, NUMBA_DISABLE_JIT="1")
    assert (made.stdout, made.stderr) == ("done\n", "")


@pytest.mark.process
def test_a_configuration_file_may_switch_off_the_compiler(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\n")
    made = python("-c", INTERPRETED, folder=tmp_path)
    assert (made.stdout, made.stderr) == ("done\n", "")


OFF = "Numba's compiler is switched off; unset NUMBA_DISABLE_JIT"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["generate", "in/a.png", "-o", "out.png", "--iterations", 1, "--levels", 0], 0),
        (["batch", "in", "-o", "out", "-n", 2, "--seed", 1, "--workers", 2], 0),
        (["generate", "in/a.png", "-o", "out.png", "--engine", "numba"], 1),
    ],
)
@pytest.mark.process
def test_the_command_line_tells_in_one_line_that_there_is_no_compiler(words, code, tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", (GREY[:12, :13] * 255).astype(np.uint8))
    made = python("-m", "pnncupy", *words, "--quiet", folder=tmp_path, NUMBA_DISABLE_JIT="1")
    assert made.returncode == code
    (told,) = [line for line in made.stderr.splitlines() if OFF in line]
    assert told.startswith("Error: engine 'numba'" if code else "Warning: engine 'auto'")
    assert "RuntimeWarning" not in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.process
def test_the_list_of_engines_tells_that_there_is_no_compiler(tmp_path):
    made = python("-m", "pnncupy", "engines", folder=tmp_path, NUMBA_DISABLE_JIT="1")
    (told,) = [line for line in made.stdout.splitlines() if line.startswith("numba ")]
    assert "cannot run" in told
    assert OFF in told
    assert made.stderr == ""
