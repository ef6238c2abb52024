"""Image files of a folder, the names of their results, and what else is in it."""

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pnncupy.batch.earlier_crate import NAME as CRATE
from pnncupy.batch.manifest import NAME, Manifest
from pnncupy.io.ome_zarr import SUFFIX as ZARR
from pnncupy.io.ome_zarr import is_zarr
from pnncupy.io.volume_files import SUFFIXES as VOLUME_SUFFIXES
from pnncupy.io.writing import READ_SUFFIXES
from pnncupy.tasks.registry import TASKS

_MOST_NAMES = 3
# What is passed over: one, several. The first group needs no mention where there are images.
_HIDDEN = ("hidden image", "hidden images")
_RESULTS = ("result of this batch", "results of this batch")
_COMMON = ("image given as an argument", "images given as arguments")
_OTHER_RESULTS = (
    "result of another batch on this folder", "results of other batches on this folder"
)  # fmt: skip
_NAMED_LIKE_RESULTS = ("image named like a result", "images named like results")
_OTHER_KINDS = ("file of another kind", "files of other kinds")
_LINKS = ("link to a folder", "links to folders")
_SUBFOLDERS = (
    "subfolder without recursive=True (--recursive)",
    "subfolders without recursive=True (--recursive)",
)
_UNMENTIONED = (_HIDDEN, _RESULTS)


