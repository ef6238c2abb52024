"""Distance of the distributions of patches, scale by scale."""

from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import ChannelAxis, check_fits_patch
from pnncupy.images.pyramid import fitting_levels, planes_pyramid
from pnncupy.images.result_images import check_one_source, for_each_result
from pnncupy.metrics.common import pair_of_planes, scaled_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.rng import seed_sequence
from pnncupy.search.patch_grid import PatchGrid

# Projections at a time: this number of float32 per pixel is held.
_GROUP = 8
# Values of unfolded patches that are held at a time, 8 MB: large enough for a fast product.
_UNFOLDED = 2**21


@hint_at_names
@on_engine_device
def patch_swd(
    source: Any,
    result: Any,
    *,
    patch_size: int = 7,
    scales: int = 3,
    projections: int = 128,
    rng: Any = 0,
    data_range: Any = None,
    channel_axis: ChannelAxis = "auto",
) -> Any:
    """Sliced Wasserstein distance of the patches of two images, at several scales.

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype
    result : (H, W) or (H, W, C) array with the channels of `source`, or several
        In the units of `source`; sizes may differ. Several are a list or a stack.
    patch_size : int, default 7
        Side p of a patch, at least 2.
    scales : int, default 3
        Full size, half of it, a quarter and so on; each must hold a patch.
    projections : int, default 128
        Random directions that the patches are projected on; more of them, less noise.
    rng : None, int, SeedSequence, BitGenerator or Generator, default 0
        Seed of the directions: the same ones for every scale and engine.
    data_range : (float, float), optional
        What counts as 0 and 1. Default: 0 to 255 for uint8, 0 to 1 for bool, else the smallest
        and largest value of `source`.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of 3-D arrays.

    Returns
    -------
    tuple of float, or list of them for several results
        One for each scale, from full size to the coarsest: the Wasserstein-1 distance of the
        projected patches, mean over directions, in units of the value range. 0 if both images
        have the same patches, each as often.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        An argument has a wrong value or shape; for too many `scales` it says how many fit.

    Notes
    -----
    Rabin et al. 2012, doi:10.1007/978-3-642-24785-9_37; over image scales as in Karras et al.
    2018, doi:10.48550/arXiv.1710.10196, but on the images themselves instead of Laplacian
    pyramids, on all patches, and with values that are not normalised, so that figures are not
    comparable with theirs. Each 1-D distance is exact, also for different numbers of patches.
    Unlike `coherence` it counts how often patches occur.

    With n patches the cost is O(projections n (C p**2 + log n)), memory O(n).

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30))
    >>> metrics.patch_swd(source, source, patch_size=3, scales=2)
    (0.0, 0.0)
    """
    size = validation.integer("patch_size", patch_size, 2)
    count = validation.integer("scales", scales, 1)
    number = validation.integer("projections", projections, 1)
    seed = seed_sequence(rng)
    check_one_source(source)

    def measure(image: Any, name: str) -> tuple[float, ...]:
        pair = pair_of_planes(source, image, channel_axis, name=name)
        _check_scales(pair, name, size, count)
        directions = _directions(pair[0], number, size, seed)
        scaled = scaled_planes(pair[:1], pair[1], data_range)
        pyramids = [planes_pyramid(each, count - 1, 0.5) for each in scaled]
        return tuple(
            _distance(here, there, directions, size) for here, there in zip(*pyramids, strict=True)
        )

    return for_each_result(measure, source, result, channel_axis)


def _directions(planes: Array, number: int, patch_size: int, seed: Any) -> Array:
    """Random unit vectors, (number, C p**2) float32."""
    drawn = np.random.default_rng(seed).standard_normal((number, patch_size**2 * planes.shape[0]))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return arrays.namespace(planes).asarray(drawn.astype(np.float32))


def _check_scales(pair: tuple[Array, Array], name: str, patch_size: int, scales: int) -> None:
    for whose, planes in zip(("source", name), pair, strict=True):
        check_fits_patch(whose, planes, patch_size)
    shapes = [tuple(planes.shape[1:]) for planes in pair]
    most = fitting_levels(shapes, patch_size, 0.5) + 1
    if scales > most:
        raise ValueError(
            f"`scales` must be at most {most} with `patch_size` = {patch_size} and images of "
            f"{shapes[0]} and {shapes[1]} pixels, got {scales}"
        )


def _distance(source: Array, result: Array, directions: Array, patch_size: int) -> float:
    """Sliced Wasserstein distance of the patches of two planar float32 images."""
    xp = arrays.namespace(source)
    count = directions.shape[0]
    quantiles = None
    total = 0.0
    for first in range(0, count, _GROUP):
        group = directions[first : first + _GROUP]
        pair = [xp.sort(_projected(each, group, patch_size), axis=1) for each in (source, result)]
        if quantiles is None:
            quantiles = _Quantiles(pair[0].shape[1], pair[1].shape[1], xp)
        total += sum(quantiles.distance(a, b) for a, b in zip(*pair, strict=True))
    return float(total / count)


def _projected(planes: Array, directions: Array, patch_size: int) -> Array:
    """Products of all patches with some directions, (directions, patches) float32.

    Patches are unfolded some rows at a time: all at once they would take p**2 images.
    """
    xp = arrays.namespace(planes)
    channels = planes.shape[0]
    height, width = PatchGrid.of(planes, patch_size).shape
    step = max(1, _UNFOLDED // (channels * patch_size**2 * width))
    bands = []
    for top in range(0, height, step):
        bottom = min(top + step, height)
        unfolded = xp.concat(
            [
                planes[:, top + row : bottom + row, column : column + width]
                for row in range(patch_size)
                for column in range(patch_size)
            ]
        )
        columns = xp.reshape(unfolded, (unfolded.shape[0], (bottom - top) * width))
        bands.append(xp.matmul(directions, columns))
    return xp.concat(bands, axis=1)


class _Quantiles:
    """Wasserstein-1 distances of sorted samples of two fixed sizes.

    It is the integral of the distance of the two quantile functions, which are steps of the width
    1/n and 1/m: where they end depends on the sizes only. In units of 1/(n m) all is integer.
    """

    def __init__(self, n: int, m: int, xp: Any) -> None:
        self._xp = xp
        self._equal = n == m
        if self._equal:
            return
        ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
        self._places = [xp.asarray((ends - 1) // step) for step in (m, n)]
        self._widths = xp.asarray(np.diff(ends, prepend=0) / (n * m))

    def distance(self, a: Array, b: Array) -> float:
        """Of two sorted 1-D arrays."""
        xp = self._xp
        a, b = xp.astype(a, xp.float64), xp.astype(b, xp.float64)
        if self._equal:
            return float(xp.mean(xp.abs(a - b)))
        a, b = (xp.take(each, place) for each, place in zip((a, b), self._places, strict=True))
        return float(xp.sum(xp.abs(a - b) * self._widths))
