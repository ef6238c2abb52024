"""Statistics of the results of one call, beside them."""

import glob
from dataclasses import dataclass
from pathlib import Path

import click

from pnncupy.batch.ensemble_files import ResultFiles, write_statistics
from pnncupy.cli.outputs import ResultFiles as Results

# Of intensities: median, and a range that nine in ten results are in.
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class EnsembleFiles:
    """Files of the statistics of a call with several results."""

    results: Results
    prefix: str
    categorical: bool

    @classmethod
    def plan(cls, results: Results, categorical: bool) -> "EnsembleFiles":
        """Choose names, and refuse before any work is done to replace files that exist."""
        if results.sheet is None:
            raise click.UsageError("--ensemble needs several images: -n of at least 2")
        prefix = results.sheet.stem.removesuffix("contact")
        folder = results.sheet.parent
        existing = sorted(folder.glob(f"{glob.escape(prefix)}ensemble_*.tif"))
        if existing and not results.force:
            raise click.UsageError(
                f"{existing[0]} exists; choose another -o or replace with --force"
            )
        return cls(results, prefix, categorical)

    def write(self) -> list[Path]:
        """Write the statistics of the results in their files."""
        results = self.results
        files = ResultFiles(list(results.images), self.categorical, results.volume)
        return write_statistics(
            files, results.images[0].parent, overwrite=True, prefix=self.prefix,
            quantiles=() if self.categorical else _QUANTILES,
        )  # fmt: skip
