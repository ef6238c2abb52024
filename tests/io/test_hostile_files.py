"""Files made to do harm: one exception, no allocation, no waiting, nothing on the terminal."""

import io
import logging
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from fuzz_images import corpus, hand_made_tiff, picture, png, run, tiff

import pnncupy as pnn
from pnncupy.io import read_image, read_metadata, write_image
from pnncupy.memory_limit import limit_from_environment, parse_bytes

CORPUS = corpus()
STACKS = (
    "stack.tif", "stack-shaped.tif", "volume.tif", "imagej.tif", "ome-levels.tif", "pages.tif",
    "big-other.tif",
)  # fmt: skip


def ihdr(width, height, depth=8, colour=0, interlace=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)


def png_of(header, rows):
    return png([header, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def jpeg_of(height, width):
    data = bytearray(CORPUS["grey.jpg"])
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff_of(data=b"\0" * 16, **changes):
    """An image of 4 x 4 bytes at byte 158; `t257=(4, 1, 9)` replaces a tag, None removes one."""
    tags = {
        256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 158), 277: (3, 1, 1), 278: (3, 1, 4), 279: (4, 1, 16),
    }  # fmt: skip
    tags.update({int(name[1:]): value for name, value in changes.items()})
    entries = [(code, *tag) for code, tag in sorted(tags.items()) if tag]
    return hand_made_tiff(entries, bytes((12 - len(entries)) * 12) + data)


def loop():
    data = bytearray(tiff_of())
    data[118:122] = struct.pack("<I", 8)
    return bytes(data)


def ome(inside, before=""):
    stream = io.BytesIO()
    text = f"{before}<OME><Image><Pixels DimensionOrder='XYZCT' {inside}</Pixels></Image></OME>"
    tifffile.imwrite(stream, picture((9, 11), "u1"), description=text, metadata=None)
    return stream.getvalue()


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
)
SIZES = "SizeX='11' SizeY='9' SizeZ='1' SizeC='1' SizeT='1'>"
LONG = "SizeX='11' SizeY='9' SizeZ='1' SizeC='1' SizeT='9999999999'>"
HOSTILE = {
    "png-bomb": (
        png_of(ihdr(100_000, 100_000, colour=2), bytes(9)),
        r"declares 100000 x 100000 pixels of 3 channels, 30 GB in memory, and the limit is 16 GB; "
        r"raise it with `max_bytes` or the environment variable PNNCUPY_MAX_MEMORY",
    ),
    "png-too-little": (png_of(ihdr(9999, 9999), bytes(9)), "decompression bomb"),
    "png-zero-width": (png_of(ihdr(0, 5), b""), "declares 0 x 5 pixels: it is empty"),
    "png-odd-depth": (png_of(ihdr(2, 2, depth=3), bytes(6)), "PNG file: Invalid IHDR data"),
    "png-short-pixels": (png_of(ihdr(2, 2), bytes(5)), "PNG file: Not enough image data"),
    "png-no-palette": (png_of(ihdr(2, 2, colour=3), bytes(6)), "damaged or unsupported PNG file"),
    "png-checksum": (
        png_of(ihdr(2, 2), bytes(6)).replace(b"IDAT", b"IDAT\1"),
        "damaged PNG file: .*",
    ),
    "jpeg-huge": (
        jpeg_of(65535, 65535),
        "declares 65535 x 65535 pixels of 1 channels, 4.3 GB, but holds only",
    ),
    "jpeg-empty": (jpeg_of(0, 7), "damaged JPEG file: declares 7 x 0 pixels"),
    "jpeg-no-end": (CORPUS["grey.jpg"][:-2], "without an end marker: cut short"),
    "tiff-bomb": (
        tiff_of(bytes(10_000), t256=(4, 1, 24_000), t257=(4, 1, 24_458), t278=None),
        "declares 24000 x 24458 pixels in page 0, 587 MB, but holds only 16 bytes of pixel data",
    ),
    "tiff-huge": (
        tiff_of(t256=(4, 1, 1 << 20), t257=(4, 1, 1 << 20)),
        r"declares an image of shape \(1048576, 1048576\), 1\.1 TB in memory, and the limit",
    ),
    "tiff-huge-tile": (
        tiff_of(t322=(4, 1, 1 << 20), t323=(4, 1, 1 << 20)),
        r"declares tiles of 1048576 x 1048576 pixels, 1\.1 TB in memory",
    ),
    "tiff-loop": (loop(), "page 1 is the directory at byte 8 again: a loop"),
    "tiff-many-values": (
        tiff_of(t273=(4, 1 << 31, 158)),
        r"page 0: tag 273 has 2147483648 values of type 4 at byte 158, beyond the end",
    ),
    "tiff-many-entries": (b"II*\0\x08\0\0\0" + b"\xff" * 70_000, "page 0 declares 65535 entries"),
    "tiff-strip-beyond": (tiff_of(t273=(4, 1, 999)), "strip 0 takes 16 bytes at byte 999, beyond"),
    "tiff-page-beyond": (b"II*\0\xff\xff\xff\xff", "page 0 at byte 4294967295 is beyond the end"),
    "tiff-missing-strip": (
        tiff_of(t279=(4, 1, 0)), "lacks the bytes of 1 of its 1 strips.*save it with all",
    ),
    "tiff-strip-count": (tiff_of(t278=(3, 1, 2)), "needs 2 strips and has 1 places and 1 sizes"),
    "tiff-type": (tiff_of(t256=(11, 1, 4)), "page 0: tag 256 has 1 values of type 11"),
    "tiff-zero-width": (tiff_of(t256=(3, 1, 0)), "tag 256 should be one number above 0, is"),
    "tiff-no-samples": (tiff_of(t277=(3, 1, 0)), "damaged TIFF file: colours of 0 samples"),
    "tiff-odd-bits": (tiff_of(t258=(3, 1, 7), t339=(3, 1, 3)), "samples of 7 bits in format 3 are"),
    "tiff-codec": (tiff_of(t259=(4, 1, 50001)), "WebP; save it with Deflate, LZW or without"),
    "tiff-jpeg-of-another-size": (
        tiff_of(CORPUS["colour.jpg"], t259=(3, 1, 7), t279=(4, 1, len(CORPUS["colour.jpg"]))),
        "a strip of 4 x 4 pixels of 1 channels holds one of 41 x 33 of 3",
    ),
    "lsm": (tiff_of(t34412=(7, 4, 0x0400494C), t278=None), "a Zeiss LSM file.*as OME-TIFF"),
    "metamorph": (
        tiff_of(t33629=(5, 2, 158), t278=None), "a MetaMorph stack of 2 planes.*as OME-TIFF",
    ),
    "no-page": (b"II*\0" + bytes(8), "it holds no page"),
    "entity-bomb": (ome(f"ID='&b;' {SIZES}", BOMB), "XML that defines entities"),
    "ome-many-planes": (ome(f"{LONG}<TiffData/>"), "tells of more than 1048576 planes"),
    "ome-many-of-them": (
        ome(f"{SIZES}<TiffData IFD='0' PlaneCount='9999999999'/>"),
        "tells of more than 1048576 planes, and it holds 1 pages",
    ),
}  # fmt: skip


