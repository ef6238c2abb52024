"""Memory limits: numbers of bytes as people write them."""

import math
import operator
import os
import re
from typing import Any

ENVIRONMENT_VARIABLE = "PNNCUPY_MAX_MEMORY"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([KMGT]?)(I?)B?", re.ASCII)


def parse_bytes(name: str, value: Any) -> int:
    """A number of bytes from an integer or from text such as "2G".

    Parameters
    ----------
    name : str
        What the number is called in messages.
    value : int or str
        Text may end in K, M, G or T (powers of 1000) or Ki, Mi, Gi or Ti (powers of 1024), with or
        without a B after it, in upper or lower case.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError
        It is neither an integer nor text.
    ValueError
        It is below 1, or no number of bytes.

    Examples
    --------
    >>> from pnncupy.memory_limit import parse_bytes
    >>> parse_bytes("max_bytes", "1.5G"), parse_bytes("max_bytes", "2 MiB")
    (1500000000, 2097152)
    """
    number: int | None
    rule = f'`{name}` must be a number of bytes of at least 1, such as 500000000 or "2G"'
    if isinstance(value, str):
        match = _NUMBER_AND_UNIT.fullmatch(value.strip().upper())
        if match is None or (match[3] and not match[2]):
            raise ValueError(f"{rule}, got {value[:60]!r}")
        unit = (1024 if match[3] else 1000) ** _POWERS[match[2]]
        number = math.floor(float(match[1]) * unit)
    else:
        try:
            number = operator.index(value)
        except TypeError:
            number = None
        if number is None or isinstance(value, bool):
            raise TypeError(f"{rule}, got an object of type {type(value).__name__}")
    if number < 1:
        raise ValueError(f"{rule}, got {value!r}")
    return number


def limit_from_environment() -> int | None:
    """The number of bytes in the environment variable PNNCUPY_MAX_MEMORY, or None without it.

    Raises
    ------
    ValueError
        It is set to what is no number of bytes.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    return parse_bytes(ENVIRONMENT_VARIABLE, value) if value else None


def checked_limit(max_memory: object) -> int | None:
    """The limit of a call in bytes: as given, or of the environment, or none."""
    if max_memory is None:
        return limit_from_environment()
    return parse_bytes("max_memory", max_memory)


def in_words(size: int) -> str:
    """A number of bytes for a message: exact where it is small, else three digits, rounded up."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        value = size / 1000**power
        if value >= 1:
            step = 10.0 ** (math.floor(math.log10(value)) - 2)
            rounded = math.ceil(round(value / step, 9)) * step
            return f"{rounded:.4g} {unit}"
    return f"{size} bytes"
