"""Growth of a warmed-up process: one search of an image against itself, and limited syntheses."""

import json
import subprocess
import sys
import tempfile
from itertools import product
from typing import Any

import numpy as np

from bench.common import natural_image

SIDES = (256, 512, 1024)
# Ticks come about ten times a second; a cut search has all its buffers, but not all its answers.
TICKS_OF_CUT_SEARCH = 100

PROGRAM = """
import json, pathlib, sys
import numpy as np
from pnncupy import engine_table, layout, searching

side, threads, ticks = (int(word) for word in sys.argv[1:4])
alpha = float(sys.argv[4])

def status(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

class Enough(Exception):
    pass

def search(image, limit):
    seen = 0
    def tick(pairs):
        nonlocal seen
        seen += 1
        if seen == limit:
            raise Enough
    _, engine = engine_table.pick("numba", image)
    settings = searching.SearchSettings(engine, 7, 3, alpha, threads, tick=tick)
    numbers = layout.Layout.of([image])
    try:
        searching.search(settings, image, [image], numbers)
        return "whole"
    except Enough:
        return "cut"

image = np.load(sys.argv[5])
search(image[:, :64, :64].copy(), 0)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
before = status("VmRSS")
how = search(image, ticks)
growth = status("VmHWM") - before
print(json.dumps({
    "side": side, "alpha": alpha, "search": how, "growth_MB": round(growth, 1),
    "bytes_per_pixel": round(growth * 2**20 / side**2, 1),
}))
"""


def measure(threads: int) -> list[dict[str, Any]]:
    rows = []
    for side, alpha in product(SIDES, ("inf", "0.005")):
        ticks = TICKS_OF_CUT_SEARCH if side > 512 else 0
        with tempfile.TemporaryDirectory() as folder:
            # Made here, so that the measured process has no freed memory to use again unseen.
            file = f"{folder}/image.npy"
            planes = np.moveaxis(natural_image(side, side), -1, 0)
            np.save(file, np.ascontiguousarray(planes, np.float32))
            command = [PROGRAM, str(side), str(threads), str(ticks), alpha, file]
            output = subprocess.run(
                [sys.executable, "-c", *command], check=True, capture_output=True, text=True
            ).stdout
        rows.append(json.loads(output))
    return [*rows, *limited(threads)]


# Of `generate` within a limit: side, how it searches, and the limits in parts of what it would
# like to have; the last one is the least that is accepted.
LIMITED = ((256, "exact"), (512, "patchmatch"), (1024, "patchmatch"))
LIMITS = (1.0, 0.85, 0.0)

LIMITED_PROGRAM = """
import gc, json, pathlib, sys
import numpy as np, pnncupy as pnn
side, method, limit, threads, file = sys.argv[1:]

def status(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

image = np.load(file)
options = {"rng": 0, "iterations": 3, "method": method, "threads": int(threads)}
small = 110 if method == "patchmatch" else 48  # compiles all that is needed
for incremental in (True, False):
    pnn.generate(image[:small, :small], **options, incremental=incremental)
gc.collect()
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
info = pnn.generate(image, max_memory=int(limit), return_info=True, **options).info
growth = status("VmHWM") - before
print(json.dumps({
    "task": f"generate {side} x {side} x 3, {method}", "limit_MB": round(int(limit) / 1e6, 1),
    "growth_MB": round(growth / 1e6, 1), "growth_over_limit": round(growth / int(limit), 2),
    "threads": info["threads"],
}))
"""


def limited(threads: int) -> list[dict[str, Any]]:
    """Growth by `generate`, and the limit that it was given."""
    from pnncupy.memory_need import Means, Size, need

    rows = []
    for (side, method), share in product(LIMITED, LIMITS):
        size = Size(side**2, side**2, 3, approximate=method == "patchmatch")
        least = need(size, Means(1, incremental=False))
        limit = max(least, round(share * need(size, Means(threads, incremental=True))))
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/image.npy"
            np.save(file, natural_image(side, side))
            words = [LIMITED_PROGRAM, side, method, limit, threads, file]
            output = subprocess.run(
                [sys.executable, "-c", *map(str, words)], check=True, capture_output=True, text=True
            ).stdout
        rows.append(json.loads(output))
    return rows
