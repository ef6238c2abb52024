"""Cost of a call, estimated by trials on smaller images."""

import math
import time
import tracemalloc
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from pnncupy.engine import registry
from pnncupy.engine.transfer import arrays_among
from pnncupy.errors import Cancelled, LabelsHint
from pnncupy.images.missing import checked_nodata, split_missing, with_nan_missing
from pnncupy.images.planes import as_planes
from pnncupy.images.resize import resize
from pnncupy.patch_shape import patch_sides
from pnncupy.search.method import EXACT_BELOW
from pnncupy.synthesis.progress import Event
from pnncupy.tasks.automatic_sizes import AUTO, LARGEST_PATCH

# Pairs of the first trial, some 0.1 s on a CPU, and the power of the pixels that they grow with.
_FIRST_TRIAL = {"exact": (1e9, 2), "patchmatch": (2e7, 1)}
# Seconds that the last trial may take. Only a trial nearly as large as the call is a good one: what
# a search costs changes by leaps, as it compares pairs at some sizes and walks a tree at others.
_LAST_TRIAL = 8.0
# Its sides are larger than those of the one before by this factor at least, but for the call's:
# two trials that are nearly the same say little about the growth.
_LARGER = 1.25
# A trial that takes fewer seconds is run again: the first run may load kernels for its size.
_SHORT = 3.0
# Where the first trial takes long already, a second one has sides shorter by this factor.
_SMALLER = 1.6
# Least and largest power of the pixels that time grows with. The least is that of a search where
# each query patch costs the same, the largest that of one that compares all pairs.
_POWERS = {"exact": (1.0, 2.0), "patchmatch": (1.0, 1.0)}
# Arguments that look like sizes but are none.
_NO_IMAGES = (
    "data_range", "channel_weights", "label_costs", "periodic", "source_periodic", "patch_size",
    "downscale",
)  # fmt: skip


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
        For each image, with kernels that are loaded.
    loading : float
        Seconds that each process takes to load the engine and its kernels.
    compiling : float
        Seconds that kernels were compiled in this estimate; later processes load them from the
        disk.
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
    loading: float
    compiling: float
    megabytes: float
    scale: float


@dataclass(frozen=True)
class _Trial:
    """A call on smaller images, and what one realisation took.

    Attributes
    ----------
    scale : float
    given : dict
    planned, pairs : float
        Pairs of patches that the first event says, and those that the run has counted.
    first, seconds : float
        Seconds of the first run and of the last one, which is the same where there is one.
    effort : float
        Seconds of all processors in the last run, which other programs disturb less; on a GPU, its
        seconds.
    """

    scale: float
    given: Mapping[str, Any]
    planned: float
    pairs: float
    first: float
    seconds: float
    effort: float


def estimate(task: Callable[..., Any], given: Mapping[str, Any]) -> Estimate:
    """Find out what ``task(**given)`` will cost, in some seconds; the first argument is the source.

    The pairs of patches are counted; time and memory are those of trials with the same options on
    smaller images, each larger than the one before, up to the call itself if that takes seconds
    only. Memory grows with the pixels; how fast time grows is found from the last two trials, since
    it depends on the images how many pairs are compared.
    """
    with warnings.catch_warnings():
        # Samples have fewer values than the images of the call.
        warnings.simplefilter("ignore", LabelsHint)
        return _estimate(task, {**given, "progress": False})


def _estimate(task: Callable[..., Any], given: Mapping[str, Any]) -> Estimate:
    compiled = registry.compilation_seconds()
    # What only the first of two equal calls takes is loading or compilation.
    first, seconds = _timed(lambda: _first_event(task, given))
    loading = seconds - _timed(lambda: _first_event(task, given))[1]
    axes = _axes_of_space(given)
    trials = [_first_trial(task, given, first, axes)]
    while (scale := _next_scale(trials[-1], first.method, axes)) is not None:
        trials.append(_trial(task, given, first, scale))
    last = trials[-1]
    if len(trials) == 1 and last.scale < 1:
        with suppress(ValueError):  # too small for this call
            trials.insert(0, _trial(task, given, first, last.scale / _SMALLER))
    compiling = registry.compilation_seconds() - compiled
    loading += sum(trial.first - trial.seconds for trial in trials) - compiling
    short = [trial for trial in trials if trial.seconds < _SHORT]
    traced = (short or trials[:1])[-1]
    _, peak = _with_peak(lambda: _one(task, traced.given), first.engine)
    pixels = last.scale**-axes
    return Estimate(
        first.method, first.engine, first.samples, last.pairs * first.pairs / last.planned,
        last.seconds * pixels ** _power_of_time(trials, first.method, axes), max(0.0, loading),
        compiling, peak / traced.scale**axes / 2**20, last.scale,
    )  # fmt: skip


def _axes_of_space(given: Mapping[str, Any]) -> int:
    """Axes of space of a call's images: 2, or 3 of volumes."""
    source = next(arrays_among([next(iter(given.values()))]))
    return int(as_planes("source", source, given.get("channel_axis", "auto")).ndim) - 1


def _first_trial(
    task: Callable[..., Any], given: Mapping[str, Any], first: Event, axes: int
) -> _Trial:
    """The smallest trial that the call's arguments allow."""
    scale = _first_scale(first, given, axes)
    while True:
        try:
            return _trial(task, given, first, scale)
        except ValueError:
            # This number of levels, or so small a hole, does not fit into smaller images.
            if scale == 1:
                raise
            scale = min(1.0, 1.5 * scale)


