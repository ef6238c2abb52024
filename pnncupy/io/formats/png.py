"""The chunks of a PNG file: its size before libpng decodes it, and what it says of its colours."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import DEFLATE_RATIO, check_limit, check_ratio

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
_MOST_CHUNKS = 1 << 19
# Profiles of printers take some megabytes.
_LONGEST_PROFILE = 1 << 26


class PngHeader(NamedTuple):
    """First chunk of a PNG file."""

    width: int
    height: int
    depth: int
    colour: int

    @property
    def channels(self) -> int:
        """Samples stored for a pixel."""
        return _CHANNELS.get(self.colour, 4)


class Chunk(NamedTuple):
    """One chunk of a PNG file, and its place in it."""

    kind: bytes
    content: memoryview
    checksum: int
    place: int

    @property
    def is_whole(self) -> bool:
        """Test whether the checksum is that of the content."""
        return zlib.crc32(self.content, zlib.crc32(self.kind)) == self.checksum


def png_header(data: bytes) -> PngHeader:
    """Size and colour type of a PNG image; libpng judges what else is in the header."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ImageReadError("damaged PNG file: it does not begin with a complete IHDR chunk")
    header = PngHeader._make(struct.unpack_from(">IIBB", data, 16))
    if not (header.width and header.height):
        raise ImageReadError(
            f"damaged PNG file: declares {header.width} x {header.height} pixels: it is empty"
        )
    return header


def check_png(data: bytes, limit: int) -> None:
    """Refuse a PNG file whose size is above the limit, or more than its data can hold."""
    header = png_header(data)
    pixels = header.height * header.width
    shown = 3 if header.colour == PALETTE else header.channels
    stored = 0
    for chunk in png_chunks(data):
        shown += chunk.kind == b"tRNS"
        stored += len(chunk.content) if chunk.kind == b"IDAT" else 0
    what = f"{header.width} x {header.height} pixels of {shown} channels"
    check_limit(what, pixels * shown * (2 if header.depth == 16 else 1), limit)
    size = pixels * header.channels * header.depth // 8
    check_ratio(what, size, stored, DEFLATE_RATIO)


def png_chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks up to the one that ends the image."""
    view, place = memoryview(data), 8
    for _ in range(_MOST_CHUNKS):
        end = place + 12 + int.from_bytes(view[place : place + 4], "big")
        if len(data) < place + 12 or end > len(data):
            raise ImageReadError(
                f"damaged PNG file: it ends at byte {len(data)}, inside of a chunk: cut short"
            )
        kind = bytes(view[place + 4 : place + 8])
        yield Chunk(
            kind, view[place + 8 : end - 4], int.from_bytes(view[end - 4 : end], "big"), place
        )
        if kind == b"IEND":
            return
        place = end
    raise ImageReadError(f"damaged PNG file: more than {_MOST_CHUNKS} chunks")


def _content(data: bytes, kind: bytes) -> bytes:
    """Content of the first whole chunk of a kind; empty without one."""
    found = (each for each in png_chunks(data) if each.kind == kind and each.is_whole)
    return next((bytes(each.content) for each in found), b"")


def png_exif(data: bytes) -> bytes:
    """Return the EXIF data of a PNG file; empty if it has none."""
    return _content(data, b"eXIf")


def png_profile(data: bytes) -> bytes:
    """Return the ICC profile of a PNG file; empty if it has none, or a damaged one."""
    # A name that ends in 0, and the number of the only method of compression, which is 0 too.
    compressed = _content(data, b"iCCP").partition(b"\0\0")[2]
    try:
        return zlib.decompressobj().decompress(compressed, _LONGEST_PROFILE)
    except zlib.error:
        return b""


def with_chunks(data: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Put chunks (kind, content) behind the header of a PNG file."""
    return data[:33] + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
        for kind, content in chunks
    ) + data[33:]  # fmt: skip


def profile_chunk(profile: bytes) -> tuple[bytes, bytes]:
    """The chunk that holds an ICC profile."""
    return b"iCCP", b"ICC profile\0\0" + zlib.compress(profile, 9)
