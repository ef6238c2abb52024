"""The state of a synthesis on the disk, so that a killed run can go on."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pnncupy import arrays
from pnncupy._version import __version__
from pnncupy.arrays import Array
from pnncupy.atomic_files import followed, whole_file
from pnncupy.errors import CheckpointError
from pnncupy.file_locks import locked
from pnncupy.synthesis.problem import SynthesisRun

# A checkpoint is an .npz file followed by these words and the SHA-256 of the .npz.
_MARK = b"pnncupy checkpoint 1 "
_END = len(_MARK) + hashlib.sha256().digest_size
_CHUNK = 1 << 20


@dataclass(frozen=True)
class State:
    """Progress of a synthesis: after how many PNN steps of a level.

    Attributes
    ----------
    level, steps : int
    image : (C, h, w) float32
    index : (h-p+1, w-p+1) int32
        The last matches, in the layout of that level.
    """

    level: int
    steps: int
    image: Array
    index: Array


@dataclass(frozen=True)
class Form:
    """Properties of every valid state of a level.

    Attributes
    ----------
    steps : int
        PNN steps of the level.
    image, index : tuple of int
        Shapes.
    pixels : int
        Pixels that matches may number.
    """

    steps: int
    image: tuple[int, ...]
    index: tuple[int, ...]
    pixels: int


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of one call, which is identified by a digest of all that goes in."""

    path: Path

    def check(self) -> None:
        """Refuse a path that cannot be used, or a file that is no checkpoint, before any work."""
        self._check_folder()
        if os.path.lexists(self.path):
            with self._foreign_refused():
                _contents(self.path)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep other processes from using the file until the block ends."""
        self._check_folder()
        with locked(self.path):
            yield

    def _check_folder(self) -> None:
        if "\0" in str(self.path) or not self.path.parent.is_dir():
            raise ValueError(
                f"`checkpoint` must be in a folder that exists, got {self.path!s:.500}"
            )

    @contextmanager
    def _foreign_refused(self) -> Iterator[None]:
        """Raise what is wrong with a file as a CheckpointError."""
        try:
            yield
        except PermissionError:
            raise
        except Exception as error:  # a forged file may break the decoder in any way
            raise CheckpointError(
                f"`checkpoint` {self.path} is no checkpoint of pnncupy, or is damaged ({error}); "
                "delete it, or choose another file"
            ) from error

    def load(self, identity: str, like: Array, forms: Mapping[int, Form]) -> State | None:
        """Read the saved state; None if there is no file.

        Parameters
        ----------
        identity : str
            Digest of the call.
        like : array
            The state is moved to its device.
        forms : dict
            Level -> form of its states.

        Raises
        ------
        CheckpointError
            The file is damaged or foreign, or belongs to another call.
        """
        if not os.path.lexists(self.path):
            return None
        with self._foreign_refused():
            found = _contents(self.path)
            told = found["identity"].item()
            state = None if told != identity else _state(found, forms)
        if state is None:
            raise CheckpointError(
                f"`checkpoint` {self.path} does not fit: it belongs to another call, with other "
                "images or arguments, or to another version of pnncupy; delete it, or choose "
                "another file"
            )
        image, index = (arrays.like(each, like) for each in (state.image, state.index))
        return replace(state, image=image, index=index)

    def save(self, identity: str, state: State) -> None:
        """Replace what is saved, all of it or nothing."""
        with whole_file(self.path) as stream:
            written = _Digesting(stream)
            np.savez(
                written, identity=identity, level=state.level, steps=state.steps,
                picture=arrays.on_host(state.image), index=arrays.on_host(state.index),
            )  # fmt: skip
            stream.write(_MARK + written.digest.digest())

    def remove(self) -> None:
        """Remove the file, as the call has ended."""
        for file in (followed(self.path), self.path):
            file.unlink(missing_ok=True)


class _Digesting(io.RawIOBase):
    """A stream that cannot be rewound, so that its digest is that of the file."""

    def __init__(self, stream: BinaryIO):
        super().__init__()
        self.digest = hashlib.sha256()
        self._stream = stream

    def write(self, data: Any) -> int:
        """Write and digest bytes."""
        self.digest.update(data)
        return self._stream.write(data)


def _contents(file: Path) -> dict[str, Any]:
    """Read the arrays of a checkpoint if its digest holds; nothing is decoded before."""
    if not file.is_file():  # opening a pipe may wait for ever
        raise ValueError("not a regular file")
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END) - _END
        stream.seek(max(size, 0))
        end = stream.read()
        if not end.startswith(_MARK):
            raise ValueError("it does not end like one")
        stream.seek(0)
        digest = hashlib.sha256()
        for start in range(0, size, _CHUNK):
            digest.update(stream.read(min(_CHUNK, size - start)))
        if end != _MARK + digest.digest():
            raise ValueError("it is not as it was written")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as saved:
            return dict(saved)


def _state(found: Mapping[str, Any], forms: Mapping[int, Form]) -> State:
    """Check the form of a state."""
    level, steps = found["level"].item(), found["steps"].item()
    image, index = found["picture"], found["index"]
    if type(level) is not int or type(steps) is not int or level not in forms:
        raise ValueError("no such level")
    form = forms[level]
    if not 1 <= steps <= form.steps:
        raise ValueError("no such step")
    for array, shape, dtype in ((image, form.image, "f4"), (index, form.index, "i4")):
        if array.shape != shape or array.dtype != dtype:
            raise ValueError("its arrays have another form")
    if index.min() < 0 or index.max() >= form.pixels:
        raise ValueError("its values are out of range")
    return State(level, steps, image, index)


def identity_of(settings: Iterable[Any], images: Iterable[Array]) -> str:
    """Digest of numbers and words, and of arrays."""
    digest = hashlib.sha256(repr(list(settings)).encode())
    for image in images:
        host = arrays.on_host(image)
        digest.update(f"{host.shape} {host.dtype}".encode())
        digest.update(np.ascontiguousarray(host).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Resumption:
    """The state that a run continues from, and what keeps the states to come.

    Attributes
    ----------
    keep : callable
    state : State or None
    """

    keep: Callable[[State], None] = lambda state: None
    state: State | None = None

    @classmethod
    def of(cls, run: SynthesisRun, guess: Array, checkpoint: Checkpoint | None) -> "Resumption":
        """Read a checkpoint of a batch of one, if there is one."""
        if checkpoint is None:
            return cls()
        identity = _identity_of_run(run, guess[0])

        def keep(state: State) -> None:
            # An approximate search remembers more than its matches, until the end of its level.
            exact = run.settings.method == "exact"
            if exact or state.steps == run.schedule.steps(state.level):
                checkpoint.save(identity, state)

        levels = range(run.schedule.levels + 1)
        forms = {level: _form_of_states(run, guess.shape[1], level) for level in levels}
        return cls(keep, checkpoint.load(identity, guess[0], forms))

    def has_done(self, level: int) -> bool:
        """Test whether a previous run has finished a level."""
        return self.state is not None and level > self.state.level

    def state_of(self, level: int) -> State | None:
        """The state, if a run before was at this level."""
        return self.state if self.state is not None and self.state.level == level else None


def _identity_of_run(run: SynthesisRun, guess: Array) -> str:
    """Digest of all that determines a result."""
    problem, schedule, settings = run.problem, run.schedule, run.settings
    fixed = problem.fixed
    return identity_of(
        # Savings change no bit, and a limit of memory may turn them off.
        [__version__, replace(schedule, incremental=True), problem.shape, problem.periodic,
         problem.source_periodic, settings.patch_size,
         settings.alpha, settings.method,
         settings.stream, [source.usable is None for source in problem.sources]],
        [guess, *(source.sharp[0] for source in problem.sources),
         *(source.usable[0] for source in problem.sources if source.usable is not None),
         *problem.keys(schedule.levels, "sharp"), *problem.metric.target_guides[:1],
         *([] if fixed is None else [fixed.pyramid[0], fixed.masks[0]])],
    )  # fmt: skip


def _form_of_states(run: SynthesisRun, channels: int, level: int) -> Form:
    """Form of the states of a level."""
    sides = run.shape(level)
    return Form(
        run.schedule.steps(level),
        (channels, *sides),
        run.grid(sides).shape,
        run.layout(level).pixels,
    )
