"""Growth of a warmed-up process during one search of an image against itself."""

import json
import subprocess
import sys
from typing import Any

SIDES = (256, 512, 1024)
# Ticks come about ten times a second; a cut search has all its buffers, but not all its answers.
TICKS_OF_CUT_SEARCH = 100

PROGRAM = """
import json, resource, sys
import numpy as np
from bench.common import natural_image
from pnncupy import engine_table, matching

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

side, threads, alpha, ticks = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])

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
    settings = matching.SearchSettings(engine, 7, 3, alpha, threads, tick)
    layout = matching.Layout.of([image])
    try:
        matching.search(settings, image, [([image], layout)])
        return "whole"
    except Enough:
        return "cut"

image = np.ascontiguousarray(np.moveaxis(natural_image(side, side), -1, 0), np.float32)
search(image[:, :64, :64].copy(), 0)
before = peak()
how = search(image, ticks)
print(json.dumps({"side": side, "alpha": alpha, "search": how, "growth_MB": round(peak() - before, 1)}))
"""


def measure(threads: int) -> list[dict[str, Any]]:
    rows = []
    for side in SIDES:
        for alpha in ("inf", "0.005"):
            ticks = TICKS_OF_CUT_SEARCH if side > 512 else 0
            output = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(side), str(threads), alpha, str(ticks)],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            rows.append(json.loads(output))
    return rows
