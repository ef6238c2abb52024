"""Whole tasks, as a user calls them: the command in a fresh process, and the function."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.common import median_seconds, natural_image

REPEATS = 3


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn
    from pnncupy.io import write_image

    image = natural_image(186, 248)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder) / "source.png", image)

        def command() -> None:
            subprocess.run(
                [sys.executable, "-c", "from pnncupy.cli import main; main()", "generate",
                 f"{folder}/source.png", "-o", f"{folder}/out", "--seed", "1", "--force",
                 "--threads", str(threads)],
                check=True, capture_output=True,
            )  # fmt: skip

        command()  # fills the on-disk cache of compiled kernels
        rows.append(("generate 186 x 248 x 3, whole command, warm cache", command))
        rows.append(
            (
                "generate 186 x 248 x 3, function",
                lambda: pnn.generate(image, rng=1, threads=threads),
            )
        )
        rows.append(
            (
                "generate 186 x 248 x 3, alpha 0.005, function",
                lambda: pnn.generate(image, rng=1, alpha=0.005, threads=threads),
            )
        )
        rows.append(
            (
                "generate 186 x 248 x 3, function, no savings",
                lambda: pnn.generate(image, rng=1, threads=threads, incremental=False),
            )
        )
        return [
            {"task": name, "seconds": round(median_seconds(work, REPEATS), 2)}
            for name, work in rows
        ] + [_info(image, threads)]


def _info(image: Any, threads: int) -> dict[str, Any]:
    import pnncupy as pnn

    made = pnn.generate(image, rng=1, threads=threads, return_info=True)
    sample = made.info["samples"][0]
    return {
        "pairs": sample["pairs"],
        "pairs_searched": sample["pairs_searched"],
        "pairs_per_second": float(f"{sample['pairs_searched'] / sample['seconds']:.3g}"),
    }
