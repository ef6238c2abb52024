"""Clouds in a satellite scene, filled with and without other dates: `python -m bench gap-filling`.

The scene is synthetic: fields, a forest and a river in four bands (reflectances times 10000) on
three dates. Crops grow at the pace of their parcel, some are harvested before or after the second
date, each date has its own haze, and noise. Clouds hide a quarter of the second date; up to a tenth
of their veil reaches beyond the mask, which all methods therefore widen by four pixels, but for the
rows of narrow masks. Truth is the second date without clouds, and scored under the mask as it is.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.cross_validation import keeping, quarters, save_small

SHAPE = (112, 144)
BANDS = ("blue", "green", "red", "near infrared")
REALISATIONS, GUIDE_WEIGHT, PATCH = 19, 1.0, 5
# Of the veil at the border of the mask; and pixels by which a wider mask leaves it out.
VEIL, MARGIN = 0.1, 4
PICTURE = Path(__file__).parent / "pictures" / "gap_filling.png"
COLUMNS = (
    "method", "dates", "rmse", "rmse_ndvi", "bias", "spread", "crps", "coverage_50", "coverage_90",
)  # fmt: skip
Task = Callable[..., Any]
# Reflectances of bare soil, wheat, maize and meadow, bare or grown; then of forest and water.
BARE = np.array([[900, 1200, 1600, 2400], [850, 1150, 1450, 2500], [950, 1250, 1650, 2300],
                 [700, 1000, 1000, 2500], [300, 500, 350, 2300], [500, 550, 350, 200]])  # fmt: skip
GROWN = np.array([[900, 1200, 1600, 2400], [500, 900, 700, 3600], [400, 800, 500, 4200],
                  [450, 950, 600, 3000], [250, 450, 300, 2700], [500, 550, 350, 200]])  # fmt: skip


class Scene(NamedTuple):
    """Three dates (H, W, 4) uint16, what is seen on the second, and its clouds (H, W) bool."""

    before: Any
    truth: Any
    after: Any
    seen: Any
    clouds: Any


def scene(seed: int) -> Scene:
    """Draw a scene."""
    from scipy.spatial import cKDTree

    random = np.random.default_rng(seed)
    rows, columns = np.indices(SHAPE)
    centres = random.uniform((0, 0), SHAPE, (60, 2))
    parcel = cKDTree(centres).query(np.stack([rows, columns], axis=-1))[1]
    crop = random.integers(0, 4, len(centres))[parcel]
    river = np.abs(columns - 100 - 22 * np.sin(rows / 24)) < 4
    cover = np.select([river, field(random, 12) > 1], [5, 4], crop)
    soil = 1 + 0.05 * field(random, 0.7)[..., None] + 0.03 * field(random, 3)[..., None]
    start, pace = random.uniform(0, 0.3, 60)[parcel], random.uniform(0.3, 0.7, 60)[parcel]
    harvest = random.uniform(0.5, 4, 60)[parcel]  # in dates; above 2 after the last
    dates = []
    for date in range(3):
        growth = np.where(date > harvest, 0, np.clip(start + pace * date, 0, 1))
        growth = np.where(cover < 4, growth, date / 2)[..., None]
        clear = ((1 - growth) * BARE[cover] + growth * GROWN[cover]) * soil
        haze = 150 * random.uniform() * (1 + 0.3 * field(random, 25)[..., None])
        noise = random.normal(0, 20, clear.shape)
        dates.append(clear + haze * np.array([1, 0.7, 0.5, 0.2]) + noise)
    before, truth, after = (np.clip(np.rint(each), 0, 65535).astype(np.uint16) for each in dates)
    veil = np.clip((field(random, 9) - 0.45) / 1.5, 0, 1)
    seen = np.rint(truth + veil[..., None] * (7000.0 - truth)).astype(np.uint16)
    return Scene(before, truth, after, seen, veil > VEIL)


def field(random: np.random.Generator, sigma: float) -> Any:
    """A smooth random field of standard deviation 1."""
    from scipy.ndimage import gaussian_filter

    drawn = gaussian_filter(random.standard_normal(SHAPE), sigma, mode="wrap")
    return (drawn - drawn.mean()) / drawn.std()


def nearest(training: Any, grid: Any, *, rng: Any) -> Any:
    """Each pixel as the nearest known one."""
    from scipy.ndimage import distance_transform_edt

    missing = grid.mask[..., 0]
    place = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return grid.data[tuple(place)]


def biharmonic(training: Any, grid: Any, *, rng: Any) -> Any:
    """The biharmonic continuation of scikit-image."""
    from skimage.restoration import inpaint_biharmonic

    image = grid.data / 10000
    missing = grid.mask[..., 0].copy()  # its own, contiguous and writeable
    return 10000 * inpaint_biharmonic(image, missing, channel_axis=-1)


def wider(task: Task) -> Task:
    """The same task with a mask that leaves out the veil around the clouds."""
    from scipy.ndimage import binary_dilation

    def filled(training: Any, grid: Any, *, rng: Any) -> Any:
        missing = binary_dilation(grid.mask[..., 0], iterations=MARGIN)
        wide = np.broadcast_to(missing[..., None], grid.shape)
        left = np.ma.MaskedArray(grid.data, wide)
        return task(left, left, rng=rng)

    return filled


def between(scene: Scene) -> Task:
    """The mean of both other dates, which are as far in time."""
    middle = (scene.before.astype(float) + scene.after) / 2
    return lambda training, grid, *, rng: np.where(grid.mask, middle, grid.data)


def regression(*dates: Any) -> Task:
    """Linear regression of each band on all bands of other dates, over the known pixels."""

    def filled(training: Any, grid: Any, *, rng: Any) -> Any:
        known = ~grid.mask[..., 0]
        ones = np.ones((*known.shape, 1))
        factors = np.concatenate([ones, *(each.astype(float) for each in dates)], axis=-1)
        weights = np.linalg.lstsq(factors[known], grid.data[known].astype(float), rcond=None)[0]
        return np.where(grid.mask, factors @ weights, grid.data)

    return filled


def inpainted(**options: Any) -> Task:
    """`pnncupy.inpaint` of the missing pixels, which starts from noise."""

    def filled(training: Any, grid: Any, *, rng: Any) -> Any:
        import pnncupy as pnn

        return pnn.inpaint(grid, "nodata", fill="noise", rng=rng, progress=False, **options)

    return filled


def simulated(**options: Any) -> Task:
    """`pnncupy.simulate` as it is."""

    def filled(training: Any, grid: Any, *, rng: Any) -> Any:
        import pnncupy as pnn

        return pnn.simulate(training, grid, rng=rng, progress=False, **options)

    return filled


def methods(scene: Scene, threads: int) -> dict[tuple[str, int], tuple[Task, int]]:
    """Tasks and numbers of realisations, for each method and number of other dates."""
    one = [(scene.before, scene.before, GUIDE_WEIGHT)]
    two = [*one, (scene.after, scene.after, GUIDE_WEIGHT)]
    # Two of those that are always the same.
    found: dict[tuple[str, int], tuple[Task, int]] = {
        ("nearest pixel", 0): (nearest, 2),
        ("biharmonic", 0): (biharmonic, 2),
        ("linear in time", 2): (between(scene), 2),
        ("regression", 1): (regression(scene.before), 2),
        ("regression", 2): (regression(scene.before, scene.after), 2),
    }
    for dates, guides in enumerate((None, one, two)):
        given: dict[str, Any] = {"patch_size": PATCH, "threads": threads, "guides": guides}
        found["inpaint", dates] = inpainted(**given), REALISATIONS
        found["simulate", dates] = simulated(**given), REALISATIONS
        parts = quarters(threads, patch_size=PATCH, guides=guides, vote="copy")
        found["quarters, copied", dates] = parts, REALISATIONS
    narrow = [("biharmonic", 0), ("regression", 1), ("simulate", 1), ("quarters, copied", 1)]
    return {
        **{each: (wider(task), count) for each, (task, count) in found.items()},
        **{(f"{name}, narrow mask", dates): found[name, dates] for name, dates in narrow},
    }


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn

    rows, shown = [], {}
    drawn = scene(21)
    image = np.where(drawn.clouds[..., None], drawn.truth, drawn.seen)
    for (method, dates), (task, count) in methods(drawn, threads).items():
        kept: list[Any] = []
        scored = pnn.metrics.cross_validate(
            image, drawn.clouds, count, task=keeping(task, kept), rng=0
        )
        made = np.stack([np.asarray(each, dtype=np.float64) for each in kept])
        error = (ndvi(made.mean(axis=0)) - ndvi(drawn.truth))[drawn.clouds]
        scores = {name: getattr(scored, name)[0] for name in COLUMNS if name in scored._fields}
        scores["rmse_ndvi"] = np.sqrt((error**2).mean())
        plain = {name: float(f"{value:.3g}") for name, value in scores.items()}
        if count < REALISATIONS:  # whose intervals have not 50 % and 90 %
            plain["coverage_50"] = plain["coverage_90"] = None
        share = round(float(drawn.clouds.mean()), 3)
        rows.append({"method": method, "dates": dates, "share": share, **plain})
        print(method, dates, end=" ", flush=True)
        shown[method, dates] = made
    write_picture(drawn, shown)
    return rows


def ndvi(image: Any) -> Any:
    """Normalised difference of near infrared and red."""
    red, near = image[..., 2].astype(float), image[..., 3].astype(float)
    return (near - red) / (near + red)


def infrared(image: Any) -> Any:
    """Near infrared, red and green as red, green and blue."""
    return np.clip(image[..., [3, 2, 1]] / np.array([5000.0, 2400, 1800]), 0, 1)


def write_picture(drawn: Scene, shown: dict[tuple[str, int], Any]) -> None:
    """The date before, what is seen, fillings, their spread, and others."""
    from matplotlib.figure import Figure

    own = shown["quarters, copied", 1]
    spread = own[..., 3].std(axis=0, ddof=1)
    spread[~drawn.clouds] = np.nan
    panels = {
        "date before (guide)": infrared(drawn.before), "seen": infrared(drawn.seen),
        "truth": infrared(drawn.truth), "inpaint, guide": infrared(shown["inpaint", 1][0]),
        "quarters, copied, guide": infrared(own[0]), "their spread, near infrared": spread,
        "biharmonic": infrared(shown["biharmonic", 0][0]),
        "linear in time (2 dates)": infrared(shown["linear in time", 2][0]),
        "regression (1 date)": infrared(shown["regression", 1][0]),
    }  # fmt: skip
    figure = Figure(figsize=(9, 7.4), layout="constrained")
    for axis, (title, panel) in zip(figure.subplots(3, 3).ravel(), panels.items(), strict=True):
        axis.imshow(panel, cmap="magma", interpolation="nearest")
        axis.contour(drawn.clouds, [0.5], colors="white", linewidths=0.6)
        axis.set(xticks=[], yticks=[], facecolor="0.85")
        axis.set_title(title, fontsize=9)
    save_small(figure, PICTURE, 66)


def report(rows: list[dict[str, Any]]) -> str:
    """The table of the notes."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [
        f"| {' | '.join('' if row[name] is None else str(row[name]) for name in COLUMNS)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
