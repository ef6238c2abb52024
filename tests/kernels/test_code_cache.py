"""Damaged files of Numba's cache cost a compilation, and nothing else."""

import os
import subprocess
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from numba import config

from pnncupy.engine import registry
from pnncupy.io import write_image
from pnncupy.kernels.numba_cpu.compile import compiled

KERNELS = """
def double(values):
    for place in range(values.size):
        values[place] *= 2

def triple(values):
    for place in range(values.size):
        values[place] *= 3
"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
DAMAGES = {
    "emptied": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "begun": lambda data: data[:20],
    "zeros": lambda data: bytes(len(data)),
    "zeros at its end": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "a PNG": lambda data: PNG,
    "text": lambda data: b"hello\n",
    "another pickle": lambda data: b"\x80\x04}.",
    "a large pickle": lambda data: b"\x80\x04\x95" + b"\xff" * 8,
    "longer": lambda data: data + b"more",
    "a bit flipped": lambda data: data[:-90] + bytes([data[-90] ^ 1]) + data[-89:],
}


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    """Functions of a module, whose kernels have a cache of their own."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "small.py").write_text(KERNELS)
    spec = spec_from_file_location("small", folder / "small.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "CACHE_DIR", str(folder / "cache"))
        yield module


def called(function):
    """The result of a kernel as a new process would have it, and whether it was in the cache."""
    kernel = compiled(function)
    values = np.arange(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(values)
    return list(values), sum(kernel.stats.cache_hits.values()) == 1


def files_of(function):
    """The index and the data of a kernel in a new cache, by suffix."""
    folder = Path(compiled(function).stats.cache_path)
    for file in folder.glob(f"*{function.__name__}-*"):
        file.unlink()
    called(function)
    assert called(function)[1]
    found = {file.suffix: file for file in folder.glob(f"*{function.__name__}-*")}
    assert set(found) == {".nbi", ".nbc"}
    return found


def check_mended(function):
    expected = {"double": [0, 2, 4, 6], "triple": [0, 3, 6, 9]}[function.__name__]
    assert called(function)[0] == expected
    assert called(function) == (expected, True)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_damaged_files_are_replaced(suffix, damage, functions):
    file = files_of(functions.double)[suffix]
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    check_mended(functions.double)


@pytest.mark.parametrize("suffixes", [(".nbi",), (".nbc",), (".nbi", ".nbc")], ids=str)
def test_files_of_another_kernel_are_never_executed(suffixes, functions):
    own, other = files_of(functions.double), files_of(functions.triple)
    for suffix in suffixes:
        own[suffix].write_bytes(other[suffix].read_bytes())
    check_mended(functions.double)
    check_mended(functions.triple)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_missing_files_are_written_again(suffix, functions):
    files_of(functions.double)[suffix].unlink()
    check_mended(functions.double)


def test_seconds_of_compilation_are_those_of_code_on_the_disk(functions):
    registry.load("numba")
    files_of(functions.double)[".nbc"].unlink()
    before = registry.compilation_seconds()
    called(functions.double)
    compiled = registry.compilation_seconds()
    assert before < compiled < before + 60
    called(functions.double)
    assert registry.compilation_seconds() == compiled


def test_what_cannot_be_read_or_replaced_is_done_without(functions):
    index = files_of(functions.double)[".nbi"]
    index.unlink()
    index.mkdir()
    assert called(functions.double) == ([0, 2, 4, 6], False)
    index.rmdir()
    check_mended(functions.double)


@pytest.mark.slow
@pytest.mark.process
def test_processes_that_meet_damaged_files_at_once(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)
    write_image(tmp_path / "a.png", image)
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def made(*names):
        commands = [
            [sys.executable, "-m", "pnncupy", "generate", "a.png", "--seed", "1", "--levels", "1",
             "--iterations", "2", "--quiet", "-o", f"{name}.png"]
            for name in names
        ]  # fmt: skip
        running = [
            subprocess.Popen(each, cwd=tmp_path, env=variables, stderr=subprocess.PIPE)
            for each in commands
        ]
        assert [each.communicate()[1] for each in running] == [b""] * len(names)
        assert [each.returncode for each in running] == [0] * len(names)
        return {(tmp_path / f"{name}.png").read_bytes() for name in names}

    first = made("first")
    files = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert len(files) > 4
    for number, file in enumerate(files):
        damage = list(DAMAGES.values())[number % len(DAMAGES)]
        file.write_bytes(damage(file.read_bytes()))
    assert made("b", "c") == first
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.nb?")}
    assert made("again") == first
    assert all(file.stat().st_mtime_ns == time for file, time in files.items())
