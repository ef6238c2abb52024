"""Commands whose help has titled groups of options, and whose near misses get suggestions."""

import difflib
from collections.abc import Collection, Sequence

import click

from pnncupy.parameter_hints import right_name

# Titles of the groups of a help text behind the first one, which has the basic options, and the
# parameters of each; the order of a group is that of the command.
GROUPS = {
    "Synthesis": (
        "downscale", "patch_size", "iterations", "coarse_iterations", "keys", "vote", "vote_width",
        "periodic", "source_periodic", "independent", "keep_grain", "gradual", "keep_known",
        "sampler", "steps", "sigma_max", "sigma_min", "patch_sizes",
    ),
    "Search": ("method", "engine"),
    "Scientific data": (
        "page", "volume", "depth", "nodata", "categorical", "label_costs", "keep_fractions",
        "channel_weights", "data_range",
        "guide_files",
    ),
    "Files": ("force", "save_index", "save_mask", "preview_tiled", "ensemble", "ro_crate"),
    "Running": (
        "workers", "threads", "scheduler", "max_memory", "checkpoint", "dry_run", "quiet",
    ),
}  # fmt: skip
BASIC = "Options"

# Commands by words that others have for them.
_WORDS_OF_COMMANDS = {
    "generate": "synthesize synthesise create make texture sample random quilting quilt new",
    "inpaint": "fill remove erase heal heal-selection complete inpainting",
    "retarget": "resize scale reshape seam-carve crop retargeting",
    "analogy": "style transfer style-transfer analogies",
    "collage": "merge blend combine mix",
    "edit": "paste clone edits",
    "volume": "grow grow-volume grow_volume 3d solid",
    "engines": "devices gpu gpus backends",
    "samples": "photographs images examples demo",
    "batch": "jobs folder run",
    "simulate": "conditional condition mps geostatistics realisations hard-data simulation",
    "report": "page html web",
    "cite": "citation bibtex reference references publication doi",
    "doctor": "diagnose info bug debug env check version status",
}  # fmt: skip


class Command(click.Command):
    """A command with groups of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups."""
        write_groups(formatter, ctx, {BASIC: self.get_params(ctx)})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; an option that there is not may have another name here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = meant_option(error.option_name, self.get_params(ctx))
            if not name:
                raise
            raise click.UsageError(
                f"No such option {error.option_name!r}. Did you mean {name!r}?", ctx
            ) from error


def write_groups(
    formatter: click.HelpFormatter,
    ctx: click.Context,
    basic: dict[str, Sequence[click.Parameter]],
) -> None:
    """Write options below titles.

    Parameters
    ----------
    formatter : click.HelpFormatter
    ctx : click.Context
    basic : dict
        All options by the title of those that belong to none of `GROUPS`.
    """
    titles = {name: title for title, names in GROUPS.items() for name in names}
    groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*basic, *GROUPS)}
    for title, parameters in basic.items():
        for parameter in parameters:
            text = parameter.get_help_record(ctx)
            if text is not None and isinstance(parameter, click.Option):
                groups[titles.get(parameter.name or "", title)].append(text)
    for title, texts in groups.items():
        if texts:
            with formatter.section(title):
                formatter.write_dl(texts)


def meant_option(flag: str, parameters: Sequence[click.Parameter]) -> str:
    """Return the option that a wrong one is meant for; "" if none is like it."""
    flags = {
        each.name: max(each.opts, key=len)
        for each in parameters
        if isinstance(each, click.Option) and each.name
    }
    word = flag.lstrip("-").replace("-", "_")
    return flags.get(right_name(word, flags), "") if len(word) > 1 else ""


def meant_command(word: str, names: Collection[str]) -> str:
    """Return the command that a wrong word is meant for; "" if none is like it."""
    word = word.lower()
    for name, words in _WORDS_OF_COMMANDS.items():
        if name in names and word in words.split():
            return name
    return next(iter(difflib.get_close_matches(word, names, 1, 0.6)), "")
