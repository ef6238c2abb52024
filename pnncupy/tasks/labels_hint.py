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
# Fewest labels that results mix; those of `grow_volume`, which keeps the histogram, mix no two.
FEWEST, FEWEST_GROWN = 2, 3
# Options that only intensities have.
_OF_INTENSITIES = ("data_range", "channel_weights")


def hint_at_labels(
    name: str,
    planes: Sequence[Array],
    known: Sequence[Array | None],
    options: TaskOptions,
    fewest: int = FEWEST,
) -> None:
    """Warn, at the caller's line, that images may hold labels.

    Parameters
    ----------
    name : str
        Parameter of the images.
    planes : sequence of (C, H, W) or (C, Z, Y, X) arrays
    known : sequence of (H, W) or (Z, Y, X) bool arrays or None
        Pixels that are not missing.
    options : TaskOptions
    fewest : int
        Least number of labels that a result without `categorical` would mix.
    """
    given = {each: getattr(options, each) for each in ("categorical", "vote", *_OF_INTENSITIES)}
    if not _is_open(given):
        return
    values = label_like_values(planes, known)
    if len(values) >= fewest:
        warnings.warn(
            f"`{name}` holds {value_words(values)} and is taken for intensities, so that votes "
            "average them; set `categorical=True` if they are labels, `categorical=False` if not",
            LabelsHint,
            skip_file_prefixes=(_PACKAGE,),
        )


def labels_note(
    name: str,
    images: Sequence[Any],
    given: Mapping[str, Any],
    remedy: tuple[str, str],
    fewest: int = FEWEST,
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
    fewest : int
        As in `hint_at_labels`.
    """
    if not _is_open(given):
        return ""
    axis = given.get("channel_axis", "auto")
    try:
        nodata = checked_nodata(given.get("nodata"))
        split = [split_missing(name, image, nodata, axis) for image in images]
        planes = [as_planes(name, plain, axis) for plain, _ in split]
    except (TypeError, ValueError):  # which the task itself reports
        return ""
    values = label_like_values(planes, [known for _, known in split])
    if len(values) < fewest:
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
