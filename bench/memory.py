"""Growth of a warmed-up process during one search of an image against itself."""

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
    return rows
