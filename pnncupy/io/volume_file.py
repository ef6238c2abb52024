"""Writing of volumes: TIFF stacks for ImageJ or OME readers, and NumPy arrays."""

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.atomic_files import whole_file
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.tiff_stack import encode_stack
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of

VOLUME_SUFFIXES = {".tif": "tiff", ".tiff": "tiff", ".npy": "npy"}
_SQUARE = 1e-6


def voxel_metadata(metadata: Metadata) -> Metadata | None:
    """Metadata of a volume from that of an image of its slices: the size of a voxel, and its unit.

    None where the pixels of the image are not square, so that the size depends on the slice.
    """
    if metadata.pixel_size is not None:
        height, width = metadata.pixel_size
        if not math.isclose(height, width, rel_tol=_SQUARE):
            return None
    return Metadata(metadata.pixel_size, metadata.unit)


def write_volume(
    path: str | os.PathLike[str],
    volume: Any,
    *,
    overwrite: bool = False,
    metadata: Metadata | None = None,
    provenance: ProvenanceRecord | None = None,
) -> None:
    """Write one volume losslessly; all of it or nothing.

    Parameters
    ----------
    path : path
        Its suffix decides the format: .tif (ImageJ's hyperstack for bool, uint8, uint16 and
        float32 below 4 GB, else OME-TIFF) or .npy (any dtype, without metadata).
    volume : (Z, Y, X) or (Z, Y, X, C) array of bool, integers or floating point
        Bool is written into TIFF files as 0 and 255.
    overwrite : bool, default False
        Replace an existing file.
    metadata : Metadata, optional
        Its pixel size and unit become those of a voxel, as long along Z as along Y.
    provenance : ProvenanceRecord, optional
        What the volume was synthesised from, and how: TIFF files keep it, as XMP.

    Raises
    ------
    FileExistsError
        The file exists and `overwrite` is False.
    ValueError
        The format is unknown or cannot hold the volume; nothing is written.
    OSError
        The folder does not exist or cannot be written to.
    """
    file = Path(path)
    if not overwrite and file.exists():
        raise FileExistsError(f"{file} exists; pass overwrite=True (--force) to replace it")
    data = encode_volume(file.suffix, np.asarray(volume), metadata, provenance)
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent} to write {file.name} into")
    with whole_file(file) as stream:
        stream.write(data)


def encode_volume(
    suffix: str,
    volume: Any,
    metadata: Metadata | None = None,
    provenance: ProvenanceRecord | None = None,
) -> bytes:
    """The bytes of a file of a volume; see `write_volume`."""
    kind = VOLUME_SUFFIXES.get(suffix.lower())
    if kind is None:
        raise ValueError(
            f"unknown volume format {suffix!r}; use one of {', '.join(sorted(VOLUME_SUFFIXES))}"
        )
    if volume.ndim not in (3, 4) or volume.size == 0 or volume.dtype.kind not in "biuf":
        raise ValueError(
            "a volume must be a non-empty (Z, Y, X) or (Z, Y, X, C) array of real numbers, got "
            f"shape {volume.shape}, dtype {volume.dtype}"
        )
    volume = np.ascontiguousarray(volume.astype(volume.dtype.newbyteorder("=")))
    if kind == "npy":
        buffer = io.BytesIO()
        np.save(buffer, volume, allow_pickle=False)
        return buffer.getvalue()
    if volume.dtype.kind == "b":
        volume = volume.astype(np.uint8) * np.uint8(255)
    text = provenance.text if provenance else ""
    xmp = packet_of(provenance) if provenance else b""
    return encode_stack(volume, metadata or Metadata(), text, xmp)
