"""How a filled hole looks beside what is around it: its grain, and its border."""

from typing import Any

import numpy as np

# Pixels around a hole that it is compared with.
_RING = 12


def rectangle(shape: tuple[int, ...], share: float = 0.15) -> Any:
    """A hole in the middle that takes a share of the pixels, in the shape of the image."""
    mask = np.zeros(shape[:2], bool)
    sides = [round(side * share**0.5) for side in shape[:2]]
    first = [(side - own) // 2 for side, own in zip(shape[:2], sides, strict=True)]
    mask[tuple(slice(start, start + own) for start, own in zip(first, sides, strict=True))] = True
    return mask


def grain(image: Any, hole: Any) -> float:
    """Root mean squared Laplacian in a hole, without its border, over that of the ring around."""
    from scipy.ndimage import binary_dilation, binary_erosion

    inside = binary_erosion(hole, iterations=2)
    near = binary_dilation(hole, iterations=2)
    ring = binary_dilation(hole, iterations=_RING) & ~near
    squares = _laplacian(image) ** 2
    return float(np.sqrt(squares[inside].mean() / squares[ring].mean()))


def seam(image: Any, hole: Any) -> float:
    """Mean step across the border of a hole over the mean step near it."""
    from scipy.ndimage import binary_dilation, binary_erosion

    near = binary_dilation(hole, iterations=_RING // 2) & ~binary_erosion(
        hole, iterations=_RING // 2
    )
    across, beside = [], []
    values = np.atleast_3d(image).astype(float)
    for axis in (0, 1):
        steps = np.abs(np.diff(values, axis=axis)).mean(axis=2)
        first, second = (
            np.take(hole, range(start, hole.shape[axis] - 1 + start), axis=axis) for start in (0, 1)
        )
        close = np.take(near, range(hole.shape[axis] - 1), axis=axis)
        across.append(steps[first != second])
        beside.append(steps[(first == second) & close])
    return float(np.concatenate(across).mean() / np.concatenate(beside).mean())


def _laplacian(image: Any) -> Any:
    from scipy.ndimage import laplace

    values = np.atleast_3d(image).astype(float)
    return np.mean([laplace(values[..., channel]) for channel in range(values.shape[2])], axis=0)
