"""What the families share: the machine's name, timing, results on disk."""

import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pnncupy", "numpy", "numba", "llvmlite", "scikit-learn")


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_results(family: str, threads: int, results: list[dict[str, Any]]) -> Path:
    """One JSON file per family and machine, replaced by each run."""
    from pnncupy.kernels.simd import LANES

    machine = processor()
    name = "-".join("".join(c if c.isalnum() else " " for c in machine).split()).lower()
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{family}-{name}-{threads}-threads.json"
    record = {
        "family": family,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "vector_lanes": LANES,
        "threads": threads,
        "versions": versions(),
        "results": results,
    }
    file.write_text(json.dumps(record, indent=2) + "\n")
    return file


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def natural_image(height: int, width: int) -> Any:
    """A photograph of any size: the bundled rocket, mirrored and enlarged as needed."""
    import pnncupy as pnn
    from pnncupy.samples import load_sample

    source = load_sample("rocket")
    scale = max(height / source.shape[0], width / source.shape[1])
    enlarged = pnn.resize(source, scale, (height, width))
    # Enlarging leaves no detail at the finest scale; a little noise stands in for it.
    noise = np.random.default_rng(0).normal(0, 4, enlarged.shape)
    return np.clip(enlarged + noise, 0, 255).astype(np.uint8)
