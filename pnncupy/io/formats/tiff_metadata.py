"""Metadata of the pixels of image files, and what of it holds for results.

`tiff_reading` finds it in files, `tiff_encoding` writes it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

from pnncupy.io.formats.orientation import swaps_axes
from pnncupy.io.formats.tiff_colours import ASSOCIATED, UNASSOCIATED
from pnncupy.io.formats.units import converted, is_physical

# Tags that say where on Earth pixels lie: GeoTIFF's, and the coefficients of a sensor model.
GEOREFERENCE = {
    33550: "ModelPixelScaleTag",
    33922: "ModelTiepointTag",
    34264: "ModelTransformationTag",
    34735: "GeoKeyDirectoryTag",
    34736: "GeoDoubleParamsTag",
    34737: "GeoAsciiParamsTag",
    50844: "RPCCoefficientTag",
}
_MODEL_TYPE_KEY, _LINEAR_UNITS_KEY = 1024, 3076
_GEOGRAPHIC = 2
_LINEAR_UNITS = {9001: "m", 9002: "ft", 9003: "ft (US survey)", 9036: "km"}
RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_LARGEST_RATIONAL = 2**32 - 1


@dataclass(frozen=True)
class Metadata:
    """Metadata of the pixels of an image file.

    Attributes
    ----------
    pixel_size : (float, float) or None
        Height and width of a pixel, in `unit`.
    unit : str or None
        As the file names it: "µm", "um", "inch", "cm", "m", "degree", ...
    channel_names : tuple of str
        One for each channel; a single one for all samples of a colour image; or empty.
    nodata : float or None
        Value of pixels that hold no data (GDAL's tag); NaN if the tag says so.
    kind : {"plain", "imagej", "ome"}
        How the file keeps all this. GeoTIFF is plain, with tags.
    text : str
        Description in words.
    calibration : tuple of (name, channel, value)
        What values mean: GDAL's scale, offset and unit of each channel; ImageJ's function.
    geo : mapping of tag number to (type, count, value)
        The georeference.
    icc_profile : bytes
        Colour profile of the International Color Consortium; empty without one.
    colour_table : tuple of three tuples of int
        Red, green and blue, of 16 bits each, by which each number is displayed; empty without one.
    display : tuple of (name, value)
        Display range and lookup tables of ImageJ.
    other : tuple of str
        Names of further tags, none of which is kept.
    separate_channels : bool
        Channels are stored as images of their own instead of samples of a pixel. Does not count
        in comparisons, as all below.
    colour : {"", "grey", "rgb"}
        What the first channel, or the first three, are; empty if nothing says it.
    extra_samples : tuple of int
        What each channel behind these is, as TIFF's ExtraSamples say: 0 not specified, 2 alpha.
        (Colours that are multiplied with alpha, 1, are divided by it when they are read.)
    bits : int or None
        Bits of a sample, where they are fewer than those of the dtype.
    orientation : int
        EXIF's number: 1 is upright.
    slice_size : float or None
        Distance of the slices of a stack, in `unit`.
    slice_axis : {"Z", "T"}
        What the images of a stack are: slices or times.

    Examples
    --------
    >>> Metadata(pixel_size=(0.2, 0.2), unit="µm", kind="ome").worth_keeping
    ('pixel size',)
    """

    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    channel_names: tuple[str, ...] = ()
    nodata: float | None = None
    kind: str = "plain"
    text: str = ""
    calibration: tuple[tuple[str, int, str], ...] = ()
    geo: Mapping[int, tuple[int, int, Any]] = field(default_factory=dict)
    icc_profile: bytes = b""
    colour_table: tuple[tuple[int, ...], ...] = ()
    display: tuple[tuple[str, Any], ...] = ()
    other: tuple[str, ...] = ()
    separate_channels: bool = field(default=False, compare=False)
    colour: str = field(default="", compare=False)
    extra_samples: tuple[int, ...] = field(default=(), compare=False)
    bits: int | None = field(default=None, compare=False)
    orientation: int = field(default=1, compare=False)
    slice_size: float | None = field(default=None, compare=False)
    slice_axis: str = field(default="Z", compare=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Metadata):
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]
        # Within lists NaN equals itself, as the nodata value has to.
        return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]

    @property
    def worth_keeping(self) -> tuple[str, ...]:
        """Items that a format without metadata would lose, in words."""
        parts = {
            "georeference": bool(self.geo),
            "pixel size": self.pixel_size is not None and is_physical(self.unit),
            "channel names": bool(self.channel_names),
            "scale of values": bool(self.calibration),
            "nodata value": self.nodata is not None,
            "table of colours": bool(self.colour_table),
            "display range": bool(self.display),
            "meaning of its channels": not self.is_colour_with_alpha,
            "number of bits": self.bits not in (None, 1),
        }
        return tuple(name for name, there in parts.items() if there)

    @property
    def is_colour_with_alpha(self) -> bool:
        """Channels that PNG takes for what they are: grey or RGB, with alpha or without."""
        return not self.colour or self.extra_samples in ((), (ASSOCIATED,), (UNASSOCIATED,))

    def of_layer(self) -> "Metadata":
        """Metadata that holds for any layer on the same pixels, such as a mask."""
        return Metadata(
            self.pixel_size, self.unit, kind=self.kind, geo=self.geo, orientation=self.orientation,
            slice_size=self.slice_size, slice_axis=self.slice_axis,
        )  # fmt: skip


def for_result(
    metadata: Metadata, *, origin_kept: bool, channels: int
) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata that holds for a result, and the names of what does not.

    Parameters
    ----------
    metadata : Metadata
        Of the source.
    origin_kept : bool
        Pixels lie where they lay in the source, so that its georeference holds.
    channels : int
        Of the result.

    Returns
    -------
    kept : Metadata
        Pixel size, unit, nodata and description always; names of channels if their number is the
        same. Reading a file that it is written to gives it back.
    dropped : tuple of str

    Examples
    --------
    >>> source = Metadata(channel_names=("DAPI", "GFP"), nodata=0.0, other=("GPSTag",))
    >>> kept, dropped = for_result(source, origin_kept=True, channels=1)
    >>> kept.nodata, kept.channel_names, dropped
    (0.0, (), ('channel names', 'GPSTag'))
    """
    dropped: list[str] = []
    kept = replace(metadata, other=())
    if not origin_kept and metadata.geo:
        dropped += [GEOREFERENCE[code] for code in sorted(metadata.geo)]
        kept = _without_georeference(kept)
    if kept.channel_names and not _names_fit(kept, channels):
        dropped.append("channel names")
        kept = replace(kept, channel_names=())
    if kept.icc_profile and _profile_channels(kept.icc_profile) != (3 if channels > 2 else 1):
        dropped.append("ICC profile")
        kept = replace(kept, icc_profile=b"")
    if kept.colour_table and channels > 1:
        dropped.append("table of colours")
        kept = replace(kept, colour_table=())
    calibration = tuple(item for item in kept.calibration if item[1] < channels)
    return _with_channels(replace(kept, calibration=calibration), channels), (
        *dropped, *metadata.other,
    )  # fmt: skip


def _with_channels(metadata: Metadata, channels: int) -> Metadata:
    """The same for an image of these channels, of these without alpha, or of other ones."""
    if not metadata.colour or metadata.separate_channels:
        return metadata
    behind = channels - (3 if metadata.colour == "rgb" else 1)
    extra = metadata.extra_samples
    bands = tuple(value for value in extra if value not in (ASSOCIATED, UNASSOCIATED))
    for known in (extra, bands):
        if len(known) == behind:
            return replace(metadata, extra_samples=known)
    return replace(metadata, colour="", extra_samples=())


# Length of the header of a profile, its colour space, and what every profile has.
_PROFILE_HEADER, _PROFILE_SPACE, _PROFILE_MARK = 128, slice(16, 20), slice(36, 40)
_PROFILE_CHANNELS = {b"GRAY": 1, b"RGB ": 3}


def _profile_channels(profile: bytes) -> int | None:
    """Channels of the colours that a profile is made for; None for other models."""
    return _PROFILE_CHANNELS.get(profile[_PROFILE_SPACE])


def sound_profile(profile: Any) -> bytes:
    """Return an ICC profile; empty for other data."""
    is_one = (
        isinstance(profile, bytes)
        and len(profile) > _PROFILE_HEADER
        and profile[_PROFILE_MARK] == b"acsp"
    )
    return profile if is_one else b""


def turned(metadata: Metadata) -> Metadata:
    """The same for the image turned upright.

    A georeference, which says where rows and columns are as they are stored, is dropped.
    """
    if metadata.orientation == 1:
        return metadata
    lost = tuple(GEOREFERENCE[code] for code in sorted(metadata.geo))
    kept = _without_georeference(metadata) if lost else metadata
    size = kept.pixel_size
    if size is not None and swaps_axes(metadata.orientation):
        size = size[::-1]
    return replace(kept, pixel_size=size, orientation=1, other=(*lost, *metadata.other))


def _names_fit(metadata: Metadata, channels: int) -> bool:
    count = len(metadata.channel_names)
    # One name of all samples of a colour image.
    return count == channels or (count == 1 and metadata.kind != "plain")


def _without_georeference(metadata: Metadata) -> Metadata:
    """The pixel size moves from the georeference to the tags of resolution, where they can say it.

    They know centimetres and inches only.
    """
    if metadata.kind != "plain" or geographic_scale(metadata.geo) is None:
        return replace(metadata, geo={})
    return replace(metadata, geo={}, **_in_centimetres(metadata))


def _in_centimetres(metadata: Metadata) -> dict[str, Any]:
    sizes = [converted(size, metadata.unit, "cm") for size in metadata.pixel_size or ()]
    ratios = [None if size is None else rational(size) for size in sizes]
    if not ratios or None in ratios:
        return {"pixel_size": None, "unit": None}
    return {"pixel_size": tuple(above / below for above, below in filter(None, ratios)),
            "unit": "cm"}  # fmt: skip


def geographic_scale(geo: Mapping[int, Any]) -> tuple[tuple[float, float], str | None] | None:
    """Height and width of a pixel, and their unit, by the georeference; None if it has none."""
    scale, matrix = _values(geo, 33550), _values(geo, 34264)
    if len(scale) >= 2:
        width, height = scale[:2]
    elif len(matrix) >= 6:
        width, height = math.hypot(matrix[0], matrix[4]), math.hypot(matrix[1], matrix[5])
    else:
        return None
    if not (is_length(width) and is_length(height)):
        return None
    keys = _geo_keys(_values(geo, 34735))
    unit = _LINEAR_UNITS.get(keys.get(_LINEAR_UNITS_KEY, 0))
    if keys.get(_MODEL_TYPE_KEY) == _GEOGRAPHIC:
        unit = "degree"
    return (float(height), float(width)), unit


def is_length(value: float) -> bool:
    """Test whether a number can be the side of a pixel."""
    return 0 < value < math.inf


def _values(geo: Mapping[int, Any], code: int) -> tuple[Any, ...]:
    """The numbers in a tag; none if it is not there."""
    value = geo[code][2] if code in geo else ()
    return value if isinstance(value, tuple) else ()


def _geo_keys(directory: Sequence[int]) -> dict[int, int]:
    """Those keys of a GeoKeyDirectory whose value is in it: a short integer each."""
    entries = [directory[start : start + 4] for start in range(4, len(directory) - 3, 4)]
    return {key: value for key, place, _, value in entries if place == 0}


def as_plain(metadata: Metadata) -> Metadata:
    """The same without ImageJ's or OME's description, in units that the tags of resolution know."""
    kept = metadata
    if metadata.kind != "plain":
        kept = replace(metadata, kind="plain", calibration=())
    if geographic_scale(kept.geo) is not None or kept.unit in (None, *RESOLUTION_UNITS.values()):
        return kept
    return replace(kept, **_in_centimetres(kept))


def rational(value: float) -> tuple[int, int] | None:
    """Numerator and denominator as TIFF holds them; None for what it cannot hold.

    The nearest ratio of 32-bit integers: a quotient of two of them comes back exactly.

    Examples
    --------
    >>> rational(1 / 300), rational(25.4)
    ((1, 300), (127, 5))
    """
    if not (math.isfinite(value) and 0 < value <= _LARGEST_RATIONAL):
        return None
    near = Fraction(value).limit_denominator(int(_LARGEST_RATIONAL / max(1.0, value)))
    return (near.numerator, near.denominator) if near.numerator else None
