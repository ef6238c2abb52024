"""Fills of holes by pnncupy and by other programs, measures of a filled hole, and sheets.

The others are optional: opencv-contrib-python-headless, scikit-image, patchmatch-cython and
pypatchmatch from PyPI, and the program `gmic` (G'MIC). What is missing is skipped, with a reason.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

# Pixels beside a hole that its grain and its seam are compared with.
RING = 8
# Radius of OpenCV's neighbourhoods, as in its tutorial.
_OPENCV_RADIUS = 3

Fill = Callable[[Any, Any], Any]


class MissingPeerError(Exception):
    """A program or package that is not installed."""


def pnncupy(image: Any, mask: Any, **options: Any) -> Any:
    import pnncupy as pnn

    return pnn.inpaint(image, mask, **{"fill": "smooth", **options})


def opencv_ns(image: Any, mask: Any) -> Any:
    cv2 = _module("cv2", "opencv-contrib-python-headless")
    return cv2.inpaint(image, _bytes(mask), _OPENCV_RADIUS, cv2.INPAINT_NS)


def opencv_telea(image: Any, mask: Any) -> Any:
    cv2 = _module("cv2", "opencv-contrib-python-headless")
    return cv2.inpaint(image, _bytes(mask), _OPENCV_RADIUS, cv2.INPAINT_TELEA)


def biharmonic(image: Any, mask: Any) -> Any:
    restoration = _module("skimage.restoration", "scikit-image")
    made = restoration.inpaint_biharmonic(
        image / 255.0, mask, channel_axis=-1 if image.ndim == 3 else None
    )
    return np.clip(np.round(made * 255), 0, 255).astype(np.uint8)


def gmic_matchpatch(image: Any, mask: Any) -> Any:
    return _gmic("inpaint_matchpatch", image, mask)


def gmic_inpaint(image: Any, mask: Any) -> Any:
    return _gmic("inpaint", image, mask)


def xphoto_shiftmap(image: Any, mask: Any) -> Any:
    return _xphoto("INPAINT_SHIFTMAP", image, mask)


def xphoto_fsr(image: Any, mask: Any) -> Any:
    return _xphoto("INPAINT_FSR_BEST", image, mask)


def pypatchmatch(image: Any, mask: Any) -> Any:
    patchmatch = _module("patchmatch.patch_match", "pypatchmatch")
    patchmatch.set_random_seed(0)
    return _in_three_channels(
        lambda rgb: patchmatch.inpaint(rgb, _bytes(mask), patch_size=3), image
    )


def patchmatch_cython(image: Any, mask: Any) -> Any:
    module = _module("patchmatch_cython", "patchmatch-cython")
    return _in_three_channels(
        lambda rgb: module.inpaint_pyramid(rgb, mask, patch_size=7, seed=0), image
    )


def _module(name: str, package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPeerError(f"{package} is not installed ({error})") from error


def _gmic(command: str, image: Any, mask: Any) -> Any:
    """Run a command of G'MIC with its defaults; the time includes the files."""
    from pnncupy.io import read_image, write_image

    program = shutil.which("gmic")
    if program is None:
        raise MissingPeerError("the program gmic is not installed")
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("image.png", "mask.png", "made.png")]
        write_image(files[0], image)
        write_image(files[1], _bytes(mask))
        subprocess.run(
            [program, *files[:2], f"{command}[0]", "[1]", "keep[0]", "output", files[2]],
            check=True, capture_output=True,
        )  # fmt: skip
        return read_image(files[2]).reshape(image.shape)


def _xphoto(method: str, image: Any, mask: Any) -> Any:
    """OpenCV contrib's methods, in CIELAB as its documentation advises."""
    cv2 = _module("cv2", "opencv-contrib-python-headless")
    if not hasattr(cv2, "xphoto"):
        raise MissingPeerError("OpenCV is without xphoto: install opencv-contrib-python-headless")

    def fill(rgb: Any) -> Any:
        made = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)
        cv2.xphoto.inpaint(made.copy(), 255 - _bytes(mask), made, getattr(cv2.xphoto, method))
        return cv2.cvtColor(made, cv2.COLOR_Lab2RGB)

    return _in_three_channels(fill, image)


