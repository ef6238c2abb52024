"""The files that results of a call go to."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import click
import numpy as np

from pnncupy.atomic_files import followed
from pnncupy.batch.provenance import Provenance
from pnncupy.file_locks import locked
from pnncupy.io import ProvenanceRecord
from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.ome_zarr import SUFFIX as ZARR
from pnncupy.io.ome_zarr import check_zarr
from pnncupy.io.volume_files import SUFFIXES as VOLUME_SUFFIXES
from pnncupy.io.volume_files import write_volume
from pnncupy.io.writing import READ_SUFFIXES, SUFFIXES, default_suffix, encode_image, write_image

# Taken for file names, not for folders.
_OTHER_FORMATS = {".pdf", ".svg", *READ_SUFFIXES}


@dataclass(frozen=True)
class ResultFiles:
    """Files of the results, the contact sheet, the index maps and the mask of a call.

    And of the results repeated 2 x 2, `tiled`.
    """

    images: Sequence[Path]
    sheet: Path | None
    indices: Sequence[Path]
    force: bool
    made_from: Provenance
    mask: Path | None = None
    tiled: Sequence[Path] = ()
    volume: bool = False

    @classmethod
    def plan(
        cls,
        output: Path,
        stem: str,
        count: int | None,
        like: Any,
        index: Path | None,
        force: bool,
        made_from: Provenance,
        mask: Path | None = None,
        tiled: bool = False,
        *,
        volume: bool = False,
    ) -> "ResultFiles":
        """Choose names, and refuse what cannot work before any work is done.

        With a `count`, images are numbered, and more than one get a contact sheet.
        """
        sheet = None
        suffix = ".tif" if volume else default_suffix(like, made_from.metadata)
        known = VOLUME_SUFFIXES if volume else SUFFIXES
        if output.suffix.lower() == ZARR or (
            output.suffix.lower() in known and not output.is_dir()
        ):
            if count is not None and count > 1:
                raise click.UsageError(
                    f"-o must be a folder for {count} images, got the file name {output}"
                )
            images: Sequence[Path] = [output]
        elif output.suffix.lower() in {*_OTHER_FORMATS, *SUFFIXES} and not output.is_dir():
            raise click.UsageError(
                f"cannot write {output.suffix} files; use one of {', '.join(sorted(known))}, or "
                "a folder"
            )
        elif count is None:
            images = [output / f"{stem}{suffix}"]
        else:
            images = _Numbered(output / f"{stem}{suffix}", count)
            sheet = output / f"{stem}_contact.png" if count > 1 else None
        indices: Sequence[Path] = []
        if index is not None:
            if SUFFIXES.get(index.suffix.lower()) != "tiff":
                raise click.UsageError(f"--save-index must name a .tif file, got {index}")
            indices = [index] if count in (None, 1) else _Numbered(index, count)
        if mask is not None and SUFFIXES.get(mask.suffix.lower()) not in ("png", "tiff"):
            raise click.UsageError(f"--save-mask must name a .png or .tif file, got {mask}")
        # Refuses what the format cannot hold.
        if images[0].suffix.lower() == ZARR:
            check_zarr()
        elif not volume:
            encode_image(
                images[0].suffix, like[:8, :8], made_from.metadata, provenance=made_from.record()
            )
        if volume and mask is not None and SUFFIXES.get(mask.suffix.lower()) != "tiff":
            raise click.UsageError(f"--save-mask must name a .tif file, got {mask}")
        repeated = _tiled(images) if tiled else ()
        if mask is not None and any(_holds(files, mask) for files in (images, indices, repeated)):
            raise click.UsageError(f"--save-mask would replace another result, {mask}")
        return cls(images, sheet, indices, force, made_from, mask, repeated, volume)

    @contextmanager
    def in_use(self, inputs: Sequence[Path]) -> Iterator[None]:
        """Keep other processes from writing these files, and refuse what would be lost."""
        single = [file for file in (self.sheet, self.mask) if file is not None]
        numbered = (self.images, self.indices, self.tiled)
        links = [link for files in (*numbered, single) for link in _links(files)]
        # The first of those with numbers represents all of them.
        first = dict.fromkeys((*(file for files in numbered for file in files[:1]), *single))
        for folder in {file.parent for file in (*first, *map(followed, links))}:
            _check_writable(folder)
        with ExitStack() as stack:
            for file in first:
                stack.enter_context(locked(file))
            existing = [file for files in (*numbered, single) for file in _existing(files)]
            self._check(existing, inputs)
            yield

    def _check(self, existing: Sequence[Path], inputs: Sequence[Path]) -> None:
        for file in existing:
            if any(file.samefile(each) for each in inputs):
                raise click.UsageError(f"{file} is an input and would be lost; choose another -o")
        if existing and not self.force:
            more = f" and {len(existing) - 1} more" if existing[1:] else ""
            raise click.UsageError(
                f"{existing[0]} exists{more}; choose another -o or replace with --force"
            )

    def write(self, number: int, result: Any) -> None:
        """Write a finished sample."""
        made_from = self.made_from
        record = made_from.record(number)
        self._write(self.images[number], result.image, record, made_from.metadata)
        if self.tiled:
            repeated = np.tile(result.image, (2, 2, 1)[: result.image.ndim])
            self._write(self.tiled[number], repeated, made_from.record(number, "tiled preview"))
        if self.indices:
            self._write(self.indices[number], result.index, made_from.record(number, "index map"))

    def write_sheet(self, sheet: Any) -> None:
        """Write the contact sheet."""
        assert self.sheet is not None
        self._write(self.sheet, sheet, self.made_from.record(None, "contact sheet"))

    def write_mask(self, made: Any) -> None:
        """Write what was synthesised, a bool array (H, W)."""
        assert self.mask is not None
        made_from = self.made_from
        record = made_from.record(None, "mask")
        self._write(self.mask, made, record, made_from.metadata.of_layer())

    def _write(
        self, file: Path, image: Any, record: ProvenanceRecord, metadata: Metadata | None = None
    ) -> None:
        followed(file).parent.mkdir(parents=True, exist_ok=True)
        if self.volume and file != self.sheet:
            write_volume(file, image, overwrite=self.force, metadata=metadata, provenance=record)
            return
        write_image(file, image, overwrite=self.force, metadata=metadata, provenance=record)


def _check_writable(folder: Path) -> None:
    """Find out before the work, not after it, whether results can be written to a folder."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(f"cannot write to {folder}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write to {folder}: permission denied for {existing}")


