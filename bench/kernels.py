"""The compiled searches by themselves: patch sizes and channels, threads, and following steps."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.common import alternate, median_seconds, natural_image

SIZE = (135, 188)
LARGER = (186, 248)
# (patch size, channels); 7 and 5 with 1, 3 and 4 channels are the common ones.
SHAPES = ((7, 3), (7, 1), (7, 4), (5, 3), (5, 1), (5, 4), (3, 3), (9, 3), (16, 1), (7, 8))
ROUNDS = 7
ITERATIONS = 10
ALPHA = 0.005


def measure(threads: int) -> list[dict[str, Any]]:
    return [*measure_shapes(threads), measure_threads(threads), *measure_steps(threads)]


def measure_shapes(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn

    works, pairs = {}, {}
    for patch_size, channels in SHAPES:
        name = f"p {patch_size}, C {channels}"
        query, key = halves(channels)
        works[name] = searcher(pnn.nearest_patches, query, key, patch_size, threads)
        pairs[name] = math.prod(side - patch_size + 1 for side in SIZE) ** 2
    seconds, _ = alternate(works, dict.fromkeys(works, ROUNDS))
    return [
        {
            "search": name,
            "seconds": round(value, 4),
            "pairs_per_second": float(f"{pairs[name] / value:.3g}"),
        }
        for name, value in seconds.items()
    ]


def measure_threads(threads: int) -> dict[str, Any]:
    import pnncupy as pnn

    query, key = halves(3, LARGER)
    counts = (1, threads)
    seconds = np.array(
        [
            [median_seconds(searcher(pnn.nearest_patches, query, key, 7, n), 1) for n in counts]
            for _ in range(2 * ROUNDS)
        ]
    )
    one, several = seconds.min(axis=0)
    return {
        "threads": threads,
        "sides": LARGER,
        # Virtual machines sometimes run all threads on one core for seconds: the best times tell
        # what the search can do, the median ratio what happened.
        "times_as_fast_as_one": round(float(one / several), 2),
        "median_ratio": round(float(np.median(seconds[:, 0] / seconds[:, 1])), 2),
    }


def searcher(search: Any, query: Any, key: Any, patch_size: int, threads: int) -> Callable[[], Any]:
    return lambda: search(query, key, patch_size=patch_size, threads=threads, channel_axis=-1)


def halves(channels: int, size: tuple[int, int] = SIZE) -> tuple[Any, Any]:
    """Upper and lower half of a photograph, its channels repeated as needed."""
    both = natural_image(size[0] * 2, size[1]).astype(np.float32) / np.float32(255)
    both = np.concatenate([both] * -(-channels // 3), axis=2)[..., :channels]
    return both[: size[0]].copy(), both[size[0] :].copy()


def measure_steps(threads: int) -> list[dict[str, Any]]:
    """Normalised searches of following PNN steps, each beside a plain search of the same images.

    Both with an infinite alpha for comparison, and all steps on the pictures of one run.
    """
    import pnncupy as pnn
    from pnncupy.engine import registry
    from pnncupy.search.candidate_lists import finer_candidates
    from pnncupy.search.exact import SearchSettings, search
    from pnncupy.search.incremental import ReuseStatistics, incremental_search
    from pnncupy.search.patch_grid import Layout

    image = natural_image(*SIZE).astype(np.float32) / np.float32(255)
    coarse = pnn.pyramid(image, 1)[1]
    start = pnn.generate(
        coarse, rng=1, alpha=ALPHA, data_range=(0, 1), threads=threads, return_index=True
    )
    query, key = (
        planes(pnn.resize(values, 4 / 3, image.shape[:2])) for values in (start.image, coarse)
    )
    layout, coarse_layout = Layout.of([key]), Layout.of([planes(coarse)])
    # The map has the pixel in the middle of a patch; that moves nothing but the first guesses.
    matches = coarse_layout.encode(*np.moveaxis(start.index[3:-3, 3:-3], -1, 0)) - 3 * (
        coarse_layout.width + 1
    )
    first = finer_candidates(matches, coarse_layout, layout, (SIZE[0] - 6, SIZE[1] - 6), 7)
    _, engine = registry.pick("numba", key)
    plain = SearchSettings(engine, 7, 3, math.inf, threads)
    normalised = SearchSettings(engine, 7, 3, ALPHA, threads)

    queries = [query]
    follow = incremental_search(normalised, [key], layout, None, first, ReuseStatistics())
    for _ in range(ITERATIONS):
        index = follow(queries[-1]).index
        places = np.stack(np.divmod(index, key.shape[2]), axis=-1)
        queries.append(planes(pnn.vote(image, places, threads=threads)))
    del queries[-1]

    seconds: list[list[list[float]]] = []
    for _ in range(ROUNDS):
        reuse = ReuseStatistics()
        follow = incremental_search(normalised, [key], layout, None, first, reuse)
        seconds.append([])
        for step in queries:
            held = reuse.held, reuse.tried
            start_time = time.perf_counter()
            search(plain, step, [key], layout)
            middle = time.perf_counter()
            follow(step)
            times = middle - start_time, time.perf_counter() - middle
            seconds[-1].append([*times, reuse.held - held[0], reuse.tried - held[1]])
    rows = []
    for step, values in enumerate(np.moveaxis(np.array(seconds), 1, 0)):
        plain_seconds, normalised_seconds, held_now, tried = values.T
        rows.append(
            {
                "normalised step": step + 1,
                "plain_seconds": round(float(np.median(plain_seconds)), 4),
                "normalised_seconds": round(float(np.median(normalised_seconds)), 4),
                "ratio": round(float(np.median(normalised_seconds / plain_seconds)), 2),
                "proofs_held": round(float(held_now[0] / tried[0]), 5) if tried[0] else None,
            }
        )
    return rows


def planes(image: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32)
