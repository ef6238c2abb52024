"""The tasks: each prepares a guess, its sources and a schedule, and lets the loop run.

`registry` is the table of them; a task is loaded when it is used. No file is read here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pnncupy.tasks.registry import task_function, verbs_by_function

if TYPE_CHECKING:
    from pnncupy.tasks.analogies import analogy
    from pnncupy.tasks.collages import collage
    from pnncupy.tasks.editing import edit
    from pnncupy.tasks.generation import generate
    from pnncupy.tasks.inpainting import inpaint
    from pnncupy.tasks.result import Result
    from pnncupy.tasks.retargeting import retarget
    from pnncupy.tasks.run_info import RunInfo
    from pnncupy.tasks.simulation import simulate
    from pnncupy.tasks.volumes import grow_volume

__all__ = [
    "Result", "RunInfo", "analogy", "collage", "edit", "generate", "grow_volume", "inpaint",
    "retarget", "simulate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "Result":
        return import_module("pnncupy.tasks.result").Result
    if name == "RunInfo":
        return import_module("pnncupy.tasks.run_info").RunInfo
    verb = verbs_by_function().get(name)
    if verb is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return task_function(verb)
