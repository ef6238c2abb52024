"""All descriptors of one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.engine.transfer import on_engine_device
from pnncupy.metrics.clusters import (
    ClusterCorrelation,
    ConnectivityFunction,
    cluster_functions,
)
from pnncupy.metrics.line_segments import ChordLengths, LinealPath, chord_lengths, lineal_path
from pnncupy.metrics.materials import TwoPointCorrelation, two_point_correlation
from pnncupy.metrics.minkowski import SurfaceArea, euler_characteristic, surface_area
from pnncupy.metrics.phases import (
    Phase,
    checked_distance,
    checked_phase,
    counts,
    in_phase,
    labels_of,
    one_value_per_pixel,
)
from pnncupy.metrics.representative_size import RevCurve, rev_curve
from pnncupy.metrics.thickness import ThicknessDistribution, thickness_distribution
from pnncupy.metrics.variograms import Variogram, variogram
from pnncupy.parameter_hints import hint_at_names

# An image with more labels than this is rather one of intensities.
_MOST_PHASES = 32


class Curve(NamedTuple):
    """One descriptor of a phase as a curve.

    Attributes
    ----------
    descriptor : str
    phase : int, bool or None
        None for the values of the image themselves.
    x, y : (n,) NumPy arrays
        Distances in pixels, and the values there.
    """

    descriptor: str
    phase: Phase | None
    x: Any
    y: Any


class Value(NamedTuple):
    """One descriptor of a phase as a number: descriptor, phase and value."""

    descriptor: str
    phase: Phase | None
    value: float


@dataclass(frozen=True)
class PhaseDescription:
    """All descriptors of one phase.

    Attributes
    ----------
    phase : int or bool
    fraction : float
        Share of the image.
    two_point : TwoPointCorrelation
        In all directions.
    two_point_along : tuple of TwoPointCorrelation
        Along each axis.
    cluster : ClusterCorrelation
    lineal_path : LinealPath
    chord_lengths : ChordLengths
    thickness : ThicknessDistribution
    surface : SurfaceArea
    euler_characteristic : int
    connectivity : ConnectivityFunction
    rev : RevCurve
    """

    phase: Phase
    fraction: float
    two_point: TwoPointCorrelation
    two_point_along: tuple[TwoPointCorrelation, ...]
    cluster: ClusterCorrelation
    lineal_path: LinealPath
    chord_lengths: ChordLengths
    thickness: ThicknessDistribution
    surface: SurfaceArea
    euler_characteristic: int
    connectivity: ConnectivityFunction
    rev: RevCurve

    def curves(self) -> list[Curve]:
        """The descriptors that are functions of a distance, all at 0 or 1 to R pixels."""
        distance = self.two_point.distance
        chords = np.zeros(len(distance) - 1)
        found = self.chord_lengths.probability[: len(chords)]
        chords[: len(found)] = found
        thicker = np.array(
            [self.thickness.share[self.thickness.thickness > each].sum() for each in distance]
        )
        return [
            Curve(name, self.phase, x, y)
            for name, x, y in [
                ("two-point correlation", distance, self.two_point.probability),
                *(
                    (f"two-point correlation, axis {axis}", distance, each.probability)
                    for axis, each in enumerate(self.two_point_along)
                ),
                ("two-point cluster function", distance, self.cluster.probability),
                ("lineal path", distance, self.lineal_path.probability),
                ("chord lengths", distance[1:], chords),
                ("share thicker than", distance, thicker),
                ("connectivity function", distance, self.connectivity.probability),
                ("variance of windows", self.rev.size, self.rev.variance),
            ]
        ]

    def values(self) -> list[Value]:
        """The descriptors that are numbers."""
        return [
            Value(name, self.phase, float(value))
            for name, value in [
                ("fraction", self.fraction),
                ("mean chord length", self.chord_lengths.mean),
                ("mean thickness", self.thickness.mean),
                ("boundary per pixel", self.surface.density),
                ("Euler characteristic", self.euler_characteristic),
                ("clusters", self.connectivity.clusters),
                ("connected pairs", self.connectivity.gamma),
            ]
        ]


@dataclass(frozen=True)
class Description:
    """All descriptors of one image.

    Attributes
    ----------
    phases : tuple of PhaseDescription
    variogram : Variogram or None
        Of intensities; None for labels.
    """

    phases: tuple[PhaseDescription, ...]
    variogram: Variogram | None

    def curves(self) -> list[Curve]:
        """The descriptors that are functions of a distance."""
        found = [curve for phase in self.phases for curve in phase.curves()]
        if self.variogram is not None:
            x, y, _ = self.variogram
            found.append(Curve("variogram", None, x, y))
        return found

    def values(self) -> list[Value]:
        """The descriptors that are numbers."""
        return [value for phase in self.phases for value in phase.values()]


@hint_at_names
@on_engine_device
def describe(
    image: Any,
    *,
    phases: Sequence[Phase] | None = None,
    threshold: float | None = None,
    largest_distance: int | None = None,
    periodic: bool | tuple[bool, ...] = False,
    connectivity: int = 1,
    sizes: int | None = None,
) -> Description:
    """All descriptors of an image: of each phase, and the variogram of intensities.

    Parameters
    ----------
    image : (H, W) or (Z, Y, X) array of any real dtype
        Labels; with a `threshold`, intensities. Floating-point images without one have a variogram
        only, and there NaN is unknown.
    phases : sequence of int or bool, optional
        The labels of the phases. Default: all labels of the image, at most 32.
    threshold : float, optional
        Makes two phases: whether ``image > threshold``.
    largest_distance : int, optional
        R in pixels, less than the smallest side. Default: half of that side.
    periodic : bool or tuple of bool, default False
        Whether the image wraps around: along all axes, or one value for each.
    connectivity : int, default 1
        As in `metrics.euler_characteristic`.
    sizes : int, optional
        As in `metrics.local_thickness`, which takes most of the time in large images.

    Returns
    -------
    Description

    Raises
    ------
    TypeError, ValueError
        As the descriptors; or there are too many labels, or `phases` is not a sequence of labels.

    Notes
    -----
    See the functions of the same names.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> y, x = np.mgrid[-20:20, -20:20]
    >>> disc = metrics.describe(y**2 + x**2 < 10**2, phases=[True]).phases[0]
    >>> disc.thickness.mean, disc.euler_characteristic, disc.connectivity.clusters
    (20.0, 1, 1)
    """
    values = one_value_per_pixel("image", image)
    wraps = validation.axes("periodic", periodic, values.ndim)
    shape = tuple(map(int, values.shape))
    reach = checked_distance(largest_distance, [shape], None, wraps)
    limit = None if threshold is None else validation.finite("threshold", threshold)
    of_values = None
    if limit is not None or values.dtype.kind == "f":
        of_values = variogram(values, largest_distance=reach, periodic=wraps)
    if limit is None and values.dtype.kind == "f":
        if phases is not None:
            labels_of("image", values, None)  # which says what is missing
        return Description((), of_values)
    labels = labels_of("image", values, limit)
    options: dict[str, Any] = {
        "reach": reach, "wraps": wraps, "connectivity": connectivity, "sizes": sizes
    }  # fmt: skip
    found = [
        _phase(arrays.on_host(in_phase(labels, phase)), phase, **options)
        for phase in checked_phases(phases, labels)
    ]
    return Description(tuple(found), of_values)


def checked_phases(phases: Any, labels: Any) -> list[Phase]:
    """The labels of the phases to describe."""
    if phases is None:
        found = sorted(counts(labels))
        if len(found) > _MOST_PHASES:
            raise ValueError(
                f"`image` must have at most {_MOST_PHASES} labels, got {len(found)}; name some by "
                "`phases`, or give a `threshold` if it holds intensities"
            )
        return found
    if not validation.is_sequence(phases) or len(phases) == 0:
        raise TypeError(
            f"`phases` must be a list of one or more labels, got {validation.shortened(phases)}"
        )
    return [checked_phase(each, labels) for each in phases]


def _phase(
    inside: Any, phase: Phase, *, reach: int, wraps: tuple[bool, ...], connectivity: int,
    sizes: int | None,
) -> PhaseDescription:  # fmt: skip
    """All descriptors of a phase."""
    far: dict[str, Any] = {"largest_distance": reach, "periodic": wraps}
    cluster, connected = cluster_functions(inside, reach, wraps, connectivity)
    return PhaseDescription(
        phase=phase,
        fraction=int(inside.sum()) / inside.size,
        two_point=two_point_correlation(inside, **far),
        two_point_along=tuple(
            two_point_correlation(inside, axis=axis, **far) for axis in range(inside.ndim)
        ),
        cluster=cluster,
        lineal_path=lineal_path(inside, **far),
        chord_lengths=chord_lengths(inside, periodic=wraps),
        thickness=thickness_distribution(inside, periodic=wraps, sizes=sizes),
        surface=surface_area(inside, periodic=wraps),
        euler_characteristic=euler_characteristic(
            inside, periodic=wraps, connectivity=connectivity
        ),
        connectivity=connected,
        rev=rev_curve(inside, periodic=wraps),
    )
