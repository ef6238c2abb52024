"""Exact search by pruning beside the comparison of all pairs: clean images and noisy ones.

Both take turns in one process, and their results must have the same bits. The clean images are
photographs, enlarged where they are too small, so that they have no noise of their own at the
finest scale; the noisy ones are native photographs with grain, added noise, and nothing but noise.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

from bench.common import alternate, natural_image

OPTIONS = ("part",)
PARTS = ("runs", "large", "tasks", "sweep", "growth", "million")
# Sides of the images of `generate`, and alphas.
RUNS = (
    ("clean", "coffee", (186, 248), math.inf), ("clean", "coffee", (186, 248), 0.005),
    ("clean", "rocket", (165, 248), math.inf), ("clean", "rocket", (165, 248), 0.005),
    ("clean", "chelsea", (256, 256), 0.005), ("clean", "astronaut", (256, 256), 0.005),
    ("noisy", "natural", (256, 256), math.inf), ("noisy", "natural", (256, 256), 0.005),
    ("noisy", "white", (192, 192), math.inf), ("noisy", "white", (192, 192), 0.005),
    ("noisy", "gravel", (256, 256), 0.005), ("noisy", "grass", (256, 256), 0.005),
    ("noisy", "hubble_deep_field", (256, 256), math.inf),
)  # fmt: skip
LARGE = (("clean", "coffee", (512, 512), math.inf), ("noisy", "natural", (512, 512), math.inf))
# Of these only the search with trees is run: the other one would take up to hours.
ALONE = (
    ("clean", "astronaut", (512, 512), math.inf), ("clean", "coffee", (512, 512), 0.005),
    ("clean", "coffee", (1024, 1024), math.inf),
    ("clean", "mosaic", (1024, 1024), math.inf), ("clean", "astronaut", (1024, 1024), math.inf),
)  # fmt: skip
NOISE = (0, 0.5, 1, 2, 3, 4, 6, 8)
GROWTH = (10_000, 40_000, 160_000, 640_000, 2_500_000)


def measure(threads: int, part: list[str] | None) -> list[dict[str, Any]]:
    for trees, alpha in product((True, False), (math.inf, 0.005)):
        with searches(trees):  # loads the kernels
            for name in ("coffee", "gravel"):
                _generate(image_of(name, (80, 80)), alpha, threads)
    parts: dict[str, Callable[[int], Iterator[dict[str, Any]]]] = {
        "runs": _runs, "large": _large, "tasks": _tasks, "sweep": _sweep, "growth": _growth,
        "million": _million,
    }  # fmt: skip
    return [row for name in part or PARTS for row in _shown(parts[name](threads))]


def _shown(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        print("  ", *(f"{name} {value}" for name, value in row.items()), flush=True)
        yield row


def image_of(name: str, shape: tuple[int, int]) -> Any:
    """An image of a name and shape, enlarged if it has to be."""
    import pnncupy as pnn
    from pnncupy.samples import load_sample

    if name == "natural":
        return natural_image(*shape)
    if name == "white":
        return np.random.default_rng(0).random((*shape, 3))
    if name == "mosaic":
        corners = [image_of(each, (512, 512)) for each in ("astronaut", "coffee", "cat", "rocket")]
        above, below = np.hstack(corners[:2]), np.hstack(corners[2:])
        return np.ascontiguousarray(np.vstack([above, below])[: shape[0], : shape[1]])
    if name in ("rocket", "chelsea", "gravel"):
        image = load_sample(name)
    else:
        from skimage import data

        image = getattr(data, name)()
    scale = max(side / own for side, own in zip(shape, image.shape[:2], strict=True))
    native = image.ndim == 2 or name == "hubble_deep_field"  # their grain is the point
    if scale > 1 or not native:
        sides = [math.ceil(own * scale - 1e-9) for own in image.shape[:2]]
        image = pnn.resize(image, scale, sides)
        image = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[: shape[0], : shape[1]])


@contextmanager
def searches(trees: bool) -> Iterator[list[Any]]:
    """Engine `numba` with or without trees; the counts of all searches through one."""
    from pnncupy.kernels.numba_cpu import engine as numba_cpu

    seen: list[Any] = []
    search = numba_cpu.search_tree

    def counted(*arguments: Any, **options: Any) -> Any:
        counts = search(*arguments, **options)
        seen.append(counts)
        return counts

    axes = numba_cpu.TREE_AXES
    numba_cpu.TREE_AXES, numba_cpu.search_tree = axes if trees else (), counted
    try:
        yield seen
    finally:
        numba_cpu.TREE_AXES, numba_cpu.search_tree = axes, search


def _compared(work: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Seconds of some work with and without trees, and what the trees left to do."""
    seen: list[Any] = []

    def run(trees: bool) -> Any:
        with searches(trees) as counts:
            made = work()
        if trees:
            seen[:] = counts
        return made

    works = {"trees": lambda: run(True), "all pairs": lambda: run(False)}
    seconds, made = alternate(works, dict.fromkeys(works, rounds))
    if made["trees"].tobytes() != made["all pairs"].tobytes():
        raise AssertionError("the results differ")
    return {
        "seconds": round(seconds["trees"], 2),
        "seconds_all_pairs": round(seconds["all pairs"], 2),
        "times_as_fast": round(seconds["all pairs"] / seconds["trees"], 2),
        **_a_query(seen),
    }


