"""What a report of a fault needs, and what the version says."""

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import pnncupy
from pnncupy.cli import diagnosis, doctor_command
from pnncupy.cli.app import run
from pnncupy.engine import probe as probes
from pnncupy.engine.registry import ENGINES

SECTIONS = ["pnncupy", "python", "system", "processor", "threads", "dependencies", "engines",
            "devices", "cache", "limits", "environment"]  # fmt: skip


@pytest.fixture(autouse=True)
def fresh():
    diagnosis._processor_probe.cache_clear()


def doctor(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "pnncupy", "doctor", *words], capture_output=True, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.process
@pytest.mark.slow
def test_text_and_json_say_the_same():
    found = json.loads(doctor("--json"))
    assert list(found) == SECTIONS
    assert found["pnncupy"]["version"] == pnncupy.__version__
    assert found["engines"]["numpy"] == "runs"
    assert set(found["engines"]) == set(ENGINES)
    assert re.fullmatch(r"(AVX-512|AVX2?|SSE4.2|NEON|none known), \d+ bits",
                        found["processor"]["vectors"])  # fmt: skip
    assert found["dependencies"]["click"]
    assert "pytest" not in found["dependencies"]
    assert found["cache"]["writable"] is True
    assert found["threads"]["default"] >= 1
    text = doctor()
    assert [line for line in text.splitlines() if not line.startswith(" ")] == SECTIONS
    for name in ("version", "numba", "gpus", "writable", "open_files"):
        assert re.search(rf"^  {name}  +\S", text, re.MULTILINE), name


@pytest.mark.process
@pytest.mark.slow
def test_folders_and_names_of_users_are_hidden(tmp_path):
    home = str(Path(sys.prefix).parent)
    text = doctor(
        HOME=home, LOGNAME="alice", USER="alice", PYTHONPATH=f"{tmp_path}/alice/lib",
        NUMBA_NUM_THREADS="3", NUMBA_DISABLE_JIT="1", SECRET_TOKEN="hidden",
    )  # fmt: skip
    assert home not in text
    assert "alice" not in text
    assert "hidden" not in text
    assert "~/" in text
    assert re.search(r"^  default +3$", text, re.MULTILINE)
    assert re.search(r"^  numba +cannot run: .*switched off", text, re.MULTILINE)


def test_what_is_private(monkeypatch):
    monkeypatch.setenv("HOME", "/data/people/bob")
    monkeypatch.setattr(diagnosis.getpass, "getuser", lambda: "bob")
    monkeypatch.setattr(diagnosis, "_home_of_process", lambda: "/srv/bob")
    hidden = diagnosis.private_parts_hidden
    assert hidden("/data/people/bob/x:/srv/bob/y") == "~/x:~/y"
    assert hidden("/data/people/bobby/x") == "/data/people/bobby/x"
    assert hidden("/home/carol/a.py, '/Users/dan/b'") == "~/a.py, '~/b'"
    assert hidden(r"C:\Users\erin\pnncupy") == r"~\pnncupy"
    assert hidden("/scratch/bob/cache and bob") == "/scratch/~/cache and bob"
    assert hidden("bobsleigh") == "bobsleigh"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_fails_is_named(name, monkeypatch, capsys):
    for each in SECTIONS:
        function = "_package" if each == "pnncupy" else f"_{each}"
        monkeypatch.setattr(diagnosis, function, lambda: {"well": 1})
    function = "_package" if name == "pnncupy" else f"_{name}"

    def fail():
        raise RuntimeError("a\nfault")

    monkeypatch.setattr(diagnosis, function, fail)
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop(name) == {"unknown": "RuntimeError: a fault"}
    assert list(found.values()) == [{"well": 1}] * (len(SECTIONS) - 1)


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("kill -SEGV $$", "the test ended with signal SIGSEGV"),
        ("echo no driver >&2; exit 3", "the test ended with exit code 3: no driver"),
        ("echo words", "the test ended with exit code 0"),
        ("exec sleep 60", "no answer in 1 s"),
        ("echo of a library; echo '{\"available\": true}'", None),
    ],
)
def test_tests_that_end_their_process(program, fault, tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr(probes.sys, "executable", str(script))
    monkeypatch.setattr(probes, "SECONDS", 1)
    found = probes.probe("engine", "numba")
    assert found == ({"available": True} if fault is None else {"fault": fault})


def test_a_program_that_is_not_there(monkeypatch):
    monkeypatch.setattr(probes.sys, "executable", "/nowhere/python")
    assert probes.probe("devices")["fault"].startswith("FileNotFoundError")
    found = diagnosis.diagnosis()
    assert list(found) == SECTIONS
    assert found["engines"]["numpy"].startswith("cannot run: FileNotFoundError")
    assert found["processor"]["vectors"].startswith("unknown: FileNotFoundError")
    assert found["cache"] == {
        "folder": None, "writable": False, "effect": "kernels are compiled in each run"
    }  # fmt: skip


def test_folders_that_cannot_be_written(tmp_path):
    assert diagnosis._is_writable(tmp_path)
    assert not diagnosis._is_writable(tmp_path / "missing")


class FakeRuntime:
    """Two devices."""

    @staticmethod
    def getDeviceCount():  # noqa: N802
        return 2

    @staticmethod
    def getDeviceProperties(number):  # noqa: N802
        return {"name": b"Card %d" % number, "major": 9, "minor": number}

    @staticmethod
    def memGetInfo():  # noqa: N802
        return 60 * 10**9, 80 * 10**9

    @staticmethod
    def driverGetVersion():  # noqa: N802
        return 12080

    @staticmethod
    def runtimeGetVersion():  # noqa: N802
        return 13010


class Device:
    def __init__(self, number):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_devices(monkeypatch):
    cuda = types.SimpleNamespace(runtime=FakeRuntime, Device=Device)
    monkeypatch.setattr(probes, "import_module", lambda name: types.SimpleNamespace(cuda=cuda))
    answer = probes._devices()
    monkeypatch.setattr(probes, "probe", lambda kind: answer)
    found = diagnosis._devices()
    assert found["gpus"] == [
        f"Card {number}, compute capability 9.{number}, 80 GB, 60 GB free" for number in (0, 1)
    ]
    assert (found["driver"], found["runtime"]) == ("CUDA 12.8", "CUDA 13.1")


def test_the_version_names_engines_and_devices(capsys, monkeypatch):
    assert run(["--version"]) == 0
    version, engines, devices = capsys.readouterr().out.splitlines()
    assert version == f"pnncupy {pnncupy.__version__}"
    assert engines.startswith("engines: numpy, numba")
    assert devices.startswith(f"devices: {os.cpu_count()} CPU cores")

    def fail():
        raise OSError("no driver")

    monkeypatch.setattr(doctor_command, "_say_engines", fail)
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.splitlines() == [version, "engines: unknown: OSError: no driver"]
