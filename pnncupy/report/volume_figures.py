"""Figures of volumes: three slices through one point, source and results at the same position."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.display import middle_slices, preview
from pnncupy.errors import ImageReadError
from pnncupy.images.planes import as_planes
from pnncupy.io.volume_files import named_slice_axis
from pnncupy.report.curves import Curves, curves_of
from pnncupy.report.ensembles import Scale, maps_of, scale_of
from pnncupy.report.figures import input_pictures, range_of
from pnncupy.report.image_files import PictureFiles, Shown, white_where_missing
from pnncupy.report.results import Made
from pnncupy.report.spec import RESIZED, RESULT
from pnncupy.report.tables import Table, table_of
from pnncupy.report.volume_tables import phase_table

# The pixels of all slices along an axis, and of the side of one: more are left out.
_MOST_PIXELS = 1_000_000
_LONGEST_SIDE = 256
# Pixels around each slice that repeat its own: browsers may show a part of what is beside it.
_BORDER = 1
# Slices are enlarged by a whole number up to this width.
_COMFORTABLE_WIDTH = 440
_MOST_IN_A_ROW = 3
# Axes of the slices of each panel: rows and columns, as `middle_slices` arranges them.
_PANELS = {0: (1, 2), 2: (1, 0), 1: (0, 2)}


@dataclass(frozen=True)
class SliceSheet:
    """All shown slices across one axis in one picture.

    Attributes
    ----------
    axis : int
        What they are perpendicular to.
    file : str
    columns, rows : int
        Slices beside and below each other in the picture, row by row.
    width, height : int
        Pixels of one slice.
    alt : str
    first : int
        The slice that is shown at first.
    """

    axis: int
    file: str
    columns: int
    rows: int
    width: int
    height: int
    alt: str
    first: int

    @property
    def offset(self) -> tuple[float, float]:
        """Shares of the picture's width and height that are before the first shown slice."""
        row, column = divmod(self.first, self.columns)
        left, top = self.border
        return (column + left) / self.columns, (row + top) / self.rows

    @property
    def border(self) -> tuple[float, float]:
        """Border on the left and at the top of a slice, as shares of it with its border."""
        return _BORDER / self.cell[0], _BORDER / self.cell[1]

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a slice with its border."""
        return self.width + 2 * _BORDER, self.height + 2 * _BORDER

    @property
    def scale(self) -> tuple[float, float]:
        """Width and height of the picture in those of a slice."""
        return self.columns * self.cell[0] / self.width, self.rows * self.cell[1] / self.height


@dataclass(frozen=True)
class VolumeLayer:
    """One volume beside others: its name, sides in voxels, and its slices along each axis.

    `steps` are the distances between those that are shown, `left_out` says in words what is not,
    and `scale` holds the greys of a statistic over all results.
    """

    label: str
    sides: tuple[int, ...]
    steps: Sequence[int]
    sheets: Sequence[SliceSheet]
    left_out: str
    bytes: int
    scale: Scale | None = None

    @property
    def size(self) -> str:
        """Width, height and depth in words."""
        return " × ".join(map(str, reversed(self.sides))) + " voxels"

    @property
    def fractions(self) -> tuple[int, int]:
        """Widths of the slices on the left and on the right."""
        return self.sheets[0].width, self.sheets[1].width


@dataclass(frozen=True)
class AxisSlider:
    """A slider over the slices across an axis.

    `step` is the distance between those that are shown, `last` the largest position.
    """

    letter: str
    last: int
    step: int
    start: int


@dataclass(frozen=True)
class VolumeFigure:
    """Part of the page for one entry whose results are volumes.

    The first `own` of the `layers`, what went in and the result, are at one scale; a larger one of
    the others is as wide as the widest of them.
    """

    number: int
    title: str
    caption: str
    axes: Sequence[AxisSlider]
    layers: Sequence[VolumeLayer]
    own: int
    note: str
    grid: Sequence[Shown]
    tables: Sequence[Table]
    curves: Curves | None = None
    template: str = "volume.html"

    @property
    def widest(self) -> int:
        """Pixels across of the widest of the own layers."""
        return max(sum(layer.fractions) for layer in self.layers[: self.own])

    def part(self, layer: VolumeLayer) -> float:
        """Width of a layer in that of the widest."""
        return min(1.0, sum(layer.fractions) / self.widest)

    def width(self, layer: VolumeLayer) -> int:
        """Largest width of a layer on the page."""
        zoom = max(1, _COMFORTABLE_WIDTH // self.widest)
        return min(sum(layer.fractions), self.widest) * zoom

    @property
    def in_a_row(self) -> int:
        """Layers beside each other in a wide window."""
        return min(len(self.layers), _MOST_IN_A_ROW)


def volume_figure_of(number: int, made: Made, files: PictureFiles) -> VolumeFigure:
    """Write the slices of an entry's volumes and describe its part of the page."""
    shown, own = _volumes(made), _result(made) + 1
    sides = [made.sides(each.voxels) for each in shown]
    every = _every(sides[:own])
    steps = _steps(sides[:own], every, (1, 1, 1))
    start = [side // 2 // step * step for side, step in zip(sides[own - 1], steps, strict=True)]
    writer = _LayerWriter(number, made, files, _letters(made), start)
    layers = []
    for place, volume in enumerate(shown):
        # Another result that is larger leaves the own ones as they are.
        more = every if place < own else tuple(map(max, every, _every([sides[place]])))
        wider = steps if place < own else _steps([sides[place]], more, steps)
        layers.append(writer.write(volume, more, wider))
    axes = []
    for axis, (letter, step) in enumerate(zip(writer.letters, steps, strict=True)):
        last = (max(each[axis] for each in sides) - 1) // step * step
        axes.append(AxisSlider(letter, last, step, start[axis]))
    tables = [table_of(made), phase_table(made, writer.letters)]
    return VolumeFigure(
        number, made.entry.title, made.entry.caption, axes, layers, own,
        _note(writer.letters, layers), _grid(number, made, files),
        [table for table in tables if table is not None], curves_of(number, made, files),
    )  # fmt: skip


@dataclass(frozen=True)
class _LayerWriter:
    """Writes the slices of the volumes of one figure."""

    number: int
    made: Made
    files: PictureFiles
    letters: tuple[str, str, str]
    start: Sequence[int]

    def write(self, volume: "_Volume", every: Sequence[int], steps: Sequence[int]) -> VolumeLayer:
        """Write the slices of a volume, those at each step, and of these every few voxels."""
        title, sides, label = self.made.entry.title, self.made.sides(volume.voxels), volume.label
        sheets, size = [], 0
        for axis in _PANELS:
            letter, numbers = self.letters[axis], range(0, sides[axis], steps[axis])
            picture, cells = _sheet(volume, axis, numbers, every)
            file, taken = self.files.add_picture(f"{self.number}_{title}_{label}_{letter}", picture)
            size += taken
            sheets.append(
                SliceSheet(
                    axis, file, *cells, *_pixels(sides, axis, every),
                    f"{label}, slice across {letter}: {title}",
                    min(self.start[axis] // steps[axis], len(numbers) - 1),
                )
            )  # fmt: skip
        left_out = _left_out(self.letters, every, steps)
        return VolumeLayer(label, sides, steps, sheets, left_out, size, volume.scale)


def middle_picture(volume: Any, made: Made) -> Any:
    """The three middle slices of a volume as an 8-bit RGB image."""
    known = white_where_missing(volume, made.nodata, made.data_range[1])
    planes = as_planes("volume", known, made.channel_axis)
    return preview(np.moveaxis(middle_slices(planes), 0, -1), made.data_range)


@dataclass(frozen=True)
class _Volume:
    """A volume to show: its name, voxels, the values that are black and white, and missing."""

    label: str
    voxels: Any
    data_range: tuple[float, float]
    nodata: float | None = None
    scale: Scale | None = None


def _volumes(made: Made) -> list[_Volume]:
    """Volumes to show: what went in, the first result, statistics over all results, and others."""
    shown = [*input_pictures(made), (RESULT, made.images[0])]
    found = [_Volume(label, each, range_of(each, made), made.nodata) for label, each in shown]
    found += [
        _Volume(each.title.capitalize(), each.image, each.data_range, scale=scale_of(each))
        for each in maps_of(made)
    ]
    if made.resized is not None:
        found.append(_Volume(RESIZED, made.resized, made.data_range, made.nodata))
    return found + [
        _Volume(name, each, range_of(each, made), made.nodata) for name, each in made.others.items()
    ]


def _result(made: Made) -> int:
    """Number of the result among the volumes that are shown."""
    return len(input_pictures(made))


def _letters(made: Made) -> tuple[str, str, str]:
    """Names of the axes; the first is time where the source's file says so."""
    given = next(iter(made.entry.job.inputs.values()))
    file = Path((given[0] if isinstance(given, tuple) else given).path)
    try:
        named = named_slice_axis(file)
    except (ImageReadError, OSError):
        named = ""
    return (named.lower() or "z", "y", "x")


def _every(sides: Sequence[tuple[int, ...]]) -> tuple[int, int, int]:
    """Distances between the shown voxels of slices along each axis.

    The same along rows and columns; slices and times are counted in other units anyway.
    """
    first, *others = (max(own[axis] for own in sides) for axis in range(3))
    every = math.ceil(max(others) / _LONGEST_SIDE)
    return math.ceil(first / _LONGEST_SIDE), every, every


def _pixels(sides: Sequence[int], axis: int, every: Sequence[int]) -> tuple[int, int]:
    """Width and height of a slice across an axis as it is shown."""
    down, across = _PANELS[axis]
    return math.ceil(sides[across] / every[across]), math.ceil(sides[down] / every[down])


def _steps(
    sides: Sequence[tuple[int, ...]], every: Sequence[int], multiple_of: Sequence[int]
) -> list[int]:
    """Distances between the slices across each axis, so that the largest sheet is not too large."""
    steps = []
    for axis, unit in enumerate(multiple_of):
        most = max(
            own[axis] * math.prod(side + 2 * _BORDER for side in _pixels(own, axis, every))
            for own in sides
        )
        steps.append(math.ceil(most / (_MOST_PIXELS * unit)) * unit)
    return steps


def _sheet(
    volume: _Volume,
    axis: int,
    numbers: range,
    every: Sequence[int],
) -> tuple[Any, tuple[int, int]]:
    """The slices of these numbers in one 8-bit picture, and how many are in a row and a column."""
    down, across = _PANELS[axis]
    voxels, values = volume.voxels, volume.data_range
    order = (axis, down, across, *range(3, voxels.ndim))
    slices = voxels.transpose(order)[numbers.start : numbers.stop : numbers.step]
    slices = slices[:, :: every[down], :: every[across]]
    slices = white_where_missing(slices, volume.nodata, values[1])
    border = [(0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER), *[(0, 0)] * (slices.ndim - 3)]
    slices = np.pad(slices, border, mode="edge")
    count, height, width = slices.shape[:3]
    columns = min(count, max(1, round(math.sqrt(count * height / width))))
    rows = math.ceil(count / columns)
    empty = np.zeros((rows * columns - count, *slices.shape[1:]), slices.dtype)
    cells = np.concatenate([slices, empty]).reshape(rows, columns, height, width, -1)
    sheet = cells.swapaxes(1, 2).reshape(rows * height, columns * width, -1)
    shown = preview(sheet, values)
    return (shown[..., 0] if sheet.shape[2] < 3 else shown), (columns, rows)


def _grid(number: int, made: Made, files: PictureFiles) -> list[Shown]:
    """The middle slices of each of several samples."""
    if len(made.images) < 2:
        return []
    title, count = made.entry.title, len(made.images)
    return [
        files.add(
            f"{number}_{title}_sample_{sample}", middle_picture(volume, made), (0, 255),
            f"Sample {sample + 1} of {count}, middle slices: {title}",
        )
        for sample, volume in enumerate(made.images)
    ]  # fmt: skip


def _left_out(letters: Sequence[str], every: Sequence[int], steps: Sequence[int]) -> str:
    """Voxels and slices that are shown of a large volume, in words; empty for all."""
    z, y, x = letters
    parts = [
        f"one of {number} voxels along {axes} in each slice"
        for number, axes in ((every[0], z), (every[1], f"{y} and {x}")) if number > 1
    ]  # fmt: skip
    parts += [
        f"one of {step} slices across {letter}"
        for letter, step in zip(letters, steps, strict=True) if step > 1
    ]  # fmt: skip
    return ", ".join(parts)


def _note(letters: Sequence[str], layers: Sequence[VolumeLayer]) -> str:
    """Arrangement of the slices, those left out, and their bytes, in words."""
    z, y, x = letters
    words = [f"Top left: slice across {z}; right: across {x}; below: across {y}."]
    partly: dict[str, list[str]] = {}
    for layer in layers:
        if layer.left_out:
            partly.setdefault(layer.left_out, []).append(layer.label)
    words += [
        f"{', '.join(labels)}: too large to be shown whole, {left_out}."
        for left_out, labels in partly.items()
    ]
    words.append(
        f"The slices take {_bytes(sum(layer.bytes for layer in layers))}. The volumes are not part "
        "of the page; the command below makes them."
    )
    return " ".join(words)


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{math.ceil(size / 1000)} kB"
