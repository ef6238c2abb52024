"""The command line, batches and reports with axes that wrap around."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli import app
from pnncupy.io import (
    read_image,
    read_provenance,
    read_volume,
    write_image,
    write_volume,
)
from pnncupy.report.commands import command_of
from pnncupy.report.spec import read_spec

QUICK = {"iterations": 1, "patch_size": 3}
WORDS = ["--iterations", "1", "--patch-size", "3"]


@pytest.fixture
def image(random):
    return random.integers(0, 256, (20, 24, 3)).astype(np.uint8)


@pytest.fixture
def folder(image, tmp_path, monkeypatch):
    """A folder with an image, in which commands run."""
    write_image(tmp_path / "in.png", image)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return app.run([*map(str, words), *WORDS])


def test_all_axes_of_volumes_wrap_around(folder, random):
    volume = random.integers(0, 256, (6, 7, 8)).astype(np.uint8)
    write_volume("in.tif", volume)
    for word, periodic in (("all", True), ("both", (False, True, True))):
        words = ["--volume", "--periodic", word, "--quiet", "--seed", 3]
        assert run("generate", "in.tif", "-o", f"{word}.tif", *words) == 0
        made = pnn.generate(volume, rng=3, channel_axis=None, periodic=periodic, **QUICK)
        np.testing.assert_array_equal(read_volume(f"{word}.tif"), made)


@pytest.mark.parametrize(
    ("word", "periodic"),
    [("rows", (True, False)), ("columns", (False, True)), ("both", (True, True))],
)
def test_words_for_axes(word, periodic, image, folder):
    words = ["--periodic", word, "--source-periodic", word, "--quiet", "--seed", 3]
    assert run("generate", "in.png", "-o", "out.png", *words) == 0
    expected = pnn.generate(image, 1, rng=3, periodic=periodic, source_periodic=periodic, **QUICK)
    np.testing.assert_array_equal(read_image("out.png"), expected[0])
    arguments = read_provenance("out.png").arguments
    assert arguments["periodic"] == arguments["source_periodic"] == list(periodic)


def test_every_result_is_written_repeated_too(folder, capsys):
    words = ["--periodic", "both", "--preview-tiled", "--seed", 3, "--distinct", "no"]
    assert run("generate", "in.png", "-o", "out", "-n", 2, *words) == 0
    out = capsys.readouterr().out
    assert "moved by up to 8 pixels or around the border)" in out
    for number in range(2):
        made = read_image(f"out/in_generate_seed3_00{number}.png")
        tiled = f"out/in_generate_seed3_tiled_00{number}.png"
        np.testing.assert_array_equal(read_image(tiled), np.tile(made, (2, 2, 1)))
        found = read_provenance(tiled)
        assert found.text.startswith("tiled preview: synthesised by pnncupy generate")
        assert (found.sample, found.arguments["periodic"]) == (number, [True, True])
        assert "preview_tiled" not in found.arguments
    assert "wrote 2 images repeated 2 x 2, out/in_generate_seed3_tiled_000" in (
        out
    )  # fmt: skip
    assert run("generate", "in.png", "-o", "one.tif", *words) == 0
    np.testing.assert_array_equal(
        read_image("one_tiled.tif"), np.tile(read_image("one.tif"), (2, 2, 1))
    )
    # Neither is replaced.
    folder.joinpath("one.tif").unlink()
    assert run("generate", "in.png", "-o", "one.tif", *words) == 2
    assert "one_tiled.tif exists" in capsys.readouterr().err


def test_edits_across_the_border_change_both_sides(image, folder):
    mask = np.zeros((20, 24), bool)
    mask[:, :2] = True
    write_image("edited.png", np.roll(image, 3, axis=0))
    write_image("mask.png", mask)
    words = ["--edited", "edited.png", "--mask", "mask.png", "--save-mask", "changed.png"]
    for name, options in (("a", []), ("b", ["--periodic", "columns", "--force"])):
        assert run("edit", "in.png", "-o", f"{name}.png", "--quiet", *words, *options) == 0
        changed = read_image("changed.png") > 0
        assert changed[0].sum() == {"a": 8, "b": 14}[name]
        np.testing.assert_array_equal(
            read_image(f"{name}.png")[~changed], np.roll(image, 3, axis=0)[~changed]
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--periodic", "row"], "'row' is not one of 'rows', 'columns', 'both'"),
        (["--source-periodic", "x"], "'x' is not one of 'rows', 'columns', 'both'"),
    ],
)
def test_wrong_words_are_refused(words, message, folder, capsys):
    assert run("generate", "in.png", "-o", "out.png", *words) == 2
    assert message in capsys.readouterr().err


def test_dry_runs_know_the_axes(folder, capsys):
    assert run("generate", "in.png", "--periodic", "columns", "--dry-run", "--levels", 0) == 0
    # 10 rows of patches fewer than pixels, no column.
    assert f"pairs of patches: {18 * 24 * 18 * 22:.2g}" in capsys.readouterr().out


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_batches_take_axes(image, folder):
    folder.joinpath("photos").mkdir()
    write_image("photos/in.png", image)
    words = ["-o", "out", "--seed", 5, "--periodic", "rows", "--quiet", "--workers", 1]
    for made in (1, 0):
        assert run("batch", "photos", *words) == 0
        assert len(list(folder.glob("out/*.png"))) == 1, made
    expected = pnn.generate(image, 1, rng=5, periodic=(True, False), **QUICK)[0]
    np.testing.assert_array_equal(read_image("out/in_generate_seed5_000.png"), expected)
    folder.joinpath("jobs.toml").write_text(
        "[[job]]\nimage = 'in.png'\nseed = 5\nperiodic = [true, false]\n"
        "iterations = 1\npatch_size = 3\n"
    )
    report = batch.run(batch.jobs_of_toml(folder / "jobs.toml"), "listed", workers=1)
    assert (report.made, list(report.failures)) == (1, [])
    (file,) = folder.glob("listed/*.png")
    np.testing.assert_array_equal(read_image(file), expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [("true", "--periodic both"), ("[false, true]", "--periodic columns"), ("false", "")],
)
def test_reports_show_the_command(value, words, folder):
    folder.joinpath("report.toml").write_text(
        f"[[generate]]\nimage = 'in.png'\nperiodic = {value}\n"
    )
    (entry,) = read_spec(folder / "report.toml").entries
    assert command_of(entry, folder).endswith(f"--seed 0 {words}".rstrip())


def test_the_classical_baseline_does_not_wrap_around(folder):
    spec = folder / "report.toml"
    spec.write_text("[[retarget]]\nimage = 'in.png'\nshape = [20, 30]\nperiodic = true\n")
    assert not read_spec(spec).entries[0].baseline
    spec.write_text(spec.read_text() + "baseline = true\n")
    with pytest.raises(ValueError, match="`baseline` must be false with `periodic`"):
        read_spec(spec)


def test_slices_of_volumes_wrap_around(random, folder, capsys):
    volume = random.integers(0, 256, (5, 8, 9), dtype=np.uint8)
    write_volume("v.tif", volume)
    words = ["--volume", "v.tif", "--quiet", "--seed", 3, "--levels", 0]
    assert run("generate", *words, "-o", "out.tif", "--periodic", "columns") == 0
    expected = pnn.generate(
        volume, 1, rng=3, periodic=(False, False, True), channel_axis=None, levels=0, **QUICK
    )
    np.testing.assert_array_equal(read_volume("out.tif"), expected[0])
    assert run("generate", *words, "-o", "b.tif", "--periodic", "rows", "--preview-tiled") == 2
    assert "--preview-tiled is for images, not with --volume" in capsys.readouterr().err
