"""Volumes as files: TIFF stacks of ImageJ, OME and others, and NumPy's own format."""

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import check_limit
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of
from pnncupy.io.image_file import ImageFile
from pnncupy.io.reading import allowed_bytes, opened_file, understood
from pnncupy.io.tiff_image import named_axis, read_tiff_volume
from pnncupy.io.writing import new_file, write_whole
from pnncupy.parameter_hints import hint_at_names

SUFFIXES = {".tif": "tiff", ".tiff": "tiff", ".npy": "npy"}


# Sides of square pixels may differ by this share.
_SQUARE = 1e-6


def voxel_metadata(metadata: Metadata) -> Metadata | None:
    """Metadata of a volume from that of an image of its slices: the size of a voxel, and its unit.

    None where the pixels of the image are not square, so that the size depends on the slice.
    """
    if metadata.pixel_size is None:
        return Metadata()
    height, width = metadata.pixel_size
    if not math.isclose(height, width, rel_tol=_SQUARE):
        return None
    return Metadata(metadata.pixel_size, metadata.unit, slice_size=height)


@hint_at_names
def read_volume(path: str | os.PathLike[str], *, max_bytes: int | str | None = None) -> Any:
    """Read a volume, or a time series of images: all pages of a TIFF stack, or an .npy file.

    Parameters
    ----------
    path : path
        TIFF stack whose pages are slices (axis Z) or times (axis T), of one size and dtype; or an
        .npy file of 3 axes, or of 4, the last of which holds channels.
    max_bytes : int or str, optional
        As in `read_image`.

    Returns
    -------
    (Z, Y, X) or (Z, Y, X, C) NumPy array
        Channels last. Pass ``channel_axis=None`` to the tasks with the first, and nothing or
        ``channel_axis=-1`` with the second.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        It is no stack of equal pages, has several axes beside rows, columns and channels, or more
        than `max_bytes`; or as `read_image`.

    Examples
    --------
    >>> import pnncupy.io
    >>> volume = pnncupy.io.read_volume("tomogram.tif")  # doctest: +SKIP
    """
    return read_volume_file(path, max_bytes=max_bytes).pixels


def read_volume_file(
    path: str | os.PathLike[str], *, max_bytes: int | str | None = None
) -> ImageFile:
    """Read a volume and what its file says about it; see `read_volume`."""
    limit = allowed_bytes(max_bytes)
    file = Path(path)
    with opened_file(file) as stream:
        if stream.read(6) == b"\x93NUMPY":
            return ImageFile(_numpy_volume(stream, limit), Metadata())
        stream.seek(0)

        def read(kind: str) -> ImageFile:
            if kind != "tiff":
                raise ImageReadError("one image; a volume is a TIFF stack or an .npy file")
            return read_tiff_volume(stream, limit)

        return understood(stream, None, read)


def named_slice_axis(path: str | os.PathLike[str]) -> str:
    """Return the axis that makes a file a volume by its own words: Z, T of a series, or none.

    An .npy file has Z, and a TIFF file may name an axis of slices or times, as those of ImageJ and
    OME do. Pages that nothing names may be anything.

    Raises
    ------
    ImageReadError, OSError
        As `read_volume`.
    """
    file = Path(path)
    with opened_file(file) as stream:
        if stream.read(6) == b"\x93NUMPY":
            return "Z"
        stream.seek(0)
        return understood(stream, None, lambda kind: named_axis(stream) if kind == "tiff" else "")


def _numpy_volume(stream: BinaryIO, limit: int) -> Any:
    """The array in an .npy file, whose header is checked first."""
    stream.seek(0)
    try:
        major = np.lib.format.read_magic(stream)[0]
        header = np.lib.format.read_array_header_1_0 if major == 1 else (
            np.lib.format.read_array_header_2_0
        )  # fmt: skip
        shape, _, dtype = header(stream)
        if len(shape) not in (3, 4) or 0 in shape or dtype.kind not in "biuf":
            raise ImageReadError(f"not a volume of real numbers: shape {shape}, dtype {dtype}")
        check_limit(f"an array of shape {shape}", int(np.prod(shape)) * dtype.itemsize, limit)
        stream.seek(0)
        return np.ascontiguousarray(np.load(stream, allow_pickle=False))
    except ImageReadError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise ImageReadError(f"damaged .npy file: {' '.join(str(error).split())}") from error


@hint_at_names
def write_volume(
    path: str | os.PathLike[str],
    volume: Any,
    *,
    overwrite: bool = False,
    metadata: Metadata | None = None,
    provenance: ProvenanceRecord | None = None,
) -> None:
    """Write a volume losslessly, all of it or nothing.

    Parameters
    ----------
    path : path
        Its suffix decides the format: .tif or .tiff, a stack that ImageJ reads (uint8, uint16 and
        float32 up to 4 GB), else one of OME, or .npy.
    volume : (Z, Y, X) or (Z, Y, X, C) array
        Channels last. Bool is written as 0 and 255 into TIFF files.
    overwrite : bool, default False
        Replace an existing file.
    metadata : Metadata, optional
        What is known about the voxels: a TIFF file keeps their size (`Metadata.pixel_size` of rows
        and columns, `Metadata.slice_size`, and `Metadata.unit`), the names of channels and the
        description. `Metadata.kind` "ome" writes OME's form.
    provenance : ProvenanceRecord, optional
        What the volume was synthesised from, and how; for TIFF files.

    Raises
    ------
    FileExistsError
        The file exists and `overwrite` is False.
    ValueError
        The format is unknown or cannot hold the volume; nothing is written.
    OSError
        The folder does not exist or cannot be written to.

    Examples
    --------
    >>> import tempfile, numpy as np, pnncupy.io
    >>> from pnncupy.io import Metadata
    >>> volume = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    >>> size = Metadata(pixel_size=(0.5, 0.5), slice_size=2.0, unit="µm")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/volume.tif"
    ...     pnncupy.io.write_volume(file, volume, metadata=size)
    ...     bool((pnncupy.io.read_volume(file) == volume).all())
    True
    """
    file = new_file(path, overwrite, metadata, provenance)
    write_whole(file, encode_volume(file.suffix, np.asarray(volume), metadata, provenance))


def encode_volume(
    suffix: str,
    volume: Any,
    metadata: Metadata | None = None,
    provenance: ProvenanceRecord | None = None,
) -> bytes:
    """The bytes of the file of a volume; see `write_volume`."""
    kind = SUFFIXES.get(suffix.lower())
    if kind is None:
        raise ValueError(
            f"unknown volume format {suffix!r}; use one of {', '.join(sorted(SUFFIXES))}"
        )
    if volume.ndim not in (3, 4) or volume.size == 0 or volume.dtype.kind not in "biuf":
        raise ValueError(
            "a volume must be a non-empty (Z, Y, X) or (Z, Y, X, C) array of real numbers, got "
            f"shape {volume.shape}, dtype {volume.dtype}"
        )
    volume = np.ascontiguousarray(volume.astype(volume.dtype.newbyteorder("=")))
    if kind == "npy":
        from io import BytesIO

        buffer = BytesIO()
        np.save(buffer, volume, allow_pickle=False)
        return buffer.getvalue()
    if volume.dtype.kind == "b":
        volume = volume.astype(np.uint8) * np.uint8(255)
    if volume.ndim == 4 and volume.shape[3] == 1:
        volume = volume[..., 0]
    from pnncupy.io.formats.tiff_encoding import encode_stack

    text = provenance.text if provenance else ""
    xmp = packet_of(provenance) if provenance else b""
    return encode_stack(volume, metadata or Metadata(), text, xmp)
