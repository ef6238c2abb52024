"""Statistics of each pixel over realisations that are files of a folder."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy.batch.folder_images import folder_images
from pnncupy.batch.manifest import NAME, Manifest
from pnncupy.io import ProvenanceRecord
from pnncupy.io.formats.tiff_metadata import Metadata, for_result
from pnncupy.io.image_file import ImageFile
from pnncupy.io.reading import read_file
from pnncupy.io.volume_files import read_volume_file, write_volume
from pnncupy.io.writing import write_image
from pnncupy.metrics.ensembles import Ensemble, LabelEnsemble, ensemble

# What commands write beside their results.
_BESIDE_RESULTS = re.compile(r"_contact$|_tiled(_\d+)?$|(^|_)ensemble_")


@dataclass(frozen=True)
class ResultFiles:
    """Realisations in files, which are read one after the other, and again at each iteration.

    Attributes
    ----------
    files : sequence of Path
    categorical : bool
        Whether they hold labels; else they are float64, with NaN where pixels are missing.
    volume : bool
        Whether they are volumes.
    """

    files: Sequence[Path]
    categorical: bool = False
    volume: bool = False

    def read(self, file: Path) -> ImageFile:
        """Read one file."""
        return read_volume_file(file) if self.volume else read_file(file)

    def __iter__(self) -> Iterator[Any]:
        shape = None
        for file in self.files:
            found = self.read(file)
            pixels = found.pixels
            shape = pixels.shape if shape is None else shape
            if pixels.shape != shape:
                raise ValueError(
                    f"{file} has shape {pixels.shape}, and {self.files[0]} {shape}; realisations "
                    "must have one shape: give a folder of their own"
                )
            if self.categorical and pixels.dtype.kind == "f":
                raise ValueError(
                    f"{file} holds {pixels.dtype}, which are no labels; set categorical=False"
                )
            yield pixels if self.categorical else _with_nan(found)


def result_files(folder: Path, *, volume: bool = False) -> list[Path]:
    """Realisations in a folder: what its manifest notes, or else all images.

    Contact sheets, repeated results and statistics of an ensemble are left out.

    Raises
    ------
    ValueError
        No file of the folder is a result.
    """
    if (folder / NAME).is_file():
        found = sorted(file for file, _ in Manifest(folder).results() if file.is_file())
    else:
        found = folder_images(folder, volume=volume).files
    chosen = [file for file in found if not _BESIDE_RESULTS.search(file.stem)]
    if not chosen:
        kind = "volume" if volume else "image"
        raise ValueError(f"{folder} holds no {kind} of a result; name the folder of the results")
    return chosen


def statistics_of_files(
    files: ResultFiles, quantiles: Sequence[float] = ()
) -> dict[str, tuple[Any, Metadata]]:
    """Statistics of an ensemble as images to write: name of the file without suffix to both.

    Parameters
    ----------
    files : ResultFiles
    quantiles : sequence of float, default ()
        As in `metrics.ensemble`.

    Returns
    -------
    dict of str to (float32 array, Metadata)
        The most likely label has the dtype of the results. The metadata is that of the first file
        as far as it holds: pixel size and georeference always.
    """
    found = ensemble(files, categorical=files.categorical, quantiles=quantiles)
    own = files.read(files.files[0]).metadata
    images = _images_of(found)
    kept = {}
    for name, image in images.items():
        axes = 3 if files.volume else 2
        channels = image.shape[-1] if image.ndim > axes else 1
        metadata, _ = for_result(own, origin_kept=True, channels=channels)
        if image.dtype == np.float32:
            metadata = _of_statistics(metadata)
        kept[name] = image, metadata
    return kept


def write_statistics(
    files: ResultFiles,
    folder: Path,
    *,
    quantiles: Sequence[float] = (),
    overwrite: bool = False,
    prefix: str = "",
) -> list[Path]:
    """Write the statistics of an ensemble as TIFF files into a folder, created if missing.

    `prefix` is put before their names.

    Returns
    -------
    list of Path
        ``ensemble_mean.tif``, ``ensemble_std.tif`` and ``ensemble_quantile_0.05.tif``..., or of
        labels ``ensemble_probability_1.tif``..., ``ensemble_entropy.tif`` and
        ``ensemble_most_likely.tif``.

    Raises
    ------
    FileExistsError
        One of the files exists, without `overwrite`; nothing is written.
    """
    images = statistics_of_files(files, quantiles)
    names = {name: folder / f"{prefix}{name}.tif" for name in images}
    existing = [file for file in names.values() if file.exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{existing[0]} exists; pass overwrite=True (--force) to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    sources = tuple(file.name for file in files.files)
    for name, (image, metadata) in images.items():
        what = name.removeprefix("ensemble_").replace("_", " ")
        record = ProvenanceRecord(
            "ensemble", sources, {"statistic": what}, sample=None,
            text=f"{what} of {len(sources)} realisations, by pnncupy ensemble",
        )  # fmt: skip
        write = write_volume if files.volume else write_image
        write(names[name], image, overwrite=overwrite, metadata=metadata, provenance=record)
    return list(names.values())


def _images_of(found: Ensemble | LabelEnsemble) -> dict[str, Any]:
    """The statistics by name."""
    if isinstance(found, LabelEnsemble):
        images = {
            f"ensemble_probability_{int(label)}": share
            for label, share in zip(found.labels, found.probability, strict=True)
        } | {"ensemble_entropy": found.entropy}
        wide = {name: image.astype(np.float32) for name, image in images.items()}
        return wide | {"ensemble_most_likely": found.most_likely}
    images = {"ensemble_mean": found.mean, "ensemble_std": found.std}
    images |= {f"ensemble_quantile_{level:g}": each for level, each in found.quantiles.items()}
    return {name: image.astype(np.float32) for name, image in images.items()}


def _with_nan(found: ImageFile) -> Any:
    """Pixels as float64, NaN where the file says that they are missing."""
    values = found.pixels.astype(np.float64)
    nodata = found.metadata.nodata
    if nodata is not None:
        values[found.pixels == nodata] = np.nan
    if found.missing is not None:
        values[found.missing] = np.nan
    return values


def _of_statistics(metadata: Metadata) -> Metadata:
    """Without what belongs to the values of the results: missing pixels are NaN."""
    return replace(
        metadata, nodata=None if metadata.nodata is None else float("nan"), calibration=(),
        icc_profile=b"", colour_table=(), display=(), bits=None,
    )  # fmt: skip
