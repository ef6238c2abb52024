"""The commands of tasks whose results are volumes."""

import secrets
import time
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pnncupy.cli.command import Command
from pnncupy.cli.options import (
    LEVELS_OPTION,
    SEED_OPTION,
    SOURCE_OPTIONS,
    SYNTHESIS_OPTIONS,
    with_options,
)
from pnncupy.tasks.registry import TASKS, task_function
from pnncupy.terminal import say

_SHARED = (
    "downscale", "patch_size", "vote_width", "data_range", "method", "engine", "threads", "nodata",
    "categorical", "max_memory",
)  # fmt: skip
_NOT_RECORDED = {"files", "sample_names", "seed", "output", "force", "quiet", "page"}

_OWN_OPTIONS = [
    click.option("--shape", nargs=3, type=int, required=True, metavar="Z Y X",
                 help="Depth, height and width of the result in voxels."),
    click.option("--axes", metavar="A,B,C",
                 help="Axes whose perpendicular slices look like the images: 0 is Z, 1 Y, 2 X; "
                 "default 0,1,2."),
    SEED_OPTION,
    click.option("--alpha", type=float,
                 help="Completeness; default 0.003. inf disables it: faster and smoother."),
    click.option("--iterations", type=int, help="Steps at each level; default 5."),
]  # fmt: skip
_RESULT_OPTIONS = [
    click.option("-o", "--output", "output", type=click.Path(path_type=Path), required=True,
                 help="Folder for the result (created if missing), or a .tif or .npy file."),
    click.option("--force", is_flag=True, help="Replace a file that exists."),
    click.option("--quiet", is_flag=True, help="No progress bar."),
]  # fmt: skip


def volume_command(verb: str) -> click.Command:
    """Build the command of a task."""

    def call(**given: Any) -> None:
        _call(verb, given)

    call.__doc__ = TASKS[verb].help
    command = click.command(verb, cls=Command)(call)
    command.params = [
        *(each for each in _parameters(*SOURCE_OPTIONS) if each.name != "volume"),
        *_parameters(*_OWN_OPTIONS),
        *_parameters(LEVELS_OPTION),
        *(each for each in _parameters(*SYNTHESIS_OPTIONS) if each.name in _SHARED),
        *_parameters(*_RESULT_OPTIONS),
    ]
    return command


def _parameters(*options: Any) -> list[click.Parameter]:
    """The parameters that options define."""
    return click.command("options")(with_options(*options)(lambda **given: None)).params


def _call(verb: str, given: dict[str, Any]) -> None:
    """Read the images of a command, run its task and report."""
    from pnncupy.cli.arguments import settle_labels, spoken_arguments
    from pnncupy.cli.inputs import read_sources
    from pnncupy.cli.outputs import ResultFiles
    from pnncupy.cli.progress_bars import progress_bar
    from pnncupy.io.volume_files import voxel_metadata, write_volume

    files = [Path(file) for file in given.pop("files")]
    name, sources = read_sources(
        [str(file) for file in files], samples := given.pop("sample_names"), given.pop("page")
    )
    output, force, quiet = (given.pop(each) for each in ("output", "force", "quiet"))
    given_seed = given.pop("seed")
    seed = secrets.randbits(32) if given_seed is None else given_seed
    made_from = _provenance(verb, sources, files, samples, seed)
    given["axes"] = _axes(given["axes"])
    spoken_arguments(given, files)
    settle_labels(made_from.sources[0], sources, given, grown=True)
    target = _target(output, f"{name}_{verb}_seed{seed}", sources[0])
    metadata = voxel_metadata(made_from.metadata)
    if metadata is None:
        say(f"{made_from.sources[0]}: the result has no voxel size: pixels are not square",
            error=True)  # fmt: skip
    arguments = {key: value for key, value in given.items() if value not in (None, ())}
    start = time.perf_counter()
    planned = ResultFiles([target], None, [], force, made_from)
    with planned.in_use(files):
        with progress_bar(quiet) as show:
            made = task_function(verb)(
                sources[0] if len(sources) == 1 else sources,
                **arguments, rng=seed, callback=show, progress=False, return_info=True,
            )  # fmt: skip
        target.parent.mkdir(parents=True, exist_ok=True)
        write_volume(
            target, made.image, overwrite=force, metadata=metadata, provenance=made_from.record()
        )
    say(f"seed {seed}")
    say(f"wrote {target}")
    say(f"{time.perf_counter() - start:.1f} s, {made.info['levels']} levels below full size")


def _axes(words: str | None) -> tuple[int, ...] | None:
    """Axes from numbers with commas."""
    try:
        return None if words is None else tuple(int(word) for word in words.split(","))
    except ValueError:
        raise click.UsageError(
            f"--axes must be numbers with commas, such as 0,1, got {words!r}"
        ) from None


def _target(output: Path, stem: str, like: Any) -> Path:
    """The file of the result; what cannot be written is refused before any work."""
    from pnncupy.io.volume_files import SUFFIXES, encode_volume

    known = output.suffix.lower() in SUFFIXES and not output.is_dir()
    if not known and output.suffix and not output.is_dir():
        raise click.UsageError(
            f"cannot write {output.suffix} files; use one of "
            f"{', '.join(sorted(SUFFIXES))}, or a folder"
        )
    target = output if known else output / f"{stem}.tif"
    encode_volume(target.suffix, like[None, :8, :8])
    return target


def _provenance(
    verb: str, sources: list[Any], files: list[Path], samples: tuple[str, ...], seed: int
) -> Any:
    """Origin of the result."""
    from pnncupy.batch.provenance import provenance

    context = click.get_current_context()
    arguments = {
        name: value for name, value in context.params.items()
        if name not in _NOT_RECORDED
        and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }  # fmt: skip
    return provenance(
        verb, [str(file) for file in files] or [f"sample {name}" for name in samples],
        1 if sources[0].ndim == 2 else sources[0].shape[2],
        file=str(files[0]) if files else None, page=context.params.get("page"), seed=seed,
        arguments=arguments,
    )  # fmt: skip
