"""Image files as other programs write them: every colour type, depth and compression they offer.

Each maker returns names and functions that write a file of 24 x 32 pixels; none is stored.
"""

import itertools
import struct

import numpy as np
import tifffile
from PIL import Image, ImageCms

HEIGHT, WIDTH = 24, 32
# What Pillow can put into a TIFF file; the compressions that only some modes have are added below.
_PILLOW_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "PA", "CMYK", "YCbCr", "LAB")
_LOSSLESS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")
_DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")
_GDAL_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def scene(channels=1, dtype="u1"):
    """Smooth values with an edge, of all channels different; (H, W) or (H, W, C)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    planes = [
        0.5 + 0.4 * np.sin((x * (1 + k % 3) + y * (1 + k)) / 9 + k) * (1 - 0.4 * (x > 20))
        for k in range(channels)
    ]
    values = np.stack(planes, axis=2) if channels > 1 else planes[0]
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return values.astype(kind)
    top = min(np.iinfo(kind).max, 2**24)
    return np.round(values * top).astype(kind)


def profile(mode):
    """An ICC profile: sRGB, or the header of a grey one."""
    if mode in ("RGB", "RGBA", "P"):
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    header = bytearray(132)
    header[:4] = struct.pack(">I", 132)
    header[12:24] = b"mntrGRAYXYZ "
    header[36:40] = b"acsp"
    return bytes(header)


def pillow_image(mode):
    """A picture of a mode."""
    if mode == "1":
        return Image.fromarray(scene() > 128)
    if mode in ("P", "PA"):
        picture = Image.fromarray(scene(3)).quantize(64)
        return picture if mode == "P" else picture.convert("PA")
    if mode in ("I;16", "I", "F"):
        return Image.fromarray(scene(1, {"I;16": "u2", "I": "i4", "F": "f4"}[mode]))
    channels = len(Image.new(mode, (1, 1)).getbands())
    if mode in ("LAB", "YCbCr"):
        return Image.merge(mode, [Image.fromarray(scene(3)[..., k]) for k in range(3)])
    return Image.fromarray(scene(channels), mode=mode)


def of_pillow():
    """Names, suffixes, modes and options of `Image.save`."""
    for mode, compression in itertools.product(_PILLOW_MODES, _LOSSLESS):
        yield f"pillow-{mode}-{compression}", ".tif", mode, {"compression": compression}
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"pillow-1-{compression}", ".tif", "1", {"compression": compression}
    for mode in ("L", "RGB"):
        for compression in ("jpeg", "lzma", "zstd"):
            yield f"pillow-{mode}-{compression}", ".tif", mode, {"compression": compression}
    for mode, orientation in itertools.product(("L", "RGBA"), range(1, 9)):
        options = {"tiffinfo": {274: orientation}}
        yield f"pillow-{mode}-turned{orientation}", ".tif", mode, options
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"):
        yield f"pillow-{mode}", ".png", mode, {}
    for bits in (1, 2, 4):
        yield f"pillow-P{bits}", ".png", f"P{bits}", {"bits": bits}
    for mode, transparent in (("L", 7), ("RGB", (7, 8, 9)), ("P", 3), ("1", 0)):
        yield f"pillow-{mode}-transparent", ".png", mode, {"transparency": transparent}
    for mode in ("L", "RGB", "CMYK"):
        for options in (
            {}, {"progressive": True}, {"quality": 30, "subsampling": 2}, {"subsampling": 1},
            {"restart_marker_rows": 1}, {"optimize": True},
        ):  # fmt: skip
            name = "-".join(map(str, options)) or "plain"
            yield f"pillow-{mode}-{name}-{options.get('subsampling')}", ".jpg", mode, options
    for mode, suffix, orientation in itertools.product(("L", "RGB"), (".png", ".jpg"), range(2, 9)):
        exif = Image.Exif()
        exif[274] = orientation
        yield f"pillow-{mode}-turned{orientation}", suffix, mode, {"exif": exif}
    for mode, suffix in itertools.product(("L", "RGB"), (".png", ".jpg", ".tif")):
        yield f"pillow-{mode}-profile", suffix, mode, {"icc_profile": profile(mode)}


def of_tifffile():
    """Names, arrays and options of `tifffile.imwrite`."""
    for dtype, channels in itertools.product(_DTYPES, (1, 2, 3, 4, 5)):
        options = {"photometric": "minisblack", "planarconfig": "contig" if channels > 1 else None}
        yield f"tifffile-{dtype}-{channels}", scene(channels, dtype), options
    for dtype, extra in itertools.product(("u1", "u2", "f4"), ((0,), (1,), (2,), (0, 2), (2, 0))):
        for photometric, colours in (("rgb", 3), ("minisblack", 1)):
            image = scene(colours + len(extra), dtype)
            options = {"photometric": photometric, "extrasamples": extra, "planarconfig": "contig"}
            yield f"tifffile-{photometric}-{dtype}-{extra}", image, options
    for byteorder, bigtiff, planar in itertools.product(
        "<>", (False, True), ("contig", "separate")
    ):
        image = scene(3, "u2")
        image = np.moveaxis(image, 2, 0) if planar == "separate" else image
        options = {"byteorder": byteorder, "bigtiff": bigtiff, "planarconfig": planar,
                   "photometric": "rgb"}  # fmt: skip
        yield f"tifffile-{byteorder}{bigtiff}-{planar}", image, options
    for compression, predictor in itertools.product(
        ("deflate", "lzw", "zstd", "lzma", "packbits"), (False, True)
    ):
        for dtype in ("u1", "u2", "f4"):
            if predictor and compression == "packbits":
                continue
            options = {"compression": compression, "predictor": predictor, "tile": (16, 16)}
            yield f"tifffile-{compression}-{predictor}-{dtype}", scene(3, dtype), options
    for bits, dtype in (
        (1, "u1"),
        (2, "u1"),
        (4, "u1"),
        (7, "u1"),
        (10, "u2"),
        (12, "u2"),
        (14, "u2"),
    ):
        image = scene(1, "u2").astype("u4") * (2**bits - 1) // 65535
        yield f"tifffile-{bits}bits", image.astype(dtype), {"bitspersample": bits}
    table = (np.arange(768).reshape(3, 256) * 80 % 65536).astype("u2")
    yield "tifffile-palette", scene(), {"photometric": "palette", "colormap": table}
    for dtype in ("u1", "u2"):
        yield f"tifffile-white-{dtype}", scene(1, dtype), {"photometric": "miniswhite"}
    for dtype, channels in itertools.product(("u1", "u2", "f4"), (1, 2, 4)):
        axes = "CYX" if channels > 1 else "YX"
        image = scene(channels, dtype)
        image = np.moveaxis(image, 2, 0) if channels > 1 else image
        for kind in ("imagej", "ome"):
            options = {kind: True, "metadata": {"axes": axes}, "photometric": "minisblack"}
            yield f"tifffile-{kind}-{dtype}-{channels}", image, options


def of_gdal():
    """Names, arrays (bands first) and profiles of `rasterio.open`."""
    for dtype, count in itertools.product(_GDAL_DTYPES, (1, 3, 4, 5)):
        yield f"gdal-{dtype}-{count}", dtype, count, {}
    for photometric, count, alpha in (
        ("rgb", 3, "no"), ("rgb", 4, "yes"), ("rgb", 4, "no"), ("rgb", 4, "premultiplied"),
        ("rgb", 5, "no"), ("minisblack", 2, "yes"), ("minisblack", 2, "no"),
        ("minisblack", 4, "no"),
    ):  # fmt: skip
        for interleave in ("band", "pixel"):
            options = {"photometric": photometric, "alpha": alpha, "interleave": interleave}
            yield f"gdal-{photometric}-{count}-{alpha}-{interleave}", "uint8", count, options
    for compress, tiled in itertools.product(
        ("none", "lzw", "deflate", "packbits", "zstd", "lzma", "lerc"), (False, True)
    ):
        options = {"compress": compress, "tiled": tiled, "blockxsize": 16, "blockysize": 16}
        yield f"gdal-{compress}-{tiled}", "uint16", 3, options
    for predictor, dtype in ((2, "uint8"), (2, "int16"), (3, "float32")):
        options = {"compress": "deflate", "predictor": predictor}
        yield f"gdal-predictor{predictor}-{dtype}", dtype, 1, options
    for nbits, dtype in ((1, "uint8"), (2, "uint8"), (4, "uint8"), (12, "uint16")):
        yield f"gdal-{nbits}bits", dtype, 1, {"nbits": nbits}
    for nodata in (0, 255, 7):
        yield f"gdal-nodata{nodata}", "uint8", 1, {"nodata": nodata}
    yield "gdal-white", "uint8", 1, {"photometric": "miniswhite"}
    yield "gdal-big", "uint8", 3, {"bigtiff": "yes"}


def write_pillow(path, mode, options):
    """Write a file with Pillow; returns what it reads from it, upright."""
    if mode.startswith("P") and mode[1:].isdigit():
        picture = Image.fromarray(scene(3)).quantize(2 ** int(mode[1:]))
    else:
        picture = pillow_image(mode)
    picture.save(path, **options)


def write_gdal(path, dtype, count, options):
    """Write a file with GDAL."""
    import rasterio

    image = scene(count, dtype)
    bands = np.moveaxis(image, 2, 0) if count > 1 else image[None]
    if "nbits" in options:
        bands = bands >> (8 * bands.itemsize - options["nbits"])
    with rasterio.open(
        path, "w", driver="GTiff", width=WIDTH, height=HEIGHT, count=count, dtype=dtype,
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000), crs="EPSG:32633", **options,
    ) as file:  # fmt: skip
        file.write(bands)


def write_tifffile(path, image, options):
    """Write a file with tifffile."""
    tifffile.imwrite(path, image, **{"metadata": None, **options})
