"""The pictures of the README, made from the bundled photographs: `python -m bench pictures`."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "pictures"


def measure(threads: int) -> list[dict[str, Any]]:
    from pnncupy.display import contact_sheet
    from pnncupy.io import write_image

    FOLDER.mkdir(exist_ok=True)
    makers = (generate, periodic, retarget, inpaint, analogy, collage, edit)
    for maker in makers:
        sheet = contact_sheet(maker(threads), (0, 255), columns=3)
        write_image(FOLDER / f"{maker.__name__}.png", sheet, overwrite=True)
    return [{"picture": maker.__name__} for maker in makers]


def photograph(name: str) -> Any:
    from pnncupy.samples import sample_files

    return sample_files()[name].image


def generate(threads: int) -> list[Any]:
    import pnncupy as pnn

    source = photograph("rocket")
    return [source, *pnn.generate(source, 4, rng=10, distinct=True, threads=threads)]


def periodic(threads: int) -> list[Any]:
    """Gravel, a result of it repeated 2 x 2, and one that wraps around."""
    import numpy as np

    import pnncupy as pnn

    source = photograph("gravel")
    options = {"shape": (64, 64), "rng": 1, "threads": threads}
    made = [pnn.generate(source, periodic=wraps, **options) for wraps in (False, True)]
    shown = [source[:128, :128], *(np.tile(each, (2, 2)) for each in made)]
    return [each.repeat(2, axis=0).repeat(2, axis=1) for each in shown]


def retarget(threads: int) -> list[Any]:
    import pnncupy as pnn

    source = photograph("rocket")
    shapes = ((165, 149), (198, 248))
    return [source, *(pnn.retarget(source, shape, threads=threads) for shape in shapes)]


def inpaint(threads: int) -> list[Any]:
    """The rocket, the mask of a mast, and the rocket without that mast."""
    import pnncupy as pnn

    source, mask = photograph("rocket"), photograph("rocket_mast")
    return [source, mask, pnn.inpaint(source, mask > 127, fill="smooth", threads=threads)]


def analogy(threads: int) -> list[Any]:
    """A cat of gravel."""
    import pnncupy as pnn

    cat, gravel = photograph("chelsea_grey"), photograph("gravel")
    made = pnn.analogy(gravel, cat, levels=1, alpha=0.001, threads=threads)
    return [gravel, cat, made]


def collage(threads: int) -> list[Any]:
    import pnncupy as pnn

    sources = [photograph("chelsea"), photograph("rocket")]
    return [*sources, pnn.collage(sources, shape=(165, 372), gradual=True, threads=threads)]


def edit(threads: int) -> list[Any]:
    """A second rocket, pasted roughly."""
    import pnncupy as pnn

    source, rough = photograph("rocket"), photograph("rocket_edited")
    return [source, rough, pnn.edit(source, rough, levels=2, threads=threads)]
