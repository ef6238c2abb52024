"""Volumes: microstructures of three phases, a hole, and a time series."""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

# Noise of the phases' blobs, in voxels.
BLOBS = 4.0
FRAMES, ROWS, COLUMNS = 32, 120, 160


def phases(side: int | tuple[int, ...], seed: int = 0) -> Any:
    """Three phases of 40, 35 and 25 %, in blobs of one size."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    shape = (side,) * 3 if isinstance(side, int) else side
    fields = gaussian_filter(random.standard_normal((2, *shape)), (0, *(BLOBS,) * 3))
    labels = np.zeros(shape, np.uint8)
    labels[fields[0] > np.quantile(fields[0], 0.4)] = 1
    rest = labels == 1
    labels[rest & (fields[1] > np.quantile(fields[1][rest], 35 / 60))] = 2
    return labels


def video() -> Any:
    """Discs that move over a textured ground, (frames, rows, columns, 3) uint8."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(3)
    ground = gaussian_filter(random.standard_normal((ROWS, COLUMNS, 3)), (2, 2, 0))
    ground = 110 + 300 * ground
    y, x = np.mgrid[:ROWS, :COLUMNS]
    start, speed = random.random((12, 2)) * (ROWS, COLUMNS), random.normal(0, 1.5, (12, 2))
    colours = random.integers(40, 256, (12, 3))
    frames = np.empty((FRAMES, ROWS, COLUMNS, 3))
    for number in range(FRAMES):
        frames[number] = ground
        for place, step, colour in zip(start, speed, colours, strict=True):
            row, column = (place + number * step) % (ROWS, COLUMNS)
            frames[number][np.hypot(y - row, x - column) < 9] = colour
    return np.clip(frames + random.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)


def _microstructure(side: int, threads: int, method: str) -> dict[str, Any]:
    import pnncupy as pnn
    from pnncupy import metrics

    source = phases(side)
    start = time.perf_counter()
    made = pnn.generate(
        source, channel_axis=None, categorical=True, independent=True, method=method, rng=1,
        threads=threads, return_info=True, return_index=True,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    fractions = metrics.phase_fractions(source, made.image)
    row = {
        "case": f"{side}^3, three phases, {method}",
        "seconds": round(seconds, 1),
        "levels": made.info["levels"],
        "independent": made.info["independent"],
        "largest_fraction_error": round(max(map(abs, fractions.difference)), 4),
        "translation_share": round(metrics.translation_share(made.index), 3),
    }
    for axis in range(3):
        errors = [
            metrics.two_point_correlation(source, made.image, phase=phase, axis=axis).difference
            for phase in range(3)
        ]
        row[f"s2_rms_axis_{axis}"] = round(float(np.sqrt(np.mean(np.square(errors)))), 4)
    return row


def _hole(shape: tuple[int, ...], hole: tuple[int, ...], threads: int) -> dict[str, Any]:
    import pnncupy as pnn

    source = phases(shape)
    mask = np.zeros(shape, bool)
    mask[
        tuple(
            slice((side - width) // 2, (side + width) // 2)
            for side, width in zip(shape, hole, strict=True)
        )
    ] = True
    start = time.perf_counter()
    made = pnn.inpaint(
        source,
        mask,
        channel_axis=None,
        categorical=True,
        fill="noise",
        rng=0,
        threads=threads,
        method="patchmatch",
        alpha=0.005,
    )
    seconds = time.perf_counter() - start
    share = [(made[mask] == phase).mean() - (source == phase).mean() for phase in range(3)]
    return {
        "case": f"{_by(shape)}, hole of {_by(hole)}, patchmatch",
        "seconds": round(seconds, 1),
        "known_voxels_changed": int((made != source)[~mask].sum()),
        "largest_fraction_error_in_hole": round(float(np.abs(share).max()), 3),
    }


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _video(threads: int) -> dict[str, Any]:
    import pnncupy as pnn

    source = video()
    start = time.perf_counter()
    made = pnn.generate(
        source, patch_size=(3, 7, 7), downscale=(1, 4 / 3, 4 / 3), method="patchmatch", rng=1,
        threads=threads, noise_std=0.75,
    )  # fmt: skip
    seconds = time.perf_counter() - start

    def change(frames: Any) -> float:
        return float(np.abs(np.diff(frames.astype(float), axis=0)).mean())

    return {
        "case": f"video {FRAMES} x {ROWS} x {COLUMNS} x 3, patchmatch",
        "seconds": round(seconds, 1),
        "frame_difference": round(change(made), 3),
        "of_source": round(change(source), 3),
        "ratio": round(change(made) / change(source), 3),
    }


CASES = {
    "patchmatch-64": lambda threads: _microstructure(64, threads, "patchmatch"),
    "patchmatch-128": lambda threads: _microstructure(128, threads, "patchmatch"),
    "hole-64": lambda threads: _hole((64,) * 3, (24,) * 3, threads),
    "hole-256": lambda threads: _hole((48, 256, 256), (24, 200, 200), threads),
    "video": _video,
    "exact-48": lambda threads: _microstructure(48, threads, "exact"),
    "exact-64": lambda threads: _microstructure(64, threads, "exact"),
}


def measure(threads: int) -> list[dict[str, Any]]:
    """Each case in a process of its own, so that its peak of memory is its own."""
    rows = []
    for case in CASES:
        command = [sys.executable, "-m", "bench.volumes", case, str(threads)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(found.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    row = CASES[options.case](options.threads)
    row["cpu_seconds"] = round(time.process_time(), 1)
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(row))
