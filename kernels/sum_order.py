"""The order in which the values of a patch are summed, see `protocol`, for kernels in Python."""

from collections.abc import Callable
from typing import Any

from pnncupy.kernels.protocol import Array


def powers(count: int) -> list[tuple[int, int]]:
    """Parts (first, length) of `count` values: its powers of two, from the largest down."""
    parts, first = [], 0
    for k in reversed(range(count.bit_length())):
        if count >> k & 1:
            parts.append((first, 1 << k))
            first += 1 << k
    return parts


def tree_sum(add: Callable[[Any, Any], Any]) -> Callable[[Array, int], Any]:
    """Make the function that sums the first `count` values of an array, which are used up.

    Written so that Numba's compilers take it, too.
    """

    def total_of(values: Array, count: int) -> Any:
        power = 1
        while 2 * power <= count:
            power *= 2
        first = 0
        total = values[0]
        while power > 0:
            if count & power:
                step = 1
                while step < power:
                    for k in range(first, first + power, 2 * step):
                        values[k] = add(values[k], values[k + step])
                    step *= 2
                total = values[first] if first == 0 else add(total, values[first])
                first += power
            power //= 2
        return total

    return total_of
