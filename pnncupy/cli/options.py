"""The options that several commands have in common."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pnncupy import samples, validation
from pnncupy.cli import completion
from pnncupy.cli.command import Command
from pnncupy.tasks.registry import PERIODIC_WORDS


class _ImagePath(click.Path):
    """A file that is there, or the folder of an OME-Zarr image."""

    def __init__(self) -> None:
        super().__init__(exists=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # fmt: skip
        from pnncupy.io.ome_zarr import is_zarr

        found = super().convert(value, param, ctx)
        path = Path(os.fsdecode(found))
        if path.is_dir() and not is_zarr(path):
            self.fail(f"File {str(found)!r} is a directory.", param, ctx)
        return found


EXISTING_FILE = _ImagePath()

SOURCE_OPTIONS = [
    click.argument("files", metavar="[IMAGE]...", nargs=-1, type=EXISTING_FILE),
    click.option("--sample", "sample_names", multiple=True, metavar="NAME",
                 type=click.Choice(sorted(samples.CREDITS)),
                 help=f"Use a bundled photograph: {', '.join(sorted(samples.CREDITS))}."),
    click.option("--page", type=int, help="Image of a TIFF stack, from 0."),
    click.option("--volume", is_flag=True,
                 help="All pages of a stack, or an array, are one volume or series."),
]  # fmt: skip

ENSEMBLE_OPTION = click.option(
    "--ensemble", is_flag=True,
    help="Also write mean, spread and quantiles of each pixel over the images, of labels their "
         "probabilities and entropy, as NAME_ensemble_...tif.",
)  # fmt: skip
RESULT_OPTIONS = [
    click.option("-o", "--output", "output", type=click.Path(path_type=Path),
                 help="Folder for the results (created if missing) or one image file.  [required]"),
    click.option("--save-index", type=click.Path(path_type=Path), metavar="FILE.tif",
                 help="Also write where each pixel comes from: source, row, column."),
    click.option("--force", is_flag=True, help="Replace files that exist."),
    click.option("--quiet", is_flag=True, help="No progress bar."),
    click.option("--preview-tiled", is_flag=True,
                 help="Also write each result repeated 2 x 2, as NAME_tiled."),
    click.option("--dry-run", is_flag=True,
                 help="Estimate the cost by trials on smaller images, without a result."),
]  # fmt: skip


def _periodic_option(name: str, text: str) -> Any:
    """Option for the axes along which images wrap around."""
    return click.option(
        name, type=click.Choice(list(PERIODIC_WORDS)), help=text,
        callback=lambda context, parameter, word: PERIODIC_WORDS.get(word),
    )  # fmt: skip


class Factors(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """One factor of both sides of an image, or two of its height and its width, in one word."""

    name = "factors"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        """Return the factors of the height and the width."""
        rule = "--scale must be one factor, or two of the height and the width"
        words = value.split()
        try:
            factors = [float(word) for word in words]
        except ValueError:
            raise click.UsageError(f"{rule}, got {value!r}", ctx) from None
        if len(factors) not in (1, 2):
            raise click.UsageError(f"{rule}, got {len(factors)}: {value}", ctx)
        for factor in factors:
            validation.positive("scale", factor)
        return factors[0], factors[-1]


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An integer, or the word auto."""

    name = "integer|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        """Return the integer, or the word."""
        if value == "auto":
            return str(value)
        try:
            return int(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is neither an integer nor auto", param, ctx)


class PerAxis(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number, or one for each axis with commas between them.

    Parameters
    ----------
    kind : {int, float}
    words : tuple of str
        What may be given instead.
    """

    def __init__(self, kind: type, words: tuple[str, ...] = ()):
        self._kind, self._words = kind, words
        self.name = "integer" if kind is int else "float"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a number, a tuple of them, or a word."""
        if not isinstance(value, str) or value in self._words:
            return value
        try:
            numbers = tuple(self._kind(word) for word in value.split(","))
        except ValueError:
            others = "".join(f", nor {word}" for word in self._words)
            self.fail(
                f"{value!r} is not a valid {self.name}, nor one for each axis{others}.", param, ctx
            )
        return numbers if "," in value else numbers[0]


class FactorsCommand(Command):
    """A command whose option --scale takes one word or two: click's take a fixed number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a command line."""
        return super().parse_args(ctx, _with_joined_factors(args))


