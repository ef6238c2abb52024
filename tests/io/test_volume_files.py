"""Volumes as files, and the command line's --volume."""

import numpy as np
import pytest
import tifffile

from pnncupy import io
from pnncupy.cli import app
from pnncupy.errors import ImageReadError
from pnncupy.io import Metadata
from pnncupy.io.volume_files import read_volume_file


@pytest.mark.parametrize("kind", ["plain", "imagej", "ome"])
@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "i4", "f4", "f8", "i8"])
@pytest.mark.parametrize("channels", [None, 2, 3, 5])
def test_stacks_come_back_with_their_voxel_size(kind, dtype, channels, random, tmp_path):
    shape = (4, 20, 30) if channels is None else (4, 20, 30, channels)
    volume = (random.random(shape) * 200).astype(dtype)
    for axis in "ZT":
        known = Metadata(
            pixel_size=(0.5, 0.25), unit="µm", slice_size=2.0, kind=kind, slice_axis=axis
        )
        io.write_volume(tmp_path / "a.tif", volume, overwrite=True, metadata=known)
        found = read_volume_file(tmp_path / "a.tif")
        stored = volume.astype(np.uint8) * np.uint8(255) if dtype == "?" else volume
        assert found.pixels.dtype == stored.dtype
        np.testing.assert_array_equal(found.pixels, stored)
        assert found.metadata.slice_axis == axis
        if dtype != "i8":
            assert found.metadata.pixel_size == (0.5, 0.25)
            if axis == "Z":
                assert found.metadata.slice_size == 2.0


def test_arrays_and_stacks_of_other_programs(random, tmp_path):
    volume = random.random((5, 20, 30), np.float32)
    np.save(tmp_path / "a.npy", volume)
    tifffile.imwrite(tmp_path / "b.tif", volume)
    with tifffile.TiffWriter(tmp_path / "c.tif") as file:
        for plane in volume:
            file.write(plane, metadata=None)
    io.write_volume(tmp_path / "d.npy", volume)
    for name in ("a.npy", "b.tif", "c.tif", "d.npy"):
        np.testing.assert_array_equal(io.read_volume(tmp_path / name), volume)


def test_what_is_no_volume_is_refused(random, tmp_path):
    def refused(name, message, **options):
        with pytest.raises(ImageReadError, match=message):
            io.read_volume(tmp_path / name, **options)

    plane = random.random((20, 30), np.float32)
    tifffile.imwrite(tmp_path / "one.tif", plane)
    refused("one.tif", "a volume is a stack of several")
    tifffile.imwrite(tmp_path / "more.tif", np.stack([plane] * 6).reshape(2, 3, 1, 20, 30),
                     imagej=True)  # fmt: skip
    refused("more.tif", "several axes beside rows, columns and channels")
    refused("more.tif", "several axes", max_bytes=10**9)
    tifffile.imwrite(tmp_path / "large.tif", np.stack([plane] * 6))
    refused("large.tif", "and the limit is 9000 bytes", max_bytes=9000)
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        file.write(plane, metadata=None)
        file.write(plane[1:], metadata=None)
    refused("sizes.tif", "pages of a volume must have one shape and dtype")
    io.write_image(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    refused("a.png", "a volume is a TIFF stack, an .npy or .npz file")
    np.save(tmp_path / "flat.npy", plane)
    refused("flat.npy", "not a volume of real numbers: shape")
    np.save(tmp_path / "objects.npy", np.empty((2, 2, 2), object), allow_pickle=True)
    refused("objects.npy", "dtype object")
    whole = (tmp_path / "flat.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:40])
    refused("cut.npy", "damaged .npy file")
    with pytest.raises(ValueError, match=r"unknown volume format '\.png'"):
        io.write_volume(tmp_path / "v.png", np.zeros((3, 3, 3)))
    with pytest.raises(FileExistsError):
        io.write_volume(tmp_path / "a.png", np.zeros((3, 3, 3)))


@pytest.fixture
def files(random, tmp_path):
    volume = random.integers(0, 256, (8, 10, 12)).astype(np.uint8)
    size = Metadata(pixel_size=(0.5, 0.5), slice_size=2.0, unit="um")
    io.write_volume(tmp_path / "v.tif", volume, metadata=size)
    mask = np.zeros(volume.shape, bool)
    mask[2:6, 3:7, 4:8] = True
    io.write_volume(tmp_path / "m.tif", mask)
    np.save(tmp_path / "v.npy", volume)
    return tmp_path, volume, mask


def run(*words):
    return app.run([str(word) for word in words])


SHORT = ("--patch-size", 3, "--iterations", 1, "--quiet")


def test_the_command_line_takes_volumes(files, capsys):
    folder, volume, mask = files
    out = folder / "out"
    assert run("generate", "--volume", folder / "v.tif", "-o", out, "-n", 2, "--seed", 1,
               "--save-index", out / "i.tif", *SHORT) == 0  # fmt: skip
    made = io.read_volume(out / "v_generate_seed1_000.tif")
    assert made.shape == volume.shape
    known = read_volume_file(out / "v_generate_seed1_001.tif").metadata
    assert (known.pixel_size, known.slice_size) == ((0.5, 0.5), 2.0)
    assert io.read_volume(out / "i_000.tif").shape == (*volume.shape, 4)
    assert io.read_image(out / "v_generate_seed1_contact.png").ndim == 3
    assert run("inpaint", "--volume", folder / "v.tif", "--mask", folder / "m.tif", "-o",
               folder / "f.tif", "--save-mask", folder / "fm.tif", *SHORT) == 0  # fmt: skip
    np.testing.assert_array_equal(io.read_volume(folder / "f.tif")[~mask], volume[~mask])
    np.testing.assert_array_equal(io.read_volume(folder / "fm.tif") > 0, mask)
    assert run("generate", "--volume", folder / "v.npy", "-o", folder / "o.npy", "--seed", 1,
               "--patch-size", "2,3,3", "--downscale", "1,1.5,1.5", "--iterations", 1, "--depth",
               6, "--shape", 9, 9) == 0  # fmt: skip
    assert np.load(folder / "o.npy").shape == (6, 9, 9)
    capsys.readouterr()
    assert run("generate", "--volume", folder / "v.tif", "--dry-run", *SHORT) == 0
    assert "peak memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--volume", "{}/v.tif", "--page", 1), "--volume takes whole files"),
        (("{}/v.tif",), "a stack of 8 images"),
        (("--volume", "{}/v.tif", "--patch-size", "a,b"), "'a,b' is not a valid integer"),
        (("--sample", "gravel", "--depth", 3), "--depth needs --volume"),
    ],
)
def test_wrong_commands(files, words, message, capsys):
    folder = files[0]
    given = [str(word).format(folder) for word in words]
    assert run("generate", *given, "-o", folder / "x.tif") != 0
    assert message in capsys.readouterr().err
