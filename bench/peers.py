"""One exact search against general nearest-neighbour libraries: same patches, same process.

A finite alpha, the score of the method, takes two passes with a matrix product, as usual
implementations do it.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.common import alternate, natural_image

PATCH = 7
ALPHA = 0.005
# Sides of query and key image; (pixel - 6) products are the numbers of patches.
SIZES = ((36, 56), (66, 104), (135, 188), (274, 380))
# Where a library would run for minutes, it runs once.
LARGE = 50_000
# The numpy engine is for checking, not for speed.
LARGEST_OF_NUMPY = 25_000
# Distances at a time in PyTorch; larger chunks were slower here (memory comes fresh each time).
_CHUNK_FLOATS = 4_000_000

Search = Callable[[], Any]


def measure(threads: int) -> list[dict[str, Any]]:
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    return [row for size in SIZES for row in measure_size(*size, threads)]


def measure_size(height: int, width: int, threads: int) -> list[dict[str, Any]]:
    both = natural_image(height * 2, width).astype(np.float32) / np.float32(255)
    query, key = both[:height].copy(), both[height:].copy()
    queries, keys = unfolded(query), unfolded(key)
    searches = ours(query, key, threads) | peers(queries, keys, threads)
    count = len(queries)
    if count > LARGEST_OF_NUMPY:
        del searches["pnncupy, engine numpy"]
    few, many = (1, 3) if count > LARGE else (3, 9)
    fast = ("pnncupy", f"pnncupy, alpha {ALPHA}", "FAISS IndexFlatL2")
    seconds, answers = alternate(
        searches, {name: many if name in fast else few for name in searches}
    )
    check(queries, keys, answers)
    return [
        {
            "search": name,
            "n = m": count,
            "seconds": round(value, 4),
            "pairs_per_second": float(f"{count**2 / value:.3g}"),
            "times_as_long_as_pnncupy": round(value / seconds[ours_like(name)], 2),
            "same_answers": round(float(np.mean(answers[name] == answers[ours_like(name)])), 5),
        }
        for name, value in seconds.items()
    ]


def ours_like(name: str) -> str:
    """Our search that answers the same question."""
    return f"pnncupy, alpha {ALPHA}" if "alpha" in name else "pnncupy"


def unfolded(image: Any) -> Any:
    """All patches as rows of a matrix, which is what the peers take."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), axis=(0, 1))
    return np.ascontiguousarray(windows.reshape(-1, PATCH * PATCH * image.shape[2]))


def ours(query: Any, key: Any, threads: int) -> dict[str, Search]:
    import pnncupy as pnn

    def search(**options: Any) -> Search:
        def run() -> Any:
            index = pnn.nearest_patches(query, key, threads=threads, **options).index
            return (index[..., 0] * (key.shape[1] - PATCH + 1) + index[..., 1]).ravel()

        return run

    return {
        "pnncupy": search(),
        f"pnncupy, alpha {ALPHA}": search(alpha=ALPHA),
        "pnncupy, engine numpy": search(engine="numpy"),
    }


def peers(queries: Any, keys: Any, threads: int) -> dict[str, Search]:
    import faiss
    import torch
    from sklearn.metrics import pairwise_distances_argmin
    from threadpoolctl import threadpool_limits

    faiss.omp_set_num_threads(threads)
    torch.set_num_threads(threads)

    def scikit_learn() -> Any:
        with threadpool_limits(threads):
            return pairwise_distances_argmin(queries, keys)

    def flat_index() -> Any:
        index = faiss.IndexFlatL2(keys.shape[1])
        index.add(keys)
        return index.search(queries, 1)[1][:, 0]

    return {
        "scikit-learn": scikit_learn,
        "FAISS IndexFlatL2": flat_index,
        "PyTorch, chunked product": lambda: chunked_product(queries, keys, None),
        f"PyTorch, chunked product, alpha {ALPHA}": lambda: chunked_product(queries, keys, ALPHA),
    }


def chunked_product(queries: Any, keys: Any, alpha: float | None) -> Any:
    """|q|^2 + |k|^2 - 2 q k, some queries at a time, as research code does it."""
    import torch

    all_queries, all_keys = torch.from_numpy(queries), torch.from_numpy(keys)
    key_norms = (all_keys**2).sum(1)
    chunks = all_queries.split(max(16, _CHUNK_FLOATS // len(keys)))

    def distances(chunk: Any) -> Any:
        total = torch.addmm(key_norms, chunk, all_keys.T, alpha=-2)
        return total.add_((chunk**2).sum(1)[:, None]).clamp_(min=0).div_(keys.shape[1])

    divisor = None
    if alpha is not None:
        smallest = torch.full((len(keys),), torch.inf)
        for chunk in chunks:
            smallest = torch.minimum(smallest, distances(chunk).min(0).values)
        divisor = alpha + smallest
    found = []
    for chunk in chunks:
        score = distances(chunk) if divisor is None else distances(chunk).div_(divisor)
        found.append(score.argmin(1))
    return torch.cat(found).numpy()


def check(queries: Any, keys: Any, answers: dict[str, Any]) -> None:
    """Peers may differ from us by their rounding only, and never be nearer by more."""
    for name, answer in answers.items():
        mine = answers[ours_like(name)]
        differing = np.flatnonzero(answer != mine)
        if "alpha" in name:
            if len(differing) > 0.02 * len(mine):
                raise AssertionError(f"{name}: {len(differing)} other answers")
            continue
        gap = distance(queries, keys, mine, differing) - distance(queries, keys, answer, differing)
        if (gap > 1e-6).any():
            raise AssertionError(f"{name} found nearer patches, by up to {gap.max()}")


def distance(queries: Any, keys: Any, match: Any, rows: Any) -> Any:
    difference = queries[rows].astype(np.float64) - keys[match[rows]]
    return (difference**2).mean(axis=1)
