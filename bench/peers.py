"""One exact search against general nearest-neighbour libraries, same patches, same process."""

import time
from typing import Any

import numpy as np

from bench.common import median_seconds, natural_image

SIZE = (135, 188)
PATCH = 7
REPEATS = 5


def unfolded(image: Any) -> Any:
    """All patches as rows of a matrix, which is what the peers take."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), axis=(0, 1))
    return np.ascontiguousarray(windows.reshape(-1, PATCH * PATCH * image.shape[2]))


def measure(threads: int) -> list[dict[str, Any]]:
    import os

    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    from sklearn.metrics import pairwise_distances_argmin
    from threadpoolctl import threadpool_limits

    import pnncupy as pnn

    both = natural_image(SIZE[0] * 2, SIZE[1]).astype(np.float32) / np.float32(255)
    query, key = both[: SIZE[0]].copy(), both[SIZE[0] :].copy()
    queries, keys = unfolded(query), unfolded(key)
    pairs = len(queries) * len(keys)

    def ours(alpha: float = np.inf) -> Any:
        return pnn.nearest_patches(query, key, threads=threads, alpha=alpha)

    def peer() -> Any:
        with threadpool_limits(threads):
            return pairwise_distances_argmin(queries, keys)

    ours(), ours(0.005), peer()  # compile and warm up
    times: dict[str, list[float]] = {"numba": [], "scikit-learn": []}
    for _ in range(REPEATS):  # alternating, since the machine's speed varies
        times["numba"].append(median_seconds(ours, 3))
        times["scikit-learn"].append(median_seconds(peer, 1))
    normalised = median_seconds(lambda: ours(0.005), REPEATS)
    start = time.perf_counter()
    plain = pnn.nearest_patches(query, key, engine="numpy")
    plain_seconds = time.perf_counter() - start

    found = ours().index
    number = (found[..., 0] * (SIZE[1] - PATCH + 1) + found[..., 1]).ravel()
    other = peer()
    differing = np.flatnonzero(number != other)
    gap = _distance(queries, keys, number, differing) - _distance(queries, keys, other, differing)
    if (gap > 1e-6).any() or not np.array_equal(found, plain.index):
        raise AssertionError("the answers differ by more than rounding")

    seconds = {name: float(np.median(values)) for name, values in times.items()}
    seconds |= {"numba, alpha 0.005": normalised, "numpy engine": plain_seconds}
    return [
        {
            "search": name,
            "n = m": len(queries),
            "seconds": round(value, 4),
            "pairs_per_second": float(f"{pairs / value:.3g}"),
            "times_faster_than_scikit-learn": round(seconds["scikit-learn"] / value, 2),
        }
        for name, value in seconds.items()
    ]


def _distance(queries: Any, keys: Any, match: Any, rows: Any) -> Any:
    difference = queries[rows].astype(np.float64) - keys[match[rows]]
    return (difference**2).mean(axis=1)
