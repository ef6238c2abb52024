"""The keywords that all tasks share, typed and validated once."""

import os
from collections.abc import Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.engine import registry
from pnncupy.images.intensity_encoding import given_range
from pnncupy.images.label_costs import LabelCosts as LabelCosts
from pnncupy.images.missing import checked_nodata
from pnncupy.images.planes import ChannelAxis, checked_channel_axis
from pnncupy.images.pyramid import Ratio, checked_downscale, ratio_of
from pnncupy.memory_limit import checked_limit
from pnncupy.parallel.executors import Client, checked
from pnncupy.parallel.threads import thread_count
from pnncupy.patch_shape import PatchSize, checked_patch_size, shape_for
from pnncupy.search.method import METHODS
from pnncupy.synthesis.checkpoint import Checkpoint
from pnncupy.synthesis.schedule import KEYS, Schedule
from pnncupy.synthesis.voting import VOTE_WIDTH, VOTES, checked_width
from pnncupy.tasks.progress_display import Callback as Callback
from pnncupy.tasks.progress_display import Progress as Progress
from pnncupy.tasks.progress_display import checked_progress

CheckpointPath = str | os.PathLike[str]
ChannelWeights = Sequence[float] | str
Executor = futures.Executor | Client
# (source_guide, target_guide, weight): arrays, or a list of them for several sources.
Guides = Sequence[tuple[Any, Array, float]]
Memory = int | str
Nodata = float | str
# One for all axes, or one for each.
Periodic = bool | Sequence[bool]

# Far more than any image needs.
_MOST_STEPS = 100_000


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """The keywords that all tasks share; see `generate`.

    What needs the images is checked with them: whether `levels` fit, and `initial_guess`,
    `channel_weights` and `guides`. `chosen_by` is what the patch size was chosen by.

    Raises
    ------
    TypeError, ValueError
        An option is wrong, whatever the others are.
    """

    alpha: float
    patch_size: PatchSize
    downscale: Ratio
    levels: int | None
    iterations: int
    coarse_iterations: int
    periodic: Periodic = False
    source_periodic: Periodic = False
    keys: str
    vote: str
    vote_width: float = VOTE_WIDTH
    method: str
    engine: str
    channel_axis: ChannelAxis
    data_range: tuple[float, float] | None
    initial_guess: Array | None = None
    return_index: bool
    return_info: bool
    callback: Callback | None
    progress: Progress = "auto"
    threads: int | None
    incremental: bool = True
    executor: Executor | None = None
    checkpoint: CheckpointPath | None = None
    nodata: Nodata | None = None
    categorical: bool | None = None
    label_costs: LabelCosts | None = None
    keep_fractions: bool = False
    channel_weights: ChannelWeights | None = None
    guides: Guides | None = None
    max_memory: Memory | None = None
    chosen_by: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Numbers of NumPy become Python's.
        self._set("alpha", validation.completeness("alpha", self.alpha))
        self._set("patch_size", checked_patch_size(self.patch_size))
        self._set("downscale", checked_downscale(self.downscale))
        if isinstance(self.levels, str) and self.levels == "auto":
            raise ValueError(
                "`levels` must be an integer or None, got 'auto', which only `generate` takes"
            )
        self._set("levels", validation.optional_integer("levels", self.levels, 0))
        for name in ("iterations", "coarse_iterations"):
            self._set(name, _checked_steps(name, getattr(self, name)))
        for name in ("periodic", "source_periodic"):
            self._set(name, validation.flags(name, getattr(self, name)))
        self._set("channel_axis", checked_channel_axis(self.channel_axis))
        choices = {"keys": KEYS, "vote": VOTES, "method": METHODS, "engine": registry.NAMES}
        for name, allowed in choices.items():
            validation.choice(name, getattr(self, name), tuple(allowed))
        self._set("vote_width", checked_width(self.vote_width, self.vote))
        for name in ("return_index", "return_info", "incremental", "keep_fractions"):
            self._set(name, validation.flag(name, getattr(self, name)))
        self._set("categorical", validation.optional_flag("categorical", self.categorical))
        if self.data_range is not None:
            given_range(self.data_range)
        validation.optional_callable("callback", self.callback)
        self._set("progress", checked_progress(self.progress))
        validation.optional_path("checkpoint", self.checkpoint)
        checked(self.executor)
        thread_count(self.threads)
        checked_nodata(self.nodata)
        checked_limit(self.max_memory)
        self._check_categorical()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_categorical(self) -> None:
        """Refuse what labels have not."""
        if not self.categorical:
            for name in ("label_costs", "keep_fractions"):
                if getattr(self, name) is not getattr(type(self), name):
                    raise ValueError(
                        f"`{name}` must be {getattr(type(self), name)} without `categorical`, as "
                        f"it is about labels, got {validation.shortened(getattr(self, name))}; set "
                        "`categorical=True` if values are labels"
                    )
            return
        if self.keep_fractions and VOTES[self.vote].exact_copy:
            raise ValueError(
                "`keep_fractions` must be False with `vote` 'copy', which copies pixels whatever "
                "their number, got True"
            )
        for name in ("data_range", "channel_weights"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` must be None with `categorical`, as labels have no range, got "
                    f"{validation.shortened(getattr(self, name))}"
                )
        if not VOTES[self.vote].labels:
            raise ValueError(
                f"`vote` must not be {self.vote!r} with `categorical`; 'weighted_mean' takes the "
                "majority"
            )

    @property
    def holds_labels(self) -> bool:
        """Test whether values are labels; where that is not said they are intensities."""
        return self.categorical is True

    @property
    def missing_value(self) -> float | None:
        """Value of missing pixels."""
        return checked_nodata(self.nodata)

    @property
    def memory_limit(self) -> int | None:
        """Bytes that the call may use."""
        return checked_limit(self.max_memory)

    def periodic_axes(self, count: int) -> tuple[bool, ...]:
        """Axes of results that wrap around, of this number."""
        return validation.axes("periodic", self.periodic, count)

    def source_periodic_axes(self, count: int) -> tuple[bool, ...]:
        """Axes of the sources that wrap around, of this number."""
        return validation.axes("source_periodic", self.source_periodic, count)

    @property
    def checkpoint_file(self) -> Checkpoint | None:
        """File of the state between PNN steps."""
        return None if self.checkpoint is None else Checkpoint(Path(self.checkpoint))

    def patch(self, axes: int) -> PatchSize:
        """Patch size for images or volumes, as searches take it."""
        return shape_for(self.patch_size, axes)

    def ratio(self, axes: int) -> Ratio:
        """Side of a level over the side of the next finer one, for images or volumes."""
        return ratio_of(self.downscale, axes)

    def schedule(self, levels: int, axes: int) -> Schedule:
        """Return the schedule of this number of levels."""
        return Schedule(
            self.ratio(axes), levels, self.iterations, self.coarse_iterations, self.keys, self.vote,
            self.incremental, vote_width=self.vote_width,
        )  # fmt: skip


def _checked_steps(name: str, value: int) -> int:
    """PNN steps of a level; each of them is planned, so that there must be an end."""
    count = validation.integer(name, value, 1)
    if count > _MOST_STEPS:
        raise ValueError(f"`{name}` must be an integer of at most {_MOST_STEPS}, got {count}")
    return count
