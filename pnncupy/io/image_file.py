"""Contents of an image file: pixels, metadata, and what was changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy.io.formats.tiff_metadata import Metadata


@dataclass(frozen=True)
class ImageFile:
    """Contents of an image file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, C) NumPy array
        Grey, or with the channels last whatever their place in the file.
    metadata : Metadata
    missing : (H, W) bool array or None
        Pixels that a mask in the file declares missing; None if there is no such mask.
    notes : tuple of str
        Changes of the stored pixels, in words.
    images : int
        Number of images in an animation of which only one was read.
    """

    pixels: Any
    metadata: Metadata
    missing: Any = None
    notes: tuple[str, ...] = ()
    images: int = 1

    @property
    def masked(self) -> Any:
        """The pixels, as a masked array where some are missing."""
        if self.missing is None or not self.missing.any():
            return self.pixels
        missing = self.missing if self.pixels.ndim == 2 else self.missing[..., None]
        return np.ma.MaskedArray(self.pixels, np.broadcast_to(missing, self.pixels.shape))
