"""The report of the bundled photographs: a spec and its pictures, as a user would write them."""

from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.atomic_files import write_text
from pnncupy.io import write_image
from pnncupy.samples import load_sample

_SPEC = """\
# What `pnncupy report --demo` shows. Change it and run: pnncupy report {name} -o other-folder
title = "New pictures from the patches of one"

[[generate]]
image = "inputs/rocket.png"
title = "Rocket"
caption = "Photograph by SpaceX, public domain."
n = 20
seed = 1

[[generate]]
image = "inputs/chelsea.png"
title = "Cat"
caption = "Photograph by Stéfan van der Walt, CC0. Fewer levels: more variety, less of the layout."
n = 8
seed = 1
levels = 6

[[generate]]
image = "inputs/gravel.png"
title = "Gravel"
caption = "CC0Textures, CC0."
n = 8
seed = 1
levels = 4

[[inpaint]]
image = "inputs/rocket_painted.png"
mask = "inputs/rocket_hole.png"
title = "Rocket painted over"
caption = "The hole holds colours mixed from both of its sides."

[[analogy]]
source = "inputs/gravel.png"
structure = "inputs/chelsea_grey.png"
title = "A cat of gravel"
levels = 1

[[retarget]]
image = "inputs/rocket.png"
title = "Rocket, 0.6 of the width"
scale = [1.0, 0.6]

[[retarget]]
image = "inputs/chelsea.png"
title = "Cat, 1.4 of the width"
scale = [1.0, 1.4]
baseline = false

[[collage]]
images = ["inputs/rocket.png", "inputs/chelsea.png"]
title = "Rocket and cat"

[[edit]]
source = "inputs/rocket.png"
edited = "inputs/rocket_edited.png"
title = "A second rocket"

[study]
pairs = 2
seed = 1
"""


def write_demo(folder: Path) -> Path:
    """Write the demo's spec and its inputs into a folder; the spec's file."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for name, picture in demo_pictures().items():
        write_image(inputs / f"{name}.png", picture, overwrite=True)
    spec = folder / "demo.toml"
    write_text(spec, _SPEC.format(name=spec.name))
    return spec


def demo_pictures() -> dict[str, Any]:
    """The photographs, and what was done to them by hand."""
    rocket, cat, gravel = (load_sample(name) for name in ("rocket", "chelsea", "gravel"))
    painted, hole = _painted_over(rocket)
    return {
        "rocket": rocket,
        "chelsea": cat,
        "gravel": gravel,
        "rocket_painted": painted,
        "rocket_hole": hole,
        "rocket_edited": _second_rocket(rocket),
        "chelsea_grey": np.rint(cat.mean(axis=2)).astype(np.uint8),
    }


def _painted_over(rocket: Any) -> tuple[Any, Any]:
    """The rocket under colours mixed from both of its sides, and the mask of these."""
    height, width = rocket.shape[:2]
    rows = slice(round(height * 0.24), height)
    left, right = round(width * 0.4), round(width * 0.59)
    border = round(width * 0.04)
    painted, hole = rocket.copy(), np.zeros((height, width), bool)
    hole[rows, left:right] = True
    sides = [
        rocket[rows, start:end].mean(axis=1, keepdims=True)
        for start, end in ((left - border, left), (right, right + border))
    ]
    share = np.linspace(0, 1, right - left)[None, :, None]
    painted[rows, left:right] = np.rint(sides[0] * (1 - share) + sides[1] * share)
    return painted, hole


def _second_rocket(rocket: Any) -> Any:
    """The rocket pasted beside itself, roughly."""
    height, width = rocket.shape[:2]
    top, left, shift = round(height * 0.18), round(width * 0.42), round(width * 0.34)
    end = left + round(width * 0.16)
    edited = rocket.copy()
    edited[top:, left - shift : end - shift] = rocket[top:, left:end]
    return edited
