"""Pictures of the gallery: the figures of an example for both themes, and its thumbnail."""

from pathlib import Path
from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from PIL import Image
from themed_figure import save_themed

_THUMBNAIL = (400, 280)
_MOST_PANELS = 4
_GAP = 6


def scrape_figures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures that a block made; return what shows them.

    Examples name their figures: ``figure = pnn.plot.compare(...)``. A figure is saved once, in the
    block that made it. ``figure.alt`` may say in words what it shows.
    """
    names = block_vars["example_globals"]
    seen = gallery_conf.setdefault("seen_figures", WeakSet())
    shown = []
    for figure in names.values():
        if isinstance(figure, Figure) and figure not in seen:
            seen.add(figure)
            shown.append(
                _shown(figure, Path(next(block_vars["image_path_iterator"])), gallery_conf)
            )
    return "\n".join(shown)


def _shown(figure: Figure, path: Path, gallery_conf: dict[str, Any]) -> str:
    """Save one figure; reStructuredText that shows it."""
    files = save_themed(figure, path, dots_per_inch=160 if _is_chart(figure) else None)
    if path.stem.endswith("_001"):
        _save_thumbnail(figure, path)
    alt = getattr(figure, "alt", "") or "; ".join(_titles(figure))
    folder = Path(gallery_conf["src_dir"])
    return "".join(
        f"\n.. image:: /{file.relative_to(folder).as_posix()}\n   :alt: {alt}\n"
        f"   :class: sphx-glr-single-img only-{theme}\n"
        for theme, file in files.items()
    )


def _is_chart(figure: Figure) -> bool:
    """Test whether a figure has axes with scales, not only images."""
    return any(axes.axison for axes in figure.axes)


def _titles(figure: Figure) -> list[str]:
    """Titles of the axes of a figure, on one line each."""
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    return [" ".join(title.split()) for title in titles if title]


def _save_thumbnail(figure: Figure, path: Path) -> None:
    """Save the first images of a figure side by side, without titles."""
    images = [axes.images[0] for axes in figure.axes if axes.images][:_MOST_PANELS]
    thumbnail = _thumbnail_file(path)
    if images:
        _mosaic([_as_colours(image) for image in images]).save(thumbnail)


def _thumbnail_file(path: Path) -> Path:
    return path.with_name(f"{path.stem.removesuffix('_001')}_panels.png")


def _as_colours(drawn: Any) -> Image.Image:
    """An image of a figure in the colours that it is drawn in."""
    return Image.fromarray(drawn.to_rgba(drawn.get_array(), bytes=True)[..., :3]).convert("RGB")


def _mosaic(images: list[Image.Image]) -> Image.Image:
    """Images in a grid that fills the thumbnail, cropped to their cells; gaps are transparent."""
    columns = 1 if len(images) == 1 else 2
    rows = -(-len(images) // columns)
    width = (_THUMBNAIL[0] - _GAP * (columns - 1)) // columns
    height = (_THUMBNAIL[1] - _GAP * (rows - 1)) // rows
    sheet = Image.new("RGBA", _THUMBNAIL, (0, 0, 0, 0))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        last_alone = columns > 1 and column == 0 and number == len(images) - 1
        cell = (_THUMBNAIL[0] if last_alone else width, height)
        scale = max(cell[0] / image.width, cell[1] / image.height)
        sides = [max(1, round(side * scale)) for side in image.size]
        method = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
        part = image.resize(sides, method)
        left, top = (part.width - cell[0]) // 2, (part.height - cell[1]) // 2
        part = part.crop((left, top, left + cell[0], top + cell[1]))
        sheet.paste(part, (column * (width + _GAP), row * (height + _GAP)))
    return sheet


def replace_thumbnails(app: Any) -> None:
    """Take the panels of the first figure as the thumbnail of each example."""
    folder = Path(app.srcdir) / app.config.sphinx_gallery_conf["gallery_dirs"] / "images"
    for panels in folder.glob("*_panels.png"):
        name = panels.name.removesuffix("_panels.png")
        panels.replace(folder / "thumb" / f"{name}_thumb.png")


def setup(app: Any) -> dict[str, bool]:
    """Replace thumbnails after the gallery ran."""
    app.connect("builder-inited", replace_thumbnails, priority=900)
    return {"parallel_read_safe": True}
