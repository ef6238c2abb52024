"""The picture files of a report: previews that a browser shows, and originals that it links to."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.display import preview
from pnncupy.images.resize import resize
from pnncupy.io import write_image
from pnncupy.io.writing import default_suffix
from pnncupy.report.display_range import is_missing

# More pixels than this, or longer sides, are shown scaled down.
_MOST_PIXELS = 2_000_000
_LONGEST_SIDE = 8192
# File systems allow longer names, but other things are added to these.
_LONGEST_NAME = 80
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
    is_smaller : bool
        Whether the preview has fewer pixels than the original.
    """

    file: str
    width: int
    height: int
    alt: str
    original: str = ""
    note: str = ""
    is_smaller: bool = False

    @property
    def zoom(self) -> int:
        """Factor by which it is comfortably enlarged."""
        return max(1, _COMFORTABLE_WIDTH // self.width)


class PictureFiles:
    """Writes the pictures of a report into its folder."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._names: set[str] = set()
        for name in ("pictures", "originals"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(
        self, name: str, image: Any, data_range: tuple[float, float], alt: str,
        nodata: float | None = None,
    ) -> Shown:  # fmt: skip
        """Write a picture, and its original too if the preview does not hold all of it.

        Pixels of the value `nodata`, and those that are NaN, are shown white.
        """
        stem = self._unused(name)
        shown = preview(_scaled(white_where_missing(image, nodata, data_range[1])), data_range)
        file = f"pictures/{stem}.png"
        write_image(self._folder / file, shown, overwrite=True)
        original, note = "", ""
        is_smaller = image.shape[:2] != shown.shape[:2]
        if not _is_whole(shown, image):
            original = f"originals/{stem}{default_suffix(image)}"
            write_image(self._folder / original, image, overwrite=True)
            channels = 1 if image.ndim == 2 else image.shape[2]
            note = (
                f"{image.shape[1]} × {image.shape[0]} pixels, "
                f"{channels} channel{'s' if channels > 1 else ''}, {image.dtype}"
            )
        return Shown(file, shown.shape[1], shown.shape[0], alt, original, note, is_smaller)

    def add_picture(self, name: str, picture: Any) -> tuple[str, int]:
        """Write an 8-bit picture as it is; its file, relative to the page, and its bytes."""
        file = f"pictures/{self._unused(name)}.png"
        write_image(self._folder / file, picture, overwrite=True)
        return file, (self._folder / file).stat().st_size

    def _unused(self, name: str) -> str:
        """A file name like the one wanted that no other picture has."""
        stem = re.sub(r"[^a-z0-9]+", "_", name.lower())[:_LONGEST_NAME].strip("_") or "picture"
        number, unused = 2, stem
        while unused in self._names:
            unused, number = f"{stem}_{number}", number + 1
        self._names.add(unused)
        return unused


def white_where_missing(image: Any, nodata: float | None, white: float) -> Any:
    """The picture, or a copy that is white where nothing is known."""
    missing = is_missing(image, nodata)
    return np.where(missing, white, image) if missing.any() else image


def _is_whole(shown: Any, image: Any) -> bool:
    """Test whether a preview holds all of a picture."""
    if image.dtype != np.uint8 or image.shape[:2] != shown.shape[:2]:
        return False
    return image.shape[2:] in ((), (3,)) and bool((np.atleast_3d(image) == shown).all())


def _scaled(image: Any) -> Any:
    """The picture, or a smaller one of as many pixels as a page can show."""
    height, width = image.shape[:2]
    scale = min(math.sqrt(_MOST_PIXELS / (height * width)), _LONGEST_SIDE / max(height, width))
    if scale >= 1:
        return image
    shape = (max(1, int(height * scale)), max(1, int(width * scale)))
    # Most of the way by whole blocks: antialiased resizing of all pixels takes much memory.
    down, across = (max(1, min(int(1 / scale) // 2, side)) for side in (height, width))
    if max(down, across) > 1:
        rows, columns = height // down * down, width // across * across
        image = image[:rows, :columns]
        image = image.reshape(rows // down, down, columns // across, across, -1).mean((1, 3))
        image = image[..., 0] if image.shape[2] == 1 else image
    scales = [new / old for new, old in zip(shape, image.shape[:2], strict=True)]
    return resize(image, scales, shape)
