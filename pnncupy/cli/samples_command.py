"""The command `pnncupy samples`."""

from pathlib import Path

import click

from pnncupy.cli.command import Command
from pnncupy.terminal import say


@click.command(cls=Command)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the files (created if missing).")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that exist.")
def samples(output: Path, force: bool) -> None:
    """Write the bundled photographs, and images for each command to try with them.

    \b
    pnncupy samples -o .
    """
    from pnncupy.io import write_image
    from pnncupy.samples import sample_files

    files = {output / f"{name}.png": sample for name, sample in sample_files().items()}
    existing = [file for file in files if file.exists()]
    if existing and not force:
        raise click.UsageError(f"{existing[0]} exists; choose another -o or replace with --force")
    output.mkdir(parents=True, exist_ok=True)
    for file, sample in files.items():
        write_image(file, sample.image, overwrite=force)
        say(f"wrote {file}: {sample.text}")