@dataclass
class FolderImages:
    """Images of a folder that are sources of a batch.

    Attributes
    ----------
    folder : Path
    files : list of Path
        Images, and what only seems to be one: its job fails and says why.
    passed_over : dict
        For each reason the names, relative to the folder.
    volume : bool
        Whether they are volumes.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    passed_over: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    volume: bool = False

    @property
    def suffixes(self) -> Collection[str]:
        """Suffixes of the files and folders that are sources."""
        return {*(VOLUME_SUFFIXES if self.volume else READ_SUFFIXES), ZARR}

    def images(self) -> list[Path]:
        """Files passed over that are images, where volumes are wanted."""
        names = self.passed_over.get(_OTHER_KINDS, [])
        return [self.folder / name for name in names if Path(name).suffix.lower() in READ_SUFFIXES]

    def pass_over(self, reason: tuple[str, str], entry: Path) -> None:
        """Note an entry that is no source."""
        self.passed_over.setdefault(reason, []).append(str(entry.relative_to(self.folder)))

    def note(self) -> str:
        """A line about what is passed over; empty if nothing needs a mention."""
        groups = {
            reason: names for reason, names in self.passed_over.items()
            if reason not in _UNMENTIONED
        }  # fmt: skip
        return f"passed over in {self.folder}: {_listed(groups)}" if groups else ""

    def check(self) -> None:
        """Refuse a folder without sources."""
        if self.files:
            return
        what = "volumes" if self.volume else "images"
        if set(self.passed_over) - {_OTHER_KINDS}:
            raise ValueError(
                f"{self.folder} holds no {what} but those passed over: {_listed(self.passed_over)}"
            )
        others = f"; passed over: {_listed(self.passed_over)}" if self.passed_over else ""
        names = self.passed_over.get(_OTHER_KINDS, [])
        if not self.volume and any(Path(name).suffix.lower() in VOLUME_SUFFIXES for name in names):
            others += "; .npy files are volumes: set `volume` (--volume)"
        raise ValueError(
            f"{self.folder} holds no {what} ({', '.join(sorted(self.suffixes))}){others}"
        )

    def names(self) -> list[PurePath]:
        """For each file a name of its own without suffix, relative to the folder.

        Where x.png is beside x.jpg, these are x_png and x_jpg.
        """
        whole: set[Path] = set()
        while True:
            names = [self._name(file, file in whole) for file in self.files]
            shared = {name for name, count in Counter(names).items() if count > 1}
            if not shared:
                return names
            whole |= {
                file for file, name in zip(self.files, names, strict=True) if name in shared
            }  # fmt: skip

    def _name(self, file: Path, whole: bool) -> PurePath:
        place = file.parent.relative_to(self.folder)
        return place / (_with_suffix(file) if whole else file.stem)


def folder_images(
    folder: Path,
    output: Path | None = None,
    *,
    recursive: bool = False,
    common: Collection[Path] = (),
    volume: bool = False,
) -> FolderImages:
    """List the images of a folder that are sources of a batch, in the order of their names.

    Parameters
    ----------
    folder : Path
    output : Path, optional
        Folder of the results, which are no sources, wherever it is.
    recursive : bool, default False
        Include those of subfolders. Links to folders are not followed.
    common : collection of Path
        Images that are arguments of all jobs.
    volume : bool, default False
        List volumes instead: TIFF stacks, .npy and .npz files. Folders of OME-Zarr are listed in
        both cases.
    """
    found = FolderImages(folder, volume=volume)
    search = _Search(found, None if output is None else _real(output), recursive)
    search.reasons |= {str(_real(file)): _COMMON for file in common}
    search.run()
    found.files.sort()
    return found


@dataclass
class _Search:
    """Search of a folder for images.

    Attributes
    ----------
    found : FolderImages
    output : Path or None
        Folder of the results, without links.
    recursive : bool
    reasons : dict
        Why a file is passed over, by its path without links.
    """

    found: FolderImages
    output: Path | None
    recursive: bool
    reasons: dict[str, tuple[str, str]] = field(default_factory=dict)
    _waiting: list[Path] = field(default_factory=list)

    def run(self) -> None:
        """Search the folder and those in it."""
        if self.output is not None:
            self.reasons[str(self.output / NAME)] = _RESULTS
            if self.output.is_dir():
                self.reasons |= {str(each): _RESULTS for each, _ in Manifest(self.output).results()}
        self._waiting = [self.found.folder]
        while self._waiting:
            self._enter(self._waiting.pop())
        self._pass_over_unnoted_results()

    def _enter(self, place: Path) -> None:
        """Sort the entries of a folder."""
        try:
            entries = sorted(place.iterdir())
        except OSError:
            if place == self.found.folder:
                raise
            self.found.files.append(place)  # its job says why
            return
        if place / NAME in entries:
            self._note_results(_real(place))
        for entry in entries:
            self._sort(entry)

    def _sort(self, entry: Path) -> None:
        is_image, real = entry.suffix.lower() in self.found.suffixes, _real(entry)
        is_folder = _is_folder(entry)
        if is_folder and is_zarr(entry):
            is_image, is_folder = True, False
        if entry.name.startswith("."):
            if is_image:
                self.found.pass_over(_HIDDEN, entry)
        elif real == self.output or self._is_record(entry.name, real):
            return
        elif is_folder and (self.recursive or not is_image):
            self._sort_folder(entry)
        elif not is_image:
            self.found.pass_over(_OTHER_KINDS, entry)
        elif (reason := self.reasons.get(str(real))) is not None:
            self.found.pass_over(reason, entry)
        else:
            self.found.files.append(entry)

    def _is_record(self, name: str, real: Path) -> bool:
        """Test for the manifest of a batch that is known, and its description beside it."""
        return name in (NAME, CRATE) and str(real.parent / NAME) in self.reasons

    def _sort_folder(self, entry: Path) -> None:
        if not self.recursive:
            self.found.pass_over(_SUBFOLDERS, entry)
        elif entry.is_symlink():
            self.found.pass_over(_LINKS, entry)
        else:
            self._waiting.append(entry)

    def _note_results(self, place: Path) -> None:
        """Note the results of another batch whose sources are in the folder, too.

        Results of images elsewhere are sources like any others.
        """
        try:
            results = list(Manifest(place).results())
        except OSError:
            return
        if results:
            self.reasons.setdefault(str(place / NAME), _OTHER_RESULTS)
        top = _real(self.found.folder)
        for file, sources in results:
            if any(Path(os.path.normpath(each)).is_relative_to(top) for each in sources):
                self.reasons.setdefault(str(file), _OTHER_RESULTS)

    def _pass_over_unnoted_results(self) -> None:
        """Pass over what looks like results of this batch that its manifest does not note.

        A process that was killed leaves some, and so does a manifest that was removed.
        """
        found, output = self.found, self.output
        if output is None or not _real(found.folder).is_relative_to(output):
            return
        stems: dict[Path, set[str]] = {}
        for file in found.files:
            place = file.parent.relative_to(found.folder)
            stems.setdefault(output / place, set()).update((file.stem, _with_suffix(file)))
        listed, found.files = found.files, []
        for file in listed:
            if _is_result_of(file, stems):
                found.pass_over(_NAMED_LIKE_RESULTS, file)
            else:
                found.files.append(file)


def _is_result_of(file: Path, stems: Mapping[Path, Collection[str]]) -> bool:
    """Test whether a file is named after one of the stems that give results in its folder."""
    match = re.fullmatch(rf"(?s)(.+)_(?:{'|'.join(TASKS)})(?:_seed\d+)?(?:_\d{{3,}})?", file.stem)
    return match is not None and match[1] in stems.get(_real(file.parent), ())


def _with_suffix(file: Path) -> str:
    """Name of a file with its suffix, which no other file of the folder has."""
    return f"{file.stem}_{file.suffix[1:]}"


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # its job says why
        return False


def _real(path: Path) -> Path:
    """A path without links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the last of links in a circle
        return path.absolute()


def _listed(groups: Mapping[tuple[str, str], Collection[str]]) -> str:
    """Counts and some names of what is passed over."""
    parts = []
    for (one, several), names in groups.items():
        shown = ", ".join(sorted(names)[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        parts.append(f"{len(names)} {one if len(names) == 1 else several} ({shown}{more})")
    return ", ".join(parts)
