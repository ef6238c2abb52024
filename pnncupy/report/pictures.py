"""The picture files of a report: previews that a browser shows, and originals that it links to."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.io import default_suffix, write_image
from pnncupy.previews import preview
from pnncupy.resizing import resize

# More pixels than this are shown scaled down.
_MOST_PIXELS = 2_000_000
# Small pictures are shown enlarged by a whole number, up to this width.
_COMFORTABLE_WIDTH = 560


@dataclass(frozen=True)
class Shown:
    """A picture on the page.

    Attributes
    ----------
    file : str
        The preview, relative to the page.
    width, height : int
        Its pixels.
    alt : str
        What it shows, for those who do not see it.
    original : str
        The picture itself where the preview is not all of it; else empty.
    note : str
        How the original differs, in words; else empty.
    """

    file: str
    width: int
    height: int
    alt: str
    original: str = ""
    note: str = ""

    @property
    def zoom(self) -> int:
        """How much larger than its pixels it is comfortably shown."""
        return max(1, _COMFORTABLE_WIDTH // self.width)


class PictureFiles:
    """Writes the pictures of a report into its folder."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._names: set[str] = set()
        for name in ("pictures", "originals"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, name: str, picture: Any, data_range: tuple[float, float], alt: str) -> Shown:
        """Write a picture, and its original too if the preview does not hold all of it."""
        stem = self._unused(name)
        shown = preview(_scaled(picture), data_range)
        file = f"pictures/{stem}.png"
        write_image(self._folder / file, shown, overwrite=True)
        original, note = "", ""
        is_whole = picture.dtype == np.uint8 and picture.shape[:2] == shown.shape[:2]
        if not is_whole or (picture.ndim == 3 and picture.shape[2] != 3):
            original = f"originals/{stem}{default_suffix(picture)}"
            write_image(self._folder / original, picture, overwrite=True)
            channels = 1 if picture.ndim == 2 else picture.shape[2]
            note = (
                f"{picture.shape[1]} × {picture.shape[0]} pixels, "
                f"{channels} channel{'s' if channels > 1 else ''}, {picture.dtype}"
            )
        return Shown(file, shown.shape[1], shown.shape[0], alt, original, note)

    def _unused(self, name: str) -> str:
        """A file name like the one wanted that no other picture has."""
        stem = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "picture"
        number, unused = 2, stem
        while unused in self._names:
            unused, number = f"{stem}_{number}", number + 1
        self._names.add(unused)
        return unused


def _scaled(picture: Any) -> Any:
    """The picture, or a smaller one of as many pixels as a page can show."""
    height, width = picture.shape[:2]
    if height * width <= _MOST_PIXELS:
        return picture
    scale = math.sqrt(_MOST_PIXELS / (height * width))
    shape = (max(1, int(height * scale)), max(1, int(width * scale)))
    # Most of the way by whole blocks: antialiased resizing of all pixels takes much memory.
    block = max(1, int(1 / scale) // 2)
    if block > 1:
        rows, columns = height // block * block, width // block * block
        picture = picture[:rows, :columns]
        picture = picture.reshape(rows // block, block, columns // block, block, -1).mean((1, 3))
        picture = picture[..., 0] if picture.shape[2] == 1 else picture
    scales = [new / old for new, old in zip(shape, picture.shape[:2], strict=True)]
    return resize(picture, scales, shape)
