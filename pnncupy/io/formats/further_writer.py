"""Files of further formats that hold an image without loss: WebP, JPEG XL, JPEG 2000, OpenEXR."""

import struct
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.io.formats.tiff_colours import UNASSOCIATED
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of

# Formats that are only read, and why.
READ_ONLY = {
    ".gif": "GIF holds 256 colours; use .png",
    ".bmp": "BMP keeps no profile and no provenance; use .png",
    ".dib": "BMP keeps no profile and no provenance; use .png",
    ".hdr": "Radiance HDR rounds floats to 8 bits; use .exr or .tif",
    ".avif": "AVIF would change values; use .png, .webp or .jxl",
    ".heic": "HEIC would change values; use .png, .webp or .jxl",
    ".heif": "HEIC would change values; use .png, .webp or .jxl",
    ".j2k": "a bare codestream keeps no provenance; use .jp2",
}
_MOST_WEBP_PIXELS = 16383
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_JXL_CONTAINER = bytes.fromhex("0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20")


def encode_further(
    kind: str, image: Any, metadata: Metadata, provenance: ProvenanceRecord | None
) -> bytes:
    """Return the bytes of a file of a further format, which keeps every value.

    Parameters
    ----------
    kind : {"webp", "jxl", "jp2", "exr"}
    image : (H, W) or (H, W, C) array
        Contiguous, in native byte order.
    metadata : Metadata
        WebP keeps the ICC profile.
    provenance : ProvenanceRecord or None
        Kept as XMP.

    Raises
    ------
    ValueError
        The format cannot hold the dtype, the channels or the profile; the message names another.
    """
    encoders = {"webp": _webp, "jxl": _jxl, "jp2": _jpeg2000, "exr": _exr}
    packet = packet_of(provenance) if provenance else b""
    try:
        return encoders[kind](image, metadata, packet)
    except ModuleNotFoundError as error:
        raise ValueError(
            f".{kind} files need the package {error.name}; install it with: pip install "
            "'pnncupy[formats]', or use .tif"
        ) from None


def _check(
    image: Any, name: str, dtypes: tuple[type, ...], counts: tuple[int, ...], instead: str
) -> None:  # fmt: skip
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype not in dtypes or channels not in counts:
        listed = " or ".join(np.dtype(each).name for each in dtypes)
        held = " or ".join(map(str, counts))
        raise ValueError(
            f"{name} holds {held} channels of {listed}, got {channels} of {image.dtype}; use "
            f"{instead}"
        )


def _check_profile(metadata: Metadata, name: str) -> None:
    if metadata.icc_profile:
        raise ValueError(f"{name} files are written without the ICC profile; use .png or .tif")


def _webp(image: Any, metadata: Metadata, packet: bytes) -> bytes:
    from PIL import Image

    _check(image, "WebP", (np.uint8,), (3, 4), ".png or .tif")
    if max(image.shape[:2]) > _MOST_WEBP_PIXELS:
        raise ValueError(
            f"WebP holds at most {_MOST_WEBP_PIXELS} pixels a side, got "
            f"{image.shape[0]} x {image.shape[1]}; use .png or .tif"
        )
    buffer = BytesIO()
    Image.fromarray(image).save(
        buffer, "WEBP", lossless=True, exact=True, icc_profile=metadata.icc_profile, xmp=packet
    )
    return buffer.getvalue()


def _jxl(image: Any, metadata: Metadata, packet: bytes) -> bytes:
    import imagecodecs

    _check(image, "JPEG XL", (np.uint8, np.uint16), (1, 2, 3, 4), ".exr or .tif")
    _check_profile(metadata, "JPEG XL")
    data = bytes(imagecodecs.jpegxl_encode(image, lossless=True, numthreads=1))
    if not packet:
        return data
    if data[:2] == b"\xff\x0a":
        data = _JXL_CONTAINER + _box(b"jxlc", data)
    return data + _box(b"xml ", packet)


def _jpeg2000(image: Any, metadata: Metadata, packet: bytes) -> bytes:
    import imagecodecs

    _check(image, "JPEG 2000", (np.uint8, np.uint16), (1, 3), ".png or .tif")
    _check_profile(metadata, "JPEG 2000")
    data = bytes(
        imagecodecs.jpeg2k_encode(image, level=0, reversible=True, codecformat="jp2", numthreads=1)
    )
    return data + _box(b"uuid", _XMP_BOX + packet) if packet else data


def _box(kind: bytes, content: bytes) -> bytes:
    """A box of ISO's media files; lengths beyond 32 bits stand behind the kind."""
    length = len(content) + 8
    if length < 1 << 32:
        return struct.pack(">I", length) + kind + content
    return struct.pack(">I4sQ", 1, kind, length + 8) + content


def _exr(image: Any, metadata: Metadata, packet: bytes) -> bytes:
    import OpenImageIO

    channels = 1 if image.ndim == 2 else image.shape[2]
    _check(
        image, "OpenEXR", (np.float16, np.float32, np.uint32), tuple(range(1, 1024)),
        ".tif, or .png for integers",
    )  # fmt: skip
    _check_profile(metadata, "OpenEXR")
    if UNASSOCIATED in metadata.extra_samples and metadata.colour:
        raise ValueError("OpenEXR multiplies colours with alpha, which rounds them; use .tif")
    kinds = {"float16": OpenImageIO.HALF, "float32": OpenImageIO.FLOAT, "uint32": OpenImageIO.UINT}
    names = {1: ("Y",), 3: ("R", "G", "B")}.get(
        channels, tuple(f"channel{number:03}" for number in range(channels))
    )
    spec = OpenImageIO.ImageSpec(
        image.shape[1], image.shape[0], channels, kinds[image.dtype.name]
    )  # fmt: skip
    spec.channelnames = names
    spec.attribute("compression", "zip")
    if packet:
        spec.attribute("xmp", packet.decode())
    pixels = image.reshape(*image.shape[:2], channels)
    with tempfile.TemporaryDirectory(prefix="pnncupy_") as folder:
        file = Path(folder) / "image.exr"
        output = OpenImageIO.ImageOutput.create(str(file))
        if not (output and output.open(str(file), spec) and output.write_image(pixels)):
            raise ValueError(f"OpenImageIO cannot write it: {OpenImageIO.geterror()}")
        output.close()
        return file.read_bytes()
