"""Scores of realisations against what is true: of values and of labels."""

from typing import Any

import numpy as np


def crps(values: Any, truth: Any) -> Any:
    """Fair continuous ranked probability score of each value.

    The mean distance of the realisations to the truth, less half of their mean distance from each
    other over all pairs of two: without bias for any number of realisations (Ferro 2014,
    doi:10.1002/qj.2270).

    Parameters
    ----------
    values : (n, ...) float64 array
        The realisations, at least two.
    truth : float64 array of the shape of one

    Returns
    -------
    float64 array of the shape of `truth`
    """
    count = len(values)
    ranks = (2.0 * np.arange(1, count + 1) - count - 1).reshape(-1, *[1] * truth.ndim)
    # The sum over pairs is one over ordered values.
    apart = (ranks * np.sort(values, axis=0)).sum(axis=0) / (count * (count - 1))
    return np.abs(values - truth).mean(axis=0) - apart


def interval_rank(count: int, tail: int) -> int:
    """Rank k of the interval from the k-th smallest to the k-th largest of `count` values.

    Outside of it are, on each side, at most one in `tail` of the truths, if these are like the
    realisations. With fewer than ``tail - 1`` realisations it is all of their range.
    """
    return max(1, (count + 1) // tail)


def nominal_coverage(count: int, tail: int) -> float:
    """Probability that one more realisation is within the interval of `interval_rank`."""
    return 1 - 2 * interval_rank(count, tail) / (count + 1)


def coverage(values: Any, truth: Any, tail: int) -> float:
    """Share of the truth within the interval of `interval_rank`, its ends included."""
    ordered = np.sort(values, axis=0)
    rank = interval_rank(len(values), tail)
    return float(((ordered[rank - 1] <= truth) & (truth <= ordered[-rank])).mean())


def label_counts(values: Any, labels: Any) -> Any:
    """Number of the realisations (n, m) with each label at each pixel, (L, m) int64."""
    return np.stack([(values == label).sum(axis=0) for label in labels])


def brier(counts: Any, truth: Any, realisations: int) -> Any:
    """Fair Brier score of each label, (L,) float64 (Ferro 2014, doi:10.1002/qj.2270).

    Parameters
    ----------
    counts : (L, m) int64 array
        As from `label_counts`.
    truth : (m,) int64 array
        The number of the true label.
    realisations : int
        At least two.
    """
    share = counts / realisations
    is_true = truth == np.arange(len(counts))[:, None]
    fair = share * (1 - share) / (realisations - 1)
    return ((share - is_true) ** 2 - fair).mean(axis=1)


def log_score(counts: Any, truth: Any, realisations: int) -> float:
    """Mean of -log2 of the probability of the true label, by Laplace's rule of succession."""
    own = np.take_along_axis(counts, truth[None], axis=0)
    return float(-np.log2((own + 1) / (realisations + len(counts))).mean())


def confusion_matrix(truth: Any, found: Any, labels: int) -> Any:
    """Pixels with each true label (row) and each found one (column), (L, L) int64."""
    return np.bincount(truth * labels + found, minlength=labels**2).reshape(labels, labels)


def ratio(part: Any, whole: Any) -> Any:
    """Part of each whole; NaN where that is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole != 0)
