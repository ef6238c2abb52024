"""What of the check of a GPU can be tested without one."""

import subprocess
import sys
from pathlib import Path

import pytest

import pnncupy as pnn

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return pytest.importorskip("bench.device_check", reason="without the folder bench")


def test_bits_of_an_engine_are_compared(bench, monkeypatch):
    names = ("patches of 3,", "patches of 2,", "below 1e-19")
    small = {
        name: call for name, call in bench._calls().items() if any(part in name for part in names)
    }
    assert len(small) == 5
    monkeypatch.setattr(bench, "_calls", lambda: small)
    assert list(bench.bits(["numpy"])) == [f"- {len(small)} calls compared"]
    right = pnn.nearest_patches

    def wrong(*given, engine="auto", **options):
        found = right(*given, **options)
        if engine == "numpy":
            found.score[0, 0] += 1
        return found

    monkeypatch.setattr(pnn, "nearest_patches", wrong)
    told = list(bench.bits(["numpy"]))
    assert told[0].startswith("- numpy, search, patches of 3")
    assert told[0].endswith("**1 values differ**")


def test_a_part_that_fails_or_hangs_is_told(bench, monkeypatch, tmp_path):
    program = tmp_path / "bench" / "device_check.py"
    program.parent.mkdir()
    program.write_text(
        "import sys, time\nprint('begun', flush=True)\n"
        "time.sleep(60 if sys.argv[1] == 'slow' else 0)\nraise ValueError('no such thing')\n"
    )
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench._run("slow", 3, {})[-1] == "**ended after 3 s**"
    told = bench._run("quick", 60, {})
    assert told[:2] == ["begun", "**failed**"]
    assert "ValueError: no such thing" in told


def test_without_a_device_the_command_says_what_to_do(bench):
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "device_check"], cwd=ROOT, capture_output=True, text=True
    )
    if ran.returncode == 0:
        pytest.skip("there is a GPU here")
    assert ran.returncode == 1
    assert ran.stderr.startswith("no GPU to check: ")
    assert "nvidia-smi" in ran.stderr
