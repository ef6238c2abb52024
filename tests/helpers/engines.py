"""The engines that tests run on."""

import pytest

ENGINES = ("numpy", "numba")
# Parameters of tests that take long with the engine of plain NumPy.
NUMPY_EXHAUSTIVE = (pytest.param("numpy", marks=pytest.mark.exhaustive), "numba")
