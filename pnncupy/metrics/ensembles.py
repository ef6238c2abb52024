"""Statistics of each pixel over realisations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.parameter_hints import hint_at_names

# Values of one pass over the realisations for exact quantiles, as a multiple of one image.
_IMAGES_OF_A_PASS = 4
_MOST_LABELS = 256


class Ensemble(NamedTuple):
    """Statistics of each pixel over realisations.

    Attributes
    ----------
    realisations : int
        Number of realisations.
    known : int64 NumPy array of the shape of an image
        Realisations in which each pixel is known.
    mean, std : float64 NumPy arrays of that shape
        Mean and standard deviation (of the realisations themselves, divided by their number); NaN
        where no realisation is known.
    quantiles : dict of float to float64 NumPy array
        Each of the quantiles.
    """

    realisations: int
    known: Any
    mean: Any
    std: Any
    quantiles: dict[float, Any]


class LabelEnsemble(NamedTuple):
    """Statistics of the label of each pixel over realisations.

    Attributes
    ----------
    realisations : int
        Number of realisations.
    labels : tuple of int or bool
        All labels, ascending.
    probability : (L, ...) float64 NumPy array
        Share of the realisations with each label.
    entropy : float64 NumPy array of the shape of an image
        Shannon entropy of the labels in bits: 0 where all realisations are the same.
    most_likely : NumPy array of that shape, of the dtype of the realisations
        The most frequent label; of equally frequent ones the lowest.
    """

    realisations: int
    labels: tuple[int | bool, ...]
    probability: Any
    entropy: Any
    most_likely: Any


@hint_at_names
def ensemble(
    results: Iterable[Any], *, categorical: bool = False, quantiles: Sequence[float] = ()
) -> Ensemble | LabelEnsemble:
    """Statistics of each pixel over realisations: mean and spread, or probabilities of labels.

    Parameters
    ----------
    results : (n, ...) array, or iterable of arrays of one shape
        The realisations, of any real dtype; NaN is unknown. They are read one after the other,
        with memory for a few images however many there are.
    categorical : bool, default False
        Whether values are labels, bool or integers, at most 256.
    quantiles : sequence of float, default ()
        Quantiles of each pixel, from 0 to 1, exact as those of `numpy.quantile`. `results` is then
        read again for each part of the rows, about n / 4 times: it must not be an iterator.

    Returns
    -------
    Ensemble, or LabelEnsemble where `categorical`

    Raises
    ------
    TypeError
        `results` is no iterable of arrays, or an iterator with `quantiles`; labels are floats.
    ValueError
        There is no realisation, shapes differ, values are infinite, labels are too many, or
        `quantiles` are given for labels or are not between 0 and 1.

    Notes
    -----
    Welford 1962, doi:10.1080/00401706.1962.10490022, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> found = metrics.ensemble(np.array([[[1.0, 2.0]], [[3.0, 2.0]]]), quantiles=[0.5])
    >>> found.mean.tolist(), found.std.tolist(), found.quantiles[0.5].tolist()
    ([[2.0, 2.0]], [[1.0, 0.0]], [[2.0, 2.0]])
    """
    levels = _checked_quantiles(quantiles)
    if isinstance(results, (str, bytes)) or not isinstance(results, Iterable):
        raise TypeError(
            f"`results` must be a list of arrays, got {type(results).__qualname__}; put a single "
            "image into a list"
        )
    if validation.flag("categorical", categorical):
        if levels:
            raise ValueError("`quantiles` must be empty for labels, which have no order")
        return _of_labels(results)
    if levels and isinstance(results, Iterator):
        raise TypeError(
            "`results` must not be an iterator with `quantiles`, which read it several times; "
            "give a list, or an object whose `__iter__` begins again"
        )
    count, known, mean, std = _moments(results)
    return Ensemble(count, known, mean, std, _quantiles(results, levels, count, mean.shape))


def _images(results: Iterable[Any]) -> Iterator[Any]:
    """The realisations as NumPy arrays of one shape."""
    shape = None
    for number, result in enumerate(results):
        name = f"results[{number}]"
        arrays.library(name, result)
        arrays.check_real(name, result)
        image = arrays.native(arrays.on_host(result))
        if shape is None:
            shape = image.shape
        if image.shape != shape:
            raise ValueError(
                f"`{name}` must have the shape of the first, {shape}, got {image.shape}"
            )
        yield image
    if shape is None:
        raise ValueError("`results` must hold at least one image, got none")


def _values(results: Iterable[Any]) -> Iterator[Any]:
    """The realisations as float64; NaN is unknown."""
    for number, image in enumerate(_images(results)):
        values = image.astype(np.float64)
        if np.isinf(values).any():
            raise ValueError(f"`results[{number}]` must be finite or NaN, got infinite values")
        yield values


def _moments(results: Iterable[Any]) -> tuple[int, Any, Any, Any]:
    """Number of realisations, those known at each pixel, their mean and standard deviation."""
    count, known, mean, squares = 0, np.zeros(()), np.zeros(()), np.zeros(())
    for values in _values(results):
        if not count:
            known = np.zeros(values.shape, np.int64)
            mean, squares = np.zeros(values.shape), np.zeros(values.shape)
        count += 1
        is_known = ~np.isnan(values)
        known += is_known
        difference = np.where(is_known, values - mean, 0)
        mean += difference / np.maximum(known, 1)
        squares += difference * np.where(is_known, values - mean, 0)
    unknown = known == 0
    mean[unknown] = np.nan
    std = np.sqrt(squares / np.maximum(known, 1))
    std[unknown] = np.nan
    return count, known, mean, std


def _quantiles(
    results: Iterable[Any], levels: Sequence[float], count: int, shape: tuple[int, ...]
) -> dict[float, Any]:
    """Exact quantiles, some rows at a time."""
    found = {level: np.empty(shape) for level in levels}
    rows = max(1, _IMAGES_OF_A_PASS * shape[0] // count) if shape else 1
    for start in range(0, shape[0] if levels else 0, rows):
        part = np.array([values[start : start + rows] for values in _values(results)])
        for level, values in zip(levels, _quantiles_of(part, levels), strict=True):
            found[level][start : start + rows] = values
    return found


def _quantiles_of(stack: Any, levels: Sequence[float]) -> Any:
    """Quantiles along the first axis by linear interpolation, NaN left out."""
    ordered = np.sort(stack, axis=0)  # NaN last
    known = (~np.isnan(ordered)).sum(axis=0)
    found = np.empty((len(levels), *stack.shape[1:]))
    for values, level in zip(found, levels, strict=True):
        position = level * np.maximum(known - 1, 0)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(known - 1, 0))
        low, high = (np.take_along_axis(ordered, k[None], 0)[0] for k in (below, above))
        values[...] = low + (high - low) * (position - below)
    return found


def _of_labels(results: Iterable[Any]) -> LabelEnsemble:
    """Probabilities of labels, from one count of each pixel for each label."""
    counts: dict[Any, Any] = {}
    number, dtype = 0, np.dtype(bool)
    for image in _images(results):
        if image.dtype.kind == "f":
            raise TypeError(
                f"`results[{number}]` must hold labels, bool or integers, got dtype {image.dtype}"
            )
        dtype = np.result_type(dtype, image.dtype) if number else image.dtype
        for label in np.unique(image).tolist():
            if label not in counts and len(counts) == _MOST_LABELS:
                raise ValueError(
                    f"`results` must have at most {_MOST_LABELS} labels; set categorical=False for "
                    "intensities"
                )
            count = counts.setdefault(label, np.zeros(image.shape, np.int32))
            count += image == label
        number += 1
    labels = sorted(counts)
    probability = np.array([counts[label] for label in labels]) / number
    logarithm = np.log2(probability, out=np.zeros_like(probability), where=probability > 0)
    entropy = np.maximum(-(probability * logarithm).sum(axis=0), 0)
    most_likely = np.array(labels, dtype)[probability.argmax(axis=0)]
    return LabelEnsemble(number, tuple(labels), probability, entropy, most_likely)


def _checked_quantiles(quantiles: Any) -> list[float]:
    """Numbers from 0 to 1, ascending."""
    if not validation.is_sequence(quantiles):
        raise TypeError(f"`quantiles` must be a list of numbers from 0 to 1, got {quantiles!r}")
    found = sorted({validation.non_negative("quantiles", each) for each in quantiles})
    if found and found[-1] > 1:
        raise ValueError(f"`quantiles` must be numbers from 0 to 1, got {found[-1]}")
    return found
