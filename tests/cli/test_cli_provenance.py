"""Every file that a command writes says what it is, and the same call makes the same bytes."""

import numpy as np
import pytest

from pnncupy.cli import app
from pnncupy.io import read_image, read_provenance, write_image
from pnncupy.io.formats.xmp import ALGORITHMIC_MEDIA, COMPOSITE_SYNTHETIC

FAST = ["--iterations", "1", "--coarse-iterations", "1", "--levels", "0", "--engine", "numpy"]
GIVEN = {"iterations": 1, "coarse_iterations": 1, "levels": 0, "engine": "numpy"}


@pytest.fixture
def folder(tmp_path, random, monkeypatch):
    """A folder with a source, an edit of it and a mask; commands run in it."""
    image = random.integers(0, 255, (24, 32, 3), np.uint8)
    write_image(tmp_path / "in.png", image)
    write_image(tmp_path / "edit.png", image[::-1])
    mask = np.zeros((24, 32), bool)
    mask[6:11, 8:14] = True
    write_image(tmp_path / "mask.png", mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(verb, *words):
    assert app.run([verb, *map(str, words), *FAST, "--quiet", "--threads", "1"]) == 0


def found_in(file):
    """The record of a file, in which there is no path."""
    assert f"{file.resolve().parent}".encode() not in file.read_bytes()
    return read_provenance(file)


def test_all_files_of_a_call(folder):
    out = folder / "out"
    words = ["--seed", 3, "-n", 2, "--alpha", "inf", "--save-index", folder / "index.tif"]
    guide = ["--guide", folder / "in.png", "edit.png", 0.5]
    run("generate", folder / "in.png", "-o", out, *words, *guide)
    arguments = {
        **GIVEN, "threads": 1, "n": 2, "alpha": "inf", "guides": [["in.png", "edit.png", "0.5"]],
    }  # fmt: skip
    for number in range(2):
        found = found_in(out / f"in_generate_seed3_00{number}.png")
        assert (found.task, found.sources, found.arguments) == ("generate", ("in.png",), arguments)
        assert (found.seed, found.sample) == (3, number)
        assert found.digital_source_type == ALGORITHMIC_MEDIA
        assert found.text.startswith("synthesised by pnncupy generate from in.png, seed 3")
        index = found_in(folder / f"index_00{number}.tif")
        assert index.text == f"index map: {found.text}"
        assert (index.sample, index.arguments) == (number, arguments)
    sheet = found_in(out / "in_generate_seed3_contact.png")
    assert (sheet.seed, sheet.sample, sheet.digital_source_type) == (3, None, COMPOSITE_SYNTHETIC)
    assert sheet.text.startswith("contact sheet: synthesised by pnncupy generate")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize(
    ("verb", "words", "arguments", "kept"),
    [
        ("inpaint", ["--mask", "mask.png"], {"mask": "mask.png"}, True),
        ("inpaint", ["--mask", "mask.png", "--remake-known", "--fill", "mean"],
         {"mask": "mask.png", "keep_known": False, "fill": "mean"}, False),
        ("edit", ["--edited", "edit.png", "--mask", "mask.png"],
         {"edited": "edit.png", "mask": "mask.png"}, True),
        ("edit", ["--edited", "edit.png"], {"edited": "edit.png"}, False),
        ("retarget", ["--scale", "1", "0.9"], {"scale": [1.0, 0.9]}, False),
        ("analogy", ["--structure", "edit.png", "--nodata", "nan", "--vote", "copy"],
         {"structure": "edit.png", "nodata": "nan", "vote": "copy"}, False),
    ],
)  # fmt: skip
def test_kept_pixels_and_arguments_of_all_tasks(verb, words, arguments, kept, suffix, folder):
    words = [folder / word if f"{word}".endswith(".png") else word for word in words]
    more = ["--save-mask", folder / "made.tif"] if "mask" in arguments else []
    run(verb, folder / "in.png", "-o", folder / f"a{suffix}", *words, *more)
    found = found_in(folder / f"a{suffix}")
    assert found.arguments == {**GIVEN, "threads": 1, **arguments}
    assert (found.task, found.seed, found.sample) == (verb, None, 0)
    assert found.digital_source_type == (COMPOSITE_SYNTHETIC if kept else ALGORITHMIC_MEDIA)
    if more:
        mask = found_in(folder / "made.tif")
        assert (mask.text, mask.arguments) == (f"mask: {found.text}", found.arguments)
        assert mask.digital_source_type == ALGORITHMIC_MEDIA


def test_the_same_call_makes_the_same_bytes(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("in.png", "mask.png"):
        (elsewhere / name).write_bytes((folder / name).read_bytes())
    noise = ["--fill", "noise", "--seed", 5]
    run("inpaint", "in.png", "--mask", "mask.png", *noise, "-o", "a.png")
    run("inpaint", elsewhere / "in.png", "-o", folder / "b.png", *noise, "--checkpoint",
        folder / "state", "--mask", elsewhere / "mask.png")  # fmt: skip
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert found_in(folder / "a.png").seed == 5


def test_a_result_as_the_source_of_another(folder, capsys):
    run("inpaint", "in.png", "--mask", "mask.png", "-o", "a.tif")
    capsys.readouterr()
    run("edit", "a.tif", "--edited", "edit.png", "-o", "b.tif")
    assert "does not keep" not in capsys.readouterr().err
    found = found_in(folder / "b.tif")
    assert (found.task, found.sources) == ("edit", ("a.tif",))


@pytest.mark.slow
def test_batches_say_the_same(folder):
    (folder / "jobs.toml").write_text(
        f"[defaults]\niterations = 1\ncoarse_iterations = 1\nlevels = 0\nengine = 'numpy'\n"
        f'[[job]]\nverb = "inpaint"\nimage = "{folder}/in.png"\nmask = "{folder}/mask.png"\n'
        'output = "a.jpg"\n'
        '[[job]]\nimage = "in.png"\noutput = "b.tif"\nalpha = inf\nn = 2\nseed = 4\n'
    )
    assert app.run(["batch", "jobs.toml", "-o", "made", "--quiet", "--workers", "1"]) == 0
    found = found_in(folder / "made/a.jpg")
    assert found.arguments == {**GIVEN, "mask": "mask.png"}
    assert (found.task, found.sources, found.seed) == ("inpaint", ("in.png",), None)
    assert found.digital_source_type == COMPOSITE_SYNTHETIC
    for number in range(2):
        found = found_in(folder / f"made/b_00{number}.tif")
        assert found.arguments == {**GIVEN, "alpha": "inf"}
        assert (found.seed, found.sample) == (4, number)
        assert read_image(folder / f"made/b_00{number}.tif").shape == (24, 32, 3)
