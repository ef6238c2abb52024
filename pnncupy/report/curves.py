"""Descriptors on a page: the source in the envelope of its results."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.plot import descriptors
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.phases import Phases, phases_of
from pnncupy.report.results import Made

# More pixels of all images together would take minutes: their middle is measured.
_MOST_PIXELS = 1_000_000
_SMALLEST_SIDE = 8
_MOST_PHASES = 4
_RADII = 12
_DESCRIPTORS = (
    "two-point correlation", "lineal path", "share thicker than", "connectivity function",
    "variogram",
)  # fmt: skip
# Width of a curve in inches, and its dots per inch: twice those of the page.
_WIDTH, _DOTS = 3.2, 200


@dataclass(frozen=True)
class CurveShown:
    """The picture of one curve, and how much of the source is within the results."""

    shown: Shown
    caption: str


@dataclass(frozen=True)
class Curves:
    """The curves of an entry, and how they were measured, in words."""

    note: str
    pictures: Sequence[CurveShown]


def curves_of(number: int, made: Made, files: PictureFiles) -> Curves | None:
    """Write the pictures of the curves of an entry.

    Returns
    -------
    Curves or None
        None without several results of one source with phases, or without matplotlib.
    """
    several = len(made.images) > 1 and len(made.sources) == 1
    if not several or find_spec("matplotlib") is None:
        return None
    phases = phases_of(made, _MOST_PHASES)
    if phases is None:
        return None
    images, share = _within_limit([made.sources[0], *made.images])
    if min(side for image in images for side in image.shape) < 2:
        return None
    whole = share == 1
    axes = images[0].ndim
    wraps, source_wraps = (
        tuple(made.info[name]) if whole else (False,) * axes
        for name in ("periodic", "source_periodic")
    )
    compared = metrics.compare(
        images[0], images[1:], phases=phases.labels, threshold=phases.threshold,
        largest_distance=min(side for image in images for side in image.shape) // 2, sizes=_RADII,
        periodic=wraps, source_periodic=source_wraps,
    )  # fmt: skip
    return Curves(_note(phases, made, images), _pictures(number, made, compared, files))


def _within_limit(images: Sequence[Any]) -> tuple[list[Any], float]:
    """The images, or the same share of each side from their middle, and that share."""
    total = sum(image.size for image in images)
    share = min(1.0, (_MOST_PIXELS / total) ** (1 / images[0].ndim))
    return [_middle(image, share) for image in images], share


def _middle(image: Any, share: float) -> Any:
    """The middle of an image, of this share of each side."""
    window = []
    for side in image.shape:
        length = side if share == 1 else max(min(side, _SMALLEST_SIDE), int(side * share))
        start = (side - length) // 2
        window.append(slice(start, start + length))
    return image[tuple(window)]


def _note(phases: Phases, made: Made, images: Sequence[Any]) -> str:
    """Name the phases that are measured, and the part of the images."""
    words = [
        "Descriptors of the source (red), and of the results the mean (blue), 5 % to 95 % and the "
        "extremes (bands)."
    ]
    if phases.threshold is not None:
        words.append(f"The phase is what is above {phases.threshold:.4g}, by Otsu's method.")
    elif phases.left_out:
        words.append(f"The {len(phases.labels)} most frequent labels are shown.")
    source = made.sources[0]
    if images[0].shape != source.shape:
        words.append(
            f"Measured in the middle {_size(images[0].shape)} of {_size(source.shape)} "
            f"{'voxels' if made.volume else 'pixels'} of the source, and in the same share of each "
            "result, as all of them would take long."
        )
    return " ".join(words)


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, reversed(shape)))


def _pictures(number: int, made: Made, compared: Any, files: PictureFiles) -> list[CurveShown]:
    """A picture of each curve, so that they find room on any screen."""
    found = []
    title = made.entry.title
    for name in _DESCRIPTORS:
        for curve in compared.curves:
            if curve.descriptor != name:
                continue
            phase = "" if curve.phase is None else f", phase {curve.phase}"
            figure = descriptors(replace(compared, curves=(curve,)), size=_WIDTH)
            pixels = _pixels(figure)
            file, _ = files.add_picture(f"{number}_{title}_{name}{phase}", pixels)
            alt = f"{name}{phase}, the source (red) beside the results (blue): {title}"
            shown = Shown(file, pixels.shape[1], pixels.shape[0], alt)
            found.append(
                CurveShown(shown, f"{curve.inside:.0%} within the extremes of the results")
            )
    return found


def _pixels(figure: Any) -> Any:
    """A figure of matplotlib as an 8-bit RGB image."""
    stream = io.BytesIO()
    figure.savefig(stream, format="rgba", dpi=_DOTS)
    width, height = (round(side * _DOTS) for side in figure.get_size_inches())
    values = np.frombuffer(stream.getvalue(), np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(values[..., :3])
