"""Files of further formats: values, roles of channels, and what is refused, by file."""

import io
import subprocess
import sys

import numpy as np
import pytest

from pnncupy.errors import ImageReadError
from pnncupy.io import (
    Metadata,
    ProvenanceRecord,
    read_image,
    read_metadata,
    read_provenance,
    write_image,
)
from pnncupy.io.formats import decoder_process
from pnncupy.io.formats.kinds import kind_of
from pnncupy.io.sources import read_source

imagecodecs = pytest.importorskip("imagecodecs")
OpenImageIO = pytest.importorskip("OpenImageIO")
Image = pytest.importorskip("PIL.Image")
ImageCms = pytest.importorskip("PIL.ImageCms")
pillow_heif = pytest.importorskip("pillow_heif")

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RECORD = ProvenanceRecord("generate", ("photo.png",), {"alpha": 0.01}, seed=3)


def values(shape, dtype, seed=0):
    """Random values over the whole range of a dtype."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def written_by_oiio(file, image, names=None, dtypes=None, **attributes):
    kinds = {"uint8": "UINT8", "uint16": "UINT16", "float16": "HALF", "float32": "FLOAT"}
    spec = OpenImageIO.ImageSpec(
        image.shape[1], image.shape[0], image.shape[2],
        getattr(OpenImageIO, kinds[image.dtype.name]),
    )  # fmt: skip
    if names:
        spec.channelnames = names
    if dtypes:
        spec.channelformats = dtypes
    for name, value in attributes.items():
        setattr(spec, name, value)
    output = OpenImageIO.ImageOutput.create(str(file))
    assert output.open(str(file), spec)
    assert output.write_image(image)
    assert output.close()


def saved(file, image, **options):
    """A file of Pillow."""
    Image.fromarray(image).save(file, **options)
    return file


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


# All numbers of channels with one dtype, and some with the others.
JXL = {"uint8": (1, 4), "uint16": (1, 2, 3, 4)}
EXR = {"float16": (1, 3), "float32": (1, 2, 3, 4, 11), "uint32": (2,)}
WRITTEN = [
    *(("webp", "uint8", channels) for channels in (3, 4)),
    *(("jxl", dtype, n) for dtype, channels in JXL.items() for n in channels),
    *(("jp2", dtype, n) for dtype in ("uint8", "uint16") for n in (1, 3)),
    *(("exr", dtype, n) for dtype, channels in EXR.items() for n in channels),
    *((kind, dtype, n) for kind in ("npy", "npz") for dtype in ("bool", "int16", "float64")
      for n in (1, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "dtype", "channels"), WRITTEN)
def test_written_files_hold_every_value(tmp_path, suffix, dtype, channels):
    shape = (19, 23) if channels == 1 else (19, 23, channels)
    image = values(shape, "uint8") > 99 if dtype == "bool" else values(shape, dtype)
    file = tmp_path / f"a.{suffix}"
    write_image(file, image)
    assert_same(read_image(file), image)
    with pytest.raises(ImageReadError, match="raise it with `max_bytes`"):
        read_image(file, max_bytes=image.nbytes - 1)
    write_image(file, image, overwrite=True, provenance=RECORD)
    assert_same(read_image(file), image)
    expected = None if suffix in ("npy", "npz") else RECORD
    assert read_provenance(file) == expected


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "message"),
    [
        ("a.webp", "uint8", 1, "WebP holds 3 or 4 channels of uint8, got 1 of uint8; use .png"),
        ("a.webp", "uint16", 3, "got 3 of uint16; use .png or .tif"),
        ("a.jxl", "float32", 1, "JPEG XL holds .* got 1 of float32; use .exr or .tif"),
        ("a.jp2", "float32", 1, "JPEG 2000 holds 1 or 3 channels of uint8 or uint16"),
        ("a.jp2", "uint8", 4, "got 4 of uint8; use .png or .tif"),
        ("a.exr", "uint8", 3, "got 3 of uint8; use .tif, or .png for integers"),
        ("a.exr", "float64", 3, "got 3 of float64; use .tif"),
        ("a.gif", "uint8", 3, ".gif files are only read: GIF holds 256 colours; use .png"),
        ("a.hdr", "float32", 3, "rounds floats to 8 bits; use .exr or .tif"),
        ("a.AVIF", "uint8", 3, "would change values; use .png, .webp or .jxl"),
        ("a.bmp", "uint8", 3, "BMP keeps no profile and no provenance; use .png"),
    ],
)
def test_formats_that_would_lose_something_are_refused_by_name(
    tmp_path, name, dtype, channels, message
):
    image = values((9, 9) if channels == 1 else (9, 9, channels), dtype)
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_profiles_and_alpha_are_kept_or_refused(tmp_path):
    image = values((9, 9, 3), "uint8")
    known = Metadata(icc_profile=PROFILE)
    write_image(tmp_path / "a.webp", image, metadata=known)
    assert read_metadata(tmp_path / "a.webp").icc_profile == PROFILE
    for suffix in ("jxl", "jp2"):
        with pytest.raises(ValueError, match=r"without the ICC profile; use \.png or \.tif"):
            write_image(tmp_path / f"a.{suffix}", image, metadata=known)
    alpha = Metadata(colour="rgb", extra_samples=(2,))
    with pytest.raises(ValueError, match=r"multiplies colours with alpha.*use \.tif"):
        write_image(tmp_path / "a.exr", values((9, 9, 4), "float32"), metadata=alpha)
    bands = Metadata(colour="grey", extra_samples=(0, 0))
    with pytest.raises(ValueError, match="would show these 3 channels as RGB"):
        write_image(tmp_path / "b.webp", image, metadata=bands)


def test_bmp_and_gif(tmp_path):
    image = values((9, 11, 3), "uint8")
    assert_same(read_image(saved(tmp_path / "a.bmp", image)), image)
    assert_same(read_image(saved(tmp_path / "b.bmp", image[..., 0])), image[..., 0])
    few = image // 64 * 64
    found = read_source(saved(tmp_path / "a.gif", few))
    assert_same(found.pixels, few)
    assert found.notes == ("dropped its alpha channel, which is opaque",)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_the_first_image_of_an_animation_is_read_with_a_warning(tmp_path, suffix):
    first, second = np.zeros((9, 11, 3), np.uint8), np.full((9, 11, 3), 255, np.uint8)
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(first).save(file, save_all=True, append_images=[Image.fromarray(second)])
    with pytest.warns(UserWarning, match=r"a\.\w+: it holds several images, of which the first"):
        assert read_image(file)[..., :3].max() == 0
    assert read_image(file, page=1)[..., :3].min() == 255
    assert "it holds several images" in read_source(file).notes[0]
    with pytest.raises(ImageReadError, match="page 2 was requested, but it holds fewer images"):
        read_image(file, page=2)


def test_hdr_is_floats_turned_upright(tmp_path):
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n"
    pixels = bytes(range(128, 128 + 24))  # 3 x 2 pixels of 4 bytes, exponents of 129 to 151
    (tmp_path / "a.hdr").write_bytes(head + b"-Y 2 +X 3\n" + pixels)
    image = read_image(tmp_path / "a.hdr")
    assert image.shape == (2, 3, 3)
    exponent = 2.0 ** (pixels[3] - 128 - 8)
    np.testing.assert_allclose(image[0, 0], np.array([128, 129, 130]) * exponent, rtol=0.005)
    (tmp_path / "b.hdr").write_bytes(head + b"+Y 2 +X 3\n" + pixels)
    assert_same(read_image(tmp_path / "b.hdr"), image[::-1])
    (tmp_path / "c.hdr").write_bytes(head.replace(b"rgbe", b"xyze") + b"-Y 2 +X 3\n" + pixels)
    with pytest.raises(ImageReadError, match="Radiance HDR file"):
        read_image(tmp_path / "c.hdr")


def test_orientation_is_applied(tmp_path):
    image = values((9, 11, 3), "uint8")
    exif = Image.Exif()
    exif[274] = 6
    file = saved(tmp_path / "a.webp", image, lossless=True, exif=exif)
    assert_same(read_image(file), np.rot90(image, 3))
    assert_same(read_image(file, orient=False), image)
    assert read_metadata(file, orient=False).orientation == 6
    file = saved(tmp_path / "a.avif", image, quality=100, exif=exif)
    stored = read_image(file, orient=False)
    assert stored.shape == (9, 11, 3)
    assert_same(read_image(file), np.rot90(stored, 3))


def test_avif_and_heic_keep_their_bits(tmp_path):
    image = values((16, 24, 3), "uint16") >> 6
    data = imagecodecs.avif_encode(image, level=100, bitspersample=10, pixelformat="444")
    (tmp_path / "a.avif").write_bytes(data)
    assert_same(read_image(tmp_path / "a.avif"), image)
    assert read_metadata(tmp_path / "a.avif").bits == 10
    stored = pillow_heif.from_bytes(mode="RGB;16", size=(24, 16), data=(image << 6).tobytes())
    stored.save(tmp_path / "a.heic", quality=-1, chroma=444)
    found = read_image(tmp_path / "a.heic")
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - image).max() <= 2  # of its conversion of colours
    assert read_metadata(tmp_path / "a.heic").bits == 10


def test_jpeg_2000_of_12_bits_says_so(tmp_path):
    image = values((9, 11), "uint16") >> 4
    data = imagecodecs.jpeg2k_encode(image, bitspersample=12, reversible=True, codecformat="jp2")
    (tmp_path / "a.jp2").write_bytes(data)
    assert_same(read_image(tmp_path / "a.jp2"), image)
    assert read_metadata(tmp_path / "a.jp2").bits == 12


def test_jpeg_2000_and_jpeg_xl_keep_channels_and_roles(tmp_path):
    for channels, extra in ((2, (2,)), (3, ()), (4, (2,))):
        image = values((9, 11, channels), "uint16")
        write_image(tmp_path / "a.jxl", image, overwrite=True)
        found = read_source(tmp_path / "a.jxl")
        assert_same(found.pixels, image)
        assert found.metadata.extra_samples == extra
    frames = values((5, 9, 11, 3), "uint8")
    (tmp_path / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    assert_same(read_source(tmp_path / "b.jxl").pixels, frames[0])
    assert_same(read_image(tmp_path / "b.jxl", page=4), frames[4])
    with pytest.warns(UserWarning, match="several images"):
        read_image(tmp_path / "b.jxl")
    image = values((9, 11, 4), "uint8")
    image[..., 3] = 255
    for shown, grey in ((image, False), (image[..., 2:], True)):
        mode = "LA" if grey else "RGBA"
        Image.fromarray(shown, mode).save(tmp_path / "a.jp2")
        found = read_source(tmp_path / "a.jp2")
        assert_same(found.pixels, shown[..., 0] if grey else shown[..., :3])
        assert found.metadata.colour == ("grey" if grey else "rgb")


def test_other_colour_models_are_refused_by_name(tmp_path):
    image = Image.fromarray(values((9, 11, 4), "uint8"), "CMYK")
    image.save(tmp_path / "a.jp2")
    with pytest.raises(ImageReadError, match="colours of the model CMYK; convert it to RGB"):
        read_image(tmp_path / "a.jp2")
    whole = imagecodecs.jpeg2k_encode(values((9, 11, 3), "uint8"), codecformat="jp2")
    place = whole.index(b"colr") + 10
    (tmp_path / "b.jp2").write_bytes(whole[:place] + b"\x12" + whole[place + 1 :])
    with pytest.raises(ImageReadError, match="colours of the model YCbCr; convert it to RGB"):
        read_image(tmp_path / "b.jp2")


def test_exr_of_several_kinds(tmp_path):
    image = values((9, 11, 4), "float32") ** 2
    image[..., 3] = 0.5
    written_by_oiio(tmp_path / "a.exr", image, ("R", "G", "B", "A"))
    found = read_source(tmp_path / "a.exr")
    np.testing.assert_array_equal(found.pixels, image * np.float32([2, 2, 2, 1]))
    assert found.metadata.extra_samples == (2,)
    assert found.notes == ("its colours, which are multiplied with alpha, were divided by it",)
    written_by_oiio(tmp_path / "b.exr", image[..., :2], ("depth", "height"))
    assert read_metadata(tmp_path / "b.exr").channel_names == ("depth", "height")
    assert_same(read_image(tmp_path / "b.exr"), image[..., :2])
    written_by_oiio(tmp_path / "c.exr", image[..., :3], x=5, full_width=30)
    assert read_source(tmp_path / "c.exr").notes[0] == (
        "its data window, 11 x 9 pixels at (5, 0), was read; its display window is 30 x 9"
    )
    mixed = (OpenImageIO.HALF, OpenImageIO.FLOAT)
    written_by_oiio(tmp_path / "d.exr", image[..., :2], dtypes=mixed)
    with pytest.raises(ImageReadError, match="its channels have several dtypes"):
        read_image(tmp_path / "d.exr")


def test_arrays_that_are_no_images_are_refused(tmp_path):
    def refused(name, message, **options):
        with pytest.raises(ImageReadError, match=message):
            read_image(tmp_path / name, **options)

    np.save(tmp_path / "volume.npy", values((9, 9, 9), "uint8"))
    refused("volume.npy", "read it with read_volume .--volume.")
    np.savez(tmp_path / "two.npz", a=np.zeros((9, 9)), b=np.zeros((9, 9)))
    refused("two.npz", r"holds 2 arrays \(a, b\); save the one that is wanted as .npy")
    np.save(tmp_path / "pickled.npy", np.array([[{}]]), allow_pickle=True)
    refused("pickled.npy", "dtype object")
    np.save(tmp_path / "large.npy", np.zeros((99, 99)))
    refused("large.npy", "raise it with `max_bytes`", max_bytes=9999)
    whole = (tmp_path / "large.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:5000])
    refused("cut.npy", "cut short")
    np.savez_compressed(tmp_path / "cut.npz", a=np.zeros((99, 99)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:200])
    refused("cut.npz", "damaged .npz file")
    np.save(tmp_path / "f.npy", np.asfortranarray(values((9, 8), "u2").astype(">u2")))
    np.testing.assert_array_equal(read_image(tmp_path / "f.npy"), values((9, 8), "u2"))


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    file = saved(tmp_path / "a.webp", values((9, 9, 3), "uint8"))
    (tmp_path / "OpenImageIO.py").write_text("raise ModuleNotFoundError(name='OpenImageIO')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ImageReadError, match=r"need the package OpenImageIO; install it with: "
                                             r"pip install 'pnncupy\[formats\]'"):  # fmt: skip
        read_image(file)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"need the package PIL.*pnncupy\[formats\]"):
        write_image(tmp_path / "b.webp", values((9, 9, 3), "uint8"))


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "ended by signal 6"),
        ("x = bytearray(1 << 40)", "needs more memory than its size explains"),
        ("x = [bytearray(1 << 28) for _ in range(9)]", "needs more memory than its size"),
        ("raise RuntimeError('broken')", "damaged or unsupported WebP file: broken"),
        ("import sys; sys.stdout.write('{' * 100); sys.stdout.flush(); sys.exit(3)", "exit code"),
        ("import time; time.sleep(600)", "ended by signal 9"),
    ],
)
def test_a_decoder_that_dies_or_waits_ends_only_itself(tmp_path, monkeypatch, code, message):
    """A stand-in for OpenImageIO does what a broken decoder may do."""
    file = saved(tmp_path / "a.webp", values((9, 9, 3), "uint8"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(decoder_process, "_SECONDS", 2 if "sleep" in code else 60)
    (tmp_path / "OpenImageIO.py").write_text(code)
    with pytest.raises(ImageReadError, match=message):
        read_image(file, max_bytes=10**6)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems differ")
def test_the_time_of_a_decoder_is_bounded_by_itself(tmp_path):
    """Its limits hold also where the process that started it is gone."""
    code = (
        "import resource; from pnncupy.io.decoder import program as d; d._bound(10**9, 1)\n"
        "print(resource.getrlimit(resource.RLIMIT_FSIZE)[0], flush=True)\nwhile True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n"
    assert done.returncode < 0


def small_files():
    """A small file of each format that a process decodes."""
    image = values((16, 16, 3), "uint8")
    files = {
        kind: io.BytesIO() for kind in ("webp", "bmp", "gif", "avif", "jpeg2000")
    }  # fmt: skip
    for kind, buffer in files.items():
        Image.fromarray(image).save(buffer, kind.upper())
    found = {kind: buffer.getvalue() for kind, buffer in files.items()}
    found["jxl"] = imagecodecs.jpegxl_encode(image, lossless=True)
    return found


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("count", [3, pytest.param(12, marks=pytest.mark.exhaustive)])
def test_damaged_files_are_read_or_refused(count, tmp_path, capfd):
    """Cut short, and with bytes changed, anywhere."""
    random = np.random.default_rng(5)
    for kind, whole in small_files().items():
        for number in range(count):
            data = bytearray(whole)
            if number % 3 == 0:
                data = data[: random.integers(20, len(data))]
            for place in random.integers(16, len(data), 4):
                data[place] = random.integers(256)
            (tmp_path / "a").write_bytes(data)
            assert kind_of(bytes(data[:64])) is not None
            try:
                image = read_image(tmp_path / "a", page=0, max_bytes=10**7)
            except ImageReadError:
                continue
            assert image.nbytes <= 10**7, kind
    assert capfd.readouterr() == ("", "")
