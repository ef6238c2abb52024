"""Images of further formats, decoded in a process of their own with bounds of memory and time.

A file that breaks its decoder, whatever the way, breaks that process only.
"""

import base64
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pnncupy.errors import ImageReadError
from pnncupy.io.decoder import program
from pnncupy.io.formats.limits import check_limit
from pnncupy.io.formats.orientation import known_orientation
from pnncupy.io.formats.tiff_colours import ASSOCIATED, UNASSOCIATED, unassociated
from pnncupy.io.formats.tiff_metadata import Metadata, sound_profile
from pnncupy.io.image_file import ImageFile

# A header takes less; profiles take some megabytes.
_LONGEST_HEADER = 1 << 27
# Seconds for the header, and bytes of a file and of its array for each further one. The process
# counts its own seconds of computing; this is for one that waits.
_SECONDS, _BYTES_PER_SECOND = 180, 10**6
_LONGEST_WAIT = 24 * 3600
SEVERAL_IMAGES = "it holds several images, of which the first was read; choose another"
_EXTRAS = {"pillow_heif": "formats", "OpenImageIO": "formats", "PIL": "formats", "zarr": "zarr"}


@dataclass(frozen=True)
class Decoded:
    """Answer of the process: pixels, if wanted, and what the file says.

    Attributes
    ----------
    pixels : array or None
    header : dict
        See `decoder.program`.
    """

    pixels: Any
    header: dict[str, Any] = field(default_factory=dict)


def read_further(
    kind: str, title: str, stream: BinaryIO, page: int | None, limit: int
) -> ImageFile:  # fmt: skip
    """Read the image in an open file of a format of `decoder.program`, as stored.

    Parameters
    ----------
    kind : str
        Format, a key of `decoder.program.READERS`.
    title : str
        Name of the format for messages.
    stream : binary file
        With the name of the file.
    page : int or None
    limit : int
        The most bytes of the array.

    Raises
    ------
    ImageReadError
        As `pnncupy.io.read_image`; also where a package that decodes the format is missing.
    """
    found = decode(kind, title, stream.name, page, limit)
    header, pixels = found.header, found.pixels
    notes, extra = list(header["notes"]), tuple(header["extra_samples"])
    if header["images"] > 1 and page is None:
        notes.append(f"{SEVERAL_IMAGES} with page=N (--page N), from 0")
    if ASSOCIATED in extra and pixels.ndim == 3:
        colours = pixels.shape[2] - len(extra)
        pixels = unassociated(pixels, colours, colours + extra.index(ASSOCIATED))
        notes.append("its colours, which are multiplied with alpha, were divided by it")
    return ImageFile(pixels, metadata_of(header), None, tuple(notes), header["images"])


def further_metadata(kind: str, title: str, stream: BinaryIO, page: int | None) -> Metadata:
    """Read the metadata of an image of a further format; its pixels are not decoded."""
    return metadata_of(decode(kind, title, stream.name, page, 0, pixels=False).header)


def metadata_of(header: dict[str, Any]) -> Metadata:
    """Metadata of the image whose header is given, with colours divided by alpha."""
    return Metadata(
        channel_names=tuple(header.get("channel_names", ())),
        icc_profile=sound_profile(base64.b64decode(header["icc_profile"])),
        orientation=known_orientation(header["orientation"]),
        colour=header["colour"],
        extra_samples=tuple(
            UNASSOCIATED if each == ASSOCIATED else each for each in header["extra_samples"]
        ),
        bits=header.get("bits"),
        pixel_size=_pair(header.get("pixel_size")),
        unit=header.get("unit"),
        slice_size=header.get("slice_size"),
        slice_axis=header.get("slice_axis", "Z"),
        kind=header.get("kind", "plain"),
        separate_channels=bool(header.get("separate_channels", False)),
    )


def _pair(values: Any) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]))


def decode(
    kind: str, title: str, name: str, page: int | None, limit: int, *, pixels: bool = True
) -> Decoded:
    """Run the decoder; see `read_further`."""
    path = Path(name).absolute()
    what = "pixels" if pixels else "metadata"
    place = "-" if page is None else str(page)
    with tempfile.TemporaryDirectory(prefix="pnncupy_") as folder:
        # Decoders choose by suffixes, and some give letters of a name a meaning.
        link = _linked(path, Path(folder) / f"image.{kind}")
        command = [sys.executable, program.__file__, kind, link, place, str(limit), what]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=folder,
        )  # fmt: skip
        try:
            return _answer(process, title, path, limit)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _linked(path: Path, link: Path) -> str:
    with suppress(OSError, NotImplementedError):
        link.symlink_to(path)
        return str(link)
    return str(path)  # systems where links need rights


def _answer(process: Any, title: str, path: Path, limit: int) -> Decoded:
    """The answer of a running decoder, which is stopped where it takes too long."""
    import threading

    allowed = _SECONDS + (_size(path) + limit) // _BYTES_PER_SECOND
    clock = threading.Timer(min(allowed, _LONGEST_WAIT), process.kill)
    clock.daemon = True
    clock.start()
    try:
        line = process.stdout.readline(_LONGEST_HEADER)
        header = json.loads(line) if line.endswith(b"\n") else None
        if not isinstance(header, dict):
            raise ImageReadError(_end_of(process, title))
        _refuse(header, title, limit)
        if "dtype" not in header:
            return Decoded(None, header)
        array = np.empty(header["shape"], header["dtype"])
        check_limit(f"an array of shape {array.shape}", array.nbytes, limit)
        if array.nbytes and process.stdout.readinto(array.reshape(-1).view(np.uint8).data) != (
            array.nbytes
        ):
            raise ImageReadError(_end_of(process, title))
        return Decoded(array, header)
    finally:
        clock.cancel()


def _size(path: Path) -> int:
    return 0 if path.is_dir() else path.stat().st_size


def _refuse(header: dict[str, Any], title: str, limit: int) -> None:
    """Raise what the process could not do."""
    if "missing" in header:
        extra = _EXTRAS.get(header["missing"], "formats")
        raise ImageReadError(
            f"{title} files need the package {header['missing']}; install it with: "
            f"pip install 'pnncupy[{extra}]'"
        )
    if "size" in header:
        check_limit(header["declared"], header["size"], limit)
    if "refused" in header:
        raise ImageReadError(header["refused"])
    if "error" in header:
        raise ImageReadError(f"damaged or unsupported {title} file: {header['error']}")


def _end_of(process: Any, title: str) -> str:
    """The message about a decoder that ended without an answer."""
    process.kill()
    code = process.wait()
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"damaged or unsupported {title} file: its decoder {how}; bounds of time and memory hold"
