"""`python -m bench FAMILY ...`: measure, print a table, write JSON to bench/results."""

import argparse
from importlib import import_module
from pathlib import Path

from bench.common import write_results

FAMILIES = (
    "kernels", "peers", "tasks", "memory", "approximate", "scale", "imports", "gpu", "quality",
    "pictures", "table", "dependencies", "pruning", "defects", "removals", "periodic", "solid",
    "volumes", "sass", "device_check", "napari_window", "hard_data", "descriptors",
    "microstructure", "samplers", "cross_validation", "gap_filling",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "families", nargs="+", choices=FAMILIES, type=lambda name: name.replace("-", "_")
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-results", action="store_true", help="print only")
    quality = parser.add_argument_group("quality only")
    quality.add_argument("--images", type=Path, help="a folder of more pictures")
    quality.add_argument("--samples", type=int, default=50, help="of each picture")
    quality.add_argument("--noise-std", type=float, default=0.75, help="as in generate")
    removals = parser.add_argument_group("removals only, beside --images")
    removals.add_argument("--output", type=Path, help="a folder for the sheets")
    pruning = parser.add_argument_group("pruning only")
    pruning.add_argument(
        "--part", action="append",
        choices=("runs", "large", "tasks", "sweep", "growth", "million"), help="not all parts",
    )  # fmt: skip
    dependencies = parser.add_argument_group("dependencies only")
    dependencies.add_argument(
        "--with", dest="packages", action="append", metavar="NAME==VERSION",
        help="try this release; each in an environment of its own",
    )  # fmt: skip
    dependencies.add_argument("--floors", action="store_true", help="the oldest releases declared")
    dependencies.add_argument("--pre", action="store_true", help="release candidates too")
    dependencies.add_argument("--python", default="", help="another interpreter than this one")
    options = parser.parse_args()
    for family in options.families:
        module = import_module(f"bench.{family}")
        own = {name: getattr(options, name) for name in getattr(module, "OPTIONS", ())}
        results = module.measure(options.threads, **own)
        for row in results:
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        if results and not options.no_results:
            file = write_results(family, options.threads, results)
            print("wrote", file)
            if hasattr(module, "report"):
                file.with_suffix(".md").write_text(module.report(results))
                print("wrote", file.with_suffix(".md"))


main()
