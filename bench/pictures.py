"""The pictures of the README, made from the bundled photographs: `python -m bench pictures`."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "pictures"


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn
    from pnncupy.io import write_image
    from pnncupy.samples import load_sample
    from pnncupy.sheet import contact_sheet

    FOLDER.mkdir(exist_ok=True)
    source = load_sample("rocket")
    made = pnn.generate(source, 5, rng=1, threads=threads)
    write_image(FOLDER / "generate.png", contact_sheet([source, *made], (0, 255)), overwrite=True)
    return [{"picture": str(file.name)} for file in sorted(FOLDER.glob("*.png"))]
