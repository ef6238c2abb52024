"""NumPy arrays on a GPU: there and back, where the engine that was named works there."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from pnncupy import arrays, errors
from pnncupy.engine import registry
from pnncupy.images.missing import Masked
from pnncupy.memory_limit import checked_limit

# Device memory of a task for each value (pixels times channels) of its images; measured.
_BYTES_PER_VALUE = 100


def on_engine_device[**Parameters, Returned](
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Returned]:
    """Let a public function work on the device where its arrays are, or that its engine needs.

    Arrays of another library of the array API standard, on the CPU, are passed as NumPy arrays that
    share their memory (DLPack), and the results returned as arrays of that library.

    NumPy arrays are moved to the device of ``engine=``, and the results back, only where that was
    named: "auto" follows the arrays. Arrays of two libraries in one call are left for the function
    to refuse.
    """

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        name = options.get("engine")
        found = list(arrays_among([*arguments, *options.values()]))
        if (kind := _other_library(found)) is not None:
            namespace = found[0].__array_namespace__()
            made = call(
                *(_moved(value, kind, np.from_dlpack) for value in arguments),
                **{key: _moved(value, kind, np.from_dlpack) for key, value in options.items()},
            )
            returned: Returned = _moved(made, np.ndarray, namespace.asarray)
            return returned
        libraries = {type(array).__module__.partition(".")[0] for array in found}
        if libraries == {"cupy"} and all(hasattr(array, "device") for array in found):
            with _one_device(found), _memory_limit(options), _explained_failures(found):
                return function(*arguments, **options)
        # With an executor the arrays are moved where the workers are.
        stays = options.get("executor") is not None or libraries != {"numpy"}
        if stays or not isinstance(name, str) or not registry.on_device(name):
            return function(*arguments, **options)
        registry.check(name)
        cupy = import_module("cupy")
        if callable(callback := options.get("callback")):
            options["callback"] = _with_host_events(callback, cupy)
        with _memory_limit(options), _explained_failures(found):
            result = function(
                *(_moved(value, np.ndarray, cupy.asarray) for value in arguments),
                **{key: _moved(value, np.ndarray, cupy.asarray) for key, value in options.items()},
            )
            moved: Returned = _moved(result, cupy.ndarray, cupy.asnumpy)
        return moved

    return call


def _other_library(found: Sequence[Any]) -> type | None:
    """The type of all arrays, where it is one of another library of the array API standard."""
    kinds = {type(array) for array in found}
    if len(kinds) != 1:
        return None
    return kinds.pop() if arrays.is_of_standard(found[0]) else None


def arrays_among(values: Any) -> Iterator[Any]:
    """The arrays among these values that are no shapes or seeds."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from arrays_among(value)
        elif isinstance(dimensions := getattr(value, "ndim", 0), int) and dimensions >= 2:
            yield value


def _one_device(found: Sequence[Any]) -> Any:
    """The device of all arrays, as a context in which it is the current one."""
    numbers = sorted({array.device.id for array in found})
    if len(numbers) > 1:
        raise ValueError(
            f"all arrays of a call must lie on one device, got devices {numbers}; copy them with "
            f"`with cupy.cuda.Device({numbers[0]}): cupy.asarray(...)`"
        )
    return found[0].device


@contextmanager
def _memory_limit(options: Mapping[str, Any]) -> Iterator[None]:
    """Let CuPy's memory pool grow by no more than `max_memory`.

    The pool of another allocator cannot be limited: where there is one that is said.
    """
    limit = checked_limit(options.get("max_memory"))
    if limit is None:
        yield
        return
    cupy = import_module("cupy")
    pool = cupy.get_default_memory_pool()
    is_default = getattr(cupy.cuda.get_allocator(), "__self__", None) is pool
    if not is_default:
        raise ValueError(
            "`max_memory` must be None, and PNNCUPY_MAX_MEMORY not set, where CuPy has another "
            "allocator than its default pool; limit that one itself, or go back with "
            "`cupy.cuda.set_allocator(cupy.get_default_memory_pool().malloc)`"
        )
    before = pool.get_limit()
    pool.free_all_blocks()
    lowered = pool.used_bytes() + limit
    pool.set_limit(size=min(before, lowered) if before else lowered)
    try:
        yield
    finally:
        pool.set_limit(size=before)


@contextmanager
def _explained_failures(found: Sequence[Any]) -> Iterator[None]:
    """Failures of a device in the words of this package."""
    cuda = import_module("cupy").cuda
    try:
        yield
    except cuda.memory.OutOfMemoryError as error:
        needed = _BYTES_PER_VALUE * sum(array.size for array in found) / 2**20
        raise MemoryError(
            f"the device has too little memory: with images of this size about {needed:.3g} MB are "
            f"needed ({error}); free arrays on the device, or use smaller images or engine='numba'"
        ) from error
    except Exception as error:
        # CuPy's errors, or those of Numba's launches.
        if "cuda" not in type(error).__module__:
            raise
        raise errors.EngineUnavailable(
            f"CUDA error: {error}; restart the process, and see `nvidia-smi` for its state"
        ) from error


def _moved(value: Any, kind: Any, move: Callable[[Any], Any]) -> Any:
    """Arrays moved, also those in lists and named tuples; shapes and seeds (1-D) stay."""
    if isinstance(value, np.ma.MaskedArray):
        return Masked(move(value.data), move(np.ma.getmaskarray(value)))
    if isinstance(value, kind):
        return move(value) if value.ndim >= 2 else value
    if isinstance(value, (list, tuple)):
        parts = [_moved(part, kind, move) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _with_host_events(callback: Callable[[Any], Any], cupy: Any) -> Callable[[Any], Any]:
    """The callback sees NumPy arrays too."""

    def call(event: Any) -> Any:
        return callback(
            dataclasses.replace(
                event,
                render=lambda: cupy.asnumpy(event.render()),
                result=_moved(event.result, cupy.ndarray, cupy.asnumpy),
            )
        )

    return call
