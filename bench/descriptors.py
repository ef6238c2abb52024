"""Pictures of docs/descriptors.md: `python -m bench descriptors`."""

from typing import Any

import numpy as np

from bench.pictures import FOLDER, photograph


def measure(threads: int) -> list[dict[str, Any]]:
    import pnncupy as pnn
    from pnncupy.display import contact_sheet
    from pnncupy.io import write_image

    source = photograph("gravel")[:128, :128] > 110
    results = pnn.generate(source, 8, categorical=True, rng=0, distinct=True, threads=threads)
    compared = pnn.metrics.compare(source, results, phases=[True])
    figure = pnn.plot.descriptors(compared)
    figure.savefig(FOLDER / "descriptors.png")
    mask = np.zeros(source.shape, bool)
    mask[40:88, 40:88] = True
    filled = [
        pnn.inpaint(source, mask, categorical=True, fill="noise", rng=seed, threads=threads)
        for seed in range(16)
    ]
    likely = pnn.metrics.ensemble(filled, categorical=True)
    shown = [source & ~mask, filled[0], likely.probability[-1], likely.entropy]
    tiles = [np.kron(np.rint(each * 255.0), np.ones((2, 2))).astype(np.uint8) for each in shown]
    write_image(FOLDER / "ensemble.png", contact_sheet(tiles, (0, 255), columns=4), overwrite=True)
    return [
        {"descriptor": each.descriptor, "inside of the envelope": each.inside}
        for each in compared.curves
    ]
