"""Whole tasks, as a user calls them: the command in a fresh process, and the function."""

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

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
                [sys.executable, "-c", "from pnncupy.cli.app import main; main()", "generate",
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
        rows.append(
            (
                "retarget 186 x 248 x 3 to 186 x 149",
                lambda: pnn.retarget(image, (186, 149), threads=threads),
            )
        )
        rows += _other_tasks(threads)
        measured = [
            {"task": name, "seconds": round(median_seconds(work, REPEATS), 2)}
            for name, work in rows
        ]
    large = natural_image(512, 512)
    once = median_seconds(lambda: pnn.generate(large, rng=1, threads=threads), 1)
    measured.append({"task": "generate 512 x 512 x 3, function, once", "seconds": round(once, 1)})
    return [*measured, *(_info(image, threads, alpha) for alpha in (math.inf, 0.005))]


def _other_tasks(threads: int) -> list[tuple[str, Callable[[], Any]]]:
    """All tasks with their defaults on 180 x 250 pictures."""
    import pnncupy as pnn

    tall = natural_image(180, 750)
    first, second, third = (np.ascontiguousarray(tall[:, k : k + 250]) for k in (0, 250, 500))
    hole = np.zeros((180, 250), bool)
    hole[60:120, 100:150] = True
    rough = first.copy()
    rough[40:100, 20:80] = first[60:120, 150:210]
    size = "180 x 250 x 3"

    def work(task: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        return lambda: task(*arguments, threads=threads)

    return [
        (f"retarget {size} to half the width", work(pnn.retarget, first, (180, 125))),
        (f"retarget {size} to double the width", work(pnn.retarget, first, (180, 500))),
        (f"inpaint {size}, hole 60 x 50", work(pnn.inpaint, first, hole)),
        (f"edit {size}", work(pnn.edit, first, rough)),
        (f"analogy {size}", work(pnn.analogy, first, second)),
        (f"collage of three {size}", work(pnn.collage, [first, second, third])),
    ]


def _info(image: Any, threads: int, alpha: float) -> dict[str, Any]:
    """How much of a plain run the savings leave."""
    import pnncupy as pnn

    made = pnn.generate(image, rng=1, alpha=alpha, threads=threads, return_info=True)
    sample = made.info["samples"][0]
    return {
        "savings of": f"generate 186 x 248 x 3, alpha {alpha}",
        "pairs": sample["pairs"],
        "pairs_searched": sample["pairs_searched"],
        "share_searched": round(sample["pairs_searched"] / sample["pairs"], 3),
        "pairs_again": sample["pairs_again"],
        "proofs_tried": sample["proofs_tried"],
        "share_held": round(sample["proofs_held"] / sample["proofs_tried"], 5),
    }
