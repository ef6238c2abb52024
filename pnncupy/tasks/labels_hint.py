"""Hint at images that may hold labels where a call does not say what they hold."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnncupy.arrays import Array
from pnncupy.errors import LabelsHint
from pnncupy.images.label_values import label_like_values, value_words
from pnncupy.images.missing import checked_nodata, split_missing
from pnncupy.images.planes import as_planes
from pnncupy.synthesis.voting import VOTES
from pnncupy.tasks.options import TaskOptions

_PACKAGE = str(Path(__file__).parents[1])
# Options that only intensities have.
_OF_INTENSITIES = ("data_range", "channel_weights")


def hint_at_labels(
    name: str, planes: Sequence[Array], known: Sequence[Array | None], options: TaskOptions
) -> None:
    """Warn, at the caller's line, that images (C, H, W) may hold labels.

    `name` is the parameter of the images, `known` (H, W) their pixels that are not missing.
    """
    given = {each: getattr(options, each) for each in ("categorical", "vote", *_OF_INTENSITIES)}
    if not _is_open(given):
        return
    if values := label_like_values(planes, known):
        warnings.warn(
            f"`{name}` holds {value_words(values)} and is taken for intensities, so that votes "
            "average them; set `categorical=True` if they are labels, `categorical=False` if not",
            LabelsHint,
            skip_file_prefixes=(_PACKAGE,),
        )


def labels_note(
    name: str, images: Sequence[Any], given: Mapping[str, Any], remedy: tuple[str, str]
) -> str:
    """Return a line that says that images may hold labels; "" if it is clear.

    Parameters
    ----------
    name : str
        Name of the file.
    images : sequence of arrays
    given : mapping
        Arguments of the call.
    remedy : (str, str)
        How to say that values are labels, and that they are not.
    """
    if not _is_open(given):
        return ""
    nodata, axis = checked_nodata(given.get("nodata")), given.get("channel_axis", "auto")
    split = [split_missing(name, image, nodata, axis) for image in images]
    planes = [as_planes(name, plain, axis) for plain, _ in split]
    if not (values := label_like_values(planes, [known for _, known in split])):
        return ""
    return (
        f"{name}: {value_words(values)} are taken for intensities, so that votes average them; "
        f"{remedy[0]} if they are labels, {remedy[1]} if not"
    )


def _is_open(given: Mapping[str, Any]) -> bool:
    """Test whether a call leaves open what values are, and mixes them."""
    if any(given.get(name) is not None for name in ("categorical", *_OF_INTENSITIES)):
        return False
    vote = VOTES.get(given.get("vote") or "weighted_mean")
    return vote is not None and not vote.exact_copy
