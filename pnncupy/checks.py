"""Argument checks and the exceptions that a caller may want to catch.

Every message names the parameter, the rule and what was given.
"""

import math
import operator
import os
from collections.abc import Sequence
from typing import Any

_SMALLEST_ALPHA, _LARGEST_ALPHA = 1e-30, 1e30


class Cancelled(Exception):  # noqa: N818 - not an error: the caller asked for it
    """A callback returned False, so the run ended early."""


class EngineUnavailable(RuntimeError):  # noqa: N818 - says what it is
    """The engine asked for cannot run here; the message says why and what would help."""


class ImageReadError(ValueError):
    """A file is not a readable image, or not one image; the message says which and why."""


def integer(name: str, value: Any, minimum: int) -> int:
    """An integer of at least `minimum`, of any integer type but bool."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(
            f"`{name}` must be an integer of at least {minimum}, got {_describe(value)}"
        )
    if number < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}, got {number}")
    return number


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
    """A finite number."""
    number = _real(name, value)
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}")
    return number


def _real(name: str, value: Any) -> float:
    if not isinstance(value, (str, bytes, bool, complex)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise TypeError(f"`{name}` must be a real number, got {_describe(value)}")


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """One of the given words."""
    if not isinstance(value, str) or value not in options:
        words = ", ".join(repr(option) for option in options)
        raise ValueError(f"`{name}` must be one of {words}, got {value!r}")
    return value


def shape(name: str, value: Any, minimum: int) -> tuple[int, int]:
    """(height, width) in pixels, each at least `minimum`."""
    rule = f"`{name}` must be (height, width), two integers of at least {minimum}"
    try:
        sides = [] if isinstance(value, (str, bytes)) else [operator.index(side) for side in value]
    except TypeError:
        sides = []
    if not sides:
        raise TypeError(f"{rule}, got {_describe(value)}")
    if len(sides) != 2 or min(sides) < minimum:
        raise ValueError(f"{rule}, got {value!r}")
    return sides[0], sides[1]


def text(name: str, value: Any) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, got {_describe(value)}")
    if not value:
        raise ValueError(f"`{name}` must not be empty")
    return value


def optional_path(name: str, value: Any) -> None:
    """None or the name of a file."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"`{name}` must be a path or None, got {_describe(value)}")


def optional_callable(name: str, value: Any) -> None:
    """None or something that can be called."""
    if value is not None and not callable(value):
        raise TypeError(f"`{name}` must be callable or None, got {_describe(value)}")


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return bool(value)
    raise TypeError(f"`{name}` must be True or False, got {_describe(value)}")


def _describe(value: Any) -> str:
    """What was given, short enough for one line."""
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return f"{text} of type {type(value).__name__}"
