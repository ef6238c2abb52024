"""The structure of a PNG file, checked before a decoder trusts it.

libpng writes warnings to the terminal where it copes with damage, and for interlaced images. So
it gets files that it has nothing to say about: the chunks that make pixels, pixel data that have
been found to be whole, and each pass of an interlaced image as an image of its own.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import DEFLATE_RATIO, check_limit, check_ratio

_MOST_CHUNKS = 1 << 19
_LARGEST_CHUNK = (1 << 31) - 1
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE = 3
# First row and column of the passes of an interlaced image, and the steps to the next ones.
_PASSES = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
)  # fmt: skip
_AT_ONCE = 1 << 16


class Header(NamedTuple):
    """First chunk of a PNG file."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int

    @property
    def row_size(self) -> int:
        """Bytes of a row of pixels, with the one that names its filter."""
        return 1 + -(-self.width * _CHANNELS[self.colour] * self.depth // 8)


class Part(NamedTuple):
    """Some of an image's pixels, as a PNG file; it goes to `rows` and `columns` of the image."""

    rows: slice
    columns: slice
    file: bytes


def png_parts(data: bytes, limit: int) -> tuple[tuple[int, int], Iterator[Part]]:
    """Height and width of an image, and sound PNG files for all of its pixels.

    Raises
    ------
    ImageReadError
        The file is damaged, or its size is above the limit or more than its data can hold.
    """
    header = _header(data)
    chunks = _chunks(data)
    size = _check_size(header, chunks, limit)
    extra = _colour_chunks(header, chunks)
    return (header.height, header.width), _parts(header, extra, chunks[b"IDAT"], size)


def _header(data: bytes) -> Header:
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        raise ImageReadError("damaged PNG file: it does not begin with a complete IHDR chunk")
    header = Header._make(struct.unpack_from(">IIBBBBB", data, 16))
    if not (header.width and header.height):
        raise ImageReadError(
            f"damaged PNG file: declares {header.width} x {header.height} pixels: it is empty"
        )
    if (
        max(header.width, header.height) > _LARGEST_CHUNK
        or header.depth not in _DEPTHS.get(header.colour, ())
        or (header.compression, header.filtering) != (0, 0)
        or header.interlace > 1
    ):
        values = ", ".join(f"{name} {value}" for name, value in header._asdict().items())
        raise ImageReadError(f"damaged PNG file: its header is wrong: {values}")
    return header


def _chunks(data: bytes) -> dict[bytes, list[memoryview]]:
    """Contents of the chunks that make pixels, up to the one that ends the image."""
    view = memoryview(data)
    chunks: dict[bytes, list[memoryview]] = {b"PLTE": [], b"tRNS": [], b"IDAT": []}
    place = 33
    for _ in range(_MOST_CHUNKS):
        end = place + 12 + int.from_bytes(view[place : place + 4], "big")
        kind = bytes(view[place + 4 : place + 8])
        if len(data) < place + 12 or end > len(data):
            raise ImageReadError(
                f"damaged PNG file: it ends at byte {len(data)}, inside of a chunk: cut short"
            )
        # Chunks with a lower-case letter first are no part of the image, but for tRNS.
        needed = kind in chunks or kind == b"IEND"
        if kind[:1].isupper() and not needed:
            raise ImageReadError(f"damaged or unsupported PNG file: a chunk {kind!r} in it")
        if needed and zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ImageReadError(
                f"damaged PNG file: the checksum of its {kind.decode()} chunk at byte {place} is "
                "wrong"
            )
        if kind == b"IEND":
            return chunks
        if needed:
            chunks[kind].append(view[place + 8 : end - 4])
        place = end
    raise ImageReadError(f"damaged PNG file: more than {_MOST_CHUNKS} chunks")


def _check_size(header: Header, chunks: dict[bytes, list[memoryview]], limit: int) -> int:
    """Refuse an image that is too large; returns the size of its pixel data, uncompressed."""
    shown = 3 if header.colour == _PALETTE else _CHANNELS[header.colour]
    shown += bool(chunks[b"tRNS"])
    what = f"{header.width} x {header.height} pixels of {shown} channels"
    pixels = header.height * header.width
    check_limit(what, pixels * shown * (2 if header.depth == 16 else 1), limit)
    size = sum(part.height * part.row_size for _, part in _pass_headers(header))
    check_ratio(what, size, sum(map(len, chunks[b"IDAT"])), DEFLATE_RATIO)
    return size


def _pass_headers(header: Header) -> list[tuple[tuple[slice, slice], Header]]:
    """Places of the pixels of each pass, and its own header."""
    passes = _PASSES if header.interlace else ((0, 0, 1, 1),)
    found = []
    for top, left, down, right in passes:
        height, width = -(-(header.height - top) // down), -(-(header.width - left) // right)
        if height > 0 and width > 0:
            part = header._replace(height=height, width=width, interlace=0)
            found.append(((slice(top, None, down), slice(left, None, right)), part))
    return found


def _colour_chunks(header: Header, chunks: dict[bytes, list[memoryview]]) -> bytes:
    """The chunks of the palette and the transparent colour, where they mean something."""
    palettes, transparent = chunks[b"PLTE"], chunks[b"tRNS"]
    kept = b""
    colours = len(palettes[0]) / 3 if palettes else 0
    if header.colour == _PALETTE:
        if len(palettes) != 1 or colours not in range(1, 2**header.depth + 1):
            raise ImageReadError("damaged PNG file: its palette is missing or wrong")
        kept += _chunk(b"PLTE", palettes[0])
    if not transparent or header.colour in (4, 6):
        return kept
    alpha = bytes(transparent[0])
    if header.colour == _PALETTE:
        sound = 0 < len(alpha) <= colours
    else:
        samples = struct.unpack(f">{len(alpha) // 2}H", alpha[: len(alpha) // 2 * 2])
        sound = len(alpha) == 2 * _CHANNELS[header.colour] and max(samples) < 2**header.depth
    if not sound or len(transparent) > 1:
        raise ImageReadError("damaged PNG file: its transparent colour is wrong")
    return kept + _chunk(b"tRNS", alpha)


def _parts(header: Header, extra: bytes, stored: list[memoryview], size: int) -> Iterator[Part]:
    pieces = _inflated(stored, size)
    if not header.interlace:
        for _ in pieces:  # to the end, where the checksum is
            pass
        yield Part(slice(None), slice(None), _file(header, extra, b"".join(stored)))
        return
    pixels = memoryview(b"".join(pieces))
    for (rows, columns), part in _pass_headers(header):
        length = part.height * part.row_size
        own, pixels = pixels[:length], pixels[length:]
        yield Part(rows, columns, _file(part, extra, zlib.compress(own, 1)))


def _inflated(stored: list[memoryview], size: int) -> Iterator[bytes]:
    """The pixel data piece by piece; raises unless they are `size` bytes and whole."""
    inflater = zlib.decompressobj()
    slices = (piece[i : i + _AT_ONCE] for piece in stored for i in range(0, len(piece), _AT_ONCE))
    try:
        for piece in slices:
            left: bytes | memoryview = piece
            while left:
                found = inflater.decompress(left, _AT_ONCE)
                size -= len(found)
                if size < 0 or (inflater.eof and inflater.unused_data):
                    raise ImageReadError("damaged PNG file: more pixel data than it declares")
                yield found
                left = b"" if inflater.eof else inflater.unconsumed_tail
    except zlib.error as error:
        raise ImageReadError(f"damaged PNG file: broken pixel data: {error}") from error
    if size or not inflater.eof:
        raise ImageReadError("damaged PNG file: pixel data are missing: cut short")


def _file(header: Header, extra: bytes, compressed: bytes) -> bytes:
    view = memoryview(compressed)
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", *header)),
        extra,
        *(
            _chunk(b"IDAT", view[start : start + _LARGEST_CHUNK])
            for start in range(0, len(view), _LARGEST_CHUNK)
        ),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


def _chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)))
