"""Realisations that honour hard data: `python -m bench hard-data`.

Of a two-phase and a continuous training image, realisations with 1 % of another image's pixels as
hard data. `near` and `far` are the mean distances of a result's patches to the nearest one of the
training image, of patches whose centre is within three pixels of a datum and of others; `islands`
are connected parts of at most four pixels in a realisation. S2 and the connectivity function are
those of the image above the training image's median, or of its phase, along rows: `s2` and
`connected` are mean absolute differences between the ensemble's mean and the training image, and
`connected_inside` is the share of lags at which the training image is within the ensemble's range.

`mps_genesim` of scikit-mps (Direct Sampling) is run beside, where it is installed. G2S needs its
server, which is not on PyPI.
"""

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

REALISATIONS, RIVAL_REALISATIONS = 100, 2
TRAINING, GRID = (150, 150), (100, 100)
SHARE = 0.01
PATCH = 7
NEAR = 3
LARGEST_ISLAND = 4
LAGS = 40
PICTURE = Path(__file__).parent / "pictures" / "hard_data.png"
COLUMNS = (
    "image", "method", "realisations", "kept", "near", "far", "ratio", "islands", "mean",
    "mean_of_training", "deviation", "s2", "connected", "connected_inside", "seconds",
)  # fmt: skip


class Case(NamedTuple):
    """A training image, an image with the truth, and where that is known."""

    name: str
    training: Any
    truth: Any
    known: Any

    @property
    def categorical(self) -> bool:
        return self.training.dtype.kind in "bu"

    @property
    def grid(self) -> Any:
        return np.where(self.known, self.truth, np.nan).astype(np.float64)


def cases() -> Iterator[Case]:
    """Channels and a ridged field, whose truths are drawn like the training images."""
    known = np.random.default_rng(2).permutation(math.prod(GRID)).reshape(GRID)
    known = known < round(SHARE * math.prod(GRID))
    yield Case("channels", channels(TRAINING, 1), channels(GRID, 7), known)
    training = ridges(TRAINING, 1)
    # Values that the training image does not have are none that it can be the source of.
    truth = np.clip(ridges(GRID, 7), training.min(), training.max())
    yield Case("ridges", training, truth, known)


def channels(shape: tuple[int, int], seed: int) -> Any:
    """Sinuous channels of one width, 1 in a matrix of 0."""
    from scipy.ndimage import gaussian_filter1d

    random = np.random.default_rng(seed)
    height, width = shape
    rows, columns = np.arange(height)[:, None], np.arange(width)
    image = np.zeros(shape, bool)
    first = random.uniform(-22, 0)
    while first < height + 22:
        line = 40 * gaussian_filter1d(random.standard_normal(width + 200), 12)[100:-100]
        line += random.uniform(-0.15, 0.15) * (columns - width / 2)
        image |= np.abs(rows - (first + line)) <= 3
        first += 22 * random.uniform(0.6, 1.4)
    return image.astype(np.uint8)


def ridges(shape: tuple[int, int], seed: int) -> Any:
    """Bright curved ridges on smooth ground."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    wide = tuple(side + 60 for side in shape)
    one, two = (
        gaussian_filter(random.standard_normal(wide), 5, mode="wrap")[30:-30, 30:-30] / 0.056
        for _ in range(2)
    )
    return (np.exp(-1.5 * np.abs(one)) + 0.25 * two).astype(np.float32)


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn

    rows, shown = [], []
    for case in cases():

        def simulated(count: int, case: Case = case) -> Any:
            return pnn.simulate(
                case.training, case.grid, count, categorical=case.categorical, rng=0,
                threads=threads,
            )  # fmt: skip

        simulated(1)  # kernels are loaded
        row, images = measured(case, "simulate", simulated, REALISATIONS, threads)
        rows.append(row)
        shown.append((case, images))
        free = measured(
            case, "without data",
            lambda count, case=case: pnn.generate(
                case.training, count, shape=GRID, categorical=case.categorical, independent=True,
                rng=0, threads=threads,
            ),
            min(10, REALISATIONS), threads,
        )  # fmt: skip
        rows.append(free[0])
        if case.categorical and (sampling := direct_sampling(case)) is not None:
            rows.append(measured(case, "mps_genesim", sampling, RIVAL_REALISATIONS, threads)[0])
    write_picture(shown)
    return rows


def measured(
    case: Case, method: str, make: Callable[[int], Any], count: int, threads: int
) -> tuple[dict[str, Any], Any]:
    """A row of the table, and the images."""
    start = time.perf_counter()
    images = make(count)
    seconds = (time.perf_counter() - start) / count
    near, far = incoherence(images, case, threads)
    phase, of_training = (phases(each, case) for each in (images, case.training))
    curves = [np.stack([curve(each) for each in phase]) for curve in (s2, connectivity)]
    expected = [curve(of_training) for curve in (s2, connectivity)]
    inside = (curves[1].min(axis=0) <= expected[1]) & (expected[1] <= curves[1].max(axis=0))
    differences = [
        np.abs(each.mean(axis=0) - other).mean()
        for each, other in zip(curves, expected, strict=True)
    ]
    kept = images[:, case.known] == case.truth[case.known]
    values = {
        "kept": kept.mean(), "near": near, "far": far, "ratio": near / far,
        "islands": np.mean([islands(each) for each in phase]), "mean": images.mean(),
        "mean_of_training": case.training.mean(), "deviation": images.std(axis=0).mean(),
        "s2": differences[0], "connected": differences[1], "connected_inside": inside.mean(),
        "seconds": seconds,
    }  # fmt: skip
    plain = {name: float(f"{float(value):.3g}") for name, value in values.items()}
    return {"image": case.name, "method": method, "realisations": count, **plain}, images


def incoherence(images: Any, case: Case, threads: int) -> tuple[float, float]:
    """Mean distance to the nearest training patch, near the data and elsewhere."""
    from scipy.ndimage import distance_transform_edt

    import pnncupy as pnn

    margin = PATCH // 2
    away = distance_transform_edt(~case.known)[margin:-margin, margin:-margin]
    key = case.training.astype(np.float32)
    scores = np.stack(
        [
            pnn.nearest_patches(
                each.astype(np.float32), key, patch_size=PATCH, threads=threads
            ).score
            for each in images[:20]
        ]
    )
    return float(scores[:, away <= NEAR].mean()), float(scores[:, away > NEAR].mean())


def phases(image: Any, case: Case) -> Any:
    """The phase 1, or values above the training image's median."""
    return image == 1 if case.categorical else image > np.median(case.training)


