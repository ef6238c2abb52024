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
PACKAGES = (
    "pnncupy", "numpy", "numba", "llvmlite", "scikit-learn", "faiss-cpu", "torch", "cupy-cuda12x",
    "cupy-cuda13x", "numba-cuda",
)  # fmt: skip


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


def in_file_name(machine: str) -> str:
    """A processor or device in lower case, with dashes."""
    return "-".join("".join(c if c.isalnum() else " " for c in machine).split()).lower()


def write_results(family: str, threads: int, results: list[dict[str, Any]]) -> Path:
    """One JSON file per family and machine, or device where rows name one, replaced by each run."""
    from pnncupy.kernels.numba_cpu.simd import LANES

    RESULTS.mkdir(exist_ok=True)
    machine = results[0].get("device", processor())
    file = RESULTS / f"{family}-{in_file_name(machine)}-{threads}-threads.json"
    record = {
        "family": family,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": processor(),
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


def alternate(
    works: dict[str, Callable[[], Any]], rounds: dict[str, int]
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds of each, after a first run that is not counted, and what each returned.

    They take turns, since the speed of a shared machine drifts.
    """
    answers = {name: work() for name, work in works.items() if rounds[name] > 1}
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(max(rounds.values())):
        for name, work in works.items():
            if turn < rounds[name]:
                start = time.perf_counter()
                answers[name] = work()
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}, answers


def natural_image(height: int, width: int) -> Any:
    """A photograph of any size: the bundled rocket, enlarged as needed."""
    import pnncupy as pnn

    source = _rocket()
    scale = max(height / source.shape[0], width / source.shape[1])
    enlarged = pnn.resize(source, scale, (height, width))
    # Enlarging leaves no detail at the finest scale; a little noise stands in for it.
    noise = np.random.default_rng(0).normal(0, 4, enlarged.shape)
    return np.clip(enlarged + noise, 0, 255).astype(np.uint8)


def _rocket() -> Any:
    try:
        from pnncupy.samples import load_sample

        return load_sample("rocket")
    except ImportError:  # a machine with a GPU, perhaps, but without the image codecs
        from importlib.resources import files

        from PIL import Image

        with (files("pnncupy") / "photographs" / "rocket.png").open("rb") as file:
            return np.asarray(Image.open(file))
