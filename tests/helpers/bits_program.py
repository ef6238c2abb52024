"""Prints a digest of what each task makes, for tests that compare processes; plain and in tiles."""

import hashlib
import os

import numpy as np
from device_calls import CALLS, WITHOUT_ENGINE
from tilings import TILINGS, tiled

import pnncupy as pnn
import pnncupy.search.method
from pnncupy.parallel.threads import thread_count

SEEDS = (0, 1)
SHAPE = (15, 17)


def digest(results):
    """Of all arrays in nested tuples."""
    total = hashlib.sha256()
    for result in results:
        if isinstance(result, np.ndarray):
            total.update(result.tobytes())
        elif result is not None:
            total.update(digest(result).encode())
    return total.hexdigest()


def approximate(image):
    """All by PatchMatch, however few pairs there are."""
    exact_below, pnncupy.search.method.EXACT_BELOW = pnncupy.search.method.EXACT_BELOW, 0
    try:
        options = {"patch_size": 3, "iterations": 2, "method": "patchmatch", "rng": 5}
        return [pnn.generate(image, alpha=alpha, **options) for alpha in (0.01, float("inf"))]
    finally:
        pnncupy.search.method.EXACT_BELOW = exact_below


def everything():
    """Each call's name and what it makes."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        image = random.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
        mask = np.zeros(SHAPE, bool)
        mask[6:10, 5:11] = True
        for name, call in CALLS.items():
            if name not in WITHOUT_ENGINE:
                yield f"{name}, {seed}", call(image, mask)
        yield f"approximate, {seed}", approximate(image)


def main():
    assert thread_count(None) == int(os.environ["NUMBA_NUM_THREADS"])
    for name, results in everything():
        print("plain", name, digest([results]), sep="\t")
    for tiles in TILINGS:
        with tiled(tiles):
            for name, results in everything():
                print(tiles, name, digest([results]), sep="\t")


if __name__ == "__main__":
    main()
