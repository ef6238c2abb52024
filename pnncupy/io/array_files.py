"""Arrays as files of NumPy, .npy and .npz, which are never unpickled."""

import math
import zipfile
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import check_limit

# Channels that a last axis has without saying so.
_MOST_CHANNELS = 4


def read_array(stream: BinaryIO, kind: str, limit: int) -> Any:
    """Read the array in an open file; its header is checked before anything is allocated.

    Parameters
    ----------
    stream : binary file
        Seekable.
    kind : {"npy", "npz"}
        An .npz file must hold one array.
    limit : int
        The most bytes of the array.

    Raises
    ------
    ImageReadError
        It is damaged, above the limit, has several arrays, or holds no real numbers.
    """
    stream.seek(0)
    try:
        if kind == "npy":
            return _array(stream, limit)
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if len(names) != 1:
                listed = ", ".join(name.removesuffix(".npy") for name in names[:8])
                raise ImageReadError(
                    f"holds {len(names)} arrays ({listed}); save the one that is wanted as .npy"
                )
            with archive.open(names[0]) as member:
                return _array(member, limit)
    except ImageReadError:
        raise
    except Exception as error:  # zipfile and NumPy raise whatever a header makes them
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageReadError(f"damaged .{kind} file: {reason}") from error


def array_shape(stream: BinaryIO) -> tuple[int, ...]:
    """Return the shape that the header of an open .npy file declares."""
    stream.seek(0)
    try:
        return _header(stream)[0]
    except ImageReadError:
        raise
    except Exception as error:
        raise ImageReadError(f"damaged .npy file: {' '.join(str(error).split())[:200]}") from error


def image_of_array(array: Any) -> Any:
    """Return an array of a file that is taken for an image, (H, W) or (H, W, C)."""
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= _MOST_CHANNELS):
        return array
    raise ImageReadError(
        f"an array of shape {array.shape} is no (H, W) or (H, W, C) image of at most "
        f"{_MOST_CHANNELS} channels; read it with read_volume (--volume), or load it with "
        "numpy.load and pass `channel_axis`"
    )


def volume_of_array(array: Any) -> Any:
    """Return an array of a file that is taken for a volume, (Z, Y, X) or (Z, Y, X, C)."""
    if array.ndim in (3, 4):
        return array
    raise ImageReadError(
        f"not a volume of real numbers: shape {array.shape}, dtype {array.dtype}; a volume has 3 "
        "axes, or 4 with channels"
    )


def encode_array(array: Any, kind: str) -> bytes:
    """Return the bytes of an .npy file, or of a compressed .npz file with one `array`."""
    buffer = BytesIO()
    if kind == "npy":
        np.save(buffer, array, allow_pickle=False)
    else:
        np.savez_compressed(buffer, array=array)
    return buffer.getvalue()


def _header(stream: Any) -> tuple[tuple[int, ...], bool, Any]:
    """Shape, order and dtype, with the stream behind them."""
    major = np.lib.format.read_magic(stream)[0]
    read = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    return read(stream)


def _array(stream: Any, limit: int) -> Any:
    shape, is_column_major, dtype = _header(stream)
    if 0 in shape or dtype.kind not in "biuf" or len(shape) < 2:
        raise ImageReadError(f"not an image of real numbers: shape {shape}, dtype {dtype}")
    size = math.prod(shape) * dtype.itemsize
    check_limit(f"an array of shape {shape}", size, limit)
    _check_stored(stream, size)
    array = np.empty(shape, dtype, order="F" if is_column_major else "C")
    place = array.ravel(order="K").view(np.uint8).data
    done = 0
    while done < size and (part := stream.read(min(size - done, 1 << 24))):
        place[done : done + len(part)] = part
        done += len(part)
    if done < size:
        raise ImageReadError(f"damaged: its array ends after {done} of {size} bytes: cut short")
    return np.ascontiguousarray(array)


def _check_stored(stream: Any, size: int) -> None:
    """Refuse an array larger than what a plain file holds."""
    if isinstance(stream, zipfile.ZipExtFile):
        return
    place = stream.tell()
    stored = stream.seek(0, 2) - place
    stream.seek(place)
    if stored < size:
        raise ImageReadError(
            f"damaged .npy file: its array needs {size} bytes, and it holds {stored}: cut short"
        )
