"""Provenance of results: their sources, and the metadata that still holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pnncupy.errors import ImageReadError
from pnncupy.io import ProvenanceRecord, read_metadata
from pnncupy.io.formats.tiff_metadata import Metadata, for_result
from pnncupy.io.formats.xmp import ALGORITHMIC_MEDIA, COMPOSITE_SYNTHETIC
from pnncupy.io.ome_zarr import KEPT
from pnncupy.io.ome_zarr import SUFFIX as ZARR
from pnncupy.io.volume_files import named_slice_axis
from pnncupy.io.writing import SUFFIXES
from pnncupy.tasks.registry import TASKS

_MOST_NAMES = 3


@dataclass(frozen=True)
class Provenance:
    """Origin of the results of one call.

    Attributes
    ----------
    verb : str
        Name of the task.
    sources : tuple of str
        Names of the sources, without folders.
    seed : int or None
        Seed, if random numbers were drawn.
    partly : bool
        Only the pixels of a mask were synthesised; the rest is as it was.
    metadata : Metadata
        What of the first source holds for the results.
    dropped : tuple of str
        What does not.
    problem : str
        Why nothing could be read, if so.
    arguments : mapping
        Arguments of the call, files by their names.
    """

    verb: str
    sources: tuple[str, ...]
    seed: int | None = None
    partly: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    dropped: tuple[str, ...] = ()
    problem: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def mark(self, sample: int = 0) -> str:
        """A line for the description of a result.

        Examples
        --------
        >>> Provenance("inpaint", ("photo.tif",), 3, partly=True).mark()
        'synthesised by pnncupy inpaint from photo.tif, seed 3: pixels of the mask only'
        """
        names = ", ".join(self.sources[:_MOST_NAMES])
        if self.sources[_MOST_NAMES:]:
            names += f" and {len(self.sources) - _MOST_NAMES} more"
        drawn = "" if self.seed is None else f", seed {self.seed}"
        if sample:
            drawn += f", sample {sample}"
        what = TASKS[self.verb].changed if self.partly else "all pixels"
        return f"synthesised by pnncupy {self.verb} from {names}{drawn}: {what}"

    def record(self, sample: int | None = 0, content: str = "image") -> ProvenanceRecord:
        """Record for a file of the call.

        Parameters
        ----------
        sample : int or None
            Which of the realisations; None for a file that belongs to all of them.
        content : {"image", "tiled preview", "contact sheet", "index map", "mask"}
            What the file holds. A contact sheet shows the source too.
        """
        mark = self.mark(sample or 0)
        kept = {
            "image": self.partly, "tiled preview": self.partly, "contact sheet": True,
        }.get(content, False)  # fmt: skip
        return ProvenanceRecord(
            self.verb, self.sources, self.arguments, self.seed, sample,
            digital_source_type=COMPOSITE_SYNTHETIC if kept else ALGORITHMIC_MEDIA,
            text=mark if content == "image" else f"{content}: {mark}",
        )  # fmt: skip

    def notes(self, suffix: str) -> list[str]:
        """Notes about a result with this suffix, a line each."""
        name = self.sources[0]
        lines = [f"{name}: {self.problem}"] if self.problem else []
        if self.dropped:
            lines.append(f"{name}: the result does not keep {', '.join(self.dropped)}")
        worth = self.metadata.worth_keeping
        if suffix.lower() == ZARR:
            worth = tuple(name for name in worth if name not in KEPT)
        if worth and SUFFIXES.get(suffix.lower()) != "tiff":
            lines.append(f"{name}: {suffix} does not keep its {_listed(worth)}; .tif would")
        return lines


def provenance(
    verb: str,
    sources: Sequence[str],
    channels: int,
    *,
    file: str | None = None,
    page: int | None = None,
    volume: bool = False,
    seed: int | None = None,
    partly: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Provenance:
    """Read what of the first source holds for results of a task with a number of channels.

    Parameters
    ----------
    verb : str
    sources : sequence of str
        Files, or other names of the sources.
    channels : int
        Of the results.
    file : str, optional
        The first source, if it is a file.
    page : int, optional
        Which image in it.
    volume : bool
        All images in it are one volume.
    seed, partly
        As in `Provenance`.
    arguments : mapping, optional
        As the caller gave them.
    """
    metadata, problem = Metadata(), ""
    if file is not None and not (volume and file.lower().endswith(".npy")):
        try:
            metadata = read_metadata(file, page=0 if volume else page)
            if volume:  # a page knows nothing of its neighbours
                metadata = replace(metadata, slice_axis=named_slice_axis(file) or "Z")
        except ImageReadError as error:  # its pixels were read, so work can go on
            problem = str(error).removeprefix(f"{file}: ")
    kept, dropped = for_result(metadata, origin_kept=TASKS[verb].keeps_origin, channels=channels)
    names = tuple(_printable(Path(source).name) for source in sources)
    plain = {name: without_folders(value) for name, value in (arguments or {}).items()}
    return Provenance(verb, names, seed, partly, kept, dropped, problem, plain)


def without_folders(value: Any) -> Any:
    """A value in types that JSON has, without folders."""
    if isinstance(value, str | Path):
        return _printable(Path(value).name if len(Path(value).parts) > 1 else str(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [without_folders(each) for each in value] if isinstance(value, tuple | list) else value


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
