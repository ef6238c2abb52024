"""`pnncupy cite`: the package, and what the files that commands have written used."""

import json
import re

import numpy as np
import pytest

from pnncupy import __version__, citation
from pnncupy.cli import app
from pnncupy.io import ProvenanceRecord, write_image

FAST = ["--iterations", "1", "--levels", "0", "--engine", "numpy", "--quiet"]
SAME_BITS = "has the same bits on every compute engine and for any number of threads."


@pytest.fixture
def folder(tmp_path, random, monkeypatch):
    """A folder with a source, an edit of it and a mask; commands run in it."""
    image = random.integers(0, 255, (24, 32), np.uint8)
    write_image(tmp_path / "in.png", image)
    write_image(tmp_path / "edit.png", image[::-1])
    mask = np.zeros((24, 32), bool)
    mask[6:11, 8:14] = True
    write_image(tmp_path / "mask.png", mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cited(capsys):
    """Function that calls the command and returns what it printed."""

    def call(*words):
        capsys.readouterr()
        assert app.run(["cite", *map(str, words)]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    return call


def keys(text):
    return re.findall(r"^@\w+\{(\w+),$", text, re.M)


def test_the_package(cited):
    text = cited()
    lines = text.splitlines()
    assert lines[0] == "Please cite the software, and the paper of the method:"
    assert lines[2:4] == [citation.software_text(), citation.GPNN.text()]
    assert f"version {__version__}." in lines[2]
    assert "10.48550/arXiv.2103.15545" in lines[3]
    for each in citation.REFERENCES[1:]:
        assert lines[lines.index(f"{each.feature.replace('`', '')}:") + 1] == each.text()
    assert keys(cited("--format", "bibtex")) == ["pnncupy", "granot2022drop"]
    assert cited("--format", "cff") == citation.cff() + "\n"


def test_an_image(folder, cited):
    assert (
        app.run(["generate", "in.png", "-o", "a.png", "--seed", "3", "--vote", "median", *FAST])
        == 0
    )
    sentences, _, entries = cited("a.png").partition("\n\n")
    assert sentences == (
        f"One image was synthesised by diverse generation from in.png, with pnncupy {__version__} "
        "(pnncupy.generate), which implements GPNN (Granot et al. 2022). Nearest patches were "
        "searched exactly. The other parameters that differed from their defaults were iterations "
        '= 1, levels = 0 and vote = "median". The random seed was 3 (realisation 0). The result '
        + SAME_BITS
    )
    assert entries.splitlines() == [citation.software_text(), citation.GPNN.text()]


def test_realisations_and_their_contact_sheet(folder, cited):
    words = ["-n", "2", "--seed", "3", "--shape", "24", "20", "--method", "patchmatch"]
    assert app.run(["generate", "in.png", "edit.png", "-o", "out", *words, *FAST]) == 0
    text = cited("out/in_generate_seed3_001.png")
    assert "from in.png, edit.png, with pnncupy" in text
    assert "searched by PatchMatch (Barnes et al. 2009)." in text
    # Of several images the command line synthesises copies again, unless an option says no.
    assert (
        'were distinct = True, iterations = 1, levels = 0, method = "patchmatch" and shape' in text
    )
    assert "The random seed was 3 (realisation 1). The result has" in text
    sheet = cited("out/in_generate_seed3_contact.png")
    assert sheet.startswith("Images were synthesised by diverse generation from in.png, edit.png,")
    assert "The random seed was 3. The results have" in sheet
    names = ["pnncupy", "granot2022drop", "barnes2009patchmatch"]
    assert keys(cited("out/in_generate_seed3_000.png", "--format", "bibtex")) == names
    cff = cited("out/in_generate_seed3_000.png", "--format", "cff")
    assert cff == citation.cff((citation.GPNN, citation.PATCHMATCH)) + "\n"


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_masks_and_edits(suffix, folder, cited):
    mask = ["--mask", "mask.png", "--fill", "smooth", "--save-mask", "made.png"]
    assert app.run(["inpaint", "in.png", "-o", f"a{suffix}", *mask, *FAST]) == 0
    text = cited(f"a{suffix}")
    assert "by inpainting from in.png, with" in text
    assert "Only the pixels of the mask (mask.png) were synthesised; all others are unch" in text
    assert 'were fill = "smooth", iterations = 1 and levels = 0. The result' in text
    assert text.splitlines()[-1] == citation.BIHARMONIC.text()
    # The file of the mask belongs to the one image that there is.
    assert cited("made.png").startswith("One image was synthesised by inpainting")
    assert app.run(["edit", "in.png", "--edited", "edit.png", "-o", f"b{suffix}", *FAST]) == 0
    assert "The rough edit was edit.png. Nearest" in cited(f"b{suffix}")


def test_missing_pixels_guides_and_other_sizes(folder, cited):
    image = np.full((24, 32), 0.5, np.float32)
    image[4:9, 5:9] = np.nan
    write_image("holed.tif", image)
    assert app.run(["inpaint", "holed.tif", "--mask", "nodata", "-o", "a.tif", *FAST]) == 0
    text = cited("a.tif")
    assert "Only missing pixels were synthesised; all others are unchanged." in text
    assert text.splitlines()[-1] == citation.BIHARMONIC.text()
    guide = ["--guide", "in.png", "edit.png", "0.5"]
    assert app.run(["generate", "in.png", "-o", "b.png", "--seed", "1", *guide, *FAST]) == 0
    assert "included one guide (source in.png; target edit.png; weight 0.5)." in cited("b.png")
    assert app.run(["retarget", "in.png", "--scale", "1", "0.9", "-o", "c.png", *FAST]) == 0
    assert "were iterations = 1, levels = 0 and scale = (1.0, 0.9). The result" in cited("c.png")


def test_a_grown_volume(folder, cited):
    words = [
        "--shape",
        "8",
        "8",
        "8",
        "--seed",
        "2",
        "--iterations",
        "1",
        "--levels",
        "0",
        "--quiet",
    ]
    assert app.run(["volume", "in.png", "-o", "a.tif", *words]) == 0
    text = cited("a.tif")
    assert text.startswith(
        "One volume was synthesised by matching its slices from in.png, with pnncupy "
        f"{__version__} (pnncupy.grow_volume), which implements GPNN (Granot et al. 2022) with the "
        "votes of Kopf et al. 2007."
    )
    assert "The random seed was 2. The result" in text
    assert keys(cited("a.tif", "--format", "bibtex"))[1:] == ["granot2022drop", "kopf2007solid"]


@pytest.mark.slow
@pytest.mark.usefixtures("jobs_in_a_thread")
def test_images_of_batches(folder, cited):
    assert (
        app.run(["batch", ".", "-o", "out", "--seed", "4", "-n", "2", "--workers", "1", *FAST]) == 0
    )
    text = cited("out/in_generate_seed4_001.png")
    # Jobs of a batch are calls of one image.
    assert (
        "differed from their defaults were iterations = 1 and levels = 0. The random seed was 4 "
        in text
    )
    assert "(realisation 1)" in text


def test_defaults_that_were_given_are_no_parameters(folder, cited):
    words = ["--iterations", "10", "--downscale", "1.25", "--threads", "2"]
    assert app.run(["retarget", "in.png", "--scale", "1", "-o", "a.png", *words, "--quiet"]) == 0
    assert (
        "The only other parameter that differed from its default was scale = (1.0, 1.0)."
        in cited("a.png")
    )


def test_files_that_do_not_say_it(folder, capsys):
    assert app.run(["cite", "in.png"]) == 1
    assert (
        "in.png does not say that pnncupy synthesised it; give a result" in capsys.readouterr().err
    )
    (folder / "words.png").write_bytes(b"words")
    assert app.run(["cite", "words.png"]) == 1
    assert "words.png: not a PNG, JPEG or TIFF file" in capsys.readouterr().err
    assert app.run(["cite", "none.png"]) == 2


ESCAPE = "\x1b]0;x\x07"


@pytest.mark.parametrize(
    ("task", "attributes", "code", "told"),
    [
        ("paint", {}, 1, "a.png: no task is called 'paint' in this version of pnncupy"),
        ("generate", {"sources": ()}, 0, "from sources without names, with"),
        ("generate", {"sources": (f"{ESCAPE}.png",)}, 0, "from ?]0;x?.png, with"),
        ("generate", {"arguments": {"guides": "x", "mask": 3, "n": "y"}}, 0, 'guides = "x"'),
        ("generate", {"arguments": {"guides": [[1], [2]]}}, 0, "guides = ((1,), (2,))"),
        ("inpaint", {"arguments": {"mask": ["m"], "fill": {"b": None}}}, 0, "fill = {b: None}"),
        ("generate", {"arguments": {"alpha": ESCAPE}, "version": ESCAPE}, 0, "alpha = "),
    ],
)
def test_records_of_others(task, attributes, code, told, folder, capsys):
    record = ProvenanceRecord(task, **{"sources": ("a",), **attributes})
    write_image("a.png", np.zeros((5, 4), np.uint8), provenance=record)
    assert app.run(["cite", "a.png"]) == code
    said = capsys.readouterr()
    assert told in said.out + said.err
    assert "\x1b" not in said.out + said.err


def test_a_file_of_an_older_version_cites_that(folder, cited):
    record = ProvenanceRecord("generate", ("a.png",), json.loads("{}"), 1, version="0.0.9")
    write_image("a.png", np.zeros((5, 4), np.uint8), provenance=record)
    text = cited("a.png")
    assert "with pnncupy 0.0.9 (pnncupy.generate)" in text
    assert citation.software_text("0.0.9") in text
    assert "Version 0.0.9" in cited("a.png", "--format", "bibtex")
