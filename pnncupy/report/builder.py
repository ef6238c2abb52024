"""A whole report: read the spec, make the pictures, write the page."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pnncupy.atomic_files import whole_folder, write_text
from pnncupy.file_locks import locked
from pnncupy.io.writing import SUFFIXES
from pnncupy.report.demo import write_demo
from pnncupy.report.page import write_page
from pnncupy.report.results import Step, make_all, try_all
from pnncupy.report.spec import Spec, read_spec, spec_of_text

# The files of a page that a later one may remove.
_LIST = "report_files.txt"
_FILES = ("index.html", "study.html", "study_key.csv", _LIST)
_FOLDERS = ("pictures", "originals")
_PICTURE_NAME = re.compile(r"(\d+|study)_")


def build_report(
    spec_file: Path,
    folder: Path,
    *,
    threads: int | None = None,
    callback: Callable[[Step], Any] | None = None,
    note: Callable[[str], Any] | None = None,
) -> Path:
    """Make what a spec asks for and write the page into a folder, created if missing.

    Files in the folder are replaced, and those of an earlier page that this one does not have are
    removed. Nothing is changed there before all pictures are made. `note` receives a line for each
    mask, with the number of pixels of its hole.

    Returns
    -------
    path
        The page, index.html.
    """
    spec = read_spec(spec_file)
    if _is_replaced(spec_file, folder):
        raise ValueError(f"{spec_file} would be replaced by the page; choose another folder")
    return _build(spec, folder, spec_file.parent, threads, callback, note)


def build_report_of_text(
    text: str,
    folder: Path,
    *,
    threads: int | None = None,
    callback: Callable[[Step], Any] | None = None,
    note: Callable[[str], Any] | None = None,
) -> Path:
    """Make the page of a spec that is a text, as `build_report`; files are relative to here."""
    return _build(spec_of_text(text, Path()), folder, Path(), threads, callback, note)


def _build(
    spec: Spec, folder: Path, home: Path, threads: int | None,
    callback: Callable[[Step], Any] | None, note: Callable[[str], Any] | None,
) -> Path:  # fmt: skip
    _check_inputs(spec, folder)
    with _page_folder(folder, _FILES, _FOLDERS) as temporary:
        _fill(spec, temporary, home.resolve(), threads, callback, note)
    return folder / "index.html"


def build_demo(
    folder: Path,
    *,
    threads: int | None = None,
    callback: Callable[[Step], Any] | None = None,
) -> Path:
    """The page of the bundled photographs, with its spec and their files beside it."""
    with _page_folder(folder, (*_FILES, "demo.toml"), (*_FOLDERS, "inputs")) as temporary:
        spec_file = write_demo(temporary)
        _fill(read_spec(spec_file), temporary, temporary.resolve(), threads, callback)
    return folder / "index.html"


def _fill(
    spec: Spec, folder: Path, home: Path, threads: int | None,
    callback: Callable[[Step], Any] | None, note: Callable[[str], Any] | None = None,
) -> None:  # fmt: skip
    try_all(spec, threads, note)
    write_page(spec, make_all(spec, threads, callback), folder, home, threads)


@contextmanager
def _page_folder(folder: Path, files: Sequence[str], folders: Sequence[str]) -> Iterator[Path]:
    """A temporary folder that replaces the page of another one when the block ends."""
    _check_targets(folder, files, folders)
    with locked(folder / "index.html", folder):
        earlier = _files_of_page(folder)
        with whole_folder(folder, last="index.html") as temporary:
            yield temporary
            names = [
                file.relative_to(temporary).as_posix()
                for file in sorted(temporary.rglob("*"))
                if file.is_file()
            ]
        own = [name for name in names if _is_of_page(name)]
        for name in earlier - set(own):
            (folder / name).unlink(missing_ok=True)
        write_text(folder / _LIST, "".join(f"{name}\n" for name in own))


def _files_of_page(folder: Path) -> set[str]:
    """Names of the files that an earlier page has left in a folder."""
    file = folder / _LIST
    names = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {name for name in names if _is_of_page(name) and (folder / name).is_file()}


def _is_of_page(name: str) -> bool:
    """Test whether a file, relative to the page's folder, has a name that only pages give."""
    parts = PurePosixPath(name).parts
    if len(parts) == 2:
        return parts[0] in _FOLDERS and _PICTURE_NAME.match(parts[1]) is not None
    return parts in [(each,) for each in _FILES]


def _check_inputs(spec: Spec, folder: Path) -> None:
    """Refuse to write the page over its inputs."""
    for entry in spec.entries:
        named = [
            (name, each)
            for name, given in entry.job.inputs.items()
            for each in (given if isinstance(given, tuple) else (given,))
        ]
        for name, each in (*named, *(("others", each) for each in entry.others.values())):
            if _is_replaced(Path(each.path), folder):
                raise ValueError(
                    entry.table.told(
                        f"`{name}`: {each.path} may be replaced by the page; choose another folder"
                    )
                )


def _is_replaced(file: Path, folder: Path) -> bool:
    places = {name: (folder / name).resolve() for name in _FOLDERS} | {"": folder.resolve()}
    place = file.resolve()
    return any(
        place.parent == parent and _is_of_page(f"{name}/{place.name}" if name else place.name)
        for name, parent in places.items()
    )


def _check_targets(folder: Path, files: Sequence[str], folders: Sequence[str]) -> None:
    """Find out before the work, not after it, what the page cannot replace."""
    for name in files:
        if (folder / name).is_dir():
            raise IsADirectoryError(f"{folder / name} is a folder; the page has a file so called")
    for name in folders:
        place = folder / name
        if not os.path.lexists(place):
            continue
        if not place.is_dir():
            raise NotADirectoryError(f"{place} is a file; the page has a folder so called")
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(f"cannot write to {place}: permission denied")
        for each in place.iterdir():
            if each.is_dir() and each.suffix.lower() in SUFFIXES:
                raise IsADirectoryError(f"{each} is a folder; the page may have a file so called")
