"""Cost of a call, estimated by trials on smaller images."""

import math
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from pnncupy.engine import registry
from pnncupy.engine.transfer import arrays_among
from pnncupy.errors import Cancelled
from pnncupy.images.resize import resize
from pnncupy.search.method import EXACT_BELOW
from pnncupy.synthesis.progress import Event

# Pairs of the trial run: some seconds' work on a CPU. Pairs grow with the fourth
# power of an image's side, or approximately searched with the second.
_TRIAL = {"exact": (3e10, 4), "patchmatch": (1e8, 2)}
# A second trial has sides shorter by this factor.
_SMALLER = 1.6
# A trial as long as that is not done again without the tracing of memory.
_LONG = 5.0
# Arguments that look like sizes but are none.
_NO_IMAGES = ("data_range", "channel_weights")


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of a call.

    Attributes
    ----------
    method, engine : str
        What the call takes where it may choose.
    samples : int
        Images it makes.
    pairs : float
        Pairs of patches that are compared for each image if nothing is saved; keys tried, if
        approximate.
    seconds : float
        For each image.
    megabytes : float
        Memory of the call at its peak, beyond its inputs; the device's, on a GPU.
    scale : float
        Side of the images of the trial over those of the call; 1 where the call itself was tried.
    """

    method: str
    engine: str
    samples: int
    pairs: float
    seconds: float
    megabytes: float
    scale: float


def estimate(task: Callable[..., Any], given: Mapping[str, Any]) -> Estimate:
    """Find out what ``task(**given)`` will cost, in some seconds; the first argument is the source.

    The pairs of patches are counted; time and memory are those of a trial with the same options on
    smaller images. Memory grows with the pixels; how fast time grows with the pairs is found
    by a second, smaller trial, since it depends on the images how many of them are compared. So the
    time is a guess that may be off by a factor of two.
    """
    first = _first_event(task, given)
    scale = _trial_scale(first, given)
    words = [value for value in given.values() if isinstance(value, str)]
    # Labels and missing pixels have no means.
    sampled = bool(given.get("categorical")) or "nodata" in given or "nodata" in words

    def scaled(scale: float) -> dict[str, Any]:
        smaller = {
            name: value if name in _NO_IMAGES else _scaled(value, scale, sampled)
            for name, value in given.items()
        }
        return smaller | {"method": first.method, "return_info": True}

    while True:
        trial = scaled(scale)
        try:
            small = first if scale == 1 else _first_event(task, trial)
            break
        except (
            ValueError
        ):  # this number of levels, or so small a hole, does not fit into smaller images
            if scale == 1:
                raise
            scale = min(1.0, 1.5 * scale)
    (info, seconds), peak = _with_peak(lambda: _one(task, trial), first.engine)
    if seconds < _LONG:
        info, seconds = _one(task, trial)
    growth = first.pairs / small.pairs
    power = 1.0
    if scale < 1 and first.method == "exact":
        power = _power_of_time(task, scaled(scale / _SMALLER), small.pairs, seconds)
    return Estimate(
        first.method, first.engine, first.samples, info["samples"][0]["pairs"] * growth,
        seconds * growth**power, peak / scale**2 / 2**20, scale,
    )  # fmt: skip


def _power_of_time(
    task: Callable[..., Any],
    smaller: Mapping[str, Any],
    pairs: float,
    seconds: float,
) -> float:
    """Return the power of the pairs that time grows with, from a trial and a smaller one.

    It is 1 where all pairs are compared, and 1/2 where each query patch costs the same.
    """
    try:
        fewer = _first_event(task, smaller).pairs
        _, less = _one(task, smaller)
    except ValueError:  # too small for this call
        return 1.0
    if not fewer < pairs:
        return 1.0
    return min(1.0, max(0.5, math.log(seconds / less) / math.log(pairs / fewer)))


def _trial_scale(first: Event, given: Mapping[str, Any]) -> float:
    """Side of the trial's images over those of the call."""
    budget, power = _TRIAL[first.method]
    scale = (budget / first.pairs) ** (1 / power)
    smallest = min(min(array.shape[:2]) for array in arrays_among(given.values()))
    scale = max(scale, 4 * given.get("patch_size", 7) / smallest)
    if first.method == "patchmatch":
        # Enough pairs that searches at full size are approximate, as those of the call.
        sources = list(arrays_among([next(iter(given.values()))]))
        queries = math.prod(given.get("shape") or sources[0].shape[:2])
        keys = sum(math.prod(source.shape[:2]) for source in sources)
        scale = max(scale, (4 * EXACT_BELOW / (keys * queries)) ** 0.25)
    return min(1.0, float(scale))


def _is_shape(given: Any) -> bool:
    return (
        isinstance(given, (list, tuple))
        and len(given) == 2
        and all(isinstance(side, int) for side in given)
    )


def _first_event(task: Callable[..., Any], given: Mapping[str, Any]) -> Event:
    """First event of the call itself, with what it plans."""
    seen: list[Event] = []

    def stop(event: Any) -> bool:
        seen.append(event)
        return False

    with suppress(Cancelled):
        task(**{**given, "callback": stop})
    return seen[0]


def _one(task: Callable[..., Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Synthesise one realisation; statistics of the run, and its seconds."""
    single = {**given, "n": 1} if "n" in given else given
    start = time.perf_counter()
    info = task(**single).info
    return info, time.perf_counter() - start


def _scaled(value: Any, scale: float, sampled: bool) -> Any:
    """An argument for smaller images: images, masks, lists of them, and (height, width).

    Images are resized, or only `sampled`.
    """
    if scale == 1:
        return value
    if isinstance(value, (list, tuple)):
        if _is_shape(value):
            return tuple(max(1, round(side * scale)) for side in value)
        return [_scaled(part, scale, sampled) for part in value]
    if getattr(value, "ndim", 0) < 2:
        return value
    height, width = (max(1, round(side * scale)) for side in value.shape[:2])
    rows, columns = (
        np.arange(new) * old // new
        for new, old in zip((height, width), value.shape[:2], strict=True)
    )
    if value.dtype.kind == "b" and value.ndim == 2:
        # A hole stays one, however small.
        return np.logical_or.reduceat(np.logical_or.reduceat(value, rows, axis=0), columns, axis=1)
    if sampled:
        return value[rows[:, None], columns]
    small = resize(value, scale, (height, width))
    if value.dtype.kind in "iu":
        limits = np.iinfo(value.dtype)
        small = np.clip(np.round(small), limits.min, limits.max)
    return small.astype(value.dtype)


def _with_peak(work: Callable[[], Any], engine: str) -> tuple[Any, int]:
    """A result, and the peak of the bytes of memory taken for it."""
    if registry.on_device(engine):
        pool = import_module("cupy").get_default_memory_pool()
        pool.free_all_blocks()
        before = pool.total_bytes()
        return work(), pool.total_bytes() - before
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
