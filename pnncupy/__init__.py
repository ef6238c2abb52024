"""Patch nearest-neighbour image synthesis (GPNN) for arrays, from the patches of an example.

See `generate` for the main task and https://arxiv.org/abs/2103.15545 for the method.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pnncupy._version import __version__ as __version__

if TYPE_CHECKING:
    from pnncupy import baselines as baselines
    from pnncupy import batch as batch
    from pnncupy import io as io
    from pnncupy import metrics as metrics
    from pnncupy import plot as plot
    from pnncupy import samples as samples
    from pnncupy.engine.registry import EngineStatus, engines
    from pnncupy.errors import (
        Cancelled,
        CheckpointError,
        EngineUnavailable,
        FilesInUse,
        ImageReadError,
        LabelsHint,
    )
    from pnncupy.images.pyramid import pyramid
    from pnncupy.images.resize import resize
    from pnncupy.search.nearest import Matches, key_minimum, nearest_patches
    from pnncupy.synthesis.progress import Event
    from pnncupy.synthesis.step import pnn_step
    from pnncupy.synthesis.voting import apply_index, vote
    from pnncupy.tasks import (
        Result,
        RunInfo,
        analogy,
        collage,
        edit,
        generate,
        grow_volume,
        inpaint,
        retarget,
        simulate,
    )


__all__ = [
    "Cancelled",
    "CheckpointError",
    "EngineStatus",
    "EngineUnavailable",
    "Event",
    "FilesInUse",
    "ImageReadError",
    "LabelsHint",
    "Matches",
    "Result",
    "RunInfo",
    "analogy",
    "apply_index",
    "collage",
    "edit",
    "engines",
    "generate",
    "grow_volume",
    "inpaint",
    "key_minimum",
    "nearest_patches",
    "pnn_step",
    "pyramid",
    "resize",
    "retarget",
    "simulate",
    "vote",
]

# Loaded at first use, so that importing the package costs nothing.
_NAMES_BY_MODULE = {
    "errors": (
        "Cancelled",
        "CheckpointError",
        "EngineUnavailable",
        "FilesInUse",
        "ImageReadError",
        "LabelsHint",
    ),
    "engine.registry": ("EngineStatus", "engines"),
    "search.nearest": ("Matches", "key_minimum", "nearest_patches"),
    "images.pyramid": ("pyramid",),
    "images.resize": ("resize",),
    "synthesis.progress": ("Event",),
    "synthesis.step": ("pnn_step",),
    "tasks": (
        "Result",
        "RunInfo",
        "analogy",
        "collage",
        "edit",
        "generate",
        "grow_volume",
        "inpaint",
        "retarget",
        "simulate",
    ),
    "synthesis.voting": ("apply_index", "vote"),
}
_PUBLIC_MODULES = ("baselines", "batch", "io", "metrics", "plot", "samples")
_MODULE_OF_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC_MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PUBLIC_MODULES})
