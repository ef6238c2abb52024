"""Matches as words of 64 bits, which order by score, then by flat index."""

import numpy as np

from pnncupy.kernels.protocol import Array


def pack(values: Array, numbers: Array) -> Array:
    """Pack float32 values, not negative, and int32 numbers, not negative, into uint64 words."""
    words = values.ravel().view(np.uint32).astype(np.uint64).reshape(values.shape)
    words <<= np.uint64(32)
    words |= numbers.astype(np.uint64)
    return words


def unpack(words: Array) -> tuple[Array, Array]:
    """Values and numbers of words."""
    values = (words >> np.uint64(32)).astype(np.uint32).view(np.float32)
    return values, (words & np.uint64(0xFFFFFFFF)).astype(np.int32)
