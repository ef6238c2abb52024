"""How good samples are: variety, sharpness, near-copies, and likeness to the source; and holes.

`python -m bench quality --images FOLDER` measures the bundled photographs and all pictures of a
folder, such as a copy of Places50 or SIGD16, and writes a table beside the JSON file. If the folder
has a folder `real`, its pictures are the sources, and the pictures of the same names in the other
folders, which other programs have made from them, are measured beside.
"""

import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OPTIONS = ("images", "samples", "noise_std")  # what the command line passes to `measure`
BUNDLED = "bundled photographs"
SCALES = 3
# Share of the pixels of one translation from which on a sample is a copy.
LARGEST_TRANSLATION = 0.6

# (method, diversity, SIFID) as Granot et al. 2022 give them, 50 samples of each picture.
PUBLISHED = (
    ("GPNN", 0.35, 0.030), ("GPNN", 0.47, 0.077), ("SinGAN", 0.35, 0.051), ("SinGAN", 0.50, 0.085),
)  # fmt: skip
CAVEAT = "published, Places50, other pictures and other weights"
AVERAGED = (
    "diversity", "sharpness_ratio", "near_copies", "moved_copies", "sifid", "coherence",
    "completeness", "grain", "seam", "seam_of_source", "seconds_per_picture",
)  # fmt: skip
REAL = "real"


def measure(
    threads: int, images: Path | None = None, samples: int = 50, noise_std: float = 0.75
) -> list[dict[str, Any]]:
    if samples < 2:
        raise SystemExit(f"--samples must be at least 2, got {samples}: diversity compares samples")
    if not 0 <= noise_std < math.inf:
        raise SystemExit(f"--noise-std must be a finite number of at least 0, got {noise_std}")
    paired = images is not None and (images / REAL).is_dir()
    files = [] if images is None else picture_files(images / REAL if paired else images)
    compile_kernels(threads)
    rows = measured(bundled(), BUNDLED, samples, noise_std, threads)
    if images is not None:
        of_folder = measured(readable(files), images.resolve().name, samples, noise_std, threads)
        if not of_folder:
            raise SystemExit(f"--images {images}: no picture could be measured, see above")
        rows += of_folder
        if paired:
            rows += of_others(images, files)
    return rows


