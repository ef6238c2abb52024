"""Machine code of kernels on the disk: what is damaged there is compiled again."""

import hashlib
import pickle
import time
from contextlib import suppress
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile


class CodeCache(FunctionCache):  # type: ignore[misc,unused-ignore]
    """Numba's cache of one kernel, which is only ever a saving of time.

    Numba raises whatever its decoder makes of a file that is empty, cut or foreign, in each process
    and for ever, since it reads the index before it replaces it.

    Attributes
    ----------
    compilation_seconds : float
        Seconds in which this process has compiled the code that is now on the disk, of all kernels.
    """

    compilation_seconds = 0.0

    def __init__(self, function: Any):
        super().__init__(function)
        self._missed = 0.0  # when code was not found, so that it is compiled
        self._cache_file = _CheckedFiles(
            self.cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code; None if it is missing or damaged."""
        found = None
        with suppress(Exception):  # foreign bytes may break the decoder in any way
            found = super().load_overload(sig, target_context)
        self._missed = time.perf_counter()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save machine code if there is room, in place of damaged files."""
        with suppress(OSError):
            try:
                super().save_overload(sig, data)
            except OSError:
                raise
            except Exception:  # the index is damaged
                self.flush()
                super().save_overload(sig, data)
            CodeCache.compilation_seconds += time.perf_counter() - self._missed


def compilation_seconds() -> float:
    """Seconds in which this process has compiled code that is now on the disk."""
    return CodeCache.compilation_seconds


class _CheckedFiles(IndexDataCacheFile):  # type: ignore[misc,unused-ignore]
    """An index and its data files, which hold digests of code, kernel and key.

    Only code that is whole, and that of the key, is executed. Numba alone would mix up the code of
    two processes that number their files at the same time.
    """

    def __init__(self, cache_path: str, filename_base: str, source_stamp: Any):
        super().__init__(cache_path, filename_base, source_stamp)
        self._owner = f"{filename_base} {source_stamp!r}"

    def save(self, key: Any, data: Any) -> None:
        """Save data under a key."""
        packed = self._dump(data)
        super().save(key, (self._digest(key, packed), packed))

    def load(self, key: Any) -> Any:
        """Load the data of a key; None if there are none, or those of another key."""
        found = super().load(key)
        if found is None:
            return None
        digest, packed = found
        return pickle.loads(packed) if digest == self._digest(key, packed) else None

    def _digest(self, key: Any, packed: bytes) -> bytes:
        return hashlib.sha256(f"{self._owner} {key!r} ".encode() + packed).digest()
