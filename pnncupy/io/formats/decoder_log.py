"""Log of the decoders, kept from the user's terminal: errors tell what matters."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_log(name: str) -> Iterator[None]:
    """Drop what this thread logs to a logger."""
    thread = threading.get_ident()
    logger = logging.getLogger(name)

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)
