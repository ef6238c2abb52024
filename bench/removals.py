"""Objects removed from six photographs, by pnncupy and by others, to be looked at.

`python -m bench removals --output FOLDER` writes one labelled sheet a removal, and measures grain,
seam and seconds; there is no truth to compare with. The third photograph is one of the authors'
and needs `--images FOLDER` with balloons_in_blue.png and balloons_hole_mask.png.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import fills, peel

OPTIONS = ("images", "output")  # what the command line passes to `measure`
LONGEST = 250
# Pixels around the hole that are shown.
MARGIN = 24

Removal = tuple[Any, Any]


def measure(
    threads: int, images: Path | None = None, output: Path | None = None
) -> list[dict[str, Any]]:
    if output is None:
        raise SystemExit("--output must name a folder for the sheets")
    output.mkdir(parents=True, exist_ok=True)
    methods = fill_methods(threads)
    methods["pnncupy"](*disc())  # compiles
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name, removal in removals(images).items():
        image, mask = removal()
        rows += measured(name, image, mask, methods, output, skipped)
    return [*rows, *({"skipped": name, "because": why} for name, why in skipped.items())]


def fill_methods(threads: int) -> dict[str, fills.Fill]:
    """All methods by name, ours first."""
    return {
        "pnncupy": lambda image, mask: fills.pnncupy(image, mask, threads=threads),
        "pnncupy, peeled start": lambda image, mask: peel.peeled(image, mask, threads),
        "OpenCV NS": fills.opencv_ns,
        "OpenCV TELEA": fills.opencv_telea,
        "biharmonic": fills.biharmonic,
        "gmic matchpatch": fills.gmic_matchpatch,
        "gmic inpaint": fills.gmic_inpaint,
        "xphoto SHIFTMAP": fills.xphoto_shiftmap,
        "xphoto FSR": fills.xphoto_fsr,
        "pypatchmatch": fills.pypatchmatch,
        "patchmatch-cython": fills.patchmatch_cython,
    }


def measured(
    name: str, image: Any, mask: Any, methods: dict[str, fills.Fill], output: Path,
    skipped: dict[str, str],
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each method, and a sheet of all of them."""
    from pnncupy.io import write_image

    marked = image.copy()
    marked[mask] = 255 if image.ndim == 2 else (255, 0, 255)
    part = around(mask)
    shown = {"source": image[part], "mask": marked[part]}
    rows = []
    for method, made, seconds in fills.filled(methods, image, mask, skipped):
        shown[method] = made[part]
        rows.append(
            {
                "removal": name, "method": method, "grain": round(fills.grain(made, mask), 2),
                "seam": round(fills.seam(made, mask), 2), "seconds": round(seconds, 2),
            }
        )  # fmt: skip
    sheet = fills.labelled_sheet(shown, columns=4, enlarged=2)
    write_image(output / f"{name}.png", sheet, overwrite=True)
    return rows


def around(mask: Any) -> tuple[slice, slice]:
    """The rows and columns of a hole, with a margin."""
    parts = []
    for axis in (1, 0):
        found = np.flatnonzero(mask.any(axis=axis))
        parts.append(slice(max(0, found[0] - MARGIN), found[-1] + 1 + MARGIN))
    return parts[0], parts[1]


def removals(images: Path | None) -> dict[str, Callable[[], Removal]]:
    """Photograph and hole of each removal."""
    found: dict[str, Callable[[], Removal]] = {"rocket": rocket, "eye": eye}
    if images is not None:
        found["ball"] = lambda: ball(images)
    return found | {"spoon": spoon, "tripod": tripod, "disc": disc}


def rocket() -> Removal:
    """The rocket itself, without its pad."""
    from pnncupy.samples import load_sample

    image = load_sample("rocket")
    return image, polygon(image, [(44, 118), (44, 134), (156, 136), (156, 116)])


def eye() -> Removal:
    """An eye of the cat."""
    from pnncupy.samples import load_sample

    image = load_sample("chelsea")
    return image, ellipse(image, (74, 174), (20, 19))


def ball(images: Path) -> Removal:
    """The authors' hole in the grass, and the nearest ball."""
    from pnncupy.io import read_image

    image = read_image(images / "balloons_in_blue.png")[..., :3]
    mask = np.atleast_3d(read_image(images / "balloons_hole_mask.png"))[..., 0] > 127
    return image, mask | ellipse(image, (187, 66), (27, 44))


def spoon() -> Removal:
    """The spoon on the saucer."""
    image = smaller("coffee")
    return image, ellipse(image, (116, 152), (23, 20))


def tripod() -> Removal:
    """The legs of the camera's tripod, and the grass between them."""
    image = smaller("camera")
    return image, polygon(image, [(116, 139), (116, 150), (148, 167), (250, 207), (250, 108)])


def disc() -> Removal:
    """A black disc on bricks."""
    image = smaller("brick")
    return image, ellipse(image, (125, 120), (30, 30))


def smaller(name: str) -> Any:
    """One of scikit-image's photographs, with a longest side of `LONGEST`."""
    from skimage import data

    import pnncupy as pnn

    image = getattr(data, name)()
    made = pnn.resize(image.astype(np.float64), LONGEST / max(image.shape[:2]))
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def ellipse(image: Any, centre: tuple[int, int], radii: tuple[int, int]) -> Any:
    row, column = np.ogrid[: image.shape[0], : image.shape[1]]
    return ((row - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2 <= 1


def polygon(image: Any, corners: list[tuple[int, int]]) -> Any:
    """Pixels whose centres are inside of (row, column) corners."""
    row, column = np.mgrid[: image.shape[0], : image.shape[1]]
    inside = np.zeros(image.shape[:2], bool)
    for (top, left), (bottom, right) in zip(corners, corners[1:] + corners[:1], strict=True):
        if top != bottom:
            crossing = left + (row - top) * (right - left) / (bottom - top)
            inside ^= ((top > row) != (bottom > row)) & (column < crossing)
    return inside
