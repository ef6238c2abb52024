"""Cross-validation: known pixels are hidden, simulated, and compared with what was hidden."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.images.missing import checked_nodata, missing_pixels, with_nan_missing
from pnncupy.images.planes import ChannelAxis, as_planes, channel_axis_of
from pnncupy.metrics import scores
from pnncupy.metrics.hidden_pixels import (
    PATTERNS,
    checked_hidden,
    checked_width,
    hidden_pixels,
)
from pnncupy.parameter_hints import hint_at_names
from pnncupy.rng import sample_generator, sample_seed, seed_sequence

_TASKS = ("simulate", "inpaint")
_MOST_LABELS = 256
# One in so many truths beside each end of the central intervals of 50 % and 90 %.
_HALF, _MOST = 4, 20


class CrossValidation(NamedTuple):
    """Scores of realisations at hidden pixels; arrays have one value for each repeat.

    Attributes
    ----------
    realisations : int
        Number of realisations of each repeat.
    pixels : (repeats,) int64 NumPy array
        Number of hidden pixels.
    rmse, bias : (repeats,) float64 NumPy arrays
        Root mean square, and mean, of the realisations' mean less the truth.
    spread : (repeats,) float64 NumPy array
        Root mean variance of the realisations (divided by n - 1). A calibrated one is
        ``rmse * sqrt(n / (n + 1))``.
    crps : (repeats,) float64 NumPy array
        Mean continuous ranked probability score in its fair form; of realisations that are all the
        same the mean absolute error.
    coverage_50, coverage_90 : (repeats,) float64 NumPy arrays
        Share of the truth within the central intervals, ends included.
    nominal_50, nominal_90 : float
        Coverage of these intervals by one more realisation: what to expect.
    hidden : (repeats, ...) bool NumPy array
        The hidden pixels.
    """

    realisations: int
    pixels: Any
    rmse: Any
    bias: Any
    spread: Any
    crps: Any
    coverage_50: Any
    coverage_90: Any
    nominal_50: float
    nominal_90: float
    hidden: Any


class LabelCrossValidation(NamedTuple):
    """Scores of the labels of realisations at hidden pixels, for each repeat.

    Attributes
    ----------
    realisations : int
        Number of realisations of each repeat.
    pixels : (repeats,) int64 NumPy array
        Number of hidden pixels.
    labels : tuple of int or bool
        All labels of the image's known pixels and of the realisations, ascending.
    brier : (repeats, L) float64 NumPy array
        Brier score of each label in its fair form, of the share of the realisations that have it.
    log_score : (repeats,) float64 NumPy array
        Mean of -log2 of the probability of the true label, in bits. Of n realisations, k of which
        have it, that is (k + 1) / (n + L): a label that none has is no impossible one.
    recall, precision, f1 : (repeats, L) float64 NumPy arrays
        Of the most frequent label (of equally frequent ones the lowest); NaN without a pixel that
        has, or is given, the label.
    confusion : (repeats, L, L) int64 NumPy array
        Hidden pixels with each true label (row) and most frequent label (column).
    hidden : (repeats, ...) bool NumPy array
        The hidden pixels.
    """

    realisations: int
    pixels: Any
    labels: tuple[int | bool, ...]
    brier: Any
    log_score: Any
    recall: Any
    precision: Any
    f1: Any
    confusion: Any
    hidden: Any


@hint_at_names
def cross_validate(
    image: Any,
    hidden: Any,
    n: int = 19,
    *,
    pattern: str = "pixels",
    width: int = 16,
    repeats: int = 1,
    rng: Any = None,
    task: str | Callable[..., Any] = "simulate",
    training: Any = None,
    categorical: bool = False,
    nodata: float | str | None = None,
    channel_axis: ChannelAxis = "auto",
    options: Mapping[str, Any] | None = None,
) -> CrossValidation | LabelCrossValidation:
    """Hide known pixels of an image, simulate them, and score the realisations.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or masked array
        The image; or a volume, see `channel_axis`. Missing pixels (NaN, masked, `nodata`; a pixel
        is missing with any of its channels) are neither hidden nor scored.
    hidden : float or bool array
        Share of the known pixels to hide, between 0 and 1; or the pixels, (H, W).
    n : int, default 19
        Number of realisations, at least 2. With 19, 39, ... the intervals have 50 % and 90 %.
    pattern : {"pixels", "blocks", "stripes"}, default "pixels"
        Where a share is hidden: single pixels; blocks until at least that share is hidden; or
        slanting stripes of about that share, as the gaps of Landsat 7.
    width : int, default 16
        Side of the blocks, or width of the stripes, in pixels.
    repeats : int, default 1
        How often other pixels are drawn; 1 with a mask.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the hidden pixels and of the realisations.
    task : {"simulate", "inpaint"} or callable, default "simulate"
        `pnncupy.simulate`, or `pnncupy.inpaint` with ``fill="noise"``, realisation by realisation;
        or a function called as ``task(training, grid, rng=seed, **options)`` with masked arrays and
        a SeedSequence, that returns one image of the shape of `grid`.
    training : array or list of arrays, optional
        Training image of "simulate" or the function. Default: the image without the hidden pixels.
    categorical : bool, default False
        Whether values are labels, bool or integers of one channel, at most 256.
    nodata : float, "nan" or None, optional
        Value of missing pixels, beside NaN and masked ones.
    channel_axis : int, None or "auto", default "auto"
        As in `pnncupy.generate`.
    options : dict, optional
        Further arguments of the task, such as ``{"patch_size": 5}``.

    Returns
    -------
    CrossValidation, or LabelCrossValidation where `categorical`
        The values of all channels count together.

    Raises
    ------
    TypeError, ValueError
        Nothing is hidden, or nothing left; or as the task.

    Notes
    -----
    The central intervals are those from the k-th smallest to the k-th largest realisation, with k =
    (n + 1) // 4 and (n + 1) // 20, at least 1. If the truth is like one more realisation, it is
    inside with the probability 1 - 2 k / (n + 1); with fewer than 19 realisations, less than 90 %.

    No patch of the training image holds a hidden pixel. Where single pixels are hidden, few whole
    patches are left: 37 % of those of 7 x 7 with one pixel of fifty. Ferro 2014,
    doi:10.1002/qj.2270. Memory: all realisations of the hidden pixels. Computed on the host, but
    for the task's ``options={"engine": ...}``.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> image = np.random.default_rng(0).random((32, 32)).astype("float32")
    >>> few = {"iterations": 1}
    >>> found = metrics.cross_validate(image, 0.1, 3, pattern="blocks", rng=0, options=few)
    >>> found.nominal_90, found.rmse.shape, found.pixels.tolist()
    (0.5, (1,), [256])
    """
    count = validation.integer("n", n, 2)
    draws = validation.integer("repeats", repeats, 1)
    validation.choice("pattern", pattern, tuple(PATTERNS))
    labels = validation.flag("categorical", categorical)
    seed = seed_sequence(rng)
    data, known, axis = _known_image(image, nodata, channel_axis)
    if labels:
        _check_labels(data, known, axis)
    share = checked_hidden(hidden, known.shape)
    if isinstance(share, np.ndarray) and draws > 1:
        raise ValueError(f"`repeats` must be 1 with a mask of the hidden pixels, got {draws}")
    side = checked_width(width, known.shape, pattern)
    own = {"categorical": labels, "channel_axis": channel_axis}
    simulated = _task(task, training, _checked_options(options), own)
    masks, values = [], []
    for repeat in range(draws):
        start = sample_seed(seed, repeat)
        mask = hidden_pixels(share, known, pattern, side, sample_generator(start, 0))
        grid = _grid(data, known & ~mask, axis)
        source = grid if training is None else training
        seeds = (sample_seed(start, number) for number in range(1, count + 1))
        made = (simulated(source, grid, mask, each) for each in seeds)
        values.append(np.stack([_picked(each, data, mask, axis) for each in made]))
        masks.append(mask)
    truth = data if axis is None else np.moveaxis(data, axis, -1)
    truths = [truth[mask] for mask in masks]
    if labels:
        return _of_labels(values, truths, np.stack(masks), truth[known])
    return _of_values(values, truths, np.stack(masks))


def _known_image(image: Any, nodata: Any, channel_axis: ChannelAxis) -> tuple[Any, Any, int | None]:
    """The image on the host, its known pixels, and the axis of its channels."""
    value = checked_nodata(nodata)
    data, missing = missing_pixels("image", with_nan_missing(image), value, channel_axis)
    planes = as_planes("image", data, channel_axis)
    host = arrays.native(arrays.on_host(data))
    shape = tuple(planes.shape[1:])
    known = np.ones(shape, bool) if missing is None else ~arrays.on_host(missing)
    if not known.any():
        raise ValueError("`image` must have known pixels, got none; see `nodata`")
    return host, known, channel_axis_of("image", host.shape, channel_axis)


def _check_labels(data: Any, known: Any, axis: int | None) -> None:
    """Refuse an image that holds no labels."""
    if data.dtype.kind == "f":
        raise TypeError(
            f"`image` must hold labels, bool or integers, with categorical=True, got {data.dtype}"
        )
    if axis is not None:
        raise ValueError(f"`image` must have one channel of labels, got shape {data.shape}")
    if (count := len(np.unique(data[known]))) > _MOST_LABELS:
        raise ValueError(
            f"`image` must have at most {_MOST_LABELS} labels, got {count}; set categorical=False "
            "for intensities"
        )


def _checked_options(options: Any) -> dict[str, Any]:
    """Further arguments of the task, without those that the call itself has."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"`options` must be a dict, got {validation.described(options)}")
    own = {"n", "rng", "first_sample", "categorical", "nodata", "channel_axis", "return_index",
           "return_info"}  # fmt: skip
    if taken := sorted(own & set(options)):
        raise ValueError(
            f"`options` must hold further arguments of the task, got `{taken[0]}`; give it to "
            "`cross_validate` where that has it"
        )
    return dict(options)