def _a_query(seen: list[Any]) -> dict[str, Any]:
    queries = sum(counts.queries for counts in seen) or 1
    return {
        name: round(sum(getattr(counts, name) for counts in seen) / queries, 2)
        for name in ("nodes", "leaves", "sums")
    }


def _generate(image: Any, alpha: float, threads: int) -> Any:
    import pnncupy as pnn

    return pnn.generate(image, rng=1, alpha=alpha, threads=threads)


def _runs(threads: int) -> Iterator[dict[str, Any]]:
    for kind, name, shape, alpha in RUNS:
        image = image_of(name, shape)
        row = {"generate": name, "kind": kind, "shape": shape, "alpha": alpha}
        yield row | _compared(lambda: _generate(image, alpha, threads), 1)  # noqa: B023


def _large(threads: int) -> Iterator[dict[str, Any]]:
    for kind, name, shape, alpha in LARGE:
        image = image_of(name, shape)
        row = {"generate": name, "kind": kind, "shape": shape, "alpha": alpha}
        yield row | _compared(lambda: _generate(image, alpha, threads), 1)  # noqa: B023
    for kind, name, shape, alpha in ALONE:
        image = image_of(name, shape)
        with searches(True) as seen:
            start = time.perf_counter()
            _generate(image, alpha, threads)
            seconds = time.perf_counter() - start
        row = {"generate": name, "kind": kind, "shape": shape, "alpha": alpha}
        yield row | {"seconds": round(seconds, 1), **_a_query(seen)}


def _tasks(threads: int) -> Iterator[dict[str, Any]]:
    import pnncupy as pnn

    first, second, third = (image_of(each, (180, 250)) for each in ("coffee", "chelsea", "rocket"))
    hole = np.zeros((180, 250), bool)
    hole[60:120, 100:150] = True
    rough = first.copy()
    rough[40:100, 20:80] = first[60:120, 150:210]
    works: dict[str, Callable[[], Any]] = {
        "retarget to half the width": lambda: pnn.retarget(first, (180, 125), threads=threads),
        "retarget to double the width": lambda: pnn.retarget(first, (180, 500), threads=threads),
        "inpaint, hole 60 x 50": lambda: pnn.inpaint(first, hole, threads=threads),
        "edit": lambda: pnn.edit(first, rough, threads=threads),
        "analogy": lambda: pnn.analogy(first, second, threads=threads),
        "collage of three": lambda: pnn.collage([first, second, third], threads=threads),
        "bidirectional_dissimilarity": lambda: np.float64(
            pnn.metrics.bidirectional_dissimilarity(first, second, threads=threads)
        ),
    }
    for name, work in works.items():
        yield {"task": f"{name}, 180 x 250"} | _compared(work, 3)


def _sweep(threads: int) -> Iterator[dict[str, Any]]:
    """Where the gain ends: white noise of so many grey levels on a clean image."""
    clean = image_of("coffee", (256, 256)).astype(np.float64)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    for deviation in NOISE:
        image = np.clip(clean + deviation * noise, 0, 255)
        row = {"generate": "coffee 256 x 256", "noise": deviation}
        yield row | _compared(lambda: _generate(image, math.inf, threads), 1)  # noqa: B023


