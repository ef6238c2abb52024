"""The command line: parse, call, print."""

import re
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pnncupy import __version__, samples
from pnncupy.checks import EngineUnavailable, ImageReadError

INTERRUPTED = 130
_PYTHON_NAMES = {"image": "IMAGE", "rng": "--seed", "n": "-n"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong call, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        commands.main(args=arguments, prog_name="pnncupy", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; pictures that were finished are kept.", err=True)
        return INTERRUPTED
    except (ImageReadError, EngineUnavailable, OSError, MemoryError) as error:
        click.echo(f"Error: {error or type(error).__name__}", err=True)
        return 1
    except (TypeError, ValueError) as error:
        click.echo(f"Error: {_with_option_names(str(error))}", err=True)
        return 2
    return 0


def _with_option_names(message: str) -> str:
    """`noise_std` in a message of the library is --noise-std here."""

    def option(match: re.Match[str]) -> str:
        name = match[1]
        return _PYTHON_NAMES.get(name, f"--{name.replace('_', '-')}")

    return re.sub(r"`(\w+)`", option, message)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pnncupy")
def commands() -> None:
    """Make new pictures from the patches of one, without training."""


@commands.command()
def engines() -> None:
    """Say which engines can run here, and why not."""
    from pnncupy.engine_table import engines as find_engines

    for engine in find_engines():
        state = "runs" if engine.available else "cannot run"
        click.echo(f"{engine.name:12}{state:12}{engine.detail}")


@commands.command()
@click.argument("image", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--sample",
    type=click.Choice(sorted(samples.CREDITS)),
    help="Use a bundled photograph instead of IMAGE.",
)
@click.option(
    "-o",
    "--output",
    "output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the results (made if missing), or one image file.",
)
@click.option("-n", "count", type=int, default=1, show_default=True, help="Pictures to make.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Make the same pictures again; default: a new seed, which is printed.",
)
@click.option(
    "--shape",
    nargs=2,
    type=int,
    metavar="H W",
    help="Height and width of the results; default: those of IMAGE.",
)
@click.option(
    "--noise-std",
    type=float,
    default=0.75,
    show_default=True,
    help="Noise at the coarsest level, in units of the value range: more is more diverse.",
)
@click.option(
    "--alpha",
    type=float,
    default=float("inf"),
    show_default=True,
    help="Completeness: about 0.005 uses more of the source.",
)
@click.option("--levels", type=int, help="Pyramid levels below full size; default: by the size.")
@click.option(
    "--downscale",
    type=float,
    default=4 / 3,
    show_default="4/3",
    help="Factor between neighbouring levels.",
)
@click.option("--patch-size", type=int, default=7, show_default=True, help="Side of a patch.")
@click.option("--iterations", type=int, default=10, show_default=True, help="Steps at each level.")
@click.option(
    "--coarse-iterations",
    type=int,
    default=1,
    show_default=True,
    help="Steps at the coarsest level.",
)
@click.option(
    "--keys",
    type=click.Choice(["blurred", "sharp", "both"]),
    default="blurred",
    show_default=True,
    help="What patches are compared with.",
)
@click.option(
    "--vote",
    type=click.Choice(["weighted_mean", "mean", "median", "copy"]),
    default="weighted_mean",
    show_default=True,
    help="How patches make a picture.",
)
@click.option(
    "--data-range",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Values that count as 0 and 1; default: by the dtype or the values.",
)
@click.option("--page", type=int, help="Picture of a TIFF stack, from 0.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "numpy", "numba"]),
    default="auto",
    show_default=True,
    help="What computes.",
)
@click.option("--threads", type=int, help="CPU threads; default: all cores.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--quiet", is_flag=True, help="No progress bar.")  # fmt: skip
def generate(
    image: str | None,
    sample: str | None,
    output: Path,
    count: int,
    seed: int | None,
    force: bool,
    quiet: bool,
    page: int | None,
    **options: Any,
) -> None:
    r"""Make new pictures with the patches of IMAGE, arranged differently.

    \b
    pnncupy generate photo.png -o results -n 8
    pnncupy generate --sample rocket -o rocket.png --shape 165 400
    """
    from pnncupy import tasks
    from pnncupy.io import default_suffix, write_image
    from pnncupy.progress import progress_bar

    if count < 1:
        raise click.UsageError(f"-n must be at least 1, got {count}")
    name, source = _source(image, sample, page)
    seed = secrets.randbits(32) if seed is None else seed
    options = {name: value for name, value in options.items() if value not in (None, ())}
    files, sheet = _result_files(
        output, f"{name}_generate_seed{seed}", count, default_suffix(source), force
    )
    start = time.perf_counter()
    with progress_bar(quiet) as show:

        def save(event: Any) -> None:
            show(event)
            if event.result is not None:
                write_image(files[event.sample], event.result.image, overwrite=force)

        pictures = tasks.generate(source, count, rng=seed, callback=save, **options)
    seconds = time.perf_counter() - start
    data_range = _shown_range(source, options.get("data_range"))
    if sheet is not None:
        from pnncupy.sheet import contact_sheet

        write_image(sheet, contact_sheet([source, *pictures], data_range), overwrite=force)
    _report(files, sheet, seconds, seed)
    _report_near_copies(source, pictures, data_range)


def _source(image: str | None, sample: str | None, page: int | None) -> tuple[str, Any]:
    """Name and pixels of what was asked for."""
    from pnncupy.io import read_image

    if (image is None) == (sample is None):
        raise click.UsageError("give either IMAGE or --sample NAME")
    if sample is not None:
        click.echo(f"sample {sample}: {samples.CREDITS[sample]}", err=True)
        return sample, samples.load_sample(sample)
    assert image is not None
    return Path(image).stem, read_image(image, page=page)


def _result_files(
    output: Path, stem: str, count: int, suffix: str, force: bool
) -> tuple[list[Path], Path | None]:
    """Where the pictures and the contact sheet go; refuses what would be lost or cannot work."""
    from pnncupy.io import SUFFIXES

    sheet = None
    if output.suffix.lower() in SUFFIXES and not output.is_dir():
        if count > 1:
            raise click.UsageError(
                f"-o must be a folder for {count} pictures, got the file name {output}"
            )
        folder, files = output.parent, [output]
    else:
        digits = max(3, len(str(count - 1)))
        folder = output
        files = [output / f"{stem}_{number:0{digits}}{suffix}" for number in range(count)]
        sheet = output / "contact.png" if count > 1 else None
    existing = [file for file in (*files, sheet) if file is not None and file.exists()]
    if existing and not force:
        raise click.UsageError(
            f"{existing[0]} exists{f' and {len(existing) - 1} more' if existing[1:] else ''}; "
            "choose another -o or replace with --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # Find out before the work, not after it, whether results can be written.
    with tempfile.TemporaryFile(dir=folder):
        pass
    return files, sheet


def _shown_range(source: Any, data_range: tuple[float, float] | None) -> tuple[float, float]:
    from pnncupy.images import planes, value_range

    return value_range([planes("image", source)], data_range)


def _report(files: Sequence[Path], sheet: Path | None, seconds: float, seed: int) -> None:
    if len(files) == 1:
        click.echo(f"wrote {files[0]}")
    else:
        click.echo(f"wrote {len(files)} pictures, {files[0]} to {files[-1].name}")
    if sheet is not None:
        click.echo(f"wrote {sheet} (the source first, then the pictures)")
    click.echo(f"{seconds:.1f} s, seed {seed}")


def _report_near_copies(source: Any, pictures: Any, data_range: tuple[float, float]) -> None:
    """Say how many results are hardly different from the source, rather than hide it."""
    from pnncupy.metrics import NEAR_COPY_DECIBELS, psnr

    if pictures.shape[1:] != source.shape:
        return
    close = sum(psnr(made, source, data_range) > NEAR_COPY_DECIBELS for made in pictures)
    advice = "; more --noise-std or fewer --levels give more variety" if close else ""
    click.echo(
        f"{close} of {len(pictures)} nearly a copy of the source (PSNR over "
        f"{NEAR_COPY_DECIBELS:.0f} dB){advice}"
    )
