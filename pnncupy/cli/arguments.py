"""From the words of the command line to the arguments of the tasks."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy.errors import ImageReadError
from pnncupy.images.mask_judgement import MaskChoice, mask_choice
from pnncupy.images.missing import checked_nodata, equal_to, split_missing
from pnncupy.io import read_metadata
from pnncupy.terminal import say
from pnncupy.validation import number_of


def spoken_arguments(
    options: dict[str, Any], files: Sequence[Path], *, volume: bool = False
) -> None:
    """Turn words among a command's options into arguments, in place.

    What the tags of its image `files` say about missing pixels is used, and reported, unless the
    caller says otherwise.
    """
    is_given = options.get("nodata") is not None
    parse_numbers(options)
    if not is_given:
        options["nodata"] = None if volume else _nodata_of(files)
    guides = options.pop("guide_files", ())
    if guides:
        options["guides"] = [_guide(*each, volume=volume) for each in guides]


def settle_labels(
    name: str, sources: Sequence[Any], options: dict[str, Any], *, grown: bool = False
) -> None:
    """Report sources that may hold labels, and take them for intensities, in place.

    `grown` says whether the task is `grow_volume`.
    """
    from pnncupy.tasks.labels_hint import FEWEST, FEWEST_GROWN, labels_note

    remedy = ("--categorical", "--no-categorical")
    note = labels_note(name, sources, options, remedy, FEWEST_GROWN if grown else FEWEST)
    if note:
        say(note, error=True)
        options["categorical"] = False


def parse_numbers(options: dict[str, Any]) -> None:
    """Turn numbers in words into numbers, in place; the nodata value "none" becomes None."""
    if options.get("nodata") is not None:
        options["nodata"] = _number_or_word(options["nodata"])
    if options.get("channel_weights") is not None:
        options["channel_weights"] = _weights(options["channel_weights"])
    if options.get("label_costs") is not None:
        options["label_costs"] = _label_costs(options["label_costs"])


def _nodata_of(files: Sequence[Path]) -> float | None:
    """The value that tags of files name; two values in one call cannot both be missing."""
    found = {file: tag for file in files if (tag := _tag(file)) is not None}
    for file, tag in found.items():
        first, value = next(iter(found.items()))
        if tag != value and not (math.isnan(tag) and math.isnan(value)):
            raise click.UsageError(
                f"{first.name} names {_told(value)} as its nodata value and {file.name} "
                f"{_told(tag)}; give --nodata, after making them the same, or --nodata none"
            )
    for file, tag in found.items():
        say(f"{file.name}: pixels of its nodata value, {_told(tag)}, are missing", error=True)
    return next(iter(found.values()), None)


def _told(value: float) -> str:
    """A nodata value in words, all digits of an integer that float64 would round."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _tag(file: Path) -> float | None:
    try:
        return read_metadata(file).nodata
    except (ImageReadError, OSError):  # its faults are reported when it is read
        return None


def without_missing_pixels(sources: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    """The sources as they can be shown and measured: missing pixels have a typical colour."""
    nodata = checked_nodata(options.get("nodata"))
    categorical = bool(options.get("categorical"))
    return [
        split_missing(
            "image", source, nodata, options.get("channel_axis", -1), categorical=categorical
        )[0]
        for source in sources
    ]


def _number_or_word(words: str) -> float | str | None:
    if words.lower() in ("nan", "none"):
        return "nan" if words.lower() == "nan" else None
    try:
        return number_of(words)
    except ValueError:
        raise click.UsageError(
            f'--nodata must be a number, "nan" or "none", got {words!r}'
        ) from None


def _weights(words: str) -> Any:
    if words == "std":
        return words
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--channel-weights must be std or numbers with commas, such as 1,1,0.5, got {words!r}"
        ) from None


def _label_costs(words: str) -> Any:
    """Weights by label, or the lines of a file with the costs of all pairs."""
    rule = f"--label-costs must be LABEL=WEIGHT,... such as 0=1,2=5, or a file, got {words!r}"
    try:
        if "=" in words:
            pairs = [word.split("=") for word in words.split(",")]
            return {int(label): float(weight) for label, weight in pairs}
        lines = Path(words).read_text(encoding="utf-8").splitlines()
        return [[float(word) for word in line.split(",")] for line in lines if line.strip()]
    except OSError as error:
        raise click.UsageError(f"{rule}: {error.strerror}") from None
    except ValueError:
        raise click.UsageError(f"{rule}, whose lines hold numbers with commas") from None


def mask_choice_of(words: str | None, above: float | None) -> MaskChoice:
    """The values of a mask file that are the hole, from --mask-values and --mask-above."""
    try:
        values = None if words is None else [number_of(word) for word in words.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--mask-values must be numbers with commas, such as 1,5, got {words!r}"
        ) from None
    return mask_choice(values, above)


def _guide(source: str, target: str, weight: str, *, volume: bool) -> tuple[Any, Any, float]:
    from pnncupy.cli.inputs import read_input_image

    try:
        number = float(weight)
    except ValueError:
        raise click.UsageError(
            f"--guide must end with a weight, a number, got {weight!r}"
        ) from None
    images = [read_input_image(file, volume=volume) for file in (source, target)]
    for file, image in zip((source, target), images, strict=True):
        tag = _tag(Path(file))
        if tag is not None and bool(equal_to(image, tag).any()):
            raise click.UsageError(
                f"--guide {file} has missing pixels (nodata {_told(tag)}); guides must be "
                "complete: fill them first, for example with pnncupy inpaint --mask nodata"
            )
    return images[0], images[1], number
