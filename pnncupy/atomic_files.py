"""Files that are written as a whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# What is being written now, under temporary names: files and folders.
_unfinished: set[Path] = set()
# Folders that are removed where their block fails, if they are empty.
_made: list[Path] = []
_DIGITS = 8


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """A stream whose contents replace a file when the block ends; if it fails, nothing changes.

    A symbolic link stays, and what it points to is replaced. An OSError names the file.
    """
    target = followed(file)
    with _noted(target) as temporary:
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except OSError as error:
            if error.filename not in (None, str(temporary)):
                raise
            raise naming(error, file) from error
        finally:
            temporary.unlink(missing_ok=True)


def followed(file: Path) -> Path:
    """The file that symbolic links lead to, whether it is there or not; an OSError if to none."""
    if not file.is_symlink():
        return file
    target = Path(os.path.realpath(file))
    if target.is_symlink():
        raise OSError(errno.ELOOP, "symbolic links form a loop; remove one of them", str(file))
    return target


def write_text(file: Path, text: str) -> None:
    """Replace a file by a text, all of it or nothing."""
    with whole_file(file) as stream:
        stream.write(text.encode())


@contextmanager
def whole_folder(folder: Path, last: str = "") -> Iterator[Path]:
    """A temporary folder whose files are moved into another one when the block ends.

    Those at its top are moved last, since they refer to the others, and the one called `last`
    after them. If the block fails, nothing changes.
    """
    with _noted(folder / "unfinished") as temporary:
        try:
            temporary.mkdir()
            yield temporary
            files = [file for file in sorted(temporary.rglob("*")) if file.is_file()]
            for file in sorted(
                files, key=lambda file: (file.parent == temporary, file.name == last)
            ):
                place = folder / file.relative_to(temporary)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
        except OSError as error:
            file = Path(os.fsdecode(error.filename or ""))
            if temporary not in (file, *file.parents):
                raise
            raise naming(error, folder / file.relative_to(temporary)) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes another one, or replaces it, when the block ends.

    If the block fails, nothing changes.
    """
    with _noted(folder) as temporary, _noted(folder) as former:
        try:
            temporary.mkdir()
            yield temporary
            if folder.exists():
                folder.rename(former)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)


@contextmanager
def _noted(file: Path) -> Iterator[Path]:
    """A temporary name beside a file, noted while it is in use."""
    with noted(file.with_name(f".{file.name}.{secrets.token_hex(_DIGITS // 2)}")) as temporary:
        yield temporary


@contextmanager
def noted(temporary: Path) -> Iterator[Path]:
    """Note a file or folder that has to be removed even where the process ends at once."""
    _unfinished.add(temporary)
    try:
        yield temporary
    finally:
        _unfinished.discard(temporary)


@contextmanager
def made_if_missing(folder: Path) -> Iterator[None]:
    """Create a folder, and remove it again if the block fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    _made.extend(missing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        _remove_empty(missing)
        raise
    finally:
        for each in missing:
            _made.remove(each)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that are there and empty, the innermost first."""
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def naming(error: OSError, file: Path) -> OSError:
    """The same error with the name of the file that was to be written."""
    if error.errno is None:  # NumPy's, of a file that is cut short
        return OSError(f"{file}: {error}")
    return OSError(error.errno, os.strerror(error.errno), str(file))


def remove_unfinished() -> None:
    """Remove what this process has begun to write; for where it ends without unwinding."""
    for temporary in list(_unfinished):
        with suppress(OSError):
            temporary.unlink()
        shutil.rmtree(temporary, ignore_errors=True)
    _remove_empty(list(_made))


def remove_left_over(folders: Iterable[Path], is_own: Callable[[Path], bool]) -> None:
    """Remove what processes that were killed have left of files for which `is_own` is true."""
    for folder in folders:
        for entry in folder.glob(".*"):
            name, _, digits = entry.name[1:].rpartition(".")
            if len(digits) == _DIGITS and is_own(folder / name):
                entry.unlink(missing_ok=True)
