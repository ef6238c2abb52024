"""The images of a TIFF file: which pages belong together, and which of their axes are what."""

import io
import math
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.decoder_log import quiet_log
from pnncupy.io.formats.tiff_structure import DEPTH, HIDDEN_TAG, Structure

_MOST_UNNAMED_CHANNELS = 16
# Name and number of a page.
_PAGE_TAGS = (285, 297)


@contextmanager
def opened(stream: BinaryIO) -> Iterator[tuple[Any, Structure]]:
    """Open a TIFF file for tifffile once its structure has been found sound; yields both.

    tifffile gets a name without a folder, no references to other files, and none of the tags that
    would make it trust a structure of one vendor's: nothing but this file is ever read.
    """
    structure = Structure(stream)
    source: Any = stream
    if structure.hidden_places:
        source = io.BufferedReader(_WithoutTags(stream, structure))
    stream.seek(0)
    import tifffile

    with (
        quiet_log("tifffile"),
        tifffile.TiffFile(source, name="image.tif", omexml=structure.own_ome_xml) as tiff,
    ):
        yield tiff, structure


class _WithoutTags(io.RawIOBase):
    """A TIFF file in which the hidden tags of its structure have a number without a meaning."""

    def __init__(self, stream: BinaryIO, structure: Structure) -> None:
        self._stream = stream
        self._code = HIDDEN_TAG.to_bytes(2, "little" if structure.order == "<" else "big")
        # Every byte to be replaced, and by what.
        self._places = sorted(place + i for place in structure.hidden_places for i in (0, 1))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any, /) -> int:
        start = self._stream.tell()
        data = self._stream.read(len(buffer))
        view = memoryview(buffer)
        view[: len(data)] = data
        first = bisect_left(self._places, start)
        last = bisect_left(self._places, start + len(data))
        for number in range(first, last):  # two places a tag
            view[self._places[number] - start] = self._code[number % 2]
        return len(data)


class _PageSeries:
    """One page as a series of its own, with what is used of tifffile's series.

    A file may have tens of thousands: only the requested one is read.
    """

    kind = "page"
    dataoffset = None

    def __init__(self, tiff: Any, number: int, *, has_depth: bool) -> None:
        self._tiff, self._number, self.has_depth = tiff, number, has_depth

    @cached_property
    def keyframe(self) -> Any:
        return self._tiff.pages[self._number].aspage()

    @property
    def pages(self) -> list[Any]:
        return [self.keyframe]

    @property
    def axes(self) -> str:
        return str(self.keyframe.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.keyframe.shape)

    @property
    def dtype(self) -> Any:
        return self.keyframe.dtype


def all_series(tiff: Any, structure: Structure) -> list[Any]:
    """Return the series of a file: as its description says, else each page as one.

    Formats of single vendors are read as the TIFF files that they are, since their own structures
    have not been checked. So are OME sets of several files. Masks and smaller copies of pages are
    no images.
    """
    described = tiff.is_shaped or tiff.is_imagej or tiff.is_ome
    if described and not structure.is_part_of_set:
        return list(tiff.series)
    pages = list(enumerate(structure.pages.values()))
    images = [page for page in pages if structure.is_image(page[1])]
    return [
        _PageSeries(tiff, number, has_depth=DEPTH in directory.entries)
        for number, directory in images or pages
    ]


def choose(tiff: Any, structure: Structure, page: int | None) -> tuple[Any, tuple[int, ...]]:
    """Return the series of an image, and the image's index along the axes that count images.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    structure : Structure
        Of the same file.
    page : int or None
        Number of the image in the file, from 0.

    Raises
    ------
    ImageReadError
        There is no such image, or several and no number.
    """
    every = [
        (series, _stack_shape(series, is_stack=page is not None))
        for series in all_series(tiff, structure)
    ]
    count = sum(math.prod(sizes) for _, sizes in every)
    if page is None and count > 1:
        axes = ", ".join(f"{series.axes} {series.shape}" for series, _ in every[:5])
        axes += ", ..." if len(every) > 5 else ""
        raise ImageReadError(
            f"a stack of {count} images ({axes}); choose one with page=N (--page N), 0 to "
            f"{count - 1}; for slices of a volume use `read_volume` (--volume); if they are "
            "channels of one image, say so in the file (axes CYX)"
        )
    if page is None and tiff.is_imagej and every and every[0][0].kind not in ("imagej", "ome"):
        raise ImageReadError(
            "it does not hold what its ImageJ description says: cut short? Take what there is with "
            "page=0 (--page 0)"
        )
    left = page or 0
    for series, sizes in every:
        if left < math.prod(sizes):
            return series, tuple(int(index) for index in np.unravel_index(left, sizes))
        left -= math.prod(sizes)
    raise ImageReadError(
        f"page {page or 0} was requested, but it holds {count} images: 0 to {count - 1}"
    )


