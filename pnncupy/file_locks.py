"""Locks on files that a process writes, so that a second process does not write them too."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pnncupy.atomic_files import made_if_missing, noted
from pnncupy.errors import FilesInUse

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# What the system says of a lock that another process holds; anything else means no locks here.
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
# Windows does not let others read a byte that is locked: this one is behind the process number.
_LOCKED_BYTE = 1 << 20


@contextmanager
def locked(file: Path, subject: Path | None = None) -> Iterator[None]:
    """Keep other processes from writing a file until the block ends.

    The operating system ends the lock with the process, so a process that is killed blocks nobody.
    On a file system without locks the block runs without one.

    Parameters
    ----------
    file : path
        The file; its folder is created if missing, and removed again if the block fails.
    subject : path, optional
        What the message names; default: the file.

    Raises
    ------
    FilesInUse
        Another process, or another thread of this one, has the lock.
    """
    with made_if_missing(file.parent):
        lock = file.parent / f".{file.name}.lock"
        descriptor = _acquired(lock, subject or file)
        if descriptor is None:
            yield
            return
        try:
            with noted(lock):
                yield
        finally:
            # Removed while it is locked: whoever opens it later creates another one.
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _acquired(lock: Path, subject: Path) -> int | None:
    """Open and lock a file, and note this process in it; None where that is impossible."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError:  # the file itself cannot be written either, which is reported then
            return None
        try:
            if not _is_free(descriptor):
                raise FilesInUse(_in_use(subject, os.read(descriptor, 300)))
            if _is_current(descriptor, lock):
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Lock an open file; False if another process has locked it."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return False
    return True


def _is_current(descriptor: int, lock: Path) -> bool:
    """False if the process that had the lock has removed the file in the meantime."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except OSError:
        return False


def _in_use(subject: Path, holder: bytes) -> str:
    """The message about a file whose lock says who holds it."""
    number, _, host = holder.decode(errors="replace").partition(" ")
    who = f"process {number}" if number.isdecimal() else "another process"
    if host and host != socket.gethostname():
        who += f" on {host}"
    return f"{subject} is in use by {who}; wait until it has ended, or choose another place"