def _in_three_channels(fill: Callable[[Any], Any], image: Any) -> Any:
    """For methods that take RGB only."""
    if image.ndim == 3:
        return fill(image)
    return fill(np.repeat(image[..., None], 3, axis=2)).mean(axis=2).round().astype(np.uint8)


def _bytes(mask: Any) -> Any:
    return mask.astype(np.uint8) * 255


def filled(
    fills: dict[str, Fill], image: Any, mask: Any, skipped: dict[str, str]
) -> Iterable[tuple[str, Any, float]]:
    """Name, result and seconds of each; known pixels as they were. Reasons go into `skipped`."""
    # No method may see what it is to find.
    blank = image.copy()
    blank[mask] = np.rint(image[~mask].mean(axis=0)).astype(np.uint8)
    for name, fill in fills.items():
        if name in skipped:
            continue
        start = time.perf_counter()
        try:
            made = fill(blank, mask)
        except MissingPeerError as error:
            skipped[name] = str(error)
            continue
        seconds = time.perf_counter() - start
        wide = mask if image.ndim == 2 else mask[..., None]
        yield name, np.where(wide, made, image), seconds


def psnr(truth: Any, image: Any, mask: Any) -> float:
    """In the hole, in decibels."""
    error = (image[mask].astype(np.float64) - truth[mask].astype(np.float64)) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


def laplacian_energy(image: Any, where: Any) -> float:
    """Mean squared Laplacian of the grey image."""
    padded = np.pad(_grey(image), 1, mode="reflect")
    inner = padded[1:-1, 1:-1]
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float(((neighbours - 4 * inner)[where] ** 2).mean())


def ring(mask: Any) -> Any:
    """Known pixels near a hole but not beside it, whose Laplacian is that of known pixels."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(mask, iterations=RING) & ~binary_dilation(mask)


def grain(image: Any, mask: Any) -> float:
    """Laplacian energy in the hole over that of the ring around it."""
    return laplacian_energy(image, mask) / laplacian_energy(image, ring(mask))


def seam_step(image: Any, mask: Any) -> float:
    """Mean absolute difference of neighbours on both sides of a hole's border."""
    return _step(image, mask, lambda one, other: one ^ other)


def seam(image: Any, mask: Any) -> float:
    """Step across the border over the steps between known neighbours of the ring."""
    return seam_step(image, mask) / _step(image, ring(mask), lambda one, other: one & other)


def _step(image: Any, mask: Any, chosen: Callable[[Any, Any], Any]) -> float:
    grey = _grey(image)
    steps = [
        np.abs(np.diff(grey, axis=0))[chosen(mask[1:], mask[:-1])],
        np.abs(np.diff(grey, axis=1))[chosen(mask[:, 1:], mask[:, :-1])],
    ]
    return float(np.concatenate(steps).mean())


def _grey(image: Any) -> Any:
    values = image.astype(np.float64)
    return values if image.ndim == 2 else values.mean(axis=2)


def labelled_sheet(images: dict[str, Any], columns: int, enlarged: int = 1) -> Any:
    """A contact sheet with the name of each image above it (needs Pillow)."""
    from PIL import Image, ImageDraw, ImageFont

    from pnncupy.display import contact_sheet, preview

    font = ImageFont.load_default(13)
    tiles = []
    for name, image in images.items():
        pixels = preview(image, (0, 255)).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
        tile = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + 18), "white")
        tile.paste(Image.fromarray(pixels), (0, 18))
        ImageDraw.Draw(tile).text((2, 0), name, "black", font)
        tiles.append(np.asarray(tile))
    return contact_sheet(tiles, (0, 255), columns)
