"""Reader of OME-Zarr (NGFF 0.4 and 0.5) for `program`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNITS = {
    "angstrom": "Å", "nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "centimeter": "cm",
    "meter": "m", "kilometer": "km", "inch": "inch", "foot": "ft",
}  # fmt: skip
_KNOWN_AXES = "tczyx"
_VERSIONS = ("0.4", "0.5")
_LONGEST_ATTRIBUTES = 1 << 26


class UnsuitableArray(ValueError):  # noqa: N818 - says what it is
    """It is OME-Zarr of another kind; the message says which and what to do."""


def open_zarr(
    path: str, page: int | None, volume: bool
) -> tuple[dict[str, Any], int, Callable[[], Any]]:
    """Open the full resolution of an OME-Zarr image.

    Parameters
    ----------
    path : str
        Folder of the image.
    page : int or None
        Which of its planes, from 0, slices inside of times.
    volume : bool
        Read all planes along its one axis of slices or times.

    Returns
    -------
    header : dict
        Entries of `pnncupy.io.Metadata`, `shape`, `itemsize` and `xmp`.
    chunk : int
        Bytes of one chunk, which is decoded as a whole.
    decode : function
        Return the array (H, W), (H, W, C), (Z, Y, X) or (Z, Y, X, C).
    """
    import zarr

    _check_attributes(path)
    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    attributes = group.attrs.asdict()
    image = _multiscales(attributes)
    dataset = image["datasets"][0]
    place = str(dataset["path"])
    if place.startswith("/") or ".." in place.split("/"):
        raise ValueError(f"its array {place!r} is outside of it")
    array = group[place]
    names = [str(axis["name"]).lower() for axis in image["axes"]]
    if len(names) != array.ndim or len(set(names)) < len(names) or set(names) - set(_KNOWN_AXES):
        raise UnsuitableArray(f"has the axes {names}; only t, c, z, y and x are known")
    if not {"y", "x"} <= set(names) or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise UnsuitableArray(f"no image of real numbers: axes {names}, dtype {array.dtype}")
    sizes = dict(zip(names, array.shape, strict=True))
    selection = _selection(sizes, page, volume)
    order = [name for name in ("t", "z", "y", "x", "c") if isinstance(selection.get(name), slice)]
    header = {
        "shape": [sizes[name] for name in order], "itemsize": array.dtype.itemsize,
        **_sizes_of_pixels(image, dataset, names), **_channels(attributes, sizes.get("c", 1)),
        "slice_axis": "T" if sizes.get("t", 1) > 1 else "Z",
        "slices": sizes.get("t", 1) * sizes.get("z", 1),
        "kind": "ome", "xmp": str(attributes.get("pnncupy", {}).get("xmp", "")),
    }  # fmt: skip
    kept = [name for name in names if name in order]

    def decode() -> Any:
        plane = array[tuple(selection[name] for name in names)]
        return plane.transpose([kept.index(name) for name in order])

    return header, math.prod(array.chunks) * array.dtype.itemsize, decode


def _multiscales(attributes: dict[str, Any]) -> dict[str, Any]:
    """The first image that a group describes, of either version."""
    described = attributes.get("ome", attributes)
    if "plate" in described or "bioformats2raw.layout" in described:
        raise UnsuitableArray("holds several images; name the folder of one, such as FOLDER/0")
    found = described.get("multiscales")
    if not found:
        raise UnsuitableArray("is no OME-Zarr image; open it with zarr and pass the array")
    version = str(described.get("version") or found[0].get("version"))
    if version.partition("-")[0] not in _VERSIONS:
        raise UnsuitableArray(f"is OME-Zarr of version {version}; only 0.4 and 0.5 are known")
    return dict(found[0])


def _selection(sizes: dict[str, int], page: int | None, volume: bool) -> dict[str, Any]:
    """For each axis a slice, or the index of a plane."""
    outer = [name for name in ("t", "z") if name in sizes]
    selection: dict[str, Any] = {name: slice(None) for name in sizes}
    if volume:
        long = [name for name in outer if sizes[name] > 1] or outer[-1:]
        if len(long) != 1:
            count = "several axes" if long else "no axis"
            raise UnsuitableArray(f"a volume has one axis of slices or times, and it has {count}")
        return selection | {name: 0 for name in outer if name not in long}
    planes = math.prod(sizes[name] for name in outer)
    if planes > 1 and page is None:
        raise UnsuitableArray(
            f"holds a stack of {planes} images; choose one with page=N (--page N), from 0, or read "
            "all with read_volume (--volume)"
        )
    number = page or 0
    if number >= planes:
        raise UnsuitableArray(f"page {number} was requested, but the last of its {planes} images "
                              f"is {planes - 1}")  # fmt: skip
    for name in reversed(outer):
        number, selection[name] = divmod(number, sizes[name])
    return selection


def _sizes_of_pixels(
    image: dict[str, Any], dataset: dict[str, Any], names: list[str]
) -> dict[str, Any]:
    """Pixel size, unit and distance of slices, by the scale of the array and the one of all."""
    scale = dict.fromkeys(names, 1.0)
    for transformation in [
        *dataset.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())
    ]:  # fmt: skip
        if transformation.get("type") == "scale":
            factors = transformation["scale"]
            for name, factor in zip(names, factors, strict=True):
                scale[name] *= float(factor)
    units = {
        str(axis["name"]).lower(): _UNITS.get(axis["unit"], axis["unit"])
        for axis in image["axes"] if isinstance(axis.get("unit"), str)
    }  # fmt: skip
    sound = all(0 < scale[name] < math.inf for name in names)
    if not sound or "y" not in units or units["y"] != units.get("x"):
        return {"pixel_size": None, "unit": None, "slice_size": None}
    same = units.get("z") == units["y"]
    return {
        "pixel_size": [scale["y"], scale["x"]], "unit": units["y"],
        "slice_size": scale["z"] if same else None,
    }  # fmt: skip


def _channels(attributes: dict[str, Any], count: int) -> dict[str, Any]:
    """Names of channels, which make them separate ones."""
    omero = attributes.get("ome", attributes).get("omero") or {}
    labels = [str(each.get("label", "")) for each in omero.get("channels", ())]
    if len(labels) != count or not all(labels):
        return {"channel_names": [], "colour": "", "extra_samples": []}
    return {
        "channel_names": labels, "colour": "grey", "extra_samples": [0] * (count - 1),
        "separate_channels": True,
    }  # fmt: skip


def _check_attributes(path: str) -> None:
    """Refuse folders whose description is too long to be one."""
    for name in ("zarr.json", ".zattrs"):
        file = Path(path) / name
        if file.is_file() and file.stat().st_size > _LONGEST_ATTRIBUTES:
            raise ValueError(f"its {name} is too long")