def picture_files(folder: Path) -> list[Path]:
    """The files of a folder that should be pictures."""
    from pnncupy.io.writing import SUFFIXES

    if not folder.is_dir():
        raise SystemExit(f"--images {folder}: there is no such folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"--images {folder}: no pictures in it ({', '.join(SUFFIXES)})")
    return files


def of_others(folder: Path, files: list[Path]) -> list[dict[str, Any]]:
    """A row for each folder of pictures that others have made, one from each source."""
    sources = dict(readable(files))
    by_stem = {Path(name).stem: source for name, source in sources.items()}
    rows = []
    for made in sorted(path for path in folder.rglob("*") if path.is_dir()):
        found = [file for file in sorted(made.iterdir()) if file.stem in by_stem and file.is_file()]
        if made.name == REAL or not found:
            continue
        pairs = [(by_stem[Path(name).stem], image) for name, image in readable(found)]
        name = str(made.relative_to(folder))
        rows.append({"picture": name, "group": "made by others", **of_pairs(pairs)})
        say(f"{name}: {len(pairs)} pictures")
    return rows


def of_pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """What is measured on one picture of each source, whose way of making is not known."""
    from pnncupy import metrics

    fitting = [(source, made) for source, made in pairs if source.shape == made.shape]
    distances = [metrics.patch_swd(*pair, scales=SCALES) for pair in fitting]
    return {
        "samples": len(fitting),
        "sharpness_ratio": round(statistics.fmean(metrics.sharpness_ratio(*p) for p in fitting), 4),
        "near_copies": round(
            statistics.fmean(metrics.near_copy(*pair).is_copy for pair in fitting), 4
        ),
        "patch_swd": means(distances),
        **spread(statistics.fmean(each) for each in distances),
    }


def spread(distances: Iterable[float]) -> dict[str, float]:
    """The median, the 90th percentile and the worst of distances."""
    import numpy as np

    values = sorted(distances)
    return {
        "swd_median": round(float(np.median(values)), 5),
        "swd_p90": round(float(np.quantile(values, 0.9)), 5),
        "swd_worst": round(values[-1], 5),
    }


def compile_kernels(threads: int) -> None:
    """So that the first picture does not pay for it."""
    import pnncupy as pnn
    from pnncupy.samples import load_sample

    for name in ("gravel", "rocket"):
        pnn.generate(load_sample(name)[:64, :64], rng=0, threads=threads)


def bundled() -> Iterator[tuple[str, Any]]:
    from pnncupy.samples import CREDITS, load_sample

    for name in CREDITS:
        yield name, load_sample(name)


def readable(files: list[Path]) -> Iterator[tuple[str, Any]]:
    """Names and pictures of the files that can be read; others are named."""
    from pnncupy.io.sources import read_source

    for file in files:
        try:
            yield file.name, read_source(file).pixels
        except (OSError, ValueError) as error:
            say(f"skipped: {error}")


def measured(
    pictures: Iterator[tuple[str, Any]], group: str, samples: int, noise_std: float, threads: int
) -> list[dict[str, Any]]:
    """A row for each picture that can be measured, and their mean."""
    rows = []
    for name, source in pictures:
        try:
            row = qualities(source, samples, noise_std, threads)
        except ValueError as error:  # such as a picture that is constant, or too small
            say(f"skipped {name}: {error}")
            continue
        say(f"{name}: {samples} samples, {row['seconds_per_picture']} s each")
        rows.append({"picture": name, "group": group, **row})
    return [*rows, mean_of(rows, group)] if len(rows) > 1 else rows


def qualities(source: Any, samples: int, noise_std: float, threads: int) -> dict[str, Any]:
    """What is measured on samples of one picture with default settings."""
    import pnncupy as pnn
    from pnncupy import metrics

    start = time.perf_counter()
    made, index, info = pnn.generate(
        source, samples, rng=0, noise_std=noise_std, distinct=True, threads=threads,
        return_index=True, return_info=True,
    )  # fmt: skip
    seconds = (time.perf_counter() - start) / samples
    moved = [metrics.translation_share(each) > LARGEST_TRANSLATION for each in index]

    def mean(measure: Any, **options: Any) -> float:
        return statistics.fmean(measure(source, sample, **options) for sample in made)

    distances = [metrics.patch_swd(source, sample, scales=SCALES) for sample in made]
    sifid, why_not = mean_sifid(source, made)
    return {
        "shape": list(source.shape),
        "samples": samples,
        "noise_std": noise_std,
        "diversity": round(metrics.diversity(source, made), 4),
        "sharpness_ratio": round(mean(metrics.sharpness_ratio), 4),
        "near_copies": round(mean(lambda *pair: metrics.near_copy(*pair).is_copy), 4),
        "moved_copies": round(statistics.fmean(moved), 4),
        "made_again": sum("remade" in sample for sample in info["samples"]),
        "independent": info["independent"],
        "patch_swd": means(distances),
        **spread(statistics.fmean(each) for each in distances),
        "sifid": sifid,
        "sifid_missing": why_not,
        "coherence": round(mean(metrics.coherence, threads=threads), 6),
        "completeness": round(mean(metrics.completeness, threads=threads), 6),
        **of_hole(source, threads),
        "seconds_per_picture": round(seconds, 2),
    }


def of_hole(source: Any, threads: int) -> dict[str, float]:
    """Grain and seam of a filled hole in the middle, 15 % of the picture."""
    import pnncupy as pnn
    from bench.hole_measures import grain, rectangle, seam

    hole = rectangle(source.shape)
    filled = pnn.inpaint(source, hole, fill="mean", rng=0, threads=threads)
    return {
        "grain": round(grain(filled, hole), 4),
        "seam": round(seam(filled, hole), 4),
        "seam_of_source": round(seam(source, hole), 4),
    }


def means(lists: list[Any]) -> list[float]:
    return [round(statistics.fmean(values), 5) for values in zip(*lists, strict=True)]


def mean_sifid(source: Any, made: Any) -> tuple[float | None, str | None]:
    """The mean over samples, or why there is none."""
    from pnncupy import metrics
    from pnncupy.images import intensity_encoding, planes

    try:
        limits = intensity_encoding.value_range([planes.as_planes("source", source)], None)
        features = metrics.inception_features(data_range=limits)
        values = [metrics.sifid(source, sample, features) for sample in made]
    except (ImportError, FileNotFoundError, ValueError) as error:
        return None, str(error).replace(str(Path.home()), "~")
    return round(statistics.fmean(values), 5), None


def mean_of(rows: list[dict[str, Any]], group: str) -> dict[str, Any]:
    """The mean over pictures; None where one of them has no value."""
    mean: dict[str, Any] = {
        "picture": f"mean of {len(rows)}", "group": group, "samples": rows[0]["samples"],
        "noise_std": rows[0]["noise_std"], "patch_swd": means([row["patch_swd"] for row in rows]),
    }  # fmt: skip
    for name in AVERAGED:
        values = [row[name] for row in rows]
        mean[name] = None if None in values else round(statistics.fmean(values), 6)
    mean |= spread(statistics.fmean(row["patch_swd"]) for row in rows)
    mean["grain_median"] = round(statistics.median(row["grain"] for row in rows), 4)
    return mean


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report(results: list[dict[str, Any]]) -> str:
    """The results and the published figures as a Markdown table."""
    from pnncupy.metrics import NEAR_COPY_DECIBELS

    first = results[0]
    lines = [
        f"`pnncupy.generate` with `distinct=True`, `rng=0`: {first['samples']} samples of each"
        f" picture at `noise_std` {first['noise_std']}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(line_of(row) for row in results),
        *(
            f"| {method} ({CAVEAT}) | | {diversity:.2f} | | | | | {sifid:.3f} |{' |' * 4}"
            for method, diversity, sifid in PUBLISHED
        ),
        "",
        "Diversity: standard deviation over the samples, in units of the source's. Sharpness: mean "
        "squared Laplacian, in units of the source's. Near-copies: share of the samples whose PSNR "
        f"to the source is above {NEAR_COPY_DECIBELS:g} dB, at the best shift. Moved copies: share "
        f"of those of which one translation covers more than {LARGEST_TRANSLATION:g}. Patch SWD: "
        f"distance of the distributions of 7 x 7 patches, the mean over {SCALES} scales from full "
        "size; median, 90th percentile and worst of the samples, or of the pictures' means. "
        "Coherence and completeness: mean squared distance of a sample's patches to the nearest of "
        "the source, and the other way round. Grain: root mean squared Laplacian in a filled hole "
        "of 15 % over that around it. Seam: mean step across the hole's border over that near it, "
        "and in brackets in the source itself. The others are means over the samples; distances "
        "are in units of the value range, squared where they are squares. SIFID is computed with "
        "torchvision's weights, and is not comparable with the published figures.",
        *dict.fromkeys(
            f"\nNo SIFID: {row['sifid_missing']}" for row in results if row.get("sifid_missing")
        ),
    ]
    return "\n".join(lines) + "\n"


COLUMNS = (
    "pictures", "size", "diversity", "sharpness", "near-copies", "moved copies",
    "patch SWD: median, 90 %, worst", "SIFID", "coherence", "completeness", "grain, seam",
    "seconds a sample",
)  # fmt: skip


def line_of(row: dict[str, Any]) -> str:
    is_one = "shape" in row
    name = row["picture"] if is_one else f"**{row['picture']}, {row['group']}**"

    def cell(key: str, form: str) -> str:
        return "" if row.get(key) is None else format(row[key], form)

    hole = ""
    if "grain" in row:
        hole = f"{row['grain']:.2f}, {row['seam']:.2f} ({row['seam_of_source']:.2f})"
    cells = [
        name.replace("|", "-"),
        " x ".join(map(str, row["shape"])) if is_one else "",
        cell("diversity", ".2f"),
        cell("sharpness_ratio", ".3f"),
        cell("near_copies", ".0%"),
        cell("moved_copies", ".0%"),
        ", ".join(f"{row[key]:.4f}" for key in ("swd_median", "swd_p90", "swd_worst")),
        cell("sifid", ".3f") or "not measured",
        cell("coherence", ".5f"),
        cell("completeness", ".5f"),
        hole,
        cell("seconds_per_picture", ".2g"),
    ]
    return f"| {' | '.join(cells)} |"
