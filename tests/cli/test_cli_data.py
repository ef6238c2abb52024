"""The command line with missing pixels, labels, weights and guides."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import pnncupy as pnn
from pnncupy.cli import app
from pnncupy.io import read_image, read_metadata, write_image

QUICK = ["--iterations", "2", "--quiet"]


@pytest.fixture
def image(random):
    return random.random((30, 34)).astype(np.float32)


@pytest.fixture
def missing():
    mask = np.zeros((30, 34), bool)
    mask[8:13, 10:17] = True
    return mask


@pytest.fixture
def holed(image, missing, tmp_path):
    """A TIFF with NaN, and one with a nodata value that its tag names."""
    write_image(tmp_path / "nan.tif", np.where(missing, np.nan, image).astype(np.float32))
    tifffile.imwrite(
        tmp_path / "tagged.tif", np.where(missing, -9999, image).astype(np.float32),
        extratags=[(42113, 2, 0, "-9999", True)], metadata=None,
    )  # fmt: skip
    return tmp_path


def run(*words):
    return app.run([*map(str, words), *QUICK])


@pytest.mark.parametrize("tagged", [True, False])
def test_nodata_of_large_integers(tagged, tmp_path, random, capsys):
    hidden = 2**53 + 1
    image = random.choice([hidden - 1, hidden + 1], (24, 26))
    image[3:6, 4:8] = hidden
    tags = [(42113, 2, 0, str(hidden), True)] if tagged else []
    tifffile.imwrite(tmp_path / "large.tif", image, extratags=tags)
    words = [] if tagged else ["--nodata", hidden]
    words += ["-o", tmp_path / "a.tif", "--vote", "copy", "--save-mask", tmp_path / "mask.png"]
    assert run("inpaint", tmp_path / "large.tif", "--mask", "nodata", *words) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "mask.png") == 255, image == hidden)
    made = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(made[image != hidden], image[image != hidden])
    assert set(made.ravel().tolist()) == {hidden - 1, hidden + 1}
    if tagged:
        assert f"pixels of its nodata value, {hidden}, are" in capsys.readouterr().err


def test_nan_is_refused_unless_it_is_meant(holed, capsys):
    assert run("generate", holed / "nan.tif", "-o", holed / "a.tif") == 2
    assert "NaN" in capsys.readouterr().err
    assert run("generate", holed / "nan.tif", "-o", holed / "a.tif", "--nodata", "nan") == 0
    assert np.isfinite(read_image(holed / "a.tif")).all()


def test_the_tag_of_a_file_is_used_and_told(holed, image, missing, capsys):
    assert run("inpaint", holed / "tagged.tif", "--mask", "nodata", "-o", holed / "a.tif") == 0
    assert "tagged.tif: pixels of its nodata value, -9999, are missing" in capsys.readouterr().err
    made = read_image(holed / "a.tif")
    np.testing.assert_array_equal(made[~missing], image[~missing])
    assert (made[missing] >= 0).all()
    assert run("inpaint", holed / "nan.tif", "--mask", "nodata", "-o", holed / "b.tif") == 0
    np.testing.assert_array_equal(read_image(holed / "b.tif"), made)


def test_a_batch_does_the_same(holed):
    (holed / "jobs.toml").write_text(
        '[defaults]\niterations = 2\n[[job]]\nverb = "inpaint"\nimage = "tagged.tif"\n'
        'mask = "nodata"\noutput = "a.tif"\n[[job]]\nimage = "nan.tif"\nnodata = "nan"\n'
        'output = "b.tif"\nseed = 4\n'
    )
    assert app.run(["batch", str(holed / "jobs.toml"), "-o", str(holed / "out"), "--quiet"]) == 0
    for name, words in (
        ("a.tif", ["inpaint", holed / "tagged.tif", "--mask", "nodata"]),
        ("b.tif", ["generate", holed / "nan.tif", "--nodata", "nan", "--seed", 4]),
    ):
        assert run(*words, "-o", holed / name) == 0
        expected = read_image(holed / name)
        np.testing.assert_array_equal(read_image(holed / "out" / name), expected)


def tagged(file, value, image, **more):
    tifffile.imwrite(file, image, extratags=[(42113, 2, 0, value, True)], metadata=None, **more)


def test_tags_of_all_files_count(holed, image, capsys):
    tagged(holed / "other.tif", "-1", image)
    words = [holed / "tagged.tif", holed / "other.tif", "-o", holed / "c.tif"]
    assert run("collage", *words) == 2
    told = capsys.readouterr().err
    assert "tagged.tif names -9999 as its nodata value and other.tif -1; give --nodata" in told
    guide = ["--guide", holed / "tagged.tif", holed / "tagged.tif", 1]
    assert run("generate", holed / "nan.tif", "--nodata", "nan", "-o", holed / "d.tif", *guide) == 2
    assert "has missing pixels (nodata -9999); guides must be complete" in capsys.readouterr().err
    assert run("generate", holed / "other.tif", "-o", holed / "e.tif", "--nodata", "none") == 0
    tagged(holed / "infinite.tif", "inf", image)
    assert run("generate", holed / "infinite.tif", "-o", holed / "f.tif") == 0


def test_the_tag_of_a_negative_is_turned_round(tmp_path):
    stored = np.full((20, 20), 100, np.uint8)
    stored[:4, :4] = 0
    tagged(tmp_path / "negative.tif", "0", stored, photometric="miniswhite")
    picture = read_image(tmp_path / "negative.tif")
    assert (picture[:4, :4] == read_metadata(tmp_path / "negative.tif").nodata).all()


def test_several_samples_of_a_source_with_holes(holed):
    assert run("generate", holed / "tagged.tif", "-o", holed / "out", "-n", 2, "--seed", 1) == 0
    expected = pnn.generate(read_image(holed / "tagged.tif"), 2, rng=1, nodata=-9999, iterations=2)
    made = [read_image(file) for file in sorted((holed / "out").glob("*.tif"))]
    np.testing.assert_array_equal(made, expected)
    assert (holed / "out/tagged_generate_seed1_contact.png").is_file()


def test_the_mask_of_missing_pixels_is_saved(holed, missing):
    words = ["--mask", "nodata", "-o", holed / "a.tif", "--save-mask", holed / "m.png"]
    assert run("inpaint", holed / "nan.tif", *words) == 0
    np.testing.assert_array_equal(read_image(holed / "m.png"), missing * np.uint8(255))


def test_a_dry_run_with_missing_pixels(holed, capsys):
    assert run("generate", holed / "nan.tif", "--nodata", "nan", "--dry-run") == 0
    assert "peak memory" in capsys.readouterr().out


def test_labels_weights_and_guides(image, tmp_path, random):
    labels = np.digitize(image, [0.3, 0.6]).astype(np.uint8) * 100
    colours = random.integers(0, 256, (30, 34, 3)).astype(np.uint8)
    write_image(tmp_path / "labels.png", labels)
    write_image(tmp_path / "colours.png", colours)
    words = ["--seed", 3, "--categorical"]
    assert run("generate", tmp_path / "labels.png", "-o", tmp_path / "a.png", *words) == 0
    expected = pnn.generate(labels, rng=3, categorical=True, iterations=2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    guide = ["--guide", tmp_path / "labels.png", tmp_path / "labels.png", 0.5]
    words = ["--seed", 3, "--channel-weights", "1,2,0.5", *guide]
    assert run("generate", tmp_path / "colours.png", "-o", tmp_path / "b.png", *words) == 0
    expected = pnn.generate(
        colours, rng=3, channel_weights=[1, 2, 0.5], guides=[(labels, labels, 0.5)], iterations=2
    )
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), expected)
    words = ["--channel-weights", "std", "--shape", 30, 25]
    assert run("retarget", tmp_path / "colours.png", "-o", tmp_path / "c.png", *words) == 0


WRONG = [
    (["--nodata", "some"], '--nodata must be a number, "nan" or "none", got'),
    (["--channel-weights", "1;2"], "--channel-weights must be std or numbers with commas"),
    (["--channel-weights", "1,2"], "--channel-weights must have one number for each of the 1"),
    (["--guide", "nan.tif", "nan.tif", "heavy"], "--guide must end with a weight, a number"),
    (["--guide", "nan.tif", "nan.tif", "1"], "--guide[0] must be finite, got 35 NaN"),
    (["--categorical"], "IMAGE must hold integers or bool with --categorical"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_words(words, message, holed, capsys, monkeypatch):
    monkeypatch.chdir(holed)
    nodata = [] if "--nodata" in words else ["--nodata", "nan"]
    assert run("generate", "nan.tif", "-o", "a.tif", *nodata, *words) == 2
    assert message in capsys.readouterr().err
    assert run("inpaint", "nan.tif", "--mask", "none.png", "-o", "a.tif") == 2
    assert (
        "--mask must name a file, or be nodata or alpha: there is no none.png"
        in capsys.readouterr().err
    )


@pytest.fixture
def phases(tmp_path, monkeypatch):
    """A file of labels, in whose folder commands run."""
    monkeypatch.chdir(tmp_path)
    write_image("phases.png", (np.mgrid[:30, :34].sum(axis=0) // 6 % 3).astype(np.uint8))
    return "phases.png"


HINT = (
    "phases.png: 3 different values (0, 1, 2) are taken for intensities, so that votes average "
    "them; --categorical if they are labels, --no-categorical if not"
)


def test_a_file_that_may_hold_labels_is_reported_once(phases, capsys):
    assert run("generate", phases, "-n", 2, "-o", "several") == 0
    assert capsys.readouterr().err.count(HINT) == 1
    assert run("generate", phases, "--seed", 1, "-o", "out.png") == 0
    assert capsys.readouterr().err.count(HINT) == 1
    assert run("generate", phases, "--seed", 1, "--no-categorical", "-o", "a.png") == 0
    assert run("generate", phases, "--seed", 1, "--categorical", "-o", "b.png") == 0
    assert "values" not in capsys.readouterr().err
    made = read_image("out.png")
    np.testing.assert_array_equal(made, read_image("a.png"))
    assert (made != read_image("b.png")).any()


def test_a_volume_from_a_file_that_may_hold_labels_is_reported(phases, capsys):
    assert run("volume", phases, "--shape", 8, 8, 8, "--seed", 1, "-o", "v.npy") == 0
    assert HINT in capsys.readouterr().err


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_a_batch_reports_each_file_that_may_hold_labels(phases, capsys):
    write_image("other.png", np.where(read_image(phases) > 0, 255, 0).astype(np.uint8))
    words = ["batch", ".", "-o", "out", "-n", 2, "--seed", 1, "--workers", 1]
    assert run(*words) == 0
    notes = capsys.readouterr().err
    for line in ("phases.png: 3 different values (0, 1, 2)", "other.png: 2 different values"):
        assert notes.count(line) == 1
    assert "set categorical=True (--categorical) if they are labels" in notes
    assert run(*words, "--no-categorical") == 0
    assert "different values" not in capsys.readouterr().err


def test_a_report_notes_files_that_may_hold_labels(phases, capsys):
    Path("spec.toml").write_text(f"[[generate]]\nimage = '{phases}'\niterations = 1\nlevels = 0\n")
    assert app.run(["report", "spec.toml", "-o", "page", "--quiet"]) == 0
    assert "phases.png: 3 different values" in capsys.readouterr().err
