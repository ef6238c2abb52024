"""The hole that an image means as a mask, judged by its values; what is doubtful is refused."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.images.missing import checked_nodata, missing_pixels

# Distinct values up to which a mask has few, as labels and antialiased edges do.
_FEW = 16
# More values than these are near those of any ramp of 8 bits.
_MOST_STEPS = 64
# An 8-bit brush this dark, 25 % of white, is rather a list of labels.
_DARK = 64
# Labels numbered one by one end below this; a soft brush of half opacity does not.
_LAST_NUMBER = 127
# Share of the dtype's range that counts as its end: 5 of 255.
_END = 0.02
# A lossy file spreads each value by some steps, and colours by more.
_LOSSY_VALUES, _LOSSY_COLOURS, _LOSSY_SHARE = 16, 48, 0.05
_ROUNDING = 3
# Share of pixels that may be inside of areas, in edges that are narrow.
_FILLED = 0.02
_MOST_LISTED = 8
# Rec. 601.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class MaskChoice:
    """Values of a mask file that are the hole, as its user says.

    Attributes
    ----------
    values : tuple of float
        These are the hole.
    above : float or None
        All values above it are.
    """

    values: tuple[float, ...] = ()
    above: float | None = None

    @property
    def is_given(self) -> bool:
        """Test whether there is a choice."""
        return bool(self.values) or self.above is not None


NO_CHOICE = MaskChoice()


def mask_choice(values: Any, above: Any) -> MaskChoice:
    """Check the parameters `mask_values`, a list of numbers, and `mask_above`, a number."""
    if values is not None and above is not None:
        raise ValueError("`mask_values` and `mask_above` must not be given both; leave out one")
    if above is not None:
        return MaskChoice(above=validation.finite("mask_above", above))
    if values is None:
        return NO_CHOICE
    if not isinstance(values, (list, tuple)) or not values:
        raise TypeError(
            "`mask_values` must be a list of at least one number, such as [1, 5], got "
            f"{validation.described(values)}"
        )
    return MaskChoice(tuple(validation.finite("mask_values", value) for value in values))


@dataclass(frozen=True)
class Judgement:
    """A hole, and how it was found where that is not obvious.

    Attributes
    ----------
    hole : (H, W) bool array
    note : str
        Empty for the brighter one of two values.
    """

    hole: Any
    note: str = ""


def missing_hole(image: Any, nodata: Any) -> Judgement | None:
    """Return the missing pixels of an image as a hole; None without any. NaN is always missing."""
    value = checked_nodata("nan" if nodata is None else nodata)
    missing = missing_pixels("image", image, value, -1)[1]
    return None if missing is None else Judgement(missing)


class UnclearMaskError(ValueError):
    """An image that may mean several masks, or none; the message is the rest of a sentence."""


def judge_mask(
    image: Any, *, has_alpha: bool = False, is_lossy: bool = False, choice: MaskChoice = NO_CHOICE
) -> Judgement:
    """Find the hole that an image means.

    Parameters
    ----------
    image : (H, W) or (H, W, C) NumPy array of bool, integers or floating point
    has_alpha : bool
        The last channel is opacity: pixels below half of it count as black.
    is_lossy : bool
        The file was compressed as JPEG does, which spreads every value.
    choice : MaskChoice
        What the user says; of colours their brightness counts, the highest channel.

    Returns
    -------
    Judgement

    Raises
    ------
    UnclearMaskError
        It is neither of two values nor a soft brush, or its hole is empty or everything.

    Examples
    --------
    >>> judge_mask(np.array([[7, 9, 7]])).hole
    array([[False,  True, False]])
    """
    colours, visible = _paint(image, has_alpha)
    if choice.is_given:
        return Judgement(_chosen(colours.max(axis=2), choice))
    if np.isnan(colours).any():
        raise UnclearMaskError(f"NaN in it; {_remedy(np.unique(colours[~np.isnan(colours)]))}")
    if not visible.all() and _is_one_colour(colours[visible]):
        if not colours[visible].any():
            raise UnclearMaskError(
                "only black paint on a transparent ground, and black is no hole; paint the hole "
                "white"
            )
        return Judgement(visible, "its paint, where at least half opaque")
    if _is_grey(colours, _ROUNDING if is_lossy else 0):
        return _judge_values(colours[..., 0], is_lossy)
    return _judge_colours(colours, is_lossy)


def _paint(image: Any, has_alpha: bool) -> tuple[Any, Any]:
    """The colours (H, W, 1 or 3), black where invisible, and the visible pixels (H, W)."""
    if isinstance(image, np.ma.MaskedArray):
        if np.ma.getmaskarray(image).any():
            raise UnclearMaskError("missing pixels in it; save it without them")
        image = image.data
    colours = image if image.ndim == 3 else image[..., None]
    if not has_alpha and colours.shape[2] in (1, 3):
        return colours, np.ones(image.shape[:2], bool)
    if not has_alpha or colours.shape[2] not in (2, 4):
        raise UnclearMaskError(
            f"{colours.shape[2]} channels, which are neither grey nor RGB; save one of them alone"
        )
    colours, visible = colours[..., :-1], is_visible(colours[..., -1])
    if not visible.any():
        raise UnclearMaskError("no visible pixel in it: all are transparent")
    return np.where(visible[..., None], colours, colours.dtype.type(0)), visible


def is_visible(alpha: Any) -> Any:
    """Pixels that are at least half opaque, of an alpha channel of any dtype."""
    if alpha.dtype.kind == "b":
        return alpha
    full = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    return alpha >= full / 2


def _chosen(brightness: Any, choice: MaskChoice) -> Any:
    """The hole that the user says."""
    if choice.above is not None:
        hole = brightness > choice.above
    else:
        wanted = np.array(choice.values)
        if brightness.dtype.kind == "f":  # 0.1 of a file is not the 0.1 of float64
            with np.errstate(over="ignore"):
                wanted = wanted.astype(brightness.dtype)
        hole = np.isin(brightness, wanted)
    if hole.any() and not hole.all():
        return hole
    what = "no pixel" if not hole.any() else "every pixel"
    where = "above `mask_above`" if choice.above is not None else "among `mask_values`"
    raise UnclearMaskError(f"{what} {where}: it holds {_listed(np.unique(brightness))}")


def _is_one_colour(colours: Any) -> bool:
    return bool((colours == colours[0]).all())


def _is_grey(colours: Any, tolerance: int) -> bool:
    """Test whether all channels are equal."""
    if colours.shape[2] == 1:
        return True
    if not tolerance:
        return bool((colours == colours[..., :1]).all())
    spread = colours.max(axis=2) - colours.min(axis=2)
    return bool((spread > tolerance).mean() < _LOSSY_SHARE)


def _judge_values(values: Any, is_lossy: bool) -> Judgement:
    """The hole in grey values."""
    found = np.unique(values)
    if len(found) == 1:
        raise UnclearMaskError(
            f"one value, {found[0]}, in all pixels: nothing tells the hole from the rest; paint "
            "the hole white and the rest black"
        )
    if len(found) == 2:
        return Judgement(values == found[1])
    if is_lossy:
        is_brush = int(found[-1]) > _LOSSY_VALUES
    else:
        is_brush = values.dtype.kind in "iu" and _is_brush(values, found)
    if not is_brush:
        kind = "values" if values.dtype.kind == "f" else "labels"
        raise UnclearMaskError(f"the {kind} {_listed(found)}; {_remedy(found)}")
    top = int(found[-1])
    hole = values > top // 2
    if hole.all():
        raise UnclearMaskError(
            f"the values {_listed(found)}, all above half of the highest; {_remedy(found)}"
        )
    return Judgement(hole, f"a soft brush: those above half of its maximum, {top}")


def _is_brush(values: Any, found: Any) -> bool:
    """Test whether integers of more than two values are a soft brush, not labels.

    A brush goes from black to white by small steps, or fills areas of black and white with
    narrow edges between. 8-bit brushes may be weaker.
    """
    full = np.iinfo(values.dtype).max
    low, top, count = int(found[0]), int(found[-1]), len(found)
    is_whole = 0 <= low <= _END * full and top >= (1 - _END) * full
    is_ramp = count <= _MOST_STEPS and _is_even(found, full)
    if is_whole and (is_ramp or found[1] >= (1 - _END) * full):
        return True
    if not is_whole and (values.dtype != np.uint8 or top <= _DARK):
        return False
    if top - low + 1 == count and top <= _LAST_NUMBER:
        return False
    uniform, between = _has_equal_neighbours(values), (values != low) & (values != top)
    if count <= _FEW:
        ends = [(uniform & (values == end)).any() for end in (low, top)]
        return is_whole and all(ends) and not (uniform & between).any()
    if _is_smooth(values, top):
        return True
    is_narrow = (uniform & between).sum() <= _FILLED * between.sum()
    return bool(is_narrow and 2 * between.sum() <= between.size)


def _is_even(found: Any, full: int) -> bool:
    """Test whether values are those of a ramp of equal steps, of which a quarter may lack."""
    offsets = found.astype(np.float64) - float(found[0])
    rounding = max(1, full // 255)
    for steps in range(len(found) - 1, 4 * (len(found) - 1) // 3 + 1):
        step = offsets[-1] / steps
        places = np.rint(offsets / step)
        if np.diff(places).all() and (np.abs(offsets - places * step) <= rounding).all():
            return True
    return False


def _has_equal_neighbours(values: Any) -> Any:
    """Pixels whose eight neighbours have their value."""
    from scipy import ndimage

    return ndimage.minimum_filter(values, 3) == ndimage.maximum_filter(values, 3)


def _is_smooth(values: Any, top: int) -> bool:
    """Test whether neighbours that differ mostly differ by a sixteenth of the maximum or less."""
    wide = values.astype(np.float32)
    steps = np.concatenate([np.abs(np.diff(wide, axis=axis)).ravel() for axis in (0, 1)])
    steps = steps[steps > 0]
    return steps.size > 0 and float(np.median(steps)) <= max(1, top / 16)


def _judge_colours(colours: Any, is_lossy: bool) -> Judgement:
    """The hole in colours: one paint on black, or the brighter one of two colours."""
    brightness = colours.max(axis=2)
    found, counts = _distinct(colours)
    if len(found) == 2:
        return Judgement((colours == _brighter(found)).all(axis=2))
    if colours.dtype.kind == "u" and _is_one_paint(found, counts, is_lossy):
        return _judge_values(brightness, is_lossy)
    values = np.unique(brightness)
    remedy = (
        f"by their brightness, the highest channel, {_remedy(values)}"
        if len(values) == len(found)
        else "save it in black and white, or as one channel"
    )
    raise UnclearMaskError(f"the colours {_listed(found)}; {remedy}")


def _distinct(colours: Any) -> tuple[Any, Any]:
    """Distinct colours (n, 3), in order, and how many pixels have each."""
    if colours.dtype.kind not in "bu" or colours.dtype.itemsize > 2:
        return np.unique(colours.reshape(-1, 3), axis=0, return_counts=True)
    bits = 8 * colours.dtype.itemsize
    packed = np.zeros(colours.shape[:2], np.uint64)
    for channel in range(3):
        packed = (packed << np.uint64(bits)) | colours[..., channel].astype(np.uint64)
    numbers, counts = np.unique(packed, return_counts=True)
    last = np.uint64(2**bits - 1)
    shifts = [np.uint64(bits * place) for place in (2, 1, 0)]
    found = np.stack([(numbers >> shift) & last for shift in shifts], axis=1)
    return found.astype(colours.dtype), counts


def _brighter(pair: Any) -> Any:
    """The colour of two that is brighter, both by its highest channel and to the eye."""
    wide = pair.astype(np.float64)
    luma = (wide * _LUMA).sum(axis=1)
    if pair.dtype.kind in "iu":
        luma = np.rint(luma)
    with np.errstate(invalid="ignore"):  # of infinite values
        order, same = np.sign(np.diff([luma, wide.max(axis=1)], axis=1)[:, 0])
    if order == 0 or order != same:
        raise UnclearMaskError(
            f"the colours {_listed(pair)}, neither clearly the brighter one; paint the hole white "
            "and the rest black"
        )
    return pair[int(order > 0)]


def _is_one_paint(found: Any, counts: Any, is_lossy: bool) -> bool:
    """Test whether colours, with their counts of pixels, are shades of one, down to black."""
    brightness = found.max(axis=1).astype(np.float64)
    weights = counts * (brightness > brightness.max() / 2)
    paint = weights @ found / (weights @ brightness)
    off = np.abs(found - brightness[:, None] * paint).max(axis=1)
    rounding = max(1, np.iinfo(found.dtype).max // 255)
    if is_lossy:
        return bool(counts @ (off > _LOSSY_COLOURS * rounding) < _LOSSY_SHARE * counts.sum())
    return bool((off <= _ROUNDING * rounding).all())


def _listed(found: Any) -> str:
    """The first values, or colours, and the last."""
    words = [
        str(each) if np.ndim(each) == 0 else f"({', '.join(map(str, each))})" for each in found
    ]
    if len(words) > _MOST_LISTED:
        words = [*words[: _MOST_LISTED - 2], "...", f"{words[-1]} ({len(found)} in all)"]
    return ", ".join(words)


def _remedy(found: Any) -> str:
    """The ways to choose among values, with some of them."""
    if len(found) < 2:
        found = [0, *found, 1][:2]
    return (
        f"choose the hole by `mask_values` {','.join(map(str, found[1:3]))} (these values) or "
        f"`mask_above` {found[0]} (those above it)"
    )


def hole_count(name: str, judged: Judgement) -> str:
    """Line for the user: how many pixels are the hole.

    Examples
    --------
    >>> hole_count("mask.png", Judgement(np.eye(40, dtype=bool)))
    'mask.png: 40 of 1,600 pixels are the hole'
    """
    note = f" ({judged.note})" if judged.note else ""
    count = int(judged.hole.sum())
    return f"{name}: {count:,} of {judged.hole.size:,} pixels are the hole{note}"
