"""Writing of image files as a whole or not at all; `formats.tiff_encoding` writes TIFF."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.atomic_files import whole_file
from pnncupy.io.formats.jpeg import profile_segments, with_segments
from pnncupy.io.formats.png import profile_chunk, with_chunks
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of
from pnncupy.io.formats.xmp_carriers import put_into_jpeg, put_into_png
from pnncupy.parameter_hints import hint_at_names

SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
_JPEG_QUALITY = 95


@hint_at_names
def write_image(
    path: str | os.PathLike[str],
    image: Any,
    *,
    overwrite: bool = False,
    metadata: Metadata | None = None,
    description: str = "",
    provenance: ProvenanceRecord | None = None,
) -> None:
    """Write one image, losslessly but for JPEG; all of it or nothing.

    Parameters
    ----------
    path : path
        Its suffix decides the format: .png (8- and 16-bit grey, RGB, with or without alpha),
        .jpg (8-bit grey or RGB), .tif (any real dtype, any number of channels).
    image : (H, W) or (H, W, C) array
        Channels last. Bool is written as 0 and 255, but into TIFF files as bits if `metadata` says
        so.
    overwrite : bool, default False
        Replace an existing file. A symbolic link stays, and the file it points to is written.
    metadata : Metadata, optional
        What is known about the pixels, as from `read_metadata`. A TIFF file of the same kind keeps
        it (ImageJ's only with uint8, uint16 and float32, OME's not with 64-bit integers and
        float16; else a plain one what it can); PNG and JPEG files keep the ICC profile. Names of
        other tags in it do not matter, nor the orientation: files are upright.
    description : str, default ""
        Put above the description of a TIFF file; default: the text of `provenance`.
    provenance : ProvenanceRecord, optional
        What the image was synthesised from, and how: every format keeps it, as XMP. A JPEG file
        has room for 65,502 bytes: in longer ones the values of arguments are shortened.

    Raises
    ------
    TypeError
        `metadata`, `description` or `provenance` is something else.
    FileExistsError
        The file exists and `overwrite` is False.
    ValueError
        The format is unknown or cannot hold the image; nothing is written.
    OSError
        The folder does not exist or cannot be written to.
    """
    file = new_file(path, overwrite, metadata, provenance)
    if not isinstance(description, str):
        raise TypeError(f"`description` must be a string, got {type(description).__name__}")
    write_whole(
        file, encode_image(file.suffix, np.asarray(image), metadata, description, provenance)
    )


def new_file(path: str | os.PathLike[str], overwrite: bool, metadata: Any, provenance: Any) -> Path:
    """The file to be written, with what it is to say; refused if it exists and must not."""
    file = Path(path)
    if not overwrite and file.exists():
        raise FileExistsError(f"{file} exists; pass overwrite=True (--force) to replace it")
    if not isinstance(metadata, Metadata | None):
        raise TypeError(f"`metadata` must be Metadata or None, got {type(metadata).__name__}")
    if not isinstance(provenance, ProvenanceRecord | None):
        raise TypeError(
            f"`provenance` must be a ProvenanceRecord or None, got {type(provenance).__name__}"
        )
    return file


def write_whole(file: Path, data: bytes) -> None:
    """Write a file, all of it or nothing, into a folder that exists."""
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent} to write {file.name} into")
    with whole_file(file) as stream:
        stream.write(data)


def default_suffix(image: Any, metadata: Metadata | None = None) -> str:
    """The format that keeps all of an image: PNG where that can hold it, else TIFF.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array
        Channels last.
    metadata : Metadata, optional
        What a file is to hold besides the pixels; only TIFF can.

    Returns
    -------
    ".png" or ".tif"
    """
    if metadata is not None and metadata.worth_keeping:
        return ".tif"
    channels = 1 if image.ndim == 2 else image.shape[2]
    fits = image.dtype.newbyteorder("=") in (np.bool_, np.uint8, np.uint16) and channels <= 4
    return ".png" if fits else ".tif"


def encode_image(
    suffix: str,
    image: Any,
    metadata: Metadata | None = None,
    description: str = "",
    provenance: ProvenanceRecord | None = None,
) -> bytes:
    """The bytes of an image file.

    Parameters
    ----------
    suffix : str
        Decides the format, as in `write_image`.
    image : (H, W) or (H, W, C) array
        Channels last.
    metadata : Metadata, optional
        What the file is to hold besides the pixels, in TIFF.
    description : str, default ""
        What a TIFF file says of itself; default: the text of `provenance`.
    provenance : ProvenanceRecord, optional
        What the file is to say of the image's origin.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        The format is unknown or cannot hold the image.
    """
    kind = SUFFIXES.get(suffix.lower())
    if kind is None:
        raise ValueError(
            f"unknown image format {suffix!r}; use one of {', '.join(sorted(SUFFIXES))}"
        )
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ValueError(
            "an image must be a non-empty (H, W) or (H, W, C) array of real numbers, got shape "
            f"{image.shape}, dtype {image.dtype}"
        )
    image = image.astype(image.dtype.newbyteorder("="))
    one_bit = kind == "tiff" and metadata is not None and metadata.bits == 1
    if image.dtype.kind == "b" and not one_bit:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    image = np.ascontiguousarray(image)
    if kind == "tiff":
        from pnncupy.io.formats.tiff_encoding import encode

        text = description or (provenance.text if provenance else "")
        xmp = packet_of(provenance) if provenance else b""
        return encode(image, metadata or Metadata(), text, xmp)
    data = {"png": _encode_png, "jpeg": _encode_jpeg}[kind](image, metadata or Metadata())
    if provenance is None:
        return data
    return {"png": put_into_png, "jpeg": put_into_jpeg}[kind](data, provenance)


def _encode_png(image: Any, metadata: Metadata) -> bytes:
    import imagecodecs

    channels = 1 if image.ndim == 2 else image.shape[2]
    _check_channels(channels, metadata, "PNG")
    if image.dtype not in (np.uint8, np.uint16) or channels > 4:
        raise ValueError(
            f"PNG holds 1 to 4 channels of 8- or 16-bit unsigned integers, got {channels} of "
            f"{image.dtype}; use .tif"
        )
    data = bytes(imagecodecs.png_encode(image, level=6))
    if not metadata.icc_profile:
        return data
    return with_chunks(data, [profile_chunk(metadata.icc_profile)])


def _check_channels(channels: int, metadata: Metadata, name: str) -> None:
    """Refuse channels that a format without their roles would show as others."""
    shown = 3 if channels > 2 else 1
    if not metadata.colour or (metadata.separate_channels and channels < 3):
        return
    stored = 3 if metadata.colour == "rgb" else 1
    if channels > 1 and (stored != shown or not metadata.is_colour_with_alpha):
        kinds = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGB with alpha"}
        raise ValueError(
            f"{name} would show these {channels} channels as {kinds.get(channels, 'colours')}, "
            "which they are not; use .tif"
        )


def _encode_jpeg(image: Any, metadata: Metadata) -> bytes:
    import imagecodecs

    channels = 1 if image.ndim == 2 else image.shape[2]
    _check_channels(channels, metadata, "JPEG")
    if image.dtype != np.uint8 or channels not in (1, 3):
        raise ValueError(
            f"JPEG holds 1 or 3 channels of uint8, got {channels} of {image.dtype}; use .png or "
            ".tif"
        )
    data = bytes(imagecodecs.jpeg_encode(image, level=_JPEG_QUALITY))
    return with_segments(data, profile_segments(metadata.icc_profile))