def _with_joined_factors(args: Sequence[str]) -> list[str]:
    """Join --scale and the numbers that follow into one word; a third may be the name of a file."""
    words, joined = list(args), []
    while words and words[0] != "--":
        word = words.pop(0)
        name, equals, first = word.partition("=")
        if name == "--scale":
            factors = [first] if equals else []
            while words and _is_number(words[0]):
                if len(factors) >= 2 and Path(words[0]).exists():
                    break
                factors.append(words.pop(0))
            word = f"--scale={' '.join(factors)}" if factors else word
        joined.append(word)
    return joined + words


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class NamesOf(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """A choice among the names in a table, which is imported when they are first needed.

    Lists of commands do without it, and without the search and the synthesis that it loads.

    Parameters
    ----------
    module : str
        Below `pnncupy`.
    table : str
    """

    def __init__(self, module: str, table: str):  # Choice's own needs the names
        self._module, self._table = module, table
        self.case_sensitive = True

    @cached_property
    def choices(self) -> Sequence[str]:  # type: ignore[override,unused-ignore]
        """The names, in their order."""
        return tuple(getattr(import_module(f"pnncupy.{self._module}"), self._table))


LEVELS_OPTION = click.option("--levels", type=int, help="Pyramid levels below full size.")
AUTOMATIC_LEVELS_OPTION = click.option(
    "--levels", type=NumberOrAuto(), shell_complete=completion.words("auto"),
    help="Pyramid levels below full size; auto: as many as the noise moves patches at.",
)  # fmt: skip
ALPHA_OPTION = click.option(
    "--alpha", type=float,
    help="Completeness: smaller values, about 0.005, use more of the source; inf disables it.",
)  # fmt: skip
SYNTHESIS_OPTIONS = [
    click.option("--downscale", type=PerAxis(float), metavar="F|FZ,FY,FX",
                 help="Factor between neighbouring levels; 1 keeps an axis as it is."),
    click.option("--patch-size", type=PerAxis(int, ("auto",)), metavar="P|PZ,PY,PX|auto",
                 shell_complete=completion.words("auto"),
                 help="Side of a patch, or one for each axis; default 7; auto: by the detail of "
                 "IMAGE."),
    click.option("--iterations", type=int, help="Steps at each level; default 10."),
    click.option("--coarse-iterations", type=int, help="Steps at the coarsest level."),
    _periodic_option("--periodic", "Axes along which the result wraps around, so that it can be "
                     "repeated without a seam: rows join its bottom to its top, columns its right "
                     "to its left."),
    _periodic_option("--source-periodic", "Axes along which IMAGE wraps around, such as a tile: "
                     "patches are taken across its borders."),
    click.option("--keys", type=NamesOf("synthesis.schedule", "KEYS"),
                 help="Images that query patches are compared with; default blurred."),
    click.option("--vote", type=NamesOf("synthesis.voting", "VOTES"),
                 help="Combination of overlapping patches; default weighted_mean."),
    click.option("--vote-width", type=float, metavar="W",
                 help="Width of its weights across a patch, from 0.15; default 1.7. Less is "
                 "sharper and copies less."),
    click.option("--data-range", nargs=2, type=float, metavar="LOW HIGH",
                 help="Values that count as 0 and 1; default: by the dtype or the values."),
    click.option("--method", type=NamesOf("search.method", "METHODS"),
                 help="Search: exact, the default; approximate, for large images; or by the number "
                 "of pixels."),
    click.option("--engine", type=NamesOf("engine.registry", "NAMES"),
                 help="Compute engine; default auto."),
    click.option("--threads", type=int, help="CPU threads; default: all cores."),
    click.option("--scheduler", metavar="ADDRESS",
                 help="Address of a Dask cluster that shares the exact searches, such as "
                 "tcp://host:8786."),
    click.option("--checkpoint", type=click.Path(dir_okay=False), metavar="FILE",
                 help="File of the state: the same command, with its --seed, continues where it "
                 "was killed."),
    click.option("--nodata", metavar="VALUE|nan|none",
                 shell_complete=completion.words("nan", "none"),
                 help="Value of missing pixels, which are never used; default: what a TIFF says."),
    click.option("--categorical/--no-categorical", default=None,
                 help="Values are labels: votes are majorities, and no new values appear; or "
                 "intensities, the default."),
    click.option("--label-costs", metavar="LABEL=WEIGHT,...|FILE",
                 help="Weights of labels where they are confused, or a file with the costs of all "
                 "pairs: numbers with commas, a line for each label."),
    click.option("--keep-fractions", is_flag=True, default=None,
                 help="Give results the fractions of labels that the sources have."),
    click.option("--channel-weights", metavar="std|W1,W2,...",
                 shell_complete=completion.words("std"),
                 help="Weight of each channel when patches are compared; std: all the same."),
    click.option("--max-memory", metavar="SIZE",
                 help="Most memory for the synthesis, such as 500M or 2G; default: "
                 "PNNCUPY_MAX_MEMORY, or no limit. Not counted: the images read, and some 180 MB "
                 "for Python, libraries and compiled code (250 MB in the first run, which "
                 "compiles)."),
]  # fmt: skip

GUIDE_OPTION = click.option(
    "--guide", "guide_files", nargs=3, multiple=True, metavar="SOURCE TARGET WEIGHT",
    shell_complete=completion.files_or_words(),
    help="Images that are compared too, but never enter the result: one on IMAGE, one on the "
    "result. Can be repeated.",
)  # fmt: skip

MASK_CHOICE_OPTIONS = [
    click.option("--mask-values", metavar="V1,V2,...",
                 help="Values of the mask file that are filled or edited, such as labels; default: "
                 "the bright ones."),
    click.option("--mask-above", type=float, metavar="V", help="Instead: all values above this."),
]  # fmt: skip
MASK_RESULT_OPTION = click.option(
    "--save-mask", type=click.Path(path_type=Path), metavar="FILE",
    help="Also write what was synthesised: an image of 0 and, where it was, 255.",
)  # fmt: skip
SHAPE_OPTION = click.option(
    "--shape", nargs=2, type=int, metavar="H W", help="Height and width of the result in pixels."
)
SEED_OPTION = click.option(
    "--seed", type=click.IntRange(min=0), help="Make the same again; default: new, and printed."
)
DEPTH_OPTION = click.option(
    "--depth", type=int, metavar="D", help="Slices of the result, with --volume and --shape."
)
COUNT_OPTION = click.option(
    "-n", "count", type=int, default=1, show_default=True, help="Images to make."
)
SCALE_OPTION = click.option(
    "--scale", type=Factors(), metavar="Y [X]",
    help="Instead of --shape: factors of the height and the width, or one of both.",
)  # fmt: skip


def with_options(*groups: Any) -> Callable[[Any], Any]:
    """Several options as one decorator."""

    def decorate(function: Any) -> Any:
        for group in reversed(groups):
            for option in reversed(group if isinstance(group, list) else [group]):
                function = option(function)
        return function

    return decorate
