"""The tasks: each sets up a guess, its sources and a schedule, and lets the loop run."""

from pnncupy.tasks.analogies import analogy
from pnncupy.tasks.collages import collage
from pnncupy.tasks.editing import edit
from pnncupy.tasks.execute import Result
from pnncupy.tasks.generation import generate
from pnncupy.tasks.inpainting import inpaint
from pnncupy.tasks.retargeting import retarget

__all__ = ["Result", "analogy", "collage", "edit", "generate", "inpaint", "retarget"]
