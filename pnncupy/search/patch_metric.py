"""Patch metric: the channels of an image, weighted, and guides beside them.

The distance of two patches is ``mean_c(w_c (q_c - k_c)**2) + sum_g(weight_g mean((q_g - k_g)**2))``
over their pixels: channels c of the image with their weights, and guides g, which never enter
the result. Searches know neither: they are given planes that were scaled so that their mean of
squared differences is just that.

Pixels of the result may have weights of their own, see `pixel_weights`; guides have none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.images.intensity_encoding import IntensityEncoding, value_range
from pnncupy.images.label_costs import Rows
from pnncupy.images.planes import ChannelAxis, as_planes, axes_of
from pnncupy.images.pyramid import Ratio, planes_pyramid
from pnncupy.search.pixel_weights import PixelWeights

_LARGEST_WEIGHT = 1e9


@dataclass(frozen=True)
class PatchMetric:
    """Metric of the patches of one call.

    Attributes
    ----------
    factors : (C, 1, 1) float32 array, or None
        What the channels are multiplied by; None is 1, without guides.
    embedding : R rows of K floats, or None
        Combinations of the planes that are compared in their place; see `label_embedding`.
    source_guides : sequence of sequences of (G, h, w) float32
        For each source and level the guides, scaled; empty without guides.
    target_guides : sequence of (G, h, w) float32
        For each level those of the result.
    pixels : PixelWeights, or None
        Weights of the pixels of results, for the planes as they are scaled; None is 1.
    """

    factors: Array | None = None
    source_guides: Sequence[Sequence[Array]] = ()
    target_guides: Sequence[Array] = ()
    pixels: PixelWeights | None = None
    embedding: Rows | None = None

    def key(self, planes: Array, source: int, level: int) -> Array:
        """Planes of a source at a level as they are compared."""
        guide = self.source_guides[source][level] if self.source_guides else None
        planes = self.scaled(planes)
        return self._joined(planes if self.pixels is None else self.pixels.key(planes), guide)

    def queries(self, images: Array, level: int) -> Array:
        """Images (B, C, h, w) of results at a level as they are compared."""
        guide = self.target_guides[level] if self.target_guides else None
        if guide is not None:
            xp = arrays.namespace(guide)
            guide = xp.broadcast_to(guide, (len(images), *guide.shape))
        images = self.scaled(images)
        if self.pixels is not None:
            images = self.pixels.queries(images, level)
        return self._joined(images, guide)

    def scaled(self, planes: Array) -> Array:
        """Planes of an image, or of a batch, times the factors of the channels."""
        if self.factors is None:
            return planes
        if self.embedding is not None:
            planes = embedded(planes, self.embedding, -self.factors.ndim)
        return planes * self.factors

    def _joined(self, planes: Array, guide: Array | None) -> Array:
        if guide is None or self.factors is None:
            return planes
        return arrays.namespace(planes).concat([planes, guide], axis=-self.factors.ndim)


def embedded(planes: Array, rows: Rows, axis: int) -> Array:
    """Combine the planes along an axis, row by row, summed in their order."""
    xp = arrays.namespace(planes)
    parts = xp.moveaxis(planes, axis, 0)
    combined = []
    for row in rows:
        total = xp.zeros_like(parts[0])
        for factor, part in zip(row, parts, strict=True):
            if factor:
                total = total + part * np.float32(factor)
        combined.append(total)
    return xp.ascontiguousarray(xp.stack(combined, axis=axis))


def checked_weights(
    channel_weights: Any, planes: Sequence[Array], known: Sequence[Array | None]
) -> Array | None:
    """Weights of the channels' squared differences (C,), or None for equal ones.

    `planes` are the sources in working form, `known` their pixels that are not missing.
    """
    if channel_weights is None:
        return None
    channels = planes[0].shape[0]
    if isinstance(channel_weights, str):
        if channel_weights != "std":
            raise ValueError(
                f'`channel_weights` must be None, "std" or one number for each of the {channels} '
                f"channels, got {channel_weights!r}"
            )
        return _reciprocal_variances(planes, known)
    if not validation.is_sequence(channel_weights):
        raise TypeError(
            f'`channel_weights` must be None, "std" or one number for each of the {channels} '
            f"channels, got {validation.shortened(channel_weights)}"
        )
    weights = np.array([_weight("channel_weights", weight) for weight in channel_weights])
    if len(weights) != channels:
        raise ValueError(
            f"`channel_weights` must have one number for each of the {channels} channels, got "
            f"{len(weights)}"
        )
    if not weights.any():
        raise ValueError(
            "`channel_weights` must not all be 0, as there would be nothing to compare, got "
            f"{validation.shortened(channel_weights)}"
        )
    return weights


def _weight(name: str, value: Any) -> float:
    """0, or a number whose effect float32 holds."""
    weight = validation.non_negative(name, value)
    if weight and not 1 / _LARGEST_WEIGHT <= weight <= _LARGEST_WEIGHT:
        raise ValueError(
            f"`{name}` must be 0 or a weight from {1 / _LARGEST_WEIGHT:g} to {_LARGEST_WEIGHT:g}, "
            f"got {value!r}"
        )
    return weight


def _reciprocal_variances(planes: Sequence[Array], known: Sequence[Array | None]) -> Array:
    """Weights that give every channel the same variance, the mean of what they have.

    Computed on the host, so that they have the same bits everywhere.
    """
    values = [
        arrays.on_host(image.reshape(len(image), -1) if mask is None else image[:, mask])
        for image, mask in zip(planes, known, strict=True)
    ]
    variances = np.concatenate(values, axis=1).astype(np.float64).var(axis=1)
    mean = variances.mean()
    return np.array([mean / variance if variance > 0 else 1.0 for variance in variances])


@dataclass(frozen=True)
class Guide:
    """One guide: planes in [0, 1] of each source and of the result, and its weight."""

    sources: Sequence[Array]
    target: Array
    weight: float


def checked_guides(
    guides: Any,
    source_shapes: Sequence[tuple[int, ...]],
    shape: tuple[int, ...],
    channel_axis: ChannelAxis,
    like: Array,
) -> list[Guide]:
    """The guides of a call in working form; each has a value range of its own."""
    if guides is None:
        return []
    rule = "`guides` must be a list of (source_guide, target_guide, weight)"
    if not isinstance(guides, (list, tuple)):
        raise TypeError(f"{rule}, got {validation.described(guides)}")
    found = []
    for number, guide in enumerate(guides):
        if not isinstance(guide, (list, tuple)):
            raise TypeError(f"{rule}, got {type(guide).__name__} at {number}")
        if len(guide) != 3:
            raise ValueError(f"{rule}, got {len(guide)} values at {number}")
        found.append(
            _checked_guide(f"guides[{number}]", guide, source_shapes, shape, channel_axis, like)
        )
    return found


def guide_axis(guide: Any, axes: int, channel_axis: ChannelAxis) -> ChannelAxis:
    """Axis of the channels of a guide for images with this number of axes of space.

    Where the images have no such axis, or it is not named, it is a guide's last one.
    """
    if isinstance(channel_axis, int):
        return channel_axis
    return None if getattr(guide, "ndim", axes) == axes else -1


def _checked_guide(
    name: str,
    guide: Sequence[Any],
    source_shapes: Sequence[tuple[int, ...]],
    shape: tuple[int, ...],
    channel_axis: ChannelAxis,
    like: Array,
) -> Guide:
    of_sources, of_target, weight = guide
    sources = list(of_sources) if isinstance(of_sources, (list, tuple)) else [of_sources]
    if len(sources) != len(source_shapes):
        raise ValueError(
            f"`{name}` must have a guide for each of the {len(source_shapes)} sources, got "
            f"{len(sources)}"
        )
    planes: list[Array] = []
    for image, wanted in zip([*sources, of_target], [*source_shapes, shape], strict=True):
        xp = arrays.same_library(**{name: image, "source": like})
        found = as_planes(name, image, guide_axis(image, len(wanted), channel_axis))
        arrays.check_finite(name, image, xp)
        if tuple(found.shape[1:]) != tuple(wanted):
            raise ValueError(
                f"`{name}` must have the {axes_of(wanted)} of what it guides, {tuple(wanted)}, got "
                f"{tuple(found.shape[1:])}"
            )
        if planes and (found.shape[0], found.dtype) != (planes[0].shape[0], planes[0].dtype):
            raise ValueError(
                f"`{name}` must have one dtype and number of channels, got {planes[0].dtype} with "
                f"{planes[0].shape[0]} and {found.dtype} with {found.shape[0]}"
            )
        planes.append(found)
    low, high = value_range(planes, None)
    form = IntensityEncoding(planes[0].dtype, low, high, None)
    working = [form.encode(each) for each in planes]
    return Guide(working[:-1], working[-1], _weight(name, weight))


def patch_metric(
    weights: Array | None, guides: Sequence[Guide], channels: int, levels: int, ratio: Ratio,
    like: Array, axes: int = 2, periodic: tuple[bool, ...] = (),
    source_periodic: tuple[bool, ...] = (), embedding: Rows | None = None,
) -> PatchMetric:  # fmt: skip
    """The scaled planes' parts, for a call of this many compared channels and levels.

    The guides of the result wrap around along `periodic` axes, those of the sources along
    `source_periodic` ones.
    """
    total = total_channels(guides, channels)
    if weights is None and not guides:
        return PatchMetric()
    xp = arrays.namespace(like)
    factors = np.sqrt((np.ones(channels) if weights is None else weights) * (total / channels))
    of_guides = [
        np.float32(math.sqrt(guide.weight * total / guide.target.shape[0])) for guide in guides
    ]

    def pyramid(parts: Sequence[Array], wraps: tuple[bool, ...]) -> list[Array]:
        scaled = [part * factor for part, factor in zip(parts, of_guides, strict=True)]
        joined = xp.ascontiguousarray(xp.concat(scaled, axis=0))
        return planes_pyramid(joined, levels, ratio, wraps)

    sources, target = [], []
    if guides:
        count = len(guides[0].sources)
        sources = [
            pyramid([guide.sources[number] for guide in guides], source_periodic)
            for number in range(count)
        ]
        target = pyramid([guide.target for guide in guides], periodic)
    shaped = xp.asarray(factors.astype(np.float32).reshape(-1, *(1,) * axes))
    return PatchMetric(shaped, sources, target, embedding=embedding)


def total_channels(guides: Sequence[Guide], channels: int) -> int:
    """Channels that are compared: those of the image and of all guides."""
    return channels + sum(int(guide.target.shape[0]) for guide in guides)
