"""`python -m bench FAMILY ...`: measure, print a table, write JSON to bench/results."""

import argparse
from importlib import import_module

from bench.common import write_results

FAMILIES = (
    "kernels", "peers", "tasks", "memory", "approximate", "scale", "imports", "gpu", "pictures",
    "table",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("families", nargs="+", choices=FAMILIES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-results", action="store_true", help="print only")
    options = parser.parse_args()
    for family in options.families:
        results = import_module(f"bench.{family}").measure(options.threads)
        for row in results:
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        if results and not options.no_results:
            print("wrote", write_results(family, options.threads, results))


main()
