"""Depth of the pyramid of a realisation, chosen by how far its noise moves patches."""

import numpy as np

from pnncupy import arrays
from pnncupy.metrics.copies import translation_share
from pnncupy.search.exact import search
from pnncupy.search.patch_grid import Layout
from pnncupy.synthesis.problem import SynthesisProblem, SynthesisRun
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.tasks.prepare import PreparedTask
from pnncupy.tasks.realisations import FirstGuess

# Patches that one translation may put back at the coarsest level. Of 16 photographs of scenes those
# with a larger share came back as copies at most seeds, and others did not.
_LARGEST_SHARE = 0.25
# Draws of the noise, and levels that may be left out.
_DRAWS, _MOST_FEWER = 4, 4


def chosen_depth(
    task: PreparedTask, problem: SynthesisProblem, first: FirstGuess
) -> tuple[int, list[float]]:
    """The deepest of the last levels whose noise moves patches, and the shares that it does not.

    At each level some guesses are drawn and searched once; the share is that of the patches which
    one translation of a source puts back. It depends on the sources and the noise alone.
    """
    deepest = task.schedule.levels
    shares = []
    for level in range(deepest, max(deepest - _MOST_FEWER, 0) - 1, -1):
        shares.append(round(_unmoved_share(task, problem, first, level), 4))
        if shares[-1] <= _LARGEST_SHARE:
            break
    return deepest - len(shares) + 1, shares


def _unmoved_share(
    task: PreparedTask, problem: SynthesisProblem, first: FirstGuess, level: int
) -> float:
    run = SynthesisRun(problem, task.schedule, task.settings, ProgressReporter.silent())
    keys, shape = run.keys(level, "sharp"), run.shape(level)
    layout, grid = Layout.of(keys), run.grid(shape)
    shares = []
    for seed in range(_DRAWS):
        generator = np.random.default_rng(seed)
        guess = first.from_noise(task, problem.sources[0].sharp[level], shape, generator)
        query = grid.wrapped(problem.queries(guess[None], level)[0])
        found = search(task.settings, query, keys, layout)
        places = layout.decode(found.index)
        shares.append(translation_share(arrays.namespace(found.index).stack(places, axis=-1)))
    return float(np.mean(shares))