class _Numbered(Sequence[Path]):
    """Files of one name and the numbers 0 to `count` - 1, each created when it is its turn."""

    def __init__(self, file: Path, count: int):
        self._file, self._numbers = file, range(count)
        self._digits = max(3, len(str(count - 1)))

    def named(self, addition: str) -> "_Numbered":
        """Return files with an addition before their number."""
        name = f"{self._file.stem}{addition}{self._file.suffix}"
        return _Numbered(self._file.with_name(name), len(self))

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> Path: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Path]: ...
    def __getitem__(self, number: int | slice) -> Path | Sequence[Path]:
        if isinstance(number, slice):
            return [self[each] for each in self._numbers[number]]
        name = f"{self._file.stem}_{self._numbers[number]:0{self._digits}}{self._file.suffix}"
        return self._file.with_name(name)

    def __contains__(self, file: object) -> bool:
        if not isinstance(file, Path) or file.parent.resolve() != self._file.parent.resolve():
            return False
        digits = file.name.removeprefix(f"{self._file.stem}_").removesuffix(self._file.suffix)
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(sys.maxsize)):
            return False
        return int(digits) in self._numbers and self[int(digits)].name == file.name


def _tiled(images: Sequence[Path]) -> Sequence[Path]:
    """Files of results that are repeated."""
    if isinstance(images, _Numbered):
        return images.named("_tiled")
    return [file.with_name(f"{file.stem}_tiled{file.suffix}") for file in images]


def _holds(files: Sequence[Path], file: Path) -> bool:
    """Return whether a file is one of these, by its name and folder."""
    if isinstance(files, _Numbered):
        return file in files
    return os.path.realpath(file) in map(os.path.realpath, files)  # `resolve` raises for loops


def _existing(files: Sequence[Path]) -> list[Path]:
    """Those of the files that are there, in order."""
    return [file for file in _entries(files) if file.exists()]


def _links(files: Sequence[Path]) -> list[Path]:
    """Those of the files that are symbolic links, even to nothing."""
    return [file for file in _entries(files) if file.is_symlink()]


def _entries(files: Sequence[Path]) -> Sequence[Path]:
    """The files; of those with numbers, which may be many, only what their folder holds."""
    if not isinstance(files, _Numbered):
        return files
    folder = files[0].parent
    return sorted(file for file in folder.iterdir() if file in files) if folder.is_dir() else []