def islands(phase: Any) -> int:
    """Connected parts of either phase that are as small as a spot at a datum."""
    from scipy.ndimage import label

    return sum(
        int((np.bincount(label(each)[0].ravel())[1:] <= LARGEST_ISLAND).sum())
        for each in (phase, ~phase)
    )


def s2(phase: Any) -> Any:
    """Probability that two pixels of a row, at each lag, are both of the phase."""
    return np.array([(phase[:, lag:] & phase[:, : phase.shape[1] - lag]).mean()
                     for lag in range(LAGS)])  # fmt: skip


def connectivity(phase: Any) -> Any:
    """Share of the pairs of pixels of the phase in a row, at each lag, that are connected."""
    from scipy.ndimage import label

    parts = label(phase)[0]
    found = []
    for lag in range(LAGS):
        one, two = parts[:, lag:], parts[:, : parts.shape[1] - lag]
        both = (one > 0) & (two > 0)
        found.append((one == two)[both].mean() if both.any() else 0.0)
    return np.array(found)


def direct_sampling(case: Case) -> Callable[[int], Any] | None:
    """Direct Sampling by scikit-mps; None where that is not installed."""
    vars(np)["NaN"] = np.nan  # which scikit-mps 0.6 still uses
    try:
        from mpslib import mpslib
    except ImportError:
        return None

    def simulated(count: int) -> Any:
        rows, columns = np.nonzero(case.known)
        values = case.truth[case.known]
        before = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # it writes its files here
            try:
                made = mpslib(
                    method="mps_genesim", simulation_grid_size=np.array([*GRID[::-1], 1]),
                    n_real=count, n_cond=25, n_max_ite=5000, n_max_cpdf_count=1, rseed=1,
                    debug_level=-1,
                )  # fmt: skip
                made.ti = case.training.T[:, :, None].astype(float)
                made.d_hard = np.stack([columns, rows, 0 * rows, values], axis=1).astype(float)
                made.run()
                return np.stack([np.asarray(each)[:, :, 0].T for each in made.sim])
            finally:
                os.chdir(before)

    return simulated


def write_picture(shown: list[tuple[Case, Any]]) -> None:
    """The training image, the data, three realisations and their mean, for each case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    axes = figure.subplots(len(shown), 6)
    for line, (case, images) in zip(axes, shown, strict=True):
        low, high = float(case.training.min()), float(case.training.max())
        panels = [
            ("training image", case.training), ("hard data (1 %)", None),
            *((f"realisation {number}", images[number]) for number in range(3)),
            (f"mean of {len(images)}", images.mean(axis=0)),
        ]  # fmt: skip
        rows, columns = np.nonzero(case.known)
        for axis, (title, image) in zip(line, panels, strict=True):
            axis.set_title(title, fontsize=9)
            axis.set(xticks=[], yticks=[])
            blank = np.full(GRID, np.nan) if image is None else image
            axis.imshow(blank, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            if image is None:
                axis.set_facecolor("0.7")
            if image is None or title == "realisation 0":
                axis.scatter(
                    columns, rows, c=case.truth[case.known], cmap="gray", vmin=low, vmax=high, s=7,
                    edgecolors="tab:red", linewidths=0.5,
                )  # fmt: skip
    figure.savefig(PICTURE, dpi=90)


def report(rows: list[dict[str, Any]]) -> str:
    """The table of the notes."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines) + "\n"
