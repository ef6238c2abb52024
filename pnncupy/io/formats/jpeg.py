"""The segments of a JPEG file: its size before a decoder trusts it, and what it says besides."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import check_limit, check_ratio

# A block of 8 x 8 samples of one component takes one bit in a progressive image.
JPEG_RATIO = 512
# Usual are 6 to 10, and every one goes over the whole image, however few bytes it takes.
_MOST_SCANS = 32
# Baseline, extended, progressive and lossless, and the first three of them arithmetically coded.
_PROCESSES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}
_OTHER_PROCESSES = {0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START, _END, SCAN, APP1, _ICC = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2
_EXIF_NAME, _ICC_NAME = b"Exif\0\0", b"ICC_PROFILE\0"
# The length of a segment counts its own two bytes.
_LONGEST_SEGMENT = 65533


class JpegHeader(NamedTuple):
    """Size of a JPEG image, in samples, and the bytes of one sample."""

    height: int
    width: int
    components: int
    itemsize: int


def check_jpeg(data: bytes, limit: int) -> None:
    """Refuse a JPEG file that is cut short, or has a size it cannot have or above the limit."""
    header = jpeg_header(data)
    what = f"{header.width} x {header.height} pixels of {header.components} channels"
    samples = header.height * header.width * header.components
    check_limit(what, samples * header.itemsize, limit)
    check_ratio(what, samples, len(data), JPEG_RATIO * header.components)
    if header.components not in (1, 3):
        model = "CMYK" if header.components == 4 else f"{header.components} channels, no known"
        raise ImageReadError(
            f"stores {model} colours; convert it to RGB first, such as by ImageMagick: magick "
            "FILE -colorspace sRGB FILE.png"
        )


def jpeg_header(data: bytes) -> JpegHeader:
    """Size of a JPEG image, from a walk over all its segments up to the end marker.

    A decoder fills what is missing with grey and says nothing, so the end marker has to be there.
    """
    header, scans = None, 0
    for marker, content, place in jpeg_segments(data):
        if marker in _PROCESSES and header is None:
            header = _frame_header(content)
        elif marker in _PROCESSES or marker in _OTHER_PROCESSES:
            raise ImageReadError(
                f"damaged or unsupported JPEG file: a second image at byte {place}"
            )
        scans += marker == SCAN
        if scans > _MOST_SCANS:
            raise ImageReadError(f"damaged JPEG file: more than {_MOST_SCANS} scans")
    if header is None or not scans:
        raise ImageReadError("damaged JPEG file: it holds no image")
    return header


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Return markers, contents and places of all segments up to the end marker."""
    place = 2
    while True:
        found = _MARKER.search(data, place)
        if found is None:
            raise ImageReadError(
                f"damaged JPEG file: it ends at byte {len(data)} without an end marker: cut short"
            )
        marker, place = data[found.end() - 1], found.end()
        if marker == _END:
            return
        if marker in (0x01, _START):
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        if length < 2 or place + length > len(data):
            raise ImageReadError(
                f"damaged JPEG file: the segment at byte {place} is cut short or broken"
            )
        yield marker, data[place + 2 : place + length], place
        place += length


def _frame_header(frame: bytes) -> JpegHeader:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5]:
        raise ImageReadError("damaged JPEG file: its frame header has a wrong length")
    precision, height, width, components = struct.unpack_from(">BHHB", frame)
    if not (height and width) or components not in (1, 2, 3, 4) or not 2 <= precision <= 16:
        raise ImageReadError(
            f"damaged JPEG file: declares {width} x {height} pixels of {components} channels of "
            f"{precision} bits"
        )
    return JpegHeader(height, width, components, 1 if precision <= 8 else 2)


def jpeg_exif(data: bytes) -> bytes:
    """Return the EXIF data of a JPEG file; empty if it has none."""
    for marker, content, _ in jpeg_segments(data):
        if marker == APP1 and content.startswith(_EXIF_NAME):
            return content[len(_EXIF_NAME) :]
    return b""


def jpeg_profile(data: bytes) -> bytes:
    """Return the ICC profile of a JPEG file; empty if it has none, or not all of it."""
    parts = {
        content[len(_ICC_NAME)]: content[len(_ICC_NAME) + 1 :]
        for marker, content, _ in jpeg_segments(data)
        if marker == _ICC and content.startswith(_ICC_NAME) and len(content) > len(_ICC_NAME) + 1
    }
    if sorted(parts) != list(range(1, len(parts) + 1)):
        return b""
    if any(part[0] != len(parts) for part in parts.values()):
        return b""
    return b"".join(parts[number][1:] for number in sorted(parts))


def with_segments(data: bytes, segments: list[tuple[int, bytes]]) -> bytes:
    """Put segments (marker, content) behind the first one of a JPEG file, the JFIF header."""
    place = 2
    if data[2:4] == b"\xff\xe0":
        place = 4 + int.from_bytes(data[4:6], "big")
    return data[:place] + b"".join(
        bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
        for marker, content in segments
    ) + data[place:]  # fmt: skip


def profile_segments(profile: bytes) -> list[tuple[int, bytes]]:
    """The segments that hold an ICC profile; none for one that is too long for 255 of them."""
    step = _LONGEST_SEGMENT - len(_ICC_NAME) - 2
    parts = [profile[start : start + step] for start in range(0, len(profile), step)]
    if len(parts) > 255:
        return []
    return [
        (_ICC, _ICC_NAME + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    ]
