"""The command `pnncupy volume` and the files of volumes."""

import numpy as np
import pytest
import tifffile

import pnncupy as pnn
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.volume_files import voxel_metadata

FAST = ["--iterations", "1", "--levels", "1", "--patch-size", "3", "--seed", "5", "--quiet"]
OPTIONS = {"iterations": 1, "levels": 1, "patch_size": 3, "rng": 5}


@pytest.fixture
def folder(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (14, 15), dtype=np.uint8)
    metadata = Metadata(pixel_size=(0.25, 0.25), unit="um", kind="imagej")
    write_image(tmp_path / "top.tif", image, metadata=metadata)
    write_image(tmp_path / "side.png", np.ascontiguousarray(image[::-1]))
    return tmp_path


def call(*words):
    return run(["volume", *map(str, words), *FAST])


def test_a_stack_has_the_size_of_its_voxels(folder, capsys):
    out = folder / "made.tif"
    assert call(folder / "top.tif", "--shape", 6, 7, 8, "-o", out) == 0
    expected = pnn.grow_volume(read_image(folder / "top.tif"), (6, 7, 8), **OPTIONS)
    with tifffile.TiffFile(out) as file:
        np.testing.assert_array_equal(file.asarray(), expected)
        assert file.series[0].axes == "ZYX"
        assert file.imagej_metadata["spacing"] == 0.25
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages[0].tags["XResolution"].value == (4, 1)
        assert "pnncupy volume from top.tif, seed 5" in file.imagej_metadata["Info"]
        assert b"pnncupy" in bytes(file.pages[0].tags[700].value)
    printed = capsys.readouterr().out
    assert "seed 5" in printed
    assert f"wrote {out}" in printed
    assert call(folder / "top.tif", "--shape", 6, 7, 8, "-o", out) == 2
    assert "exists" in capsys.readouterr().err


def test_an_array_and_two_images(folder):
    out = folder / "made.npy"
    files = folder / "top.tif", folder / "side.png"
    assert call(*files, "--shape", 6, 7, 8, "--axes", "0,2", "--alpha", "inf", "-o", out) == 0
    expected = pnn.grow_volume(
        [read_image(file) for file in files], (6, 7, 8), axes=(0, 2), alpha=np.inf, **OPTIONS
    )
    np.testing.assert_array_equal(np.load(out), expected)


def test_a_folder_names_the_file(folder):
    assert call(folder / "side.png", "--shape", 6, 7, 8, "-o", folder / "out") == 0
    assert (folder / "out" / "side_volume_seed5.tif").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shape", 6, 7, 8, "--axes", "z"], "--axes must be numbers with commas, such as 0,1"),
        (["--shape", 6, 7, 8, "--axes", "0,0"], "--axes must be 1 to 3 different integers"),
        (["--shape", 2, 7, 8], "--shape must be three integers of at least --patch-size = 3"),
        ([], "Missing option '--shape'"),
    ],
)
def test_wrong_calls(words, message, folder, capsys):
    assert call(folder / "side.png", "-o", folder / "made.tif", *words) == 2
    assert message in capsys.readouterr().err


def test_other_formats_are_refused_before_the_work(folder, capsys):
    assert call(folder / "side.png", "--shape", 6, 7, 8, "-o", folder / "made.png") == 2
    assert "cannot write .png files; use one of .npy, .npz, .tif, .tiff" in capsys.readouterr().err


def test_batches_and_reports_have_none(folder, capsys):
    for name, heading in (("jobs", '[[job]]\nverb = "volume"'), ("report", "[[volume]]")):
        text = f'{heading}\nimages = ["side.png"]\nshape = [6, 7, 8]\n'
        (folder / f"{name}.toml").write_text(text)
    assert run(["batch", str(folder / "jobs.toml"), "-o", str(folder / "out")]) == 2
    assert "`pnncupy.grow_volume`" in capsys.readouterr().err.replace("--verb", "`verb`")
    assert run(["report", str(folder / "report.toml"), "-o", str(folder / "page")]) == 2
    assert "a task that makes images, got 'volume'" in capsys.readouterr().err


def test_voxels_of_slices_with_oblong_pixels_have_no_size():
    assert voxel_metadata(Metadata(pixel_size=(1.0, 2.0), unit="um")) is None
    assert voxel_metadata(Metadata()) == Metadata()
    assert voxel_metadata(Metadata(pixel_size=(2.0, 2.0), unit="um")).slice_size == 2.0
