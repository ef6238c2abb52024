"""Bytes of TIFF stacks of volumes, ImageJ's or OME's."""

from typing import Any

import numpy as np

from pnncupy._version import __version__
from pnncupy.io.formats import tiff_encoding
from pnncupy.io.formats.tiff_metadata import Metadata

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_OME_DTYPES = (*_IMAGEJ_DTYPES, "int8", "int16", "int32", "uint32", "float64")
# Beyond it offsets of the classic format overflow, tags included.
_CLASSIC_BYTES = 2**32 - 2**25


def encode_stack(volume: Any, metadata: Metadata, text: str, xmp: bytes) -> bytes:
    """The bytes of a TIFF file.

    Parameters
    ----------
    volume : (Z, Y, X) or (Z, Y, X, C) array of integers or floating point
        Contiguous, in the machine's byte order. Up to four channels of uint8 are colours.
    metadata : Metadata
        Pixel size and unit, which are those of a voxel along all axes.
    text : str
        Description.
    xmp : bytes
        Packet of the provenance.

    Raises
    ------
    ValueError
        No such file holds the dtype.
    """
    colour = volume.ndim == 4 and volume.shape[3] in (3, 4) and volume.dtype.name == "uint8"
    axes = "ZYX"
    if volume.ndim == 4:
        axes = "ZYXS" if colour else "ZCYX"
        volume = volume if colour else np.ascontiguousarray(np.moveaxis(volume, 3, 1))
    name, photometric = volume.dtype.name, "rgb" if colour else "minisblack"
    tags = tiff_encoding._private_tags(metadata, xmp)
    if name in _IMAGEJ_DTYPES and volume.nbytes <= _CLASSIC_BYTES:
        items: dict[str, Any] = {"axes": axes}
        if metadata.pixel_size is not None:
            items["spacing"] = metadata.pixel_size[0]
            if metadata.unit:
                items["unit"] = tiff_encoding._escaped(metadata.unit)
        if text:
            items["Info"] = text
        scale = tiff_encoding._resolution(metadata) if metadata.pixel_size else {}
        return tiff_encoding._written(
            volume, imagej=True, metadata=items, photometric=photometric, extratags=tags, **scale
        )
    if name not in _OME_DTYPES:
        raise ValueError(f"TIFF stacks hold {', '.join(_OME_DTYPES)}, got {name}; use .npy")
    items = {"axes": axes, "Creator": f"pnncupy {__version__}"}
    if metadata.pixel_size is not None:
        unit = tiff_encoding._OME_UNITS.get(metadata.unit or "pixel", metadata.unit or "pixel")
        for axis in "ZYX":
            items |= {f"PhysicalSize{axis}": metadata.pixel_size[0]}
            items |= {f"PhysicalSize{axis}Unit": unit}
    if text:
        items["Description"] = tiff_encoding._printable(text)
    items["UUID"] = tiff_encoding._identifier(volume, items)
    return tiff_encoding._written(
        volume, ome=True, compression="deflate", predictor=volume.dtype.kind in "iu",
        photometric=photometric, metadata=items, extratags=tags,
        bigtiff=volume.nbytes > _CLASSIC_BYTES,
    )  # fmt: skip
