"""OME-Zarr in and out: axes, scales, both versions, and what is refused."""

import json

import numpy as np
import pytest

from pnncupy.cli.app import run
from pnncupy.errors import ImageReadError
from pnncupy.io import (
    Metadata,
    ProvenanceRecord,
    read_image,
    read_metadata,
    read_provenance,
    read_volume,
    write_image,
    write_volume,
)
from pnncupy.io.volume_files import named_slice_axis, read_volume_file

zarr = pytest.importorskip("zarr", minversion="3")
RECORD = ProvenanceRecord("generate", ("photo.png",), {"alpha": 0.01}, seed=3)


def values(shape, dtype="uint16"):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def foreign(path, array, axes, version="0.4", scale=None, units=None, chunks=None, omero=None):
    """A file as other programs write it, with a smaller copy."""
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    group.create_array("full", data=array, chunks=chunks or array.shape)
    group.create_array("half", data=array[..., ::2, ::2])
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis in described:
        if axis["name"] in (units or {}):
            axis["unit"] = units[axis["name"]]
    image = {
        "axes": described,
        "datasets": [
            {"path": name, "coordinateTransformations": [
                {"type": "scale", "scale": [factor * each for each in scale or [1.0] * len(axes)]}
            ]} for name, factor in (("full", 1.0), ("half", 2.0))
        ],
    }  # fmt: skip
    if version == "0.4":
        group.attrs.put({"multiscales": [{"version": version, **image}], **(omero or {})})
    else:
        group.attrs.put({"ome": {"version": version, "multiscales": [image], **(omero or {})}})
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_files_of_other_programs_are_read_at_full_size(tmp_path, version):
    array = values((2, 3, 4, 10, 12))
    units = dict.fromkeys("zyx", "micrometer")
    omero = {"omero": {"channels": [{"label": name} for name in ("DAPI", "GFP", "RFP")]}}
    path = foreign(
        tmp_path / "a.zarr", array, "tczyx", version, [1.0, 1.0, 2.0, 0.5, 0.25], units,
        (1, 1, 2, 10, 12), omero,
    )  # fmt: skip
    with pytest.raises(ImageReadError, match=r"holds a stack of 8 images; choose one with page=N"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, page=5), array[1, :, 1].transpose(1, 2, 0))
    known = read_metadata(path, page=5)
    assert (known.pixel_size, known.unit, known.slice_size) == ((0.5, 0.25), "µm", 2.0)
    assert known.channel_names == ("DAPI", "GFP", "RFP")
    with pytest.raises(ImageReadError, match="page 8 was requested, but the last of its 8 images"):
        read_image(path, page=8)
    with pytest.raises(ImageReadError, match="one axis of slices or times, and it has several"):
        read_volume(path)
    with pytest.raises(ImageReadError, match="raise it with `max_bytes`"):
        read_image(path, page=0, max_bytes=99)


def test_volumes_and_series(tmp_path):
    array = values((4, 10, 12))
    path = foreign(tmp_path / "z.zarr", array, "zyx")
    np.testing.assert_array_equal(read_volume(path), array)
    assert named_slice_axis(path) == "Z"
    path = foreign(tmp_path / "t.zarr", array[:, None], "tcyx")
    found = read_volume_file(path)
    np.testing.assert_array_equal(found.pixels, array)
    assert (found.metadata.slice_axis, named_slice_axis(path)) == ("T", "T")
    path = foreign(tmp_path / "y.zarr", array[0], "yx")
    assert named_slice_axis(path) == ""
    np.testing.assert_array_equal(read_image(path), array[0])
    with pytest.raises(ImageReadError, match="it has no axis"):
        read_volume(path)


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [
        ("bool", ()), ("uint8", (3,)), ("float16", ()),
        # Each starts several processes that import zarr.
        *(
            pytest.param(dtype, channels, marks=pytest.mark.exhaustive)
            for dtype in ("bool", "uint8", "int32", "float16", "float64")
            for channels in ((), (3,))
        ),
    ],
)  # fmt: skip
def test_what_is_written_is_read_again(tmp_path, dtype, channels):
    image, volume = values((10, 12, *channels), dtype), values((3, 10, 12, *channels), dtype)
    names = ("a", "b", "c") if channels else ()
    size = Metadata((0.5, 0.25), "µm", names, slice_size=2.0, kind="ome")
    write_image(tmp_path / "i.zarr", image, metadata=size, provenance=RECORD)
    write_volume(tmp_path / "v.ome.zarr", volume, metadata=size, provenance=RECORD)
    for found, given in (
        (read_image(tmp_path / "i.zarr"), image), (read_volume(tmp_path / "v.ome.zarr"), volume)
    ):  # fmt: skip
        assert found.dtype == given.dtype
        np.testing.assert_array_equal(found, given)
    for name in ("i.zarr", "v.ome.zarr"):
        known = read_metadata(tmp_path / name, page=0)
        assert known == size
        assert read_provenance(tmp_path / name) == RECORD
    assert known.slice_size == 2.0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["i.zarr", "v.ome.zarr"]


