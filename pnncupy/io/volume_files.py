"""Volumes as files: TIFF stacks of ImageJ, OME and others, and NumPy's own format."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.array_files import array_shape, encode_array, read_array, volume_of_array
from pnncupy.io.formats.kinds import ARRAYS
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of
from pnncupy.io.image_file import ImageFile
from pnncupy.io.ome_zarr import SUFFIX as ZARR
from pnncupy.io.ome_zarr import is_zarr, read_zarr_volume, write_zarr, zarr_slice_axis
from pnncupy.io.reading import allowed_bytes, opened_file, understood
from pnncupy.io.tiff_image import named_axis, read_tiff_volume
from pnncupy.io.writing import new_file, write_whole
from pnncupy.parameter_hints import hint_at_names

SUFFIXES = {".tif": "tiff", ".tiff": "tiff", ".npy": "npy", ".npz": "npz"}


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
        TIFF stack whose pages are slices (axis Z) or times (axis T), of one size and dtype; an .npy
        or .npz file of 3 axes, or of 4, the last of which holds channels; or, with the extra
        ``zarr``, a folder of OME-Zarr with one axis of slices or times.
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
    if is_zarr(file):
        return read_zarr_volume(file, limit)
    with opened_file(file) as stream:

        def read(kind: str) -> ImageFile:
            if kind in ARRAYS:
                return ImageFile(volume_of_array(read_array(stream, kind, limit)), Metadata())
            if kind != "tiff":
                raise ImageReadError(
                    "one image; a volume is a TIFF stack, an .npy or .npz file, or OME-Zarr"
                )
            return read_tiff_volume(stream, limit)

        return understood(stream, None, read)


def named_slice_axis(path: str | os.PathLike[str]) -> str:
    """Return the axis that makes a file a volume by its own words: Z, T of a series, or none.

    An .npy file of 3 axes or more has Z, and a TIFF file may name an axis of slices or times, as
    those of ImageJ and OME do. Pages that nothing names may be anything.

    Raises
    ------
    ImageReadError, OSError
        As `read_volume`.
    """
    file = Path(path)
    if is_zarr(file):
        return zarr_slice_axis(file)
    with opened_file(file) as stream:

        def read(kind: str) -> str:
            if kind == "npy":
                return "" if len(array_shape(stream)) == 2 else "Z"
            return named_axis(stream) if kind == "tiff" else ""

        return understood(stream, None, read)


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
        float32 up to 4 GB), else one of OME; .npy or .npz; or, with the extra ``zarr``, .zarr, a
        folder of OME-Zarr 0.5.
    volume : (Z, Y, X) or (Z, Y, X, C) array
        Channels last. Bool is written as 0 and 255 into TIFF files.
    overwrite : bool, default False
        Replace an existing file.
    metadata : Metadata, optional
        What is known about the voxels: TIFF files and OME-Zarr keep their size
        (`Metadata.pixel_size` of rows and columns, `Metadata.slice_size`, and `Metadata.unit`) and
        the names of channels, TIFF files the description, too. `Metadata.kind` "ome" writes OME's
        form.
    provenance : ProvenanceRecord, optional
        What the volume was synthesised from, and how; for TIFF files and OME-Zarr.

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
    if file.suffix.lower() == ZARR:
        checked = checked_volume(np.asarray(volume))
        write_zarr(file, checked, 3, metadata or Metadata(), provenance)
        return
    write_whole(file, encode_volume(file.suffix, np.asarray(volume), metadata, provenance))


def checked_volume(volume: Any) -> Any:
    """The volume, contiguous and in native byte order; refused if it is another array."""
    if volume.ndim not in (3, 4) or volume.size == 0 or volume.dtype.kind not in "biuf":
        raise ValueError(
            "a volume must be a non-empty (Z, Y, X) or (Z, Y, X, C) array of real numbers, got "
            f"shape {volume.shape}, dtype {volume.dtype}"
        )
    return np.ascontiguousarray(volume.astype(volume.dtype.newbyteorder("=")))


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
    volume = checked_volume(volume)
    if kind in ARRAYS:
        return encode_array(volume, kind)
    if volume.dtype.kind == "b":
        volume = volume.astype(np.uint8) * np.uint8(255)
    if volume.ndim == 4 and volume.shape[3] == 1:
        volume = volume[..., 0]
    from pnncupy.io.formats.tiff_encoding import encode_stack

    text = provenance.text if provenance else ""
    xmp = packet_of(provenance) if provenance else b""
    return encode_stack(volume, metadata or Metadata(), text, xmp)
