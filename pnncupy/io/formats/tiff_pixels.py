"""The pixels of a TIFF page, checked before a decoder allocates anything for them."""

import struct
from typing import Any, NamedTuple

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.jpeg import JPEG_RATIO, jpeg_header
from pnncupy.io.formats.limits import DEFLATE_RATIO, check_limit, check_ratio
from pnncupy.io.formats.tiff_structure import (
    BITS,
    COMPRESSION,
    DEPTH,
    HEIGHT,
    LAYOUT,
    PLANAR,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_OFFSETS,
    STRIP_SIZES,
    TILE_DEPTH,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_SIZES,
    TILE_WIDTH,
    WIDTH,
    Directory,
    Structure,
)  # fmt: skip

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
# Strips may share bytes, as those of one colour do in some files: so often each byte of the file.
_SHARED_SEGMENTS = 16


class Segments(NamedTuple):
    """Strips or tiles of the pixels of a directory."""

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
        """Required number of strips or tiles."""
        return self.planes * self.across


def check_pixels(structure: Structure, offset: int, keyframe: int, limit: int) -> None:
    """Refuse a page whose pixels cannot be read, or take more memory than the limit.

    Parameters
    ----------
    structure : Structure
        Of the file.
    offset, keyframe : int
        Places of the page's directory, and of the one whose layout it is decoded with.
    limit : int
        The most bytes that its array may take.
    """
    directory = structure.directories.get(offset)
    if directory is None or keyframe not in structure.directories:
        raise ImageReadError("damaged TIFF file: a page without a directory")
    first = structure.directories[keyframe]
    if _layout(structure, directory) != _layout(structure, first):
        raise ImageReadError(
            f"damaged TIFF file: {directory.name} is not stored as {first.name} is, and its "
            "description puts both into one series"
        )
    bits = _bits_of_pixel(structure, directory)
    segments = _segments(structure, directory, limit, bits)
    _check_places(structure, directory, segments)
    _check_ratio(structure, directory, segments, bits)
    compression = structure.number(directory, COMPRESSION, 1)
    if compression in (_JPEG, _LERC):
        _check_encoded(structure, directory, segments, compression)


def _layout(structure: Structure, directory: Directory) -> list[Any]:
    return [structure.numbers(directory, code) for code in LAYOUT]


def _bits_of_pixel(structure: Structure, directory: Directory) -> int:
    """Bits that a pixel takes in one segment."""
    samples = structure.number(directory, SAMPLES, 1)
    bits = structure.numbers(directory, BITS, (1,))
    if samples > 65535 or len(bits) not in (1, samples) or not all(0 < n <= 128 for n in bits):
        # Some writers name the bits of more samples than there are.
        bits = bits[:samples]
        if len(bits) != samples or not all(0 < number <= 128 for number in bits):
            raise ImageReadError(
                f"damaged TIFF file: {directory.name} declares {samples} channels of "
                f"{list(bits[:4])} bits"
            )
    if structure.number(directory, PLANAR, 1) == 2:
        return int(bits[0])
    return int(sum(bits)) if len(bits) == samples else int(bits[0]) * samples


