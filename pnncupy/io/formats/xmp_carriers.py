"""XMP packets inside of PNG, JPEG and TIFF files: how to put one in, and how to find them.

Nothing is decoded but the packets, and what a file declares is checked before it is read.
"""

import mmap
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.jpeg import APP1, SCAN, jpeg_segments, with_segments
from pnncupy.io.formats.png import Chunk, png_chunks, with_chunks
from pnncupy.io.formats.tiff_reading import XMP
from pnncupy.io.formats.tiff_structure import Structure
from pnncupy.io.formats.xmp import LONGEST, ProvenanceRecord, in_xml, packet_of

# Types of a tag whose values are bytes.
_BYTE_TYPES = (1, 2, 7)

_PNG_KEYWORD = "XML:com.adobe.xmp"
# ImageMagick's way to keep a packet: in hexadecimal digits.
_RAW_KEYWORD = "Raw profile type xmp"
_KEYWORDS = (_PNG_KEYWORD.encode(), _RAW_KEYWORD.encode())
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_KEYWORD = 79

_FIRST_TAG, _LAST_TAG = b"<x:xmpmeta", b"</x:xmpmeta>"

_JPEG_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MOST_BYTES = 65_502


def put_into_png(file: bytes, record: ProvenanceRecord) -> bytes:
    """A PNG file with a record, and with its text where viewers show it."""
    texts = {
        "Description": in_xml(record.text).encode(),
        "Software": in_xml(f"pnncupy {record.version}").encode(),
        _PNG_KEYWORD: packet_of(record),
    }
    # Uncompressed text in UTF-8, of no language.
    return with_chunks(
        file,
        [(b"iTXt", name.encode() + bytes(5) + text) for name, text in texts.items() if text],
    )


def put_into_jpeg(file: bytes, record: ProvenanceRecord) -> bytes:
    """A JPEG file with a record, behind the segment that has to be first."""
    return with_segments(file, [(APP1, _JPEG_NAME + packet_of(record, _JPEG_MOST_BYTES))])


def packets(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    """The XMP packets in an open file.

    Parameters
    ----------
    stream : binary file
        Seekable.
    kind : str
        As of `kinds.kind_of`.

    Raises
    ------
    ImageReadError
        The file is damaged before a packet or in it.
    """
    readers = {"png": _in_png, "jpeg": _in_jpeg, "tiff": _in_tiff}
    return readers.get(kind, _anywhere)(stream)


def _anywhere(stream: BinaryIO) -> Iterator[bytes]:
    """The packets of a file by their marks, which XMP has for readers that do not know a format."""
    stream.seek(0)
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = 0
        while (start := data.find(_FIRST_TAG, end)) >= 0:
            end = data.find(_LAST_TAG, start, start + LONGEST)
            if end < 0:
                return
            yield data[start : end + len(_LAST_TAG)]


def _in_png(stream: BinaryIO) -> Iterator[bytes]:
    for chunk in png_chunks(_contents(stream)):
        if chunk.kind in _TEXT_CHUNKS:
            keyword = bytes(chunk.content[: _LONGEST_KEYWORD + 1]).partition(b"\0")[0]
            if keyword in _KEYWORDS:
                yield _packet_of_chunk(chunk, keyword)


def _packet_of_chunk(chunk: Chunk, keyword: bytes) -> bytes:
    """The packet in a chunk of text."""
    _check_length(len(chunk.content))
    if not chunk.is_whole:
        raise ImageReadError(
            f"damaged PNG file: the checksum of its {chunk.kind.decode()} chunk at byte "
            f"{chunk.place} is wrong"
        )
    text = bytes(chunk.content[len(keyword) + 1 :])
    if chunk.kind == b"iTXt":
        compressed, text = text[:1] == b"\1", text[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        compressed, text = chunk.kind == b"zTXt", text[1:] if chunk.kind == b"zTXt" else text
    if compressed:
        text = _inflated(text)
    return text if keyword == _PNG_KEYWORD.encode() else _from_hexadecimal(text)


def _inflated(compressed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(compressed, LONGEST + 1)
    except zlib.error as error:
        raise ImageReadError(f"its XMP is damaged: {error}") from None
    _check_length(len(text))
    if not inflater.eof:
        raise ImageReadError("its XMP is damaged: cut short")
    return text


def _from_hexadecimal(text: bytes) -> bytes:
    """The profile behind two lines, its name and its length."""
    lines = text.strip().split(b"\n", 2)
    try:
        return bytes.fromhex(lines[-1].decode("ascii"))
    except ValueError:
        raise ImageReadError("its XMP is damaged: not in hexadecimal digits") from None


def _in_jpeg(stream: BinaryIO) -> Iterator[bytes]:
    for marker, content, _ in jpeg_segments(_contents(stream)):
        if marker == SCAN:
            return
        if marker == APP1 and content.startswith(_JPEG_NAME):
            yield content.removeprefix(_JPEG_NAME)


def _contents(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read()


def _in_tiff(stream: BinaryIO) -> Iterator[bytes]:
    structure = Structure(stream)
    for directory in structure.directories.values():
        entry = directory.entries.get(XMP)
        if entry is not None and entry.kind in _BYTE_TYPES:
            _check_length(entry.length)
            yield structure.read(entry.place, entry.length, "its XMP")


def _check_length(length: int) -> None:
    if length > LONGEST:
        raise ImageReadError("its XMP is too long to be some; save it without")
