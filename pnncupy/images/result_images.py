"""Results as measures and figures take them: one image, a list, or a stack along a first axis.

All measures take (source, result). Of several results they return a list with what they return of
one, but for those that compare the results with each other.
"""

from collections.abc import Callable
from typing import Any

from pnncupy.images.planes import MOST_CHANNELS, ChannelAxis, channel_axis_of


def for_each_result[Measured](
    measure: Callable[[Any, str], Measured],
    source: Any,
    result: Any,
    channel_axis: ChannelAxis = "auto",
) -> Any:
    """Measure one result, or each of several.

    Parameters
    ----------
    measure : callable
        Takes an image and its name in messages.
    source : array, or a list of them
    result : array or list of arrays
    channel_axis : int, None or "auto"

    Returns
    -------
    object or list
        What `measure` returns; a list of it for a list or a stack.

    Raises
    ------
    ValueError
        The arguments are in the wrong order, or `result` is empty.
    """
    if is_list(result):
        return [measure(image, name) for name, image in named_results(result)]
    first = source[0] if is_list(source) and source else source
    if is_stack(first, result, channel_axis):
        return [measure(image, name) for name, image in named_results(result)]
    check_order(source, result, channel_axis)
    return measure(result, "result")


def named_results(result: Any) -> list[tuple[str, Any]]:
    """Names and images of a list or a stack."""
    if len(result) == 0:
        raise ValueError("`result` must hold at least one image, got none")
    return [(f"result[{number}]", result[number]) for number in range(len(result))]


def is_list(images: Any) -> bool:
    """Test whether images are given one by one."""
    return isinstance(images, (list, tuple))


def is_stack(image: Any, images: Any, channel_axis: ChannelAxis) -> bool:
    """Test whether an array holds images like a given one along its first axis.

    It has one axis more, which are not the channels that it may have and the image not.
    """
    axes = getattr(image, "ndim", 0)
    if axes not in (2, 3, 4) or getattr(images, "ndim", 0) != axes + 1:
        return False
    if axes > 2 or channel_axis is None:
        return True
    shape: tuple[int, ...] = tuple(images.shape)
    if channel_axis == "auto":
        return shape[-1] > MOST_CHANNELS
    axis = channel_axis_of("result", shape, channel_axis)
    return axis is None or shape[axis] > 1


def check_one_source(source: Any) -> None:
    """Refuse several sources where there may be one."""
    if is_list(source):
        raise TypeError(
            f"`source` must be a NumPy or CuPy array, got {type(source).__name__} of "
            f"{len(source)}; the order is (source, result), where `result` may be several"
        )


def check_order(source: Any, result: Any, channel_axis: ChannelAxis) -> None:
    """Refuse a stack of results in front of their source."""
    if not is_list(source) and is_stack(result, source, channel_axis):
        raise ValueError(
            f"`source` must be one image, got shape {tuple(source.shape)} with a `result` of shape "
            f"{tuple(result.shape)}; the order is (source, result), where `result` may be several"
        )
