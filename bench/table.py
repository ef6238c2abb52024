"""The figures of docs/performance.md and its plot, from the files in `bench/results`.

`python -m bench table` writes between the markers of the page and draws `bench/pictures/speed.png`;
it measures nothing.
"""

import json
from pathlib import Path
from typing import Any

from bench.common import RESULTS, in_file_name, processor

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- figures: python -m bench table -->", "<!-- end of figures -->"


def measure(threads: int) -> list[dict[str, Any]]:
    """Write the table and the plot of this machine's results; there is nothing to record."""
    here = f"*-{in_file_name(processor())}-{threads}-threads.json"
    results = {
        file.stem.partition("-")[0]: json.loads(file.read_text()) for file in RESULTS.glob(here)
    }
    readme = ROOT / "docs" / "performance.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{markdown(results)}\n{END}{after}")
    plot(results["peers"], ROOT / "bench" / "pictures" / "speed.png")
    return []


def markdown(results: dict[str, Any]) -> str:
    lines = ["| what | seconds | |", "|---|---|---|"]
    for name, seconds, remark in rows(results):
        lines.append(f"| {name} | {short(seconds)} | {remark} |")
    return "\n".join(lines)


def short(seconds: float) -> str:
    """Two digits that count."""
    return f"{float(f'{seconds:.2g}'):g}"


def rows(results: dict[str, Any]) -> list[tuple[str, float, str]]:
    """(what, seconds, remark) of all that the page shows."""
    found = [
        (row["task"], row["seconds"], "") for row in results["tasks"]["results"] if "task" in row
    ]
    sizes = sorted({row["n = m"] for row in results["peers"]["results"]})[-2:]
    for row in results["peers"]["results"]:
        if row["n = m"] not in sizes:
            continue
        speed = f"{row['pairs_per_second']:.2g} pairs a second".replace("e+0", "e")
        ratio = row["times_as_long_as_pnncupy"]
        if ratio != 1:
            speed += f", {ratio:.0f} times as long as pnncupy"
        found.append((f"search {row['n = m']:,} x itself: {row['search']}", row["seconds"], speed))
    steps = [row for row in results["kernels"]["results"] if "normalised step" in row]
    for row in steps[:3]:
        name = f"normalised search, iteration {row['normalised step']}, 23,478 x itself"
        remark = f"{row['ratio']:g} times a plain search"
        found.append((name, row["normalised_seconds"], remark))
    found += [row for row in map(approximate, results["approximate"]["results"]) if row]
    found += [(row["what"], row["seconds"], "") for row in results["imports"]["results"]]
    return found


def approximate(row: dict[str, Any]) -> tuple[str, float, str] | None:
    """What the page shows of a row of the family `approximate`."""
    if "peak_MB" in row:
        return row["what"], row["seconds"], f"peak memory of the process {row['peak_MB']} MB"
    if "times_as_long_as_pnncupy" in row:
        remark = f"{row['times_as_long_as_pnncupy']:g} times as long as pnncupy's PatchMatch"
        return row["what"], row["seconds"], remark
    if "exact_seconds" in row and row["alpha"] == "inf" and "score_over_exact" in row:
        remark = f"mean distance {row['score_over_exact']:g} of the exact search's"
        return f"PatchMatch {row['what']}", row["seconds"], remark
    return None


def plot(peers: dict[str, Any], file: Path) -> None:
    """Pairs a second over the number of patches, both on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    names = list(dict.fromkeys(row["search"] for row in peers["results"]))
    for name in names:
        points = [
            (row["n = m"], row["pairs_per_second"])
            for row in peers["results"]
            if row["search"] == name
        ]
        ours = name.startswith("pnncupy") and "numpy" not in name
        axes.loglog(
            *zip(*points, strict=True), marker="o", markersize=4, linewidth=2.2 if ours else 1.2,
            linestyle="--" if "alpha" in name else "-", label=name,
        )  # fmt: skip
    axes.set(
        xlabel="query patches = key patches (7 x 7 x 3)",
        ylabel="pairs of patches a second",
        title=f"Exact search, {peers['machine']}, {peers['threads']} threads",
    )
    axes.grid(which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    figure.savefig(file, dpi=130)
    plt.close(figure)
