"""Argument checks.

Every message names the parameter, the rule and what was given.
"""

import math
import operator
import os
from collections.abc import Sequence
from typing import Any

_SMALLEST_ALPHA, _LARGEST_ALPHA = 1e-30, 1e30
# Pixels are numbered by 32-bit integers.
MOST_PIXELS = 2**31 - 1


def integer(name: str, value: Any, minimum: int, rule: str = "") -> int:
    """An integer of at least `minimum`, of any integer type but bool; `rule` says it otherwise."""
    rule = rule or f"an integer of at least {minimum}"
    number = _index(value)
    if number is None:
        raise TypeError(f"`{name}` must be {rule}, got {described(value)}")
    if number < minimum:
        raise ValueError(f"`{name}` must be {rule}, got {number}")
    return number


def _index(value: Any) -> int | None:
    """A number of any integer type; None for bool and all else."""
    try:
        return None if _is_bool(value) else operator.index(value)
    except TypeError:
        return None


def _is_bool(value: Any) -> bool:
    """True or False, also as a number of an array library."""
    return isinstance(value, bool) or getattr(value, "dtype", None) == "bool"


def optional_integer(name: str, value: Any, minimum: int) -> int | None:
    """An integer of at least `minimum`, or None."""
    return None if value is None else integer(name, value, minimum)


def positive(name: str, value: Any, *, finite: bool = True) -> float:
    """A number above zero; infinity only where it has a meaning."""
    number = _real(name, value)
    if not number > 0 or (finite and math.isinf(number)):
        rule = "a finite number above 0" if finite else "a number above 0 (infinity is allowed)"
        raise ValueError(f"`{name}` must be {rule}, got {value!r}")
    return number


def completeness(name: str, value: Any) -> float:
    """`alpha` of the normalised score: a number whose reciprocal float32 holds, or infinity."""
    number = positive(name, value, finite=False)
    if not math.isinf(number) and not _SMALLEST_ALPHA <= number <= _LARGEST_ALPHA:
        raise ValueError(
            f"`{name}` must be between {_SMALLEST_ALPHA} and {_LARGEST_ALPHA}, or infinity, got "
            f"{value!r}"
        )
    return number


def non_negative(name: str, value: Any) -> float:
    """A finite number of at least zero."""
    number = _real(name, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"`{name}` must be a finite number of at least 0, got {value!r}")
    return number


def finite(name: str, value: Any) -> float:
    """A finite number; an integer stays one where float64 would round it."""
    number = _real(name, value)
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}")
    whole = _index(value)
    return number if whole is None or whole == number else whole


def number_of(text: str) -> float:
    """A number in words, see `finite`; ValueError for other words."""
    number = float(text)
    if not number.is_integer() or abs(number) < 2**53:
        return number
    try:
        return finite("number", int(text))
    except ValueError:  # with a point or an exponent
        return number


def _real(name: str, value: Any) -> float:
    if not isinstance(value, (str, bytes, complex)) and _may_be_real(value):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise TypeError(f"`{name}` must be a real number, got {described(value)}")


def _may_be_real(value: Any) -> bool:
    """Not bool, and no array, complex number or time span: `float` would take some of these."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    return not _is_bool(value) and kind in "iuf" and getattr(value, "ndim", 0) == 0


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """One of the given words."""
    if not isinstance(value, str) or value not in options:
        words = ", ".join(repr(option) for option in options)
        raise ValueError(f"`{name}` must be one of {words}, got {shortened(value)}")
    return value


def shape(name: str, value: Any, minimum: int | Sequence[int], axes: int = 2) -> tuple[int, ...]:
    """(height, width) or (depth, height, width) in pixels, each at least `minimum`.

    `minimum` may be one number for each axis.
    """
    least = [minimum] * axes if isinstance(minimum, int) else list(minimum)
    words = "(height, width), two" if axes == 2 else "(depth, height, width), three"
    shown = least[0] if len(set(least)) == 1 else tuple(least)
    rule = f"`{name}` must be {words} integers of at least {shown}"
    given = list(value) if is_sequence(value) else []
    sides = [side for side in map(_index, given) if side is not None]
    if not sides or len(sides) < len(given):
        raise TypeError(f"{rule}, got {described(value)}")
    if len(sides) != axes or any(map(operator.lt, sides, least)):
        raise ValueError(f"{rule}, got {shortened(value)}")
    if math.prod(sides) > MOST_PIXELS:
        raise ValueError(f"`{name}` must be at most {MOST_PIXELS} pixels, got {shortened(value)}")
    return tuple(sides)


def is_sequence(value: Any) -> bool:
    """A tuple, list or 1-D array: several things in an order, which sets do not have."""
    is_array = hasattr(value, "dtype") and getattr(value, "ndim", None) == 1
    return is_array or isinstance(value, (tuple, list))


def text(name: str, value: Any) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, got {described(value)}")
    if not value:
        raise ValueError(f"`{name}` must not be empty, got ''")
    return value


def optional_path(name: str, value: Any) -> None:
    """None or the name of a file."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"`{name}` must be a path or None, got {described(value)}")
    if isinstance(value, str) and not value:
        raise ValueError(f"`{name}` must not be empty, got ''")


def optional_callable(name: str, value: Any) -> None:
    """None or something that can be called."""
    if value is not None and not callable(value):
        raise TypeError(f"`{name}` must be callable or None, got {described(value)}")


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if _is_bool(value) and getattr(value, "ndim", 0) == 0:
        return bool(value)
    raise TypeError(f"`{name}` must be True or False, got {described(value)}")


def optional_flag(name: str, value: Any) -> bool | None:
    """None, True or False."""
    return None if value is None else flag(name, value)


def flags(name: str, value: Any) -> bool | tuple[bool, ...]:
    """True or False, or several of these in an order."""
    if not is_sequence(value):
        if not (_is_bool(value) and getattr(value, "ndim", 0) == 0):
            raise TypeError(
                f"`{name}` must be True or False, or one of these for each axis, got "
                f"{described(value)}"
            )
        return bool(value)
    for each in value:
        flag(name, each)
    return tuple(map(bool, value))


def axes(name: str, value: Any, count: int) -> tuple[bool, ...]:
    """Flags of the axes of an image, from one for all of them or one for each."""
    given = flags(name, value)
    if isinstance(given, bool):
        return (given,) * count
    if len(given) != count:
        raise ValueError(
            f"`{name}` must be True or False, or one of these for each of the {count} axes of the "
            f"image, got {shortened(value)}; channels do not count"
        )
    return given


def described(value: Any) -> str:
    """Value and its type, short enough for one line."""
    return f"{shortened(value)} of type {type(value).__name__}"


def shortened(value: Any) -> str:
    """Value, short enough for one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
