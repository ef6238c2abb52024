"""Reading of image files, checked before they are decoded.

It, `writing`, `formats.tiff_series` and `formats.tiff_encoding` are the only modules that know
tifffile and imagecodecs.
"""

import itertools
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pnncupy import memory_limit, validation
from pnncupy.errors import ImageReadError
from pnncupy.io.formats.jpeg import check_jpeg
from pnncupy.io.formats.limits import check_limit
from pnncupy.io.formats.png import png_parts
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.tiff_pixels import check_pixels
from pnncupy.io.formats.tiff_series import axes_of, choose, image_axes, opened, outer_axes
from pnncupy.io.formats.tiff_structure import Structure
from pnncupy.io.formats.xmp import ProvenanceRecord, record_in
from pnncupy.io.formats.xmp_carriers import packets

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


def read_image(
    path: str | os.PathLike[str], *, page: int | None = None, max_bytes: int | str | None = None
) -> Any:
    """Read one image, in the dtype it is stored in.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file; its content decides, not its name.
    page : int, optional
        Which image of a TIFF stack to take, from 0. Stacks are refused without it.
    max_bytes : int or str, optional
        The most memory that the image's array may take, in bytes or as text like "2G". Default:
        the environment variable PNNCUPY_MAX_MEMORY, else 16 GB. Files that declare more are refused
        before anything is allocated.

    Returns
    -------
    (H, W) or (H, W, C) NumPy array
        Grey, or with the channels last whatever their place in the file.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        It is no image, a damaged one, one that declares more than `max_bytes` or more than its data
        can hold, or a stack without `page`.

    Notes
    -----
    While it decodes, memory holds the file or one of its strips or tiles besides the array, and two
    arrays where channels lie in separate planes.

    Whatever the content of a file, nothing else is raised and nothing is printed. JPEG has no
    checksums: damage within its compressed data can pass as a different image.

    Examples
    --------
    >>> import pnncupy.io
    >>> image = pnncupy.io.read_image("micrograph.tif", page=3)  # doctest: +SKIP
    """
    number = validation.optional_integer("page", page, 0)
    limit = _DEFAULT_LIMIT
    if max_bytes is not None:
        limit = memory_limit.parse_bytes("max_bytes", max_bytes)
    elif (told := memory_limit.limit_from_environment()) is not None:
        limit = told
    with _opened(Path(path)) as stream:
        return _read(stream, number, limit)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, and put its name in front of what is wrong with it."""
    mode = file.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe may wait for ever
        raise ImageReadError(f"{file}: not a regular file; save the image to one first")
    with file.open("rb") as stream:
        try:
            yield stream
        except ImageReadError as error:
            raise ImageReadError(f"{file}: {error}") from error.__cause__


def _read(stream: BinaryIO, number: int | None, limit: int) -> Any:
    """The image in an open file. Messages do not name the file."""
    kind = _kind(stream.read(max(map(len, _SIGNATURES))))
    if kind is None:
        raise ImageReadError("not a PNG, JPEG or TIFF file")
    if number not in (None, 0) and kind != "tiff":
        raise ImageReadError(f"page {number} was requested, but it holds one image")
    try:
        image = (
            _read_tiff(stream, number, limit) if kind == "tiff" else _decode(kind, stream, limit)
        )
    except (ImageReadError, ModuleNotFoundError, Warning):
        raise
    except MemoryError as error:
        raise ImageReadError("needs more memory than there is; lower its size") from error
    except Exception as error:  # decoders raise whatever their format meets
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageReadError(f"damaged or unsupported {kind.upper()} file: {reason}") from error
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ImageReadError(
            f"not an image of real numbers: shape {image.shape}, dtype {image.dtype}"
        )
    return image


def _kind(data: bytes) -> str | None:
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    return None


def _decode(kind: str, stream: BinaryIO, limit: int) -> Any:
    import imagecodecs

    size = stream.seek(0, os.SEEK_END)
    if size > limit + _MOST_METADATA:
        check_limit("a file larger than any image allowed", size, limit)
    stream.seek(0)
    data = stream.read()
    if kind == "jpeg":
        check_jpeg(data, limit)
        return np.asarray(imagecodecs.jpeg8_decode(data))
    shape, parts = png_parts(data, limit)
    image: Any = None
    for part in parts:
        decoded = np.asarray(imagecodecs.png_decode(part.file))
        if decoded.shape[:2] == shape:
            return decoded
        if image is None:
            image = np.empty(shape + decoded.shape[2:], decoded.dtype)
        image[part.rows, part.columns] = decoded
    return image


def _read_tiff(stream: BinaryIO, page: int | None, limit: int) -> Any:
    """One plane of all the series of a TIFF file, channels last."""
    import tifffile

    with opened(stream) as (tiff, structure):
        series, position = choose(tiff, structure, page)
        photometric = series.keyframe.photometric
        if photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise ImageReadError("stores palette colours; convert it to RGB first")
        plane = _plane(tiff, series, position, structure, limit)
        if photometric != tifffile.PHOTOMETRIC.MINISWHITE:
            return plane
        if plane.dtype.kind == "b":
            return ~plane
        if plane.dtype.kind == "u":
            return (2**series.keyframe.bitspersample - 1 - plane).astype(plane.dtype)
        raise ImageReadError(f"stores negatives of {plane.dtype}; invert it first")


def _plane(
    tiff: Any, series: Any, position: tuple[int, ...], structure: Structure, limit: int
) -> Any:
    """The image at a position, as (H, W) or (H, W, C)."""
    axes = axes_of(series)
    kept = image_axes(axes)
    places = iter(position)
    selection = [slice(None) if axis in kept else next(places) for axis in axes]
    outer = outer_axes(series)
    ranges = [
        range(size) if isinstance(place, slice) else (place,)
        for place, size in zip(selection[:outer], series.shape[:outer], strict=True)
    ]
    sizes = tuple(map(len, ranges))
    numbers = [
        int(np.ravel_multi_index(index, series.shape[:outer])) if outer else 0
        for index in itertools.product(*ranges)
    ]
    shape = tuple(series.shape[axes.index(axis)] for axis in kept)
    size = math.prod(series.shape[outer:]) * len(numbers) * series.dtype.itemsize
    check_limit(f"an image of shape {shape}", size, limit)
    pages = [_page(tiff, series, number, structure, limit) for number in numbers]
    block = (pages[0] if len(pages) == 1 else np.stack(pages)).reshape(
        sizes + tuple(series.shape[outer:])
    )
    inside = [slice(None) if isinstance(place, slice) else 0 for place in selection[:outer]]
    block = block[tuple(inside + selection[outer:])]
    left = [axis for axis in axes if axis in kept]
    return np.ascontiguousarray(block.transpose([left.index(axis) for axis in kept]))


def _page(tiff: Any, series: Any, number: int, structure: Structure, limit: int) -> Any:
    """One page of a series, from its own directory or from behind that of the first page."""
    keyframe = series.keyframe
    size = math.prod(keyframe.shape)
    if math.prod(series.shape) == len(series.pages) * size:
        page = series.pages[number]
        if page is None:
            raise ImageReadError(
                f"lacks the plane {number} that its description tells of: cut short?"
            )
        check_pixels(structure, page.offset, keyframe.offset, limit)
        return page.asarray()
    check_pixels(structure, keyframe.offset, keyframe.offset, limit)
    nbytes = size * keyframe.dtype.itemsize
    if series.dataoffset is None or series.dataoffset + (number + 1) * nbytes > structure.size:
        raise ImageReadError(
            f"damaged TIFF file: image {number} is beyond its end ({structure.size} bytes): "
            "cut short?"
        )
    # What programs write to have stacks of more than 4 GB: one directory, planes behind each other.
    return tiff.filehandle.read_array(
        tiff.byteorder + keyframe.dtype.char, size, series.dataoffset + number * nbytes
    )


def read_metadata(path: str | os.PathLike[str], *, page: int | None = None) -> Metadata:
    """Read the metadata of an image in a TIFF file; PNG and JPEG files have none here.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file.
    page : int, optional
        Which image of a TIFF stack, from 0.

    Returns
    -------
    Metadata
        Pixel size, unit, names of channels, nodata, georeference, and the names of other tags.

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
    file = Path(path)
    with _opened(file) as stream:
        try:
            if _kind(stream.read(max(map(len, _SIGNATURES)))) != "tiff":
                return Metadata()
            with opened(stream) as (tiff, structure):
                return _tiff_metadata(tiff, structure, number)
        except (ImageReadError, ModuleNotFoundError, Warning):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ImageReadError(f"its metadata cannot be read: {reason}") from error


def _tiff_metadata(tiff: Any, structure: Structure, page: int | None) -> Metadata:
    from pnncupy.io.formats.tiff_reading import read

    series, position = choose(tiff, structure, page)
    return read(tiff, series, axes_of(series), position, structure.hidden_tags)


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
    with _opened(Path(path)) as stream:
        kind = _kind(stream.read(max(map(len, _SIGNATURES))))
        if kind is None:
            raise ImageReadError("not a PNG, JPEG or TIFF file")
        records = map(record_in, itertools.islice(packets(stream, kind), _MOST_PACKETS))
        return next((record for record in records if record is not None), None)
