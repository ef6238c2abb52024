"""Samplers of a task: nearest patches, or diffusion over all patches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from pnncupy import errors, validation
from pnncupy.engine import registry
from pnncupy.images.planes import side_words
from pnncupy.images.pyramid import Ratio
from pnncupy.rng import describe
from pnncupy.synthesis.coarse_to_fine import Synthesised
from pnncupy.synthesis.diffusion import Start, diffuse
from pnncupy.synthesis.noise_schedule import NoiseSchedule
from pnncupy.synthesis.problem import SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.tasks.execute import KeptPixels, Work, execute
from pnncupy.tasks.level_count import Requirements
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import PreparedTask

SAMPLERS = ("patches", "diffusion")
# One number for all levels, or one for each, from full size.
PatchSizes = int | Sequence[int]

# Smallest side of the coarsest level in patches, side of a patch, and factor between levels, that
# diffusion is sharpest and most diverse with.
COARSEST_PATCHES = 1.5
_PATCH_SIZE = 15
# For the layout of another image, or an edited one.
SMALL_PATCH = 11
# Largest noise, in units of the value range: where it is all there is to begin with, and where an
# image is given, half of what is denoised first.
NOISE_ALONE = 8.0
NOISE_ON_IMAGE = 0.5
# Rows of a patch that the kernels can tell apart.
_LARGEST_PATCH = 60
# That a block of threads has memory for.
_LARGEST_ON_DEVICE = 31
DOWNSCALE = 2.0
# Why options of nearest patches are refused.
_UNUSED = {
    "patch_size": "which takes `patch_sizes`",
    "return_index": "which averages patches, so that no pixel has one origin",
    "independent": "which starts from noise alone",
    "noise_std": "which starts from noise alone; set `sigma_max`",
    "variety": "which starts from noise alone; set `sigma_max`",
    "iterations": "which takes `steps`",
    "coarse_iterations": "which takes `steps`",
    "alpha": "which averages patches",
    "keys": "which averages patches",
    "vote": "which averages patches",
    "vote_width": "which has a window of its own",
    "initial_guess": "whose coarsest level is made otherwise",
    "distinct": "which makes no copies to be looked for",
    "checkpoint": "which has none",
    "executor": "which has no blocks",
    "categorical": "which would average labels",
    "label_costs": "which would average labels",
    "keep_fractions": "which would average labels",
    "channel_weights": "whose noise has one unit for all channels",
    "guides": "whose noise has one unit for all channels",
    "gradual": "which changes the size at once",
    "keep_grain": "which averages patches",
    "max_memory": "whose memory is not planned",
}  # fmt: skip
_OF_DIFFUSION = dict.fromkeys(
    ("steps", "sigma_max", "sigma_min", "patch_sizes"),
    "which searches nearest patches; set `sampler` to 'diffusion'",
)


@dataclass(frozen=True)
class Diffusion:
    """Options of diffusion.

    Attributes
    ----------
    noise : NoiseSchedule
    patch_sizes : int or sequence of int
    """

    noise: NoiseSchedule
    patch_sizes: PatchSizes

    @classmethod
    def chosen(
        cls, sampler: Any, steps: Any, sigma_max: Any, sigma_min: Any, patch_sizes: Any,
        largest: float = NOISE_ON_IMAGE, patch_size: int = _PATCH_SIZE,
    ) -> "Diffusion | None":  # fmt: skip
        """Options of diffusion, checked; None where the sampler is another.

        `largest`, the noise, and `patch_size` are defaults of the task.

        Raises
        ------
        TypeError, ValueError
            One is wrong, whatever the images are.
        """
        if sampler != "diffusion":
            return None
        count = validation.integer("steps", steps, 2)
        if sigma_max is not None:
            largest = validation.positive("sigma_max", sigma_max)
        smallest = validation.positive("sigma_min", sigma_min)
        if smallest > largest:
            raise ValueError(f"`sigma_min` must be at most `sigma_max`, {largest}, got {smallest}")
        sizes = patch_size if patch_sizes is None else _checked_sizes(patch_sizes)
        return cls(NoiseSchedule(count, largest, smallest), sizes)

    @property
    def finest_patch(self) -> int:
        """Side of a patch at full size."""
        return self.patch_sizes if isinstance(self.patch_sizes, int) else self.patch_sizes[0]

    def changed(self, options: TaskOptions, downscale: Ratio) -> TaskOptions:
        """Options of a task for diffusion, where `downscale` is the task's own default."""
        factor = DOWNSCALE if options.downscale == downscale else options.downscale
        return replace(options, patch_size=self.finest_patch, downscale=factor)

    def info(self, task: PreparedTask, seed: np.random.SeedSequence) -> dict[str, Any]:
        """Entries for `Result.info`."""
        return {
            "seed": describe(seed), "sampler": "diffusion", "steps": self.noise.steps,
            "sigma_max": self.noise.sigma_max, "sigma_min": self.noise.sigma_min,
            "patch_sizes": self.sizes(task),
        }  # fmt: skip

    def sizes(self, task: PreparedTask) -> list[int]:
        """Side of a patch at each level of a task, from full size."""
        levels = range(task.schedule.levels + 1)
        if isinstance(self.patch_sizes, Sequence):
            if len(self.patch_sizes) != len(levels):
                raise ValueError(
                    f"`patch_sizes` must have one number for each of the {len(levels)} levels, "
                    f"got {len(self.patch_sizes)}; or set `levels` to {len(self.patch_sizes) - 1}"
                )
            sizes = list(self.patch_sizes)
        else:
            sizes = [self.finest_patch for _ in levels]
        for level, size in zip(levels, sizes, strict=True):
            for shape in (task.shape, *task.images.shapes):
                sides = task.schedule.shape(shape, level)
                if min(sides) < size:
                    raise ValueError(
                        f"`patch_sizes` must be at most {min(sides)} at level {level}, which is "
                        f"{side_words(sides)} pixels, got {size}; use fewer `levels`"
                    )
        return sizes


