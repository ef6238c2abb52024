"""The commands that run one task each."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy.cli.options import (
    EXISTING_FILE,
    GRADUAL_OPTION,
    GUIDE_OPTION,
    MASK_RESULT_OPTION,
    RESULT_OPTIONS,
    SEED_OPTION,
    SHAPE_OPTION,
    SOURCE_OPTIONS,
    SYNTHESIS_OPTIONS,
    with_options,
)  # fmt: skip
from pnncupy.cli.run_task import run_task
from pnncupy.terminal import say


@click.command()
@with_options(SOURCE_OPTIONS)
@click.option("-n", "count", type=int, default=1, show_default=True, help="Pictures to make.")
@click.option("--noise-std", type=float,
              help="Noise at the coarsest level, in units of the value range: more is more "
              "diverse; default 0.75.")  # fmt: skip
@with_options(SHAPE_OPTION, SEED_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def generate(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    count: int,
    seed: int | None,
    **options: Any,
) -> None:
    """Make new pictures with the patches of IMAGE, arranged differently.

    \b
    pnncupy generate photo.png -o results -n 8
    pnncupy generate --sample rocket -o rocket.png --shape 165 400
    """
    from pnncupy.cli.arguments import without_missing_pixels
    from pnncupy.cli.inputs import read_sources
    from pnncupy.tasks import generate

    if count < 1:
        raise click.UsageError(f"-n must be at least 1, got {count}")
    name, sources = read_sources(files, sample_names, page)
    seed = secrets.randbits(32) if seed is None else seed
    stem = f"{name}_generate_seed{seed}"
    options["rng"] = seed
    pictures = run_task(generate, [_one_or_all(sources), count], stem, sources, options, count)
    say(f"seed {seed}")
    _report_near_copies(without_missing_pixels(sources[:1], options)[0], pictures)


@click.command()
@with_options(SOURCE_OPTIONS, SHAPE_OPTION)
@click.option("--scale", nargs=2, type=float, metavar="Y X",
              help="Instead of --shape: factors of the height and the width.")  # fmt: skip
@with_options(GRADUAL_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def retarget(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    shape: tuple[int, int] | None,
    scale: tuple[float, float] | None,
    **options: Any,
) -> None:
    """Change the size or aspect of IMAGE while its objects keep theirs.

    \b
    pnncupy retarget photo.png -o narrow.png --scale 1 0.6
    """
    from pnncupy.cli.inputs import read_sources
    from pnncupy.tasks import retarget

    name, sources = read_sources(files, sample_names, page)
    if bool(shape) == bool(scale):
        raise click.UsageError("give either --shape H W or --scale Y X")
    if scale:
        height, width = sources[0].shape[:2]
        shape = (round(height * scale[0]), round(width * scale[1]))
    run_task(retarget, [_one_or_all(sources), shape], f"{name}_retarget", sources, options)


@click.command()
@with_options(SOURCE_OPTIONS)
@click.option(
    "--mask",
    "mask_file",
    required=True,
    metavar="FILE|nodata",
    help="Picture of IMAGE's size, bright where it is to be made anew; nodata: what is missing.",
)
@click.option(
    "--fill",
    metavar="FILE|mean|noise",
    help="What steers the result instead of what stands in the hole.",
)
@click.option("--remake-known", is_flag=True,
              help="Make the rest anew too, instead of leaving it as it is.")  # fmt: skip
@with_options(SEED_OPTION, SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS, MASK_RESULT_OPTION)
def inpaint(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    mask_file: str,
    fill: str | None,
    remake_known: bool,
    seed: int | None,
    **options: Any,
) -> None:
    """Fill holes of IMAGE with its patches, steered by the colours painted into them.

    \b
    pnncupy inpaint painted.png --mask mask.png -o filled.png
    """
    from pnncupy.cli.inputs import read_picture, read_sources
    from pnncupy.io.masks import read_mask
    from pnncupy.tasks import inpaint

    name, sources = read_sources(files, sample_names, page)
    seed = secrets.randbits(32) if seed is None else seed
    steering = fill if fill in (None, "mean", "noise") else read_picture(fill)
    options |= {"fill": steering, "keep_known": not remake_known, "rng": seed}
    if mask_file != "nodata" and not Path(mask_file).is_file():
        raise click.UsageError(f"--mask must name a file, or be nodata: there is no {mask_file}")
    mask = "nodata" if mask_file == "nodata" else read_mask(mask_file)
    made = None if remake_known else mask
    run_task(inpaint, [_only(sources), mask], f"{name}_inpaint", sources, options, synthesised=made)
    if fill == "noise":
        say(f"seed {seed}")


@click.command()
@with_options(SOURCE_OPTIONS)
@click.option("--structure", "structure_file", required=True, type=EXISTING_FILE,
              help="Picture that gives the layout and the size.")  # fmt: skip
@with_options(SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS)
def analogy(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    structure_file: str,
    **options: Any,
) -> None:
    """Rebuild the layout of a structure picture with the patches of IMAGE.

    \b
    pnncupy analogy snow.png --structure sand.png -o prints_in_snow.png
    """
    from pnncupy.cli.inputs import read_picture, read_sources
    from pnncupy.tasks import analogy

    name, sources = read_sources(files, sample_names, page)
    stem = f"{name}_analogy_{Path(structure_file).stem}"
    run_task(analogy, [_one_or_all(sources), read_picture(structure_file)], stem, sources, options)


@click.command()
@with_options(SOURCE_OPTIONS, SHAPE_OPTION, GRADUAL_OPTION, SYNTHESIS_OPTIONS, RESULT_OPTIONS)
def collage(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    shape: tuple[int, int] | None,
    **options: Any,
) -> None:
    """Merge two or more IMAGEs into one picture that has something of each.

    \b
    pnncupy collage beach.png forest.png city.png -o merged.png
    """
    from pnncupy.cli.inputs import read_sources
    from pnncupy.tasks import collage

    name, sources = read_sources(files, sample_names, page)
    run_task(collage, [sources, shape or None], f"{name}_collage", sources, options)


@click.command()
@with_options(SOURCE_OPTIONS)
@click.option(
    "--edited", "edited_file", required=True, type=EXISTING_FILE, help="IMAGE after a rough edit."
)
@click.option("--mask", "mask_file", type=EXISTING_FILE,
              help="Picture that is bright where the edit was made; the rest is kept.")  # fmt: skip
@with_options(SYNTHESIS_OPTIONS, GUIDE_OPTION, RESULT_OPTIONS, MASK_RESULT_OPTION)
def edit(
    files: Sequence[str],
    sample_names: Sequence[str],
    page: int | None,
    edited_file: str,
    mask_file: str | None,
    **options: Any,
) -> None:
    """Make a rough edit of IMAGE seamless.

    \b
    pnncupy edit photo.png --edited rough.png -o seamless.png
    """
    from pnncupy.batch.provenance import near_mask
    from pnncupy.cli.inputs import read_picture, read_sources
    from pnncupy.io.masks import read_mask
    from pnncupy.tasks import edit

    name, sources = read_sources(files, sample_names, page)
    made = None
    if mask_file is not None:
        options["mask"] = read_mask(mask_file)
        made = near_mask(options["mask"], options["patch_size"])
    pictures = [_only(sources), read_picture(edited_file)]
    run_task(edit, pictures, f"{name}_edit", sources, options, synthesised=made)


def _one_or_all(sources: Sequence[Any]) -> Any:
    """A single source by itself, so that messages do not number it."""
    return sources[0] if len(sources) == 1 else sources


def _only(sources: Sequence[Any]) -> Any:
    """The one source of a task that takes one."""
    if len(sources) > 1:
        raise click.UsageError(f"this command takes one IMAGE, got {len(sources)}")
    return sources[0]


def _report_near_copies(source: Any, pictures: Any) -> None:
    """Say how many results are hardly different from the source, rather than hide it."""
    from pnncupy.metrics import NEAR_COPY_DECIBELS, near_copy

    if pictures.shape[1:] != source.shape:
        return
    close = sum(near_copy(source, made).is_copy for made in pictures)
    advice = "; more --noise-std or fewer --levels give more variety" if close else ""
    say(
        f"{close} of {len(pictures)} nearly a copy of the source (PSNR over "
        f"{NEAR_COPY_DECIBELS:.0f} dB, moved by up to 8 pixels){advice}"
    )
