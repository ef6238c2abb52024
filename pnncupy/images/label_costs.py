"""Costs of confusing labels, and the planes whose squared differences they are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pnncupy import validation

# Relative to the largest cost: below it a pivot is rounding.
_TOLERANCE = 1e-9
_LARGEST_COST = 1e6

Rows = tuple[tuple[float, ...], ...]
LabelCosts = Mapping[Any, float] | Sequence[Sequence[float]]


def label_embedding(label_costs: Any, labels: Sequence[Any]) -> Rows | None:
    """Find vectors of the labels whose squared distances are their costs.

    Parameters
    ----------
    label_costs : mapping of labels to weights, (K, K) sequence or array, or None
        The cost of a pixel of label a against one of label b: the mean of their weights, of which
        those that are not given are 1, or the entry at (a, b), labels in rising order.
    labels : sequence of K labels, rising

    Returns
    -------
    tuple of R tuples of K floats, or None
        Row r holds coordinate r of all labels, where R < K, but at least 1; None without costs.

    Raises
    ------
    TypeError, ValueError
        `label_costs` has another form, unknown labels, or costs that are no squared distances.

    Notes
    -----
    The vectors are the rows of the Cholesky factor of the Gram matrix with the first label as the
    origin (Schoenberg 1935, doi:10.2307/1968654), in Python's floats, so that no library decides
    their bits.
    """
    if label_costs is None:
        return None
    costs = _matrix(label_costs, labels)
    count = len(labels)
    largest = max(max(row) for row in costs)
    if largest == 0 and count > 1:
        raise ValueError(
            "`label_costs` must not all be 0, as there would be nothing to compare, got "
            f"{validation.shortened(label_costs)}"
        )
    gram = [
        [(costs[0][row] + costs[0][column] - costs[row][column]) / 2 for column in range(1, count)]
        for row in range(1, count)
    ]
    columns = _factor(gram, _TOLERANCE * largest)
    if columns is None:
        raise ValueError(
            "`label_costs` must be squared distances, such as abs(a - b) or (a - b)**2 of ordered "
            "labels, got costs that no points have: add at least "
            f"{_missing_constant(costs):.3g} to all of them but the diagonal, or use weights"
        )
    rows = tuple((0.0, *column) for column in columns if any(column))
    return rows or ((0.0,) * count,)


def _matrix(label_costs: Any, labels: Sequence[Any]) -> list[list[float]]:
    """The costs of all pairs of labels."""
    count = len(labels)
    if isinstance(label_costs, Mapping):
        known = list(labels)
        foreign = [label for label in label_costs if label not in known]
        if foreign:
            raise ValueError(
                f"`label_costs` must have labels of the source only, got {foreign[0]!r}, which is "
                f"not among {known if count <= 10 else f'its {count}'}"
            )
        weights = [_cost(label_costs.get(label, 1.0)) for label in known]
        return [
            [0.0 if row == column else (weights[row] + weights[column]) / 2
             for column in range(count)]
            for row in range(count)
        ]  # fmt: skip
    rule = (
        "`label_costs` must be a mapping of labels to weights, or the costs of all pairs of the "
        f"{count} labels in rising order, ({count}, {count})"
    )
    if isinstance(label_costs, np.ndarray):
        label_costs = label_costs.tolist()
    if not validation.is_sequence(label_costs):
        raise TypeError(f"{rule}, got {validation.described(label_costs)}")
    rows = list(label_costs)
    if len(rows) != count or any(
        not validation.is_sequence(row) or len(row) != count for row in rows
    ):
        raise ValueError(f"{rule}, got {validation.shortened(label_costs)}")
    costs = [[_cost(value) for value in row] for row in rows]
    for row in range(count):
        if costs[row][row]:
            raise ValueError(
                f"`label_costs` must be 0 from a label to itself, got {costs[row][row]:g} for "
                f"{labels[row]}"
            )
        for column in range(row):
            if costs[row][column] != costs[column][row]:
                raise ValueError(
                    f"`label_costs` must be symmetric, got {costs[row][column]:g} and "
                    f"{costs[column][row]:g} for {labels[row]} and {labels[column]}"
                )
    return costs


def _cost(value: Any) -> float:
    cost = validation.non_negative("label_costs", value)
    if cost > _LARGEST_COST:
        raise ValueError(f"`label_costs` must be at most {_LARGEST_COST:g}, got {value!r}")
    return cost


def _factor(gram: list[list[float]], tolerance: float) -> list[list[float]] | None:
    """Columns of the Cholesky factor of a positive semidefinite matrix; None of another one."""
    size = len(gram)
    columns: list[list[float]] = []
    for pivot in range(size):
        rest = [
            gram[row][pivot] - math.fsum(column[row] * column[pivot] for column in columns)
            for row in range(size)
        ]
        if rest[pivot] <= tolerance:
            # The others fix the place of this label; what is left is rounding, or no point.
            if rest[pivot] < -tolerance or max(map(abs, rest[pivot:])) > math.sqrt(tolerance):
                return None
            columns.append([0.0] * size)
            continue
        root = math.sqrt(rest[pivot])
        columns.append([0.0 if row < pivot else rest[row] / root for row in range(size)])
    return columns


def _missing_constant(costs: list[list[float]]) -> float:
    """Constant that makes costs squared distances when it is added to them (Lingoes 1971)."""
    matrix = np.array(costs)
    centred = matrix - matrix.mean(axis=0) - matrix.mean(axis=1)[:, None] + matrix.mean()
    # Of the double-centred Gram matrix, -centred / 2, the lowest eigenvalue, twice.
    return float(np.linalg.eigvalsh(centred).max())
