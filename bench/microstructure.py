"""A worked study: a microstructure of three phases and 50 realisations of it.

`python -m bench microstructure` writes the pictures of docs/microstructure.md. The source is drawn
from a model: level sets of two Gaussian fields, a matrix (0), grains (1), and inclusions (2) of 3 %
in the grains. `inside` is the share of a curve, or whether a number, of the source is between the
extremes of the realisations; `of_model` is the same for 50 further draws of the model, which is
what a perfect method could reach. `spread` is the width of the 5 % to 95 % band of the realisations
over that of the draws, the median along a curve. Lines with an `alpha` are of six realisations.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

REALISATIONS = 50
SIDE = 160
FRACTIONS = (0.55, 0.42, 0.03)
PHASES = ("matrix", "grains", "inclusions")
REACH = 40
ALPHAS, FEW = (0.01, 0.003), 6
PICTURES = Path(__file__).parent / "pictures"
COLUMNS = (
    "descriptor", "phase", "source", "mean", "low", "high", "inside", "of_model", "spread",
)  # fmt: skip


def microstructure(seed: int) -> Any:
    """Draw labels (SIDE, SIDE) of the model, with exactly the fractions of the phases."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    wide, fine = (
        gaussian_filter(random.standard_normal((SIDE, SIDE)), width, mode="wrap")
        for width in (4, 2)
    )
    labels = (wide > np.quantile(wide, FRACTIONS[0])).astype(np.uint8)
    inside = labels == 1
    share = FRACTIONS[2] / (FRACTIONS[1] + FRACTIONS[2])
    labels[inside & (fine > np.quantile(fine[inside], 1 - share))] = 2
    return labels


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn

    source = microstructure(0)
    options: dict[str, Any] = {"categorical": True, "independent": True, "keep_fractions": True}
    start = time.perf_counter()
    made = pnn.generate(source, REALISATIONS, rng=0, threads=threads, **options)
    print(f"{(time.perf_counter() - start) / REALISATIONS:.2f} s a realisation", flush=True)
    drawn = [microstructure(seed) for seed in range(1, 1 + REALISATIONS)]
    compared, control = (
        pnn.metrics.compare(source, images, largest_distance=REACH) for images in (made, drawn)
    )
    write_pictures(source, made, compared)
    pairs = zip(
        (*compared.values, *compared.curves), (*control.values, *control.curves), strict=True
    )
    rows = [row(one, other) for one, other in pairs]
    for alpha in ALPHAS:
        few = pnn.generate(source, FEW, rng=0, alpha=alpha, threads=threads, **options)
        rows += rows_with_alpha(alpha, pnn.metrics.compare(source, few, largest_distance=1))
    return rows


def rows_with_alpha(alpha: float, compared: Any) -> list[dict[str, Any]]:
    """Lines of the descriptors that the default `alpha` does not keep."""
    return [
        {
            **row(each, each), "descriptor": f"{each.descriptor}, alpha {alpha}", "of_model": "",
            "spread": "",
        }
        for each in compared.values
        if each.descriptor in ("boundary per pixel", "clusters", "mean chord length")
    ]  # fmt: skip


def row(found: Any, control: Any) -> dict[str, Any]:
    """A line of the table; of a curve there are no single numbers."""
    numbers = dict.fromkeys(("source", "mean", "low", "high"), "")
    if found.x is None:
        numbers = {name: f"{getattr(found, name)[0]:.4g}" for name in numbers}
    widths = np.array([each.high - each.low for each in (found, control)])
    known = np.isfinite(widths).all(axis=0) & (widths[1] > 0)
    spread = float(np.median(widths[0, known] / widths[1, known])) if known.any() else None
    return {
        "descriptor": found.descriptor, "phase": PHASES[found.phase], **numbers,
        "inside": round(found.inside, 2), "of_model": round(control.inside, 2),
        "spread": "" if spread is None else round(spread, 2),
    }  # fmt: skip


def write_pictures(source: Any, made: Any, compared: Any) -> None:
    """The source with five realisations, and all curves, a row for each phase."""
    import pnncupy as pnn
    from pnncupy.display import contact_sheet
    from pnncupy.io import write_image

    greys = np.array([255, 150, 0], np.uint8)
    tiles = [np.kron(greys[each], np.ones((2, 2), np.uint8)) for each in (source, *made[:5])]
    sheet = contact_sheet(tiles, (0, 255), columns=3)
    write_image(PICTURES / "microstructure.png", sheet, overwrite=True)
    figure = pnn.plot.descriptors(compared, columns=7, size=2.1)
    figure.savefig(PICTURES / "microstructure_curves.png", dpi=90)


def report(rows: list[dict[str, Any]]) -> str:
    """The table of the study."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"
