"""OME-Zarr: folders of chunks with a description (NGFF 0.4 and 0.5), read in a bounded process."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.atomic_files import replaced_folder
from pnncupy.errors import ImageReadError
from pnncupy.io.formats.decoder_process import decode, metadata_of
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord, packet_of, record_in
from pnncupy.io.image_file import ImageFile

SUFFIX = ".zarr"
# What of `Metadata.worth_keeping` is written.
KEPT = ("pixel size", "channel names")
_TITLE = "OME-Zarr"
_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_UNITS = {
    "Å": "angstrom", "angstrom": "angstrom", "nm": "nanometer", "µm": "micrometer",
    "μm": "micrometer", "um": "micrometer", "micron": "micrometer", "mm": "millimeter",
    "cm": "centimeter", "m": "meter", "km": "kilometer", "inch": "inch", "ft": "foot",
}  # fmt: skip
# Bytes of a chunk as it is written.
_CHUNK = 1 << 22


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Test whether a path is a folder of Zarr."""
    return any((Path(path) / name).is_file() for name in _MARKS)


def read_zarr(path: Path, page: int | None, limit: int) -> ImageFile:
    """Read one plane of the full resolution; see `pnncupy.io.read_image`."""
    return _read("zarr", path, page, limit)


def read_zarr_volume(path: Path, limit: int) -> ImageFile:
    """Read all planes along the axis of slices or times; see `pnncupy.io.read_volume`."""
    return _read("zarr-volume", path, None, limit)


def zarr_metadata(path: Path, page: int | None) -> Metadata:
    """Read the metadata of one plane."""
    return metadata_of(_header(path, page or 0))


def zarr_slice_axis(path: Path) -> str:
    """Return the axis of several slices or times, Z or T; empty for one image."""
    header = _header(path, 0)
    return str(header["slice_axis"]) if header["slices"] > 1 else ""


def zarr_provenance(path: Path) -> ProvenanceRecord | None:
    """Read what an image was synthesised from; see `pnncupy.io.read_provenance`."""
    packet = _header(path, 0)["xmp"]
    return record_in(packet.encode()) if packet else None


def _header(path: Path, page: int) -> dict[str, Any]:
    try:
        return decode("zarr", _TITLE, str(path), page, 0, pixels=False).header
    except ImageReadError as error:
        raise ImageReadError(f"{path}: {error}") from None


def _read(kind: str, path: Path, page: int | None, limit: int) -> ImageFile:
    try:
        found = decode(kind, _TITLE, str(path), page, limit)
    except ImageReadError as error:
        raise ImageReadError(f"{path}: {error}") from None
    pixels = found.pixels
    if pixels.ndim == (4 if kind == "zarr-volume" else 3) and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return ImageFile(pixels, metadata_of(found.header))


def check_zarr() -> None:
    """Refuse to write where the package is missing."""
    try:
        import zarr  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError(
            "OME-Zarr needs the package zarr; install it with: pip install 'pnncupy[zarr]'"
        ) from None


def write_zarr(
    path: Path, array: Any, spatial: int, metadata: Metadata, provenance: ProvenanceRecord | None
) -> None:
    """Write an image or a volume as OME-Zarr 0.5, at its full resolution only.

    Parameters
    ----------
    path : Path
        Folder to create, or a folder of Zarr to replace.
    array : array
        Of `spatial` axes, and one of channels behind them.
    spatial : {2, 3}
        3 for a volume, whose first axis is `metadata.slice_axis`.
    metadata : Metadata
        Sizes of pixels, and names of channels, are kept.
    provenance : ProvenanceRecord or None
        Kept as XMP in an attribute `pnncupy`.

    Raises
    ------
    ValueError
        zarr is missing, or the path is a folder of something else.
    """
    check_zarr()
    import zarr

    if path.exists() and not is_zarr(path):
        raise ValueError(f"{path} is no folder of Zarr, so it is not replaced; choose another name")
    names = ["y", "x"] if spatial == 2 else [metadata.slice_axis.lower(), "y", "x"]
    stored = np.asarray(array)
    if stored.ndim > spatial:
        stored = np.moveaxis(stored, -1, 1 if names[0] == "t" else 0)
        names.insert(1 if names[0] == "t" else 0, "c")
    attributes: dict[str, Any] = {"ome": _description(path, names, metadata)}
    if provenance is not None:
        attributes["pnncupy"] = {"xmp": packet_of(provenance).decode()}
    with replaced_folder(path) as temporary:
        group = zarr.create_group(str(temporary), zarr_format=3, attributes=attributes)
        group.create_array(
            "0", data=np.ascontiguousarray(stored), chunks=_chunks(stored), dimension_names=names
        )


def _chunks(array: Any) -> tuple[int, ...]:
    """Sides of a chunk: whole rows and planes as far as they fit."""
    sides, room = [], max(1, _CHUNK // array.dtype.itemsize)
    for side in reversed(array.shape):
        sides.append(max(1, min(side, room)))
        room //= sides[-1]
    return tuple(reversed(sides))


def _description(path: Path, names: list[str], metadata: Metadata) -> dict[str, Any]:
    """NGFF's attributes of an image."""
    unit = _UNITS.get(metadata.unit or "")
    size = metadata.pixel_size if unit else None
    scale = {"y": size[0], "x": size[1]} if size else {}
    if metadata.slice_size is not None and unit and math.isfinite(metadata.slice_size):
        scale["z"] = metadata.slice_size
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {
            "name": name,
            "type": kinds.get(name, "space"),
            **({"unit": unit} if name in scale else {}),
        }
        for name in names
    ]
    transformation = {"type": "scale", "scale": [float(scale.get(name, 1.0)) for name in names]}
    dataset = {"path": "0", "coordinateTransformations": [transformation]}
    described: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [{"name": path.stem, "axes": axes, "datasets": [dataset]}],
    }
    if metadata.channel_names and "c" in names:
        described["omero"] = {"channels": [{"label": name} for name in metadata.channel_names]}
    return described
