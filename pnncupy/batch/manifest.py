"""The record of a batch: one line of JSON for each image that was finished."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from pnncupy.atomic_files import naming
from pnncupy.batch.job import Job, Made, file_digest
from pnncupy.batch.job_list import JobList

NAME = "manifest.jsonl"
# Entries of a line that say nothing of the origin of the image; inputs count by their contents.
_NOT_COMPARED = ("files", "sha256", "seconds", "ended")
_CHECKSUM = "checksum"


class _Noted(NamedTuple):
    """Record of an image: digests of its origin and of its file, and the names of its sources."""

    origin: str
    sha256: str
    sources: tuple[str, ...]


class Manifest:
    """Record of the images in a folder, and of their jobs.

    Lines are only ever added, each of them synced to the disk, and each with a checksum. Of several
    lines for one file the last one counts; one that is cut off, edited or foreign does not.

    Attributes
    ----------
    damage : str
        Message about lines that do not count; empty if there are none.
    """

    def __init__(self, folder: Path):
        self._file = folder / NAME
        self._noted: dict[str, _Noted] = {}
        self._seed: int | None = None
        self.damage = ""
        if os.path.lexists(self._file):
            self._read()

    def _read(self) -> None:
        if not self._file.is_file():  # opening a pipe may wait for ever
            raise FileExistsError(
                f"{self._file} is not a regular file; remove it, or choose another folder"
            )
        wrong = []
        with self._file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                record = _checked(line)
                if record is None:
                    wrong += [number] if line.strip() else []
                    continue
                self._noted[record["output"]] = _Noted(
                    _origin(record), record["sha256"], _sources(record)
                )
                self._seed = self._seed if record["seed"] is None else record["seed"]
        if wrong:
            more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
            self.damage = (
                f"{self._file}, line {wrong[0]}{more}: not as this version of pnncupy wrote it; "
                "such images are synthesised again"
            )

    def seed(self) -> int:
        """The seed of the last results, or a new one where nothing was."""
        return secrets.randbits(32) if self._seed is None else self._seed

    def results(self) -> Iterator[tuple[Path, list[Path]]]:
        """All images that were noted, and their sources, as paths that begin with the folder."""
        folder = self._file.parent
        for output, noted in self._noted.items():
            yield folder / output, [folder / name for name in noted.sources]

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the last record of each image that was noted, by its name."""
        with self._file.open(encoding="utf-8", errors="replace", newline="\n") as stream:
            found = [record for line in stream if (record := _checked(line)) is not None]
        return {record["output"]: record for record in found}

    def holds(self, job: Job, folder: Path) -> bool:
        """Test whether the result of this very job exists and is unchanged."""
        noted = self._noted.get(job.output)
        if noted is None or noted.origin != _origin(job.record()):
            return False
        file = folder / job.output
        return file.is_file() and file_digest(file) == noted.sha256

    def kept(self, jobs: JobList, folder: Path) -> set[int]:
        """Places in a list of the jobs whose images are there; see `holds`."""
        places = (jobs.place_of(output) for output in self._noted)
        return {place for place in places if place is not None and self.holds(jobs[place], folder)}

    def add(self, job: Job, made: Made) -> None:
        """Note a finished image."""
        record = job.record(self._file.parent) | {
            "sha256": made.digest,
            "seconds": round(made.seconds, 3),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        line = json.dumps(record | {_CHECKSUM: _digest(record)}) + "\n"
        try:
            with self._file.open("ab+", buffering=0) as stream:
                _append(stream, line.encode())
        except OSError as error:
            raise naming(error, self._file) from error


def _checked(line: str) -> dict[str, Any] | None:
    """The record in a line; None if it is not as it was written."""
    try:
        record = json.loads(line)
        is_whole = record.pop(_CHECKSUM) == _digest(record)
        return record if is_whole and _has_form(record) else None
    # Of a foreign line: no JSON, no table, digits by the thousand, too many brackets.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _has_form(record: Mapping[str, Any]) -> bool:
    """Return whether the entries that are used have their types."""
    texts, seed = (record["output"], record["sha256"]), record["seed"]
    return all(isinstance(text, str) for text in texts) and (
        seed is None or (type(seed) is int and seed >= 0)
    )


def _sources(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the sources, relative to the manifest; older versions wrote absolute ones."""
    files = record.get("files")
    first = next(iter(files.values()), None) if isinstance(files, dict) else None
    return tuple(each for each in first if isinstance(each, str)) if isinstance(first, list) else ()


def _origin(record: Mapping[str, Any]) -> str:
    """Digest of all that determines an image."""
    return _digest({name: value for name, value in record.items() if name not in _NOT_COMPARED})


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _append(stream: FileIO, line: bytes) -> None:
    """Add a line to a file, all of it or nothing."""
    end = stream.seek(0, os.SEEK_END)
    if end:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":  # a line that was cut off
            line = b"\n" + line
    try:
        written = 0
        while written < len(line):
            written += stream.write(line[written:])
        os.fsync(stream.fileno())
    except BaseException:
        stream.truncate(end)
        raise
