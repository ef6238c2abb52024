"""Lists of jobs that hold an entry for all samples of one image, however many there are."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import PurePath
from typing import overload

from pnncupy.batch.job import Input, Job

# Three digits at least, so that names of a few samples sort too.
_FEWEST_DIGITS = 3


@dataclass(frozen=True)
class Series:
    """Jobs that differ in their sample only.

    Attributes
    ----------
    job : Job
        Its output is that of the only sample, or what the numbers of samples are added to.
    count : int
        Samples, from 0 on.
    suffix : str
        End of the output; numbers stand before it.
    numbered : bool
        Number the outputs.
    """

    job: Job
    count: int = 1
    suffix: str = ""
    numbered: bool = False

    @property
    def stem(self) -> str:
        """Return the part of an output name before its number."""
        return self.job.output.removesuffix(self.suffix)

    @property
    def digits(self) -> int:
        """Digits of all numbers."""
        return max(_FEWEST_DIGITS, len(str(self.count - 1)))

    def __getitem__(self, sample: int) -> Job:
        """One of the jobs."""
        if not self.numbered:
            return self.job
        output = f"{self.stem}_{sample:0{self.digits}}{self.suffix}"
        return replace(self.job, output=output, sample=sample)


class JobList(Sequence[Job]):
    """A sequence of jobs that are created when they are needed.

    Attributes
    ----------
    series : list of Series
    notes : tuple of str
        What became no job, a line each.
    """

    def __init__(self, series: Iterable[Series], notes: Iterable[str] = ()):
        self.series = list(series)
        self.notes = tuple(notes)
        self._ends = list(accumulate(each.count for each in self.series))
        self._single: dict[str, int] = {}
        self._numbered: dict[tuple[str, int, str], int] = {}
        for number, each in enumerate(self.series):
            if each.numbered:
                self._numbered.setdefault((each.stem, each.digits, each.suffix), number)
            else:
                self._single.setdefault(each.job.output, number)
        self._suffixes = {suffix for _, _, suffix in self._numbered}

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> "JobList":
        """Any sequence of jobs as such a list."""
        return jobs if isinstance(jobs, cls) else cls(Series(job) for job in jobs)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Job]:
        for each in self.series:
            for sample in range(each.count):
                yield each[sample]

    @overload
    def __getitem__(self, place: int) -> Job: ...

    @overload
    def __getitem__(self, place: slice) -> list[Job]: ...

    def __getitem__(self, place: int | slice) -> Job | list[Job]:
        """One job, or a plain list of some."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        place += len(self) if place < 0 else 0
        if not 0 <= place < len(self):
            raise IndexError("there is no such job")
        number = self.series_of(place)
        return self.series[number][place - self._start(number)]

    def __add__(self, other: Sequence[Job]) -> "JobList":
        """Both lists, one after the other."""
        more = JobList.of(other)
        return JobList([*self.series, *more.series], [*self.notes, *more.notes])

    def __repr__(self) -> str:
        return f"<JobList of {len(self)} jobs>"

    def series_of(self, place: int) -> int:
        """Number of the series of a job."""
        return bisect_right(self._ends, place)

    def place_of(self, output: str) -> int | None:
        """Place in the list of the job that writes a file; None if no job does."""
        found = self._found(output)
        return None if found is None else self._start(found[0]) + found[1]

    def clash(self) -> tuple[str, int, int] | None:
        """A file that two series write, and their numbers, the later one last; None if none is."""
        for number, each in enumerate(self.series):
            output = each[0].output  # series that share a file share this one: both begin at 0
            for found in (self._single.get(output), (self._in_numbered(output) or (None,))[0]):
                if found not in (None, number):
                    return output, min(found, number), max(found, number)
        return None

    def inputs(self) -> Iterator[Input]:
        """The inputs of all jobs; one may come several times."""
        for each in self.series:
            for given in each.job.inputs.values():
                yield from given if isinstance(given, tuple) else (given,)

    def folders(self) -> set[PurePath]:
        """Folders of the outputs, relative to that of the batch."""
        return {PurePath(each.job.output).parent for each in self.series}

    def _start(self, number: int) -> int:
        return self._ends[number - 1] if number else 0

    def _found(self, output: str) -> tuple[int, int] | None:
        """Number of the series that writes a file, and of its sample."""
        number = self._single.get(output)
        return self._in_numbered(output) if number is None else (number, 0)

    def _in_numbered(self, output: str) -> tuple[int, int] | None:
        for suffix in self._suffixes:
            match = re.fullmatch(rf"(?s)(.*)_([0-9]+){re.escape(suffix)}", output)
            number = match and self._numbered.get((match[1], len(match[2]), suffix))
            if match and number is not None and int(match[2]) < self.series[number].count:
                return number, int(match[2])
        return None
