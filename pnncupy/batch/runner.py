"""Many images: lists of jobs, worked on by processes, executors or a Dask cluster, and resumed.

Each image is written by its worker, under a temporary name first, and noted in the
folder's manifest; only a small record returns. The same call again does what is missing.
"""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.arrays import array_digest, library
from pnncupy.atomic_files import remove_left_over, whole_file
from pnncupy.batch.job import Input, Job, Made, early_error, execute
from pnncupy.batch.job_arguments import (
    check_arguments,
    check_for_volume,
    check_volume_name,
    plain,
)
from pnncupy.batch.job_files import checked_count, checked_output
from pnncupy.batch.job_list import JobList, Series
from pnncupy.batch.manifest import NAME, Manifest
from pnncupy.batch.ro_crate import check_crate, write_crate
from pnncupy.file_locks import locked
from pnncupy.parallel.executors import (
    SchedulerLost,
    check_versions,
    checked,
    completed,
    is_client,
    scheduler_asked,
    worker_count,
)
from pnncupy.parallel.process_pool import ProcessPool
from pnncupy.parameter_hints import hint_at_names
from pnncupy.tasks.registry import TASKS

# Jobs under way for each worker: one to work on, and one to go on with.
_JOBS_PER_WORKER = 2
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Progress:
    """Event that a callback receives after every job.

    Attributes
    ----------
    job : Job
    error : str
        Why it failed; empty if it did not.
    done, total : int
        Jobs that have ended, and that had to be done in all; those found finished do not count.
    """

    job: Job
    error: str
    done: int
    total: int


