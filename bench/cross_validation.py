"""Cross-validation of realisations: `python -m bench cross-validation`.

Of three images, known pixels are hidden (single ones, blocks of 16 pixels, slanting stripes of 8),
simulated 39 times from the rest, and scored. Beside `simulate` and `inpaint` as they are,
realisations each of which knows another random quarter of the training image, with averaged and
with copied pixels. Brick and moon are of scikit-image; the terrain is a spectral one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

REALISATIONS = 39
SIDE = 112
# Name: (pattern, share, width).
PATTERNS = {"pixels": ("pixels", 0.02, 1), "blocks": ("blocks", 0.1, 16),
            "stripes": ("stripes", 0.1, 8)}  # fmt: skip
SHARE = 0.25
PICTURE = Path(__file__).parent / "pictures" / "cross_validation.png"
SHOWN = ("blocks", "quarters, copied")
COLUMNS = (
    "image", "pattern", "method", "pixels", "rmse", "bias", "spread", "crps", "coverage_50",
    "coverage_90",
)  # fmt: skip
Task = Callable[..., Any]


class Shown(NamedTuple):
    """Panels of one image: all but the first are known at hidden pixels only."""

    name: str
    image: Any
    hidden: Any
    realisations: list[Any]


def images() -> dict[str, Any]:
    """Three images of `SIDE` pixels, float32."""
    from skimage import data

    middle = (slice(200, 200 + SIDE), slice(200, 200 + SIDE))
    found = {name: getattr(data, name)()[middle].astype(np.float32) for name in ("brick", "moon")}
    return {**found, "terrain": terrain(SIDE, 3)}


def terrain(side: int, seed: int, slope: float = 3.2) -> Any:
    """Heights from 0 to 1000 whose power falls with the frequency to the power of `slope`."""
    random, wide = np.random.default_rng(seed), 2 * side
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(wide), np.fft.fftfreq(wide)))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(random.standard_normal((wide, wide))) * frequency ** (-slope / 2)
    heights = np.fft.ifft2(spectrum).real[:side, :side]
    return (1000 * (heights - heights.min()) / np.ptp(heights)).astype(np.float32)


def quarters(threads: int, **options: Any) -> Task:
    """Realisations of random parts of the training image, another one for each."""

    def simulated(training: Any, grid: Any, *, rng: Any) -> Any:
        import pnncupy as pnn

        return pnn.simulate(
            training, grid, training_share=SHARE, rng=rng, threads=threads, progress=False,
            **options,
        )  # fmt: skip

    return simulated


def methods(threads: int) -> dict[str, dict[str, Any]]:
    """Arguments of `cross_validate` for each method."""
    own = {"threads": threads}
    return {
        "simulate": {"options": own},
        "one level": {"options": {**own, "levels": 0, "patch_size": 5, "data_weight": 1.0}},
        "inpaint": {"task": "inpaint", "options": own},
        "quarters": {"task": quarters(threads)},
        "quarters, copied": {"task": quarters(threads, vote="copy")},
    }


def measure(threads: int) -> list[dict[str, Any]]:
    from pnncupy import metrics

    rows, shown = [], []
    for name, image in images().items():
        for label, (pattern, share, width) in PATTERNS.items():
            for method, arguments in methods(threads).items():
                kept: list[Any] = []
                if (label, method) == SHOWN:
                    arguments = {**arguments, "task": keeping(arguments["task"], kept)}
                found = metrics.cross_validate(
                    image, share, REALISATIONS, pattern=pattern, width=width, rng=0, **arguments
                )
                rows.append({"image": name, "pattern": label, "method": method, **plain(found)})
                print(method, end=" ", flush=True)
                if kept:
                    shown.append(Shown(name, image, found.hidden[0], kept))
    write_picture(shown)
    return rows


def keeping(task: Task, kept: list[Any]) -> Task:
    """The same task; its images are kept."""

    def simulated(*arguments: Any, **options: Any) -> Any:
        kept.append(task(*arguments, **options))
        return kept[-1]

    return simulated


def plain(found: Any) -> dict[str, Any]:
    """Scores of the first repeat in three digits."""
    scores = {name: float(f"{getattr(found, name)[0]:.3g}") for name in COLUMNS[4:]}
    return {"pixels": int(found.pixels[0]), **scores}


def write_picture(shown: list[Shown]) -> None:
    """What is known, a realisation, mean and spread, and where the truth is outside of 90 %."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.35 * len(shown)), layout="constrained")
    for line, (name, image, hidden, made) in zip(
        figure.subplots(len(shown), 5), shown, strict=True
    ):
        ordered = np.sort(np.stack(made), axis=0)
        rank = (len(made) + 1) // 20
        outside = (image < ordered[rank - 1]) | (image > ordered[-rank])
        spread = ordered.std(axis=0, ddof=1)
        spread[~hidden] = np.nan
        panels = {
            "known": np.where(hidden, np.nan, image), "truth": image, "realisation": made[0],
            "spread": spread, "outside of 90 %": np.where(hidden, outside, np.nan),
        }  # fmt: skip
        for axis, (title, panel) in zip(line, panels.items(), strict=True):
            plain_range = title in ("known", "truth", "realisation")
            low, high = (image.min(), image.max()) if plain_range else (0, np.nanmax(panel))
            axis.imshow(
                panel, cmap="gray" if plain_range else "magma", vmin=low, vmax=high,
                interpolation="nearest",
            )  # fmt: skip
            axis.set_facecolor("#7fb3d5" if plain_range else "0.85")
            axis.set(xticks=[], yticks=[])
            axis.set_title(title if name == shown[0].name else "", fontsize=9)
        line[0].set_ylabel(name, fontsize=9)
    save_small(figure, PICTURE, 66)


def save_small(figure: Any, file: Path, dpi: int) -> None:
    """Write a figure as a PNG of 128 colours."""
    import io

    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(128).save(file, optimize=True)


def report(rows: list[dict[str, Any]]) -> str:
    """The table of the notes."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"
