"""From the words of the command line to the arguments of the tasks."""

from collections.abc import Sequence
from typing import Any

import click

from pnncupy.missing import checked_nodata, split_missing


def spoken_arguments(options: dict[str, Any], nodata_of_file: float | None, name: str) -> None:
    """Turn words among a command's options into arguments, in place.

    `nodata_of_file` is what the file called `name` says about missing pixels; it is used, and
    told, unless the caller says otherwise.
    """
    if options.get("nodata") is not None:
        options["nodata"] = _number_or_nan(options["nodata"])
    elif nodata_of_file is not None:
        options["nodata"] = nodata_of_file
        click.echo(f"{name}: pixels of its nodata value, {nodata_of_file:g}, are missing", err=True)
    if options.get("channel_weights") is not None:
        options["channel_weights"] = _weights(options["channel_weights"])
    guides = options.pop("guide_files", ())
    if guides:
        options["guides"] = [_guide(*each) for each in guides]


def without_missing_pixels(sources: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    """The sources as they can be shown and measured: missing pixels have a typical colour."""
    nodata = checked_nodata(options.get("nodata"))
    categorical = bool(options.get("categorical"))
    return [
        split_missing("image", source, nodata, -1, categorical=categorical)[0] for source in sources
    ]


def _number_or_nan(words: str) -> float | str:
    if words.lower() == "nan":
        return "nan"
    try:
        return float(words)
    except ValueError:
        raise click.UsageError(f'--nodata must be a number or "nan", got {words!r}') from None


def _weights(words: str) -> Any:
    if words == "std":
        return words
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--channel-weights must be std or numbers with commas, such as 1,1,0.5, got {words!r}"
        ) from None


def _guide(source: str, target: str, weight: str) -> tuple[Any, Any, float]:
    from pnncupy.cli_files import read_picture

    try:
        number = float(weight)
    except ValueError:
        raise click.UsageError(
            f"--guide must end with a weight, a number, got {weight!r}"
        ) from None
    return read_picture(source), read_picture(target), number
