"""The commands that run one task each, built from the table of tasks."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy.cli import completion
from pnncupy.cli.command import Command
from pnncupy.cli.options import (
    ALPHA_OPTION,
    AUTOMATIC_LEVELS_OPTION,
    COUNT_OPTION,
    DEPTH_OPTION,
    ENSEMBLE_OPTION,
    EXISTING_FILE,
    GUIDE_OPTION,
    LEVELS_OPTION,
    MASK_CHOICE_OPTIONS,
    MASK_RESULT_OPTION,
    RESULT_OPTIONS,
    SCALE_OPTION,
    SEED_OPTION,
    SHAPE_OPTION,
    SOURCE_OPTIONS,
    SYNTHESIS_OPTIONS,
    FactorsCommand,
    with_options,
)
from pnncupy.cli.run_task import run_task
from pnncupy.tasks.registry import TASKS, ImageParameter, OwnOption, TaskSpec
from pnncupy.terminal import say


def task_command(verb: str) -> click.Command:
    """Build the command of a task."""
    spec = TASKS[verb]
    if spec.volume:
        from pnncupy.cli.volume_command import volume_command

        return volume_command(verb)

    def call(**given: Any) -> None:
        _call(verb, spec, given)

    call.__doc__ = spec.help
    kind = FactorsCommand if spec.scalable else Command
    return click.command(verb, cls=kind)(with_options(*_options(spec))(call))


def _options(spec: TaskSpec) -> list[Any]:
    """All options of a task, in the order of its help."""
    return [
        *SOURCE_OPTIONS,
        *([COUNT_OPTION] if spec.realisations else []),
        *(_image_option(image) for image in spec.images[1:] if not image.positional),
        *([MASK_CHOICE_OPTIONS] if spec.masked else []),
        *(_own_option(option) for option in spec.options if option.value is not True),
        *([SHAPE_OPTION, DEPTH_OPTION] if "shape" in spec.takes else []),
        *([SCALE_OPTION] if spec.scalable else []),
        *(_own_option(option) for option in spec.options if option.value is True),
        *([SEED_OPTION] if spec.seeded else []),
        ALPHA_OPTION,
        AUTOMATIC_LEVELS_OPTION if spec.automatic_levels else LEVELS_OPTION,
        *SYNTHESIS_OPTIONS,
        *([GUIDE_OPTION] if "guides" in spec.takes else []),
        *RESULT_OPTIONS,
        *([ENSEMBLE_OPTION] if spec.realisations else []),
        *([MASK_RESULT_OPTION] if spec.keeps_origin else []),
    ]


def _image_option(image: ImageParameter) -> Any:
    if not image.words:
        return click.option(
            f"--{image.name}", image.name, required=image.required, type=EXISTING_FILE,
            help=image.help,
        )  # fmt: skip
    return click.option(
        f"--{image.name}", image.name, required=image.required, help=image.help,
        metavar="|".join(["FILE", *image.words]),
        shell_complete=completion.files_or_words(*image.words),
    )  # fmt: skip


def _own_option(option: OwnOption) -> Any:
    if option.choices:
        return click.option(
            option.flag, option.parameter, type=click.Choice(list(option.choices)),
            callback=lambda context, parameter, word: option.choices.get(word), help=option.help,
        )  # fmt: skip
    if "/" in option.flag:
        return click.option(option.flag, option.parameter, default=None, help=option.help)
    if option.value is None:
        return click.option(option.flag, option.parameter, type=option.number, help=option.help)
    return click.option(
        option.flag, option.parameter, flag_value=option.value, is_flag=True, default=None,
        type=bool, help=option.help,
    )  # fmt: skip


def _call(verb: str, spec: TaskSpec, given: dict[str, Any]) -> None:
    """Read the images of a command, run its task and report."""
    from pnncupy.cli.arguments import without_missing_pixels
    from pnncupy.cli.inputs import read_sources

    count = given.pop("count", 1)
    if count < 1:
        raise click.UsageError(f"-n must be at least 1, got {count}")
    files, names, page = given.pop("files"), given.pop("sample_names"), given.pop("page")
    volume = given.pop("volume")
    files = _with_positional(spec, given, files)
    name, sources = read_sources(files, names, page, volume=volume)
    given["channel_axis"] = None if volume and sources[0].ndim == 3 else -1
    stem = f"{name}_{verb}"
    for image in spec.images[1:]:
        stem += f"_{Path(given[image.name]).stem}" if image.in_name else ""
    images = _images(spec, given, sources, volume)
    if isinstance(word := images.get("mask"), str) and word == "alpha":
        if volume:
            raise click.UsageError("--mask alpha is for images; volumes have no alpha channel")
        images |= _without_transparent(files, page, sources)
        images["fill"] = "smooth" if images["fill"] is None else images["fill"]
    depth = given.pop("depth", None)
    if spec.scalable:
        given["shape"] = _required_shape(given["shape"], given.pop("scale"), sources[0], volume)
    if "shape" in spec.takes:
        given["shape"] = _with_depth(given["shape"] or None, depth, sources[0], volume)
    seed = None
    if spec.seeded:
        given_seed = given.pop("seed")
        given["rng"] = seed = secrets.randbits(32) if given_seed is None else given_seed
    if spec.realisations:
        given["n"], stem = count, f"{stem}_seed{seed}"
        if spec.has_option("distinct"):
            several = count > 1 and given["sampler"] != "diffusion"
            given["distinct"] = several if given["distinct"] is None else given["distinct"]
    made = run_task(verb, images, stem, sources, given)
    if spec.draws(images | given):
        say(f"seed {seed}")
    if spec.realisations:
        plain = without_missing_pixels(sources[:1], given)[0]
        _report_near_copies(plain, made, given)


def _with_positional(
    spec: TaskSpec, given: dict[str, Any], files: tuple[str, ...]
) -> tuple[str, ...]:
    """The files of the sources; those of images without an option are noted in `given`."""
    named = [image for image in spec.images if image.positional]
    if len(files) < len(named):
        words = " and ".join(image.name.upper() for image in named)
        raise click.UsageError(f"this command takes {words} as the last file, got {len(files)}")
    sources = files[: len(files) - len(named)]
    given.update(zip((image.name for image in named), files[len(sources) :], strict=True))
    return sources


def _images(
    spec: TaskSpec, given: dict[str, Any], sources: list[Any], volume: bool
) -> dict[str, Any]:
    """All images of a call by parameter; their options are taken from those given."""
    from pnncupy.cli.arguments import mask_choice_of
    from pnncupy.cli.inputs import read_input_image, read_mask_file

    images = {spec.images[0].name: _source(spec.images[0], sources)}
    choice = mask_choice_of(given.pop("mask_values", None), given.pop("mask_above", None))
    for image in spec.images[1:]:
        file = given.pop(image.name)
        if file is None or file in image.words:
            if image.mask and choice.is_given:
                raise click.UsageError("--mask-values and --mask-above need --mask FILE")
            images[image.name] = file
        elif image.mask:
            check_image_file(image, file)
            images[image.name] = read_mask_file(file, choice, sources[0], volume=volume)
        else:
            images[image.name] = read_input_image(file, volume=volume)
    return images


def _without_transparent(
    files: Sequence[str], page: int | None, sources: list[Any]
) -> dict[str, Any]:
    """The source without its alpha channel, in place too, and its transparent pixels as a mask."""
    from pnncupy.cli.inputs import say_hole
    from pnncupy.io.masks import read_transparent

    if not files:
        raise click.UsageError("--mask alpha needs IMAGE; a --sample has no alpha channel")
    sources[0], judged = read_transparent(files[0], page)
    say_hole(files[0], judged)
    return {"image": sources[0], "mask": judged.hole}


def _source(image: ImageParameter, sources: list[Any]) -> Any:
    """The images of a command as the task takes them; a single one is not numbered in messages."""
    if image.several == "required":
        if len(sources) < 2:
            raise click.UsageError(
                "this command takes at least 2 IMAGEs, got 1; use pnncupy generate for one, or "
                "pnncupy retarget for another size"
            )
        return sources
    if len(sources) > 1 and image.several == "no":
        raise click.UsageError(f"this command takes one IMAGE, got {len(sources)}")
    return sources[0] if len(sources) == 1 else sources


def check_image_file(image: ImageParameter, file: str) -> None:
    """Refuse a name of a mask that is neither a file nor a word that may stand for it."""
    if image.mask and file not in image.words and not Path(file).is_file():
        raise click.UsageError(
            f"--{image.name} must name a file, or be {' or '.join(image.words)}: there is no {file}"
        )


def _required_shape(
    shape: tuple[int, int] | None, scale: tuple[float, float] | None, source: Any, volume: bool
) -> tuple[int, int]:
    if bool(shape) == bool(scale):
        raise click.UsageError("give either --shape H W or --scale Y [X]")
    if shape:
        return shape
    assert scale is not None
    height, width = source.shape[1:3] if volume else source.shape[:2]
    return round(height * scale[0]), round(width * scale[1])


def _with_depth(
    shape: tuple[int, int] | None, depth: int | None, source: Any, volume: bool
) -> tuple[int, ...] | None:
    """Shape of the result, of a volume with the number of its slices in front."""
    if not volume:
        if depth is not None:
            raise click.UsageError("--depth needs --volume")
        return shape
    if shape is None and depth is None:
        return None
    return (depth or source.shape[0], *(shape or source.shape[1:3]))


def _report_near_copies(source: Any, images: Sequence[Any], given: dict[str, Any]) -> None:
    """Report the number of results of a call that nearly copy the source."""
    from pnncupy.metrics import NEAR_COPY_DECIBELS, near_copy

    if images[0].shape != source.shape:
        return
    names = ("channel_axis", "periodic", "source_periodic")
    options = {name: given[name] for name in names if given.get(name, ()) != ()}
    options = {name: value for name, value in options.items() if name == names[0] or value}
    close = sum(near_copy(source, made, **options).is_copy for made in images)
    around = " or around the border" if len(options) > 1 else ""
    advice = "; more --noise-std or fewer --levels give more variety" if close else ""
    say(
        f"{close} of {len(images)} nearly a copy of the source (PSNR over "
        f"{NEAR_COPY_DECIBELS:.0f} dB, moved by up to 8 pixels{around}){advice}"
    )
