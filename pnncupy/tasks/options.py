"""The keywords that all tasks have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pnncupy import validation

# Far more than any picture needs.
_MOST_STEPS = 100_000


@dataclass(frozen=True)
class TaskOptions:
    """The keywords that all tasks have in common, as the caller gave them."""

    alpha: Any
    patch_size: Any
    downscale: Any
    levels: Any
    iterations: Any
    coarse_iterations: Any
    keys: Any
    vote: Any
    method: Any
    engine: Any
    channel_axis: Any
    data_range: Any
    initial_guess: Any
    return_index: Any
    return_info: Any
    callback: Any
    threads: Any
    incremental: Any
    executor: Any
    checkpoint: Any
    nodata: Any = None
    categorical: Any = False
    channel_weights: Any = None
    guides: Any = None
    max_memory: Any = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "TaskOptions":
        """Pick the common keywords out of a task's ``locals()``."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: arguments[name] for name in names if name in arguments})


def _steps(name: str, value: Any) -> int:
    """PNN steps of a level; each of them is planned, so that there must be an end."""
    count = validation.integer(name, value, 1)
    if count > _MOST_STEPS:
        raise ValueError(f"`{name}` must be an integer of at most {_MOST_STEPS}, got {count}")
    return count
