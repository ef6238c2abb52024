"""Nearest patches beside diffusion: `python -m bench samplers --images FOLDER --samples 3`.

Samples of the bundled photographs, or of the pictures of a folder (of its folder `real`, if it has
one), reduced to a longer side of 128 pixels. One row for each sampler with means over the pictures;
`swd` is `metrics.patch_swd`, and `copies` the share of samples that `metrics.near_copy` calls so.
"""

import statistics
import time
from pathlib import Path
from typing import Any

from bench.cross_validation import save_small
from bench.quality import REAL, SCALES, bundled, picture_files, readable, say, spread

OPTIONS = ("images", "samples")
COLUMNS = (
    "sampler", "pictures", "samples", "diversity", "sharpness", "sharpness_p10", "swd_median",
    "swd_p90", "copies", "pictures_copied", "seconds",
)  # fmt: skip
SIDE = 128
PICTURE = Path(__file__).parent / "pictures" / "samplers.png"
PICTURE_OF_TASKS = PICTURE.with_name("samplers-tasks.png")
SAMPLERS: dict[str, dict[str, Any]] = {
    "patches": {},
    "patches, vote_width=0.4": {"vote_width": 0.4},
    "patches, high variety": {"variety": "high"},
    "patches, high variety, vote_width=0.2": {"variety": "high", "vote_width": 0.2},
    "diffusion": {"sampler": "diffusion"},
}


def measure(threads: int, images: Path | None = None, samples: int = 3) -> list[dict[str, Any]]:
    samples = min(samples, 10)
    pictures = list(bundled()) if images is None else list(readable(_files(images)))
    write_picture(threads)
    write_picture_of_tasks(threads)
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in SAMPLERS}
    for number, (name, picture) in enumerate(pictures):
        source = reduced(picture)
        for sampler, options in SAMPLERS.items():
            measured[sampler].append(qualities(source, samples, options, threads))
        say(f"{number + 1} of {len(pictures)}: {name}")
    return [row_of(name, rows, samples) for name, rows in measured.items()]


def _files(folder: Path) -> list[Path]:
    return picture_files(folder / REAL if (folder / REAL).is_dir() else folder)


def reduced(picture: Any) -> Any:
    """A picture with a longer side of at most `SIDE` pixels, in its dtype."""
    import numpy as np

    import pnncupy as pnn

    longer = max(picture.shape[:2])
    if longer <= SIDE:
        return picture
    resized = pnn.resize(picture, SIDE / longer)
    if picture.dtype.kind != "u":
        return resized
    return np.clip(np.rint(resized), 0, np.iinfo(picture.dtype).max).astype(picture.dtype)


def qualities(source: Any, samples: int, options: dict[str, Any], threads: int) -> dict[str, Any]:
    """What is measured on samples of one picture."""
    import pnncupy as pnn
    from pnncupy import metrics

    start = time.perf_counter()
    made = pnn.generate(source, samples, rng=0, threads=threads, **options)
    seconds = (time.perf_counter() - start) / samples
    return {
        "diversity": metrics.diversity(source, made),
        "sharpness": statistics.fmean(metrics.sharpness_ratio(source, each) for each in made),
        "swd": [statistics.fmean(metrics.patch_swd(source, each, scales=SCALES)) for each in made],
        "copies": statistics.fmean(metrics.near_copy(source, each).is_copy for each in made),
        "seconds": seconds,
    }


def row_of(name: str, rows: list[dict[str, Any]], samples: int) -> dict[str, Any]:
    """A row of the table: means over pictures."""
    import numpy as np

    def mean(what: str) -> float:
        return round(statistics.fmean(row[what] for row in rows), 3)

    distances = spread(distance for row in rows for distance in row["swd"])
    return {
        "sampler": name, "pictures": len(rows), "samples": samples,
        "diversity": mean("diversity"), "sharpness": mean("sharpness"),
        "sharpness_p10": round(float(np.quantile([row["sharpness"] for row in rows], 0.1)), 3),
        "swd_median": distances["swd_median"], "swd_p90": distances["swd_p90"],
        "copies": mean("copies"), "pictures_copied": sum(row["copies"] > 0 for row in rows),
        "seconds": mean("seconds"),
    }  # fmt: skip


def write_picture(threads: int) -> None:
    """The bundled photographs, and two samples of each sampler."""
    from matplotlib.figure import Figure

    import pnncupy as pnn

    shown = ("patches", "diffusion")
    pictures = list(bundled())
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(len(pictures), 5)
    for line, (name, picture) in zip(axes, pictures, strict=True):
        source = reduced(picture)
        panels = [(name, source)]
        for sampler in shown:
            made = pnn.generate(source, 2, rng=0, threads=threads, **SAMPLERS[sampler])
            panels += [(sampler, each) for each in made]
        for axis, (title, image) in zip(line, panels, strict=True):
            axis.set_title(title, fontsize=9)
            axis.set(xticks=[], yticks=[])
            axis.imshow(image, cmap="gray", interpolation="nearest")
    save_small(figure, PICTURE, dpi=90)


def write_picture_of_tasks(threads: int) -> None:
    """Three tasks on the bundled photographs, by nearest patches and by diffusion."""
    import numpy as np
    from matplotlib.figure import Figure

    import pnncupy as pnn

    photographs = {name: reduced(picture) for name, picture in bundled()}
    cat, rocket = photographs["chelsea"], photographs["rocket"]
    hole = np.zeros(cat.shape[:2], bool)
    hole[48:70, 24:50] = True
    moved = rocket.copy()
    moved[:, 8:40] = rocket[:, 48:80]
    calls: dict[str, tuple[Any, Any]] = {
        "retarget": (rocket, lambda **how: pnn.retarget(rocket, (len(rocket), 190), **how)),
        "inpaint": (
            np.where(hole[..., None], np.uint8(255), cat),
            lambda **how: pnn.inpaint(cat, hole, fill="smooth", **how),
        ),
        "edit": (moved, lambda **how: pnn.edit(rocket, moved, **how)),
    }
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    for line, (name, (given, call)) in zip(
        figure.subplots(len(calls), 3), calls.items(), strict=True
    ):
        made = [call(threads=threads), call(sampler="diffusion", rng=0, threads=threads)]
        titles = (name, "patches", "diffusion")
        for axis, title, image in zip(line, titles, [given, *made], strict=True):
            axis.set_title(title, fontsize=9)
            axis.set(xticks=[], yticks=[])
            axis.imshow(image, interpolation="nearest")
    save_small(figure, PICTURE_OF_TASKS, dpi=90)


def report(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"
