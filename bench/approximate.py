"""PatchMatch against exact search: how near it comes, how pictures look, time and memory."""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.common import natural_image

ALPHAS = (math.inf, 0.005)
PHOTOGRAPHS = ("rocket", "chelsea")
SIDES = (512, 1024, 2048)
SEEDS = 10

PROGRAM = """
import json, pathlib, sys, time
import numpy as np, pnncupy as pnn
image, threads = np.load(sys.argv[1]), int(sys.argv[2])
for warm_up in (image[:64, :64], image[:200, :200]):
    pnn.generate(warm_up, rng=0, method="patchmatch", threads=threads)
start = time.perf_counter()
pnn.generate(image, rng=1, method="patchmatch", threads=threads)
seconds = time.perf_counter() - start
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
print(json.dumps({"seconds": round(seconds, 2), "peak_MB": round(peak)}))
"""


def measure(threads: int) -> list[dict[str, Any]]:
    rows = [lone_search(name, alpha, threads) for name in PHOTOGRAPHS for alpha in ALPHAS]
    rows += [tenth_search(name, alpha, threads) for name in PHOTOGRAPHS for alpha in ALPHAS]
    rows += [pictures(name, alpha, threads) for name in PHOTOGRAPHS for alpha in ALPHAS]
    rows += [peer(name, threads) for name in PHOTOGRAPHS]
    rows += large_pictures(threads)
    return rows


def halves(name: str) -> tuple[Any, Any]:
    """The left and the right half of a photograph."""
    from pnncupy.samples import load_sample

    image = load_sample(name).astype(np.float32) / np.float32(255)
    middle = image.shape[1] // 2
    return image[:, :middle], image[:, middle:]


def timed(work: Any, rounds: int = 3) -> tuple[Any, float]:
    """A result, and the median seconds of some runs after a first one."""
    result, times = work(), []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def lone_search(name: str, alpha: float, threads: int) -> dict[str, Any]:
    """One search from random keys, with the default number of rounds."""
    import pnncupy as pnn

    query, key = halves(name)
    options = {"alpha": alpha, "threads": threads}
    exact, exact_seconds = timed(lambda: pnn.nearest_patches(query, key, **options))
    near, seconds = timed(lambda: pnn.nearest_patches(query, key, method="patchmatch", **options))
    return {
        "what": f"search from random keys, halves of {name}", "alpha": str(alpha),
        "score_over_exact": round(float(near.score.mean() / exact.score.mean()), 4),
        "seconds": round(seconds, 3), "exact_seconds": round(exact_seconds, 3),
    }  # fmt: skip


@contextmanager
def last_search() -> Iterator[list[Any]]:
    """Query, key and result of the last approximate search that is made within."""
    from pnncupy.search import patchmatch

    search, last = patchmatch.PatchMatch.search, []

    def recorded(self: Any, query: Any) -> Any:
        found = search(self, query)
        last[:] = [query, self._canvas, found]
        return found

    patchmatch.PatchMatch.search = recorded  # type: ignore[method-assign]
    try:
        yield last
    finally:
        patchmatch.PatchMatch.search = search  # type: ignore[method-assign]


def tenth_search(name: str, alpha: float, threads: int) -> dict[str, Any]:
    """The last search of a run, the tenth at full size."""
    import pnncupy as pnn
    from pnncupy.samples import load_sample

    ratios = []
    for seed in range(3):
        with last_search() as last:
            pnn.generate(load_sample(name), rng=seed, alpha=alpha, method="patchmatch")
        query, key, found = last
        images = [np.moveaxis(planes, 0, -1) for planes in (query, key)]
        exact = pnn.nearest_patches(*images, alpha=alpha, threads=threads)
        ratios.append(float(found.score.mean() / exact.score.mean()))
    return {
        "what": f"tenth search at full size, {name}, worst of 3 seeds", "alpha": str(alpha),
        "score_over_exact": round(max(ratios), 4),
    }  # fmt: skip


def pictures(name: str, alpha: float, threads: int) -> dict[str, Any]:
    """Whole pictures by both methods: sharpness, and bidirectional dissimilarity to the source."""
    import pnncupy as pnn
    from pnncupy import metrics
    from pnncupy.samples import load_sample

    source = load_sample(name)
    found: dict[str, Any] = {}
    for method in ("exact", "patchmatch"):
        start = time.perf_counter()
        made = pnn.generate(source, SEEDS, rng=0, alpha=alpha, method=method, threads=threads)
        found[f"{method}_seconds"] = round((time.perf_counter() - start) / SEEDS, 2)
        found[f"{method}_sharpness"] = round(
            statistics.mean(metrics.sharpness_ratio(source, each) for each in made), 4
        )
        found[method] = statistics.mean(
            metrics.bidirectional_dissimilarity(source, each, threads=threads) for each in made
        )
    return {
        "what": f"generate {source.shape[0]} x {source.shape[1]}, {name}, {SEEDS} seeds",
        "alpha": str(alpha),
        "dissimilarity_over_exact": round(found.pop("patchmatch") / found.pop("exact"), 4), **found,
        "sharpness_over_exact": round(found["patchmatch_sharpness"] / found["exact_sharpness"], 4),
    }  # fmt: skip


def peer(name: str, threads: int) -> dict[str, Any]:
    """PatchMatch as first published, until its mean distance is that of ours."""
    import pnncupy as pnn
    from bench.scanline import Scanline

    query, key = halves(name)
    near, seconds = timed(
        lambda: pnn.nearest_patches(query, key, method="patchmatch", threads=threads)
    )
    _, one_thread = timed(lambda: pnn.nearest_patches(query, key, method="patchmatch", threads=1))
    goal = float(near.score.mean())
    Scanline(query[:20, :20], key[:20, :20]).iterate()  # compiles
    scanline = Scanline(query, key)
    start = time.perf_counter()
    iterations = 1
    while scanline.iterate() > goal and iterations < 100:
        iterations += 1
    peer_seconds = time.perf_counter() - start
    return {
        "what": f"scanline PatchMatch to the same mean distance, halves of {name}",
        "iterations": iterations, "seconds": round(peer_seconds, 3),
        "pnncupy_seconds": round(seconds, 3), "pnncupy_one_thread": round(one_thread, 3),
        "times_as_long_as_pnncupy": round(peer_seconds / seconds, 1),
    }  # fmt: skip


def large_pictures(threads: int) -> Iterator[dict[str, Any]]:
    """`generate` in processes of its own."""
    import tempfile

    for side in SIDES:
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file, natural_image(side, side))
            file.flush()
            run = subprocess.run(
                [sys.executable, "-c", PROGRAM, file.name, str(threads)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
        row = json.loads(run.stdout)
        yield {
            "what": f"generate {side} x {side} x 3, patchmatch", **row,
            "microseconds_per_pixel": round(row["seconds"] / side**2 * 1e6, 2),
        }  # fmt: skip
