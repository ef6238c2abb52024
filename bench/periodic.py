"""Seams of results that wrap around: `python -m bench periodic`.

A seam's gradient is the mean absolute difference of the pixels on both sides of the border, over
the largest such mean of two neighbouring rows (or columns) inside: up to 1 it is no seam. The
sharpness is that of a result with both axes periodic over that of one with none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

SIZE = (80, 96)
METHODS = ("exact", "patchmatch")
COLUMNS = ("texture", "method", "both", "one", "free", "none", "sharpness")


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy.search.method

    exact_below = pnncupy.search.method.EXACT_BELOW
    pnncupy.search.method.EXACT_BELOW = 0  # images this small are searched exactly otherwise
    try:
        return [
            {"texture": name, "method": method, **seams(image, method, threads)}
            for name, image in textures()
            for method in METHODS
        ]
    finally:
        pnncupy.search.method.EXACT_BELOW = exact_below


def seams(image: Any, method: str, threads: int) -> dict[str, float]:
    """Seams with both axes periodic, one, the free one beside it, and none; of two the larger."""
    import pnncupy as pnn
    from pnncupy.metrics import sharpness_ratio

    made = [
        pnn.generate(image, rng=1, periodic=periodic, method=method, threads=threads)
        for periodic in (True, (True, False), False)
    ]
    both, (one, free), none = ([seam(each, axis) for axis in (0, 1)] for each in made)
    found = {"both": max(both), "one": one, "free": free, "none": max(none)}
    found["sharpness"] = float(sharpness_ratio(made[2], made[0]))
    return {name: round(value, 2) for name, value in found.items()}


def seam(image: Any, axis: int) -> float:
    """Gradient at the seam of an axis over the largest one inside."""
    values = np.moveaxis(image.astype(float), axis, 0)
    steps = np.abs(values - np.roll(values, 1, axis=0)).reshape(len(values), -1).mean(axis=1)
    return float(steps[0] / steps[1:].max())


def textures() -> Iterator[tuple[str, Any]]:
    """Ten textures, bundled or made here, and those of scikit-image where it is."""
    from pnncupy.samples import load_sample

    random = np.random.default_rng(0)
    rows, columns = (axis.astype(float) for axis in np.indices(SIZE))
    noise = random.normal(size=SIZE)
    yield "gravel", load_sample("gravel")[: SIZE[0], : SIZE[1]]
    yield "fur", load_sample("chelsea")[40 : 40 + SIZE[0], 100 : 100 + SIZE[1]]
    yield "blobs", grey(filtered(noise, 4, 4) > 0)
    yield "fibres", grey(filtered(noise, 1, 12))
    yield "clouds", grey(filtered(noise, 2, 2) + 3 * filtered(noise[::-1], 12, 12))
    yield "waves", grey(np.sin(0.31 * rows + 0.23 * columns) + 0.2 * noise)
    yield "weave", grey(np.sin(0.7 * rows) * np.sin(0.6 * columns) + 0.1 * noise)
    yield "grains", grains(random, rows, columns)
    yield "discs", discs(random, rows, columns)
    yield "slope", grey(rows + 0.7 * columns + 8 * filtered(noise, 2, 2))
    try:
        from skimage import data
    except ImportError:
        return
    for name in ("brick", "grass"):
        try:
            yield name, getattr(data, name)()[: SIZE[0], : SIZE[1]]
        except Exception:  # it has to be downloaded
            continue


def filtered(noise: Any, height: float, width: float) -> Any:
    """Noise with a standard deviation of 1, smooth over so many pixels."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(noise, (height, width), mode="reflect")
    return smooth / smooth.std()


def grains(random: Any, rows: Any, columns: Any) -> Any:
    """Cells of points, each of one grey value."""
    points = random.uniform((0, 0), SIZE, (60, 2))
    distances = (rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2
    return random.integers(0, 256, len(points)).astype(np.uint8)[distances.argmin(axis=-1)]


def discs(random: Any, rows: Any, columns: Any) -> Any:
    """Bright discs in a dark matrix."""
    image = np.full(SIZE, 40, np.uint8)
    for row, column in random.uniform((0, 0), SIZE, (40, 2)):
        image[(rows - row) ** 2 + (columns - column) ** 2 < 25] = 210
    return image


def grey(values: Any) -> Any:
    """Values as uint8."""
    low, high = values.min(), values.max()
    return np.round((values - float(low)) / (float(high) - float(low)) * 255).astype(np.uint8)


def report(rows: list[dict[str, Any]]) -> str:
    """The table of the notes."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"
