"""Connected clusters of a phase: how far they reach."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pnncupy import validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.displacements import Displacements, all_axes, pair_counts, ratio
from pnncupy.metrics.phases import (
    checked_axis,
    checked_connectivity,
    checked_distance,
    indicator,
)
from pnncupy.parameter_hints import hint_at_names


class ClusterCorrelation(NamedTuple):
    """Probability that two pixels at a distance are in one cluster.

    Attributes
    ----------
    distance : (R + 1,) int64 NumPy array
        0, 1, ... R pixels.
    probability : (R + 1,) float64 NumPy array
        The probability at each distance, 0 to 1; the first is the phase's share of the image.
    """

    distance: Any
    probability: Any


class ConnectivityFunction(NamedTuple):
    """Probability that two pixels of a phase are connected.

    Attributes
    ----------
    distance : (R + 1,) int64 NumPy array
        0, 1, ... R pixels.
    probability : (R + 1,) float64 NumPy array
        Share of the connected pairs among the pairs of pixels of the phase, 0 to 1; NaN at a
        distance without such a pair.
    gamma : float
        The same for all pairs of the image, at any distance; NaN without the phase.
    clusters : int
        Number of clusters.
    crosses : tuple of bool
        Whether a cluster reaches from one border to the opposite one, for each axis.
    """

    distance: Any
    probability: Any
    gamma: float
    clusters: int
    crosses: tuple[bool, ...]


@hint_at_names
@on_engine_device
def cluster_correlation(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    largest_distance: int | None = None,
    axis: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
    connectivity: int = 1,
) -> ClusterCorrelation:
    """Probability that two pixels at a distance are in the same cluster of a phase, C2(r).

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    largest_distance, axis, periodic
        As in `metrics.two_point_correlation`; clusters continue at the other border.
    connectivity : int, default 1
        Number of coordinates in which neighbours may differ: 1 for those that share a face (an
        edge, of 2-D images), up to the number of axes for those that share a corner.

    Returns
    -------
    ClusterCorrelation

    Raises
    ------
    TypeError, ValueError
        As `metrics.two_point_correlation`; or `connectivity` is not an integer from 1 to the
        number of axes.

    Notes
    -----
    Torquato, Beasley & Chiew 1988, doi:10.1063/1.454440. Pairs are counted as in
    `metrics.two_point_correlation`, cluster by cluster: exact. Cost O(pixels log pixels) for few
    clusters, and more where many large ones overlap in their bounding boxes.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> line = np.array([[1, 1, 0, 1]], bool)
    >>> metrics.cluster_correlation(line, axis=1, largest_distance=2).probability.round(3).tolist()
    [0.75, 0.333, 0.0]
    """
    inside = indicator(image, phase, threshold)
    grid = _grid(inside, largest_distance, axis, periodic)
    return _Clusters.of(inside, grid, checked_connectivity(connectivity, inside.ndim)).correlation()


@hint_at_names
@on_engine_device
def connectivity_function(
    image: Any,
    *,
    phase: Any = None,
    threshold: Any = None,
    largest_distance: int | None = None,
    axis: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
    connectivity: int = 1,
) -> ConnectivityFunction:
    """Probability that two pixels of a phase at a distance are connected inside of it.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of bool or integers; with a `threshold`, of any real dtype
        A label for each pixel.
    phase, threshold
        As in `metrics.two_point_correlation`.
    largest_distance, axis, periodic
        As in `metrics.two_point_correlation`; clusters continue at the other border.
    connectivity : int, default 1
        As in `metrics.cluster_correlation`.

    Returns
    -------
    ConnectivityFunction

    Raises
    ------
    TypeError, ValueError
        As `metrics.cluster_correlation`.

    Notes
    -----
    Renard & Allard 2013, doi:10.1016/j.advwatres.2011.12.001: the function is C2 over S2, and
    `gamma` is the sum of the squared sizes of the clusters over the square of the phase's size.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> line = np.array([[1, 1, 0, 1]], bool)
    >>> found = metrics.connectivity_function(line, axis=1, largest_distance=3)
    >>> found.probability.tolist(), round(found.gamma, 3), found.crosses
    ([1.0, 1.0, 0.0, 0.0], 0.556, (True, False))
    """
    inside = indicator(image, phase, threshold)
    grid = _grid(inside, largest_distance, axis, periodic)
    steps = checked_connectivity(connectivity, inside.ndim)
    return _Clusters.of(inside, grid, steps).connectivity()


def cluster_functions(
    inside: Any, largest_distance: int, wraps: tuple[bool, ...], connectivity: int
) -> tuple[ClusterCorrelation, ConnectivityFunction]:
    """Both functions of an indicator in all directions, for one count of the pairs."""
    grid = _grid(inside, largest_distance, None, wraps)
    found = _Clusters.of(inside, grid, checked_connectivity(connectivity, inside.ndim))
    return found.correlation(), found.connectivity()


@dataclass(frozen=True)
class _Clusters:
    """The clusters of an indicator.

    Attributes
    ----------
    inside : bool array
    grid : Displacements
    steps : int
        Coordinates in which neighbours may differ.
    numbers : integer array
        Number of the cluster of each pixel from 1 on, 0 outside.
    count : int
    connected : (R + 1,) array
        Pairs of pixels of one cluster at each distance.
    """

    inside: Any
    grid: Displacements
    steps: int
    numbers: Any
    count: int
    connected: Any

    @classmethod
    def of(cls, inside: Any, grid: Displacements, steps: int) -> "_Clusters":
        """Find the clusters and count their pairs."""
        numbers, count = clusters_of(inside, steps, grid.wraps)
        connected = grid.totals(_pairs_in_clusters(numbers, grid))
        return cls(inside, grid, steps, numbers, count, connected)

    def correlation(self) -> ClusterCorrelation:
        """Share of all pairs."""
        probability = self.connected / self.grid.totals(self.grid.pairs)
        return ClusterCorrelation(np.arange(self.grid.reach + 1), probability)

    def connectivity(self) -> ConnectivityFunction:
        """Share of the pairs of the phase."""
        in_phase = self.grid.totals(pair_counts(self.inside, self.grid))
        # As floats, which squares of large clusters do not leave.
        sizes = np.bincount(self.numbers.ravel(), minlength=1)[1:].astype(np.float64)
        total = float(sizes.sum())
        gamma = float((sizes**2).sum()) / total**2 if total else float("nan")
        return ConnectivityFunction(
            np.arange(self.grid.reach + 1), ratio(self.connected, in_phase), gamma, self.count,
            _crossings(self.inside, self.steps),
        )  # fmt: skip


def _grid(
    inside: Any, largest_distance: Any, axis: Any, periodic: bool | tuple[bool, ...]
) -> Displacements:
    """The displacements that are measured."""
    along = checked_axis(axis, inside.ndim)
    wraps = validation.axes("periodic", periodic, inside.ndim)
    reach = checked_distance(largest_distance, [inside.shape], along, wraps)
    return Displacements(inside.shape, all_axes(along, inside.ndim), reach, wraps)


def clusters_of(inside: Any, connectivity: int, wraps: tuple[bool, ...]) -> tuple[Any, int]:
    """Number the clusters of True from 1 on, 0 elsewhere; their number."""
    from scipy import ndimage

    structure = ndimage.generate_binary_structure(inside.ndim, connectivity)
    if not any(wraps):
        numbers, count = ndimage.label(inside, structure)
        return numbers, int(count)
    # The first pixels of a periodic axis again, behind its last ones.
    repeated = np.pad(inside, [(0, int(each)) for each in wraps], mode="wrap")
    numbers, count = ndimage.label(repeated, structure)
    own = numbers[tuple(slice(side) for side in inside.shape)]
    again = np.pad(own, [(0, int(each)) for each in wraps], mode="wrap")
    return _merged(own, numbers[numbers > 0], again[numbers > 0], int(count))


def _merged(numbers: Any, first: Any, second: Any, count: int) -> tuple[Any, int]:
    """Give clusters one number that have pixels in common."""
    from scipy.sparse import coo_array, csgraph

    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(count + 1, count + 1))
    parts = csgraph.connected_components(links, directed=False)[1]
    found, order = np.unique(np.where(numbers > 0, parts[numbers], -1), return_inverse=True)
    is_full = int(found[0] >= 0)
    return order.reshape(numbers.shape) + is_full, len(found) - 1 + is_full


def _pairs_in_clusters(numbers: Any, grid: Displacements) -> Any:
    """Pairs of pixels of one cluster, for each displacement."""
    from scipy import ndimage

    total = np.zeros(grid.pairs.shape)
    for number, box in enumerate(ndimage.find_objects(numbers), 1):
        part = grid.of_box(tuple(each.stop - each.start for each in box))
        if part is None:
            total += pair_counts(numbers == number, grid)
        else:
            total[grid.window(part)] += pair_counts(numbers[box] == number, part)
    return total


def _crossings(inside: Any, connectivity: int) -> tuple[bool, ...]:
    """Test for each axis whether a cluster touches both of its borders."""
    numbers, _ = clusters_of(inside, connectivity, (False,) * inside.ndim)
    found = []
    for axis in range(inside.ndim):
        first, last = numbers.take(0, axis), numbers.take(-1, axis)
        found.append(bool(np.intersect1d(first[first > 0], last[last > 0]).size))
    return tuple(found)
