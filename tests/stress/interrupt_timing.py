"""How soon commands end after a signal; run by hand for the table in CONTRIBUTING.md.

python tests/interrupt_timing.py [TIMES] [WORD ...]

Each long path whose name holds one of the words is started TIMES times (default 10), and gets
SIGINT or SIGTERM at a random moment. Told are the largest time until the process is gone, how often
it did not unwind in time and ended itself, and what went wrong.
"""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from signalled import Signalled

from pnncupy.cli import signals
from pnncupy.io import write_image

SIZES = {"small": 300, "middle": 700, "large": 2000, "huge": 5000}
JOBS = "".join(f'[[job]]\nimage = "middle.png"\nseed = {seed}\n' for seed in range(9))
SPEC = """
[[retarget]]
image = "middle.png"
title = "Narrow"
scale = [1.0, 0.6]

[[generate]]
image = "small.png"
title = "Many"
n = 4
"""
PATCHMATCH = ["--method", "patchmatch", "--seed", 1]
# Name -> the command, and the seconds within which it is interrupted.
CASES = {
    "start": (["generate", "small.png"], 0.6),
    "engines": (["engines"], 1.5),
    "first run, compiles": (["generate", "small.png"], 8),
    "generate, exact": (["generate", "large.png"], 5),
    "generate, exact, one thread": (["generate", "large.png", "--threads", 1], 5),
    "generate, normalised": (["generate", "large.png", "--alpha", 0.005], 5),
    "generate, patchmatch": (["generate", "large.png", *PATCHMATCH], 12),
    "generate, patchmatch, normalised": (
        ["generate", "large.png", *PATCHMATCH, "--alpha", 0.005], 15
    ),
    "generate, median": (["generate", "large.png", *PATCHMATCH, "--vote", "median"], 12),
    "generate, numpy": (["generate", "small.png", "--engine", "numpy"], 5),
    "generate, numpy, patchmatch": (
        ["generate", "middle.png", *PATCHMATCH, "--engine", "numpy"], 12
    ),
    "generate, numpy, median": (
        ["generate", "small.png", "--engine", "numpy", "--vote", "median", "--levels", 0], 12
    ),
    "generate, lists": (["generate", "small.png", "--iterations", 40, "--alpha", 0.005], 12),
    "generate, checkpoint": (
        ["generate", "middle.png", "--seed", 1, "--checkpoint", "state.npz"], 12
    ),
    "generate, dry run": (["generate", "large.png", "--dry-run"], 5),
    "generate, huge image": (["generate", "huge.png", *PATCHMATCH], 12),
    "retarget, huge image": (
        ["retarget", "huge.png", "--scale", 1, 0.9, *PATCHMATCH[:2], "--levels", 0,
         "--iterations", 1], 12,
    ),
    "writes a huge image": (
        ["analogy", "small.png", "--structure", "huge.png", *PATCHMATCH[:2], "--levels", 0,
         "--iterations", 1, "--patch-size", 2], 20,
    ),
    "retarget, gradual": (["retarget", "middle.png", "--scale", 1, 0.5, "--gradual"], 5),
    "inpaint": (["inpaint", "large.png", "--mask", "mask.png", "--seed", 1], 5),
    "analogy": (["analogy", "large.png", "--structure", "large.png"], 5),
    "collage": (["collage", "large.png", "middle.png"], 5),
    "edit": (["edit", "large.png", "--edited", "large.png"], 5),
    "batch": (["batch", "jobs.toml", "--workers", 2], 8),
    "batch of many": (["batch", "folder", "-n", 2000, "--workers", 2], 8),
    "report": (["report", "spec.toml"], 12),
    "report, demo": (["report", "--demo"], 12),
}  # fmt: skip


def prepare(folder):
    """The images and lists of the cases."""
    chance = np.random.default_rng(0)
    for name, side in SIZES.items():
        blocks = chance.random((side // 20 + 1, side // 20 + 1, 3))
        picture = np.repeat(np.repeat(blocks, 20, 0), 20, 1)
        picture = picture[:side, :side] * 200 + chance.random((side, side, 1)) * 50
        write_image(folder / f"{name}.png", picture.astype(np.uint8))
    mask = np.zeros((SIZES["large"],) * 2, np.uint8)
    mask[500:1500, 400:1600] = 255
    write_image(folder / "mask.png", mask)
    (folder / "folder").mkdir()
    write_image(folder / "folder" / "tiny.png", picture[:40, :50].astype(np.uint8))
    (folder / "jobs.toml").write_text(JOBS)
    (folder / "spec.toml").write_text(SPEC)


def measure(name, words, seconds, times, folder):
    """Print the largest time of one case."""
    chance = random.Random(name)
    slowest, forced, wrong = 0.0, 0, []
    for number in range(times):
        place = folder / f"out_{number}_{time.monotonic_ns()}"
        output = [] if name in ("engines",) or "--dry-run" in words else ["-o", place]
        with tempfile.TemporaryDirectory() as cache:
            variables = {"NUMBA_CACHE_DIR": cache} if "compiles" in name else {}
            process = Signalled([*words, *output], folder, variables)
            time.sleep(chance.uniform(0.2, seconds))
            kind = (signal.SIGINT, signal.SIGTERM)[number % 2]
            ended = process.end_by(kind, group=kind == signal.SIGINT)
        if ended.finished:
            continue
        slowest = max(slowest, ended.seconds)
        forced += ended.seconds > signals.PATIENCE
        wrong += ended.wrong(place)
    print(f"| {name} | {slowest:.2f} s | {forced} |", *wrong, flush=True)


def main():
    words = sys.argv[1:]
    times = int(words.pop(0)) if words and words[0].isdecimal() else 10
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        for name, (command, seconds) in CASES.items():
            if not words or any(word in name for word in words):
                measure(name, command, seconds, times, folder)


if __name__ == "__main__":
    main()