def with_one_sampler[**Parameters, Returned](
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Returned]:
    """Let a task refuse the options that its sampler does not have."""
    defaults = {name: each.default for name, each in signature(function).parameters.items()}

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        _check_options(kwargs, defaults)
        return function(*args, **kwargs)

    return call


def _check_options(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse options that differ from their defaults, and are those of another sampler."""
    sampler = given.get("sampler", defaults["sampler"])
    validation.choice("sampler", sampler, SAMPLERS)
    reasons = _UNUSED if sampler == "diffusion" else _OF_DIFFUSION
    for name, why in reasons.items():
        if name not in defaults:
            continue
        default = defaults[name]
        value = given.get(name, default)
        if value is default or (type(value) is type(default) and value == default):
            continue
        if name == "categorical" and value is False:  # values are no labels, to be sure
            continue
        raise ValueError(
            f"`{name}` must be {default!r} with `sampler` {sampler!r}, {why}, got "
            f"{validation.shortened(value)}"
        )


def diffused(
    task: PreparedTask,
    problem: SynthesisProblem,
    diffusion: Diffusion,
    seeds: Sequence[np.random.SeedSequence],
    start: Start | None = None,
) -> Work:
    """The work of some realisations by diffusion, from noise alone or an image."""
    sizes = diffusion.sizes(task)
    if registry.on_device(task.engine_name) and max(sizes) > _LARGEST_ON_DEVICE:
        raise ValueError(
            f"`patch_sizes` must be at most {_LARGEST_ON_DEVICE} with `engine` "
            f"{task.engine_name!r}, got {max(sizes)}; or use `engine` 'numba'"
        )

    def work(reporter: ProgressReporter) -> Synthesised:
        run = SynthesisRun(problem, task.schedule, task.settings, reporter)
        generators = [np.random.default_rng(seed) for seed in seeds]
        return diffuse(run, diffusion.noise, sizes, generators, start)

    return work


def requirements_of(
    diffusion: Diffusion | None, requirements: Requirements, patches: float = COARSEST_PATCHES
) -> Requirements:
    """Requirements of a task with its sampler; `patches` at the coarsest level."""
    if diffusion is None:
        return requirements
    return replace(
        requirements, coarsest_patches=patches, preferred_levels=None, between=None,
        intermediate=None, averaged=True,
    )  # fmt: skip


def diffused_result(
    task: PreparedTask,
    problem: SynthesisProblem,
    diffusion: Diffusion,
    info: dict[str, Any],
    seed: np.random.SeedSequence,
    start: Start,
    kept: KeptPixels | None = None,
) -> Any:
    """One result by diffusion of a task that begins with an image."""
    check_engine(task)
    work = diffused(task, problem, diffusion, [seed], start)
    info = info | diffusion.info(task, seed) | {"coarsest_level_kept": start.kept}
    return execute(task, lambda numbers: work, info, kept=kept)


def check_engine(task: PreparedTask) -> None:
    """Refuse engines without weighted means, and volumes.

    Raises
    ------
    EngineUnavailable, ValueError
    """
    if not hasattr(task.settings.engine, "add_weights"):
        raise errors.EngineUnavailable(
            f"engine {task.engine_name!r} has no diffusion; use `engine` 'numba' and NumPy arrays"
        )
    if len(task.shape) != 2:
        raise ValueError(
            "`sampler` must be 'patches' for volumes, got 'diffusion'; or make slices one by one"
        )


def _checked_sizes(patch_sizes: Any) -> PatchSizes:
    if validation.is_sequence(patch_sizes):
        if not len(patch_sizes):
            raise ValueError("`patch_sizes` must have one number for each level, got none")
        return [_checked_size(size) for size in patch_sizes]
    return _checked_size(patch_sizes)


def _checked_size(size: Any) -> int:
    side = validation.integer("patch_sizes", size, 2)
    if side > _LARGEST_PATCH:
        raise ValueError(f"`patch_sizes` must be at most {_LARGEST_PATCH}, got {side}")
    return side
