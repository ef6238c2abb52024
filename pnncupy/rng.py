"""Random numbers: one independent, reproducible stream per sample, drawn on the host."""

from typing import Any

import numpy as np

from pnncupy import validation


def seed_sequence(rng: Any) -> np.random.SeedSequence:
    """The seed that a call starts from.

    Integers and seed sequences are taken as they are; a generator is advanced, so that two calls
    with the same generator differ; None takes fresh entropy from the system.
    """
    if rng is None:
        return np.random.SeedSequence()
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, (np.random.Generator, np.random.BitGenerator)):
        words = np.random.default_rng(rng).integers(0, 2**32, size=4, dtype=np.uint64)
        return np.random.SeedSequence([int(word) for word in words])
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer, list, tuple, np.ndarray)):
        raise TypeError(
            "`rng` must be None, a non-negative integer or a sequence of them, or a NumPy "
            f"SeedSequence, BitGenerator or Generator, got {validation.described(rng)}"
        )
    try:
        return np.random.SeedSequence(rng)
    except (TypeError, ValueError):
        raise ValueError(
            f"`rng` must hold non-negative integers, got {validation.shortened(rng)}"
        ) from None


def sample_seed(parent: np.random.SeedSequence, sample: int) -> np.random.SeedSequence:
    """Seed of one sample: the same whatever other samples are drawn, and where."""
    return np.random.SeedSequence(parent.entropy, spawn_key=(*parent.spawn_key, sample))


def sample_generator(parent: np.random.SeedSequence, sample: int) -> np.random.Generator:
    """Generator of one sample's noise."""
    return np.random.default_rng(sample_seed(parent, sample))


def stream(seed: np.random.SeedSequence) -> int:
    """Key of the hashed random numbers of approximate searches, below 2**32."""
    return int(seed.generate_state(1)[0])


def draw_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Standard normal numbers for a planar image (C, H, W), float64.

    They are drawn pixel by pixel, row by row, so that a seed means the same image wherever the
    channels of the caller's array lie.
    """
    drawn = generator.standard_normal((*shape[1:], shape[0]))
    return np.moveaxis(drawn, -1, 0)


def describe(parent: np.random.SeedSequence) -> Any:
    """The seed in plain types, for a record of the run.

    An integer or a list of them is what to pass as `rng` to get the same again; a spawned seed is
    a dictionary of the arguments ``entropy`` and ``spawn_key`` of its SeedSequence.
    """
    entropy: Any = parent.entropy
    if entropy is not None:
        entropy = int(entropy) if np.ndim(entropy) == 0 else [int(word) for word in entropy]
    if not parent.spawn_key:
        return entropy
    return {"entropy": entropy, "spawn_key": list(parent.spawn_key)}
