"""Small photographs with documented rights, bundled for first tries; see photographs/CREDITS.md."""

from importlib import resources
from typing import NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.parameter_hints import hint_at_names

# Name -> credit.
CREDITS = {
    "chelsea": "Stéfan van der Walt, CC0",
    "gravel": "CC0Textures, CC0",
    "rocket": "SpaceX, public domain",
}


@hint_at_names
def load_sample(name: str) -> Array:
    """A bundled photograph.

    Parameters
    ----------
    name : {"chelsea", "gravel", "rocket"}
        A cat and a rocket (165 x 248 x 3), and gravel (192 x 192, grey).

    Returns
    -------
    uint8 NumPy array.
    """
    from pnncupy.io import read_image

    validation.choice("name", name, tuple(CREDITS))
    file = resources.files("pnncupy") / "photographs" / f"{name}.png"
    with resources.as_file(file) as path:
        return read_image(path)


class SampleFile(NamedTuple):
    """An image to try the commands with, and what it is in words."""

    image: Array
    text: str


def sample_files() -> dict[str, SampleFile]:
    """Return the photographs by name, and images made from them: one for each command.

    Examples
    --------
    >>> sorted(sample_files())
    ['chelsea', 'chelsea_grey', 'gravel', 'rocket', 'rocket_edited', 'rocket_mast']
    """
    photographs = {name: load_sample(name) for name in CREDITS}
    rocket, cat = photographs["rocket"], photographs["chelsea"]
    mast = np.zeros(rocket.shape[:2], np.uint8)
    mast[40:150, 164:192] = 255
    edited = rocket.copy()
    edited[30:, 58:98] = rocket[30:, 105:145]
    grey = cat.mean(axis=2).astype(np.uint8)
    files = {name: SampleFile(image, CREDITS[name]) for name, image in photographs.items()}
    return files | {
        "chelsea_grey": SampleFile(grey, "the cat without colours"),
        "rocket_mast": SampleFile(mast, "a mask of the mast at the right of the rocket"),
        "rocket_edited": SampleFile(edited, "a second rocket pasted over the mast at the left"),
    }
