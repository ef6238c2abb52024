"""Pool of processes that survives its workers."""

import itertools
import multiprocessing
import os
import queue
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from pnncupy import validation
from pnncupy.atomic_files import remove_unfinished
from pnncupy.parallel.threads import thread_count
from pnncupy.terminal import show_warnings_in_one_line

# How often a call is begun again because its worker was killed, before it counts as the reason.
MOST_DEATHS = 10
# How long processes that are killed are waited for.
_SECONDS_TO_DIE = 1.0


class WorkerDied(RuntimeError):  # noqa: N818 - says what happened
    """A call did not end, as each process that worked on it was killed."""


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
        cores = thread_count(None)
        self.workers = validation.optional_integer("workers", workers, 1) or cores
        self.threads = max(1, cores // self.workers)
        if threads is not None:
            self.threads = thread_count(threads)
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
            for _ in range(MOST_DEATHS):
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
                        f"{MOST_DEATHS} processes that worked on it were killed or never began: "
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
