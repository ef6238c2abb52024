"""Running calls elsewhere: a pool of processes that survives its workers, executors, Dask.

An `executor` of this package is a `concurrent.futures.Executor`, such as `ProcessPool`, or a
`distributed.Client`, which is none but can do the same.
"""

import itertools
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from pnncupy import __version__, engine_table, errors, validation
from pnncupy.atomic_files import remove_unfinished
from pnncupy.terminal import show_warnings_in_one_line

# How often a call is begun again because its worker was killed, before it counts as the reason.
_MOST_DEATHS = 10
# What has to be the same everywhere, as the bits of results depend on it, besides Python.
_PACKAGES = ("pnncupy", "numpy", "numba")
# How long processes that are killed are waited for.
_SECONDS_TO_DIE = 1.0


class WorkerDied(RuntimeError):  # noqa: N818 - says what happened
    """A call did not end, as each process that worked on it was killed."""


class SchedulerLost(ConnectionError):  # noqa: N818 - says what happened
    """The scheduler of a Dask cluster does not answer any more."""


class ProcessPool(futures.Executor):
    """Processes that work on calls, each with its share of the cores.

    They are spawned, not forked: a fork of a process with threads, such as Numba's, may hang. A
    process that is killed, as where memory runs out, is replaced and its call begun again, while
    a `ProcessPoolExecutor` would refuse all further work. Workers end when this process does.

    Parameters
    ----------
    workers : int, optional
        Processes; default: one for each core this process may use.
    threads : int, optional
        Threads of each; default: the cores divided by the workers.
    """

    def __init__(self, workers: int | None = None, threads: int | None = None):
        cores = engine_table.thread_count(None)
        self.workers = validation.optional_integer("workers", workers, 1) or cores
        self.threads = max(1, cores // self.workers)
        if threads is not None:
            self.threads = engine_table.thread_count(threads)
        self._calls: queue.SimpleQueue[tuple[futures.Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._context = _Spawning()
        self._begun: set[int] = set()
        self._started = itertools.count()
        self._ended = False
        self._lanes = [
            threading.Thread(target=self._work, daemon=True) for _ in range(self.workers)
        ]
        for thread in self._lanes:
            thread.start()

    def submit(
        self, fn: Callable[..., Any], /, *arguments: Any, **options: Any
    ) -> futures.Future[Any]:
        """Queue a call; function and arguments must be picklable."""
        if self._ended:
            raise RuntimeError("the pool has been shut down")
        future: futures.Future[Any] = futures.Future()
        self._calls.put((future, _Call(fn, arguments, options)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers after the calls that are queued, or only after those that have begun."""
        self._ended = True
        while cancel_futures:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            if call is not None:
                call[0].cancel()
        for _ in self._lanes:
            self._calls.put(None)
        if wait:
            for thread in self._lanes:
                thread.join()

    def terminate(self) -> None:
        """End the workers at once, whatever they are doing, and wait until they are gone."""
        self.shutdown(wait=False, cancel_futures=True)
        self._context.kill_all()

    def pids(self) -> list[int]:
        """Process numbers of the workers that take calls."""
        alive = [process.pid for process in self._context.alive()]
        return [pid for pid in alive if pid is not None and pid in self._begun]

    def _work(self) -> None:
        """Hand calls to one process, one after the other; replace it where it is killed."""
        pool = None
        while (call := self._calls.get()) is not None:
            future, function = call
            if not future.set_running_or_notify_cancel():
                continue
            for _ in range(_MOST_DEATHS):
                try:
                    pool = pool or self._new_process()
                    future.set_result(pool.submit(function).result())
                    break
                except BrokenProcessPool:
                    pool = None
                    if self._ended:
                        future.set_exception(WorkerDied("the pool was ended"))
                        break
                except Exception as error:
                    future.set_exception(error)
                    break
            else:
                future.set_exception(
                    WorkerDied(
                        f"{_MOST_DEATHS} processes that worked on it were killed or never began: "
                        "a script that uses processes needs `if __name__ == '__main__':`"
                    )
                )
        if pool is not None:
            pool.shutdown()

    def _new_process(self) -> futures.ProcessPoolExecutor:
        is_first = next(self._started) == 0
        pool = futures.ProcessPoolExecutor(
            1, self._context, _begin_worker, (self.threads, is_first)
        )
        with _interrupts_blocked():
            self._begun.add(pool.submit(os.getpid).result())
        return pool


class _Spawning(SpawnContext):
    """Spawns processes, and knows them from their first moment on, to end them in time."""

    def __init__(self) -> None:
        super().__init__()
        self._spawned: list[SpawnProcess] = []
        self._ended = False
        self._lock = threading.Lock()

    def Process(self, *arguments: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        """A process that is not started yet."""
        with self._lock:
            if self._ended:
                raise BrokenProcessPool("the pool was ended")
            process = SpawnProcess(*arguments, **options)
            self._spawned = [*self.alive(), process]
        return process

    def alive(self) -> list[SpawnProcess]:
        """The processes that have not ended; some may not have started."""
        return [process for process in self._spawned if process.exitcode is None]

    def kill_all(self) -> None:
        """Kill all processes, and start none any more; returns when they are gone."""
        with self._lock:
            self._ended = True
        deadline = time.monotonic() + _SECONDS_TO_DIE
        while (alive := self.alive()) and time.monotonic() < deadline:
            for process in alive:
                if process.pid is not None:
                    process.kill()
            time.sleep(0.01)


class _Call:
    """A call that can be pickled."""

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ):
        self._function, self._arguments, self._options = function, arguments, options

    def __call__(self) -> Any:
        return self._function(*self._arguments, **self._options)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that this thread starts do not notice Ctrl-C before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It unblocks the signal when it starts: that has to be before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(threads: int, is_first: bool) -> None:
    """Set up a process of a pool; the first one's warnings are enough."""
    # Ctrl-C is for the process that the user started; it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    show_warnings_in_one_line()
    if not is_first:
        warnings.filterwarnings("ignore", "engine 'auto' takes", RuntimeWarning)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        remove_unfinished()
        os._exit(1)


def checked(executor: Any) -> Any:
    """An executor or Dask client, or None."""
    if executor is None or isinstance(executor, futures.Executor) or is_client(executor):
        return executor
    raise TypeError(
        "`executor` must be a concurrent.futures.Executor, such as pnncupy.batch.ProcessPool, or a "
        f"distributed.Client, got {validation.described(executor)}"
    )


def is_client(executor: Any) -> bool:
    """Whether this is a Dask client."""
    return type(executor).__module__.partition(".")[0] == "distributed" and hasattr(
        executor, "scheduler_info"
    )


def worker_count(executor: Any) -> int:
    """Calls that can run at the same time."""
    if is_client(executor):
        with scheduler_asked(executor):
            return max(1, sum(map(int, executor.nthreads().values())))
    workers = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return int(workers or engine_table.thread_count(None))


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
            if isinstance(error, KilledWorker) and deaths < _MOST_DEATHS:
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
        "run the same again: pictures and checkpoints that were written are kept"
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
