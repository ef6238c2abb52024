"""The Dask cluster that a command names."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

# Seconds that a scheduler has to answer.
_SCHEDULER_TIMEOUT = 8


@contextmanager
def dask_client(scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler, or None."""
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client
        from distributed.versions import VersionMismatchWarning
    except ModuleNotFoundError as error:
        raise click.UsageError(
            "--scheduler needs Dask; install it with `pip install 'pnncupy[dask]'`"
        ) from error
    _silence_dask()
    try:
        with warnings.catch_warnings():
            # Versions are compared by `workers.check_versions`.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(scheduler, timeout=_SCHEDULER_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {scheduler} ({type(error).__name__}); start one with "
            "`dask scheduler`, or leave out --scheduler"
        ) from error
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=1)


def _silence_dask() -> None:
    """Turn off Dask's log, up to the end of the process: what matters is in our own messages."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("asyncio", "distributed", "tornado"):
            logging.getLogger(name).disabled = True
