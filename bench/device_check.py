"""The first minutes on a GPU: versions, engines, bits, tests, sanitizers, rates, time, memory.

Each part runs in a process of its own with a limit, so that one that fails or hangs does not keep
the others from running. The report is `bench/results/device-NAME.md`.
"""

import argparse
import cProfile
import importlib
import io
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import RESULTS, in_file_name, natural_image, versions

ROOT = Path(__file__).parents[1]
GPU_ENGINES = ("cupy", "numba-cuda")
# Instructions of one pair of 7 x 7 x 3 patches, and how many a multiprocessor issues in a cycle
# of its clock: what bounds the rate of the exact search, see "GPU model" in NOTES.md.
INSTRUCTIONS_A_PAIR = 29.2
LANES = 128
# Images of 186 x 248 cover few blocks well.
SIZES = ((33, 44), (104, 139), (186, 248), (512, 512), (1024, 1024))
PASSES = ("memcheck", "racecheck", "synccheck")
_SMALL_CALLS = """
import numpy as np, pnncupy as pnn
random = np.random.default_rng(0)
query, key = random.random((20, 31, 3), np.float32), random.random((26, 19, 3), np.float32)
for options in ({}, {"alpha": 0.01}, {"method": "patchmatch", "rounds": 1, "alpha": 0.01}):
    pnn.nearest_patches(query, key, engine="cupy", **options)
for vote in ("weighted_mean", "median"):
    pnn.pnn_step(query, key, key, vote=vote, engine="cupy")
pnn.generate(query, rng=1, iterations=2, levels=1, engine="cupy")
"""

Lines = Iterator[str]


def software() -> Lines:
    """Versions, driver, and the device."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    yield f"- device: {properties['name'].decode()}, compute capability {_capability(properties)}"
    yield f"- multiprocessors: {properties['multiProcessorCount']}"
    yield f"- clock: {properties['clockRate'] / 1e6:.3f} GHz at most"
    yield f"- memory: {properties['totalGlobalMem'] / 2**30:.1f} GiB"
    runtime = cupy.cuda.runtime
    yield f"- CUDA: driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}"
    yield f"- NVRTC: {'.'.join(map(str, cupy.cuda.nvrtc.getVersion()))}"
    for name, version in versions().items():
        yield f"- {name}: {version}"


def _capability(properties: dict[str, Any]) -> str:
    return f"{properties['major']}.{properties['minor']}"


def engines() -> Lines:
    """What `pnncupy.engines()` says, and how long a first process takes to find out."""
    import pnncupy as pnn

    start = time.perf_counter()
    for engine in pnn.engines():
        yield f"- {engine.name}: {'available' if engine.available else engine.detail}"
    yield f"- seconds: {time.perf_counter() - start:.1f}"


def bits(names: Sequence[str] = GPU_ENGINES) -> Lines:
    """Results on the device against those of the CPU, smallest first."""
    import pnncupy as pnn

    cases = 0
    for engine in names:
        for name, call in _calls().items():
            expected, found = call(pnn, {}), call(pnn, {"engine": engine})
            wrong = sum(_differences(one, two) for one, two in zip(expected, found, strict=True))
            cases += 1
            if wrong:
                yield f"- {engine}, {name}: **{wrong} values differ**"
    yield f"- {cases} calls compared"


def _differences(one: Any, two: Any) -> int:
    one, two = np.asarray(one), np.asarray(two)
    if one.dtype != two.dtype or one.shape != two.shape:
        return max(1, one.size)
    return int((one != two).sum())


def _calls() -> dict[str, Callable[[Any, dict[str, Any]], Sequence[Any]]]:
    """Calls by name, each of the package and the options that choose an engine."""
    random = np.random.default_rng(0)
    calls: dict[str, Callable[[Any, dict[str, Any]], Sequence[Any]]] = {}
    sizes = (
        (3, 1, (9, 9), (9, 12), 4),
        (7, 3, (70, 90), (61, 130), 1 << 20),
        (7, 3, (100, 31), (40, 150), 3),
        (15, 1, (50, 41), (40, 61), 9),
        (2, 4, (33, 64), (64, 33), 3),
    )
    for patch, channels, *shapes, values in sizes:
        pair = [
            random.integers(0, values, (*shape, channels)).astype(np.float32) / np.float32(values)
            for shape in shapes
        ]
        for alpha in (np.inf, 0.01):
            calls[f"search, patches of {patch}, {channels} channels, alpha {alpha}"] = _search(
                pair, patch_size=patch, alpha=alpha, channel_axis=-1
            )
    y, x = np.mgrid[0:20, 0:24]
    spot = np.exp(-((x - 12.0) ** 2 + (y - 10.0) ** 2) / 3).astype(np.float32)
    calls["search, values below 1e-19"] = _search([spot, spot[::-1, ::-1].copy()], patch_size=3)
    photo = [random.random((60, 70, 3), np.float32), random.random((64, 50, 3), np.float32)]
    for alpha in (np.inf, 0.01):
        calls[f"PatchMatch, alpha {alpha}"] = _search(
            photo, method="patchmatch", alpha=alpha, rounds=3, rng=1
        )
    image = random.integers(0, 256, (64, 80, 3)).astype(np.uint8)
    for vote in ("weighted_mean", "median", "copy"):
        calls[f"generate, {vote}"] = lambda pnn, options, vote=vote: [
            pnn.generate(image, rng=1, iterations=4, vote=vote, **options)
        ]
    calls["generate 3, alpha 0.005"] = lambda pnn, options: [
        pnn.generate(image, 3, rng=1, iterations=3, alpha=0.005, **options)
    ]
    calls["generate 2, diffusion"] = lambda pnn, options: [
        pnn.generate(image, 2, rng=1, sampler="diffusion", steps=4, **options)
    ]
    hole = np.zeros(image.shape[:2], bool)
    hole[20:40, 30:50] = True
    calls["inpaint"] = lambda pnn, options: [pnn.inpaint(image, hole, **options)]
    return calls


def _search(pair: Sequence[Any], **rest: Any) -> Callable[[Any, dict[str, Any]], Sequence[Any]]:
    return lambda pnn, options: pnn.nearest_patches(*pair, **rest, **options)


def streams() -> Lines:
    """A current stream that does not wait for the default one must change nothing."""
    import cupy

    import pnncupy as pnn

    image = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    expected = pnn.generate(image, rng=1, iterations=3)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        for engine in GPU_ENGINES:
            made = pnn.generate(cupy.asarray(image), rng=1, iterations=3, engine=engine)
            stream.synchronize()
            wrong = _differences(expected, cupy.asnumpy(made))
            yield f"- {engine}: {f'**{wrong} values differ**' if wrong else 'the same bits'}"


def device_tests() -> Lines:
    """The tests marked `gpu`."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PNNCUPY_NEEDS_GPU": "1"}, text=True,
        capture_output=True,
    )  # fmt: skip
    yield from _quoted(ran.stdout, 15)


