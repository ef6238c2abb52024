"""Image files as sources of a task: without an alpha channel that says nothing."""

import os
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy.io.formats.tiff_colours import UNASSOCIATED
from pnncupy.io.image_file import ImageFile
from pnncupy.io.reading import read_file


def read_source(path: str | os.PathLike[str], *, page: int | None = None) -> ImageFile:
    """Read an image that a task takes, and notes on what was changed.

    An alpha channel that is opaque everywhere is dropped. Pixels that a mask in the file declares
    missing are in `ImageFile.masked`.
    """
    found = read_file(path, page=page)
    notes = list(found.notes)
    if has_opaque_alpha(found):
        known = replace(found.metadata, extra_samples=found.metadata.extra_samples[:-1])
        found = replace(found, pixels=without_alpha(found.pixels), metadata=known)
        notes.append("dropped its alpha channel, which is opaque")
    if found.missing is not None:
        count = int(np.count_nonzero(found.missing))
        notes.append(f"{count:,} pixels of its internal mask are missing")
    return replace(found, notes=tuple(notes))


def without_alpha(image: Any) -> Any:
    """The channels (H, W) or (H, W, C) before the last one, which is alpha."""
    return np.ascontiguousarray(image[..., 0] if image.shape[2] == 2 else image[..., :-1])


def has_opaque_alpha(found: ImageFile) -> bool:
    """Test whether the last channel is alpha, and opaque everywhere."""
    if found.metadata.extra_samples[-1:] != (UNASSOCIATED,) or found.pixels.ndim == 2:
        return False
    alpha: Any = found.pixels[..., -1]
    opaque = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    return bool((alpha == opaque).all())
