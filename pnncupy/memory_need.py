"""How much memory a synthesis takes, and how to take less.

The numbers were measured (`python -m bench memory`), as the growth of a process, and rounded up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pnncupy.memory_limit import in_words, limit_from_environment, parse_bytes

# Whatever the size.
_BASE = 4_000_000
# Bytes for each pixel of the result and of all sources: a fixed part, and one for each channel.
_RESULT, _RESULT_CHANNEL = 60, 25
_SOURCE, _SOURCE_CHANNEL = 50, 25
# Lists of best keys, which prove that matches stay, and what else is kept between steps.
_LISTS, _LISTS_CHANNEL = 140, 5
_APPROXIMATE = 10
# For each thread but the first, by the pixels of the sources.
_THREAD, _THREAD_CHANNEL = 4, 2


@dataclass(frozen=True)
class Size:
    """What memory depends on.

    Attributes
    ----------
    result, sources : int
        Pixels of the largest picture that is worked on, and of all sources together.
    channels : int
        Planes inside: channels, labels, guides.
    approximate : bool
        Whether searches are.
    """

    result: int
    sources: int
    channels: int
    approximate: bool = False


@dataclass(frozen=True)
class Means:
    """What costs memory, and can be done without."""

    threads: int
    incremental: bool


def need(size: Size, means: Means, together: int = 1) -> int:
    """Bytes that a synthesis takes beside its inputs and results, rounded up."""
    channels = size.channels
    result = _RESULT + _RESULT_CHANNEL * channels
    if size.approximate:
        result += _APPROXIMATE
    elif means.incremental:
        result += _LISTS + _LISTS_CHANNEL * channels
    source = _SOURCE + _SOURCE_CHANNEL * channels
    source += (means.threads - 1) * (_THREAD + _THREAD_CHANNEL * channels)
    return _BASE + together * size.result * result + size.sources * source


def checked_limit(max_memory: object) -> int | None:
    """The limit of a call in bytes: as given, or of the environment, or none."""
    if max_memory is None:
        return limit_from_environment()
    return parse_bytes("max_memory", max_memory)


def within(limit: int | None, size: Size, wanted: Means) -> Means:
    """The fastest means that fit into a limit; the result does not depend on them.

    Raises
    ------
    MemoryError
        Nothing fits.
    """
    if limit is None:
        return wanted
    for means in _slower_and_slower(wanted):
        if need(size, means) <= limit:
            return means
    least = need(size, Means(1, incremental=False))
    raise MemoryError(
        f"`max_memory` must be at least {in_words(least)} for a result of {size.result} pixels "
        f"from {size.sources} pixels with {size.channels} channels, got {in_words(limit)}; raise "
        "it, or use smaller pictures"
    )


def together_within(limit: int | None, size: Size, means: Means, wanted: int) -> int:
    """How many pictures may be made together."""
    while limit is not None and wanted > 1 and need(size, means, wanted) > limit:
        wanted //= 2
    return wanted


def _slower_and_slower(wanted: Means) -> Iterator[Means]:
    for incremental in (True, False) if wanted.incremental else (False,):
        threads = wanted.threads
        while threads:
            yield Means(threads, incremental)
            threads //= 2
