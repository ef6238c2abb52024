"""Reading of image files, checked before they are decoded.

It, `writing`, `formats.tiff_series` and `formats.tiff_encoding` are the only modules that know
tifffile and imagecodecs.
"""

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pnncupy import memory_limit, validation
from pnncupy.errors import ImageReadError
from pnncupy.io.formats.decoder_log import quiet_log
from pnncupy.io.formats.jpeg import check_jpeg, jpeg_exif, jpeg_profile
from pnncupy.io.formats.limits import check_limit
from pnncupy.io.formats.orientation import exif_orientation, upright
from pnncupy.io.formats.png import check_png, png_exif, png_profile
from pnncupy.io.formats.tiff_colours import UNASSOCIATED
from pnncupy.io.formats.tiff_metadata import Metadata, sound_profile, turned
from pnncupy.io.formats.tiff_series import choose, opened
from pnncupy.io.formats.xmp import ProvenanceRecord, record_in
from pnncupy.io.formats.xmp_carriers import packets
from pnncupy.io.image_file import ImageFile
from pnncupy.io.tiff_image import read_tiff, tiff_metadata
from pnncupy.parameter_hints import hint_at_names

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}
_DEFAULT_LIMIT = 16 * 10**9
# What a PNG or JPEG file may hold besides its pixels.
_MOST_METADATA = 1 << 26
_MOST_PACKETS = 8


@hint_at_names
def read_image(
    path: str | os.PathLike[str], *, page: int | None = None, orient: bool = True,
    masked: bool = False, max_bytes: int | str | None = None,
) -> Any:  # fmt: skip
    """Read one image, in the dtype it is stored in.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file; its content decides, not its name.
    page : int, optional
        Which image of a TIFF stack to take, from 0. Stacks are refused without it. Masks and
        smaller copies of a page are no images of a stack.
    orient : bool, default True
        Turn the image upright, as EXIF data of PNG and JPEG files and TIFF's tag 274 say; False
        returns it as stored.
    masked : bool, default False
        Return a `numpy.ma.MaskedArray` where a mask in the file (GDAL's internal mask) declares
        pixels missing. All tasks take such arrays.
    max_bytes : int or str, optional
        The most memory that the image's array may take, in bytes or as text like "2G". Default:
        the environment variable PNNCUPY_MAX_MEMORY, else 16 GB. Files that declare more are refused
        before anything is allocated.

    Returns
    -------
    (H, W) or (H, W, C) NumPy array
        Grey, or with the channels last whatever their place in the file: one or three of a colour,
        then alpha or other bands, see `Metadata.extra_samples`. Palette images are RGB, but for
        measurements with a table of colours (files of ImageJ and OME, or with GDAL's or GeoTIFF's
        tags), which keep their numbers. Colours that are multiplied with their alpha are divided by
        it.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        It is no image, a damaged one, one that declares more than `max_bytes` or more than its data
        can hold, one of another colour model (CMYK, CIELAB, raw YCbCr), or a stack without `page`.

    Notes
    -----
    While it decodes, memory holds the file or one of its strips or tiles besides the array, and two
    arrays where channels lie in separate planes, or pixels are turned or divided by alpha.

    Whatever the content of a file, nothing else is raised and nothing is printed. JPEG has no
    checksums: damage within its compressed data can pass as a different image.

    Examples
    --------
    >>> import pnncupy.io
    >>> image = pnncupy.io.read_image("micrograph.tif", page=3)  # doctest: +SKIP
    """
    found = read_file(path, page=page, orient=orient, max_bytes=max_bytes)
    return found.masked if masked else found.pixels


def read_file(
    path: str | os.PathLike[str], *, page: int | None = None, orient: bool = True,
    max_bytes: int | str | None = None,
) -> ImageFile:  # fmt: skip
    """Read one image and what its file says about it; see `read_image`."""
    number = validation.optional_integer("page", page, 0)
    limit = allowed_bytes(max_bytes)
    with opened_file(Path(path)) as stream:
        found = understood(stream, number, lambda kind: _read(stream, kind, number, limit))
    return _oriented(found) if orient else found


def allowed_bytes(max_bytes: int | str | None) -> int:
    """Bytes that an array may take, see `read_image`."""
    if max_bytes is not None:
        return memory_limit.parse_bytes("max_bytes", max_bytes)
    told = memory_limit.limit_from_environment()
    return _DEFAULT_LIMIT if told is None else told


@contextmanager
def opened_file(file: Path) -> Iterator[BinaryIO]:
    """Open a file, and put its name in front of what is wrong with it."""
    mode = file.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe may wait for ever
        raise ImageReadError(f"{file}: not a regular file; save the image to one first")
    with file.open("rb") as stream:
        try:
            yield stream
        except ImageReadError as error:
            raise ImageReadError(f"{file}: {error}") from error.__cause__


def understood[Found](
    stream: BinaryIO, number: int | None, read: Callable[[str], Found],
    trouble: str = "damaged or unsupported {} file",
) -> Found:  # fmt: skip
    """Result of reading an open file, or the one exception. No message names the file.

    Parameters
    ----------
    stream : binary file
    number : int or None
        Page of it.
    read : function of the format
    trouble : str
        Begin of the message where a decoder fails; the format is put in.
    """
    kind = _kind(stream.read(max(map(len, _SIGNATURES))))
    if kind is None:
        raise ImageReadError("not a PNG, JPEG or TIFF file")
    if number not in (None, 0) and kind != "tiff":
        raise ImageReadError(f"page {number} was requested, but it holds one image")
    try:
        return read(kind)
    except (ImageReadError, ModuleNotFoundError, Warning):
        raise
    except MemoryError as error:
        raise ImageReadError("needs more memory than there is; lower its size") from error
    except Exception as error:  # decoders raise whatever their format meets
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageReadError(f"{trouble.format(kind.upper())}: {reason}") from error


