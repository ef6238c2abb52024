"""What TIFF files say about their pixels survives, and results say what they are."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from pnncupy import __version__, batch
from pnncupy.batch.provenance import provenance
from pnncupy.cli.app import run
from pnncupy.io import read_image, read_metadata, write_image
from pnncupy.io.formats.tiff_metadata import Metadata, for_result, rational
from pnncupy.io.formats.units import converted
from pnncupy.io.writing import default_suffix
from pnncupy.tasks.editing import near_mask

FAST = ["--iterations", "1", "--coarse-iterations", "1", "--quiet"]
SCALE = (33550, 12, 3, (10.0, 10.0, 0.0), True)
TIEPOINT = (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 5.4e6, 0.0), True)
KEYS = (
    34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32632, 3076, 0, 1, 9001), True,
)  # fmt: skip
GEOGRAPHIC_KEYS = (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 2), True)
CITATION = (34737, 2, 0, "WGS 84 / UTM zone 32N|", True)
NODATA = (42113, 2, 0, "-9999", True)
GPS = (34852, 4, 1, 8, True)  # its neighbour, until it is renamed
GEO = [SCALE, TIEPOINT, KEYS, CITATION, NODATA]
GEO_NAMES = ("ModelPixelScaleTag", "ModelTiepointTag", "GeoKeyDirectoryTag", "GeoAsciiParamsTag")
DTYPES = ("bool", "u1", "u2", "i2", "u4", "f2", "f4", "f8", "i8")


def picture(random, shape, dtype):
    if dtype == "bool":
        return random.random(shape) < 0.5
    return (random.random(shape) * 100).astype(dtype)


def round_trip(folder, image, metadata, description=""):
    """The file written, and the metadata and the pixels read from it."""
    file = folder / "written.tif"
    write_image(file, image, overwrite=True, metadata=metadata, description=description)
    expected = image * np.uint8(255) if image.dtype == bool else image
    back = read_image(file)
    assert back.dtype == expected.dtype
    np.testing.assert_array_equal(back, expected)
    return file, read_metadata(file)


def write_geotiff(file, image, tags=GEO, **options):
    tifffile.imwrite(file, image, metadata=None, extratags=tags, **options)


def rename_gps(file):
    """Give GPS its tag, which tifffile does not write."""
    stand_in, gps = (struct.pack("<HH", code, 4) for code in (GPS[0], 34853))
    data = file.read_bytes()
    assert data.count(stand_in) == 1
    file.write_bytes(data.replace(stand_in, gps))


# The kinds of files


def test_imagej_files(tmp_path, random):
    stack = (random.random((3, 20, 30)) * 255).astype("u1")
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, resolution=(4, 5),
        metadata={
            "axes": "CYX", "unit": "\\u00B5m", "spacing": 3.0, "Labels": ["DAPI", "GFP", "RFP"],
            "Info": "objective = 40x",
        },
    )  # fmt: skip
    found = read_metadata(tmp_path / "a.tif")
    assert found == Metadata(
        (0.2, 0.25), "µm", ("DAPI", "GFP", "RFP"), kind="imagej", text="objective = 40x"
    )
    file, back = round_trip(tmp_path, read_image(tmp_path / "a.tif"), found)
    assert back == found
    with tifffile.TiffFile(file) as tiff:
        assert tiff.series[0].axes == "CYX"
        assert tiff.imagej_metadata["unit"] == "\\u00B5m"
        assert tiff.imagej_metadata["mode"] == "composite"


def test_imagej_without_a_unit_or_with_one_in_ascii(tmp_path):
    image = np.zeros((6, 7), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True)
    assert read_metadata(tmp_path / "a.tif") == Metadata(kind="imagej")
    tifffile.imwrite(tmp_path / "b.tif", image, imagej=True, metadata={"unit": "um"})
    found = read_metadata(tmp_path / "b.tif")
    assert found == Metadata((1.0, 1.0), "um", kind="imagej")
    assert round_trip(tmp_path, image, found)[1] == found
    tifffile.imwrite(
        tmp_path / "c.tif", image, imagej=True, resolution=(300, 300), resolutionunit="inch",
        metadata={"cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "\\u00B0C", "Overlays": b"123"},
    )  # fmt: skip
    found = read_metadata(tmp_path / "c.tif")
    assert found.unit == "inch"
    assert found.calibration == (("cf", 0, "0"), ("c0", 0, "-32768.0"), ("c1", 0, "1.0"),
                                 ("vunit", 0, "°C"))  # fmt: skip
    assert found.other == ("ImageJ's Overlays",)
    assert round_trip(tmp_path, image, found)[1] == replace(found, other=())


def test_labels_of_a_slice(tmp_path, random):
    stack = (random.random((2, 3, 20, 30)) * 255).astype("u2")
    labels = [f"z{z} c{c}" for z in range(2) for c in range(3)]
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX", "Labels": labels}
    )
    assert read_metadata(tmp_path / "a.tif", page=1).channel_names == ("z1 c0", "z1 c1", "z1 c2")


def test_ome_files(tmp_path, random):
    stack = random.random((5, 20, 30)).astype("f4")
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, ome=True,
        metadata={
            "axes": "CYX", "PhysicalSizeX": 0.1625, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 163.0, "PhysicalSizeYUnit": "nm",
            "Channel": {"Name": list("abcde")}, "Description": "cells & nuclei <1>",
        },
    )  # fmt: skip
    found = read_metadata(tmp_path / "a.ome.tif")
    assert found == Metadata(
        (0.163, 0.1625), "µm", tuple("abcde"), kind="ome", text="cells & nuclei <1>"
    )
    file, back = round_trip(tmp_path, read_image(tmp_path / "a.ome.tif"), found)
    assert back == found
    assert back.separate_channels
    with tifffile.TiffFile(file) as tiff:
        assert tiff.is_ome
        assert f'Creator="pnncupy {__version__}"' in tiff.ome_metadata


def test_ome_colour_and_other_images(tmp_path, random):
    image = picture(random, (20, 30, 3), "u1")
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as writer:
        writer.write(image[..., 0], metadata={"axes": "YX", "Channel": {"Name": "grey"}})
        writer.write(
            image, photometric="rgb",
            metadata={"axes": "YXS", "PhysicalSizeX": 2.0, "PhysicalSizeY": 3.0,
                      "Channel": {"Name": "bright field"}},
        )  # fmt: skip
    first, second = (read_metadata(tmp_path / "a.tif", page=page) for page in (0, 1))
    assert (first.channel_names, first.pixel_size) == (("grey",), None)
    assert (second.channel_names, second.pixel_size) == (("bright field",), (3.0, 2.0))
    kept, dropped = for_result(second, origin_kept=False, channels=3)
    assert not dropped
    file, back = round_trip(tmp_path, image, kept)
    assert back == kept
    assert not back.separate_channels
    with tifffile.TiffFile(file) as tiff:
        assert tiff.series[0].axes == "YXS"


def test_three_fluorescence_channels_stay_channels(tmp_path, random):
    stack = (random.random((3, 20, 30)) * 255).astype("u1")
    for options in ({"ome": True}, {"imagej": True}):
        tifffile.imwrite(
            tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "CYX"}, **options
        )
        found = read_metadata(tmp_path / "a.tif")
        file, back = round_trip(tmp_path, read_image(tmp_path / "a.tif"), found)
        assert back == found
        with tifffile.TiffFile(file) as tiff:
            assert tiff.series[0].axes == "CYX"


def test_geotiff_files(tmp_path, random):
    image = random.random((20, 30)).astype("f4")
    write_geotiff(tmp_path / "a.tif", image)
    found = read_metadata(tmp_path / "a.tif")
    assert (found.pixel_size, found.unit, found.nodata) == ((10.0, 10.0), "m", -9999.0)
    assert sorted(found.geo) == [33550, 33922, 34735, 34737]
    kept, dropped = for_result(found, origin_kept=True, channels=1)
    assert (kept, dropped) == (found, ())
    file, back = round_trip(tmp_path, image, kept)
    assert back == found
    with tifffile.TiffFile(file) as tiff:
        assert tiff.pages[0].tags[42113].value == "-9999"
        assert tiff.pages[0].geotiff_tags["ProjectedCSTypeGeoKey"] == 32632
    kept, dropped = for_result(found, origin_kept=False, channels=1)
    assert dropped == GEO_NAMES
    assert kept == Metadata((1000.0, 1000.0), "cm", nodata=-9999.0)
    assert round_trip(tmp_path, image, kept)[1] == kept


def test_degrees_have_no_place_without_a_georeference(tmp_path):
    image = np.zeros((6, 7), np.uint8)
    matrix = (34264, 12, 16, (0.3, 0.4, 0, 5, 0.4, -0.3, 0, 6, *[0.0] * 7, 1.0), True)
    write_geotiff(tmp_path / "a.tif", image, [matrix, GEOGRAPHIC_KEYS])
    found = read_metadata(tmp_path / "a.tif")
    assert (found.pixel_size, found.unit) == ((0.5, 0.5), "degree")
    assert round_trip(tmp_path, image, found)[1] == found
    kept, dropped = for_result(found, origin_kept=False, channels=1)
    assert dropped == ("ModelTransformationTag", "GeoKeyDirectoryTag")
    assert kept == Metadata()


def test_bands_of_a_geotiff(tmp_path, random):
    image = random.random((20, 30, 2)).astype("f4")
    xml = """<GDALMetadata>
      <Item name="DESCRIPTION" sample="0" role="description">red &amp; wide</Item>
      <Item name="DESCRIPTION" sample="1" role="description">infrared</Item>
      <Item name="SCALE" sample="1" role="scale">0.0001</Item>
      <Item name="STATISTICS_MAXIMUM" sample="0">255</Item>
    </GDALMetadata>"""
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    write_geotiff(tmp_path / "a.tif", image, [(42112, 2, 0, xml, True)], **options)
    found = read_metadata(tmp_path / "a.tif")
    assert found.channel_names == ("red & wide", "infrared")
    assert found.calibration == (("scale", 1, "0.0001"),)
    assert found.other == ()
    assert round_trip(tmp_path, image, found)[1] == found
    kept, dropped = for_result(found, origin_kept=True, channels=1)
    assert (kept, dropped) == (Metadata(), ("channel names",))
    more = xml.replace("STATISTICS_MAXIMUM", "SENSOR")
    for text in (more, "<broken"):
        write_geotiff(tmp_path / "b.tif", image, [(42112, 2, 0, text, True)], **options)
        assert read_metadata(tmp_path / "b.tif").other == ("GDAL_METADATA",)


@pytest.mark.parametrize(("unit", "name"), [("inch", "inch"), ("centimeter", "cm"), ("none", None)])
def test_resolution_of_plain_files(unit, name, tmp_path):
    image = np.zeros((6, 7), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", image, resolution=((1181100, 10000), (300, 7)), resolutionunit=unit,
        metadata=None, description="a photograph",
    )  # fmt: skip
    found = read_metadata(tmp_path / "a.tif")
    assert found == Metadata((7 / 300, 10000 / 1181100), name, text="a photograph")
    assert round_trip(tmp_path, image, found)[1] == found


def test_nothing_is_found_where_nothing_is(tmp_path):
    image = np.zeros((6, 7), np.uint8)
    write_image(tmp_path / "a.png", image)
    write_image(tmp_path / "b.tif", image)
    tifffile.imwrite(tmp_path / "c.tif", image)  # its description is the shape
    assert [read_metadata(file) for file in sorted(tmp_path.iterdir())] == [Metadata()] * 3


def test_other_tags_are_named(tmp_path):
    tags = [(274, 3, 1, 6, True), (700, 1, 3, b"xmp", True), GPS,
            (65000, 2, 0, "secret", True)]  # fmt: skip
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((6, 7), np.uint8), metadata=None, extratags=tags,
        iccprofile=b"icc", datetime="2024:01:01 00:00:00", description='{"some": "data"}',
    )  # fmt: skip
    rename_gps(tmp_path / "a.tif")
    found = read_metadata(tmp_path / "a.tif")
    assert set(found.other) == {
        "ImageDescription", "XMP", "GPSTag", "tag 65000", "InterColorProfile", "DateTime",
    }  # fmt: skip
    assert for_result(found, origin_kept=True, channels=1) == (Metadata(), found.other)


def test_what_makes_no_sense_is_survived(tmp_path):
    image = np.zeros((6, 7), np.uint8)
    for tag in (
        (33550, 3, 1, 5, True), (33550, 12, 3, (0.0, math.nan, 1.0), True),
        (34264, 12, 1, 3.0, True), (33550, 11, 3, (1.0, 1.0, 1.0), True),
        (34735, 3, 3, (1, 2, 3), True),
    ):  # fmt: skip
        write_geotiff(tmp_path / "a.tif", image, [tag])
        found = read_metadata(tmp_path / "a.tif")
        assert found.pixel_size is None
        for origin_kept in (True, False):
            kept, dropped = for_result(found, origin_kept=origin_kept, channels=1)
            assert bool(kept.geo) == (not dropped)
            assert round_trip(tmp_path, image, replace(kept, nodata=1.0))[1].nodata == 1
    options = {"imagej": True, "metadata": {"unit": "\\u00", "vunit": "", "cf": 0}}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    assert round_trip(tmp_path, image, read_metadata(tmp_path / "a.tif"))[1].unit == "\\u00"


@pytest.mark.parametrize("value", [2**53 + 1, 2**64 - 1, -(2**63), np.uint64(2**53 + 1), 0])
def test_nodata_has_all_its_digits(value, tmp_path):
    image = np.zeros((4, 5), np.uint64 if value > 0 else np.int64)
    file, kept = round_trip(tmp_path, image, Metadata(nodata=value))
    assert kept.nodata == int(value)
    with tifffile.TiffFile(file) as tiff:
        assert tiff.pages[0].tags[42113].value == str(int(value))


def test_nodata_is_turned_round_with_the_pixels(tmp_path):
    image = np.array([[2**53 + 1, 0, 5]], np.uint64)
    tags = [(42113, 2, 0, str(2**53 + 1), True)]
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", extratags=tags)
    found = read_metadata(tmp_path / "a.tif").nodata
    assert (read_image(tmp_path / "a.tif") == np.uint64(found)).tolist() == [[True, False, False]]


def test_nodata_may_be_nan(tmp_path):
    image = np.zeros((6, 7), np.float32)
    for text, value in (
        ("nan", math.nan),
        (" -3.4e+38 ", -3.4e38),
        ("0", 0.0),
        ("-inf", -math.inf),
    ):
        write_geotiff(tmp_path / "a.tif", image, [(42113, 2, 0, text, True)])
        found = read_metadata(tmp_path / "a.tif")
        assert found == Metadata(nodata=value)
        assert round_trip(tmp_path, image, found)[1] == found


def test_each_page_has_its_own_tags(tmp_path, random):
    image = random.random((20, 30)).astype("f4")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for nodata in ("1", "2"):
            tags = [(42113, 2, 0, nodata, True)]
            writer.write(image, metadata=None, extratags=tags)
    assert [read_metadata(tmp_path / "a.tif", page=page).nodata for page in (0, 1)] == [1, 2]


# Round trips of any image


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["plain", "imagej", "ome"])
def test_every_picture_comes_back(kind, channels, dtype, tmp_path, random):
    image = picture(random, (20, 30) if channels is None else (20, 30, channels), dtype)
    if channels == 1:
        image = image[..., 0]
    names = tuple(f"channel {k}" for k in range(channels or 1))
    unit = "cm" if kind == "plain" else "µm"
    known = Metadata((0.5, 0.25), unit, names, 7.0, kind, "some words")
    for metadata in (known, replace(known, channel_names=()), replace(known, pixel_size=None)):
        whole = metadata if metadata.pixel_size else replace(metadata, unit=None)
        _, back = round_trip(tmp_path, image, metadata)
        if back.kind == kind:
            assert back == whole
        else:  # as near as a plain file can be
            assert dtype in {"imagej": ("i2", "u4", "f2", "f8", "i8"), "ome": ("f2", "i8")}[kind]
            plain = {"kind": "plain", "unit": "cm", "pixel_size": (5e-5, 2.5e-5)}
            size = plain if whole.pixel_size else {"kind": "plain"}
            assert back == replace(whole, **size)


def test_tiny_pictures_and_odd_words(tmp_path):
    for kind in ("plain", "imagej", "ome"):
        for shape in ((1, 1), (1, 3), (3, 4, 3), (2, 2, 5)):
            known = Metadata(
                (1.0, 1.0), "cm", kind=kind, text="Zürich → 北京, {x} & <y>\nsecond line"
            )
            image = np.arange(math.prod(shape)).reshape(shape).astype("u1")
            back = round_trip(tmp_path, image, known, "first line")[1]
            assert back == replace(known, text=f"first line\n{known.text}")


def test_the_same_call_makes_the_same_bytes(tmp_path, random):
    image = picture(random, (20, 30, 3), "u1")
    for kind in ("plain", "imagej", "ome"):
        known = Metadata((0.5, 0.25), "cm", kind=kind)
        first = round_trip(tmp_path, image, known)[0].read_bytes()
        assert round_trip(tmp_path, image, known)[0].read_bytes() == first
        assert round_trip(tmp_path, image[::-1], known)[0].read_bytes() != first


def test_wrong_arguments(tmp_path):
    image = np.zeros((4, 5), np.uint8)
    with pytest.raises(TypeError, match="`metadata` must be Metadata or None, got dict"):
        write_image(tmp_path / "a.tif", image, metadata={})
    with pytest.raises(TypeError, match="`description` must be a string, got int"):
        write_image(tmp_path / "a.tif", image, description=3)
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "none.tif")
    (tmp_path / "bad.tif").write_bytes(b"II*\0")
    with pytest.raises(ValueError, match=r"bad\.tif"):
        read_metadata(tmp_path / "bad.tif")
    write_geotiff(tmp_path / "stack.tif", np.zeros((3, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match="page"):
        read_metadata(tmp_path / "stack.tif")


def test_ratios_come_back_exactly(random):
    for above, below in random.integers(1, 2**32, (200, 2)).tolist():
        found = rational(above / below)
        assert found[0] / found[1] == above / below
        assert max(found) < 2**32
    assert rational(math.inf) is rational(0) is rational(1e-12) is None


def test_units():
    assert converted(1, "inch", "mm") == 25.4
    assert converted(1, "parsec", "mm") is None
    assert default_suffix(np.zeros((3, 3), np.uint8), Metadata((1, 1), "pixel")) == ".png"
    assert default_suffix(np.zeros((3, 3), np.uint8), Metadata((1, 1), "nm")) == ".tif"


# Marks


def test_marks():
    assert provenance("generate", ["a/b.tif"], 3, seed=4).mark(2) == (
        "synthesised by pnncupy generate from b.tif, seed 4, sample 2: all pixels"
    )
    assert provenance("collage", list("abcde"), 3).mark() == (
        "synthesised by pnncupy collage from a, b, c and 2 more: all pixels"
    )
    assert provenance("edit", ["a\nb"], 3, partly=True).mark() == (
        "synthesised by pnncupy edit from a?b: pixels of the mask and near it only"
    )


def test_what_an_edit_changes():
    mask = np.zeros((40, 50), bool)
    mask[20, 10] = True
    changed = near_mask(mask, 2, 3)
    assert changed.sum() == 13 * 13
    assert changed[14:27, 4:17].all()
    assert near_mask(mask, 2, None).sum() == 29 * (11 + 14)
    assert near_mask(mask, 2, 10**9).all()


# The command line


@pytest.fixture
def folder(tmp_path, photograph):
    """A GeoTIFF, its mask, and an edit of it."""
    hole = np.zeros(photograph.shape[:2], np.uint8)
    hole[10:20, 10:25] = 255
    tags = [*GEO, GPS]
    write_geotiff(tmp_path / "map.tif", photograph, tags, photometric="rgb", description="a map")
    rename_gps(tmp_path / "map.tif")
    write_image(tmp_path / "hole.png", hole)
    write_image(tmp_path / "edited.png", np.ascontiguousarray(photograph[:, ::-1]))
    return tmp_path


def call(folder, *words):
    return run([str(word).format(folder=folder) for word in [*words, *FAST]])


@pytest.mark.exhaustive
def test_inpaint_keeps_the_georeference(folder, capsys):
    words = ["inpaint", "{folder}/map.tif", "--mask", "{folder}/hole.png", "-o", "{folder}/out"]
    assert call(folder, *words, "--save-mask", "{folder}/made.tif") == 0
    printed = capsys.readouterr()
    assert "map.tif: the result does not keep GPSTag\n" in printed.err
    assert "made.tif (255: synthesised)" in printed.out
    source, made = read_metadata(folder / "map.tif"), read_metadata(folder / "out/map_inpaint.tif")
    mark = "synthesised by pnncupy inpaint from map.tif: pixels of the mask only"
    assert made == replace(source, other=(), text=f"{mark}\na map")
    with tifffile.TiffFile(folder / "out/map_inpaint.tif") as tiff:
        assert tiff.pages[0].software == f"pnncupy {__version__}"
    mask = read_metadata(folder / "made.tif")
    assert (mask.geo, mask.nodata) == (source.geo, None)
    np.testing.assert_array_equal(read_image(folder / "made.tif"), read_image(folder / "hole.png"))


@pytest.mark.slow
def test_retarget_drops_the_georeference_and_says_so(folder, capsys):
    words = ["retarget", "{folder}/map.tif", "--shape", 30, 50, "-o", "{folder}/out.tif"]
    assert call(folder, *words) == 0
    names = ", ".join((*GEO_NAMES, "GPSTag"))
    assert f"map.tif: the result does not keep {names}\n" in capsys.readouterr().err
    made = read_metadata(folder / "out.tif")
    assert (made.pixel_size, made.unit, made.nodata) == ((1000.0, 1000.0), "cm", -9999.0)
    assert not made.geo


def test_generate_several(folder):
    assert (
        call(folder, "generate", "{folder}/map.tif", "-n", 2, "--seed", 3, "-o", "{folder}/out")
        == 0
    )
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == [f"map_generate_seed3_{end}" for end in ("000.tif", "001.tif", "contact.png")]
    second = read_metadata(folder / "out" / names[1])
    assert second.text == (
        "synthesised by pnncupy generate from map.tif, seed 3, sample 1: all pixels\na map"
    )
    assert second.nodata == -9999


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["analogy", "{folder}/map.tif", "--structure", "{folder}/edited.png"], "analogy"),
        (["collage", "{folder}/map.tif", "{folder}/edited.png"], "collage"),
        (["edit", "{folder}/map.tif", "--edited", "{folder}/edited.png"], "edit"),
    ],
)
def test_other_verbs(words, verb, folder):
    assert call(folder, *words, "-o", "{folder}/out.tif") == 0
    made = read_metadata(folder / "out.tif")
    assert made.text.startswith(f"synthesised by pnncupy {verb} from map.tif")
    assert bool(made.geo) == (verb == "edit")


def test_a_png_result_comes_with_advice(folder, capsys):
    words = ["edit", "{folder}/map.tif", "--edited", "{folder}/edited.png", "-o", "{folder}/o.png"]
    assert call(folder, *words) == 0
    said = "map.tif: .png does not keep its georeference, pixel size and nodata value; .tif would\n"
    assert said in capsys.readouterr().err


def test_nothing_is_said_about_files_without_metadata(folder, photograph, capsys):
    write_image(folder / "plain.tif", photograph)
    assert call(folder, "generate", "{folder}/plain.tif", "--seed", 1, "-o", "{folder}/out") == 0
    assert capsys.readouterr().err == ""
    assert [file.suffix for file in (folder / "out").iterdir()] == [".png"]


def test_metadata_that_cannot_be_read_stops_nothing(folder, capsys, monkeypatch):
    def broken(*arguments):
        raise KeyError("some tag")

    monkeypatch.setattr("pnncupy.io.formats.tiff_reading.read", broken)
    assert call(folder, "generate", "{folder}/map.tif", "-o", "{folder}/out") == 0
    assert "map.tif: its metadata cannot be read: 'some tag'\n" in capsys.readouterr().err


def test_save_mask_of_everything(folder, photograph):
    words = ["edit", "{folder}/map.tif", "--edited", "{folder}/edited.png", "-o", "{folder}/o.tif"]
    assert call(folder, *words, "--save-mask", "{folder}/all.png") == 0
    assert (read_image(folder / "all.png") == np.full(photograph.shape[:2], 255, np.uint8)).all()
    words = ["inpaint", "{folder}/map.tif", "--mask", "{folder}/hole.png", "--remake-known"]
    assert call(folder, *words, "-o", "{folder}/p.tif", "--save-mask", "{folder}/p.png") == 0
    assert (read_image(folder / "p.png") == 255).all()
    assert read_metadata(folder / "p.tif").text.split("\n")[0].endswith(": all pixels")


@pytest.mark.slow
def test_save_mask_of_an_edit_with_a_mask(folder):
    words = ["edit", "{folder}/map.tif", "--edited", "{folder}/edited.png", "-o", "{folder}/o.tif"]
    options = ["--mask", "{folder}/hole.png", "--patch-size", 3, "--levels", 1]
    assert call(folder, *words, *options, "--save-mask", "{folder}/made.png") == 0
    made = read_image(folder / "made.png") > 0
    assert 150 < made.sum() < made.size
    kept = read_image(folder / "edited.png")[~made]
    np.testing.assert_array_equal(read_image(folder / "o.tif")[~made], kept)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("{folder}/a.jpg", "--save-mask must name a .png or .tif file"),
        ("{folder}/made", "--save-mask must name a .png or .tif file"),
        ("{folder}/hole.png", "is an input and would be lost"),
        ("{folder}/old.png", "old.png exists; choose another"),
        ("{folder}/out.tif", "would replace another result"),
        ("{folder}/old.png/a.png", "not a folder"),
    ],
)
def test_wrong_save_mask(mask, message, folder, capsys):
    write_image(folder / "old.png", np.zeros((3, 3), np.uint8))
    words = ["inpaint", "{folder}/map.tif", "--mask", "{folder}/hole.png", "-o", "{folder}/out.tif"]
    assert call(folder, *words, "--save-mask", mask) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (folder / "out.tif").exists()
    force = [*words, "--force", "--save-mask", "{folder}/old.png"]
    if "old.png exists" in message:
        assert call(folder, *force) == 0


# Batches


@pytest.mark.slow
def test_a_batch_keeps_metadata_with_the_same_bytes(folder, capsys):
    (folder / "jobs.toml").write_text(
        "[defaults]\niterations = 1\n"
        '[[job]]\nimage = "map.tif"\nseed = 3\nn = 2\n'
        '[[job]]\nverb = "inpaint"\nimage = "map.tif"\nmask = "hole.png"\nfill = "noise"\n'
        '[[job]]\nverb = "edit"\nsource = "map.tif"\nedited = "edited.png"\noutput = "e.png"\n'
    )
    contents = []
    for name in ("a", "b"):
        words = ["batch", folder / "jobs.toml", "-o", folder / name, "--workers", 1, "--quiet"]
        assert run([str(word) for word in words]) == 0
        contents.append({file.name: file.read_bytes() for file in (folder / name).glob("*.[tp]*")})
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == [
        "e.png", "map_generate_seed3_000.tif", "map_generate_seed3_001.tif", "map_inpaint_seed0.tif"
    ]  # fmt: skip
    error = capsys.readouterr().err
    names = ", ".join((*GEO_NAMES, "GPSTag"))
    assert error.count(f"map.tif: the result does not keep {names}\n") == 2
    assert error.count(".png does not keep its georeference") == 2
    filled = read_metadata(folder / "a/map_inpaint_seed0.tif")
    assert filled.geo
    assert filled.text.startswith("synthesised by pnncupy inpaint from map.tif, seed 0: pixels of")


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_batches_of_arrays_have_no_metadata(tmp_path, photograph):
    jobs, arrays = batch.make_jobs(
        "generate", image=photograph, output="made", suffix=".tif", iterations=1
    )
    assert batch.run(jobs, tmp_path, arrays=arrays, workers=1).notes == []
    text = "synthesised by pnncupy generate from an array, seed 0: all pixels"
    assert read_metadata(tmp_path / "made.tif") == Metadata(text=text)
