"""Array libraries: which one an array belongs to, and checks that depend on it."""

import hashlib
import os
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, Concatenate

import numpy as np

Array = Any
Namespace = Any


def library(name: str, value: Any) -> str:
    """Name of the array library of `value`; what is no array that can be used is a TypeError."""
    if isinstance(value, (np.ma.MaskedArray, np.matrix)):
        raise TypeError(
            f"`{name}` must be a plain array, got {type(value).__qualname__}; use `.filled(...)` "
            "or `numpy.asarray`"
        )
    if isinstance(value, (np.ndarray, np.generic)):
        return "numpy"
    root = type(value).__module__.partition(".")[0]
    if root == "cupy" and hasattr(value, "__cuda_array_interface__"):
        return "cupy"
    remedy = "convert it with `numpy.asarray`"
    if hasattr(value, "__cuda_array_interface__"):
        remedy = "convert it with `cupy.from_dlpack`"
    elif isinstance(value, (str, os.PathLike)):
        remedy = "read the file with `pnncupy.io.read_image`"
    elif hasattr(value, "__dlpack__"):
        remedy = "convert it with `numpy.from_dlpack`"
    raise TypeError(
        f"`{name}` must be a NumPy or CuPy array, got {type(value).__qualname__}; {remedy}"
    )


def same_library(**arrays: Any) -> Namespace:
    """The array-API namespace that all given arrays belong to."""
    libraries = {name: library(name, value) for name, value in arrays.items()}
    if len(set(libraries.values())) > 1:
        found = ", ".join(f"`{name}` {kind}" for name, kind in libraries.items())
        raise TypeError(f"all arrays of a call must belong to one array library, got {found}")
    return namespace(next(iter(arrays.values())))


def namespace(value: Array) -> Namespace:
    """The array-API namespace of an array that was checked before."""
    if isinstance(value, np.ndarray) and hasattr(np, "astype"):
        return np  # from NumPy 2.1 on; the package below would load all of NumPy, in .1 s
    from array_api_compat import array_namespace

    return array_namespace(value)


def is_of_standard(value: Any) -> bool:
    """Test for an array of another library of the array API standard."""
    known = type(value).__module__.partition(".")[0] in ("numpy", "cupy")
    return not known and hasattr(value, "__array_namespace__") and hasattr(value, "__dlpack__")


def through_numpy[**Parameters, Returned](
    function: Callable[Concatenate[Any, Parameters], Returned],
) -> Callable[Concatenate[Any, Parameters], Returned]:
    """Let a function of one array on the CPU take those of the array API standard (DLPack)."""

    @wraps(function)
    def call(image: Any, *arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        if not is_of_standard(image):
            return function(image, *arguments, **options)
        own: Any = image.__array_namespace__().asarray
        made: Any = function(np.from_dlpack(image), *arguments, **options)
        moved: Any = [own(each) for each in made] if isinstance(made, list) else own(made)
        returned: Returned = moved
        return returned

    wrapped: Any = call
    result: Callable[Concatenate[Any, Parameters], Returned] = wrapped
    return result


def contiguous(value: Array) -> Array:
    """The same numbers in C order, where the array's library knows orders."""
    make = getattr(namespace(value), "ascontiguousarray", None)
    return value if make is None else make(value)


def on_host(value: Array) -> Array:
    """The same numbers as a NumPy array."""
    if library("array", value) == "numpy":
        return value
    return import_module("cupy").asnumpy(value)


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 of a NumPy array, which depends on its shape and dtype too."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    # A copy in C order, where one is needed, is never one of the whole array.
    for part in [array] if array.flags.c_contiguous else array:
        digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()


def bits(values: Array) -> Array:
    """The bits of values as integers; of floats that are not negative, they order as the values.

    CuPy's own kernels take subnormal float32 for zero, in comparisons too.
    """
    return values.view(f"i{values.dtype.itemsize}")


# Below it CuPy's own kernels see zero.
SMALLEST_NORMAL = np.finfo(np.float32).tiny


def without_subnormal(values: Array) -> Array:
    """float32 values that are not negative, with zero for subnormal ones, as in CuPy's kernels."""
    xp = namespace(values)
    return xp.where(values < SMALLEST_NORMAL, np.float32(0), values)


def like(value: Any, example: Array) -> Array:
    """A NumPy array in the library of another array, on its device."""
    return value if library("array", example) == "numpy" else import_module("cupy").asarray(value)


def check_real(name: str, value: Array) -> None:
    """Refuse dtypes that are not bool, integer or floating point."""
    if value.dtype.kind not in "biuf":
        raise TypeError(
            f"`{name}` must hold bool, integer or floating-point numbers, got dtype {value.dtype}"
        )
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        raise TypeError(
            f"`{name}` must have at most 64-bit floating point, got dtype {value.dtype}; "
            "convert it with `.astype('float64')`"
        )


def check_finite(name: str, value: Array, xp: Namespace) -> None:
    """Refuse NaN and infinity, saying how many there are and where the first is."""
    if value.dtype.kind != "f":
        return
    bad = ~xp.isfinite(value)
    count = int(xp.sum(bad))
    if count:
        first = tuple(int(axis[0]) for axis in xp.nonzero(bad))
        raise ValueError(
            f"`{name}` must be finite, got {count} NaN or infinite values, the first at index "
            f"{first}"
        )


def native(value: Array) -> Array:
    """The same numbers in the machine's byte order."""
    if value.dtype.byteorder in "=|":
        return value
    return value.astype(value.dtype.newbyteorder("="))


def clipped(values: Array, low: float, high: float) -> Array:
    """Values moved into [low, high].

    The standard's `clip` of array-api-compat gathers and scatters, for which a GPU is waited for.
    """
    xp = namespace(values)
    return xp.minimum(xp.maximum(values, low), high)