def _task(
    task: Any, training: Any, options: dict[str, Any], own: dict[str, Any]
) -> Callable[..., Any]:
    """A function of (training, grid, hidden pixels, seed); `own` is for tasks of the package."""
    if callable(task):
        return lambda source, grid, hidden, rng: task(source, grid, rng=rng, **options)
    validation.choice("task", task, _TASKS)
    # Tasks are on a floor above; the package names them, and loads them at first use.
    import pnncupy

    given = {"progress": False, **own, **options}
    if task == "simulate":
        return lambda source, grid, hidden, rng: pnncupy.simulate(source, grid, rng=rng, **given)
    if training is not None:
        raise ValueError('`training` must be None with `task="inpaint"`, which uses the image')
    given = {"fill": "noise", **given}
    return lambda source, grid, hidden, rng: pnncupy.inpaint(grid, hidden, rng=rng, **given)


def _grid(data: Any, left: Any, axis: int | None) -> Any:
    """The image with the pixels that are left known; nothing of others is in it."""
    wide = left if axis is None else np.expand_dims(left, axis)
    wide = np.broadcast_to(wide, data.shape)
    return np.ma.MaskedArray(np.where(wide, data, data.dtype.type(0)), mask=~wide)


def _picked(made: Any, data: Any, mask: Any, axis: int | None) -> Any:
    """Hidden pixels of a realisation, (m,) or (m, C)."""
    host = arrays.on_host(made) if hasattr(made, "dtype") else np.asarray(made)
    if host.shape != data.shape:
        raise ValueError(
            f"`task` must return images of the shape of `image`, {data.shape}, got {host.shape}"
        )
    picked = (np.moveaxis(host, axis, -1) if axis is not None else host)[mask]
    if not np.isfinite(picked).all() or np.ma.is_masked(picked):
        raise ValueError("`task` must return finite values at all hidden pixels")
    return np.asarray(picked)


