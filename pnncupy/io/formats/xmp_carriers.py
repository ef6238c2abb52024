"""XMP packets inside of PNG, JPEG and TIFF files: how to put one in, and how to find them.

Nothing is decoded but the packets, and what a file declares is checked before it is read.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.jpeg import with_segments
from pnncupy.io.formats.png import with_chunks
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
_MOST_CHUNKS = 1 << 19

_JPEG_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MOST_BYTES = 65_502
_APP1, _END, _SCAN = 0xE1, 0xD9, 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9), 0xFF}
_MOST_SEGMENTS = 1 << 16


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
    return with_segments(file, [(_APP1, _JPEG_NAME + packet_of(record, _JPEG_MOST_BYTES))])


def packets(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    """The XMP packets in an open file.

    Parameters
    ----------
    stream : binary file
        Seekable.
    kind : {"png", "jpeg", "tiff"}

    Raises
    ------
    ImageReadError
        The file is damaged before a packet or in it.
    """
    return {"png": _in_png, "jpeg": _in_jpeg, "tiff": _in_tiff}[kind](stream)


def _in_png(stream: BinaryIO) -> Iterator[bytes]:
    place = 8
    for _ in range(_MOST_CHUNKS):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            raise ImageReadError("damaged PNG file: it has no end: cut short")
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        if kind in _TEXT_CHUNKS:
            keyword = stream.read(min(length, _LONGEST_KEYWORD + 1)).partition(b"\0")[0]
            if keyword in _KEYWORDS:
                yield _packet_of_chunk(stream, place, length, kind, keyword)
        place += 12 + length
    raise ImageReadError(f"damaged PNG file: more than {_MOST_CHUNKS} chunks")


def _packet_of_chunk(
    stream: BinaryIO, place: int, length: int, kind: bytes, keyword: bytes
) -> bytes:
    """The packet in the chunk at a place."""
    _check_length(length)
    stream.seek(place + 4)
    content, checksum = stream.read(4 + length), stream.read(4)
    if zlib.crc32(content) != int.from_bytes(checksum, "big") or len(checksum) < 4:
        raise ImageReadError(
            f"damaged PNG file: the checksum of its {kind.decode()} chunk at byte {place} is wrong"
        )
    text = content[4 + len(keyword) + 1 :]
    if kind == b"iTXt":
        compressed, text = text[:1] == b"\1", text[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        compressed, text = kind == b"zTXt", text[1:] if kind == b"zTXt" else text
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
    stream.seek(2)
    for _ in range(_MOST_SEGMENTS):
        marker = _marker(stream)
        if marker in (_SCAN, _END):
            return
        if marker in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(stream.read(2), "big")
        content = stream.read(max(0, length - 2))
        if length < 2 or len(content) < length - 2:
            raise ImageReadError("damaged JPEG file: a segment is cut short or broken")
        if marker == _APP1 and content.startswith(_JPEG_NAME):
            yield content.removeprefix(_JPEG_NAME)
    raise ImageReadError(f"damaged JPEG file: more than {_MOST_SEGMENTS} segments")


def _marker(stream: BinaryIO) -> int:
    """The next marker; 0xFF is a filler in front of one."""
    pair = stream.read(2)
    if len(pair) < 2 or pair[0] != 0xFF:
        raise ImageReadError(f"damaged JPEG file: no marker at byte {stream.tell() - len(pair)}")
    if pair[1] == 0xFF:
        stream.seek(-1, 1)
    return pair[1]


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
