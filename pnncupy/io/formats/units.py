"""Units of length, as image files name them."""

from fractions import Fraction

_METRES = {
    "pm": Fraction(1, 10**12),
    "Å": Fraction(1, 10**10),
    "angstrom": Fraction(1, 10**10),
    "nm": Fraction(1, 10**9),
    "um": Fraction(1, 10**6),
    "µm": Fraction(1, 10**6),
    "μm": Fraction(1, 10**6),  # with the Greek letter instead of the micro sign
    "micron": Fraction(1, 10**6),
    "microns": Fraction(1, 10**6),
    "mm": Fraction(1, 1000),
    "cm": Fraction(1, 100),
    "dm": Fraction(1, 10),
    "m": Fraction(1),
    "meter": Fraction(1),
    "metre": Fraction(1),
    "km": Fraction(1000),
    "in": Fraction(254, 10000),
    "inch": Fraction(254, 10000),
    "inches": Fraction(254, 10000),
    "ft": Fraction(3048, 10000),
    "ft (US survey)": Fraction(1200, 3937),
}


def converted(length: float, unit: str | None, to: str) -> float | None:
    """A length in another unit; None where either unit is unknown.

    Examples
    --------
    >>> converted(0.25, "µm", "cm")
    2.5e-05
    >>> converted(0.25, "degree", "cm")
    """
    if unit not in _METRES or to not in _METRES:
        return None
    return float(Fraction(length) * _METRES[unit] / _METRES[to])


def is_physical(unit: str | None) -> bool:
    """Test whether a unit is a physical one: given, and not pixels."""
    return bool(unit) and not str(unit).lower().startswith("pixel")