def sanitizers() -> Lines:
    """Small calls under compute-sanitizer."""
    if shutil.which("compute-sanitizer") is None:
        yield "- compute-sanitizer is not installed"
        return
    for tool in PASSES:
        ran = subprocess.run(
            ["compute-sanitizer", "--tool", tool, "--kernel-name-exclude",
             "kernel_substring=cupy_", sys.executable, "-c", _SMALL_CALLS],
            capture_output=True, text=True,
        )  # fmt: skip
        summary = [line.strip("= ") for line in ran.stdout.splitlines() if "SUMMARY" in line]
        yield f"- {tool}: {' '.join(summary) or ran.stderr[-300:]}"


def rates() -> Lines:
    """Exact searches by engine `cupy` alone, beside what the issue of instructions allows."""
    import cupy

    import pnncupy as pnn

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    clock = properties["clockRate"] * 1e3
    bound = properties["multiProcessorCount"] * LANES * clock / INSTRUCTIONS_A_PAIR
    yield f"Bound by the issue of instructions: {bound:.3g} pairs a second."
    yield ""
    yield "| image | milliseconds | pairs a second | of the bound |"
    yield "|---|---|---|---|"
    random = np.random.default_rng(0)
    for size in SIZES:
        query, key = (cupy.asarray(random.random((*size, 3), np.float32)) for _ in range(2))
        seconds = _device_seconds(lambda pair=(query, key): pnn.nearest_patches(*pair))
        pairs = ((size[0] - 6) * (size[1] - 6)) ** 2
        yield (
            f"| {size[0]} x {size[1]} | {1e3 * seconds:.2f} | {pairs / seconds:.3g} "
            f"| {pairs / seconds / bound:.2f} |"
        )


