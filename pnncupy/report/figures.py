"""Figures of a page: results of an entry that are swapped in place, and their measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pnncupy.display import index_colours
from pnncupy.report.curves import Curves, curves_of
from pnncupy.report.display_range import shown_range
from pnncupy.report.ensembles import MapShown, pictures_of_maps
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.results import Made
from pnncupy.report.spec import BASELINE, INPUT_NAMES, RESIZED, RESULT
from pnncupy.report.tables import Table, table_of

# Times that a result is shown along an axis where it wraps around.
_REPEATS = 3


@dataclass(frozen=True)
class Layer:
    """One picture of a viewer, with the name on its button."""

    label: str
    shown: Shown


@dataclass(frozen=True)
class Level:
    """One stop of the slider over the pyramid."""

    text: str
    shown: Shown


@dataclass(frozen=True)
class Figure:
    """Part of the page for one entry.

    `layers` are swapped in place: what went in, then at `result` the one that `overlay`, the index
    map, if there is one, and `levels` belong to, then others. `grid` holds all samples where there
    are several, `maps` the statistics of each pixel over them, and `curves` their descriptors;
    `repeats` is how often a result that wraps around is shown down and across.
    """

    number: int
    title: str
    caption: str
    layers: Sequence[Layer]
    result: int
    overlay: Shown | None
    levels: Sequence[Level]
    grid: Sequence[Shown]
    table: Table
    repeats: tuple[int, ...] = (1, 1)
    template: str = "figure.html"
    maps: Sequence[MapShown] = ()
    curves: Curves | None = None

    @property
    def zoom(self) -> int:
        """Factor by which layers are enlarged, so that flicker compares.

        Pictures that are far larger than the result must not make a stamp of it.
        """
        own = [layer.shown for layer in self.layers[: self.result] if not layer.shown.is_smaller]
        return min(shown.zoom for shown in (*own, self.layers[self.result].shown))

    def width(self, shown: Shown) -> int:
        """Width of a picture on the page: a smaller preview has no pixels of its own."""
        pixels = self.layers[self.result].shown.width if shown.is_smaller else shown.width
        return pixels * self.zoom

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height on the page of one of the repeated results, half enlarged."""
        shown, zoom = self.layers[self.result].shown, max(1, self.zoom // 2)
        return shown.width * zoom, shown.height * zoom


def figure_of(number: int, made: Made, files: PictureFiles) -> Figure:
    """Write the pictures of an entry and describe its part of the page."""
    entry, shown_range = made.entry, made.data_range
    title = entry.title

    def add(label: str, image: Any, values: tuple[float, float] = shown_range) -> Shown:
        name, alt = f"{number}_{title}_{label}", f"{label}: {title}"
        return files.add(name, image, values, alt, made.nodata)

    layers = [
        Layer(label, add(label, image, range_of(image, made)))
        for label, image in input_pictures(made)
    ]
    result = len(layers)
    several = len(made.images) > 1
    grid = []
    if several:
        grid = [
            files.add(
                f"{number}_{title}_sample_{sample}", image, shown_range,
                f"Sample {sample + 1} of {len(made.images)}: {title}", made.nodata,
            )
            for sample, image in enumerate(made.images)
        ]  # fmt: skip
    layers.append(Layer(RESULT, grid[0] if several else add(RESULT, made.images[0])))
    if made.resized is not None:
        layers.append(Layer(RESIZED, add(RESIZED, made.resized)))
    if made.baseline is not None:
        layers.append(Layer(BASELINE, add(BASELINE, made.baseline)))
    layers += [
        Layer(name, add(name, image, range_of(image, made))) for name, image in made.others.items()
    ]
    overlay = None
    if made.indices:
        colours = index_colours(made.indices[0], [source.shape[:2] for source in made.sources])
        overlay = files.add(
            f"{number}_{title}_index", colours, (0, 255),
            f"Where each pixel of the result comes from: {title}",
        )  # fmt: skip
    return Figure(
        number, title, entry.caption, layers, result, overlay, _levels(number, made, files), grid,
        table_of(made), tuple(_REPEATS if wraps else 1 for wraps in made.info["periodic"]),
        maps=pictures_of_maps(number, made, files), curves=curves_of(number, made, files),
    )  # fmt: skip


def _levels(number: int, made: Made, files: PictureFiles) -> list[Level]:
    """The pyramid, coarsest first; the result itself is the last."""
    found = []
    for level in sorted(made.levels, reverse=True):
        image = made.levels[level]
        height, width = image.shape[:2]
        text = f"level {level}, {width} × {height} pixels"
        name = f"{number}_{made.entry.title}_level_{level}"
        alt = f"The result at {text}: {made.entry.title}"
        shown = files.add(name, image, made.data_range, alt, made.nodata)
        found.append(Level(text, shown))
    return found


def input_pictures(made: Made) -> list[tuple[str, Any]]:
    """Inputs, with names for the buttons."""
    found: list[tuple[str, Any]] = []
    for name, given in made.inputs.items():
        if isinstance(given, list):
            several = len(given) > 1
            found += [
                (f"Source {number}" if several else "Source", image)
                for number, image in enumerate(given, 1)
            ]
        else:
            found.append((INPUT_NAMES[name], given))
    return found


def range_of(image: Any, made: Made) -> tuple[float, float]:
    """The values shown black and white: of another dtype than the source's, its own."""
    if image.dtype == made.sources[0].dtype:
        return made.data_range
    return shown_range([image], made.nodata)
