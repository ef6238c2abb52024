"""Scratches, text, dust and dead pixels over the bundled photographs, filled and compared.

`python -m bench defects` measures, and writes the figures of docs/defects.md to bench/pictures.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import fills

FOLDER = Path(__file__).parent / "pictures"
PHOTOGRAPHS = ("chelsea", "gravel", "rocket")
# The photograph and the part (top, left) of each figure, and the side of the part.
FIGURES = {
    "scratch": ("chelsea", 20, 60),
    "text": ("chelsea", 50, 90),
    "dust": ("chelsea", 30, 120),
    "sensor": ("gravel", 40, 40),
}
SIDE = 90
SHOWN = ("photograph", "damaged", "pnncupy", "biharmonic", "OpenCV TELEA")
ENLARGED = 2
LINE_HEIGHT = 13
TEXT = (
    "Patches of an image know nothing of objects: they know what is beside what. A page of thin "
    "text leaves a few pixels between its strokes, and what was below is found elsewhere. "
)


def measure(threads: int) -> list[dict[str, Any]]:
    from pnncupy.samples import load_sample

    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    fills.pnncupy(load_sample("gravel"), scratch((192, 192)), threads=threads)  # compiles
    for defect, draw in DEFECTS.items():
        for photograph in PHOTOGRAPHS:
            image = load_sample(photograph)
            mask = draw(image.shape[:2])
            made = list(fills.filled(fill_methods(threads), image, mask, skipped))
            rows += [row_of(defect, photograph, image, mask, *each) for each in made]
            if FIGURES[defect][0] == photograph:
                write_figure(defect, image, mask, {name: result for name, result, _ in made})
    return [*rows, *({"skipped": name, "because": why} for name, why in skipped.items())]


def fill_methods(threads: int) -> dict[str, fills.Fill]:
    def as_missing(image: Any, mask: Any) -> Any:
        """The hole as NaN; whole numbers again afterwards."""
        values = image.astype(np.float32)
        values[mask] = np.nan
        made = fills.pnncupy(values, "nodata", threads=threads, data_range=(0, 255))
        return np.clip(np.rint(made), 0, 255).astype(np.uint8)

    return {
        "pnncupy": as_missing,
        "pnncupy, patch_size=5": lambda image, mask: fills.pnncupy(
            image, mask, threads=threads, patch_size=5
        ),
        "biharmonic": fills.biharmonic,
        "OpenCV NS": fills.opencv_ns,
        "OpenCV TELEA": fills.opencv_telea,
    }


def row_of(
    defect: str, photograph: str, image: Any, mask: Any, method: str, made: Any, seconds: float
) -> dict[str, Any]:
    """PSNR in the hole; grain there and steps across its border, over those of the truth."""
    energies = [fills.laplacian_energy(each, mask) for each in (made, image)]
    steps = [fills.seam_step(each, mask) for each in (made, image)]
    return {
        "defect": defect, "photograph": photograph, "share": round(float(mask.mean()), 3),
        "method": method, "psnr": round(fills.psnr(image, made, mask), 2),
        "grain": round(energies[0] / energies[1], 2), "seam": round(steps[0] / steps[1], 2),
        "seconds": round(seconds, 2),
    }  # fmt: skip


def scratch(shape: tuple[int, int]) -> Any:
    """Two bent scratches of three pixels from side to side."""
    height, width = shape
    row, column = np.mgrid[:height, :width]
    bends = (
        0.2 * height + 0.3 * column + 4 * np.sin(column / 15),
        0.9 * height - 0.5 * column + 5 * np.sin(column / 22),
    )
    slopes = (0.3 + 4 / 15 * np.cos(column / 15), -0.5 + 5 / 22 * np.cos(column / 22))
    # 1.5 pixels to both sides, measured across the scratch.
    return np.any(
        [np.abs(row - bend) <= 1.5 * np.hypot(1, slope)
         for bend, slope in zip(bends, slopes, strict=True)], axis=0,
    )  # fmt: skip


def text(shape: tuple[int, int]) -> Any:
    """A page of text in Pillow's own font, with the soft edges of its letters."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", shape[::-1])
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    words = iter((TEXT * 20).split())
    for top in range(2, shape[0] - LINE_HEIGHT, LINE_HEIGHT):
        line = next(words)
        while draw.textlength(f"{line} {(word := next(words))}", font) < shape[1] - 6:
            line += f" {word}"
        draw.text((3, top), line, 255, font)
    return np.asarray(page) > 16


def dust(shape: tuple[int, int]) -> Any:
    """Sixty specks with radii of 1 to 4 pixels."""
    rng = np.random.default_rng(1)
    row, column = np.ogrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for _ in range(60):
        centre, radius = rng.uniform(0, shape), rng.uniform(1, 4)
        mask |= (row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2
    return mask


def sensor(shape: tuple[int, int]) -> Any:
    """One pixel in a hundred, three dead columns and two dead rows, one of each two pixels wide."""
    mask = np.random.default_rng(2).random(shape) < 0.01
    mask[:, [50, 90, 120, 121]] = True
    mask[[70, 110, 111]] = True
    return mask


DEFECTS: dict[str, Callable[[tuple[int, int]], Any]] = {
    "scratch": scratch, "text": text, "dust": dust, "sensor": sensor,
}  # fmt: skip


def write_figure(defect: str, image: Any, mask: Any, made: dict[str, Any]) -> None:
    """A part of the photograph, of the damaged one and of results, enlarged."""
    from pnncupy.io import write_image

    _, top, left = FIGURES[defect]
    part = slice(top, top + SIDE), slice(left, left + SIDE)
    damaged = image.copy()
    damaged[mask] = 0 if defect == "sensor" else 255
    shown = {"photograph": image, "damaged": damaged, **made}
    parts = {name: each[part] for name, each in shown.items() if name in SHOWN}
    FOLDER.mkdir(exist_ok=True)
    sheet = fills.labelled_sheet(parts, columns=5, enlarged=ENLARGED)
    write_image(FOLDER / f"defects_{defect}.png", sheet, overwrite=True)


def report(results: list[dict[str, Any]]) -> str:
    """Means over the photographs, and all rows, as Markdown tables."""
    rows = [row for row in results if "defect" in row]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| defect | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for defect in DEFECTS:
        cells = [mean_of(rows, defect, method) for method in methods]
        lines.append(f"| {defect} | {' | '.join(cells)} |")
    names = ("defect", "photograph", "share", "method", "psnr", "grain", "seam", "seconds")
    lines += [
        "",
        "Means over the photographs: PSNR in the hole in dB / grain / seam. Grain is the mean "
        "squared Laplacian in the hole, seam the mean absolute step across its border, both over "
        "those of the undamaged photograph.",
        "",
        f"| {' | '.join(names)} |",
        "|---" * len(names) + "|",
        *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows),
        *(f"\nNot measured: {row['skipped']}, {row['because']}" for row in results
          if "skipped" in row),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def mean_of(rows: list[dict[str, Any]], defect: str, method: str) -> str:
    chosen = [row for row in rows if (row["defect"], row["method"]) == (defect, method)]
    psnr, grain, seam = (
        statistics.fmean(row[name] for row in chosen) for name in ("psnr", "grain", "seam")
    )
    return f"{psnr:.1f} / {grain:.2f} / {seam:.2f}"
