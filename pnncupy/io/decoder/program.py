"""Decoder of one file of a further format, in a process of its own: FORMAT FILE PAGE LIMIT WHAT.

It imports nothing of pnncupy, so that it starts fast, and bounds its own memory and time before it
opens the file. A line of JSON goes to standard output, then the pixels.
`formats.decoder_process` starts it.
"""

import base64
import json
import math
import os
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

# TIFF's numbers of what a channel behind the colours is.
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
# Bounds of memory, in bytes, and of time, in seconds: while a header is read; for each byte of an
# array, and for as many of them.
_HEADER_BYTES, _HEADER_SECONDS = 1 << 30, 60
_BYTES_PER_BYTE, _BYTES_PER_SECOND = 8, 10**6
_COLOUR_SPACES = {12: "CMYK", 14: "CIELAB", 18: "YCbCr"}
_KNOWN_SPACES = (16, 17)
_OIIO_NAMES = {"exr": "openexr", "jxl": "jpegxl"}


class Refused(Exception):  # noqa: N818 - becomes an ImageReadError
    """The file is not read; the message says why."""


class Opened(NamedTuple):
    """A file whose header was read.

    Attributes
    ----------
    header : dict
        In types that JSON has. Its `shape` and `itemsize` bound the array.
    decode : function
        Return the array (H, W), (H, W, C), or of a volume.
    part : int
        Bytes that are decoded at once, where they may be more than those of the array.
    """

    header: dict[str, Any]
    decode: Callable[[], Any]
    part: int = 0


