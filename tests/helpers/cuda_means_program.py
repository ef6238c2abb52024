"""Weighted means of engine `numba-cuda` without a device; run by test_numba_cuda.py.

In Numba's simulator, or with a compute capability as argument, such as 9.0, from Numba's PTX.
"""

import sys

import numpy as np
from weighted_means import case_of, means

if sys.argv[1:]:
    import numba_on_host

    numba_on_host.install(tuple(map(int, sys.argv[1].split("."))))

from pnncupy.kernels import reference
from pnncupy.kernels.numba_cuda import device, nearest, weighted_mean

if sys.argv[1:]:
    numba_on_host.let_launch(device, nearest, weighted_mean)
weighted_mean.THREADS = 4
random = np.random.default_rng(7)
for case, columns, rows, pairs, bands, parts in (
    ((3, (4, 7), (4, 5), 3, 0.4, 2), 12, 1, 1e9, 16, 1024),
    ((1, (6, 5), (5, 6), 2, 0.1, 1), 8, 3, 60, 1, 1),
    ((2, (8, 7), (7, 8), 7, 0.5, 1), 8, 1, 1e9, 16, 2),
):
    weighted_mean._COLUMNS, weighted_mean._ROWS = columns, rows
    weighted_mean._PAIRS_PER_LAUNCH, weighted_mean._MOST_BANDS = pairs, bands
    weighted_mean._MANY_BLOCKS = parts
    request, value = case_of(random, *case)
    counted = []
    found = means(weighted_mean, request, value, tick=counted.append)
    for mine, expected in zip(found, means(reference, request, value), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert sum(counted) == 3 * found[0].size * np.prod(request.key_shape)
    print(case, "equal", flush=True)
