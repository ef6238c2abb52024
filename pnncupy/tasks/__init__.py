"""The tasks: each prepares a guess, its sources and a schedule, and lets the loop run.

`registry` is the table of them; a task is loaded when it is used. No file is read here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pnncupy.tasks.registry import TASKS

if TYPE_CHECKING:
    from pnncupy.tasks.analogies import analogy
    from pnncupy.tasks.collages import collage
    from pnncupy.tasks.editing import edit
    from pnncupy.tasks.execute import Result
    from pnncupy.tasks.generation import generate
    from pnncupy.tasks.inpainting import inpaint
    from pnncupy.tasks.retargeting import retarget

__all__ = ["Result", "analogy", "collage", "edit", "generate", "inpaint", "retarget"]


def __getattr__(name: str) -> Any:
    if name == "Result":
        return import_module("pnncupy.tasks.execute").Result
    if name not in TASKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(TASKS[name].module), name)
