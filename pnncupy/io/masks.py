"""Masks as people save them in files."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pnncupy.images.mask_judgement import (
    NO_CHOICE,
    Judgement,
    MaskChoice,
    UnclearMaskError,
    is_visible,
    judge_mask,
)
from pnncupy.io.formats.tiff_colours import UNASSOCIATED
from pnncupy.io.image_file import ImageFile
from pnncupy.io.reading import read_file
from pnncupy.io.sources import without_alpha
from pnncupy.io.volume_files import read_volume

_JPEG = b"\xff\xd8\xff"


def _alpha_of(found: ImageFile) -> Any:
    """The alpha channel, if the last channel is one; else None."""
    is_alpha = found.pixels.ndim == 3 and found.metadata.extra_samples[-1:] == (UNASSOCIATED,)
    return found.pixels[..., -1] if is_alpha else None


def read_transparent(
    path: str | os.PathLike[str], page: int | None = None
) -> tuple[Any, Judgement]:
    """Read an image without its alpha channel, and its transparent pixels as a hole.

    Raises
    ------
    ImageReadError
        As `read_image`.
    ValueError
        It has no alpha channel, or its pixels are all visible, or all transparent.
    """
    found = read_file(path, page=page)
    alpha = _alpha_of(found)
    if alpha is None:
        wrong = "no alpha channel; give a mask file"
    elif (visible := is_visible(alpha)).all():
        wrong = "one that is opaque; erase the hole first, or give a mask file"
    elif not visible.any():
        wrong = "one that is transparent everywhere"
    else:
        return without_alpha(found.pixels), Judgement(~visible, "less than half opaque")
    raise ValueError(f'{path}: `image` must have an alpha channel for `mask` "alpha", got {wrong}')


def read_mask(path: str | os.PathLike[str], choice: MaskChoice = NO_CHOICE) -> Judgement:
    """Read the hole from a mask file, by what its values mean.

    Parameters
    ----------
    path : path
        An image of two values, the higher one the hole; or a soft brush, of which more than half
        of its maximum is the hole. Transparent pixels are not.
    choice : MaskChoice
        The values of the hole, for other images.

    Returns
    -------
    Judgement

    Raises
    ------
    ImageReadError
        As `read_image`.
    ValueError
        The image is neither, and there is no choice; the message lists its values.
    """
    found = read_file(path)
    with Path(path).open("rb") as stream:
        is_lossy = stream.read(len(_JPEG)) == _JPEG
    try:
        return judge_mask(
            found.pixels, has_alpha=_alpha_of(found) is not None, is_lossy=is_lossy, choice=choice
        )
    except UnclearMaskError as unclear:
        raise ValueError(
            f"{path}: `mask` must be an image of two values or a soft brush, got {unclear}"
        ) from unclear


def read_mask_of_volume(path: str | os.PathLike[str], choice: MaskChoice = NO_CHOICE) -> Judgement:
    """Read the hole of a volume from a file; its slices are judged as one image.

    Raises
    ------
    ImageReadError
        As `read_volume`.
    ValueError
        As `read_mask`; or the volume has several channels.
    """
    mask = read_volume(path)
    if mask.ndim != 3:
        raise ValueError(f"{path}: `mask` must have one channel, got shape {mask.shape}")
    try:
        judged = judge_mask(mask.reshape(-1, mask.shape[2]), choice=choice)
    except UnclearMaskError as unclear:
        raise ValueError(
            f"{path}: `mask` must be a volume of two values or a soft brush, got {unclear}"
        ) from unclear
    return replace(judged, hole=judged.hole.reshape(mask.shape))
