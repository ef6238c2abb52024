"""Volumes from one image: time, and how much of the image's statistics they keep.

`python -m bench solid`. Images are made here, with two phases of 128 x 128 pixels each:

- field: where a smoothed Gaussian field is above a level, 0.35 of the pixels, features of 8 pixels;
- spheres: a section through spheres of radius 9 that do not overlap;
- channels: where a smoothed field is near its median: thin, connected walls.

The slices of each volume are saved as a contact sheet in out/, to be looked at. MCRpy
(Seibert et al. 2022, doi:10.1007/s40192-022-00273-4) runs beside where it is installed.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIDE, VOXELS, REACH = 128, 96, 32
SHEETS = Path("out")
PICTURE = Path(__file__).parent / "pictures" / "volume.png"


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn

    pnn.grow_volume(field(), (24,) * 3, rng=0, threads=threads)  # loads the kernels
    rows = []
    for make in (field, spheres, channels):
        image = make()
        start, before = time.perf_counter(), time.process_time()
        volume = pnn.grow_volume(image, (VOXELS,) * 3, rng=0, threads=threads)
        row = {
            "structure": make.__name__,
            "seconds": round(time.perf_counter() - start, 1),
            "cpu_seconds": round(time.process_time() - before, 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **statistics_of(volume, image),
        }
        save_sheet(SHEETS / f"solid-{make.__name__}.png", volume, image)
        if make is field:
            save_sheet(PICTURE, volume, image, places=(24, 48), axes=(0, 2))
        rows.append(row)
        print(row, flush=True)
    rows.append({"structure": "MCRpy", "outcome": rival()})
    return rows


def field(seed: int = 0, share: float = 0.35, size: float = 8) -> Any:
    """The upper part of a smoothed Gaussian field."""
    values = _smooth(seed, size)
    return values > np.quantile(values, 1 - share)


def channels(seed: int = 2, share: float = 0.35, size: float = 12) -> Any:
    """The values of a smoothed field that are nearest to its median."""
    values = np.abs(_smooth(seed, size))
    return values < np.quantile(values, share)


def spheres(seed: int = 1, radius: float = 9, share: float = 0.3) -> Any:
    """A section through random spheres that do not overlap."""
    random = np.random.default_rng(seed)
    depth = 4 * radius
    most = round(share * SIDE * SIDE * depth / (4 / 3 * np.pi * radius**3))
    centres: list[Any] = []
    for _ in range(200_000):
        centre = random.random(3) * (depth, SIDE, SIDE)
        if all(np.sum((centre - other) ** 2) > (2 * radius) ** 2 for other in centres):
            centres.append(centre)
        if len(centres) == most:
            break
    rows, columns = np.indices((SIDE, SIDE))
    image = np.zeros((SIDE, SIDE), bool)
    for z, y, x in centres:
        image |= (z - depth / 2) ** 2 + (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    return image


def _smooth(seed: int, size: float) -> Any:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    values = gaussian_filter(noise, size / 2.5, mode="wrap")
    return values - np.median(values)


def pair_probability(phase: Any, axis: int) -> Any:
    """S2 along an axis at 0 to `REACH` pixels."""
    line = np.moveaxis(phase, axis, -1).astype(np.float64)
    count = line.shape[-1]
    return np.array([(line[..., : count - k] * line[..., k:]).mean() for k in range(REACH + 1)])


def statistics_of(volume: Any, image: Any) -> dict[str, Any]:
    """Phase fraction, S2 and specific surface of a volume beside those of its image."""
    curves = [pair_probability(image, axis) for axis in (0, 1)]
    expected = (curves[0] + curves[1]) / 2
    found = [pair_probability(volume, axis) for axis in range(3)]
    rms = [float(np.sqrt(((curve - expected) ** 2).mean())) for curve in found]
    # The slope of S2 at 0 is proportional to the specific surface.
    surface = [float((curve[0] - curve[1]) / (expected[0] - expected[1])) for curve in found]
    return {
        "phase_error": round(float(volume.mean() - image.mean()), 5),
        "s2_rms": [round(value, 4) for value in rms],
        "s2_rms_of_rows_and_columns": round(
            float(np.sqrt(((curves[0] - curves[1]) ** 2).mean())), 4
        ),
        "surface_ratio": [round(value, 3) for value in surface],
    }


def save_sheet(
    file: Path, volume: Any, image: Any, places: tuple[int, ...] = (2, 24, 48, 80),
    axes: tuple[int, ...] = (0, 1, 2),
) -> None:  # fmt: skip
    """The image, then slices perpendicular to each axis, a row each."""
    from pnncupy.io import write_image

    rows = [
        np.concatenate([_framed(np.take(volume, place, axis=axis)) for place in places], axis=1)
        for axis in axes
    ]
    sheet = np.concatenate(rows, axis=0)
    first = np.full((len(sheet), SIDE + 4), 128, np.uint8)
    first[: SIDE + 4] = _framed(image)
    sheet = np.kron(np.concatenate([first, sheet], axis=1), np.ones((2, 2), np.uint8))
    file.parent.mkdir(exist_ok=True)
    write_image(file, sheet, overwrite=True)


def _framed(phase: Any) -> Any:
    return np.pad(phase * np.uint8(255), 2, constant_values=128)


# MCRpy 0.2 calls a function that NumPy 2 has no more. Arguments: image, side, iterations, result.
_MCRPY = """
import sys
import numpy as np
np.product = np.prod
import mcrpy
common = dict(descriptor_types=["Correlations"], limit_to=16, periodic=False)
image = mcrpy.Microstructure(np.load(sys.argv[1]).astype(np.int8))
found = mcrpy.characterize(image, mcrpy.CharacterizationSettings(**common, use_multiphase=False))
settings = mcrpy.ReconstructionSettings(
    **common, use_multiphase=False, max_iter=int(sys.argv[3]), use_multigrid_reconstruction=True
)
made = mcrpy.reconstruct(found, (int(sys.argv[2]),) * 3, settings=settings)[1]
np.save(sys.argv[4], made.decode_phases())
"""


def rival(side: int = 48, iterations: int = 50) -> str:
    """Measures of what MCRpy makes of the field, or why there are none.

    The environment variable MCRPY_PYTHON names the interpreter of an environment that has it.
    """
    python = os.environ.get("MCRPY_PYTHON", sys.executable)
    known = subprocess.run([python, "-c", "import mcrpy"], capture_output=True)
    if known.returncode:
        return "not installed"
    image = field()
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "image.npy", Path(folder) / "volume.npy"
        np.save(given, image)
        start = time.perf_counter()
        subprocess.run(
            [python, "-c", _MCRPY, given, str(side), str(iterations), made], cwd=folder,
            check=True, capture_output=True,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        volume = np.load(made)
    found = statistics_of(volume > 0.5, image)
    return f"{side} voxels a side, {iterations} iterations: {seconds:.0f} s, {found}"
