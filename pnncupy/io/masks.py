"""Images and masks as people save them in files."""

from typing import Any

import numpy as np

from pnncupy.io.reading import read_image


def without_opaque_alpha(image: Any) -> Any:
    """The image without an alpha channel that says nothing; else the image itself."""
    if image.ndim != 3 or image.shape[2] not in (2, 4) or image.dtype.kind != "u":
        return image
    if not (image[..., -1] == np.iinfo(image.dtype).max).all():
        return image
    return image[..., :-1] if image.shape[2] == 4 else image[..., 0]


def read_mask(path: str) -> Any:
    """A mask from an image: True where it is brighter than half, in any channel."""
    image = without_opaque_alpha(read_image(path))
    if image.ndim == 3:
        image = image.max(axis=2)
    highest = np.iinfo(image.dtype).max if image.dtype.kind in "iu" and image.max() > 1 else 1
    return image > highest / 2
