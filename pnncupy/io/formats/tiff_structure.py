"""The structure of a TIFF file, checked before a decoder trusts it.

Everything that a file points to has to lie inside of it, what it declares has to fit what it holds,
and the work to find that out is bounded by its size.
"""

import os
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.tiff_description import (
    LONGEST,
    LONGEST_XML,
    check_description,
    without_file_references,
)

# Size in bytes of each type of value, and what the unsigned integers among them unpack as.
_TYPE_SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
    17: 8, 18: 8,
}  # fmt: skip
_UNSIGNED = {3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}

# Tags.
SUBFILE, OLD_SUBFILE = 254, 255
WIDTH, HEIGHT, BITS, COMPRESSION, DESCRIPTION, SAMPLES = 256, 257, 258, 259, 270, 277
ROWS_PER_STRIP, PLANAR, DEPTH, TILE_DEPTH, TILE_WIDTH, TILE_HEIGHT = (
    278,
    284,
    32997,
    32998,
    322,
    323,
)
STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES, SUB_DIRECTORIES = 273, 279, 324, 325, 330
# All that decides how the bytes of an image become pixels.
LAYOUT = (
    WIDTH, HEIGHT, BITS, COMPRESSION, 262, 266, SAMPLES, ROWS_PER_STRIP, PLANAR, 317, TILE_WIDTH,
    TILE_HEIGHT, 339, DEPTH, TILE_DEPTH,
)  # fmt: skip
_NUMBERS = {
    *LAYOUT, SUBFILE, OLD_SUBFILE, STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES,
    SUB_DIRECTORIES, 338,
}  # fmt: skip
# Tags that make tifffile read a structure of one vendor's in place of the directories, which have
# been checked: Micro-Manager's index, MetaMorph's planes behind each other, Zeiss's own header.
_HIDDEN = {
    51123: "MicroManagerMetadata", 33628: "UIC1tag", 33629: "UIC2tag", 33630: "UIC3tag",
    33631: "UIC4tag", 34412: "CZ_LSMINFO",
}  # fmt: skip
_METAMORPH_PLANES, _ZEISS = 33629, 34412
_ZEISS_MAGIC = (0x0300494C, 0x0400494C)
# The number that a reader sees in their place: no program's.
HIDDEN_TAG = 65534

# So much that no file takes longer than some seconds, or needs more for good reasons.
_MOST_DIRECTORIES = 1 << 16
_MOST_ENTRIES, _MOST_ENTRIES_OF_ALL = 4096, 1 << 21
_MOST_SEGMENTS = 1 << 19
# Directories may share values: so much more than the file's size may all values be together.
_SHARED_VALUES = 1 << 24


# Bits of NewSubfileType, and the value of the older tag for a smaller copy.
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2


class Entry(NamedTuple):
    """One tag of a directory: type and number of its values, and their place in the file."""

    kind: int
    length: int
    place: int


