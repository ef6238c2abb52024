"""Metadata of one image in an opened TIFF file."""

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np

from pnncupy.io.formats.orientation import ORIENTATION, known_orientation
from pnncupy.io.formats.tiff_colours import ASSOCIATED, UNASSOCIATED, colour_model
from pnncupy.io.formats.tiff_metadata import (
    GEOREFERENCE,
    RESOLUTION_UNITS,
    Metadata,
    geographic_scale,
    is_length,
    sound_profile,
)
from pnncupy.io.formats.tiff_series import page_of
from pnncupy.io.formats.tiff_structure import HIDDEN_TAG
from pnncupy.io.formats.units import converted, is_physical
from pnncupy.io.formats.xmp import is_own
from pnncupy.validation import finite, number_of

XMP, GDAL_METADATA, GDAL_NODATA, _ICC_PROFILE = 700, 42112, 42113, 34675
# Roles of items in GDAL's XML that say what values mean.
GDAL_ROLES = ("scale", "offset", "unittype", "colorinterp")
# Keys of ImageJ's description that say what values mean.
_IMAGEJ_CALIBRATION = ("cf", "c0", "c1", "c2", "c3", "c4", "vunit")
_IMAGEJ_PARTS = ("Overlays", "Plot", "Properties", "ROI")
# Tags of how pixels are stored, which a writer chooses again, and those read here.
_STORAGE = {
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 270, 273, 274, 277, 278, 279, 280, 281,
    282, 283, 284, 288, 289, 290, 291, 292, 293, 296, 297, 305, 317, 320, 321, 322, 323, 324, 325,
    330, 332, 334, 338, 339, 340, 341, 347, 530, 531, 532, 32995, 32996, 32997, 32998,
}  # fmt: skip
_IMAGEJ_RANGE = ("min", "max")
_IMAGEJ_TAGS = {50838, 50839}
# Text, short integers and doubles.
_GEO_TYPES = (2, 3, 12)


def read(
    tiff: Any, series: Any, axes: str, position: tuple[int, ...], hidden: tuple[str, ...] = ()
) -> Metadata:
    """The metadata of one image of an open file.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        That the image is in.
    axes : str
        Its axes.
    position : tuple of int
        Where the image is along those axes that are neither rows, columns nor its channels.
    hidden : tuple of str
        Names of further tags, which `tiff` does not show.
    """
    kind = series.kind if series.kind in ("imagej", "ome") else "plain"
    channel = "S" if "S" in axes else "C" if "C" in axes else ""
    channels = series.shape[axes.index(channel)] if channel else 1
    page = page_of(series, position) if kind == "plain" else series.keyframe
    geo = {
        # The length of a text is that of its bytes.
        tag.code: (int(tag.dtype), 0 if isinstance(tag.value, str) else int(tag.count), tag.value)
        for tag in page.tags
        if tag.code in GEOREFERENCE and int(tag.dtype) in _GEO_TYPES
    }
    common: dict[str, Any] = {
        "kind": kind, "geo": geo, "nodata": _nodata(page), **_colours(page, kind, channels),
        "orientation": known_orientation(_value(page, ORIENTATION)),
    }  # fmt: skip
    try:
        if kind == "ome":
            found = _ome(tiff, series, axes, position, channel)
        elif kind == "imagej":
            found = _imagej(tiff, page, channels, _labels_of(series, axes, position, channel))
        else:
            found = _plain(page, geo, channels)
    except Warning:
        raise
    except Exception:  # descriptions by other programs hold whatever they hold
        found = {"lost": ["ImageDescription"]}
    other = (*found.pop("lost", ()), *_other(page, {**common, **found}), *hidden)
    return Metadata(**common, **found, other=other)


