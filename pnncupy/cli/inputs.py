"""The images that a command is given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy import samples
from pnncupy.images.mask_judgement import Judgement, MaskChoice, hole_count
from pnncupy.io.masks import read_mask, read_mask_of_volume
from pnncupy.io.sources import read_source
from pnncupy.io.volume_files import read_volume
from pnncupy.terminal import say


def read_input_image(path: str, page: int | None = None, *, volume: bool = False) -> Any:
    """An image or a volume from a file; what was changed in it is reported."""
    if volume:
        return read_volume(path)
    found = read_source(path, page=page)
    for note in found.notes:
        say(f"{path}: {note}", error=True)
    return found.masked


def read_sources(
    files: Sequence[str], sample_names: Sequence[str], page: int | None, *, volume: bool = False
) -> tuple[str, list[Any]]:
    """The sources of a call, and what to name its results after."""
    if bool(files) == bool(sample_names):
        raise click.UsageError("give either IMAGE or --sample NAME")
    if sample_names and page is not None:
        raise click.UsageError("--page is for TIFF stacks, not for a --sample")
    if volume and (sample_names or page is not None):
        raise click.UsageError("--volume takes whole files: leave out --page and --sample")
    for name in sample_names:
        say(f"sample {name}: {samples.CREDITS[name]}", error=True)
    if sample_names:
        return "_".join(sample_names), [samples.load_sample(name) for name in sample_names]
    return Path(files[0]).stem, [read_input_image(file, page, volume=volume) for file in files]


def read_mask_file(path: str, choice: MaskChoice, like: Any, *, volume: bool = False) -> Any:
    """The hole in a mask file for an image, reported with its number of pixels."""
    if volume:
        return _read_mask_of_volume(path, choice, like)
    judged = read_mask(path, choice)
    if judged.hole.shape != like.shape[:2]:
        (height, width), (rows, columns) = like.shape[:2], judged.hole.shape
        raise click.UsageError(
            f"--mask must have the height and width of IMAGE, {height} x {width}, got {rows} x "
            f"{columns} in {path}"
        )
    say_hole(path, judged)
    return judged.hole


def _read_mask_of_volume(path: str, choice: MaskChoice, like: Any) -> Any:
    """The hole in the mask of a volume, whose slices are judged as one image."""
    judged = read_mask_of_volume(path, choice)
    if judged.hole.shape != like.shape[:3]:
        raise click.UsageError(
            "--mask must have the depth, height and width of IMAGE, "
            f"{like.shape[:3]}, got {judged.hole.shape} in {path}"
        )
    say_hole(path, judged)
    return judged.hole


def say_hole(path: str, judged: Judgement) -> None:
    """Report the number of pixels of a hole."""
    say(hole_count(Path(path).name, judged), error=True)