def stack_planes(tiff: Any, structure: Structure) -> list[tuple[Any, tuple[int, ...]]]:
    """Return the series and the position of each plane of a stack with one axis of planes.

    Raises
    ------
    ImageReadError
        There is one plane only, or they have several axes.
    """
    every = [
        (series, _stack_shape(series, is_stack=True)) for series in all_series(tiff, structure)
    ]
    long = [[size for size in sizes if size > 1] for _, sizes in every]
    axes = ", ".join(f"{series.axes} {series.shape}" for series, _ in every[:5])
    if any(len(sizes) > 1 for sizes in long) or (len(every) > 1 and any(long)):
        raise ImageReadError(
            f"several axes beside rows, columns and channels ({axes}); save one volume, or choose "
            "one image with page=N (--page N)"
        )
    planes = [
        (series, tuple(int(index) for index in np.unravel_index(number, sizes)) if sizes else ())
        for series, sizes in every
        for number in range(math.prod(sizes))
    ]
    if len(planes) < 2:
        raise ImageReadError(f"one image ({axes}); a volume is a stack of several")
    return planes


def slice_axis(series: Any) -> str:
    """Return the letter of the axis of a stack's planes: T of times, else Z."""
    return "T" if "T" in axes_of(series, is_stack=True) else "Z"


def axes_of(series: Any, *, is_stack: bool = False) -> str:
    """Return the letters of the axes; a short last one that nothing names holds channels.

    That is how tifffile stores an array of (rows, columns, channels) if nothing else is said: the
    caller may say that it is a stack, as may tags that number the pages.
    """
    if (
        not is_stack
        and series.axes == "QYX"
        and series.shape[2] <= _MOST_UNNAMED_CHANNELS < min(series.shape[:2])
        and not any(series.keyframe.tags.get(code) for code in _PAGE_TAGS)
    ):
        return "YXC"
    return str(series.axes)


def _stack_shape(series: Any, *, is_stack: bool) -> tuple[int, ...]:
    """Sizes of the axes of a series that are neither rows, columns nor channels.

    Raises ImageReadError where there are no rows and columns.
    """
    if isinstance(series, _PageSeries) and not series.has_depth:
        return ()
    axes = axes_of(series, is_stack=is_stack)
    if "Y" not in axes or "X" not in axes:
        raise ImageReadError(f"TIFF series with axes {axes!r} has no rows and columns")
    kept = image_axes(axes)
    return tuple(
        int(size) for axis, size in zip(axes, series.shape, strict=True) if axis not in kept
    )


def image_axes(axes: str) -> str:
    """Return the axes of one image: rows, columns, and channels if there are any.

    RGB samples of several channel images make each channel image one of its own.
    """
    return "YX" + ("S" if "S" in axes else "C" if "C" in axes else "")


def outer_axes(series: Any) -> int:
    """Return the number of leading axes of a series that count its pages."""
    if series.keyframe.dtype is None:
        raise ImageReadError(
            f"samples of {series.keyframe.bitspersample} bits in format "
            f"{int(series.keyframe.sampleformat)} are not supported; save it as integers or floats"
        )
    size = math.prod(series.keyframe.shape)
    for outer in range(len(series.shape) + 1):
        if math.prod(series.shape[outer:]) == size:
            return outer
    raise ImageReadError(
        f"damaged TIFF file: pages of shape {series.keyframe.shape} do not make up a series of "
        f"shape {series.shape}"
    )


def page_of(series: Any, position: tuple[int, ...]) -> Any:
    """Return the page whose tags speak of an image."""
    axes = axes_of(series, is_stack=bool(position))
    places = iter(position)
    sizes = [1]
    index = [0]
    for axis, size in zip(axes, series.shape, strict=True):
        if axis not in "YXS":
            sizes.append(size)
            index.append(0 if axis == "C" and "S" not in axes else next(places))
    number = int(np.ravel_multi_index(index, sizes))
    page = series.pages[number] if number < len(series.pages) else None
    if page is None:
        return series.keyframe
    return page if hasattr(page, "tags") else page.aspage()