def _trial(
    task: Callable[..., Any], given: Mapping[str, Any], first: Event, scale: float
) -> _Trial:
    """Run the call on images of a scale; twice if it is short or compiles kernels."""
    smaller = _scaled_call(given, first.method, scale)
    planned = (first if scale == 1 else _first_event(task, smaller)).pairs
    compiled = registry.compilation_seconds()
    given = {**given, "progress": False}
    info, seconds, effort = _one(task, smaller)
    before = seconds
    if seconds < _SHORT or registry.compilation_seconds() > compiled:
        info, seconds, effort = _one(task, smaller)
    if registry.on_device(first.engine):
        effort = seconds
    return _Trial(scale, smaller, planned, info["samples"][0]["pairs"], before, seconds, effort)


def _scaled_call(given: Mapping[str, Any], method: str, scale: float) -> dict[str, Any]:
    """The arguments of a call for smaller images."""
    words = [value for value in given.values() if isinstance(value, str)]
    # Labels and missing pixels have no means.
    sampled = bool(given.get("categorical")) or "nodata" in given or "nodata" in words
    sampled = sampled or any(map(_has_missing, arrays_among(given.values())))
    axes = _axes_of_space(given)
    smaller = {
        name: value if name in _NO_IMAGES else _scaled(value, scale, sampled, axes)
        for name, value in given.items()
    }
    if "grid" in given and not given.get("categorical"):
        smaller.setdefault("data_range", _ends(given))
    return smaller | {"method": method, "return_info": True}


def _ends(given: Mapping[str, Any]) -> tuple[float, float] | None:
    """Range of the known values of the sources, whose extremes a sample of them may not have."""
    nodata, axis = checked_nodata(given.get("nodata")), given.get("channel_axis", "auto")
    first = next(iter(given.values()))
    known = [
        split_missing("source", with_nan_missing(each), nodata, axis)[0]
        for each in (first if isinstance(first, (list, tuple)) else [first])
    ]
    low, high = min(float(each.min()) for each in known), max(float(each.max()) for each in known)
    return (low, high) if low < high else None


def _has_missing(array: Any) -> bool:
    """Test whether an array is masked or has NaN."""
    if isinstance(array, np.ma.MaskedArray):
        return True
    return array.dtype.kind == "f" and bool((array != array).any())


def _next_scale(trial: _Trial, method: str, axes: int) -> float | None:
    """Scale of a larger trial that surely ends in time; None if this one is large enough."""
    factor: float = (_LAST_TRIAL / trial.seconds) ** (1 / axes / _POWERS[method][1])
    scale = min(1.0, trial.scale * factor)
    return None if scale < min(1.0, trial.scale * _LARGER) or trial.scale == 1 else scale


def _power_of_time(trials: Sequence[_Trial], method: str, axes: int) -> float:
    """Return the power of the pixels that time grows with, from the last two trials."""
    least, largest = _POWERS[method]
    if len(trials) < 2:
        return largest
    before, last = trials[-2:]
    pixels = (last.scale / before.scale) ** axes
    return min(largest, max(least, math.log(last.effort / before.effort) / math.log(pixels)))


def _first_scale(first: Event, given: Mapping[str, Any], axes: int) -> float:
    """Side of the first trial's images over those of the call."""
    budget, power = _FIRST_TRIAL[first.method]
    scale = (budget / first.pairs) ** (1 / (axes * power))
    patch_size = given.get("patch_size", 7)
    sides = patch_sides(LARGEST_PATCH if patch_size == AUTO else patch_size, axes)
    for array in arrays_among(given.values()):
        for pixels, side in zip(array.shape[:axes], sides, strict=True):
            scale = max(scale, 4 * side / pixels)
    if first.method == "patchmatch":
        # Enough pairs that searches at full size are approximate, as those of the call.
        sources = list(arrays_among([next(iter(given.values()))]))
        queries = math.prod(given.get("shape") or sources[0].shape[:axes])
        keys = sum(math.prod(source.shape[:axes]) for source in sources)
        scale = max(scale, (4 * EXACT_BELOW / (keys * queries)) ** (0.5 / axes))
    return min(1.0, float(scale))


def _is_shape(given: Any, axes: int) -> bool:
    return (
        isinstance(given, (list, tuple))
        and len(given) == axes
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


def _one(task: Callable[..., Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], float, float]:
    """Synthesise one realisation; statistics of the run, its seconds, and those of processors."""
    single = {**given, "n": 1} if "n" in given else given
    start = time.process_time()
    made, seconds = _timed(lambda: task(**single))
    return made.info, seconds, time.process_time() - start


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds of the work."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _scaled(value: Any, scale: float, sampled: bool, axes: int) -> Any:
    """An argument for smaller images: images, masks, lists of them, and (height, width).

    Images are resized, or only `sampled`.
    """
    if scale == 1:
        return value
    if isinstance(value, (list, tuple)):
        if _is_shape(value, axes):
            return tuple(max(1, round(side * scale)) for side in value)
        return [_scaled(part, scale, sampled, axes) for part in value]
    if getattr(value, "ndim", 0) < 2:
        return value
    shape = tuple(max(1, round(side * scale)) for side in value.shape[:axes])
    places = [
        np.arange(new) * old // new for new, old in zip(shape, value.shape[:axes], strict=True)
    ]
    if value.dtype.kind == "b" and value.ndim == axes:
        # A hole stays one, however small.
        for axis, first in enumerate(places):
            value = np.logical_or.reduceat(value, first, axis=axis)
        return value
    if sampled:
        return value[np.ix_(*places)]
    small = resize(value, scale, shape, channel_axis=None if value.ndim == axes else -1)
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
