"""Common steps of measures: two images in one form, and lengths that FFTs like."""

from collections.abc import Sequence
from typing import Any

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.intensity_encoding import IntensityEncoding, value_range
from pnncupy.images.planes import ChannelAxis, as_planes


def finite_planes(
    name: str, image: Any, channel_axis: ChannelAxis, *, volumes: bool = False
) -> Array:
    """An image as finite (C, H, W) in its own dtype, or a volume where that is allowed."""
    planes = as_planes(name, image, channel_axis)
    if planes.ndim > 3 and not volumes:
        raise ValueError(
            f"`{name}` must be an image, got a volume of shape {tuple(image.shape)}; measure its "
            "slices one by one"
        )
    arrays.check_finite(name, image, arrays.namespace(image))
    return planes


def pair_of_planes(
    source: Any,
    result: Any,
    channel_axis: ChannelAxis,
    *,
    volumes: bool = False,
    name: str = "result",
) -> tuple[Array, Array]:
    """Source and result as finite (C, H, W) of one library and as many channels."""
    arrays.same_library(**{"source": source, name: result})
    source_planes = finite_planes("source", source, channel_axis, volumes=volumes)
    result_planes = finite_planes(name, result, channel_axis, volumes=volumes)
    if result_planes.ndim != source_planes.ndim:
        raise ValueError(
            f"`{name}` must have as many axes of space as `source`, {source_planes.ndim - 1}, got "
            f"{result_planes.ndim - 1}"
        )
    check_channels(name, result_planes, source_planes)
    return source_planes, result_planes


def check_channels(name: str, planes: Array, source_planes: Array) -> None:
    """Refuse images of different kinds."""
    if planes.shape[0] != source_planes.shape[0]:
        raise ValueError(
            f"`{name}` must have the channels of `source`, {source_planes.shape[0]}, got "
            f"{planes.shape[0]}; if they lie elsewhere, set `channel_axis`"
        )


def scaled_planes(sources: Sequence[Array], result: Array, data_range: Any) -> list[Array]:
    """Planes of the sources and the result as float32 in units of the sources' value range."""
    low, high = value_range(sources, data_range)
    scaled = []
    for name, planes in [*(("source", source) for source in sources), ("result", result)]:
        # Each in its own dtype: 64-bit integers are scaled in another way than floats.
        form = IntensityEncoding(planes.dtype, low, high, None)
        scaled.append(form.encode(planes, name))
    return scaled


def grey(planes: Array) -> Array:
    """Mean over the channels, (H, W) float64."""
    xp = arrays.namespace(planes)
    return xp.mean(xp.astype(planes, xp.float64), axis=0)


def fast_length(least: int) -> int:
    """A length of at least this with small prime factors: at most 16 times a power of two."""
    step = 1 << max(0, least.bit_length() - 4)
    return -(-least // step) * step
