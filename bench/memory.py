"""Growth of a warm process: searches of an image against itself, and all tasks within limits.

`python -m bench memory` takes some minutes. The last rows are the memory that the limit does not
count: Python, the libraries and the kernels, compiled or loaded from Numba's cache.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import natural_image

SIDES = (256, 512, 1024)
# Ticks come about ten times a second; a cut search has all its buffers, but not all its answers.
TICKS_OF_CUT_SEARCH = 100

PROGRAM = """
import json, pathlib, sys
import numpy as np
from pnncupy.engine import registry
from pnncupy.search import exact, patch_grid

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
    _, engine = registry.pick("numba", image)
    settings = exact.SearchSettings(engine, 7, 3, alpha, threads, tick=tick)
    numbers = patch_grid.Layout.of([image])
    try:
        exact.search(settings, image, [image], numbers)
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
    return [*rows, *limited(), *uncounted()]


GROWTH = Path(__file__).parents[1] / "tests" / "stress" / "memory_growth.py"
# Limits in parts of the least one that is accepted.
SHARES = (1.0, 2.0, 3.5)
NORMALISED, PLAIN = {"alpha": 0.005}, {"alpha": float("inf")}
BOTH, SHARP = {"keys": "both"}, {"keys": "sharp"}
INDEX, COPY, MEDIAN = {"return_index": True}, {"vote": "copy"}, {"vote": "median"}
GRADUAL, LABELS, STD = {"gradual": True}, {"categorical": True}, {"channel_weights": "std"}
GREY = {"channels": 1}


def cases(method: str, side: int) -> list[dict[str, Any]]:
    """Calls of all tasks on images of about that side."""
    half, more = side // 2, side * 3 // 2
    square = [side, side]
    two, three = [square, [side * 3 // 4, more]], [square, [half, more], [side, half]]

    def case(
        task: str, sides: Any, options: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        given = {"iterations": 2, "coarse_iterations": 2, "method": method, **(options or {})}
        return {"task": task, "sides": sides, **more, "options": given}

    return [
        case("generate", [square]),
        case("generate", [square], {**NORMALISED, **INDEX}, dtype="uint16", **GREY),
        case("generate", [square], {**NORMALISED, **BOTH, **STD}, guides=1),
        case("generate", [square], {**INDEX, "threads": 4}, n=5, dtype="float64"),
        case("generate", [square], {**COPY, "downscale": 1.1}, shape=[more, side]),
        case("generate", three, {**BOTH, **MEDIAN}, shape=[half, side]),
        case("generate", [square], LABELS, labels=5, dtype="int32", **GREY),
        case("generate", [square], NORMALISED, missing=True, dtype="float64"),
        case("retarget", [square], {**BOTH, "threads": 4}, shape=[side, half]),
        case("retarget", [square], PLAIN, shape=[side, more], guides=2, **GREY),
        case("retarget", [square], GRADUAL, shape=[side * 4 // 5, side], dtype="float64"),
        case("retarget", [square], {**GRADUAL, **PLAIN, **SHARP}, shape=[side, side * 6 // 5]),
        case("inpaint", [square], SHARP),
        case("inpaint", [square], {**NORMALISED, **BOTH, **MEDIAN}, dtype="float64", **GREY),
        case("inpaint", [square], {"fill": "noise", "keep_known": False}, guides=1),
        case("analogy", [square, [half, more]], BOTH),
        case("analogy", [square, square], {**PLAIN, **INDEX}, dtype="float64", hidden=True),
        case("collage", two, BOTH),
        case("collage", three, {**PLAIN, **COPY, **INDEX}, **GREY),
        case("collage", two, {"patch_size": 9}, shape=[side, half], missing=True),
        case("generate", [[2 * side, side // 3], [side // 3, 2 * side]], {**NORMALISED, **BOTH}),
        case("collage", two, {**GRADUAL, **BOTH}),
        case("collage", three, {**GRADUAL, **PLAIN, **INDEX}, dtype="uint16"),
        case("edit", [square], {**NORMALISED, **BOTH}, mask=True, dtype="float64"),
        case("edit", [square], MEDIAN, dtype="int64"),
        case("generate", [square], noise=0),
        case("retarget", [square], {**NORMALISED, **BOTH}, shape=[side, more], noise=0),
    ]


def named(case: dict[str, Any]) -> str:
    """A case in words."""
    sides = " ".join("x".join(map(str, shape)) for shape in case["sides"])
    options = {name: value for name, value in case["options"].items() if "iterations" not in name}
    others = {name: case[name] for name in case if name not in ("task", "sides", "options")}
    words = [
        f"{name} {'x'.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in {**options, **others}.items()
    ]
    return f"{case['task']} {sides} {' '.join(words)}"


def limited() -> list[dict[str, Any]]:
    """Growth in calls with limits, in parts of these; the worst ones first."""
    calls = [
        {**case, "share": share}
        for case in [*cases("exact", 96), *cases("patchmatch", 150)]
        for share in SHARES
    ]
    with ThreadPoolExecutor(2) as pool:  # each waits for a process
        measured = list(pool.map(_growth, calls))
    rows = []
    for first in range(0, len(calls), len(SHARES)):
        found = measured[first : first + len(SHARES)]
        ratios = [round(each["growth"] / each["limit"], 2) for each in found]
        rows.append({
            "growth_over_limit": max(ratios), "of_each_limit": ratios,
            "limits_MB": [round(each["limit"] / 1e6, 1) for each in found],
            "call": named({name: calls[first][name] for name in calls[first] if name != "share"}),
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["growth_over_limit"])


def _growth(case: dict[str, Any]) -> dict[str, int]:
    command = [sys.executable, str(GROWTH), json.dumps(case)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


UNCOUNTED_PROGRAM = """
import json, pathlib, sys
import numpy as np, pnncupy as pnn, pnncupy.search.method

pnncupy.search.method.EXACT_BELOW = 0
image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
pnn.generate(image, rng=0, iterations=3, **json.loads(sys.argv[1]))
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""


def uncounted() -> list[dict[str, Any]]:
    """Peak memory of processes that make one tiny image, compiling kernels or loading them."""
    rows = []
    for options in ({}, NORMALISED, {"method": "patchmatch"}):
        with tempfile.TemporaryDirectory() as cache:
            for kernels in ("compiled", "loaded"):
                done = subprocess.run(
                    [sys.executable, "-c", UNCOUNTED_PROGRAM, json.dumps(options)], check=True,
                    capture_output=True, text=True, env={**os.environ, "NUMBA_CACHE_DIR": cache},
                )  # fmt: skip
                rows.append({"options": options, "kernels": kernels,
                             "process_MB": round(int(done.stdout) / 1e6)})  # fmt: skip
    return rows
