"""Inputs of jobs that are volumes, by what the caller or the files say."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pnncupy.batch.folder_images import FolderImages
from pnncupy.batch.job import Input
from pnncupy.batch.job_arguments import check_for_volume, check_sides
from pnncupy.errors import ImageReadError
from pnncupy.io.ome_zarr import is_zarr
from pnncupy.io.volume_files import SUFFIXES, named_slice_axis

_KINDS = {"image": "volume", "mask": "mask of a volume"}


def with_kinds(
    inputs: Mapping[str, Any], wanted: bool | None, arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Let inputs be read as volumes, or as images.

    Parameters
    ----------
    inputs : mapping
        For each image parameter an `Input`, or a tuple of them.
    wanted : bool or None
        Whether they are volumes; None is what the files say.
    arguments : mapping
        The other arguments of the task, which have to fit.

    Returns
    -------
    inputs, volume
        The inputs, and whether they are volumes.

    Raises
    ------
    TypeError, ValueError
        Some say that they are volumes and others do not, or an argument does not fit.
    """
    volume = _all_say(inputs) if wanted is None else wanted
    if not volume:
        check_sides(arguments, False)
        return dict(inputs), False
    check_for_volume(arguments)

    def changed(given: Any) -> Any:
        if isinstance(given, tuple):
            return tuple(map(changed, given))
        return replace(given, kind=_KINDS[given.kind]) if given.kind in _KINDS else given

    return {name: changed(given) for name, given in inputs.items()}, True


def _all_say(inputs: Mapping[str, Any]) -> bool:
    """Test whether the files say that they are volumes; those that cannot be read say nothing."""
    found = {}
    for name, given in _single(inputs):
        if given.kind == "image" and (says := _says(Path(given.path))) is not None:
            found[says] = (name, given)
    if len(found) > 1:
        (volume, one), (image, other) = found[True], found[False]
        raise ValueError(
            f"`{image}`: {Path(other.path).name} does not say that it is a volume, as "
            f"{Path(one.path).name} of `{volume}` does; give volumes only, with `volume = true` "
            "if files do not say it"
        )
    return True in found


def _single(inputs: Mapping[str, Any]) -> Iterator[tuple[str, Input]]:
    for name, given in inputs.items():
        for each in given if isinstance(given, tuple) else (given,):
            yield name, each


def _says(file: Path) -> bool | None:
    """Test whether a file says that it is a volume; None if it cannot be read."""
    if file.suffix.lower() not in SUFFIXES and not is_zarr(file):
        return False
    try:
        return bool(named_slice_axis(file))
    except (ImageReadError, OSError):
        return None


def check_one_kind(found: FolderImages, wanted: bool | None) -> bool:
    """Refuse a folder with images and volumes; return whether it holds volumes."""
    if wanted is False:
        return False
    if wanted:
        images, volumes = found.images(), found.files
    else:
        says = {file: _says(file) for file in found.files}
        images, volumes = ([file for file in says if says[file] is each] for each in (False, True))
    if images and volumes:
        raise ValueError(
            f"{found.folder} holds images ({images[0].name}) and volumes ({volumes[0].name}), "
            f"{len(images)} and {len(volumes)}; move them into two folders"
            + ("" if wanted else ", or set `volume` (--volume or --no-volume) to say what all are")
        )
    return bool(volumes)
