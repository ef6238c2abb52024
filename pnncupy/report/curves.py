"""Descriptors of label images on a page: the source in the envelope of its results."""

import io
from importlib.util import find_spec
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.plot import descriptors
from pnncupy.report.display_range import is_missing
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.results import Made

# Larger images would take minutes.
_MOST_PIXELS = 1_000_000
_MOST_PHASES = 4
_RADII = 12
_DESCRIPTORS = (
    "two-point correlation", "lineal path", "share thicker than", "connectivity function",
)  # fmt: skip


def curves_of(number: int, made: Made, files: PictureFiles) -> list[Shown]:
    """Write the picture of the curves, and that of the entropy of each pixel.

    Returns
    -------
    list of Shown
        Empty without several results of one source of labels, of a size that takes seconds, or
        without matplotlib.
    """
    source = made.sources[0]
    several = len(made.images) > 1 and len(made.sources) == 1
    labels = bool(made.entry.job.arguments.get("categorical")) and source.ndim == 2
    if (
        not (several and labels)
        or source.dtype.kind not in "biu"
        or find_spec("matplotlib") is None
    ):
        return []
    images = [source, *made.images]
    too_large = sum(image.size for image in images) > _MOST_PIXELS or min(source.shape) < 2
    if too_large or any(is_missing(image, made.nodata).any() for image in images):
        return []
    shares = metrics.phase_fractions(source)
    frequent = sorted(zip(shares.fractions, shares.labels, strict=True), reverse=True)
    reach = min(side for image in images for side in image.shape) // 2
    compared = metrics.compare(
        source, made.images, phases=[label for _, label in frequent[:_MOST_PHASES]],
        largest_distance=reach, sizes=_RADII, periodic=tuple(made.info["periodic"]),
        source_periodic=tuple(made.info["source_periodic"]),
    )  # fmt: skip
    title = made.entry.title
    pixels = _pixels(descriptors(compared, _DESCRIPTORS, columns=len(_DESCRIPTORS)))
    file, _ = files.add_picture(f"{number}_{title}_curves", pixels)
    alt = f"Descriptors of the source (red) in the envelope of the results (blue): {title}"
    curves = Shown(file, pixels.shape[1], pixels.shape[0], alt)
    spread = metrics.ensemble(made.images, categorical=True)
    assert isinstance(spread, metrics.LabelEnsemble)
    entropy = spread.entropy
    alt = f"Entropy of the label of each pixel over the results, white is the largest: {title}"
    limits = (0.0, float(entropy.max()) or 1.0)
    return [curves, files.add(f"{number}_{title}_entropy", entropy, limits, alt)]


def _pixels(figure: Any) -> Any:
    """A figure of matplotlib as an 8-bit RGB image."""
    stream = io.BytesIO()
    figure.savefig(stream, format="rgba", dpi=figure.dpi)
    width, height = (round(side) for side in figure.get_size_inches() * figure.dpi)
    values = np.frombuffer(stream.getvalue(), np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(values[..., :3])
