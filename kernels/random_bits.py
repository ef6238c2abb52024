"""Random numbers as a function of what they are for, the same on every engine.

A number is a hash of (stream, query patch, draw), so that it depends on no order, tile or thread.
All steps are 64-bit integer arithmetic on values below 2**32 with factors below 2**31: nothing
overflows, so NumPy, Numba and CUDA agree without a care for unsigned types.
"""

from typing import Any

_LOW_32_BITS = 0xFFFFFFFF


def mixed(value: Any) -> Any:
    """A hash of 32 bits (Wellons' search for low-bias hashes), of an integer or an int64 array."""
    value = value ^ value >> 15
    value = value * 0x2C1B3C6D & _LOW_32_BITS
    value = value ^ value >> 12
    value = value * 0x297A2D39 & _LOW_32_BITS
    return value ^ value >> 15


def combined(stream: Any, value: Any) -> Any:
    """A new hash of a hash and a non-negative integer."""
    return mixed((stream ^ value * 0x1E3779B1) & _LOW_32_BITS)


def drawn(stream: Any, first: Any, last: Any) -> Any:
    """An integer from first to last, both included."""
    return first + (stream * (last - first + 1) >> 32)
