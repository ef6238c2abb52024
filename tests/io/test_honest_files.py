"""Honest files mean what they say: orientation, colour models, roles of bands, structure."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from fuzz_images import png
from PIL import Image

import pnncupy as pnn
from pnncupy.io import Metadata, read_image, read_metadata, write_image
from pnncupy.io.formats.orientation import exif_orientation, upright
from pnncupy.io.formats.tiff_metadata import for_result
from pnncupy.io.reading import read_file

SHAPE = (5, 7)
OPERATIONS = (
    None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
)  # fmt: skip


@pytest.fixture
def image(random):
    return random.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def turned_by_pillow(image, orientation):
    operation = OPERATIONS[orientation - 1]
    picture = Image.fromarray(image)
    return np.asarray(picture if operation is None else picture.transpose(operation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_images_are_turned_upright(tmp_path, image, suffix, orientation):
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    if suffix == ".tif":
        tifffile.imwrite(
            path, image, metadata=None, photometric="rgb", resolution=(100, 200),
            resolutionunit="centimeter", extratags=[(274, 3, 1, orientation, True)],
        )  # fmt: skip
    else:
        Image.fromarray(image).save(path, exif=exif, quality=95, subsampling=0)
    stored = read_image(path, orient=False)
    assert stored.shape == image.shape
    expected = turned_by_pillow(stored, orientation)
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(upright(stored, orientation), expected)
    found = read_file(path)
    assert found.metadata.orientation == 1
    assert len(found.notes) == (orientation > 1)
    assert read_metadata(path, orient=False).orientation == orientation
    if suffix == ".tif":
        sizes = (1 / 100, 1 / 200) if orientation > 4 else (1 / 200, 1 / 100)
        assert read_metadata(path).pixel_size == sizes


@pytest.mark.parametrize(
    "exif",
    [b"", b"II*\0", b"MM\0*\0\0\0\x08\0\x01", b"II*\0\xff\xff\xff\xff", b"nothing of the kind",
     b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 274, 3, 1, 9, 0),
     b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 274, 4, 1, 6)],
)  # fmt: skip
def test_orientations_without_a_meaning_change_nothing(exif):
    assert exif_orientation(exif) == 1


def test_a_turned_map_loses_its_georeference_by_name(tmp_path):
    tags = [(33550, 12, 3, (10.0, 20.0, 0.0), True), (274, 3, 1, 6, True),
            (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
            (34735, 3, 8, (1, 1, 0, 1, 3076, 0, 1, 9001), True)]  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(SHAPE, "u1"), metadata=None, extratags=tags)
    assert read_metadata(tmp_path / "a.tif", orient=False).pixel_size == (20.0, 10.0)
    found = read_metadata(tmp_path / "a.tif")
    assert (found.geo, found.pixel_size, found.unit) == ({}, (1000.0, 2000.0), "cm")
    assert set(found.other) == {"ModelPixelScaleTag", "ModelTiepointTag", "GeoKeyDirectoryTag"}


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_colours_multiplied_with_alpha_are_divided(tmp_path, dtype, random):
    top = 1.0 if dtype == "f4" else np.iinfo(dtype).max
    straight = random.random((*SHAPE, 4)) * [1, 1, 1, 1] * top
    straight[0, 0, 3], straight[1, 1, 3] = 0, top
    stored = straight.copy()
    stored[..., :3] *= straight[..., 3:] / top
    stored = stored.astype(dtype) if dtype == "f4" else np.rint(stored).astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extrasamples=[1], metadata=None
    )  # fmt: skip
    found = read_file(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels[..., 3], stored[..., 3])
    again = found.pixels[..., :3] * (stored[..., 3:] / top)
    np.testing.assert_allclose(again, stored[..., :3], atol=1e-6 if dtype == "f4" else 1.01)
    assert (found.pixels[0, 0, :3] == 0).all()
    assert found.metadata.extra_samples == (2,)
    assert "divided" in found.notes[0]


@pytest.mark.parametrize(
    ("photometric", "samples", "name"),
    [(5, 4, "CMYK"), (5, 3, "separated inks"), (6, 3, "YCbCr"), (8, 3, "CIELAB"),
     (9, 3, "ICC L"), (10, 3, "ITU L"), (32803, 1, "mosaic of a sensor"), (34892, 3, "raw data"),
     (32844, 1, "LogL"), (32845, 3, "LogLuv"), (777, 3, "number 777")],
)  # fmt: skip
def test_other_colour_models_are_refused_by_name(tmp_path, photometric, samples, name):
    stream = io.BytesIO()
    values = np.zeros((*SHAPE, samples), "u1") if samples > 1 else np.zeros(SHAPE, "u1")
    tifffile.imwrite(
        stream, values, metadata=None, photometric="minisblack",
        planarconfig="contig" if samples > 1 else None,
    )  # fmt: skip
    data = bytearray(stream.getvalue())
    place = data.index(struct.pack("<HHI", 262, 3, 1))
    data[place + 8 : place + 10] = struct.pack("<H", photometric)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(pnn.ImageReadError, match=f"{name}.* first"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(pnn.ImageReadError, match=name):
        read_metadata(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["CMYK"])
def test_jpeg_of_other_models_is_refused(tmp_path, mode):
    Image.new(mode, (7, 5)).save(tmp_path / "a.jpg")
    with pytest.raises(pnn.ImageReadError, match=r"CMYK.*convert it to RGB first.*magick"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("extra", [(0,), (2,), (0, 0), (0, 2), (2, 0), (0, 0, 0)])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
def test_roles_of_bands_stay(tmp_path, photometric, extra, random):
    count = len(extra) + (3 if photometric == "rgb" else 1)
    image = random.integers(0, 256, (*SHAPE, count), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric=photometric, extrasamples=extra, metadata=None,
        planarconfig="contig",
    )  # fmt: skip
    known = read_metadata(tmp_path / "a.tif")
    kept, dropped = for_result(known, origin_kept=False, channels=count)
    assert not dropped
    write_image(tmp_path / "b.tif", image, metadata=kept)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        page = tiff.pages[0]
        assert page.photometric.name.lower() == photometric
        assert tuple(map(int, page.extrasamples)) == extra
    if extra == (2,):
        write_image(tmp_path / "b.png", image, metadata=kept)
    else:
        assert "meaning of its channels" in kept.worth_keeping
        with pytest.raises(ValueError, match=r"PNG.*channels.*use \.tif"):
            write_image(tmp_path / "b.png", image, metadata=kept)
    if extra[-1] == 2:  # a result without its alpha
        fewer = for_result(known, origin_kept=False, channels=count - 1)[0]
        assert fewer.extra_samples == extra[:-1]


def test_smaller_copies_are_no_pages(tmp_path, image):
    for older in (False, True):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            writer.write(image, metadata=None)
            if older:
                writer.write(image[::2, ::2], metadata=None, extratags=[(255, 3, 1, 2, True)])
            else:
                writer.write(image[::2, ::2], metadata=None, subfiletype=1)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_pages_of_a_document_are_pages(tmp_path, image):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number in range(3):
            writer.write(image + number, metadata=None, subfiletype=2)
    with pytest.raises(pnn.ImageReadError, match="a stack of 3 images"):
        read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), image + 1)


def test_narrow_pages_are_pages_where_anything_says_so(tmp_path, random):
    stack = random.integers(0, 256, (20, 32, 12), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack)
    assert read_image(path).shape == (20, 32, 12)  # as tifffile stores rows, columns, channels
    np.testing.assert_array_equal(read_image(path, page=7), stack[7])
    numbered = [(297, 3, 2, (0, 20), True)]
    for options in (
        {"metadata": {"axes": "ZYX"}}, {"metadata": None}, {"extratags": numbered},
        {"imagej": True, "metadata": {"axes": "ZYX"}}, {"ome": True, "metadata": {"axes": "ZYX"}},
    ):  # fmt: skip
        tifffile.imwrite(path, stack, **options)
        with pytest.raises(pnn.ImageReadError, match="a stack of 20 images"):
            read_image(path)
        np.testing.assert_array_equal(read_image(path, page=7), stack[7])


def test_tags_of_a_vendor_refuse_nothing(tmp_path, image):
    for code, kind, count, value in ((33628, 4, 1, 5), (33629, 5, 1, (1, 1)), (34412, 4, 1, 5)):
        tifffile.imwrite(
            tmp_path / "a.tif", image, metadata=None, extratags=[(code, kind, count, value, True)]
        )
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)
        assert len(read_metadata(tmp_path / "a.tif").other) == 1


def test_display_of_imagej_is_kept(tmp_path):
    table = np.zeros((3, 256), "u1")
    table[1] = np.arange(256)
    stack = np.arange(70, dtype="u2").reshape(2, 5, 7)
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True,
        metadata={"axes": "CYX", "LUTs": [table, table[::-1]], "Ranges": (1.0, 9.0, 2.0, 8.0),
                  "min": 1.0, "max": 9.0},
    )  # fmt: skip
    known = read_metadata(tmp_path / "a.tif")
    assert "display range" in known.worth_keeping
    write_image(tmp_path / "b.tif", read_image(tmp_path / "a.tif"), metadata=known)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        found = tiff.imagej_metadata
    assert (found["Ranges"], found["min"], found["max"]) == ((1.0, 9.0, 2.0, 8.0), 1.0, 9.0)
    np.testing.assert_array_equal(found["LUTs"], [table, table[::-1]])
    assert read_metadata(tmp_path / "b.tif") == known


def test_a_table_of_imagej_is_kept(tmp_path):
    table = (np.arange(768).reshape(3, 256) * 85).astype("u2")
    values = np.arange(35, dtype="u1").reshape(SHAPE)
    tifffile.imwrite(
        tmp_path / "a.tif", values, imagej=True, photometric="palette", colormap=table
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), values)
    known = read_metadata(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", values, metadata=known)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        np.testing.assert_array_equal(tiff.pages[0].colormap, table)
        assert tiff.is_imagej
    assert for_result(known, origin_kept=False, channels=3)[1] == ("table of colours",)


def header(depth, colour):
    return b"IHDR", struct.pack(">IIBBBBB", 7, 5, depth, colour, 0, 0, 0)


SOUND = {
    "bytes behind the pixel data": (
        8, 0, b"", lambda data: zlib.compress(data) + b"and more"
    ),
    "more pixel data than needed": (8, 0, b"", lambda data: zlib.compress(data + b"\0" * 9)),
    "transparent colour with high bits": (1, 0, struct.pack(">H", 0xFF01), zlib.compress),
    "two bits, transparent with high bits": (2, 0, struct.pack(">H", 0x7F02), zlib.compress),
    "colours of alpha that nothing needs": (8, 4, struct.pack(">H", 1), zlib.compress),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("end", [b"", b"anything behind the end"])
def test_sound_png_files_are_read(tmp_path, name, end, random):
    depth, colour, transparent, pack = SOUND[name]
    width = -(-7 * depth * (2 if colour == 4 else 1) // 8)
    rows = b"".join(b"\0" + random.bytes(width) for _ in range(5))
    chunks = [header(depth, colour)]
    if transparent:
        chunks.append((b"tRNS", transparent))
    data = png([*chunks, (b"IDAT", pack(rows)), (b"IEND", b"")]) + end
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as picture:
        is_alpha = "transparency" in picture.info
        mode = "LA" if is_alpha or colour == 4 else "L"
        expected = np.asarray(picture.convert(mode))
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found[..., 0] if mode == "LA" else found, expected[..., 0]
                                  if mode == "LA" else expected)  # fmt: skip


def test_profiles_go_where_they_fit(tmp_path, image):
    profile = bytes(12) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(200_000)
    for suffix in (".png", ".jpg", ".tif"):
        write_image(tmp_path / f"a{suffix}", image, metadata=Metadata(icc_profile=profile))
        known = read_metadata(tmp_path / f"a{suffix}")
        assert known.icc_profile == profile
        with Image.open(tmp_path / f"a{suffix}") as picture:
            assert picture.info["icc_profile"] == profile
        assert for_result(known, origin_kept=True, channels=1) == (
            for_result(Metadata(), origin_kept=True, channels=1)[0], ("ICC profile",)
        )  # fmt: skip


CASES = {
    "exif6.jpg": (48, 32, 3), "orientation6.tif": (48, 32, 3), "cmyk.jpg": "CMYK",
    "premultiplied_alpha.tif": (32, 48, 4), "rgb_nir.tif": (32, 48, 4), "icc.png": (32, 48, 3),
    "imagej_green_lut.tif": (32, 48), "internal_mask.tif": (32, 48, 3),
    "ome_with_metamorph_tag.ome.tif": (32, 48), "png_bytes_behind_zlib_stream.png": (32, 48, 3),
    "png_1bit_trns_high_bits.png": (32, 48, 2), "ycbcr_420_uncompressed.tif": "subsampled YCbCr",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_known_files(shared, name):
    path, expected = shared / "cases" / name, CASES[name]
    if isinstance(expected, str):
        with pytest.raises(pnn.ImageReadError, match=expected):
            read_image(path)
        return
    found = read_file(path)
    assert found.pixels.shape == expected
    if expected == (32, 48, 3):
        reference = read_image(shared / "cases" / "reference_rgb.png")
        known = slice(None) if found.missing is None else ~found.missing
        np.testing.assert_array_equal(found.pixels[known], reference[known])
    if name == "internal_mask.tif":
        assert found.missing.sum() == 120
    if name == "premultiplied_alpha.tif":
        assert (found.pixels[:, :24] == (255, 0, 0, 128)).all()