def refusal(file, data, **options):
    """The message of the one exception, after a look at what was allocated."""
    file.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(pnn.ImageReadError) as caught:
            read_image(file, **options)
        assert tracemalloc.get_traced_memory()[1] < 30 * len(data) + (1 << 21)
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{file}: ")
    return str(caught.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_for_what_is_wrong(name, tmp_path, capfd):
    data, message = HOSTILE[name]
    with pytest.raises(pnn.ImageReadError, match=message):
        raise pnn.ImageReadError(refusal(tmp_path / "a", data))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name", ["1u1.png", "colour.jpg", "plain-u1.tif", "deflate.tif", "ome.tif"]
)
def test_every_truncation_is_refused(name, tmp_path, capfd):
    for length in range(8, len(CORPUS[name]) - 1, 1 + len(CORPUS[name]) // 200):
        (tmp_path / "a").write_bytes(CORPUS[name][:length])
        with pytest.raises(pnn.ImageReadError):
            read_image(tmp_path / "a")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_sound_files_are_read_whatever_follows_them(name, tmp_path, capfd):
    images = []
    for data in (CORPUS[name], CORPUS[name] + b"\xff\xd8II*\0 and more" * 9):
        (tmp_path / "a").write_bytes(data)
        page = 1 if name in STACKS else None
        images.append(read_image(tmp_path / "a", page=page))
        read_metadata(tmp_path / "a", page=0)
    np.testing.assert_array_equal(*images)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["flat.png", "flat.tif", "flat-tiles.tif", "grey.jpg", "ome.tif"])
def test_the_limit_is_the_size_of_the_array(name, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(CORPUS[name])
    size = read_image(tmp_path / "a").nbytes
    assert read_image(tmp_path / "a", max_bytes=size).nbytes == size
    assert "raise it with `max_bytes`" in refusal(tmp_path / "a", CORPUS[name], max_bytes=size - 1)
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", "1K")
    if size > 1000:
        assert "the limit is 1000 bytes" in refusal(tmp_path / "a", CORPUS[name])
        assert read_image(tmp_path / "a", max_bytes=size).nbytes == size


def test_one_page_of_a_stack_above_the_limit_is_read(tmp_path):
    stack = picture((30, 40, 50), "u1")
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    back = read_image(tmp_path / "a.tif", page=20, max_bytes=2000)
    np.testing.assert_array_equal(back, stack[20])


def test_stacks_of_one_directory_are_read_as_far_as_they_go(tmp_path):
    stack = picture((5, 9, 11), "u2")
    options = {"imagej": True, "byteorder": "<", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", stack, **options)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    start = data.index(stack.tobytes())
    first = int.from_bytes(data[4:8], "little")
    following = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    data[following : following + 4] = bytes(4)
    del data[start + stack.nbytes :]
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=4), stack[4])
    assert "cut short" in refusal(tmp_path / "a.tif", data[:-20])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=0), stack[0])