def test_folders_are_replaced_as_a_whole_and_only_those_of_zarr(tmp_path, monkeypatch):
    first, second = values((10, 12)), values((5, 6))
    write_image(tmp_path / "a.zarr", first)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_image(tmp_path / "a.zarr", second)
    monkeypatch.setattr(zarr.Group, "create_array", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_image(tmp_path / "a.zarr", second, overwrite=True)
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr"), first)
    write_image(tmp_path / "a.zarr", second, overwrite=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr"), second)
    (tmp_path / "notes.zarr").mkdir()
    (tmp_path / "notes.zarr" / "a.txt").write_text("mine")
    with pytest.raises(ValueError, match="is no folder of Zarr, so it is not replaced"):
        write_image(tmp_path / "notes.zarr", first, overwrite=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zarr", "notes.zarr"]


def test_other_contents_are_refused(tmp_path):
    def refused(name, message):
        with pytest.raises(ImageReadError, match=message):
            read_image(tmp_path / name)

    zarr.save_array(tmp_path / "array.zarr", values((5, 5)))
    refused("array.zarr", "OME-Zarr")
    group = zarr.create_group(tmp_path / "plain.zarr")
    refused("plain.zarr", "is no OME-Zarr image; open it with zarr")
    group.attrs["ome"] = {"version": "0.5", "plate": {}}
    refused("plain.zarr", "holds several images; name the folder of one")
    path = foreign(tmp_path / "old.zarr", values((5, 5)), "yx")
    described = json.loads((path / ".zattrs").read_text())
    for change, message in (
        ({"version": "0.3"}, "is OME-Zarr of version 0.3; only 0.4 and 0.5 are known"),
        ({"axes": [{"name": "a"}, {"name": "x"}]}, "has the axes"),
        ({"datasets": [{"path": "../a.zarr/0"}]}, "is outside of it"),
        ({"datasets": []}, "damaged or unsupported OME-Zarr file"),
    ):
        image = {**described["multiscales"][0], **change}
        (path / ".zattrs").write_text(json.dumps({"multiscales": [image]}))
        refused("old.zarr", message)
    path = foreign(tmp_path / "bomb.zarr", values((4, 5, 5)), "zyx")
    file = path / "full" / ".zarray"
    array = json.loads(file.read_text())
    file.write_text(json.dumps({**array, "shape": [4, 10**6, 10**6], "chunks": [4, 10**6, 10**6]}))
    with pytest.raises(ImageReadError, match="raise it with `max_bytes`"):
        read_image(path, page=0)


@pytest.mark.slow
def test_the_command_line_and_batches_take_it(tmp_path, capsys):
    volume = values((6, 9, 9), "uint8")
    size = Metadata((0.5, 0.5), "µm", slice_size=2.0, kind="ome")
    write_volume(tmp_path / "v.zarr", volume, metadata=size)
    write_image(tmp_path / "i.zarr", volume[0], metadata=size)
    fast = ["--seed", "1", "--iterations", "1", "--quiet", "--patch-size", "3"]
    volumes = ["generate", "--volume", str(tmp_path / "v.zarr"), "-o", str(tmp_path / "w.zarr")]
    assert run([*volumes, *fast]) == 0
    assert read_volume(tmp_path / "w.zarr").shape == volume.shape
    assert read_metadata(tmp_path / "w.zarr", page=0).pixel_size == (0.5, 0.5)
    assert read_provenance(tmp_path / "w.zarr").seed == 1
    images = ["generate", str(tmp_path / "i.zarr"), "-o", str(tmp_path / "j.zarr")]
    assert run([*images, *fast]) == 0
    first = read_image(tmp_path / "j.zarr")
    assert "does not keep" not in capsys.readouterr().err
    assert run([*images, *fast]) == 2
    assert "j.zarr exists; choose another -o or replace with --force" in capsys.readouterr().err
    assert run([*images, *fast, "--force"]) == 0
    assert run(["generate", str(tmp_path), "-o", str(tmp_path / "x.png"), *fast]) == 2
    assert "is a directory" in capsys.readouterr().err
    jobs = "[defaults]\niterations = 1\npatch_size = 3\nseed = 1\n[[job]]\nimage = 'i.zarr'\n"
    (tmp_path / "jobs.toml").write_text(jobs + "[[job]]\nimage = 'v.zarr'\n")
    assert run(["batch", str(tmp_path / "jobs.toml"), "-o", str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "i_generate_seed1.tif"), first)
    np.testing.assert_array_equal(
        read_volume(tmp_path / "out" / "v_generate_seed1.tif"), read_volume(tmp_path / "w.zarr")
    )
