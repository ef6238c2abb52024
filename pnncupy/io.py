"""Image files in and out: PNG, JPEG and TIFF, every bit depth kept.

The only module that knows tifffile and imagecodecs.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import checks
from pnncupy.checks import ImageReadError

SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}
_JPEG_QUALITY = 95
_MOST_UNNAMED_CHANNELS = 16
# Axes of a TIFF series that are channels: samples of a pixel, or images of one channel each.
_CHANNEL_AXES = "SC"


def read_image(path: str | os.PathLike[str], *, page: int | None = None) -> Any:
    """Read one picture, in the dtype it is stored in.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF file; its content decides, not its name.
    page : int, optional
        Which picture of a TIFF stack to take, from 0. Stacks are refused without it.

    Returns
    -------
    (H, W) or (H, W, C) NumPy array
        Grey, or with the channels last whatever their place in the file.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        The file cannot be opened.
    ImageReadError
        It is no image, a damaged one, or a stack without `page`.

    Examples
    --------
    >>> import pnncupy.io
    >>> image = pnncupy.io.read_image("micrograph.tif", page=3)  # doctest: +SKIP
    """
    number = checks.optional_integer("page", page, 0)
    file = Path(path)
    with file.open("rb") as stream:
        kind = _kind(stream.read(max(map(len, _SIGNATURES))))
    if kind is None:
        raise ImageReadError(f"{file}: not a PNG, JPEG or TIFF file")
    if number not in (None, 0) and kind != "tiff":
        raise ImageReadError(f"{file}: page {number} was asked for, but it holds one picture")
    try:
        image = _read_tiff(file, number) if kind == "tiff" else _decode(kind, file.read_bytes())
    except (ImageReadError, ModuleNotFoundError):
        raise
    except Exception as error:  # decoders raise whatever their format meets
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageReadError(f"{file}: damaged or unsupported {kind.upper()} file: {reason}") from (
            error
        )
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ImageReadError(
            f"{file}: not a picture of real numbers: shape {image.shape}, dtype {image.dtype}"
        )
    return image


def _kind(data: bytes) -> str | None:
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    return None


def _decode(kind: str, data: bytes) -> Any:
    import imagecodecs

    return np.asarray(
        imagecodecs.png_decode(data) if kind == "png" else imagecodecs.jpeg_decode(data)
    )


def _read_tiff(file: Path, page: int | None) -> Any:
    """One plane of all the series of a TIFF file, channels last."""
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        planes = [
            (series, position) for series in tiff.series for position in _plane_positions(series)
        ]
        if page is None and len(planes) > 1:
            axes = ", ".join(f"{series.axes} {series.shape}" for series in tiff.series)
            raise ImageReadError(
                f"{file}: a stack of {len(planes)} pictures ({axes}); choose one with page=N "
                f"(--page N), 0 to {len(planes) - 1}; if they are channels of one picture, say so "
                "in the file (axes CYX)"
            )
        if not planes or (page or 0) >= len(planes):
            raise ImageReadError(
                f"{file}: page {page or 0} was asked for, but it holds {len(planes)} pictures: "
                f"0 to {len(planes) - 1}"
            )
        series, position = planes[page or 0]
        photometric = series.keyframe.photometric
        if photometric == tifffile.PHOTOMETRIC.PALETTE:
            raise ImageReadError(f"{file}: stores palette colours; convert it to RGB first")
        plane = _plane(series, position)
        if photometric != tifffile.PHOTOMETRIC.MINISWHITE:
            return plane
        if plane.dtype.kind == "b":
            return ~plane
        if plane.dtype.kind == "u":
            return (2**series.keyframe.bitspersample - 1 - plane).astype(plane.dtype)
        raise ImageReadError(f"{file}: stores negatives of {plane.dtype}; invert it first")


def _axes(series: Any) -> str:
    """Letters of the axes of a series; a short last one that nothing names holds channels.

    That is how tifffile stores an array of (rows, columns, channels) if nothing else is said.
    """
    if series.axes == "QYX" and series.shape[2] <= _MOST_UNNAMED_CHANNELS < min(series.shape[:2]):
        return "YXC"
    return str(series.axes)


def _plane_positions(series: Any) -> Iterator[tuple[int, ...]]:
    """Index of every picture along the axes of a series that are neither rows, columns, channels.

    Raises ImageReadError where there are no rows and columns or the channels are ambiguous.
    """
    axes = _axes(series)
    channels = [axis for axis in axes if axis in _CHANNEL_AXES]
    if "Y" not in axes or "X" not in axes:
        raise ImageReadError(f"TIFF series with axes {axes!r} has no rows and columns")
    if len(channels) > 1:
        # RGB samples of several channel images: each channel image is a picture of its own.
        channels = ["S"]
    sizes = [
        size
        for axis, size in zip(axes, series.shape, strict=True)
        if axis not in ("Y", "X", *channels)
    ]
    return iter(np.ndindex(*sizes))


def _plane(series: Any, position: tuple[int, ...]) -> Any:
    """The picture at a position, as (H, W) or (H, W, C)."""
    axes = _axes(series)
    channel = "S" if "S" in axes else "C" if "C" in axes else ""
    places = iter(position)
    selection = tuple(slice(None) if axis in ("Y", "X", channel) else next(places) for axis in axes)
    kept = [axis for axis in axes if axis in ("Y", "X", channel)]
    order = [kept.index(axis) for axis in ("Y", "X", *channel)]
    return np.ascontiguousarray(series.asarray()[selection].transpose(order))


def write_image(path: str | os.PathLike[str], image: Any, *, overwrite: bool = False) -> None:
    """Write one picture, losslessly but for JPEG; all of it or nothing.

    Parameters
    ----------
    path : path
        Its suffix decides the format: .png (8- and 16-bit grey, RGB, with or without alpha),
        .jpg (8-bit grey or RGB), .tif (any real dtype, any number of channels).
    image : (H, W) or (H, W, C) array
        Channels last. Bool is written as 0 and 255.
    overwrite : bool, default False
        Replace an existing file.

    Raises
    ------
    FileExistsError
        The file exists and `overwrite` is False.
    ValueError
        The format is unknown or cannot hold the image; nothing is written.
    OSError
        The folder does not exist or cannot be written to.
    """
    file = Path(path)
    if not overwrite and file.exists():
        raise FileExistsError(f"{file} exists; pass overwrite=True (--force) to replace it")
    data = encode_image(file.suffix, np.asarray(image))
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent} to write {file.name} into")
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def default_suffix(image: Any) -> str:
    """The format that keeps all of an image: PNG where that can hold it, else TIFF."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    fits = image.dtype.newbyteorder("=") in (np.bool_, np.uint8, np.uint16) and channels <= 4
    return ".png" if fits else ".tif"


