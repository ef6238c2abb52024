"""Many pictures and big searches on workers: one and two processes here, and what that promises.

Worker processes have one thread each. The last rows are reckoned from the others, not measured.
"""

import math
import statistics
import tempfile
import time
from typing import Any

import numpy as np

from bench.common import natural_image

ITEMS = 40
ROUNDS = 3
# Query and key patches of the shared search: about 60,000 each.
SIDE = 251
FAR_WORKERS = 100
FAR_PIXELS = 16_000_000


def measure(threads: int) -> list[dict[str, Any]]:
    from pnncupy import batch

    with batch.ProcessPool(1, 1) as one, batch.ProcessPool(2, 1) as two:
        rows = [items(one, two), *(shared(two, alpha) for alpha in (math.inf, 0.005))]
    return rows + reckoned(rows)


def items(one: Any, two: Any) -> dict[str, Any]:
    """Pictures a minute of a batch, by one and by two workers in turn."""
    from pnncupy import batch

    jobs, arrays = batch.make_jobs(
        "generate", ITEMS, image=natural_image(124, 165), output="picture", seed=1
    )
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(ROUNDS + 1):
        for workers, pool in ((1, one), (2, two)):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                report = batch.run(jobs, folder, arrays=arrays, executor=pool)
                seconds = time.perf_counter() - start
            assert report.made == ITEMS
            if turn:  # the first one starts the processes
                speeds[workers].append(60 * ITEMS / seconds)
    medians = {workers: statistics.median(found) for workers, found in speeds.items()}
    return {
        "what": "batch of generate 124 x 165 x 3, pictures a minute",
        "one worker": round(medians[1]), "two workers": round(medians[2]),
        "ratio": round(medians[2] / medians[1], 2),
        "ratios": [round(b / a, 2) for a, b in zip(speeds[1], speeds[2], strict=True)],
    }  # fmt: skip


def shared(pool: Any, alpha: float) -> dict[str, Any]:
    """One search by two workers, against two threads of this process."""
    import pnncupy as pnn

    both = natural_image(2 * SIDE, SIDE).astype(np.float32) / np.float32(255)
    query, key = both[:SIDE], both[SIDE:]

    def here() -> Any:
        return pnn.nearest_patches(query, key, alpha=alpha, threads=2)

    def there() -> Any:
        return pnn.nearest_patches(query, key, alpha=alpha, executor=pool)

    for mine, other in zip(here(), there(), strict=True):
        np.testing.assert_array_equal(mine, other)
    times: dict[str, list[float]] = {"here": [], "there": []}
    for _ in range(9):
        for name, work in (("here", here), ("there", there)):
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(found) for name, found in times.items()}
    patches = (SIDE - 6) ** 2
    return {
        "what": f"exact search {patches} x itself in blocks", "alpha": str(alpha),
        "two threads": round(medians["here"], 3), "two workers": round(medians["there"], 3),
        "ratio": round(medians["there"] / medians["here"], 3),
        "pairs_per_second_and_worker": float(f"{patches**2 / medians['there'] / 2:.3g}"),
    }  # fmt: skip


def reckoned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What 100 such workers would do, if nothing but the work took time."""
    items_row, plain = rows[0], rows[1]
    pairs = float(FAR_PIXELS) ** 2
    seconds = pairs / (plain["pairs_per_second_and_worker"] * FAR_WORKERS)
    return [
        {
            "what": f"reckoned: the same batch, {FAR_WORKERS} workers, pictures a minute",
            "pictures": round(items_row["two workers"] / 2 * FAR_WORKERS),
            "assumed": "workers like one core here; a millisecond of the scheduler for each job",
        },
        {
            "what": f"reckoned: one exact search of 16 megapixels, {FAR_WORKERS} workers",
            "hours": round(seconds / 3600, 1),
            "assumed": "the same pairs a second; 192 MB of images, sent in blocks of 64 MB at most",
        },
        {
            "what": f"reckoned: exact generate of 16 megapixels, {FAR_WORKERS} workers",
            "hours": round(seconds / 3600 * 10 / (1 - (3 / 4) ** 4) * 0.7, 1),
            "assumed": "ten steps a level, all levels 1.46 times the finest one, 0.7 of the pairs "
            "left where unchanged patches are skipped",
        },
    ]  # fmt: skip
