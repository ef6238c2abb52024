"""Image files: every depth there and back, other programs' layouts, and what is no image."""

import struct
import zlib

import numpy as np
import pytest
import tifffile

import pnncupy as pnn
from pnncupy.io import read_image, write_image
from pnncupy.io.writing import default_suffix

TIFF_DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def picture(random, shape, dtype):
    return (random.random(shape) * 120).astype(dtype)


@pytest.mark.parametrize("dtype", TIFF_DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5, 70])
def test_tiff_keeps_everything(dtype, channels, tmp_path, random):
    image = picture(random, (9, 11) if channels is None else (9, 11, channels), dtype)
    write_image(tmp_path / "a.tif", image)
    back = read_image(tmp_path / "a.tif")
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image[..., 0] if channels == 1 else image)


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_png_keeps_8_and_16_bits(dtype, channels, tmp_path, random):
    image = picture(random, (9, 11) if channels is None else (9, 11, channels), dtype)
    write_image(tmp_path / "a.png", image)
    back = read_image(tmp_path / "a.png")
    assert back.dtype == image.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, image[..., 0] if channels == 1 else image)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_jpeg_is_close(shape, tmp_path):
    image = np.broadcast_to(np.linspace(0, 255, 50).reshape(1, 50, *[1] * (len(shape) - 2)), shape)
    write_image(tmp_path / "a.jpg", image.astype(np.uint8))
    back = read_image(tmp_path / "a.jpg")
    assert back.shape == shape
    assert abs(back - image).max() < 6


def test_content_decides_not_the_name(tmp_path, random):
    image = picture(random, (9, 11, 3), "u1")
    write_image(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "a.jpeg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpeg"), image)


def test_bool_becomes_black_and_white(tmp_path):
    image = np.array([[True, False, True]])
    write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[255, 0, 255]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"photometric": "rgb", "planarconfig": "separate"}, (9, 11, 3)),
        ({"imagej": True, "metadata": {"axes": "CYX"}}, (9, 11, 3)),
        ({"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}, (9, 11, 3)),
        ({"metadata": {"axes": "CYX"}, "photometric": "minisblack"}, (9, 11, 3)),
    ],
)
def test_leading_channels_go_last(options, expected, tmp_path, random):
    image = picture(random, (3, 9, 11), "u2")
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    back = read_image(tmp_path / "a.tif")
    assert back.shape == expected
    np.testing.assert_array_equal(back, np.moveaxis(image, 0, -1))


@pytest.mark.parametrize("axes", ["ZYX", "TYX", None])
def test_stacks_need_a_page(axes, tmp_path, random):
    image = picture(random, (5, 9, 11), "f4")
    metadata = {"axes": axes} if axes else None
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=metadata, photometric="minisblack")
    with pytest.raises(pnn.ImageReadError, match=r"stack of 5 images .*page=N \(--page N\)"):
        read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=3), image[3])
    with pytest.raises(pnn.ImageReadError, match=r"page 5 .* holds 5"):
        read_image(tmp_path / "a.tif", page=5)


def test_unnamed_trailing_channels_are_understood(tmp_path, random):
    image = picture(random, (30, 40, 5), "f4")
    tifffile.imwrite(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_pages_of_channel_stacks_and_of_unequal_pictures(tmp_path, random):
    stack = picture(random, (2, 4, 9, 11), "u2")
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata={"axes": "TCYX"})
    back = read_image(tmp_path / "a.ome.tif", page=1)
    np.testing.assert_array_equal(back, np.moveaxis(stack[1], 0, -1))
    with tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        writer.write(picture(random, (9, 11), "u1"), metadata=None)
        writer.write(picture(random, (4, 5), "u2"), metadata=None)
    with pytest.raises(pnn.ImageReadError, match="stack of 2"):
        read_image(tmp_path / "b.tif")
    assert read_image(tmp_path / "b.tif", page=1).shape == (4, 5)


def png(width, height, depth, colour, rows, *chunks):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*each) for each in chunks)
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def test_png_palettes_become_colours(tmp_path):
    palette = (b"PLTE", bytes([10, 20, 30, 200, 100, 50]))
    (tmp_path / "a.png").write_bytes(png(2, 1, 8, 3, [bytes([1, 0])], palette))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[200, 100, 50], [10, 20, 30]]])


def test_png_of_one_bit_becomes_black_and_white(tmp_path):
    (tmp_path / "a.png").write_bytes(png(3, 1, 1, 0, [bytes([0b10100000])]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[255, 0, 255]])


def test_tiff_negatives_become_positives(tmp_path, random):
    image = picture(random, (4, 5), "u2")
    tifffile.imwrite(tmp_path / "a.tif", 65535 - image, photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n123",
        b"\xff\xd8\xff\xe0abc",
        b"II*\0",
        b"MM\0*\0\0\0\x08ab",
    ],
)
def test_what_is_no_image_is_refused_by_name(data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(pnn.ImageReadError, match=r"a\.png: "):
        read_image(tmp_path / "a.png")


def test_a_truncated_file_is_refused(tmp_path, random):
    for suffix in (".png", ".tif", ".jpg"):
        file = tmp_path / f"a{suffix}"
        write_image(file, picture(random, (40, 50, 3), "u1"))
        file.write_bytes(file.read_bytes()[:300])
        with pytest.raises(pnn.ImageReadError):
            read_image(file)


def test_missing_files_and_folders_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)
    with pytest.raises(FileNotFoundError):
        write_image(tmp_path / "none" / "a.png", np.zeros((3, 3), np.uint8))


def test_nothing_is_overwritten_unasked_and_nothing_half_written(tmp_path, monkeypatch):
    image = np.zeros((3, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_image(tmp_path / "a.png", image + 1)
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_image(tmp_path / "a.png", image + 1, overwrite=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.png", np.zeros((3, 3), np.float32), r"use \.tif"),
        ("a.png", np.zeros((3, 3, 5), np.uint8), r"use \.tif"),
        ("a.jpg", np.zeros((3, 3), np.uint16), r"use \.png or \.tif"),
        ("a.psd", np.zeros((3, 3), np.uint8), "unknown image format"),
        ("a.tif", np.zeros((3, 3), complex), "real numbers"),
        ("a.tif", np.zeros((0, 3)), "non-empty"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(name, image, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_the_default_format_holds_everything():
    assert default_suffix(np.zeros((3, 3, 4), ">u2")) == ".png"
    assert default_suffix(np.zeros((3, 3, 5), np.uint8)) == ".tif"
    assert default_suffix(np.zeros((3, 3), np.int16)) == ".tif"