class Directory(NamedTuple):
    """One image file directory: its name in messages, and its first entry of each tag."""

    name: str
    entries: dict[int, Entry]


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

    Attributes
    ----------
    directories : dict
        By their places in the file.
    pages : dict
        Those that follow each other, by their places, without the ones below them.
    hidden_tags : tuple of str
        Names of the tags that a reader must not see, and `hidden_places`: of these entries.
    own_ome_xml : str or None
        The OME description without references to the file itself, where it has some.
    is_part_of_set : bool
        The OME description speaks of several files.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        self._read_header()
        self._values_size = self._entries_of_all = 0
        self.directories: dict[int, Directory] = {}
        self.pages: dict[int, Directory] = {}
        self.hidden_places: dict[int, str] = {}
        offset = self._first
        while offset:
            offset = self._read_directory(offset, f"page {len(self.pages)}")
        if not self.directories:
            raise ImageReadError("damaged TIFF file: it holds no page")
        self._check_description()

    def read(self, place: int, count: int, what: str) -> bytes:
        """Some bytes of the file, all of them."""
        if place < 0 or place + count > self.size:
            raise ImageReadError(
                f"damaged TIFF file: {what} at byte {place} is beyond the end of the file "
                f"({self.size} bytes): cut short?"
            )
        self._stream.seek(place)
        return self._stream.read(count)

    def _read_header(self) -> None:
        header = self.read(0, 8, "the header")
        self.order = "<" if header[:2] == b"II" else ">"
        self.big = header[2:4] in (b"+\0", b"\0+")
        self._entry_format = self.order + ("HHQ8s" if self.big else "HHI4s")
        self._entry_size = struct.calcsize(self._entry_format)
        self._pointer = np.dtype(self.order + ("u8" if self.big else "u4"))
        if self.big and struct.unpack(self.order + "HH", header[4:]) != (8, 0):
            raise ImageReadError("damaged TIFF file: its BigTIFF header is wrong")
        self._first = self._integer(self.read(8 if self.big else 4, self._pointer.itemsize, "it"))

    def _integer(self, data: bytes) -> int:
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
        count = self._integer(self.read(offset, count_size, name))
        if not 0 < count <= _MOST_ENTRIES:
            raise ImageReadError(f"damaged TIFF file: {name} declares {count} entries")
        self._entries_of_all += count
        if self._entries_of_all > _MOST_ENTRIES_OF_ALL:
            raise ImageReadError(
                f"TIFF file whose pages have more than {_MOST_ENTRIES_OF_ALL} tags; split it"
            )
        start = offset + count_size
        data = self.read(start, count * self._entry_size + self._pointer.itemsize, name)
        directory = Directory(name, self._entries(data, count, start, name))
        self.directories[offset] = directory
        self._check_entries(directory)
        if of_page:
            self.pages[offset] = directory
            for number, below in enumerate(self.numbers(directory, SUB_DIRECTORIES)):
                if below >= 8:  # smaller ones are placeholders
                    self._read_directory(below, f"{name}, image {number} below it", of_page=False)
        return self._integer(data[-self._pointer.itemsize :])

    def _entries(self, data: bytes, count: int, start: int, name: str) -> dict[int, Entry]:
        entries: dict[int, Entry] = {}
        inline = self._pointer.itemsize
        values = memoryview(data)[: count * self._entry_size]
        for index, (code, kind, length, value) in enumerate(
            struct.iter_unpack(self._entry_format, values)
        ):
            size = _TYPE_SIZES.get(kind, 0) * length
            place = start + (index + 1) * self._entry_size - inline
            if code in _HIDDEN:
                self.hidden_places[start + index * self._entry_size] = _HIDDEN[code]
            if size > inline:
                place = self._integer(value)
                self._values_size += size
            if place < 8 or place + size > self.size:
                raise ImageReadError(
                    f"damaged TIFF file: {name}: tag {code} has {length} values of type {kind} at "
                    f"byte {place}, beyond the end of the file ({self.size} bytes): cut short?"
                )
            if code in entries and code == DESCRIPTION and length > LONGEST:
                raise ImageReadError(f"its second description takes {length} bytes: too many")
            entries.setdefault(code, Entry(kind, length, place))
        if self._values_size > self.size + _SHARED_VALUES:
            raise ImageReadError("damaged TIFF file: its pages' tags take more than the file")
        return entries

    def _check_entries(self, directory: Directory) -> None:
        for code, entry in directory.entries.items():
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
        """The values of a tag of unsigned integers; `default` if it is not there."""
        entry = directory.entries.get(code)
        if entry is None:
            return default
        kind = np.dtype(self.order + _UNSIGNED[entry.kind])
        data = self.read(entry.place, entry.length * kind.itemsize, directory.name)
        return np.frombuffer(data, kind).astype(np.uint64).tolist()

    def number(self, directory: Directory, code: int, default: int | None = None) -> int:
        """The value of a tag that has one, at least 1."""
        values = self.numbers(directory, code, () if default is None else (default,))
        if len(values) != 1 or not 0 < values[0] < 1 << 32:
            raise ImageReadError(
                f"damaged TIFF file: {directory.name}: tag {code} should be one number above 0, is "
                f"{list(values[:3])}"
            )
        return int(values[0])

    @property
    def hidden_tags(self) -> tuple[str, ...]:
        """Names of the tags that a reader must not see."""
        return tuple(dict.fromkeys(self.hidden_places.values()))

    def is_image(self, directory: Directory) -> bool:
        """Test whether a page is an image, neither a mask nor a smaller copy of one."""
        kinds = self.numbers(directory, SUBFILE, (0,))[0]
        return not kinds & (_REDUCED | _MASK) and self.numbers(directory, OLD_SUBFILE, (1,)) != [
            _OLD_REDUCED
        ]

    def mask_of(self, place: int) -> int | None:
        """Place of the page that is the mask of another one, which it follows; None if none is."""
        places = list(self.pages)
        image = self.pages.get(place)
        if image is None:
            return None
        for behind in places[places.index(place) + 1 :]:
            page = self.pages[behind]
            if self.is_image(page):
                return None
            sides = [self.number(each, code) for each in (image, page) for code in (HEIGHT, WIDTH)]
            kinds = self.numbers(page, SUBFILE, (0,))[0]
            if kinds & _MASK and not kinds & _REDUCED and sides[:2] == sides[2:]:
                return behind
        return None

    def _check_vendor(self, description: str) -> None:
        """Refuse formats of single vendors whose images cannot be found without their own tags."""
        if description.rstrip("\0 \n").endswith("OME>") or description.startswith("ImageJ="):
            return
        entries = self.directories[self._first].entries
        planes, zeiss = entries.get(_METAMORPH_PLANES), entries.get(_ZEISS)
        vendor = ""
        if planes is not None and planes.length > 1 and len(self.pages) == 1:
            vendor = f"a MetaMorph stack of {planes.length} planes"
        if zeiss is not None and zeiss.length >= 4:
            magic = self._integer(self.read(zeiss.place, 4, "its header by Zeiss"))
            vendor = "a Zeiss LSM file" if magic in _ZEISS_MAGIC else vendor
        if vendor:
            raise ImageReadError(f"{vendor}, which only looks like TIFF; export it as OME-TIFF")

    def _check_description(self) -> None:
        self.own_ome_xml: str | None = None
        self.is_part_of_set = False
        entry = self.directories[self._first].entries.get(DESCRIPTION)
        text = b""
        if entry is not None:
            size = min(entry.length * _TYPE_SIZES.get(entry.kind, 0), LONGEST_XML + 1)
            text = self.read(entry.place, size, "its description")
            check_description(text, len(self.pages))
            self.own_ome_xml, self.is_part_of_set = without_file_references(text)
        self._check_vendor(text.decode("ascii", "replace"))
