"""Small photographs with documented rights, bundled for first tries; see photographs/CREDITS.md."""

from importlib import resources

from pnncupy import validation
from pnncupy.arrays import Array

# Name -> credit.
CREDITS = {
    "chelsea": "Stéfan van der Walt, CC0",
    "gravel": "CC0Textures, CC0",
    "rocket": "SpaceX, public domain",
}


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