def test_ome_planes_that_were_never_written_are_no_zeros(tmp_path):
    stack = picture((3, 9, 11), "u2")
    tifffile.imwrite(
        tmp_path / "a.tif", stack, ome=True, metadata={"axes": "TYX"}, photometric="minisblack",
        contiguous=False, compression="deflate",
    )  # fmt: skip
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data.replace(b'SizeT="3"', b'SizeT="7"'))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=2), stack[2])
    with pytest.raises(pnn.ImageReadError, match="lacks the plane 5"):
        read_image(tmp_path / "a.tif", page=5)


def test_no_file_makes_another_one_be_opened(tmp_path):
    write_image(tmp_path / "secret.tif", picture((9, 11), "u1"))
    uuid = "<UUID FileName='secret.tif'>urn:uuid:1</UUID>"
    (tmp_path / "a.tif").write_bytes(ome(f"{SIZES}<TiffData IFD='0'>{uuid}</TiffData>"))
    (tmp_path / "secret.tif").chmod(0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), picture((9, 11), "u1"))


def test_interlaced_pictures_are_read_in_silence(tmp_path, capfd, random):
    for shape in ((1, 1), (1, 5), (13, 17), (8, 8)):
        image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        steps = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
        passes = [image[y::down, x::right] for y, x, down, right in (*steps, (1, 0, 2, 1))]
        rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
        header = ihdr(shape[1], shape[0], colour=2, interlace=1)
        (tmp_path / "a.png").write_bytes(png_of(header, rows))
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    assert capfd.readouterr() == ("", "")


def test_what_the_decoder_logs_stays_away_from_others_and_comes_back(tmp_path, caplog):
    text = '{"shape": [7, 7]}'
    stream = io.BytesIO()
    tifffile.imwrite(stream, picture((9, 11), "u1"), description=text, metadata=None)
    (tmp_path / "a.tif").write_bytes(stream.getvalue())
    assert read_image(tmp_path / "a.tif").shape == (9, 11)
    assert not caplog.records
    logging.getLogger("tifffile").warning("another program's")
    assert [record.message for record in caplog.records] == ["another program's"]


def test_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(pnn.ImageReadError, match="not a regular file"):
        read_image(tmp_path / "pipe")


def test_many_pages_with_a_value_each(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number in range(2000):
            writer.write(np.full((4, 5), number, "u2"), metadata=None)
    assert (read_image(tmp_path / "a.tif", page=1999) == 1999).all()


def test_pages_below_pages_are_pages(tmp_path):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(picture((32, 32), "u1"), subifds=1, metadata=None)
        writer.write(picture((16, 16), "u1"), subfiletype=1, metadata=None)
    (tmp_path / "a.tif").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), picture((32, 32), "u1"))


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd", "lzma", "packbits", "lerc"])
def test_flat_pictures_of_every_codec_are_no_bombs(compression, tmp_path):
    image = np.zeros((600, 700), "u1")
    (tmp_path / "a.tif").write_bytes(tiff(image, compression=compression))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (5, 5), ("5", 5), ("2G", 2_000_000_000), ("500M", 500_000_000), ("1.5 kb", 1500),
        ("2GiB", 2 << 30), (" 3T ", 3_000_000_000_000), (np.int64(7), 7),
    ],
)  # fmt: skip
def test_numbers_of_bytes(text, number):
    assert parse_bytes("max_bytes", text) == number


@pytest.mark.parametrize("text", ["", "G", "-1", "0", 0, -5, "2X", "1e9", "nan", "5 i", "1" * 999])
def test_what_is_no_number_of_bytes(text):
    with pytest.raises(ValueError, match=r"`max_bytes` must be a number of bytes of at least 1"):
        parse_bytes("max_bytes", text)


@pytest.mark.parametrize("value", [None, 2.0, True, b"2"])
def test_what_is_no_number_at_all(value):
    with pytest.raises(TypeError, match="`limit` must be a number of bytes"):
        parse_bytes("limit", value)


def test_the_environment_may_say_nothing_or_nonsense(monkeypatch):
    monkeypatch.delenv("PNNCUPY_MAX_MEMORY", raising=False)
    assert limit_from_environment() is None
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", " ")
    assert limit_from_environment() is None
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", "2G")
    assert limit_from_environment() == 2 * 10**9
    monkeypatch.setenv("PNNCUPY_MAX_MEMORY", "plenty")
    with pytest.raises(ValueError, match="`PNNCUPY_MAX_MEMORY` must be"):
        limit_from_environment()


@pytest.mark.slow
def test_two_thousand_mutants():
    report = run(2000, seed=20220103)
    assert (report.crashes, report.foreign, report.hangs) == ([], [], []), str(report)
    assert sum(report.outcomes.values()) == 2000
    assert report.outcomes["read"] > 100
    assert report.outcomes["refused"] > 1000
    assert report.largest_array <= 1 << 26
