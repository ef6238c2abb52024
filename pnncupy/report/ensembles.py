"""Statistics of each pixel over the results of an entry, as pictures with their grey scales."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import metrics
from pnncupy.display import preview
from pnncupy.ensemble_maps import EnsembleMap, ensemble_maps
from pnncupy.report.image_files import PictureFiles, Shown
from pnncupy.report.results import Made

# Of fewer results quantiles say little.
_FEWEST_FOR_QUANTILES = 5
_QUANTILES = (0.05, 0.95)
_MOST_LABELS = 256
# More labels than this are named by their ends only.
_MOST_NAMED = 6


@dataclass(frozen=True)
class Scale:
    """The greys of a picture, from black to white or those of its labels, and their words."""

    greys: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def is_stepped(self) -> bool:
        """Test whether each word is that of one grey."""
        return len(self.words) == len(self.greys) and len(self.words) != 2

    @property
    def gradient(self) -> str:
        """The greys as a list of CSS, each as wide as the others where they are labels."""
        if not self.is_stepped:
            return ", ".join(self.greys)
        count = len(self.greys)
        return ", ".join(
            f"{grey} {100 * k / count:.4g}% {100 * (k + 1) / count:.4g}%"
            for k, grey in enumerate(self.greys)
        )


@dataclass(frozen=True)
class MapShown:
    """A picture of one statistic of each pixel."""

    title: str
    shown: Shown
    scale: Scale


def maps_of(made: Made) -> list[EnsembleMap]:
    """Return the maps of an entry with several results; empty without.

    Mean, standard deviation and the range from the 5 % to the 95 % quantile, or the most probable
    label and the entropy.
    """
    if len(made.images) < 2:
        return []
    if made.entry.job.arguments.get("categorical"):
        labels = set().union(*(np.unique(image).tolist() for image in made.images))
        if len(labels) > _MOST_LABELS:
            return []
        return ensemble_maps(metrics.ensemble(made.images, categorical=True))[:2]
    quantiles = _QUANTILES if len(made.images) >= _FEWEST_FOR_QUANTILES else ()
    mean, std, *others = ensemble_maps(
        metrics.ensemble(made.images, quantiles=quantiles), data_range=made.data_range,
        channel_axis=made.channel_axis,
    )  # fmt: skip
    return [mean, std, *others[len(quantiles) :]]


def pictures_of_maps(number: int, made: Made, files: PictureFiles) -> list[MapShown]:
    """Write the maps of an entry whose results are images."""
    title = made.entry.title
    return [
        MapShown(
            each.title.capitalize(),
            files.add(
                f"{number}_{title}_{each.title}", _compact(each.image), each.data_range,
                f"{each.title.capitalize()} of each pixel over {len(made.images)} results: {title}",
            ),
            scale_of(each),
        )
        for each in maps_of(made)
    ]  # fmt: skip


def scale_of(each: EnsembleMap) -> Scale:
    """The grey scale of a map."""
    labels = each.labels
    if not 2 < len(labels) <= _MOST_NAMED:
        return Scale(("#000", "#fff"), each.ends)
    greys = preview(np.array(labels, float)[None], each.data_range)[0, :, 0].tolist()
    return Scale(
        tuple(f"#{grey:02x}{grey:02x}{grey:02x}" for grey in greys), tuple(map(str, labels))
    )


def _compact(image: Any) -> Any:
    """An image whose original is as small as its digits allow."""
    return image.astype(np.float32) if image.dtype == np.float64 else image
