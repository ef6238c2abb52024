"""Calls on executors: process pools, futures, and clusters of Dask.

An `executor` of this package is a `concurrent.futures.Executor`, such as `ProcessPool`, or a
`distributed.Client`, which can do the same.
"""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Protocol

from pnncupy import errors, validation
from pnncupy._version import __version__
from pnncupy.parallel import threads
from pnncupy.parallel.process_pool import MOST_DEATHS, WorkerDied

# What has to be the same everywhere, as the bits of results depend on it, besides Python.
_PACKAGES = ("pnncupy", "numpy", "numba")


class Client(Protocol):
    """The part of a `distributed.Client` that is used; it is no `concurrent.futures.Executor`."""

    def scheduler_info(self) -> Any:
        """Return what the scheduler knows of its workers."""

    def nthreads(self) -> Mapping[str, int]:
        """Return the threads of each worker."""

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return the future of a call."""


class SchedulerLost(ConnectionError):  # noqa: N818 - says what happened
    """The scheduler of a Dask cluster does not answer any more."""


def checked(executor: Any) -> Any:
    """An executor or Dask client, or None."""
    if executor is None or isinstance(executor, futures.Executor) or is_client(executor):
        return executor
    raise TypeError(
        "`executor` must be a concurrent.futures.Executor, such as pnncupy.batch.ProcessPool, or a "
        f"distributed.Client, got {validation.described(executor)}"
    )


def is_client(executor: Any) -> bool:
    """Test whether this is a Dask client."""
    return type(executor).__module__.partition(".")[0] == "distributed" and hasattr(
        executor, "scheduler_info"
    )


def worker_count(executor: Any) -> int:
    """Calls that can run at the same time."""
    if is_client(executor):
        with scheduler_asked(executor):
            return max(1, sum(map(int, executor.nthreads().values())))
    workers = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return int(workers or threads.thread_count(None))


def completed(
    executor: Any,
    function: Callable[..., Any],
    items: Iterable[tuple[int, tuple[Any, ...]]],
    window: int,
) -> Generator[tuple[int, Any], None, None]:
    """Call ``function(*arguments)`` for all items (name, arguments), as they end.

    Yields (name, result), the result being the exception where a call raised one. At most `window`
    calls are under way, so that a list of any length costs little.
    """
    run = _on_client if is_client(executor) else _on_executor
    return run(executor, function, iter(items), window)


def _on_executor(
    executor: futures.Executor,
    function: Callable[..., Any],
    items: Iterator[tuple[int, tuple[Any, ...]]],
    window: int,
) -> Generator[tuple[int, Any], None, None]:
    waiting: dict[futures.Future[Any], int] = {}
    try:
        while True:
            while len(waiting) < window and (item := next(items, None)) is not None:
                waiting[_submitted(executor, function, item[1])] = item[0]
            if not waiting:
                return
            done, _ = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.exception() or future.result()
    finally:
        for future in waiting:
            future.cancel()


def _submitted(
    executor: futures.Executor, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> futures.Future[Any]:
    try:
        return executor.submit(function, *arguments)
    except BrokenProcessPool as error:
        failed: futures.Future[Any] = futures.Future()
        failed.set_exception(
            WorkerDied(
                f"a process of the executor was killed, and it takes no more work ({error}); "
                "pnncupy.batch.ProcessPool replaces them"
            )
        )
        return failed


def _on_client(
    client: Any,
    function: Callable[..., Any],
    items: Iterator[tuple[int, tuple[Any, ...]]],
    window: int,
) -> Generator[tuple[int, Any], None, None]:
    from distributed import KilledWorker, as_completed

    waiting: dict[Any, tuple[int, tuple[Any, ...], int]] = {}

    def submit(name: int, arguments: tuple[Any, ...], deaths: int) -> Any:
        with scheduler_asked(client):
            future = client.submit(function, *arguments, pure=False)
        waiting[future] = name, arguments, deaths
        return future

    ended = as_completed()
    try:
        while True:
            while len(waiting) < window and (item := next(items, None)) is not None:
                ended.add(submit(*item, 0))
            if not waiting:
                return
            future = next(ended)
            name, arguments, deaths = waiting.pop(future)
            error, result = _outcome(client, future)
            if isinstance(error, KilledWorker) and deaths < MOST_DEATHS:
                # The scheduler gives a call up after three workers that died, for any reason.
                ended.add(submit(name, arguments, deaths + 1))
                continue
            yield name, error or result
    finally:
        if client.status == "running":
            client.cancel(list(waiting))


def _outcome(client: Any, future: Any) -> tuple[BaseException | None, Any]:
    """Return the result of a call, or the exception that it raised."""
    from distributed import CancelledError

    error: BaseException | None
    try:
        error = future.exception()
        if error is None:
            return None, future.result()
    except (CancelledError, futures.CancelledError, OSError) as lost:
        error = lost
    if client.status != "running":
        raise _scheduler_lost(client) from error
    if future.cancelled():
        error = WorkerDied("the workers that held its arrays died; run the same again")
    return error, None


@contextmanager
def scheduler_asked(client: Any) -> Iterator[None]:
    """Raise `SchedulerLost` where a block that asks a scheduler gets no answer."""
    if client.status != "running":
        raise _scheduler_lost(client)
    try:
        yield
    except (OSError, futures.CancelledError) as error:
        raise _scheduler_lost(client) from error
    except Exception as error:
        if client.status == "running":
            raise
        raise _scheduler_lost(client) from error


def _scheduler_lost(client: Any) -> SchedulerLost:
    return SchedulerLost(
        f"the Dask scheduler at {_address(client)} does not answer any more; start it again and "
        "run the same again: images and checkpoints that were written are kept"
    )


def _address(client: Any) -> str:
    """Address of a cluster's scheduler, also after it has gone."""
    return str(getattr(client.scheduler, "address", client))


def check_versions(client: Any) -> None:
    """Refuse a cluster without workers, or with other versions than this process.

    No function is sent for that: the bytecode of another Python may end a worker. The scheduler
    counts too, as it unpickles what passes through it.
    """
    with scheduler_asked(client):
        found = client.get_versions(packages=list(_PACKAGES))
    address = _address(client)
    if not found["workers"]:
        raise errors.EngineUnavailable(
            f"the scheduler {address} has no workers; start some with `dask worker`"
        )
    mine = {"Python": _minor(sys.version), **{name: _own_version(name) for name in _PACKAGES}}
    processes = {f"the scheduler {address}": found["scheduler"]}
    processes |= {f"worker {worker}": each for worker, each in found["workers"].items()}
    for process, each in processes.items():
        packages = each["packages"]
        theirs = {"Python": _minor(packages["python"])}
        theirs |= {name: packages.get(name) for name in _PACKAGES}
        other = [name for name in mine if mine[name] != theirs[name]]
        if other:
            raise errors.EngineUnavailable(
                f"{process} has {_in_words(theirs, other)}, this process {_in_words(mine, other)}; "
                "install the same versions everywhere and start the cluster again"
            )


def _own_version(package: str) -> str:
    return __version__ if package == "pnncupy" else version(package)


def _minor(python: str) -> str:
    """The first two numbers of a version of Python, which fix its bytecode."""
    return ".".join(python.split(".")[:2])


def _in_words(versions: Mapping[str, str | None], names: Iterable[str]) -> str:
    return ", ".join(
        f"no {name}" if versions[name] is None else f"{name} {versions[name]}" for name in names
    )
