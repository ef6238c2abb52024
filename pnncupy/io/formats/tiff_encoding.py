"""Bytes of TIFF files, plain, ImageJ's or OME's, with what is known about their pixels.

The same image and metadata make the same bytes: there are no times in them, and identifiers are
derived from the content.
"""

import hashlib
import io
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from pnncupy._version import __version__
from pnncupy.io.formats.tiff_colours import UNSPECIFIED
from pnncupy.io.formats.tiff_metadata import (
    RESOLUTION_UNITS,
    Metadata,
    as_plain,
    geographic_scale,
    rational,
)
from pnncupy.io.formats.tiff_reading import GDAL_METADATA, GDAL_NODATA, GDAL_ROLES, XMP

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
_OME_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
# Beyond it offsets of the classic format overflow, tags included.
_CLASSIC_BYTES = 2**32 - 2**25
_UNIT_CODES = {unit: code for code, unit in RESOLUTION_UNITS.items()}
# ImageJ shows up to seven channels together.
_MOST_COMPOSITE = 7
_OME_UNITS = {"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm", "inch": "in", "inches": "in",
              "meter": "m", "metre": "m"}  # fmt: skip
_BYTE, _ASCII = 1, 2


def encode(image: Any, metadata: Metadata, description: str, xmp: bytes = b"") -> bytes:
    """The bytes of a TIFF file.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point
        Contiguous, in the machine's byte order.
    metadata : Metadata
        Of a kind that does not know the dtype the file is plain.
    description : str
        Put above the description in the metadata.
    xmp : bytes, default b""
        Packet of the provenance.
    """
    text = "\n".join(part for part in (description, metadata.text) if part)
    if metadata.kind == "imagej" and _fits(image, _IMAGEJ_DTYPES, _CLASSIC_BYTES):
        return _imagej(image, metadata, text, xmp)
    if metadata.kind == "ome" and _fits(image, _OME_DTYPES, None):
        return _ome(image, metadata, text, xmp)
    return _plain(image, as_plain(metadata), text, xmp)


def encode_stack(volume: Any, metadata: Metadata, description: str, xmp: bytes = b"") -> bytes:
    """The bytes of a TIFF stack, ImageJ's where that knows the dtype, else OME's or a plain one.

    Parameters
    ----------
    volume : (Z, Y, X) or (Z, Y, X, C) array of integers or floating point
        Contiguous, in the machine's byte order.
    metadata, description, xmp
        As in `encode`; what is said of a single image only is left out.
    """
    text = "\n".join(part for part in (description, metadata.text) if part)
    axis = metadata.slice_axis
    planes, axes = volume, f"{axis}YX"
    colour = volume.ndim == 4 and volume.shape[3] in (3, 4)
    if volume.ndim == 4:
        axes = f"{axis}YXS"
        is_imagej = metadata.kind != "ome" and volume.dtype == np.uint8 and volume.shape[3] == 3
        if not (is_imagej or (metadata.kind == "ome" and colour and volume.dtype.kind == "u")):
            planes, axes = np.ascontiguousarray(np.moveaxis(volume, 3, 1)), f"{axis}CYX"
    options = {
        "photometric": "rgb" if "S" in axes else "minisblack",
        "extratags": _private_tags(replace(metadata, geo={}), xmp),
    }
    if metadata.kind != "ome" and _fits(volume, _IMAGEJ_DTYPES, _CLASSIC_BYTES):
        return _written(
            planes, imagej=True, metadata=_imagej_items(metadata, axes, text), **options,
            **(_resolution(metadata) if metadata.pixel_size else {}),
        )  # fmt: skip
    options |= {"bigtiff": volume.nbytes > _CLASSIC_BYTES, "compression": "deflate"}
    if _fits(volume, _OME_DTYPES, None):
        items = _ome_items(metadata, axes, text)
        items["UUID"] = _identifier(planes, items)
        return _written(
            planes, ome=True, metadata=items, predictor=volume.dtype.kind in "iu", **options
        )
    return _written(planes, metadata={"axes": axes}, **options)


def _imagej_items(metadata: Metadata, axes: str, text: str) -> dict[str, Any]:
    """Items of ImageJ's description of a stack."""
    items: dict[str, Any] = {"axes": axes}
    if metadata.unit and metadata.pixel_size:
        items["unit"] = _escaped(metadata.unit)
    if metadata.slice_size is not None:
        items["spacing"] = metadata.slice_size
    if "C" in axes:
        items["mode"] = "composite"
    if text:
        items["Info"] = text
    return items


