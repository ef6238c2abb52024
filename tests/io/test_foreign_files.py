"""Files of Pillow, tifffile and GDAL: the same pixels, and in results the same roles of bands."""

import numpy as np
import pytest
import tifffile
from foreign_files import (
    of_gdal,
    of_pillow,
    of_tifffile,
    pillow_image,
    write_gdal,
    write_pillow,
    write_tifffile,
)
from PIL import Image, ImageOps

import pnncupy as pnn
from pnncupy.io import read_image, read_metadata, write_image
from pnncupy.io.formats.tiff_metadata import for_result

rasterio = pytest.importorskip("rasterio", reason="compares with GDAL")
pytestmark = pytest.mark.filterwarnings("ignore")

PILLOW, TIFFFILE, GDAL = list(of_pillow()), list(of_tifffile()), list(of_gdal())
_TURNS = {
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
# Colour models that are no picture here, and the names that a refusal must hold.
REFUSED = {"CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "CIELAB"}


def result_of(source, path):
    """Read a file, and write it again as a result is."""
    image = read_image(source)
    channels = 1 if image.ndim == 2 else image.shape[2]
    kept, _ = for_result(read_metadata(source), origin_kept=True, channels=channels)
    write_image(path, image, metadata=kept)
    return image


def roles_by_tifffile(path):
    """Photometric interpretation, samples and their roles."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        return page.photometric.name, page.samplesperpixel, tuple(map(int, page.extrasamples))


def roles_by_gdal(path):
    """Colour interpretation and nodata value of each band."""
    with rasterio.open(path) as file:
        return [each.name for each in file.colorinterp], file.nodatavals, file.dtypes


def test_the_corpus_is_large():
    assert len(PILLOW) + len(TIFFFILE) + len(GDAL) >= 300


def needs_codec(call):
    """Skip where older releases of imagecodecs lack a codec."""
    try:
        call()
    except (NotImplementedError, ValueError) as error:
        pytest.skip(f"imagecodecs cannot do it: {error}")


def by_pillow(path, mode, options):
    """Pixels and profile by Pillow, upright and with palettes in colour."""
    # Of TIFF files with swapped sides Pillow mixes up rows and columns.
    operation = _TURNS.get(options.get("tiffinfo", {}).get(274))
    with Image.open(path) as picture:
        profile = picture.info.get("icc_profile", b"")
        shown = ImageOps.exif_transpose(picture)
        if operation is not None:
            shown = pillow_image(mode).transpose(operation)
        is_colour = mode.startswith(("P", "RGB"))
        if "transparency" in shown.info or shown.mode == "PA":
            shown = shown.convert("RGBA" if is_colour else "LA")
        elif shown.mode == "P":
            shown = shown.convert("RGB")
        return np.asarray(shown), profile


@pytest.mark.parametrize(
    ("name", "suffix", "mode", "options"), PILLOW, ids=[f"{n}{s}" for n, s, *_ in PILLOW]
)
def test_files_of_pillow(tmp_path, name, suffix, mode, options):
    path = tmp_path / f"a{suffix}"
    try:
        write_pillow(path, mode, options)
    except (OSError, ValueError, KeyError) as error:
        pytest.skip(f"Pillow does not write it: {error}")
    if mode in REFUSED:
        with pytest.raises(pnn.ImageReadError, match=REFUSED[mode]):
            read_image(path)
        return
    if suffix == ".tif":
        needs_codec(lambda: tifffile.imread(path))
    expected, profile = by_pillow(path, mode, options)
    image = read_image(path)
    if expected.dtype == bool and image.dtype == np.uint8:
        expected = expected * np.uint8(255)
    np.testing.assert_array_equal(image, expected)
    assert read_metadata(path).icc_profile == profile
    for other in (".tif", ".png") if image.dtype in (np.uint8, np.uint16) else (".tif",):
        result_of(path, tmp_path / f"result{other}")
        np.testing.assert_array_equal(read_image(tmp_path / f"result{other}"), image)
        with Image.open(tmp_path / f"result{other}") as again:
            assert again.info.get("icc_profile", b"") == profile


@pytest.mark.parametrize(("name", "image", "options"), TIFFFILE, ids=[n for n, *_ in TIFFFILE])
def test_files_of_tifffile(tmp_path, name, image, options):
    path = tmp_path / "a.tif"
    needs_codec(lambda: write_tifffile(path, image, options))
    found = read_image(path)
    expected = tifffile.imread(path)
    channels = 1 if found.ndim == 2 else found.shape[2]
    if expected.ndim == 3 and expected.shape[0] == channels:
        expected = np.moveaxis(expected, 0, 2)
    extra = options.get("extrasamples", ())
    before = roles_by_tifffile(path)
    if options.get("photometric") == "miniswhite":
        expected, before = np.iinfo(expected.dtype).max - expected, ("MINISBLACK", *before[1:])
    if options.get("photometric") == "palette":
        expected = (options["colormap"] >> 8).astype("u1").T[expected]
        before = ("RGB", 3, ())
    if 1 in extra:
        colours = expected.shape[2] - len(extra)
        others = [k for k in range(expected.shape[2]) if k >= colours]
        np.testing.assert_array_equal(found[..., others], expected[..., others])
        before = (*before[:2], tuple(2 if each == 1 else each for each in before[2]))
    else:
        np.testing.assert_array_equal(found, expected)
    result_of(path, tmp_path / "b.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), found)
    assert roles_by_tifffile(tmp_path / "b.tif") == before


@pytest.mark.parametrize(("name", "dtype", "count", "options"), GDAL, ids=[n for n, *_ in GDAL])
def test_files_of_gdal(tmp_path, name, dtype, count, options):
    path = tmp_path / "a.tif"
    write_gdal(path, dtype, count, options)
    image = result_of(path, tmp_path / "b.tif")
    with rasterio.open(path) as file:
        expected = file.read()
    expected = np.moveaxis(expected, 0, 2) if count > 1 else expected[0]
    if options.get("photometric") == "miniswhite":
        expected = 255 - expected
    if options.get("alpha") != "premultiplied":
        np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), image)
    assert roles_by_gdal(tmp_path / "b.tif") == roles_by_gdal(path)


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "i8"])
def test_nodata_is_read_as_gdal_does(tmp_path, dtype):
    words = (
        "-9999", "-9999 ", "255", "nan", "NaN", "none", "0", "1e20", "-3.4028234663852886e+38",
        "-1.#IND", "1.#QNAN", "inf", "-inf", "0x10", "12abc", "abc", "1,5", "1.5", "65535.0", "+7",
        "5 6", "#", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
    )  # fmt: skip
    for text in words:
        tifffile.imwrite(
            tmp_path / "a.tif", np.zeros((4, 5), dtype), metadata=None,
            extratags=[(42113, 2, 0, text, True)],
        )  # fmt: skip
        if dtype == "i8" and len(text) > 12:
            continue  # rasterio does not know GDAL's exact integers
        with rasterio.open(tmp_path / "a.tif") as file:
            expected = file.nodata
        found = read_metadata(tmp_path / "a.tif").nodata
        if expected is None:  # a value that the dtype does not have: no pixel is missing
            assert found is None or not np.can_cast(np.min_scalar_type(found), dtype)
        else:
            np.testing.assert_equal(np.float32(found), np.float32(expected))


@pytest.mark.parametrize("compress", ["none", "deflate"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_tiles_that_are_not_stored_hold_nodata(tmp_path, compress, dtype):
    for nodata in (None, 7):
        with rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", width=64, height=48, count=1, dtype=dtype,
            sparse_ok=True, tiled=True, blockxsize=16, blockysize=16, nodata=nodata,
            compress=compress,
        ) as file:  # fmt: skip
            block = np.arange(256).reshape(16, 16).astype(dtype)
            file.write(block, 1, window=rasterio.windows.Window(16, 16, 16, 16))
        with rasterio.open(tmp_path / "a.tif") as file:
            expected = file.read(1)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)
        assert (expected == (nodata or 0)).sum() >= 48 * 64 - 256


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("copies", [False, True])
def test_an_internal_mask_makes_pixels_missing(tmp_path, count, copies):
    image = np.moveaxis(np.atleast_3d(np.random.default_rng(0).integers(
        0, 256, (48, 64, count), np.uint8)), 2, 0)  # fmt: skip
    valid = np.ones((48, 64), bool)
    valid[10:20, 12:24] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", width=64, height=48, count=count,
            dtype="uint8",
        ) as file:  # fmt: skip
            file.write(image)
            file.write_mask(valid)
        if copies:
            with rasterio.open(tmp_path / "a.tif", "r+") as file:
                file.build_overviews([2, 4])
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert len(tiff.pages) == (6 if copies else 2)
    expected = np.moveaxis(image, 0, 2) if count > 1 else image[0]
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)
    found = read_image(tmp_path / "a.tif", masked=True)
    np.testing.assert_array_equal(np.atleast_3d(np.ma.getmaskarray(found))[..., 0], ~valid)
    np.testing.assert_array_equal(found.data, expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_land_cover_map_keeps_its_classes_and_their_colours(tmp_path, dtype):
    classes = (np.indices((24, 32)).sum(0) // 9).astype(dtype)
    colours = {value: (40 * value, 200, 255 - 30 * value, 255) for value in range(7)}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=32, height=24, count=1, dtype=dtype,
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0), crs="EPSG:32633",
    ) as file:  # fmt: skip
        file.write_colormap(1, colours)  # after the pixels it would go into a file of its own
        file.write(classes, 1)
    np.testing.assert_array_equal(result_of(tmp_path / "a.tif", tmp_path / "b.tif"), classes)
    with rasterio.open(tmp_path / "a.tif") as before, rasterio.open(tmp_path / "b.tif") as after:
        assert after.colormap(1) == before.colormap(1)
        assert after.colorinterp == before.colorinterp
        np.testing.assert_array_equal(after.read(1), classes)
