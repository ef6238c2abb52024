"""Known pixels of an image, and the values that are shown black and white."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pnncupy.images.intensity_encoding import value_range
from pnncupy.images.missing import equal_to


def is_missing(image: Any, nodata: float | None) -> Any:
    """Mask of values that are NaN, infinite or `nodata`."""
    missing = ~np.isfinite(image)
    return missing if nodata is None else missing | equal_to(image, nodata)


def shown_range(
    images: Sequence[Any], nodata: float | None, data_range: Any = None
) -> tuple[float, float]:
    """The range given, or that of the dtype, or of the values that are known."""
    known = [each[~is_missing(each, nodata)] for each in images]
    some = [values for values in known if values.size]
    if data_range is None and not some:
        return 0.0, 1.0
    return value_range(some, data_range)
