"""The GPU engines: searches, and whole tasks with and without transfers; answers are checked."""

import math
from typing import Any

import numpy as np

from bench.common import median_seconds, natural_image

# Sides of query and key image.
SIZES = ((135, 188), (274, 380), (512, 512), (1024, 1024))
ENGINES = ("cupy", "numba-cuda")
ALPHAS = (math.inf, 0.005)
ROUNDS = 5
# Larger ones take the engine that is there to be read too long, and the CPU for the check.
LARGEST_CHECKED = 150_000


def measure(threads: int) -> list[dict[str, Any]]:
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    rows = [search(size, engine, alpha, threads)
            for size in SIZES for engine in ENGINES for alpha in ALPHAS
            if engine == "cupy" or math.prod(size) < LARGEST_CHECKED]  # fmt: skip
    rows += [task(alpha, threads) for alpha in ALPHAS]
    rows.append(samples(50))
    return [{"device": device, **row} for row in rows]


def search(size: tuple[int, int], engine: str, alpha: float, threads: int) -> dict[str, Any]:
    """One exact search, arrays on the device."""
    import cupy

    import pnncupy as pnn

    both = natural_image(size[0] * 2, size[1]).astype(np.float32) / np.float32(255)
    query, key = cupy.asarray(both[: size[0]]), cupy.asarray(both[size[0] :])

    def run() -> Any:
        found = pnn.nearest_patches(query, key, alpha=alpha, engine=engine)
        cupy.cuda.Device().synchronize()
        return found

    found = run()
    seconds = median_seconds(run, ROUNDS)
    patches = math.prod(side - 6 for side in size)
    if patches < LARGEST_CHECKED:
        expected = pnn.nearest_patches(
            both[: size[0]], both[size[0] :], alpha=alpha, threads=threads
        )
        np.testing.assert_array_equal(cupy.asnumpy(found.index), expected.index)
        np.testing.assert_array_equal(cupy.asnumpy(found.score), expected.score)
    scans = 1 if math.isinf(alpha) else 2
    return {
        "search": engine,
        "n = m": patches,
        "alpha": str(alpha),
        "seconds": round(seconds, 5),
        "pairs_per_second": float(f"{scans * patches**2 / seconds:.3g}"),
        "checked": patches < LARGEST_CHECKED,
    }


def task(alpha: float, threads: int) -> dict[str, Any]:
    """`generate` with its defaults: the same picture as on the CPU."""
    import cupy

    import pnncupy as pnn

    image = natural_image(186, 248)
    there = cupy.asarray(image)

    def on_device() -> Any:
        made = pnn.generate(there, rng=1, alpha=alpha)
        cupy.cuda.Device().synchronize()
        return made

    made = on_device()
    expected = pnn.generate(image, rng=1, alpha=alpha, threads=threads)
    np.testing.assert_array_equal(cupy.asnumpy(made), expected)
    return {
        "task": "generate 186 x 248 x 3",
        "alpha": str(alpha),
        "seconds": round(median_seconds(on_device, ROUNDS), 4),
        "seconds_with_transfers": round(
            median_seconds(lambda: pnn.generate(image, rng=1, alpha=alpha, engine="cupy"), ROUNDS),
            4,
        ),
    }


def samples(count: int) -> dict[str, Any]:
    """Many pictures in one call, which are searched together."""
    import cupy

    import pnncupy as pnn

    image = cupy.asarray(natural_image(186, 248))

    def on_device() -> Any:
        made = pnn.generate(image, count, rng=1)
        cupy.cuda.Device().synchronize()
        return made

    made = on_device()
    alone = pnn.generate(image, rng=1, n=1)
    assert bool((made[0] == alone[0]).all())
    return {
        "task": f"generate {count} of 186 x 248 x 3",
        "seconds": round(median_seconds(on_device, 3), 3),
    }