def encode_image(suffix: str, image: Any) -> bytes:
    """The bytes of an image file."""
    kind = SUFFIXES.get(suffix.lower())
    if kind is None:
        raise ValueError(
            f"unknown image format {suffix!r}; use one of {', '.join(sorted(SUFFIXES))}"
        )
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise ValueError(
            "an image must be a non-empty (H, W) or (H, W, C) array of real numbers, got shape "
            f"{image.shape}, dtype {image.dtype}"
        )
    image = image.astype(image.dtype.newbyteorder("="))
    if image.dtype.kind == "b":
        image = image.astype(np.uint8) * np.uint8(255)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    image = np.ascontiguousarray(image)
    return {"png": _encode_png, "jpeg": _encode_jpeg, "tiff": _encode_tiff}[kind](image)


def _encode_png(image: Any) -> bytes:
    import imagecodecs

    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype not in (np.uint8, np.uint16) or channels > 4:
        raise ValueError(
            f"PNG holds 1 to 4 channels of 8- or 16-bit unsigned integers, got {channels} of "
            f"{image.dtype}; use .tif"
        )
    return bytes(imagecodecs.png_encode(image, level=6))


def _encode_jpeg(image: Any) -> bytes:
    import imagecodecs

    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or channels not in (1, 3):
        raise ValueError(
            f"JPEG holds 1 or 3 channels of uint8, got {channels} of {image.dtype}; use .png or "
            ".tif"
        )
    return bytes(imagecodecs.jpeg_encode(image, level=_JPEG_QUALITY))


def _encode_tiff(image: Any) -> bytes:
    import io

    import tifffile

    colour = image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype.kind == "u"
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        image,
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if image.ndim == 3 else None,
        compression="deflate",
        predictor=image.dtype.itemsize <= 4,
        metadata=None,
    )
    return buffer.getvalue()
