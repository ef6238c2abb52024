"""Orientation of an image: which side of the stored pixels is up (EXIF's and TIFF's tag 274)."""

import struct
from typing import Any

import numpy as np

ORIENTATION = 274
# Turns by 90 degrees against the clock of the stored pixels, after mirroring left to right.
_TURNS = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False),
          7: (3, True), 8: (1, False)}  # fmt: skip
_SHORT = 3


def upright(image: Any, orientation: int) -> Any:
    """Turn stored pixels (H, W) or (H, W, C) upright.

    Parameters
    ----------
    image : array
    orientation : int
        1 (as stored) to 8, as EXIF and TIFF number them.
    """
    turns, mirrored = _TURNS[orientation]
    image = image[:, ::-1] if mirrored else image
    return np.ascontiguousarray(np.rot90(image, turns))


def swaps_axes(orientation: int) -> bool:
    """Test whether rows become columns."""
    return _TURNS[orientation][0] % 2 == 1


def known_orientation(value: Any) -> int:
    """Return an orientation; 1, as stored, for values without a meaning."""
    return value if isinstance(value, int) and value in _TURNS else 1


def exif_orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data; 1 where these say none, or are damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    try:
        if order is None:
            return 1
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        for place in range(first + 2, first + 2 + 12 * count, 12):
            code, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place)
            if code == ORIENTATION and kind == _SHORT:
                return known_orientation(value)
    except struct.error:
        pass
    return 1
