"""Colour model of a TIFF page, and its samples as the colours or numbers that they stand for."""

from typing import Any, NamedTuple

import numpy as np

from pnncupy.errors import ImageReadError

# Photometric interpretations.
_WHITE_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 2, 3, 5, 6
# Numbers without a colour: black is zero, a mask, depth, a mask of a raw photograph.
_NUMBERS = (1, 4, 51177, 52527)
_OTHERS = {
    _YCBCR: "YCbCr", 8: "CIELAB", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "CIE LogL",
    32845: "CIE LogLuv",
}  # fmt: skip
_RAW = {32803: "the mosaic of a sensor's colour filters", 34892: "raw data of a sensor"}
_JPEG = 7
_INK_SET, _CMYK = 332, 1
# ExtraSamples.
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
# Tags of measurements: a georeference, GDAL's metadata and its nodata value.
_MEASURED = (33550, 33922, 34264, 34735, 42112, 42113)


class ColourModel(NamedTuple):
    """Meaning of the samples of a pixel.

    Attributes
    ----------
    name : {"grey", "inverted grey", "rgb", "palette", "index"}
        "palette" are indices of colours, "index" numbers that a table gives colours for display.
    extra_samples : tuple of int
        TIFF's ExtraSamples: what the samples behind those of the colour are.
    """

    name: str
    extra_samples: tuple[int, ...]

    @property
    def colours(self) -> int:
        """Stored samples of the colour."""
        return 3 if self.name == "rgb" else 1


def colour_model(page: Any, kind: str) -> ColourModel:
    """Return the colour model of a page of a file of a `Metadata.kind`; refuse others by name."""
    photometric, samples = int(page.photometric), int(page.samplesperpixel)
    name = "grey"
    if photometric == _WHITE_IS_ZERO:
        name = "inverted grey"
    elif photometric == _RGB or (photometric == _YCBCR and int(page.compression) == _JPEG):
        name = "rgb"
    elif photometric == _PALETTE:
        name = "index" if _is_measured(page, kind) else "palette"
    elif photometric not in _NUMBERS:
        raise ImageReadError(_refusal(page, photometric))
    extra = tuple(int(value) for value in page.extrasamples)
    count = samples - (3 if name == "rgb" else 1)
    if count < 0:
        raise ImageReadError(f"damaged TIFF file: colours of {samples} samples")
    if not extra and count == 1 and name == "rgb":
        extra = (UNASSOCIATED,)  # what readers take a fourth sample for that nothing names
    return ColourModel(name, (extra + (UNSPECIFIED,) * count)[:count])


def _is_measured(page: Any, kind: str) -> bool:
    """Test whether indices of a colour table are numbers: no photograph has these marks."""
    return (
        kind in ("imagej", "ome")
        or page.bitspersample > 8
        or any(page.tags.get(code) is not None for code in _MEASURED)
    )


def _refusal(page: Any, photometric: int) -> str:
    if photometric in _RAW:
        return f"stores {_RAW[photometric]}; develop it to RGB first"
    name = _OTHERS.get(photometric, f"number {photometric}")
    if photometric == _SEPARATED:
        inks = page.tags.get(_INK_SET)
        is_cmyk = page.samplesperpixel >= 4 and (inks is None or inks.value == _CMYK)
        name = "CMYK" if is_cmyk else "separated inks"
    elif photometric == _YCBCR and tuple(page.subsampling or (1, 1)) != (1, 1):
        name = "subsampled YCbCr"
    return (
        f"stores colours of the model {name}; convert it to RGB first, such as by ImageMagick: "
        "magick FILE -colorspace sRGB NEW.tif"
    )


def decoded(plane: Any, page: Any, model: ColourModel) -> Any:
    """The samples (H, W) or (H, W, C) of a page as grey, RGB or numbers, with alpha unassociated.

    Alpha that colours are multiplied with has no place in PNG, and no meaning for a vote.
    """
    if model.name == "inverted grey":
        plane = _negative(plane, page)
    elif model.name == "palette":
        plane = _coloured(plane, page.colormap)
    if ASSOCIATED not in model.extra_samples or plane.ndim == 2:
        return plane
    behind = plane.shape[2] - len(model.extra_samples)
    return unassociated(plane, behind, behind + model.extra_samples.index(ASSOCIATED))


def _negative(plane: Any, page: Any) -> Any:
    """Grey values turned round: 0 is black. Samples behind them stay."""
    grey = plane if plane.ndim == 2 else plane[..., :1]
    if plane.dtype.kind == "b":
        grey = ~grey
    elif plane.dtype.kind == "u":
        grey = (2**page.bitspersample - 1 - grey).astype(plane.dtype)
    else:
        raise ImageReadError(f"stores negatives of {plane.dtype}; invert it first")
    return grey if plane.ndim == 2 else np.concatenate([grey, plane[..., 1:]], axis=2)


def _coloured(plane: Any, table: Any) -> Any:
    """Colours (uint8) of indices; tables hold 16 bits, some by mistake 8."""
    colours = np.moveaxis(np.asarray(table), 0, -1)
    if colours.max() > 255:
        colours = colours >> 8
    indices = plane if plane.ndim == 2 else plane[..., 0]
    if int(indices.max()) >= len(colours):
        raise ImageReadError(
            f"damaged TIFF file: colour {indices.max()} of a table of {len(colours)}"
        )
    shown = colours.astype(np.uint8)[indices.astype(np.intp)]
    return shown if plane.ndim == 2 else np.concatenate([shown, plane[..., 1:]], axis=2)


def unassociated(plane: Any, colours: int, alpha: int) -> Any:
    """The samples, those of the first `colours` channels divided by their alpha."""
    opaque = 1.0 if plane.dtype.kind == "f" else float(np.iinfo(plane.dtype).max)
    weight = plane[..., alpha : alpha + 1].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        divided = np.where(weight > 0, plane[..., :colours] * (opaque / weight), 0)
    if plane.dtype.kind != "f":
        divided = np.minimum(np.rint(divided), opaque)
    result = plane.copy()
    result[..., :colours] = divided
    return result