def _segments(structure: Structure, directory: Directory, limit: int, bits: int) -> Segments:
    height, width = (structure.number(directory, code) for code in (HEIGHT, WIDTH))
    depth = structure.number(directory, DEPTH, 1)
    samples = structure.number(directory, SAMPLES, 1)
    planar = structure.number(directory, PLANAR, 1) == 2
    planes = samples if planar else 1
    itemsize = max(1, bits // (1 if planar else samples) // 8)
    what = f"{width} x {height} pixels of {samples} channels"
    if depth > 1:
        what += f", {depth} of them on top of each other"
    check_limit(what, width * height * depth * samples * itemsize, limit)
    if TILE_WIDTH in directory.entries:
        rows, columns = (structure.number(directory, c) for c in (TILE_HEIGHT, TILE_WIDTH))
        layers = structure.number(directory, TILE_DEPTH, 1)
        size = rows * columns * layers * (samples // planes) * itemsize
        check_limit(f"tiles of {columns} x {rows} pixels", size, limit)
        across = -(-height // rows) * -(-width // columns) * -(-depth // layers)
        kind, place_code, size_code = "tile", TILE_OFFSETS, TILE_SIZES
    else:
        rows = min(height, structure.number(directory, ROWS_PER_STRIP, height))
        columns, layers = width, 1
        across = -(-height // rows) * depth
        kind, place_code, size_code = "strip", STRIP_OFFSETS, STRIP_SIZES
    # Some writers put tiles into the tags of strips.
    if place_code not in directory.entries:
        place_code, size_code = STRIP_OFFSETS, STRIP_SIZES
    places, sizes = (
        np.array(structure.numbers(directory, code), np.uint64) for code in (place_code, size_code)
    )
    return Segments(kind, planes, layers, rows, columns, across, places, sizes)


def _check_places(structure: Structure, directory: Directory, segments: Segments) -> None:
    kind, places, sizes = segments.kind, segments.places, segments.sizes
    if not len(places) == len(sizes) == segments.expected:
        raise ImageReadError(
            f"damaged TIFF file: {directory.name} needs {segments.expected} {kind}s and has "
            f"{len(places)} places and {len(sizes)} sizes of them"
        )
    # Those without place and size are not stored: they hold the nodata value, or 0.
    missing = np.flatnonzero((places == 0) != (sizes == 0))
    if missing.size:
        raise ImageReadError(
            f"{directory.name} lacks the {'bytes' if places[missing[0]] else 'place'} of "
            f"{missing.size} of its {len(places)} {kind}s, the first is number {missing[0]}; save "
            "it with all of its pixels"
        )
    beyond = np.flatnonzero((sizes > structure.size) | (places > structure.size - np.minimum(
        sizes, np.uint64(structure.size)
    )))  # fmt: skip
    if beyond.size:
        first = beyond[0]
        raise ImageReadError(
            f"damaged TIFF file: {directory.name}: {kind} {first} takes {sizes[first]} bytes "
            f"at byte {places[first]}, beyond the end of the file ({structure.size} bytes): cut "
            "short?"
        )
    if int(sizes.astype(float).sum()) > _SHARED_SEGMENTS * structure.size:
        raise ImageReadError(
            f"damaged TIFF file: {directory.name}: its {kind}s share bytes that they cannot"
        )


def _check_ratio(structure: Structure, directory: Directory, segments: Segments, bits: int) -> None:
    compression = structure.number(directory, COMPRESSION, 1)
    if compression not in _RATIOS:
        name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
        raise ImageReadError(
            f"its pixels are compressed by a method that is not read, {name}; save it with "
            "Deflate, LZW or without compression"
        )
    height, width = (structure.number(directory, code) for code in (HEIGHT, WIDTH))
    row = -(-segments.width * bits // 8)
    if segments.kind == "tile":
        size = segments.expected * segments.depth * segments.height * row
    else:
        size = segments.planes * structure.number(directory, DEPTH, 1) * height * row
    # What is not stored needs no data; what is counts in full, as no segment is much cheaper.
    size = int(size * np.count_nonzero(segments.sizes) / max(1, len(segments.sizes)))
    # Strips that lie on top of each other hold no more than the file does.
    stored = min(int(segments.sizes.sum()), structure.size)
    ratio = _RATIOS[compression] * (row if compression in _FAX else 1)
    check_ratio(f"{width} x {height} pixels in {directory.name}", size, stored, ratio)


def _check_encoded(
    structure: Structure, directory: Directory, segments: Segments, compression: int
) -> None:
    """Look into segments that declare a size of their own."""
    samples = structure.number(directory, SAMPLES, 1) // segments.planes
    for place, size in zip(segments.places.tolist(), segments.sizes.tolist(), strict=True):
        if not size:
            continue
        data = structure.read(place, size, directory.name)
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


def _lerc_size(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and channels of the only image in LERC data."""
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
