"""The structure of a TIFF file, checked before a decoder trusts it.

Everything that a file points to has to lie inside of it, what it declares has to fit what it holds,
and the work to find that out is bounded by its size.
"""

import math
import os
import struct
from typing import Any, BinaryIO, NamedTuple
from xml.etree import ElementTree

import numpy as np

from pnncupy.checks import ImageReadError
from pnncupy.image_limits import DEFLATE_RATIO, check_limit, check_ratio
from pnncupy.jpeg_structure import JPEG_RATIO, jpeg_header

# Size in bytes of each type of value, and what the unsigned integers among them unpack as.
_TYPE_SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
    17: 8, 18: 8,
}  # fmt: skip
_UNSIGNED = {3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION = 256, 257, 258, 259, 270
_SAMPLES, _ROWS_PER_STRIP, _PLANAR, _JPEG_TABLES, _SUB_DIRECTORIES = 277, 278, 284, 347, 330
_TILE_WIDTH, _TILE_HEIGHT, _DEPTH, _TILE_DEPTH = 322, 323, 32997, 32998
_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES = 273, 279, 324, 325
# All that decides how the bytes of a picture become pixels; pages of one series have it in common.
_LAYOUT = (
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, 262, 266, _SAMPLES, _ROWS_PER_STRIP, _PLANAR, 317,
    _TILE_WIDTH, _TILE_HEIGHT, 339, _DEPTH, _TILE_DEPTH,
)  # fmt: skip
_NUMBERS = {
    *_LAYOUT, 254, _STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES, _SUB_DIRECTORIES, 338,
}  # fmt: skip
_FOREIGN = {34412: "a Zeiss LSM file", 33628: "a MetaMorph stack", 33629: "a MetaMorph stack"}

# The compressions that are read, and how many bytes one byte of them can stand for at most. LZW: a
# table of 4096 strings, of 12 bits each. Zstandard: 128 KiB repeated by 3 bytes. LZMA: matches of
# 273 bytes with the cheapest codes of its range coder. LERC: a constant block has no bound, so a
# generous one. Fax (2, 3, 4): one bit is at least a row, whatever its width.
_JPEG, _LERC, _FAX = 7, 34887, (2, 3, 4)
_RATIOS = {
    1: 1, 5: 3000, _JPEG: 4 * JPEG_RATIO, 8: DEFLATE_RATIO, 32773: 64, 32946: DEFLATE_RATIO,
    _LERC: 65536, 34925: 8192, 50000: 44000, **dict.fromkeys(_FAX, 8),
}  # fmt: skip
_OTHER_COMPRESSIONS = {
    6: "old-style JPEG", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34892: "JPEG",
    34933: "PNG", 22610: "JPEG XR", 34934: "JPEG XR", 34927: "WebP", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip

# So much that no file takes longer than some seconds, or needs more for good reasons.
_MOST_DIRECTORIES = 1 << 16
_MOST_ENTRIES, _MOST_ENTRIES_OF_ALL = 4096, 1 << 21
_MOST_SEGMENTS = 1 << 19
# Strips may share bytes, as those of one colour do in some files: so often each byte of it.
_SHARED_SEGMENTS = 16
# Directories may share values: so much more than the file's size may all values be together.
_SHARED_VALUES = 1 << 24
_LONGEST_DESCRIPTION, _LONGEST_XML, _MOST_XML_TAGS = 1 << 20, 1 << 26, 1 << 20
_MOST_PLANES = 1 << 20


class Entry(NamedTuple):
    """One tag of a directory: type and number of its values, and their place in the file."""

    kind: int
    length: int
    place: int


class Directory(NamedTuple):
    """One image file directory: its name in messages, and its first entry of each tag."""

    name: str
    entries: dict[int, Entry]


class Segments(NamedTuple):
    """How the pixels of a directory are cut into strips or tiles."""

    kind: str
    planes: int
    depth: int
    height: int
    width: int
    across: int
    places: Any
    sizes: Any

    @property
    def expected(self) -> int:
        """How many there have to be."""
        return self.planes * self.across


class Structure:
    """All directories of a TIFF file.

    Parameters
    ----------
    stream : binary file
        Open and seekable. Its directories are read at once, all pixel data stay unread.

    Raises
    ------
    ImageReadError
        The file is damaged, or a format of its own that happens to look like TIFF.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        self._read_header()
        self._values_size = self._entries_of_all = self._pages = 0
        self.directories: dict[int, Directory] = {}
        offset = self._first
        while offset:
            offset = self._read_directory(offset, f"page {self._pages}")
        if not self.directories:
            raise ImageReadError("damaged TIFF file: it holds no page")
        self._check_description()

    def _read(self, place: int, count: int, what: str) -> bytes:
        if place < 0 or place + count > self.size:
            raise ImageReadError(
                f"damaged TIFF file: {what} at byte {place} lies beyond the end of the file "
                f"({self.size} bytes): cut short?"
            )
        self._stream.seek(place)
        return self._stream.read(count)

    def _read_header(self) -> None:
        header = self._read(0, 8, "the header")
        self.order = "<" if header[:2] == b"II" else ">"
        self.big = header[2:4] in (b"+\0", b"\0+")
        self._entry_format = self.order + ("HHQ8s" if self.big else "HHI4s")
        self._entry_size = struct.calcsize(self._entry_format)
        self._pointer = np.dtype(self.order + ("u8" if self.big else "u4"))
        if self.big and struct.unpack(self.order + "HH", header[4:]) != (8, 0):
            raise ImageReadError("damaged TIFF file: its BigTIFF header is wrong")
        self._first = self._number(self._read(8 if self.big else 4, self._pointer.itemsize, "it"))

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def _read_directory(self, offset: int, name: str, *, of_page: bool = True) -> int:
        """Add the directory at a place, and those below it; returns the place of the next one."""
        if offset in self.directories:
            raise ImageReadError(
                f"damaged TIFF file: {name} is the directory at byte {offset} again: a loop"
            )
        if len(self.directories) == _MOST_DIRECTORIES:
            raise ImageReadError(f"TIFF file of more than {_MOST_DIRECTORIES} pages; split it")
        count_size = 8 if self.big else 2
        count = self._number(self._read(offset, count_size, name))
        self._entries_of_all += count
        if not 0 < count <= _MOST_ENTRIES or self._entries_of_all > _MOST_ENTRIES_OF_ALL:
            raise ImageReadError(f"damaged TIFF file: {name} declares {count} entries")
        start = offset + count_size
        data = self._read(start, count * self._entry_size + self._pointer.itemsize, name)
        directory = Directory(name, self._entries(data, count, start, name))
        self.directories[offset] = directory
        self._check_entries(directory)
        if of_page:
            self._pages += 1
            for number, below in enumerate(self.numbers(directory, _SUB_DIRECTORIES)):
                if below >= 8:  # smaller ones are placeholders
                    self._read_directory(below, f"{name}, picture {number} below it", of_page=False)
        return self._number(data[-self._pointer.itemsize :])

    def _entries(self, data: bytes, count: int, start: int, name: str) -> dict[int, Entry]:
        entries: dict[int, Entry] = {}
        inline = self._pointer.itemsize
        values = memoryview(data)[: count * self._entry_size]
        for index, (code, kind, length, value) in enumerate(
            struct.iter_unpack(self._entry_format, values)
        ):
            size = _TYPE_SIZES.get(kind, 0) * length
            place = start + (index + 1) * self._entry_size - inline
            if size > inline:
                place = self._number(value)
                self._values_size += size
            if place < 8 or place + size > self.size:
                raise ImageReadError(
                    f"damaged TIFF file: {name}: tag {code} has {length} values of type {kind} at "
                    f"byte {place}, beyond the end of the file ({self.size} bytes): cut short?"
                )
            if code in entries and code == _DESCRIPTION and length > _LONGEST_DESCRIPTION:
                raise ImageReadError(f"its second description takes {length} bytes: too many")
            entries.setdefault(code, Entry(kind, length, place))
        if self._values_size > self.size + _SHARED_VALUES:
            raise ImageReadError("damaged TIFF file: its pages' tags take more than the file")
        return entries

    def _check_entries(self, directory: Directory) -> None:
        for code, entry in directory.entries.items():
            if code in _FOREIGN:
                raise ImageReadError(
                    f"{_FOREIGN[code]}, which only looks like TIFF; export it as OME-TIFF first"
                )
            if code in _NUMBERS and (entry.kind not in _UNSIGNED or not entry.length):
                raise ImageReadError(
                    f"damaged TIFF file: {directory.name}: tag {code} has {entry.length} values of "
                    f"type {entry.kind}"
                )
            if code in _NUMBERS and entry.length > _MOST_SEGMENTS:
                raise ImageReadError(
                    f"damaged TIFF file: {directory.name}: tag {code} has {entry.length} values"
                )

    def numbers(self, directory: Directory, code: int, default: tuple[int, ...] = ()) -> Any:
        """The values of a tag of unsigned integers, as an array of Python's or of 64-bit ones."""
        entry = directory.entries.get(code)
        if entry is None:
            return default
        kind = np.dtype(self.order + _UNSIGNED[entry.kind])
        data = self._read(entry.place, entry.length * kind.itemsize, directory.name)
        return np.frombuffer(data, kind).astype(np.uint64).tolist()

    def _number_of(self, directory: Directory, code: int, default: int | None = None) -> int:
        """The value of a tag that has one, at least 1."""
        values = self.numbers(directory, code, () if default is None else (default,))
        if len(values) != 1 or not 0 < values[0] < 1 << 32:
            raise ImageReadError(
                f"damaged TIFF file: {directory.name}: tag {code} should be one number above 0, is "
                f"{list(values[:3])}"
            )
        return int(values[0])

    def check_pixels(self, offset: int, keyframe: int, limit: int) -> None:
        """Refuse a page whose pixels cannot be read, or take more memory than the limit.

        Parameters
        ----------
        offset, keyframe : int
            Places of the page's directory, and of the one whose layout it is decoded with.
        limit : int
            The most bytes that its array may take.
        """
        directory = self.directories.get(offset)
        if directory is None or keyframe not in self.directories:
            raise ImageReadError("damaged TIFF file: a page without a directory")
        first = self.directories[keyframe]
        if self._layout(directory) != self._layout(first):
            raise ImageReadError(
                f"damaged TIFF file: {directory.name} is not stored as {first.name} is, and its "
                "description puts both into one series"
            )
        bits = self._bits_of_pixel(directory)
        segments = self._segments(directory, limit, bits)
        self._check_places(directory, segments)
        self._check_ratio(directory, segments, bits)
        compression = self._number_of(directory, _COMPRESSION, 1)
        if compression in (_JPEG, _LERC):
            self._check_encoded(directory, segments, compression)

    def _layout(self, directory: Directory) -> list[Any]:
        return [self.numbers(directory, code) for code in _LAYOUT]

    def _bits_of_pixel(self, directory: Directory) -> int:
        """Bits that a pixel takes in one segment."""
        samples = self._number_of(directory, _SAMPLES, 1)
        bits = self.numbers(directory, _BITS, (1,))
        if samples > 65535 or len(bits) not in (1, samples) or not all(0 < n <= 128 for n in bits):
            # Some writers name the bits of more samples than there are.
            bits = bits[:samples]
            if len(bits) != samples or not all(0 < number <= 128 for number in bits):
                raise ImageReadError(
                    f"damaged TIFF file: {directory.name} declares {samples} channels of "
                    f"{list(bits[:4])} bits"
                )
        if self._number_of(directory, _PLANAR, 1) == 2:
            return int(bits[0])
        return int(sum(bits)) if len(bits) == samples else int(bits[0]) * samples

    def _segments(self, directory: Directory, limit: int, bits: int) -> Segments:
        height, width = (self._number_of(directory, code) for code in (_HEIGHT, _WIDTH))
        depth = self._number_of(directory, _DEPTH, 1)
        samples = self._number_of(directory, _SAMPLES, 1)
        planar = self._number_of(directory, _PLANAR, 1) == 2
        planes = samples if planar else 1
        itemsize = max(1, bits // (1 if planar else samples) // 8)
        what = f"{width} x {height} pixels of {samples} channels"
        if depth > 1:
            what += f", {depth} of them on top of each other"
        check_limit(what, width * height * depth * samples * itemsize, limit)
        if _TILE_WIDTH in directory.entries:
            rows, columns = (self._number_of(directory, c) for c in (_TILE_HEIGHT, _TILE_WIDTH))
            layers = self._number_of(directory, _TILE_DEPTH, 1)
            size = rows * columns * layers * (samples // planes) * itemsize
            check_limit(f"tiles of {columns} x {rows} pixels", size, limit)
            across = -(-height // rows) * -(-width // columns) * -(-depth // layers)
            kind, place_code, size_code = "tile", _TILE_OFFSETS, _TILE_SIZES
        else:
            rows = min(height, self._number_of(directory, _ROWS_PER_STRIP, height))
            columns, layers = width, 1
            across = -(-height // rows) * depth
            kind, place_code, size_code = "strip", _STRIP_OFFSETS, _STRIP_SIZES
        # Some writers put tiles into the tags of strips.
        if place_code not in directory.entries:
            place_code, size_code = _STRIP_OFFSETS, _STRIP_SIZES
        places, sizes = (
            np.array(self.numbers(directory, code), np.uint64) for code in (place_code, size_code)
        )
        return Segments(kind, planes, layers, rows, columns, across, places, sizes)

    def _check_places(self, directory: Directory, segments: Segments) -> None:
        kind, places, sizes = segments.kind, segments.places, segments.sizes
        if not len(places) == len(sizes) == segments.expected:
            raise ImageReadError(
                f"damaged TIFF file: {directory.name} needs {segments.expected} {kind}s and has "
                f"{len(places)} places and {len(sizes)} sizes of them"
            )
        missing = np.flatnonzero((places == 0) | (sizes == 0))
        if missing.size:
            raise ImageReadError(
                f"{directory.name} lacks {missing.size} of its {len(places)} {kind}s, the first is "
                f"number {missing[0]}; save it with all of its pixels"
            )
        beyond = np.flatnonzero((sizes > self.size) | (places > self.size - np.minimum(
            sizes, np.uint64(self.size)
        )))  # fmt: skip
        if beyond.size:
            first = beyond[0]
            raise ImageReadError(
                f"damaged TIFF file: {directory.name}: {kind} {first} takes {sizes[first]} bytes "
                f"at byte {places[first]}, beyond the end of the file ({self.size} bytes): cut "
                "short?"
            )
        if int(sizes.astype(float).sum()) > _SHARED_SEGMENTS * self.size:
            raise ImageReadError(
                f"damaged TIFF file: {directory.name}: its {kind}s share bytes that they cannot"
            )

    def _check_ratio(self, directory: Directory, segments: Segments, bits: int) -> None:
        compression = self._number_of(directory, _COMPRESSION, 1)
        if compression not in _RATIOS:
            name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
            raise ImageReadError(
                f"its pixels are compressed by a method that is not read, {name}; save it with "
                "Deflate, LZW or without compression"
            )
        height, width = (self._number_of(directory, code) for code in (_HEIGHT, _WIDTH))
        row = -(-segments.width * bits // 8)
        if segments.kind == "tile":
            size = segments.expected * segments.depth * segments.height * row
        else:
            size = segments.planes * self._number_of(directory, _DEPTH, 1) * height * row
        # Strips that lie on top of each other hold no more than the file does.
        stored = min(int(segments.sizes.sum()), self.size)
        ratio = _RATIOS[compression] * (row if compression in _FAX else 1)
        check_ratio(f"{width} x {height} pixels in {directory.name}", size, stored, ratio)

    def _check_encoded(self, directory: Directory, segments: Segments, compression: int) -> None:
        """Look into segments that declare a size of their own."""
        samples = self._number_of(directory, _SAMPLES, 1) // segments.planes
        for place, size in zip(segments.places.tolist(), segments.sizes.tolist(), strict=True):
            data = self._read(place, size, directory.name)
            if compression == _JPEG:
                header = jpeg_header(data)
                height, width, depth = header.height, header.width, header.components
            else:
                height, width, depth = _lerc_size(data)
            # Decoders pad to blocks of up to 64 pixels.
            if height > segments.height + 63 or width > segments.width + 63 or depth > samples:
                raise ImageReadError(
                    f"damaged TIFF file: {directory.name}: a {segments.kind} of {segments.width} x "
                    f"{segments.height} pixels of {samples} channels holds one of {width} x "
                    f"{height} of {depth}"
                )

    def _check_description(self) -> None:
        """Refuse XML in the first page that expands, or that describes more than there is."""
        entry = self.directories[self._first].entries.get(_DESCRIPTION)
        if entry is None:
            return
        size = min(entry.length * _TYPE_SIZES.get(entry.kind, 0), _LONGEST_XML + 1)
        text = self._read(entry.place, size, "its description").rstrip(b"\0")
        try:
            description = text.decode().strip()
        except UnicodeDecodeError:
            description = text.decode("cp1252", "replace").strip()
        if "<!DOCTYPE" in description or "<!ENTITY" in description:
            raise ImageReadError(
                "its description is XML that defines entities, which may expand without bounds; "
                "save it without"
            )
        program = description.startswith(("ImageJ=", "SCIFIO=", "shape=", "{"))
        if (
            size > (_LONGEST_DESCRIPTION if program else _LONGEST_XML)
            or description.count("<") > _MOST_XML_TAGS
        ):
            raise ImageReadError(f"its description takes {entry.length} bytes: too many to read")
        if description.endswith("OME>"):
            _check_ome(description, self._pages)


def _lerc_size(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and channels of the only picture in LERC data."""
    try:
        if data[:6] != b"Lerc2 ":
            raise ImageReadError("damaged or unsupported TIFF file: no LERC 2 data")
        version = struct.unpack_from("<i", data, 6)[0]
        rest = struct.iter_unpack("<i", data[14 if version >= 3 else 10 :][: 4 * 7])
        height, width = next(rest)[0], next(rest)[0]
        depth = next(rest)[0] if version >= 4 else 1
        next(rest), next(rest)
        size = next(rest)[0]
    except (struct.error, StopIteration):
        raise ImageReadError("damaged TIFF file: LERC data that are cut short") from None
    if min(height, width, depth) < 1 or size != len(data):
        raise ImageReadError("damaged TIFF file: LERC data that declare a wrong size")
    return height, width, depth


def _check_ome(description: str, pages: int) -> None:
    """Refuse OME-XML that makes a reader build lists or ranges far longer than the file's pages."""
    try:
        root = ElementTree.fromstring(description)
    except (ElementTree.ParseError, ValueError):
        return  # no reader understands it: pages are pages then
    planes = 0.0
    for element in root.iter():
        numbers = {name: _number_in(value) for name, value in element.attrib.items()}
        if element.tag.endswith("Pixels"):
            planes += math.prod(numbers.get(f"Size{axis}", 1.0) for axis in "ZCT")
        elif element.tag.endswith("TiffData"):
            told = numbers.get("PlaneCount", numbers.get("NumPlanes"))
            planes += (1 if "IFD" in numbers else pages) if told is None else told
        elif "Start" in numbers and "End" in numbers:
            step = numbers.get("Step", 1.0)
            planes += (numbers["Start"] + numbers["End"]) / step if step else math.inf
        if not planes <= _MOST_PLANES:
            raise ImageReadError(
                f"damaged TIFF file: its OME description tells of more than {_MOST_PLANES} planes, "
                f"and it holds {pages} pages"
            )


def _number_in(text: str) -> float:
    """The size of a number in an attribute, 0 where there is none."""
    try:
        return abs(float(text))
    except ValueError:
        return 0.0
