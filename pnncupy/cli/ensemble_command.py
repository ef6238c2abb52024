"""The command `pnncupy ensemble`."""

from pathlib import Path

import click

from pnncupy.terminal import say


@click.command()
@click.argument("folder", metavar="FOLDER",
                type=click.Path(exists=True, file_okay=False, path_type=Path))  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the statistics (created if missing).")  # fmt: skip
@click.option("--categorical", is_flag=True,
              help="Values are labels: write probabilities, entropy and the most likely "
                   "label.")  # fmt: skip
@click.option("--quantile", "quantiles", type=click.FloatRange(0, 1), multiple=True,
              metavar="NUMBER", help="Quantile to write, 0 to 1; may be repeated.")  # fmt: skip
@click.option("--volume", is_flag=True, help="The results are volumes: TIFF stacks or .npy files.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def ensemble(
    folder: Path, output: Path, categorical: bool, quantiles: tuple[float, ...], volume: bool,
    force: bool,
) -> None:  # fmt: skip
    """Write mean and spread of each pixel over the results in a folder, as float32 TIFF files.

    Of a folder of a batch, all results that its manifest notes count; else all images, without
    contact sheets. Georeference and pixel size are kept.

    \b
    pnncupy ensemble results -o statistics --quantile 0.05 --quantile 0.95
    """
    from pnncupy.batch.ensemble_files import ResultFiles, result_files, write_statistics

    if categorical and quantiles:
        raise click.UsageError("--quantile is not for labels (--categorical), which have no order")
    files = ResultFiles(result_files(folder, volume=volume), categorical, volume)
    say(f"{len(files.files)} results in {folder}", error=True)
    for file in write_statistics(files, output, quantiles=quantiles, overwrite=force):
        say(f"wrote {file}")