def _ome_items(metadata: Metadata, axes: str, text: str) -> dict[str, Any]:
    """Items of OME's description of a stack."""
    items: dict[str, Any] = {"axes": axes, "Creator": f"pnncupy {__version__}"}
    sizes = dict(zip("YX", metadata.pixel_size or (), strict=False))
    if metadata.slice_size is not None and axes[0] == "Z":
        sizes["Z"] = metadata.slice_size
    unit = _OME_UNITS.get(metadata.unit or "pixel", metadata.unit or "pixel")
    for axis, size in sizes.items():
        items |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    if "C" in axes and metadata.channel_names:
        items["Channel"] = {"Name": [_printable(name) for name in metadata.channel_names]}
    if text:
        items["Description"] = _printable(text)
    return items


def _fits(image: Any, dtypes: tuple[str, ...], most_bytes: int | None) -> bool:
    return image.dtype.name in dtypes and (most_bytes is None or image.nbytes <= most_bytes)


def _plain(image: Any, metadata: Metadata, text: str, xmp: bytes) -> bytes:
    options = _samples(image, metadata)
    if metadata.pixel_size is not None and geographic_scale(metadata.geo) is None:
        options |= _resolution(metadata)
    options |= {
        "metadata": None,
        "description": text.encode() or None,
        "extratags": _private_tags(metadata, xmp, _gdal_xml(metadata, _channel_count(image))),
        "bigtiff": image.nbytes > _CLASSIC_BYTES,
    }
    if _bits_suffice(image, metadata.bits):
        # Not every imagecodecs packs bits; with them there is no compression.
        with suppress(NotImplementedError):
            return _written(image, bitspersample=metadata.bits, **options)
    has_predictor = image.dtype.kind != "b" and image.dtype.itemsize <= 4
    return _written(image, compression="deflate", predictor=has_predictor, **options)


def _samples(image: Any, metadata: Metadata) -> dict[str, Any]:
    """Options for the samples of a pixel: their storage and their meaning."""
    profile = {"iccprofile": metadata.icc_profile or None}
    if image.ndim == 2:
        return {**profile, **_colour_table(image, metadata)}
    if not metadata.colour:
        return {
            "photometric": "rgb" if _is_colour(image) else "minisblack", "planarconfig": "contig",
            **profile,
        }  # fmt: skip
    is_rgb = metadata.colour == "rgb" and image.shape[2] >= 3
    count = image.shape[2] - (3 if is_rgb else 1)
    extra = (metadata.extra_samples + (UNSPECIFIED,) * count)[:count]
    return {
        "photometric": "rgb" if is_rgb else "minisblack", "planarconfig": "contig",
        "extrasamples": extra or None, **profile,
    }  # fmt: skip


def _colour_table(image: Any, metadata: Metadata) -> dict[str, Any]:
    """The table by which numbers are displayed, if it is one of all numbers of the dtype."""
    table = np.array(metadata.colour_table, np.uint16)
    if image.dtype.kind != "u" or table.shape != (3, 2 ** (8 * image.dtype.itemsize)):
        return {"photometric": "minisblack"}
    return {"photometric": "palette", "colormap": table}


def _bits_suffice(image: Any, bits: int | None) -> bool:
    """Test whether all values fit into fewer bits than the dtype's, if there are fewer."""
    return bits is not None and image.dtype.kind == "u" and int(image.max()) < 2**bits


def _imagej(image: Any, metadata: Metadata, text: str, xmp: bytes) -> bytes:
    """Uncompressed, as ImageJ reads everything that it can write itself."""
    planes, axes = _stored(image, metadata, colour=image.dtype == np.uint8)
    items: dict[str, Any] = {"axes": axes}
    if "C" in axes and len(planes) <= _MOST_COMPOSITE:
        items["mode"] = "composite"
    items |= _display(metadata, len(planes) if "C" in axes else 1)
    if metadata.unit and metadata.pixel_size:
        items["unit"] = _escaped(metadata.unit)
    items |= {name: _escaped(value) for name, channel, value in metadata.calibration if not channel}
    images = len(planes) if "C" in axes else 1
    if len(metadata.channel_names) == images:
        items["Labels"] = list(metadata.channel_names)
    if text:
        items["Info"] = text
    return _written(
        planes,
        imagej=True,
        metadata=items,
        iccprofile=metadata.icc_profile or None,
        **(
            _colour_table(planes, metadata)
            if axes == "YX"
            else {"photometric": "rgb" if "S" in axes else "minisblack"}
        ),
        extratags=_private_tags(metadata, xmp),
        **(_resolution(metadata) if metadata.pixel_size else {}),
    )


def _display(metadata: Metadata, channels: int) -> dict[str, Any]:
    """ImageJ's display range and tables, of as many channels as there are."""
    found = dict(metadata.display)
    if len(found.get("Ranges", ())) != 2 * channels:
        found.pop("Ranges", None)
    tables = found.pop("LUTs", ())
    if len(tables) == channels:
        found["LUTs"] = [np.frombuffer(table, np.uint8).reshape(3, -1) for table in tables]
    return found