def _growth(threads: int) -> Iterator[dict[str, Any]]:
    """One search of an image's left half in its right half, with nothing known."""
    for name in ("coffee", "mosaic", "natural"):
        for count in GROWTH:
            # Noise takes all pairs: most of an hour at the last size. The mosaic has a megapixel.
            if count > {"natural": 200_000, "mosaic": 1_000_000}.get(name, math.inf):
                continue
            side = round(math.sqrt(count)) + 6
            yield {"search": name, "n = m": (side - 6) ** 2} | _cold(name, side, threads)


def _cold(name: str, side: int, threads: int) -> dict[str, Any]:
    import pnncupy as pnn

    whole = image_of(name, (side, side)).astype(np.float32) / np.float32(255)
    # Half of two neighbours: as smooth as what votes make.
    query = (whole + np.roll(whole, 1, axis=1)) / np.float32(2)
    with searches(True) as seen:
        pnn.nearest_patches(query[:64, :64], whole[:64, :64], threads=threads)
        start = time.perf_counter()
        pnn.nearest_patches(query, whole, threads=threads)
        seconds = time.perf_counter() - start
    queries = (side - 6) ** 2
    return {
        "seconds": round(seconds, 3), "queries_a_second": round(queries / seconds),
        **_a_query(seen[-1:]), "through_a_tree": seen[-1].queries == queries,
    }  # fmt: skip


def _million(threads: int) -> Iterator[dict[str, Any]]:
    """Search a million patches among a million, beside libraries, which search some of them."""
    import pnncupy as pnn
    from bench.peers import unfolded

    side = 1030
    key = image_of("mosaic", (side, side)).astype(np.float32) / np.float32(255)
    query = (key + np.roll(key, 1, axis=1)) / np.float32(2)
    rows, columns = query.shape[0] - 6, query.shape[1] - 6
    start = time.perf_counter()
    found = pnn.nearest_patches(query, key, threads=threads)
    seconds = time.perf_counter() - start
    yield {"search": "pnncupy", "queries": rows * columns, "seconds": round(seconds, 1),
           "queries_a_second": round(rows * columns / seconds)}  # fmt: skip
    mine = (found.index[..., 0] * columns + found.index[..., 1]).ravel()
    queries, keys = unfolded(query), unfolded(key)
    for name, (search, some) in _peers(keys, threads).items():
        chosen = np.random.default_rng(0).choice(len(queries), some, replace=False)
        start = time.perf_counter()
        answer = search(queries[chosen])
        seconds = time.perf_counter() - start
        row = {"search": name, "queries": some, "seconds": round(seconds, 1),
               "queries_a_second": round(some / seconds)}  # fmt: skip
        if "eighth" not in name:
            row["same_answers"] = round(float(np.mean(answer == mine[chosen])), 4)
        yield row


def _peers(keys: Any, threads: int) -> dict[str, tuple[Callable[[Any], Any], int]]:
    """Searches of other libraries, indices built, and how many queries each is given."""
    import faiss
    from pynndescent import NNDescent
    from scipy.spatial import cKDTree
    from sklearn.decomposition import PCA
    from sklearn.neighbors import BallTree, KDTree

    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatL2(keys.shape[1])
    flat.add(keys)
    axes = PCA(16, random_state=0).fit(keys[:: len(keys) // 20_000])
    in_axes = axes.transform(keys)
    tree = cKDTree(in_axes)
    few = len(keys) // 8

    def by_candidates(queries: Any) -> Any:
        """Nearest in 16 axes, then the best of 32 by their whole distance: not exact."""
        _, near = tree.query(axes.transform(queries), 32, workers=threads)
        distance = ((queries[:, None] - keys[near]) ** 2).sum(2)
        return np.take_along_axis(near, distance.argmin(1)[:, None], 1)[:, 0]

    kd, ball = KDTree(keys[:few]), BallTree(keys[:few])
    approximate = NNDescent(keys[:few], n_neighbors=10, n_jobs=threads, random_state=0)
    approximate.prepare()
    eighth = "an eighth of the keys"
    return {
        "FAISS IndexFlatL2": (lambda q: flat.search(q, 1)[1][:, 0], 2000),
        f"scikit-learn KDTree, {eighth}": (lambda q: kd.query(q, return_distance=False)[:, 0], 100),
        f"scikit-learn BallTree, {eighth}": (
            lambda q: ball.query(q, return_distance=False)[:, 0],
            100,
        ),
        "SciPy cKDTree in 16 axes, 32 candidates compared (approximate)": (by_candidates, 5000),
        f"pynndescent, {eighth} (approximate)": (
            lambda q: approximate.query(q, 1)[0][:, 0],
            20_000,
        ),
    }
