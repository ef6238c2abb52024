"""Tests of engines, processor and devices in a process of their own, which may not survive them.

A driver or a compiler that is broken may end a process; that is what a report of a fault must say.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

from pnncupy.engine import registry
from pnncupy.terminal import say

# Compiling all kernels takes some 15 s on a slow machine.
SECONDS = 120
_LEVELS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("neon", "NEON"),
           ("sse4.2", "SSE4.2"))  # fmt: skip


def probe(kind: str, name: str = "") -> dict[str, Any]:
    """Run a test in another process.

    Parameters
    ----------
    kind : {"engine", "processor", "devices"}
    name : str
        Of the engine.

    Returns
    -------
    dict
        What the test found; only "fault", how the process ended, where it did not answer.
    """
    command = [sys.executable, "-P", "-m", "pnncupy.engine.probe", kind, *([name] if name else [])]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return {"fault": f"no answer in {SECONDS} s"}
    except (OSError, ValueError) as error:  # no program, or no more processes
        return {"fault": f"{type(error).__name__}: {error}"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.decode("utf-8").splitlines()[-1])
    except (ValueError, IndexError):
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return {"fault": f"the test ended with {_ending(done.returncode)}"
                + (f": {told[-1]}" if told else "")}  # fmt: skip
    return answer


def _ending(code: int) -> str:
    """Exit code or signal of a process, in words."""
    if code >= 0:
        return f"exit code {code}"
    import signal

    return f"signal {signal.Signals(-code).name}"


def _engine(name: str) -> dict[str, Any]:
    found = registry.status(name)
    return {"available": found.available, "detail": found.detail}


def _processor() -> dict[str, Any]:
    """Name and vector level by LLVM, which compiles for them; and where the code is kept."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    level = next((word for name, word in _LEVELS if features.get(name)), "none known")
    compiler = import_module("pnncupy.kernels.numba_cpu.compile")
    lanes = import_module("pnncupy.kernels.numba_cpu.simd").LANES
    return {
        "name": binding.get_host_cpu_name(), "level": level, "bits": 32 * int(lanes),
        "code_folder": compiler.code_folder(),
    }  # fmt: skip


def _devices() -> dict[str, Any]:
    """The GPUs that CuPy sees, its driver and its runtime."""
    cupy = import_module("cupy")
    runtime = cupy.cuda.runtime
    found = []
    for number in range(runtime.getDeviceCount()):
        properties = runtime.getDeviceProperties(number)
        name = properties["name"]
        with cupy.cuda.Device(number):
            free, total = runtime.memGetInfo()
        found.append({
            "name": name.decode() if isinstance(name, bytes) else str(name),
            "compute_capability": f"{properties['major']}.{properties['minor']}",
            "memory": int(total), "free": int(free),
        })  # fmt: skip
    versions = {"driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion()}
    return {"devices": found} | {
        name: f"CUDA {number // 1000}.{number % 1000 // 10}" for name, number in versions.items()
    }


def main(words: list[str]) -> None:
    """Run one test and print its answer as JSON, behind whatever libraries print."""
    kind, *names = words
    tests = {"engine": _engine, "processor": _processor, "devices": _devices}
    try:
        answer = tests[kind](*names)  # type: ignore[operator]
    except Exception as error:
        answer = {"fault": " ".join(f"{type(error).__name__}: {error}".split())}
    say(json.dumps(answer))
    os._exit(0)  # libraries of a broken driver may hang at the end


if __name__ == "__main__":
    main(sys.argv[1:])