def _read(stream: BinaryIO, kind: str, number: int | None, limit: int) -> ImageFile:
    """The image in an open file, as stored."""
    found = read_tiff(stream, number, limit) if kind == "tiff" else _decode(kind, stream, limit)
    image = found.pixels
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ImageReadError(
            f"not an image of real numbers: shape {image.shape}, dtype {image.dtype}"
        )
    return replace(found, pixels=image)


def _kind(data: bytes) -> str | None:
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    return None


def _oriented(found: ImageFile) -> ImageFile:
    """The same, upright."""
    orientation = found.metadata.orientation
    if orientation == 1:
        return found
    return ImageFile(
        upright(found.pixels, orientation),
        turned(found.metadata),
        None if found.missing is None else upright(found.missing, orientation),
        (*found.notes, f"turned upright, as its orientation {orientation} says"),
    )


def _decode(kind: str, stream: BinaryIO, limit: int) -> ImageFile:
    """The image in a PNG or JPEG file."""
    import imagecodecs

    data = _contents(stream, limit)
    with quiet_log("imagecodecs"):
        if kind == "jpeg":
            check_jpeg(data, limit)
            image = np.asarray(imagecodecs.jpeg8_decode(data))
        else:
            check_png(data, limit)
            image = np.asarray(imagecodecs.png_decode(data))
    channels = 1 if image.ndim == 2 else image.shape[2]
    metadata = replace(
        _metadata_of(kind, data),
        colour="rgb" if channels > 2 else "grey",
        extra_samples=(UNASSOCIATED,) if channels in (2, 4) else (),
    )
    return ImageFile(image, metadata)


def _contents(stream: BinaryIO, limit: int) -> bytes:
    """All bytes of a PNG or JPEG file."""
    size = stream.seek(0, os.SEEK_END)
    if size > limit + _MOST_METADATA:
        check_limit("a file larger than any image allowed", size, limit)
    stream.seek(0)
    return stream.read()


def _metadata_of(kind: str, data: bytes) -> Metadata:
    """Metadata of a PNG or JPEG file, without the meaning of its channels."""
    exif, profile = (
        (png_exif, png_profile) if kind == "png" else (jpeg_exif, jpeg_profile)
    )  # fmt: skip
    return Metadata(
        icc_profile=sound_profile(profile(data)), orientation=exif_orientation(exif(data))
    )


@hint_at_names
def read_metadata(
    path: str | os.PathLike[str], *, page: int | None = None, orient: bool = True
) -> Metadata:
    """Read the metadata of an image; its pixels are not decoded.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file. Of PNG and JPEG files only the ICC profile and the orientation are
        read.
    page : int, optional
        Which image of a TIFF stack, from 0.
    orient : bool, default True
        Return what holds for the upright image, as `read_image` does; False: for the stored one.

    Returns
    -------
    Metadata
        Pixel size, unit, names of channels, nodata, georeference, profile and meaning of the
        channels, and the names of other tags.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        As `read_image`.

    Examples
    --------
    >>> import tempfile, numpy as np, pnncupy.io
    >>> from pnncupy.io import Metadata
    >>> known = Metadata(pixel_size=(0.5, 0.5), unit="µm", kind="imagej")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/micrograph.tif"
    ...     pnncupy.io.write_image(file, np.zeros((9, 8), np.uint16), metadata=known)
    ...     pnncupy.io.read_metadata(file) == known
    True
    """
    number = validation.optional_integer("page", page, 0)

    with opened_file(Path(path)) as stream:

        def read(kind: str) -> Metadata:
            if kind != "tiff":
                return _metadata_of(kind, _contents(stream, _DEFAULT_LIMIT))
            with opened(stream) as (tiff, structure):
                return tiff_metadata(tiff, structure, *choose(tiff, structure, number))

        found = understood(stream, None, read, "its metadata cannot be read")
    return turned(found) if orient else found


@hint_at_names
def read_provenance(path: str | os.PathLike[str]) -> ProvenanceRecord | None:
    """Read what an image was synthesised from by pnncupy, and how.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file, also one that another program has saved again with its XMP.

    Returns
    -------
    ProvenanceRecord or None
        None if the file does not say that pnncupy synthesised it.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        It is no image file, or its XMP is damaged. Pixels are not read.

    Examples
    --------
    >>> import tempfile, numpy as np, pnncupy.io
    >>> from pnncupy.io import ProvenanceRecord
    >>> known = ProvenanceRecord("generate", ("photo.png",), {"alpha": 0.01}, seed=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/made.jpg"
    ...     pnncupy.io.write_image(file, np.zeros((9, 8), np.uint8), provenance=known)
    ...     pnncupy.io.read_provenance(file) == known
    True
    """
    with opened_file(Path(path)) as stream:
        kind = _kind(stream.read(max(map(len, _SIGNATURES))))
        if kind is None:
            raise ImageReadError("not a PNG, JPEG or TIFF file")
        records = map(record_in, itertools.islice(packets(stream, kind), _MOST_PACKETS))
        return next((record for record in records if record is not None), None)