@dataclass
class Report:
    """Outcome of a batch.

    Attributes
    ----------
    made, kept : int
        Images synthesised now, and those that were there already.
    failures : list of (Job, str)
        Jobs without an image, and why.
    notes : list of str
        What became no job, how many pixels are the hole where a mask is a file, what images do not
        keep of their sources' metadata, each line once, and what of an earlier manifest does not
        count.
    """

    made: int = 0
    kept: int = 0
    failures: list[tuple[Job, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_jobs(
    verb: str, n: int = 1, *, output: str, seed: int = 0, suffix: str | None = None,
    volume: bool = False, **given: Any,
) -> tuple[JobList, dict[str, Any]]:  # fmt: skip
    """Jobs of one task: n samples, for "generate", or one image.

    Parameters
    ----------
    verb : str
        Name of a task: "generate", "retarget", "inpaint", "analogy", "collage", "edit"
        or "simulate".
    n : int, default 1
        Samples; more than 1 only for "generate". Any number costs the same: jobs are created when
        they are needed.
    output : str
        Name of the images in the batch's folder, numbered if there are several, without suffix.
    seed : int, default 0
        Seed where random numbers are drawn; sample i is that of ``generate(n, rng=seed)``.
    suffix : str, optional
        Format of the images. Default: ".png", of volumes ".tif".
    volume : bool, default False
        The arrays are volumes, (Z, Y, X) or (Z, Y, X, C), and so are the results.
    **given
        The task's arguments; images are NumPy arrays.

    Returns
    -------
    jobs, arrays
        What `run` takes.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, or is neither an image nor a number, a word or a list of them.
    """
    is_volume = validation.flag("volume", volume)
    check_arguments(verb, given, ("mask_values", "mask_above"), is_volume)
    if isinstance(mask := given.get("mask"), str) and mask == "alpha":
        raise ValueError('`mask` "alpha" is for files; give an array, such as image[..., 3] < 128')
    count, seed = checked_count("n", n), validation.integer("seed", seed, 0)
    suffix = (".tif" if is_volume else ".png") if suffix is None else suffix
    if not isinstance(suffix, str):
        raise TypeError(f"`suffix` must be a string, got {validation.described(suffix)}")
    name = f"{checked_output('output', output)}{suffix}"
    checked_output("suffix", name)
    if is_volume:
        check_for_volume(given)
        check_volume_name("suffix", suffix)
    if count > 1 and not TASKS[verb].realisations:
        raise ValueError(f"`n` must be 1 for {verb}, got {n}")
    arrays: dict[str, Any] = {}

    def entered(name: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple(entered(f"{name}[{k}]", each) for k, each in enumerate(value))
        if library(name, value) != "numpy":
            raise TypeError(f"`{name}` must be a NumPy array, got CuPy's; use `cupy.asnumpy`")
        if value.ndim > 3 and not is_volume:
            raise ValueError(f"`{name}` is a volume of shape {value.shape}; set `volume=True`")
        digest = array_digest(value)
        arrays[digest] = value
        return Input(digest[:12], digest, "array")

    inputs = {
        name: entered(name, given.pop(name)) for name in TASKS[verb].image_names
        if name in given and given[name] is not None and not isinstance(given[name], str)
    }  # fmt: skip
    try:
        given = plain(json.loads(json.dumps(given)))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"the arguments of a job must be numbers, words or lists of them: {error}"
        ) from error
    seed_of_task = seed if TASKS[verb].seeded_by(given) else None
    job = Job(verb, inputs, given, name, seed_of_task, volume=is_volume)
    return JobList([Series(job, count, suffix, numbered=count > 1)]), arrays


@hint_at_names
def run(
    jobs: Sequence[Job],
    folder: str | os.PathLike[str],
    *,
    arrays: Mapping[str, Any] | None = None,
    executor: Any = None,
    workers: int | None = None,
    threads: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    ro_crate: bool = False,
) -> Report:
    """Make the images of all jobs that are not there yet.

    Parameters
    ----------
    jobs : sequence of Job
        As from `jobs_of_folder`, `jobs_of_toml` or `make_jobs`.
    folder : path
        Where the images and the manifest go; created if missing.
    arrays : dict, optional
        The arrays of the jobs of `make_jobs`.
    executor : concurrent.futures.Executor or distributed.Client, optional
        What works on the jobs; default: a `ProcessPool` of `workers`, which is ended at the end.
        All workers must see the folder and the files under the same names.
    workers : int, optional
        Processes of the default pool; default: one a core.
    threads : int, optional
        Threads of each of these processes; default: the cores divided by the workers.
    callback : callable, optional
        Called with a `Progress` after every job; what it raises ends the batch.
    ro_crate : bool, default False
        Describe all images of the folder, also of earlier runs, as an RO-Crate
        (``ro-crate-metadata.json``). What was added to an earlier one by hand is kept: properties
        of the root, such as ``license``, and further files. Needs ``pip install 'pnncupy[crate]'``.

    Returns
    -------
    Report
        A job that fails does not stop the others.

    Raises
    ------
    ValueError
        Two jobs have the same output, an array is missing, or the folder is the RO-Crate of
        something else.
    OSError
        The folder cannot be written to, or the disk is full, or the scheduler of a Dask cluster
        has gone (`SchedulerLost`): the images noted so far are whole.
    FilesInUse
        Another process works on the folder.
    EngineUnavailable
        A worker of a Dask cluster has another version of Python, pnncupy, NumPy or Numba.
    ModuleNotFoundError
        The package for `ro_crate` is missing.

    Notes
    -----
    Images have the same bits whatever works on them. A worker that is killed is replaced, and
    its job done again, up to ten times.
    """
    place, listed = Path(folder), _checked_list(jobs)
    crate = validation.flag("ro_crate", ro_crate)
    if crate:
        check_crate(place)
    with locked(place / NAME, place):
        manifest = Manifest(place)
        kept = manifest.kept(listed, place)
        report = Report(kept=len(kept), notes=list(listed.notes))
        report.notes += [manifest.damage] if manifest.damage else []
        if len(kept) < len(listed):
            try:
                with (
                    _workers(executor, workers, threads) as pool,
                    _sent(arrays or {}, listed, pool) as sent,
                ):
                    _work(listed, kept, place, pool, sent, manifest, report, callback)
            except SchedulerLost as lost:
                raise SchedulerLost(f"{lost} ({report.made} images of this run)") from lost
        if crate and report.made + report.kept:
            report.notes += write_crate(place, manifest.records())
    return report


def count_kept(jobs: Sequence[Job], folder: str | os.PathLike[str]) -> int:
    """Count the jobs whose images are in a folder, so that `run` would keep them.

    Parameters
    ----------
    jobs, folder
        As in `run`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        Two jobs have the same output.
    """
    return len(Manifest(Path(folder)).kept(_checked_list(jobs), Path(folder)))


def early_failures(
    jobs: Sequence[Job],
    folder: str | os.PathLike[str],
    *,
    callback: Callable[[Progress], Any] | None = None,
) -> list[tuple[Job, int, str]]:
    """Find the jobs of files that `run` would begin and that fail before their first step.

    Each is the first one of a series, with the count of the series and the reason.
    """
    listed = _checked_list(jobs)
    kept = Manifest(Path(folder)).kept(listed, Path(folder))
    begun = {listed.series_of(place) for place in kept}  # others of their series are no worse
    waiting = [each for number, each in enumerate(listed.series) if number not in begun]
    failures = []
    for done, series in enumerate(waiting, 1):
        if error := early_error(series.job):
            failures.append((series[0], series.count, error))
        if callback is not None:
            callback(Progress(series.job, error, done, len(waiting)))
    return failures


def _checked_list(jobs: Sequence[Job]) -> JobList:
    listed = JobList.of(jobs)
    if (clash := listed.clash()) is not None:
        raise ValueError(f"two jobs write {clash[0]}; give one of them another output")
    return listed


def _work(
    jobs: JobList,
    kept: Collection[int],
    place: Path,
    pool: Any,
    sent: "_Sent",
    manifest: Manifest,
    report: Report,
    callback: Callable[[Progress], Any] | None,
) -> None:
    """Make the images of all jobs but those that are kept, and count them in the report."""
    threads, total = getattr(pool, "threads", 1), len(jobs) - len(kept)
    calls = (
        (number, (sent.job(job), str(place), threads, sent.arrays))
        for number, job in enumerate(jobs)
        if number not in kept
    )
    try:
        window = _JOBS_PER_WORKER * worker_count(pool)
        with closing(completed(pool, execute, calls, window)) as results:
            for number, made in results:
                job = jobs[number]
                error = _note(report, manifest, job, made)
                if callback is not None:
                    done = report.made + len(report.failures)
                    callback(Progress(job, error, done, total))
    except BaseException:
        if isinstance(pool, ProcessPool):
            pool.terminate()
        raise
    finally:
        remove_left_over(
            {place / folder for folder in jobs.folders()},
            lambda file: jobs.place_of(str(file.relative_to(place))) is not None,
        )


def _note(report: Report, manifest: Manifest, job: Job, made: Made | Exception) -> str:
    """Count the outcome of a job, and return its error, if any; a full disk ends the batch."""
    if isinstance(made, Exception):
        made = Made(error=" ".join(f"{type(made).__name__}: {made}".split()))
    if made.number in _DISK_FULL:
        raise OSError(
            made.number, f"the disk is full ({job.output}); free space and run the same again: "
            f"{report.made} images were finished"
        )  # fmt: skip
    if made.error:
        report.failures.append((job, made.error))
        return made.error
    manifest.add(job, made)
    report.made += 1
    report.notes += [note for note in made.notes if note not in report.notes]
    return ""


@contextmanager
def _workers(executor: Any, workers: int | None, threads: int | None) -> Iterator[Any]:
    """Executor that works on the jobs; a pool of our own is shut down."""
    if checked(executor) is not None:
        if is_client(executor):
            check_versions(executor)
        yield executor
        return
    pool = ProcessPool(workers, threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Sent:
    """Transfer of arrays to the workers: futures of a cluster, or files of this machine."""

    arrays: Mapping[str, Any]
    folder: str = ""

    def job(self, job: Job) -> Job:
        """The job with its arrays where the workers find them."""
        if not self.folder:
            return job
        inputs = {
            name: tuple(map(self._input, given)) if isinstance(given, tuple) else self._input(given)
            for name, given in job.inputs.items()
        }
        return replace(job, inputs=inputs)

    def _input(self, given: Input) -> Input:
        if given.kind != "array":
            return given
        return Input(str(Path(self.folder) / f"{given.digest}.npy"), given.digest, "array")


@contextmanager
def _sent(arrays: Mapping[str, Any], jobs: JobList, executor: Any) -> Iterator[_Sent]:
    """Send each array once; workers keep what they have read."""
    needed = {each.digest for each in jobs.inputs() if each.kind == "array"}
    missing = needed - set(arrays)
    if missing:
        raise ValueError(f"`arrays` must hold the arrays of all jobs, {len(missing)} are missing")
    if not needed:
        yield _Sent({})
    elif is_client(executor):
        with scheduler_asked(executor):
            sent = {each: executor.scatter(arrays[each], broadcast=True) for each in needed}
        yield _Sent(sent)
    else:
        with tempfile.TemporaryDirectory(prefix="pnncupy-") as folder:
            for digest in needed:
                with whole_file(Path(folder) / f"{digest}.npy") as stream:
                    np.save(stream, arrays[digest])
            yield _Sent({}, folder)
