"""Arrays of xarray in and out of tasks: dimensions, coordinates, nodata. xarray is not imported."""

import inspect
import logging
import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from pnncupy.memory_limit import checked_limit, in_words

_LOG = logging.getLogger("pnncupy")
CHANNEL_DIMENSIONS = ("band", "bands", "channel", "channels", "c", "rgb", "rgba")
SLICE_DIMENSIONS = ("z", "depth", "slice", "plane", "time", "t")
_REALISATION = "realisation"
_GRID_MAPPING = "spatial_ref"
_EVEN = 1e-6


def is_labelled(value: Any) -> bool:
    """Test whether a value is a DataArray of xarray."""
    kind = type(value)
    return kind.__module__.partition(".")[0] == "xarray" and kind.__name__ == "DataArray"


def labelled[**Parameters, Returned](
    source: str, target: str | None = None, aligned: Sequence[str] = ()
) -> Callable[[Callable[Parameters, Returned]], Callable[Parameters, Returned]]:
    """Let a task take DataArrays and return them.

    Parameters
    ----------
    source : str
        Parameter whose DataArray gives dimensions, attributes and the name.
    target : str, optional
        Parameter whose pixels the result has the positions of: its coordinates are kept. Without
        it, coordinates along axes of space are dropped.
    aligned : sequence of str
        Parameters on the pixels of `target`: their coordinates must be the same.
    """

    def decorated(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
            if not _any_labelled([*arguments, *options.values()]):
                return function(*arguments, **options)
            bound = signature.bind(*arguments, **options)
            given = bound.arguments
            example = _first(given.get(source))
            if not is_labelled(example):
                raise TypeError(
                    f"`{source}` must be a DataArray where another argument is one, got "
                    f"{type(example).__name__}; pass the other's `.values`"
                )
            _check_aligned(given, target, aligned)
            _check_size(given)
            axis = channel_axis(example, given.get("channel_axis", "auto"))
            if given.get("nodata") is None and (found := _nodata(given)) is not None:
                given["nodata"] = found
            plain = {name: _plain(name, value, example) for name, value in given.items()}
            plain["channel_axis"] = axis
            result: Any = function(**plain)  # type: ignore[call-arg]
            place = given.get(target) if target is not None else None
            place = place if is_labelled(place) else example if target is not None else None
            first = given.get("first_sample", 0)
            image = result.image if hasattr(result, "_replace") else result
            made: Any = _labelled_result(image, example, place, axis, int(first))
            whole: Returned = result._replace(image=made) if hasattr(result, "_replace") else made
            return whole

        return call

    return decorated


def channel_axis(array: Any, wanted: Any) -> int | None:
    """Return the axis of the channels of a DataArray by the name of its dimension.

    Parameters
    ----------
    array : DataArray
    wanted : int, None or str
        As `channel_axis` of the tasks; also the name of a dimension.
    """
    names = [str(name) for name in array.dims]
    if isinstance(wanted, str) and wanted != "auto":
        if wanted not in names:
            raise ValueError(f"`channel_axis` must be a dimension of {names}, got {wanted!r}")
        return names.index(wanted)
    if wanted != "auto":
        return wanted  # type: ignore[no-any-return]
    found = [name for name in names if name.lower() in CHANNEL_DIMENSIONS]
    if len(found) == 1:
        return names.index(found[0])
    unnamed = len(names) > 2 and not any(name.lower() in SLICE_DIMENSIONS for name in names)
    if found or unnamed or len(names) > 3:
        raise ValueError(
            f"`channel_axis` must name the dimension of the channels among {names}, or be None "
            "for a volume: none or several are called band, channel, c or rgb"
        )
    return None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _arrays(values: Any) -> list[Any]:
    """DataArrays among values, also in lists."""
    found = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += _arrays(value)
        elif is_labelled(value):
            found.append(value)
    return found


def _any_labelled(values: Any) -> bool:
    return bool(_arrays(values))


def _check_aligned(given: dict[str, Any], target: str | None, aligned: Sequence[str]) -> None:
    """Refuse coordinates that are not those of the target."""
    place: Any = given.get(target or "")
    if not is_labelled(place):
        return
    for name in aligned:
        other: Any = given.get(name)
        if not is_labelled(other):
            continue
        for dimension in set(other.dims) & set(place.indexes) & set(other.indexes):
            if not place.indexes[dimension].equals(other.indexes[dimension]):
                raise ValueError(
                    f"`{name}` must have the coordinates of `{target}` along {dimension!r}; align "
                    "them first, such as by `reindex_like`"
                )


def _check_size(given: dict[str, Any]) -> None:
    """Report arrays of Dask, which are loaded; refuse those above the limit of memory."""
    size = sum(int(each.nbytes) for each in _arrays(given.values()) if each.chunks is not None)
    if not size:
        return
    limit = checked_limit(given.get("max_memory"))
    if limit is not None and size > limit:
        raise MemoryError(
            f"`max_memory` must be at least {in_words(size)} to load the arrays of Dask, got "
            f"{in_words(limit)}; raise it, or select a part with `.isel`"
        )
    _LOG.info("loads arrays of Dask, %s", in_words(size))


def _nodata(given: dict[str, Any]) -> Any:
    """The value of missing pixels by the attributes or the encoding of the arrays."""
    found = {}
    for name in ("image", "images", "source", "edited", "structure"):
        for each in _arrays([given.get(name)]):
            value = _nodata_of(each)
            if value is not None:
                found["nan" if math.isnan(value) else value] = value
    if len(found) > 1:
        raise ValueError(
            "`nodata` must be given where arrays have several values of it, "
            f"{sorted(map(str, found))}"
        )
    return next(iter(found), None)


def _nodata_of(array: Any) -> float | None:
    """Value of missing pixels of one array; decoded floats hold NaN for it."""
    for name in ("_FillValue", "missing_value", "nodata"):
        if name in array.attrs:
            return np.asarray(array.attrs[name]).reshape(-1)[0].item()  # type: ignore[no-any-return]
    if "_FillValue" in array.encoding:
        if array.dtype.kind == "f":
            return math.nan
        return np.asarray(array.encoding["_FillValue"]).item()  # type: ignore[no-any-return]
    return None


def _plain(name: str, value: Any, example: Any) -> Any:
    """A value with plain arrays, whose axes are in the order of the source's dimensions."""
    if isinstance(value, (list, tuple)) and _any_labelled(value):
        return type(value)(_plain(name, each, example) for each in value)
    if not is_labelled(value):
        return value
    if not set(value.dims) <= set(example.dims):
        raise ValueError(
            f"`{name}` must have dimensions of the source, {tuple(example.dims)}, got "
            f"{tuple(value.dims)}; rename them with `.rename`"
        )
    order = [each for each in example.dims if each in value.dims]
    data = value.transpose(*order)
    return data.values if value.chunks is not None else data.data


def _labelled_result(
    image: Any, example: Any, place: Any, axis: int | None, first: int
) -> Any:  # fmt: skip
    """A result as a DataArray like the source, on the positions of `place` or on none."""
    dims = tuple(example.dims)
    channel = None if axis is None else dims[axis % len(dims)]
    coordinates = {
        name: each for name, each in example.coords.items()
        if set(each.dims) <= {channel} and name != _GRID_MAPPING
    }  # fmt: skip
    attributes = dict(example.attrs)
    if place is not None:
        coordinates |= dict(place.coords.items())
    else:
        attributes.pop("grid_mapping", None)
        attributes |= _spacing(example, [each for each in dims if each != channel])
    if image.ndim > len(dims):
        if _REALISATION in dims:
            raise ValueError(f"the source must not have a dimension called {_REALISATION!r}")
        dims = (_REALISATION, *dims)
        coordinates[_REALISATION] = np.arange(first, first + image.shape[0])
    made = type(example)(image, coordinates, dims, example.name, attributes)
    made.encoding = {
        name: each for name, each in example.encoding.items()
        if name == "_FillValue" or (name == "grid_mapping" and place is not None)
    }  # fmt: skip
    return made


def _spacing(example: Any, dims: Sequence[Any]) -> dict[str, Any]:
    """Distances of pixels along the axes, where coordinates are even: positions are dropped."""
    steps = []
    for name in dims:
        index = np.asarray(example.coords[name].values) if name in example.coords else None
        if index is None or index.dtype.kind not in "iuf" or index.size < 2:
            return {}
        differences = np.diff(index.astype(np.float64))
        step = float(differences.mean())
        if step == 0 or not np.allclose(differences, step, rtol=_EVEN, atol=0):
            return {}
        steps.append(abs(step))
    units = {str(example.coords[name].attrs.get("units", "")) for name in dims}
    found: dict[str, Any] = {"pixel_spacing": steps}
    if len(units) == 1 and (unit := units.pop()):
        found["pixel_spacing_units"] = unit
    return found
