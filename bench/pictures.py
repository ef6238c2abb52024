"""The pictures of the README, made from the bundled photographs: `python -m bench pictures`."""

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "pictures"


def measure(threads: int) -> list[dict[str, Any]]:
    from pnncupy.display import contact_sheet
    from pnncupy.io import write_image

    FOLDER.mkdir(exist_ok=True)
    makers = (generate, retarget, inpaint, analogy, collage, edit)
    for maker in makers:
        sheet = contact_sheet(maker(threads), (0, 255), columns=3)
        write_image(FOLDER / f"{maker.__name__}.png", sheet, overwrite=True)
    return [{"picture": maker.__name__} for maker in makers]


def photograph(name: str) -> Any:
    from pnncupy.samples import load_sample

    return load_sample(name)


def generate(threads: int) -> list[Any]:
    import pnncupy as pnn

    source = photograph("rocket")
    return [source, *pnn.generate(source, 5, rng=1, threads=threads)]


def retarget(threads: int) -> list[Any]:
    import pnncupy as pnn

    source = photograph("rocket")
    shapes = ((165, 149), (165, 372))
    return [source, *(pnn.retarget(source, shape, threads=threads) for shape in shapes)]


def inpaint(threads: int) -> list[Any]:
    """The rocket painted over with the colours beside it, and gone."""
    import pnncupy as pnn

    painted = photograph("rocket").copy()
    mask = np.zeros(painted.shape[:2], bool)
    mask[40:, 100:146] = True
    left, right = (
        painted[40:, a:b].mean(axis=1, keepdims=True) for a, b in ((90, 100), (146, 156))
    )
    share = np.linspace(0, 1, 46)[None, :, None]
    painted[40:, 100:146] = left * (1 - share) + right * share
    return [painted, pnn.inpaint(painted, mask, threads=threads)]


def analogy(threads: int) -> list[Any]:
    """A cat of gravel."""
    import pnncupy as pnn

    cat = photograph("chelsea").mean(axis=2).astype(np.uint8)
    gravel = photograph("gravel")
    return [gravel, cat, pnn.analogy(gravel, cat, levels=1, threads=threads)]


def collage(threads: int) -> list[Any]:
    import pnncupy as pnn

    sources = [photograph("rocket"), photograph("chelsea")]
    return [*sources, pnn.collage(sources, threads=threads)]


def edit(threads: int) -> list[Any]:
    """A second rocket, pasted roughly."""
    import pnncupy as pnn

    source = photograph("rocket")
    rough = source.copy()
    rough[30:, 20:60] = source[30:, 105:145]
    return [source, rough, pnn.edit(source, rough, threads=threads)]
