"""Weighted means and diffusion of `numba-cuda` without a device; run by test_numba_cuda.py.

In Numba's simulator, or with a compute capability as argument, such as 9.0, from Numba's PTX.
"""

import math
import sys

import numpy as np
from weighted_means import case_of, means

if sys.argv[1:]:
    import numba_on_host

    numba_on_host.install(tuple(map(int, sys.argv[1].split("."))))

from pnncupy.kernels import reference
from pnncupy.kernels.numba_cuda import device, nearest, patchmatch, weighted_mean
from pnncupy.kernels.numba_cuda import engine as numba_cuda
from pnncupy.search.exact import SearchSettings
from pnncupy.synthesis.denoiser import Denoiser
from pnncupy.synthesis.problem import Source, SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule

if sys.argv[1:]:
    numba_on_host.let_launch(device, nearest, patchmatch, weighted_mean)
weighted_mean.THREADS = patchmatch.THREADS = 3
random = np.random.default_rng(7)
for case, columns, rows, pairs, bands, parts in (
    ((1, (6, 5), (5, 6), 2, 0.1, 3), 8, 3, 200, 1, 1),
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


def denoised(engine, sources, image):
    """Two steps of diffusion, the second of which starts from the keys of the first."""
    settings = SearchSettings(engine, 3, len(image), math.inf, threads=1)
    problem = SynthesisProblem(
        [Source([planes], []) for planes in sources], image.shape[1:], periodic=(True, False)
    )
    schedule = Schedule(0.5, 0, 1, 1, "sharp", "weighted_mean", True)
    run = SynthesisRun(problem, schedule, settings, ProgressReporter.silent())
    denoiser = Denoiser(run, 0)
    return denoiser.denoise(denoiser.denoise(image, 0.5), 0.1)


weighted_mean._COLUMNS, weighted_mean._ROWS = 12, 2
sources = [random.random((2, *shape), np.float32) for shape in ((4, 5), (3, 4))]
image = random.random((2, 3, 5), np.float32)
made, expected = (denoised(engine, sources, image) for engine in (numba_cuda, reference))
np.testing.assert_array_equal(made, expected)
print("images by diffusion are equal")