def main(kind: str, path: str, page: int | None, limit: int, what: str) -> None:
    """Read a file and write the answer to standard output."""
    size = Path(path).stat().st_size
    _bound(_HEADER_BYTES + 4 * size, _HEADER_SECONDS + size // _BYTES_PER_SECOND)
    opened = READERS[kind](path, page)
    header = opened.header
    declared = max(math.prod(header["shape"]) * header.pop("itemsize"), opened.part)
    if what == "metadata":
        _answer(header)
    elif declared > limit:
        shape = " x ".join(map(str, header["shape"]))
        _answer({"declared": f"an array of {shape}", "size": declared})
    else:
        _bound(
            _HEADER_BYTES + 4 * size + _BYTES_PER_BYTE * declared,
            _HEADER_SECONDS + (size + declared) // _BYTES_PER_SECOND,
        )
        _answer(header, opened.decode(), limit)


def _answer(header: dict[str, Any], pixels: Any = None, limit: int = 0) -> None:
    if pixels is not None:
        import numpy as np

        pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        if pixels.nbytes > limit:
            header = {"declared": f"an array of {pixels.shape}", "size": pixels.nbytes}
            pixels = None
        else:
            header = {**header, "shape": pixels.shape, "dtype": pixels.dtype.str}
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    if pixels is not None:
        sys.stdout.buffer.write(pixels.reshape(-1).view("u1").data)
    sys.stdout.buffer.flush()


def _bound(memory: int, seconds: int) -> None:
    """Bound what this process may take from now on; where the system has no limits, nothing."""
    try:
        import resource
    except ImportError:
        return
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if (
        status.exists()
    ) else 1 << 30  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = {
        resource.RLIMIT_AS: taken + memory,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for name, value in wanted.items():
        most = resource.getrlimit(name)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        try:
            resource.setrlimit(name, (value, most))
        except (ValueError, OSError):  # systems that know the limit, but do not take it
            continue


def _header(
    shape: tuple[int, ...],
    itemsize: int,
    colour: str = "",
    extra_samples: tuple[int, ...] = (),
    **others: Any,
) -> dict[str, Any]:
    """Header of an answer, with the profile in base 64."""
    profile = others.pop("profile", None) or b""
    return {
        "shape": shape, "itemsize": itemsize, "colour": colour, "extra_samples": extra_samples,
        "icc_profile": base64.b64encode(profile).decode(), "orientation": 1, "images": 1,
        "notes": [], **others,
    }  # fmt: skip


def _one_of(images: int, page: int | None) -> int:
    """The image that is wanted of several."""
    if page is not None and page >= images:
        raise Refused(f"page {page} was requested, but the last of its {images} images is "
                      f"{images - 1}")  # fmt: skip
    return page or 0


def _oiio(kind: str, path: str, page: int | None) -> Opened:
    """Open a file by OpenImageIO, which keeps integers of 16 bits and floats."""
    import OpenImageIO

    OpenImageIO.attribute("threads", 1)
    config = OpenImageIO.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    source = OpenImageIO.ImageInput.open(path, config)
    if source is None:
        raise OSError(OpenImageIO.geterror())
    if source.format_name() != _OIIO_NAMES.get(kind, kind):
        raise OSError(f"it is decoded as {source.format_name()}")
    images = 1 + source.seek_subimage(1, 0)
    while kind == "exr" and source.seek_subimage(images, 0):
        images += 1
    number = page or 0
    if kind == "exr" and images > 1 and page is None:
        raise Refused(f"holds {images} images; choose one with page=N (--page N), from 0")
    if not source.seek_subimage(number, 0):
        raise Refused(f"page {number} was requested, but it holds fewer images")
    spec = source.spec()
    space = spec.getattribute("ICCProfile:color_space")
    if space not in (None, "RGB", "Gray", "GRAY"):
        raise Refused(f"stores colours of the model {space}; convert it to RGB first")
    names = tuple(spec.channelnames)
    _check_exr(spec, names)
    profile = spec.getattribute("ICCProfile")
    colour, extra = _roles(names, _ASSOCIATED if kind == "exr" else _UNASSOCIATED)
    header = _header(
        (spec.height, spec.width, spec.nchannels), spec.format.size(), colour, extra,
        profile=b"" if profile is None else bytes(bytearray(profile)),
        orientation=spec.getattribute("Orientation") or 1, images=max(images, number + 1),
        channel_names=_given_names(names) if kind == "exr" else (),
        notes=_windows(spec, kind),
    )  # fmt: skip

    def decode() -> Any:
        pixels = source.read_image(number, 0, 0, spec.nchannels, spec.format)
        if pixels is None:
            raise OSError(source.geterror())
        return pixels.reshape(header["shape"])

    return Opened(header, decode)


def _check_exr(spec: Any, names: tuple[str, ...]) -> None:
    """Refuse what is no array of one dtype with a channel for each name."""
    if spec.deep:
        raise Refused("stores deep samples; flatten it first")
    if len(set(map(str, spec.channelformats))) > 1:
        raise Refused("its channels have several dtypes; save those that are wanted with one")
    if {"RY", "BY"} & set(names):
        raise Refused("stores luminance and chroma; convert it to RGB first")
    if spec.depth > 1:
        raise Refused("stores a volume; save its slices as a TIFF stack")


def _roles(names: tuple[str, ...], alpha: int) -> tuple[str, tuple[int, ...]]:
    """Roles of the first channel, or the first three, and of each one behind them."""
    is_rgb = names[:3] == ("R", "G", "B")
    behind = names[3 if is_rgb else 1 :]
    return "rgb" if is_rgb else "grey", tuple(
        alpha if name == "A" else _UNSPECIFIED for name in behind
    )


def _given_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of channels that say more than grey, RGB, alpha or their number."""
    plain = all(name in "RGBAY" or re.fullmatch(r"channel\d{3}", name) for name in names)
    return () if plain else names


def _windows(spec: Any, kind: str) -> list[str]:
    """A note where pixels are a part of a larger image."""
    data = (spec.x, spec.y, spec.width, spec.height)
    display = (spec.full_x, spec.full_y, spec.full_width, spec.full_height)
    if kind != "exr" or data == display:
        return []
    return [
        f"its data window, {spec.width} x {spec.height} pixels at ({spec.x}, {spec.y}), was read; "
        f"its display window is {spec.full_width} x {spec.full_height}"
    ]


def _jxl(path: str, page: int | None) -> Opened:
    """Open a JPEG XL file: OpenImageIO knows its profile, imagecodecs all of its channels."""
    import imagecodecs

    header = _oiio("jxl", path, None).header
    height, width, bands = header["shape"]
    # It names grey with alpha as if it were red with green.
    header |= _roles_of_count(bands)

    def decode() -> Any:
        pixels = imagecodecs.jpegxl_decode(Path(path).read_bytes(), numthreads=1)
        if not _has_size(pixels.shape[:2], height, width):  # images of an animation
            header["images"] = len(pixels)
            pixels = pixels[_one_of(len(pixels), page)]
        elif page:
            raise Refused(f"page {page} was requested, but it holds one image")
        if not _has_size(pixels.shape[:2], height, width):
            raise OSError(f"its shape {pixels.shape} is not the one that it declares")
        behind = (1 if pixels.ndim == 2 else pixels.shape[2]) - (3 if bands > 2 else 1)
        header["extra_samples"] = (_UNASSOCIATED if behind == 1 else _UNSPECIFIED,) * behind
        return pixels

    return Opened(header, decode)


def _has_size(shape: tuple[int, ...], height: int, width: int) -> bool:
    """Test a size, as it is stored or turned upright."""
    return shape in ((height, width), (width, height))


def _jpeg2000(path: str, page: int | None) -> Opened:
    """Open a JPEG 2000 file: boxes name its colours, imagecodecs keeps the depth."""
    import imagecodecs
    from PIL import Image

    _one_of(1, page)
    data = Path(path).read_bytes()
    boxes = data[: max(data.find(b"jp2c"), 0)]
    space = re.search(rb"colr\x01..(.{4})", boxes, re.DOTALL)
    if space and (code := int.from_bytes(space[1], "big")) not in _KNOWN_SPACES:
        name = _COLOUR_SPACES.get(code, f"number {code}")
        raise Refused(f"stores colours of the model {name}; convert it to RGB first")
    if b"pclr" in boxes:
        raise Refused("stores numbers of a table of colours; convert it to RGB first")
    with Image.open(path, formats=["JPEG2000"]) as image:
        (width, height), bands = image.size, len(image.getbands())
        if image.mode == "CMYK":
            raise Refused("stores colours of the model CMYK; convert it to RGB first")
        profile = image.info.get("icc_profile")
    roles = _roles_of_count(bands, _alpha_of_boxes(boxes, bands - 1))
    # Height, width and the number of components are before the depth.
    depth = re.search(rb"ihdr.{10}(.)", boxes, re.DOTALL)
    bits = (depth[1][0] & 0x7F) + 1 if depth else 8
    header = _header(
        (height, width, bands), 2, **roles, profile=profile,
        bits=bits if bits in range(9, 16) else None,
    )  # fmt: skip
    return Opened(header, lambda: imagecodecs.jpeg2k_decode(data, numthreads=1))


def _alpha_of_boxes(boxes: bytes, channel: int) -> int:
    """Role of a channel by the channel definition of a JPEG 2000 file."""
    start = boxes.find(b"cdef")
    count = int.from_bytes(boxes[start + 4 : start + 6], "big") if start >= 0 else 0
    for place in range(start + 6, start + 6 + 6 * count, 6):
        entry = boxes[place : place + 6]
        if int.from_bytes(entry[:2], "big") == channel:
            return {1: _UNASSOCIATED, 2: _ASSOCIATED}.get(
                int.from_bytes(entry[2:4], "big"), _UNSPECIFIED
            )
    return _UNSPECIFIED


def _avif(path: str, page: int | None) -> Opened:
    """Open an AVIF file: Pillow knows its orientation and profile, imagecodecs keeps the depth."""
    import imagecodecs
    from PIL import Image

    with Image.open(path, formats=["AVIF"]) as image:
        (width, height), images = image.size, getattr(image, "n_frames", 1)
        bands = len(image.getbands())
        orientation, profile = image.getexif().get(274, 1), image.info.get("icc_profile")
    number, data = _one_of(images, page), Path(path).read_bytes()
    depth = re.search(rb"pixi\0{4}[\x01-\x04](.)", data, re.DOTALL)
    header = _header(
        (height, width, bands), 2, **_roles_of_count(bands), profile=profile,
        orientation=orientation, images=images,
        bits=depth[1][0] if depth and depth[1][0] in (10, 12) else None,
    )  # fmt: skip
    return Opened(header, lambda: imagecodecs.avif_decode(data, index=number, numthreads=1))


def _heic(path: str, page: int | None) -> Opened:
    """Open an HEIF file, whose pixels libheif turns upright."""
    import numpy as np
    import pillow_heif

    images = pillow_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    number = _one_of(len(images), page)
    image = images if page is None else images[number]
    (width, height), bits = image.size, int(image.info.get("bit_depth", 8))
    if getattr(image, "premultiplied_alpha", False):
        raise Refused("its colours are multiplied with alpha; save it without")
    bands = len(image.mode.partition(";")[0])
    header = _header(
        (height, width, bands), 1 if bits == 8 else 2, **_roles_of_count(bands),
        profile=image.info.get("icc_profile"), images=len(images),
        bits=None if bits in (8, 16) else bits,
    )  # fmt: skip
    return Opened(header, lambda: np.asarray(image))


def _roles_of_count(channels: int, alpha: int = _UNASSOCIATED) -> dict[str, Any]:
    """Roles of channels by their number, where only grey, RGB and alpha are possible."""
    behind = channels - (3 if channels > 2 else 1)
    return {
        "colour": "rgb" if channels > 2 else "grey",
        "extra_samples": (alpha if behind == 1 else _UNSPECIFIED,) * behind,
    }


def _by_oiio(kind: str) -> Callable[[str, int | None], Opened]:
    return lambda path, page: _oiio(kind, path, page)


def _by_zarr(volume: bool) -> Callable[[str, int | None], Opened]:
    def opened(path: str, page: int | None) -> Opened:
        package = f"{__package__}." if __package__ else ""
        images = import_module(f"{package}zarr_images")
        try:
            header, chunk, decode = images.open_zarr(path, page, volume)
        except images.UnsuitableArray as error:
            raise Refused(str(error)) from None
        return Opened({**_header((), 0), **header}, decode, chunk)

    return opened


READERS: dict[str, Callable[[str, int | None], Opened]] = {
    **{kind: _by_oiio(kind) for kind in ("webp", "bmp", "gif", "exr", "hdr")},
    "jxl": _jxl, "jp2": _jpeg2000, "avif": _avif, "heic": _heic,
    "zarr": _by_zarr(False), "zarr-volume": _by_zarr(True),
}  # fmt: skip


def _run(arguments: list[str]) -> None:
    kind, path, page, limit, what = arguments
    try:
        main(kind, path, None if page == "-" else int(page), int(limit), what)
    except ModuleNotFoundError as error:
        _answer({"missing": error.name})
    except MemoryError:
        _answer({"error": "needs more memory than its size explains; damaged, or a bomb"})
    except Refused as error:
        _answer({"refused": str(error)})
    except Exception as error:  # decoders raise whatever their format meets
        _answer({"error": " ".join(str(error).split())[:200] or type(error).__name__})


if __name__ == "__main__":
    _run(sys.argv[1:])