def _ome(image: Any, metadata: Metadata, text: str, xmp: bytes) -> bytes:
    planes, axes = _stored(image, metadata, colour=image.dtype.kind == "u")
    items: dict[str, Any] = {"axes": axes, "Creator": f"pnncupy {__version__}"}
    if metadata.pixel_size is not None:
        unit = _OME_UNITS.get(metadata.unit or "pixel", metadata.unit or "pixel")
        for axis, size in zip("YX", metadata.pixel_size, strict=True):
            items |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    images = len(planes) if "C" in axes else 1
    if len(metadata.channel_names) == images:
        items["Channel"] = {"Name": [_printable(name) for name in metadata.channel_names]}
    if text:
        items["Description"] = _printable(text)
    items["UUID"] = _identifier(planes, items)
    return _written(
        planes,
        ome=True,
        compression="deflate",
        iccprofile=metadata.icc_profile or None,
        **(
            _colour_table(planes, metadata)
            if axes == "YX"
            else {"photometric": "rgb" if "S" in axes else "minisblack"}
        ),
        # Bio-Formats knows the predictor of integers only.
        predictor=image.dtype.kind in "iu",
        metadata=items,
        extratags=_private_tags(metadata, xmp),
        bigtiff=image.nbytes > _CLASSIC_BYTES,
    )


def _written(planes: Any, **options: Any) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, planes, software=f"pnncupy {__version__}", datetime=None, byteorder="<", **options
    )
    return buffer.getvalue()


def _stored(image: Any, metadata: Metadata, *, colour: bool) -> tuple[Any, str]:
    """The array as it is stored, and its axes: channels as samples of a pixel, or as images.

    `colour` says whether samples of a colour are possible.
    """
    if image.ndim == 2:
        return image, "YX"
    separate = metadata.separate_channels or len(metadata.channel_names) == image.shape[2]
    if colour and _is_colour(image) and not separate:
        return image, "YXS"
    return np.ascontiguousarray(np.moveaxis(image, 2, 0)), "CYX"


def _is_colour(image: Any) -> bool:
    return image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype.kind == "u"


def _channel_count(image: Any) -> int:
    return 1 if image.ndim == 2 else int(image.shape[2])


def _resolution(metadata: Metadata) -> dict[str, Any]:
    """Pixels a unit, columns first, as ratios of integers: quotients come back exactly."""
    sizes = [rational(size) for size in reversed(metadata.pixel_size or ())]
    ratios = [(below, above) for above, below in filter(None, sizes)]
    if len(ratios) < 2:
        return {}
    code = _UNIT_CODES.get(metadata.unit or "", 1)
    return {"resolution": tuple(ratios), "resolutionunit": code}


def _private_tags(
    metadata: Metadata, xmp: bytes, xml: str = ""
) -> list[tuple[int, int, int, Any, bool]]:
    """XMP, georeference and GDAL's tags, in the first page."""
    tags = [(code, *metadata.geo[code], True) for code in sorted(metadata.geo)]
    if xmp:
        tags.append((XMP, _BYTE, len(xmp), xmp, True))
    if xml:
        tags.append((GDAL_METADATA, _ASCII, 0, xml, True))
    if metadata.nodata is not None:
        tags.append((GDAL_NODATA, _ASCII, 0, _number(metadata.nodata), True))
    return [
        (code, kind, count, value.encode() if isinstance(value, str) else value, once)
        for code, kind, count, value, once in sorted(tags)
    ]


def _number(value: float) -> str:
    """A number as GDAL writes it: whole ones without a point."""
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)


def _gdal_xml(metadata: Metadata, channels: int) -> str:
    """Names of channels, and what values mean, as GDAL keeps them."""
    items = [
        ("description", channel, name)
        for channel, name in enumerate(metadata.channel_names)
        if name and len(metadata.channel_names) == channels
    ]
    items += [item for item in metadata.calibration if item[0] in GDAL_ROLES and item[1] < channels]
    lines = [
        f'  <Item name="{role.upper()}" sample="{channel}" role="{role}">{escape(value)}</Item>\n'
        for role, channel, value in items
    ]
    return f"<GDALMetadata>\n{''.join(lines)}</GDALMetadata>\n" if lines else ""


def _escaped(text: str) -> str:
    r"""The first line, with what is not ASCII as ImageJ writes it: \u00B5."""
    units = text.partition("\n")[0].encode("utf-16-be")
    codes = (int.from_bytes(units[start : start + 2]) for start in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04X}" for code in codes)


def _printable(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def _identifier(planes: Any, items: dict[str, Any]) -> str:
    """An identifier that the content determines, where tifffile would take the time."""
    digest = hashlib.sha256(planes.tobytes())
    digest.update(repr((planes.shape, planes.dtype.str, sorted(items.items()))).encode())
    return str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest()))
