"""The structure of a JPEG file, checked before a decoder trusts it."""

import re
import struct
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


def jpeg_header(data: bytes) -> JpegHeader:
    """Size of a JPEG image, from a walk over all its segments up to the end marker.

    A decoder fills what is missing with grey and says nothing, so the end marker has to be there.
    """
    header, scans, place = None, 0, 2
    while True:
        marker, place = _next_marker(data, place)
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        if length < 2 or place + length > len(data):
            raise ImageReadError(
                f"damaged JPEG file: the segment at byte {place} is cut short or broken"
            )
        if marker in _PROCESSES and header is None:
            header = _frame_header(data[place + 2 : place + length])
        elif marker in _PROCESSES or marker in _OTHER_PROCESSES:
            raise ImageReadError(
                f"damaged or unsupported JPEG file: a second image at byte {place}"
            )
        scans += marker == 0xDA
        if scans > _MOST_SCANS:
            raise ImageReadError(f"damaged JPEG file: more than {_MOST_SCANS} scans")
        place += length
    if header is None or not scans:
        raise ImageReadError("damaged JPEG file: it holds no image")
    return header


def _next_marker(data: bytes, place: int) -> tuple[int, int]:
    """The next marker from a place on, and the place behind it."""
    found = _MARKER.search(data, place)
    if found is None:
        raise ImageReadError(
            f"damaged JPEG file: it ends at byte {len(data)} without an end marker: cut short"
        )
    return data[found.end() - 1], found.end()


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
