"""Powers of two of negative numbers in float32, with the same bits on every engine.

``2**t = 2**n * p(t - n)`` with n the integer nearest to t, and p a polynomial of degree 5 with
p(0) = 1 whose relative error is below 2e-7 (fitted by iteratively reweighted least squares). No
fused multiply-add; rounding of t itself adds up to 4e-8 |t|.
"""

from typing import Any

import numpy as np

from pnncupy.kernels.protocol import Array

# From the highest power down. Each is a float32 number.
EXP2_COEFFICIENTS = (
    0.001326472731307149, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253,
    0.6931470036506653, 1.0,
)  # fmt: skip
# Smaller results would not be normal numbers.
LEAST_EXPONENT = -126.0
# Adding 1.5 * 2**23 and subtracting it rounds to an integer, half to even.
ROUND_TO_INTEGER = 12582912.0
MANTISSA_BITS = 23


def exp2(power: Array, xp: Any = np) -> Array:
    """2 to the power of float32 numbers up to 0; below -126 as of -126."""
    power = xp.maximum(power, xp.float32(LEAST_EXPONENT))
    magic = xp.float32(ROUND_TO_INTEGER)
    whole = (power + magic) - magic
    rest = power - whole
    total = xp.full_like(power, EXP2_COEFFICIENTS[0])
    for coefficient in EXP2_COEFFICIENTS[1:]:
        total = total * rest + xp.float32(coefficient)
    exponent = whole.astype(xp.int32) << xp.int32(MANTISSA_BITS)
    return (total.view(xp.int32) + exponent).view(xp.float32)