def _device_seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """Median time between events on the device; the first run is not counted."""
    import cupy

    work()
    times = []
    for _ in range(repeats):
        before, after = cupy.cuda.Event(), cupy.cuda.Event()
        before.record()
        work()
        after.record()
        after.synchronize()
        times.append(cupy.cuda.get_elapsed_time(before, after) / 1e3)
    return sorted(times)[repeats // 2]


def generation() -> Lines:
    """`generate` of 186 x 248, cold and warm, and where the host's time goes."""
    import cupy

    import pnncupy as pnn
    from pnncupy.engine import registry

    image = natural_image(186, 248)
    there = cupy.asarray(image)

    def seconds(**options: Any) -> tuple[float, Any]:
        start = time.perf_counter()
        made = pnn.generate(there, rng=1, **options)
        cupy.cuda.Device().synchronize()
        return time.perf_counter() - start, made

    cold, made = seconds()
    compiled = registry.compilation_seconds()
    yield f"- cold: {cold:.2f} s, of which the kernels of pnncupy took {compiled:.2f} to compile"
    for options in ({}, {"alpha": 0.005}, {"sampler": "diffusion"}):
        times = [seconds(**options)[0] for _ in range(5)]
        yield f"- warm {options or 'plain'}: median {sorted(times)[2]:.4f} s"
    same = bool((cupy.asnumpy(made) == pnn.generate(image, rng=1)).all())
    yield f"- the picture of the CPU: {'yes' if same else '**no**'}"
    for count in (4, 24):
        start = time.perf_counter()
        pnn.generate(there, count, rng=1)
        cupy.cuda.Device().synchronize()
        yield f"- {count} together: {time.perf_counter() - start:.3f} s"
    profile, text = cProfile.Profile(), io.StringIO()
    profile.runcall(seconds)
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(14)
    yield from _quoted(text.getvalue(), 24)


def memory() -> Lines:
    """A search of 4096 x 4096 by PatchMatch: bytes of the device a pixel."""
    import cupy

    import pnncupy as pnn

    pool = cupy.get_default_memory_pool()
    image = cupy.asarray(natural_image(4096, 4096))
    pool.free_all_blocks()
    seconds = _device_seconds(
        lambda: pnn.nearest_patches(image, image[:, ::-1], method="patchmatch", rounds=2, rng=1), 1
    )
    per_pixel = pool.total_bytes() / (4096 * 4096)
    yield f"- {seconds:.2f} s, {pool.total_bytes() / 2**30:.2f} GiB, {per_pixel:.0f} bytes a pixel"


# Parts in their order, what ends the day first, with their limits in seconds.
PARTS: dict[str, tuple[Callable[..., Lines], int]] = {
    "software": (software, 60),
    "engines": (engines, 120),
    "bits": (bits, 300),
    "streams": (streams, 120),
    "device_tests": (device_tests, 900),
    "sanitizers": (sanitizers, 450),
    "rates": (rates, 200),
    "generation": (generation, 300),
    "memory": (memory, 300),
}


def _quoted(text: str, lines: int) -> Lines:
    yield "```"
    yield from text.rstrip().splitlines()[-lines:]
    yield "```"


def measure(threads: int) -> list[dict[str, Any]]:
    """Run all parts and write the report; rows are only printed."""
    name = _device_name()
    report = [f"# First minutes on {name}", ""]
    with tempfile.TemporaryDirectory() as cold:
        # The first call of a user compiles all kernels.
        environment = {
            **os.environ,
            "CUPY_CACHE_DIR": f"{cold}/cupy",
            "NUMBA_CACHE_DIR": f"{cold}/numba",
        }
        for part, (function, limit) in PARTS.items():
            start = time.perf_counter()
            found = _run(part, limit, environment)
            report += [f"## {part.replace('_', ' ').capitalize()}", "", function.__doc__ or "", ""]
            report += [*found, "", f"({time.perf_counter() - start:.0f} s)", ""]
            print("\n".join([f"== {part}", *found]), flush=True)
    file = RESULTS / f"device-{in_file_name(name)}.md"
    file.write_text("\n".join(report))
    print("wrote", file)
    return []


def _device_name() -> str:
    """Name of the device; ends with the reason where there is none."""
    try:
        cupy = importlib.import_module("cupy")
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    except Exception as error:  # CuPy has many, and this is the answer of each
        raise SystemExit(
            f"no GPU to check: {error}; run this where `nvidia-smi` shows one, with "
            "`pip install -e '.[gpu,test]'`"
        ) from error
    return str(properties["name"].decode())


def _run(part: str, limit: int, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-W", "error::Warning:pnncupy", "-m", "bench.device_check", part]
    try:
        ran = subprocess.run(
            command, cwd=ROOT, env=environment, timeout=limit, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        told = (error.stdout or b"").decode(errors="replace").splitlines()
        return [*told, f"**ended after {limit} s**"]
    failed = [] if ran.returncode == 0 else ["**failed**", *_quoted(ran.stderr, 20)]
    return [*ran.stdout.splitlines(), *failed]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    for line in PARTS[parser.parse_args().part][0]():
        print(line, flush=True)