def _of_values(values: list[Any], truths: list[Any], hidden: Any) -> CrossValidation:
    """Scores of values (n, m[, C]) for each repeat."""
    count = len(values[0])
    rows = []
    for made, truth in zip(_wide(values), _wide(truths), strict=True):
        errors = made.mean(axis=0) - truth
        rows.append((
            np.sqrt((errors**2).mean()), errors.mean(),
            np.sqrt(made.var(axis=0, ddof=1).mean()), scores.crps(made, truth).mean(),
            scores.coverage(made, truth, _HALF), scores.coverage(made, truth, _MOST),
        ))  # fmt: skip
    rmse, bias, spread, crps, half, most = np.array(rows).T
    nominal_half, nominal_most = (scores.nominal_coverage(count, tail) for tail in (_HALF, _MOST))
    return CrossValidation(
        count, _pixels(hidden), rmse, bias, spread, crps, half, most, nominal_half, nominal_most,
        hidden,
    )  # fmt: skip


def _of_labels(
    values: list[Any], truths: list[Any], hidden: Any, known: Any
) -> LabelCrossValidation:
    """Scores of labels (n, m) for each repeat."""
    labels = np.unique(np.concatenate([np.unique(each) for each in (known, *values)]))
    if len(labels) > _MOST_LABELS:
        raise ValueError(
            f"`task` must return labels, at most {_MOST_LABELS}, got {len(labels)} values"
        )
    realisations = len(values[0])
    brier, bits, confusion = [], [], []
    for made, truth in zip(values, truths, strict=True):
        number = np.searchsorted(labels, truth)
        counts = scores.label_counts(made, labels)
        brier.append(scores.brier(counts, number, realisations))
        bits.append(scores.log_score(counts, number, realisations))
        confusion.append(scores.confusion_matrix(number, counts.argmax(axis=0), len(labels)))
    tables = np.stack(confusion)
    right = np.diagonal(tables, axis1=1, axis2=2)
    own, found = tables.sum(axis=2), tables.sum(axis=1)
    return LabelCrossValidation(
        realisations, _pixels(hidden), tuple(labels.tolist()), np.stack(brier), np.array(bits),
        scores.ratio(right, own), scores.ratio(right, found),
        scores.ratio(2 * right, own + found), tables, hidden,
    )  # fmt: skip


def _wide(each: list[Any]) -> Iterator[Any]:
    """Arrays as float64."""
    return (values.astype(np.float64) for values in each)


def _pixels(hidden: Any) -> Any:
    """Number of hidden pixels of each repeat."""
    return hidden.reshape(len(hidden), -1).sum(axis=1)
