"""The record of a batch: one line of JSON for each picture that was finished."""

import json
import os
import secrets
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from pnncupy.jobs import Job, Made, file_digest
from pnncupy.writing import naming

NAME = "manifest.jsonl"


class Manifest:
    """What was made in a folder, and by which jobs.

    Lines are only ever added, each of them synced to the disk. Of several lines for one file the
    last one counts; a last line that was cut off does not.
    """

    def __init__(self, folder: Path):
        self._file = folder / NAME
        self._records: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    record = json.loads(line)
                    self._records[record["output"]] = record
                except (ValueError, KeyError, TypeError):
                    continue

    def seed(self) -> int:
        """The seed of what was made last, or a new one where nothing was."""
        for record in reversed(self._records.values()):
            if isinstance(record.get("seed"), int):
                return int(record["seed"])
        return secrets.randbits(32)

    def holds(self, job: Job, folder: Path) -> bool:
        """Whether a job's picture is there, made by this very job, and unchanged since."""
        record = self._records.get(job.output)
        wanted = _without_paths(json.loads(json.dumps(job.record())))
        if record is None or any(record.get(name) != value for name, value in wanted.items()):
            return False
        file = folder / job.output
        return file.is_file() and file_digest(file) == record.get("sha256")

    def add(self, job: Job, made: Made) -> None:
        """Note a finished picture."""
        record = job.record() | {"sha256": made.digest, "seconds": round(made.seconds, 3)}
        line = (json.dumps(record) + "\n").encode()
        try:
            with self._file.open("ab+", buffering=0) as stream:
                _append(stream, line)
        except OSError as error:
            raise naming(error, self._file) from error
        self._records[job.output] = record


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


def _without_paths(record: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs count by their contents, not by where they lie."""
    return {name: value for name, value in record.items() if name != "files"}
