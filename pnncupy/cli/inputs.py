"""The images that a command is given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy import samples
from pnncupy.images.mask_judgement import Judgement, MaskChoice, hole_count
from pnncupy.io.masks import read_mask
from pnncupy.io.sources import read_source
from pnncupy.terminal import say


def read_input_image(path: str, page: int | None = None) -> Any:
    """An image from a file; what was changed in it is reported."""
    found = read_source(path, page=page)
    for note in found.notes:
        say(f"{path}: {note}", error=True)
    return found.masked


def read_sources(
    files: Sequence[str], sample_names: Sequence[str], page: int | None
) -> tuple[str, list[Any]]:
    """The sources of a call, and what to name its results after."""
    if bool(files) == bool(sample_names):
        raise click.UsageError("give either IMAGE or --sample NAME")
    if sample_names and page is not None:
        raise click.UsageError("--page is for TIFF stacks, not for a --sample")
    for name in sample_names:
        say(f"sample {name}: {samples.CREDITS[name]}", error=True)
    if sample_names:
        return "_".join(sample_names), [samples.load_sample(name) for name in sample_names]
    return Path(files[0]).stem, [read_input_image(file, page) for file in files]


def read_mask_file(path: str, choice: MaskChoice, like: Any) -> Any:
    """The hole in a mask file for an image, reported with its number of pixels."""
    judged = read_mask(path, choice)
    if judged.hole.shape != like.shape[:2]:
        (height, width), (rows, columns) = like.shape[:2], judged.hole.shape
        raise click.UsageError(
            f"--mask must have the height and width of IMAGE, {height} x {width}, got {rows} x "
            f"{columns} in {path}"
        )
    say_hole(path, judged)
    return judged.hole


def say_hole(path: str, judged: Judgement) -> None:
    """Report the number of pixels of a hole."""
    say(hole_count(Path(path).name, judged), error=True)
