"""The state of a synthesis on the disk, so that a killed run can go on."""

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.writing import whole_file


@dataclass(frozen=True)
class State:
    """Where a synthesis is: after so many PNN steps of a level.

    Attributes
    ----------
    level, steps : int
    picture : (C, h, w) float32
    index : (h-p+1, w-p+1) int32
        The last matches, in the layout of that level.
    """

    level: int
    steps: int
    picture: Array
    index: Array


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the state of one call, which is told by a digest of all that goes in."""

    path: Path

    def load(self, identity: str, like: Array) -> State | None:
        """The state that was saved, or None if there is no file; on the device of `like`."""
        if not self.path.parent.is_dir():
            raise ValueError(f"`checkpoint` must be in a folder that exists, got {self.path}")
        if not self.path.exists():
            return None
        try:
            with np.load(self.path) as saved:
                found = dict(saved)
            same = str(found["identity"]) == identity
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`checkpoint` {self.path} is no checkpoint of pnncupy ({error}); delete it, or "
                "choose another file"
            ) from error
        if not same:
            raise ValueError(
                f"`checkpoint` {self.path} belongs to another call, with other pictures or "
                "arguments; delete it, or choose another file"
            )
        picture, index = (arrays.like(found[name], like) for name in ("picture", "index"))
        return State(int(found["level"]), int(found["steps"]), picture, index)

    def save(self, identity: str, state: State) -> None:
        """Replace what is saved, all of it or nothing."""
        with whole_file(self.path) as stream:
            np.savez(
                stream, identity=identity, level=state.level, steps=state.steps,
                picture=arrays.on_host(state.picture), index=arrays.on_host(state.index),
            )  # fmt: skip

    def remove(self) -> None:
        """The call has ended."""
        self.path.unlink(missing_ok=True)


def identity_of(settings: Iterable[Any], pictures: Iterable[Array]) -> str:
    """A digest of numbers and words, and of arrays."""
    digest = hashlib.sha256(repr(list(settings)).encode())
    for picture in pictures:
        host = arrays.on_host(picture)
        digest.update(f"{host.shape} {host.dtype}".encode())
        digest.update(np.ascontiguousarray(host).tobytes())
    return digest.hexdigest()
