"""Limits: what an image file declares must fit into memory, and into the file."""

from pnncupy.errors import ImageReadError
from pnncupy.memory_limit import ENVIRONMENT_VARIABLE, in_words

# Deflate's cheapest symbol writes 258 bytes with two bits.
DEFLATE_RATIO = 1032


def check_limit(what: str, size: int, limit: int) -> None:
    """Refuse an array of `size` bytes above the limit."""
    if size > limit:
        raise ImageReadError(
            f"declares {what}, {in_words(size)} in memory, and the limit is {in_words(limit)}; "
            f"raise it with `max_bytes` or the environment variable {ENVIRONMENT_VARIABLE}"
        )


def check_ratio(what: str, size: int, stored: int, ratio: int) -> None:
    """Refuse `size` bytes of pixels that `stored` bytes cannot hold.

    `ratio` says how many bytes one stored byte can stand for at most.
    """
    if size > stored * ratio:
        raise ImageReadError(
            f"declares {what}, {in_words(size)}, but holds only {in_words(stored)} of pixel data, "
            "which is too little for that: damaged, cut short, or a decompression bomb"
        )
