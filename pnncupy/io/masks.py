"""Images and masks as people save them in files."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.images.mask_judgement import (
    NO_CHOICE,
    Judgement,
    MaskChoice,
    UnclearMaskError,
    is_visible,
    judge_mask,
)
from pnncupy.io.reading import read_image, read_metadata

# TIFF's ExtraSamples that are opacity.
_ALPHA = (1, 2)
_JPEG = b"\xff\xd8\xff"


def without_opaque_alpha(image: Any) -> Any:
    """The image without an alpha channel that says nothing; else the image itself."""
    if not _may_have_alpha(image) or not (image[..., -1] == np.iinfo(image.dtype).max).all():
        return image
    return _colours(image)


def _may_have_alpha(image: Any) -> bool:
    return image.ndim == 3 and image.shape[2] in (2, 4) and image.dtype.kind == "u"


def _has_alpha(image: Any, path: str | os.PathLike[str], page: int | None = None) -> bool:
    """Test whether the last channel of an image in a file is alpha; TIFF says what channels are."""
    if not _may_have_alpha(image):
        return False
    extra = getattr(read_metadata(path, page=page), "extra_samples", _ALPHA[:1])
    return len(extra) == 1 and extra[0] in _ALPHA


def _colours(image: Any) -> Any:
    """The channels of an image before its alpha."""
    return image[..., :-1] if image.shape[2] == 4 else image[..., 0]


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
    image = read_image(path, page=page)
    if not _has_alpha(image, path, page):
        wrong = "no alpha channel; give a mask file"
    elif (visible := is_visible(image[..., -1])).all():
        wrong = "one that is opaque; erase the hole first, or give a mask file"
    elif not visible.any():
        wrong = "one that is transparent everywhere"
    else:
        return _colours(image), Judgement(~visible, "less than half opaque")
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
    image = read_image(path)
    with Path(path).open("rb") as stream:
        is_lossy = stream.read(len(_JPEG)) == _JPEG
    try:
        return judge_mask(
            image, has_alpha=_has_alpha(image, path), is_lossy=is_lossy, choice=choice
        )
    except UnclearMaskError as unclear:
        raise ValueError(
            f"{path}: `mask` must be an image of two values or a soft brush, got {unclear}"
        ) from unclear
