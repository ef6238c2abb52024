"""What a fresh process costs: importing, and the first run with nothing compiled."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

REPEATS = 7


def seconds(*command: str, environment: dict[str, str] | None = None) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *command], check=True, capture_output=True,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return time.perf_counter() - start


def measure(threads: int) -> list[dict[str, Any]]:
    empty = statistics.median(seconds("-c", "pass") for _ in range(REPEATS))
    with_import = statistics.median(seconds("-c", "import pnncupy") for _ in range(REPEATS))
    rows = [{"what": "import pnncupy", "seconds": round(with_import - empty, 4)}]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "-c", "from pnncupy.cli.app import main; main()", "generate", "--sample", "rocket",
            "-o", f"{folder}/out", "--seed", "1", "--force", "--threads", str(threads),
        ]  # fmt: skip
        cache = {"NUMBA_CACHE_DIR": f"{folder}/cache"}
        first = seconds(*command, environment=cache)
        later = statistics.median(seconds(*command, environment=cache) for _ in range(3))
    return [
        *rows,
        {"what": "first `pnncupy generate --sample rocket`", "seconds": round(first, 2)},
        {"what": "the same again, compiled code from the disk", "seconds": round(later, 2)},
        {"what": "so compilation", "seconds": round(first - later, 2)},
    ]
