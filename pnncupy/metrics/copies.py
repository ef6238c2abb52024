"""Near copies: results that repeat the source, as a whole or in one large piece."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images import intensity_encoding
from pnncupy.images.planes import ChannelAxis, axes_of
from pnncupy.images.result_images import (
    check_one_source,
    for_each_result,
    is_list,
    named_results,
)
from pnncupy.metrics.common import pair_of_planes
from pnncupy.metrics.shift_search import best_shift
from pnncupy.parameter_hints import hint_at_names
from pnncupy.search.index_map import checked_index

# Above this a sample is called a near-copy of its source.
NEAR_COPY_DECIBELS = 30.0


class NearCopy(NamedTuple):
    """Share of a result that was copied from its source.

    Attributes
    ----------
    psnr : float
        Largest peak signal-to-noise ratio over all shifts, in decibels; infinity for a copy.
    shift : (int, int)
        The (rows, columns) where it is: ``result[y, x]`` is compared with
        ``source[y + rows, x + columns]``, modulo the side of what wraps around. Of volumes
        (slices, rows, columns).
    is_copy : bool
        Whether `psnr` is above `NEAR_COPY_DECIBELS`.
    region_pixels : int or None
        Pixels of the largest connected piece of the result whose pixels lie as they do in the
        source; None without an index map. It continues across borders that wrap around.
    region_share : float or None
        Its share of the result's pixels, 0 to 1.
    region_box : (int, int, int, int) or None
        Top, left, height and width of the box around it in the result, in pixels. Of volumes the
        first place along each of the three axes, then the three sides.
    """

    psnr: float
    shift: tuple[int, ...]
    is_copy: bool
    region_pixels: int | None
    region_share: float | None
    region_box: tuple[int, ...] | None


@hint_at_names
@on_engine_device
def near_copy(
    source: Any,
    result: Any,
    *,
    index: Any = None,
    largest_shift: int = 8,
    data_range: Any = None,
    channel_axis: ChannelAxis = "auto",
    periodic: bool | tuple[bool, ...] = False,
    source_periodic: bool | tuple[bool, ...] = False,
) -> Any:
    """Find out whether a result is nearly a copy of its source.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype, or a volume
    result : (H, W) or (H, W, C) array with the channels of `source`, a volume, or several
        In the units of `source`; sizes may differ. Several are a list or a stack.
    index : (H, W, 3) or (H, W, 2) integer array, of volumes (Z, Y, X, 4) or (Z, Y, X, 3), optional
        (0, row, column) or (row, column) of the source's pixel at each place, as tasks return it
        with ``return_index=True``; one for each of several results.
    largest_shift : int, default 8
        Most pixels of a shift along either axis, in both directions; without a shift the upper
        left corners coincide. Only overlaps of at least half of the
        smaller image count.
    data_range : (float, float), optional
        Lowest and highest possible value. Default: 0 to 255 for uint8, 0 to 1 for bool, else the
        smallest and largest value of `source`.
    channel_axis : int, None or "auto", default "auto"
        As in `pnncupy.nearest_patches`.
    periodic, source_periodic : bool, or one for each axis, default False
        Axes along which the result or the source wraps around. Every shift along them counts,
        whatever `largest_shift` is: what leaves on one side comes in again on the other. Compared
        is a whole period, or as much of the other image as that has pixels. Shifts without
        wrapping count too.

    Returns
    -------
    NearCopy, or list of NearCopy for several results
        Of shifts that are equally good, to 1e-9 dB, the shortest wins, then the one with fewer
        rows, then columns; of equal regions the one whose first pixel comes first.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape, no overlap is large enough, or `index` points
        outside of `source`.

    Notes
    -----
    The shifts that may be best are found by an FFT in float64, within its rounding errors, and
    only they are compared pixel by pixel. So the cost is O(pixels log pixels), unless very many
    shifts are equally good, as with constant images, and memory O(pixels).

    About one result in five of GPNN at moderate noise is a near-copy (Granot et al. 2022,
    doi:10.48550/arXiv.2103.15545, from the authors' own outputs). The region is the largest set
    of 4-connected pixels (6-connected voxels) with one displacement (row - y, column - x).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.near_copy(source, source[3:, 2:])[:3]
    (inf, (3, 2), True)
    >>> metrics.near_copy(source, np.roll(source, 12, axis=1), periodic=(False, True)).shift
    (0, -12)
    """
    reach = validation.integer("largest_shift", largest_shift, 0)
    check_one_source(source)

    def measure(image: Any, name: str) -> NearCopy:
        pair = pair_of_planes(source, image, channel_axis, volumes=True, name=name)
        limits = intensity_encoding.value_range(pair[:1], data_range)
        axes = pair[0].ndim - 1
        wraps = [
            validation.axes(name, given, axes)
            for name, given in (("periodic", periodic), ("source_periodic", source_periodic))
        ]
        best, shift = best_shift(*pair, reach, limits, *wraps)
        region: tuple[Any, Any, Any] = (None, None, None)
        if index is not None:
            own = index if name == "result" else _index_of(name, index, len(result))
            arrays.same_library(**{"index": own, name: image})
            region = largest_region(own, [pair[0].shape[1:]], pair[1].shape[1:], *wraps)
        return NearCopy(best, shift, best > NEAR_COPY_DECIBELS, *region)

    return for_each_result(measure, source, result, channel_axis)


def _index_of(name: str, index: Any, count: int) -> Any:
    """The index map of one of several results."""
    if not hasattr(index, "__len__") or len(index) != count:
        raise ValueError(
            f"`index` must hold an index map for each of the {count} results, got "
            f"{len(index) if hasattr(index, '__len__') else type(index).__qualname__}"
        )
    return dict(named_results(index))[name]


@hint_at_names
def translation_share(index: Any) -> Any:
    """Share of pixels that one translation of one source covers, connected or not, 0 to 1.

    Parameters
    ----------
    index : (H, W, 3) integer array, of volumes (Z, Y, X, 4), or several
        (source, row, column) of each pixel, as tasks return it with ``return_index=True``. Several
        are a list or a stack.

    Returns
    -------
    float, or list of float for several index maps

    Raises
    ------
    TypeError, ValueError
        `index` is no such array.

    Notes
    -----
    Cost O(H W log(H W)). A result with more than 0.6 is a copy to the eye, though its pixels may
    differ from those of the source at the same place.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> rows, columns = np.indices((20, 30))
    >>> metrics.translation_share(np.stack([0 * rows, rows + 2, columns], axis=-1))
    1.0
    """
    if is_list(index):
        return [_translation_share(f"index[{number}]", each) for number, each in enumerate(index)]
    arrays.library("index", index)
    if index.ndim in (4, 5) and index.shape[-1] == index.ndim - 1:
        return [_translation_share(f"index[{number}]", each) for number, each in enumerate(index)]
    return _translation_share("index", index)


def _translation_share(name: str, index: Any) -> float:
    """The share of one index map."""
    arrays.library(name, index)
    if index.ndim not in (3, 4) or index.shape[-1] != index.ndim or index.size == 0:
        raise ValueError(f"`{name}` must have the shape (H, W, 3), got {tuple(index.shape)}")
    if index.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must hold integers, got {index.dtype}")
    found = arrays.on_host(index).astype(np.int64)
    moves = found.reshape(-1, found.shape[-1])
    moves[:, 1:] -= np.indices(found.shape[:-1]).reshape(found.ndim - 1, -1).T
    low = np.min(moves, axis=0)
    sides = np.max(moves, axis=0) - low + 1
    _, counts = np.unique(
        np.ravel_multi_index(tuple((moves - low).T), tuple(sides)), return_counts=True
    )
    return float(np.max(counts)) / float(np.sum(counts))


def largest_region(
    index: Array, source_shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...],
    periodic: Sequence[bool] = (), source_periodic: Sequence[bool] = (),
) -> tuple[int, float, tuple[int, ...]]:  # fmt: skip
    """Pixels, share and box of the largest piece of one source with one displacement.

    Along axes where the result wraps around, pieces continue across the border; displacements count
    modulo the side of a source that wraps around, or else of such a result.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    axes = len(shape)
    with_source = index.ndim == axes + 1 and index.shape[-1] == axes + 1
    shapes = [tuple(each) for each in source_shapes]
    parts = checked_index("index", index, shapes, with_source, 1)
    if tuple(index.shape[:-1]) != tuple(shape):
        raise ValueError(
            f"`index` must have the {axes_of(shape)} of `result`, {tuple(shape)}, got "
            f"{tuple(index.shape[:-1])}"
        )
    source, *position = (arrays.on_host(part) for part in parts)
    moves = [place - own for place, own in zip(position, np.indices(shape), strict=True)]
    wraps, source_wraps = (tuple(flags) or (False,) * axes for flags in (periodic, source_periodic))
    for axis in range(axes):
        if source_wraps[axis]:
            moves[axis] = moves[axis] % np.array(shapes)[source, axis]
        elif wraps[axis]:
            moves[axis] = moves[axis] % shape[axis]
    numbers = np.arange(math.prod(shape)).reshape(shape)
    starts, ends = [], []
    for axis in reversed(range(axes)):
        whole = (slice(None),) * axis
        pairs = [((*whole, slice(None, -1)), (*whole, slice(1, None)))]
        if wraps[axis]:
            pairs.append(((*whole, slice(-1, None)), (*whole, slice(1))))
        for before, after in pairs:
            same = np.stack([each[before] == each[after] for each in (source, *moves)]).all(axis=0)
            starts.append(numbers[before][same])
            ends.append(numbers[after][same])
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.ones(edges[0].size, bool), edges), shape=(numbers.size, numbers.size))
    labels = connected_components(graph, directed=False)[1].reshape(shape)
    sizes: Any = np.bincount(labels.ravel())
    largest = labels == np.argmax(sizes)
    ends_of_box = [
        np.flatnonzero(np.moveaxis(largest, axis, 0).reshape(side, -1).any(axis=1))[[0, -1]]
        for axis, side in enumerate(shape)
    ]
    box = [int(first) for first, _ in ends_of_box]
    box += [int(last - first) + 1 for first, last in ends_of_box]
    pixels = int(sizes.max())
    return pixels, pixels / numbers.size, tuple(box)