def _other(page: Any, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the tags that nothing was read from."""
    read_here = {*_STORAGE, *found["geo"], HIDDEN_TAG}
    if found["kind"] == "imagej":
        read_here |= _IMAGEJ_TAGS
    if found["kind"] == "plain":
        read_here.add(GDAL_METADATA)
    if found["nodata"] is not None:
        read_here.add(GDAL_NODATA)
    if found["icc_profile"]:
        read_here.add(_ICC_PROFILE)
    names = [
        f"tag {tag.name}" if tag.name.isdigit() else tag.name
        for tag in page.tags
        if tag.code not in read_here and not (tag.code == XMP and is_own(tag.value))
    ]
    return tuple(names)


def _value(page: Any, code: int) -> Any:
    """Value of a tag; None if it is not there."""
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _colours(page: Any, kind: str, channels: int) -> dict[str, Any]:
    """Meaning of the channels, and what displays them."""
    model = colour_model(page, kind)
    extra = tuple(UNASSOCIATED if each == ASSOCIATED else each for each in model.extra_samples)
    table = page.colormap if model.name == "index" and channels == 1 else None
    bits = page.bitspersample
    return {
        "colour": "rgb" if model.name in ("rgb", "palette") else "grey", "extra_samples": extra,
        "icc_profile": sound_profile(_value(page, _ICC_PROFILE)),
        "colour_table": () if table is None else tuple(map(tuple, np.asarray(table).tolist())),
        "bits": bits if bits < 32 and bits not in (8, 16, 24) else None,
    }  # fmt: skip


# TIFF's photometric interpretation in which 0 is white.
_MINISWHITE = 0
_NUMBER = re.compile(r"\s*([+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?)")
_INTEGER = re.compile(r"\s*([+-]?\d+)")


def _nodata(page: Any) -> float | None:
    """Value in GDAL's tag; None where it is missing, or no value of a 64-bit integer."""
    tag = page.tags.get(GDAL_NODATA)
    text = "" if tag is None else str(tag.value).partition("\0")[0]
    if not text:
        return None
    value = _integer_of_gdal(text, page.dtype) if _is_wide(page.dtype) else _number_of_gdal(text)
    if value is not None and page.photometric == _MINISWHITE:  # its pixels are turned round, too
        most = 2**page.bitspersample - 1
        value = finite("nodata", most - int(value)) if value == value // 1 else most - value
    # The one NaN that compares equal with itself inside of a tuple.
    return math.nan if value is not None and math.isnan(value) else value


def _number_of_gdal(text: str) -> float:
    """The number that a text begins with, as GDAL reads it: 0 where none is there."""
    words = text.strip().lower()
    if words in ("nan", "1.#qnan", "-1.#ind"):
        return math.nan
    if words in ("inf", "-inf", "1.#inf", "-1.#inf"):
        return -math.inf if words[0] == "-" else math.inf
    found = _NUMBER.match(text)
    return number_of(found[1].replace(",", ".")) if found else 0.0


def _is_wide(dtype: Any) -> bool:
    return dtype is not None and dtype.kind in "iu" and dtype.itemsize == 8


def _integer_of_gdal(text: str, dtype: Any) -> int | None:
    found = _INTEGER.match(text)
    value = int(found[1]) if found else 0
    return value if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max else None


def _plain(page: Any, geo: Mapping[int, Any], channels: int) -> dict[str, Any]:
    scale = geographic_scale(geo)
    size, unit = (_resolution(page), _resolution_unit(page)) if scale is None else scale
    if size == (1.0, 1.0) and unit is None:
        size = None
    names, calibration, lost = _gdal_items(page, channels)
    text = _text(page.description)
    if text and not _is_words(text):
        lost += [] if text.startswith(('{"shape":', "shape=(")) else ["ImageDescription"]
        text = ""
    return {
        "pixel_size": size, "unit": unit if size else None, "channel_names": names,
        "calibration": calibration, "text": text, "lost": lost,
    }  # fmt: skip


def _is_words(text: str) -> bool:
    """Test whether a description is text, rather than some program's data."""
    data = ("{", "<", "[", "shape=", "ImageJ=", "SCIFIO=")
    return not text.startswith(data) and all(
        letter.isprintable() or letter in "\n\r\t" for letter in text
    )


def _text(value: Any) -> str:
    return value.replace("\r\n", "\n").strip("\0 \n\t") if isinstance(value, str) else ""


def _resolution(page: Any) -> tuple[float, float] | None:
    """Height and width of a pixel by the tags of resolution."""
    sizes = []
    for code in (283, 282):
        tag = page.tags.get(code)
        value = tag.value if tag is not None else None
        if not isinstance(value, tuple) or len(value) != 2 or not all(value):
            return None
        sizes.append(value[1] / value[0])
        if not is_length(sizes[-1]):
            return None
    return sizes[0], sizes[1]


def _resolution_unit(page: Any) -> str | None:
    tag = page.tags.get(296)
    # Inches if nothing is said: TIFF 6.0, section 8.
    return RESOLUTION_UNITS.get(int(tag.value) if tag is not None else 2)


def _gdal_items(
    page: Any, channels: int
) -> tuple[tuple[str, ...], tuple[tuple[str, int, str], ...], list[str]]:
    """Names of channels and meaning of values by GDAL's XML, and its name if there is more in it.

    Statistics of the source's values are no loss.
    """
    tag = page.tags.get(GDAL_METADATA)
    if tag is None:
        return (), (), []
    try:
        items = list(ElementTree.fromstring(_text(str(tag.value))).iter("Item"))
    except ElementTree.ParseError:
        return (), (), ["GDAL_METADATA"]
    names, calibration, lost = [""] * channels, [], []
    for item in items:
        role, sample, value = item.get("role", ""), item.get("sample", "0"), item.text or ""
        band = int(sample) if sample.isdigit() else channels
        if role == "description" and band < channels:
            names[band] = value
        elif role in GDAL_ROLES and band < channels:
            calibration.append((role, band, value))
        elif not item.get("name", "").startswith("STATISTICS_"):
            lost = ["GDAL_METADATA"]
    return tuple(names) if any(names) else (), tuple(sorted(calibration)), lost


def _imagej(
    tiff: Any, page: Any, channels: int, labels_of: tuple[slice, int]
) -> dict[str, Any]:  # fmt: skip
    found = tiff.imagej_metadata
    display, lost = _display(found, channels)
    unit = _unescaped(found["unit"]) if isinstance(found.get("unit"), str) else None
    unit = unit if is_physical(unit) else _resolution_unit_of_imagej(page)
    size = _resolution(page)
    if size == (1.0, 1.0) and unit is None:
        size = None
    calibration = tuple(
        (key, 0, _unescaped(str(found[key]))) for key in _IMAGEJ_CALIBRATION if key in found
    )
    spacing = found.get("spacing")
    return {
        "slice_size": spacing if isinstance(spacing, (int, float)) and is_length(spacing) else None,
        "pixel_size": size, "unit": unit if size else None,
        "channel_names": _labels(found.get("Labels"), *labels_of), "calibration": calibration,
        "text": _text(found.get("Info")),
        "separate_channels": labels_of[0].stop - labels_of[0].start > 1,
        "display": display,
        "lost": lost + [f"ImageJ's {part}" for part in _IMAGEJ_PARTS if part in found],
    }  # fmt: skip


def _display(
    found: Mapping[str, Any], channels: int
) -> tuple[tuple[tuple[str, Any], ...], list[str]]:
    """Display range and tables of ImageJ, and the names of what is not as many as the channels."""
    items: list[tuple[str, Any]] = []
    lost = []
    if all(isinstance(found.get(name), (int, float)) for name in _IMAGEJ_RANGE):
        items += [(name, float(found[name])) for name in _IMAGEJ_RANGE]
    ranges, tables = found.get("Ranges"), found.get("LUTs")
    if ranges is not None and len(ranges) == 2 * channels:
        items.append(("Ranges", tuple(map(float, ranges))))
    elif ranges is not None:
        lost.append("ImageJ's Ranges")
    if tables is not None and len(tables) == channels:
        items.append(("LUTs", tuple(bytes(np.asarray(table, np.uint8)) for table in tables)))
    elif tables is not None:
        lost.append("ImageJ's LUTs")
    return tuple(items), lost


def _resolution_unit_of_imagej(page: Any) -> str | None:
    """Without a unit in words ImageJ means pixels, unless the tag is there and says otherwise."""
    return _resolution_unit(page) if page.tags.get(296) is not None else None


def _unescaped(text: str) -> str:
    r"""ImageJ writes what is not ASCII as \u00B5; letters beyond U+FFFF are two of these."""
    decoded = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _labels_of(
    series: Any, axes: str, position: tuple[int, ...], channel: str
) -> tuple[slice, int]:
    """Labels of an image, and how many there should be, in ImageJ's usual order."""
    sizes = [
        size for axis, size in zip(axes, series.shape, strict=True) if axis not in ("Y", "X", "S")
    ]
    own = sizes.pop() if channel == "C" and axes.endswith("CYX") else 1
    if len(sizes) != len(position):
        return slice(0, 0), -1
    number = int(np.ravel_multi_index((0, *position), (1, *sizes)))
    return slice(number * own, (number + 1) * own), math.prod(sizes) * own


def _labels(labels: Any, own: slice, count: int) -> tuple[str, ...]:
    given = [labels] if isinstance(labels, str) else labels
    if not isinstance(given, list) or len(given) != count:
        return ()
    names = tuple(_text(label) for label in given[own])
    return names if any(names) else ()


def _ome(
    tiff: Any, series: Any, axes: str, position: tuple[int, ...], channel: str
) -> dict[str, Any]:
    root = ElementTree.fromstring(tiff.ome_metadata)
    images = [element for element in root if _name(element) == "Image"]
    every = list(tiff.series)
    number = every.index(series) if len(images) == len(every) else 0
    image = images[number]
    pixels = next(element for element in image if _name(element) == "Pixels")
    names = [each.get("Name", "") for each in pixels if _name(each) == "Channel"]
    if channel == "S" and "C" in axes:
        # Colour samples of several channel images: the image is of one of them.
        before = [axis for axis in axes if axis not in "YXS"].index("C")
        names = names[position[before] : position[before] + 1]
    text = next((each.text for each in image if _name(each) == "Description"), "")
    return {
        **_physical_size(pixels), "channel_names": tuple(names) if any(names) else (),
        "text": _text(text), "separate_channels": channel == "C",
    }  # fmt: skip


def _name(element: Any) -> str:
    """Name of an element without the namespace, of which there are several."""
    return str(element.tag).rpartition("}")[2]


def _physical_size(pixels: Any) -> dict[str, Any]:
    sizes, units = [], []
    for axis in "YX":
        try:
            sizes.append(float(pixels.get(f"PhysicalSize{axis}")))
        except (TypeError, ValueError):
            return {}
        if not is_length(sizes[-1]):
            return {}
        units.append(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    if units[0] != units[1]:
        other = converted(sizes[0], units[0], units[1])
        if other is None:
            return {}
        sizes[0] = other
    return {
        "pixel_size": (sizes[0], sizes[1]), "unit": units[1] if is_physical(units[1]) else None,
        "slice_size": _slice_size(pixels, units[1]),
    }  # fmt: skip


def _slice_size(pixels: Any, unit: str) -> float | None:
    """Distance of slices in a unit; None if nothing says it."""
    try:
        size = float(pixels.get("PhysicalSizeZ"))
    except (TypeError, ValueError):
        return None
    own = pixels.get("PhysicalSizeZUnit", "µm")
    known = size if own == unit else converted(size, own, unit)
    return known if known is not None and is_length(known) else None
