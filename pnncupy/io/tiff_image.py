"""One image of a TIFF file: its planes, colours and mask, decoded."""

import itertools
import math
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.formats.limits import check_limit
from pnncupy.io.formats.tiff_colours import ASSOCIATED, colour_model, decoded
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.tiff_pixels import check_pixels
from pnncupy.io.formats.tiff_series import (
    all_series,
    axes_of,
    choose,
    image_axes,
    opened,
    outer_axes,
    page_of,
    slice_axis,
    stack_planes,
)
from pnncupy.io.formats.tiff_structure import Structure
from pnncupy.io.image_file import ImageFile


def read_tiff(stream: BinaryIO, page: int | None, limit: int) -> ImageFile:
    """Read one plane of all the series of a TIFF file, channels last."""
    with opened(stream) as (tiff, structure):
        series, position = choose(tiff, structure, page)
        model = colour_model(series.keyframe, series.kind)
        try:
            metadata = tiff_metadata(tiff, structure, series, position)
        except Warning:
            raise
        except Exception:  # whatever other programs wrote there, the pixels are readable
            metadata = Metadata()
        plane = _plane(tiff, series, position, structure, limit)
        notes: tuple[str, ...] = ()
        if ASSOCIATED in model.extra_samples:
            notes = ("its colours, which are multiplied with alpha, were divided by it",)
        missing = _internal_mask(tiff, series, position, structure, limit)
        return ImageFile(decoded(plane, series.keyframe, model), metadata, missing, notes)


def read_tiff_volume(stream: BinaryIO, limit: int) -> ImageFile:
    """Read all planes of a stack along its one axis of slices or times, channels last."""
    with opened(stream) as (tiff, structure):
        places = stack_planes(tiff, structure)
        first = places[0][0]
        planes: Any = None
        for number, (series, position) in enumerate(places):
            model = colour_model(series.keyframe, series.kind)
            plane = decoded(
                _plane(tiff, series, position, structure, limit), series.keyframe, model
            )
            if planes is None:
                check_limit(
                    f"a stack of {len(places)} images of shape {plane.shape}",
                    plane.nbytes * len(places), limit,
                )  # fmt: skip
                planes = np.empty((len(places), *plane.shape), plane.dtype)
            if (plane.shape, plane.dtype) != (planes.shape[1:], planes.dtype):
                raise ImageReadError(
                    f"pages of a volume must have one shape and dtype, got {planes.dtype} of shape "
                    f"{planes.shape[1:]} and {plane.dtype} of {plane.shape}; choose one with "
                    "page=N (--page N)"
                )
            planes[number] = plane
        try:
            metadata = tiff_metadata(tiff, structure, first, places[0][1])
        except Warning:
            raise
        except Exception:  # whatever other programs wrote there, the voxels are readable
            metadata = Metadata()
    if planes.ndim == 4 and planes.shape[3] == 1:
        planes = planes[..., 0]
    return ImageFile(planes, replace(metadata, slice_axis=slice_axis(first)))


def named_axis(stream: BinaryIO) -> str:
    """Return the axis of several slices or times, Z or T, that a TIFF file names; else none."""
    with opened(stream) as (tiff, structure):
        for series in all_series(tiff, structure):
            for axis, size in zip(series.axes, series.shape, strict=False):
                if axis in "ZT" and size > 1:
                    return str(axis)
    return ""


def _internal_mask(
    tiff: Any, series: Any, position: tuple[int, ...], structure: Structure, limit: int
) -> Any:
    """Missing pixels by a mask page behind the image; None without such a page."""
    place = structure.mask_of(page_of(series, position).offset)
    if place is None:
        return None
    check_pixels(structure, place, place, limit)
    return tiff.pages[list(structure.pages).index(place)].aspage().asarray() == 0


def _plane(
    tiff: Any, series: Any, position: tuple[int, ...], structure: Structure, limit: int
) -> Any:
    """The image at a position, as (H, W) or (H, W, C)."""
    axes = axes_of(series, is_stack=bool(position))
    kept = image_axes(axes)
    places = iter(position)
    selection = [slice(None) if axis in kept else next(places) for axis in axes]
    outer = outer_axes(series)
    ranges = [
        range(size) if isinstance(place, slice) else (place,)
        for place, size in zip(selection[:outer], series.shape[:outer], strict=True)
    ]
    sizes = tuple(map(len, ranges))
    numbers = [
        int(np.ravel_multi_index(index, series.shape[:outer])) if outer else 0
        for index in itertools.product(*ranges)
    ]
    shape = tuple(series.shape[axes.index(axis)] for axis in kept)
    size = math.prod(series.shape[outer:]) * len(numbers) * series.dtype.itemsize
    check_limit(f"an image of shape {shape}", size, limit)
    pages = [_page(tiff, series, number, structure, limit) for number in numbers]
    block = (pages[0] if len(pages) == 1 else np.stack(pages)).reshape(
        sizes + tuple(series.shape[outer:])
    )
    inside = [slice(None) if isinstance(place, slice) else 0 for place in selection[:outer]]
    block = block[tuple(inside + selection[outer:])]
    left = [axis for axis in axes if axis in kept]
    return np.ascontiguousarray(block.transpose([left.index(axis) for axis in kept]))


def _page(tiff: Any, series: Any, number: int, structure: Structure, limit: int) -> Any:
    """One page of a series, from its own directory or from behind that of the first page."""
    keyframe = series.keyframe
    size = math.prod(keyframe.shape)
    if math.prod(series.shape) == len(series.pages) * size:
        page = series.pages[number]
        if page is None:
            raise ImageReadError(
                f"lacks the plane {number} that its description tells of: cut short?"
            )
        check_pixels(structure, page.offset, keyframe.offset, limit)
        return page.asarray()
    check_pixels(structure, keyframe.offset, keyframe.offset, limit)
    nbytes = size * keyframe.dtype.itemsize
    if series.dataoffset is None or series.dataoffset + (number + 1) * nbytes > structure.size:
        raise ImageReadError(
            f"damaged TIFF file: image {number} is beyond its end ({structure.size} bytes): "
            "cut short?"
        )
    # What programs write to have stacks of more than 4 GB: one directory, planes behind each other.
    return tiff.filehandle.read_array(
        tiff.byteorder + keyframe.dtype.char, size, series.dataoffset + number * nbytes
    )


def tiff_metadata(
    tiff: Any, structure: Structure, series: Any, position: tuple[int, ...]
) -> Metadata:
    """Return the metadata of an image of an open file."""
    from pnncupy.io.formats.tiff_reading import read

    axes = axes_of(series, is_stack=bool(position))
    return read(tiff, series, axes, position, structure.hidden_tags)
