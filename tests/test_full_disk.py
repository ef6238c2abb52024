"""A disk that is full: the file is named, nothing is half-written, what was there stays."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pnncupy.atomic_files import whole_file, whole_folder, write_text
from pnncupy.cli.app import run
from pnncupy.io import write_image

pytestmark = pytest.mark.process

# A limit of the size of files acts like a disk that is full, with a reason of its own.
REASON = os.strerror(errno.EFBIG)
PROGRAM = (
    "import resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
    "if __name__ == '__main__':\n"
    "    from pnncupy.__main__ import main; main()\n"
)
QUICK = ["--iterations", 1, "--levels", 1, "--quiet"]


@pytest.fixture
def folder(tmp_path, photograph):
    """A folder with images to work on, in which commands have their files."""
    write_image(tmp_path / "cat.png", photograph)
    write_image(tmp_path / "flat.png", np.full(photograph.shape, 7, np.uint8))
    mask = np.zeros(photograph.shape[:2], np.uint8)
    mask[10:15, 20:30] = 255
    write_image(tmp_path / "mask.png", mask)
    mask[:20] = np.random.default_rng(0).integers(0, 2, mask[:20].shape) * 255
    write_image(tmp_path / "dots.png", mask)
    return tmp_path


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*") if file.is_file()
    }  # fmt: skip


def limited(words, limit, folder):
    """Run a command that can write so many bytes to a file; what it tells."""
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(limit), *map(str, words)], cwd=folder,
        capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 1, made.stderr
    assert "Traceback" not in made.stderr
    assert "Exception ignored" not in made.stderr
    return made.stderr


def unlimited(words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert run([str(word) for word in words]) == 0


FLAT = ["inpaint", "flat.png", "--mask", "dots.png", "-o", "made.png"]


@pytest.mark.parametrize(
    ("words", "limit", "name"),
    [
        (["generate", "cat.png", "-o", "made.png", "--seed", 1], 500, "made.png"),
        (["generate", "cat.png", "-o", "made.tif", "--seed", 1], 500, "made.tif"),
        (["generate", "cat.png", "-o", "made.jpg", "--seed", 1], 500, "made.jpg"),
        (
            ["generate", "cat.png", "-n", 2, "-o", "out", "--seed", 1],
            9000,
            "out/cat_generate_seed1_contact.png",
        ),
        (["inpaint", "cat.png", "--mask", "mask.png", "-o", "made.png"], 500, "made.png"),
        # The result is smaller than what is written beside it.
        ([*FLAT, "--save-index", "index.tif"], 1600, "index.tif"),
        ([*FLAT, "--save-mask", "made_mask.tif"], 1600, "made_mask.tif"),
    ],
)
def test_pictures(words, limit, name, folder, monkeypatch):
    words = [*words, *QUICK]
    unlimited(words, folder, monkeypatch)
    before = contents(folder)
    told = limited([*words, "--force"], limit, folder)
    assert f"{REASON}: '{name}'" in told
    assert contents(folder) == before


def test_checkpoint(folder, monkeypatch):
    words = ["generate", "cat.png", "--alpha", 0.01, "--seed", 1, *QUICK, "-o", "made.png"]
    unlimited(words, folder, monkeypatch)
    before = contents(folder)
    told = limited([*words, "--force", "--checkpoint", "state.npz"], 700, folder)
    assert f"{REASON}: 'state.npz'" in told
    assert contents(folder) == before


def test_manifest(folder, monkeypatch):
    (folder / "in").mkdir()
    write_image(folder / "in" / "dot.png", np.full((8, 8), 7, np.uint8))
    words = ["batch", "in", "-o", "out", "--seed", 1, "--workers", 1, "--quiet", "-n"]
    unlimited([*words, 3], folder, monkeypatch)
    before = contents(folder)
    limit = len(before["out/manifest.jsonl"]) + 300  # more than any of the images
    told = limited([*words, 6], limit, folder)
    assert f"{REASON}: 'out/manifest.jsonl'" in told
    after = contents(folder)
    assert after["out/manifest.jsonl"] == before["out/manifest.jsonl"]
    assert all(after[name] == data for name, data in before.items())
    assert not [name for name in after if name.startswith("out/.")]
    unlimited([*words, 6], folder, monkeypatch)
    lines = (folder / "out" / "manifest.jsonl").read_text().splitlines()
    assert len({json.loads(line)["output"] for line in lines}) == len(lines) == 6


SPEC = """
[[generate]]
image = "cat.png"
title = "Cat"
n = 2
iterations = 1
levels = 1
"""


@pytest.mark.parametrize("name", ["index.html", "pictures/"])
def test_report(name, folder, monkeypatch):
    pytest.importorskip("jinja2")
    (folder / "spec.toml").write_text(SPEC)
    words = ["report", "spec.toml", "-o", "page", "--quiet", "--force"]
    unlimited(words, folder, monkeypatch)
    before = contents(folder)
    limit = len(before["page/index.html"]) - 10 if name == "index.html" else 500
    told = limited(words, limit, folder)
    assert f"{REASON}: 'page/{name}" in told
    assert contents(folder) == before
    assert not list((folder / "page").glob(".*"))


def test_a_whole_file_that_fails_changes_nothing(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "before")

    def fail():
        with whole_file(file) as stream:
            stream.write(b"after")
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert contents(tmp_path) == {"a.txt": b"before"}
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.txt'$"):
        write_text(tmp_path / "nowhere" / "a.txt", "x")


def test_a_whole_folder_that_fails_changes_nothing(tmp_path):
    def fill(text):
        with whole_folder(tmp_path) as temporary:
            (temporary / "sub").mkdir()
            write_text(temporary / "sub" / "a.txt", text)
            write_text(temporary / "b.txt", text)
            if text == "wrong":
                write_text(temporary / "nowhere" / "c.txt", text)

    fill("right")
    expected = {"sub/a.txt": b"right", "b.txt": b"right"}
    assert contents(tmp_path) == expected
    with pytest.raises(FileNotFoundError) as caught:
        fill("wrong")
    assert caught.value.filename == str(tmp_path / "nowhere" / "c.txt")
    assert contents(tmp_path) == expected


def test_kernels_need_no_room_on_the_disk(folder):
    (folder / "kernel.py").write_text(
        "from pnncupy.kernels.numba_cpu.compile import compiled\n"
        "@compiled\n"
        "def one_more(numbers):\n"
        "    numbers[0] += 1\n"
    )
    program = (
        "import resource, sys, numpy\n"
        "sys.path.insert(0, '.')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from kernel import one_more\n"
        "numbers = numpy.zeros(1)\n"
        "one_more(numbers)\n"
        "assert numbers[0] == 1\n"
    )
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")}
    subprocess.run([sys.executable, "-c", program], cwd=folder, env=variables, check=True)
    assert not [name for name in contents(folder) if name.startswith("cache")]


def test_pictures_of_a_batch(folder):
    (folder / "in").mkdir()
    (folder / "cat.png").rename(folder / "in" / "cat.png")
    told = limited(["batch", "in", "-o", "out", "--seed", 1, "--workers", 1], 500, folder)
    assert f"{REASON}: 'out/cat_generate_seed1_000.png'" in told
    assert "1 of 1 failed" in told
    assert not list((folder / "out").iterdir())


def test_arrays_for_workers(tmp_path):
    program = (
        "import resource, numpy\n"
        "from pnncupy import batch\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "jobs, arrays = batch.make_jobs('generate', image=numpy.ones((99, 99)), output='x')\n"
        "try:\n"
        "    batch.run(jobs, 'out', arrays=arrays)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True
    )
    assert told.stderr == ""
    assert f"{tmp_path}/pnncupy-" in told.stdout
    assert contents(tmp_path) == {}
