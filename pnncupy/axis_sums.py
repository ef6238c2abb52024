"""Weighted sums of places along the axes of an array, with the same bits in every library."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from importlib import import_module
from itertools import accumulate
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array

# Tables of the last calls that stay on a device.
_MOST_TABLES = 64
_THREADS = 128
# CuPy lets compilers flush tiny numbers to zero, which these instructions do not. The kernels
# of the engines have the same in sums.cuh; they are not known here.
_CODE = r"""
#if defined(__CUDA_ARCH__)
__device__ __forceinline__ float add(float a, float b)
{
    float sum;
    asm("add.rn.f32 %0, %1, %2;" : "=f"(sum) : "f"(a), "f"(b));
    return sum;
}
__device__ __forceinline__ float multiply(float a, float b)
{
    float product;
    asm("mul.rn.f32 %0, %1, %2;" : "=f"(product) : "f"(a), "f"(b));
    return product;
}
__device__ __forceinline__ double add(double a, double b) { return __dadd_rn(a, b); }
__device__ __forceinline__ double multiply(double a, double b) { return __dmul_rn(a, b); }
#else
template <class T> T add(T a, T b) { return a + b; }
template <class T> T multiply(T a, T b) { return a * b; }
#endif

// One thread sums for one element of `out`, (outer, new_size, inner); `values` is (outer, size,
// inner), places and weights are (taps, new_size).
extern "C" __global__ void sum_places(const VALUE *values, const int *place, const VALUE *weight,
                                      VALUE *out, int taps, int size, int new_size,
                                      long long inner, long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count)
        return;
    const int x = i / inner % new_size;
    const VALUE *line = values + i / inner / new_size * size * inner + i % inner;
    VALUE total = multiply(line[place[x] * inner], weight[x]);
    for (long long tap = x + new_size; tap < (long long)taps * new_size; tap += new_size)
        total = add(total, multiply(line[place[tap] * inner], weight[tap]));
    out[i] = total;
}
"""

_VALUES = {"f": "float", "d": "double"}

_tables: OrderedDict[Hashable, list[tuple[int, Array, Array]]] = OrderedDict()
_lock = Lock()


class Taps(NamedTuple):
    """Places of the values of a sum along an axis, and their factors.

    Attributes
    ----------
    places : (taps, n) int64
    weights : (taps, n) float64
    """

    places: Array
    weights: Array


class AxisSum(NamedTuple):
    """A sum along one axis.

    Attributes
    ----------
    axis : int
    size : int
        Length of the result.
    taps : callable
        Makes the taps where they are needed.
    """

    axis: int
    size: int
    taps: Callable[[], Taps]


def sum_along(values: Array, sums: Sequence[AxisSum], name: Hashable) -> Array:
    """Replace each axis by weighted sums of places along it, one axis after the other.

    Sums begin with the first tap, and each product and sum is rounded to the dtype of `values`,
    float32 or float64. On a device each axis is one launch, and the taps of the calls with one
    `name` are the same: they stay there.
    """
    if type(values).__module__.partition(".")[0] == "cupy":
        return _sum_on_device(values, sums, name)
    xp = arrays.namespace(values)
    for axis, size, taps in sums:
        places, weights = taps()
        broadcast = [1] * values.ndim
        broadcast[axis] = size
        total = None
        for place, weight in zip(places, weights, strict=True):
            part = xp.take(values, xp.asarray(place), axis=axis)
            part *= xp.reshape(xp.asarray(weight, dtype=values.dtype), tuple(broadcast))
            total = part if total is None else total + part
        values = total
    return values


def _sum_on_device(values: Array, sums: Sequence[AxisSum], name: Hashable) -> Array:
    cupy: Any = import_module("cupy")
    values = cupy.ascontiguousarray(values)
    kernel = _kernel(values.dtype.char)
    for (axis, size, _), (count, places, weights) in zip(
        sums, _tables_of(cupy, sums, values.dtype, name), strict=True
    ):
        shape = values.shape
        out = cupy.empty((*shape[:axis], size, *shape[axis + 1 :]), dtype=values.dtype)
        if out.size:
            kernel(
                (-(-out.size // _THREADS), 1, 1), (_THREADS, 1, 1),
                (values, places, weights, out, np.int32(count), np.int32(shape[axis]),
                 np.int32(size), np.int64(math.prod(shape[axis + 1 :])), np.int64(out.size)),
            )  # fmt: skip
        values = out
    return values


@cache
def _kernel(kind: str) -> Any:
    # CuPy loads a module again on each device that launches its kernels.
    options = ("--std=c++14", f"-DVALUE={_VALUES[kind]}")
    return import_module("cupy").RawModule(code=_CODE, options=options).get_function("sum_places")


def _tables_of(
    cupy: Any, sums: Sequence[AxisSum], dtype: Any, name: Hashable
) -> list[tuple[int, Array, Array]]:
    """Of each sum the number of taps, their places, int32, and their weights, on the device."""
    # Another stream might read a table before it is there.
    stream = cupy.cuda.get_current_stream().ptr
    key = (cupy.cuda.Device().id, stream, dtype.char, name)
    with _lock:
        if key not in _tables:
            _tables[key] = _uploaded(cupy, [each.taps() for each in sums], dtype)
            while len(_tables) > _MOST_TABLES:
                _tables.popitem(last=False)
        return _tables[key]


def _uploaded(cupy: Any, taps: Sequence[Taps], dtype: Any) -> list[tuple[int, Array, Array]]:
    """Tables on the device, in one copy: weights first, which may be wider than places."""
    parts = [weights.astype(dtype).ravel() for _, weights in taps]
    parts += [places.astype(np.int32).ravel() for places, _ in taps]
    buffer = cupy.asarray(np.concatenate([part.view(np.uint8) for part in parts]))
    ends = list(accumulate(part.nbytes for part in parts))
    fields = [
        buffer[end - part.nbytes : end].view(part.dtype)
        for part, end in zip(parts, ends, strict=True)
    ]
    weights, places = fields[: len(taps)], fields[len(taps) :]
    return [
        (len(each.places), *pair)
        for each, pair in zip(taps, zip(places, weights, strict=True), strict=True)
    ]
