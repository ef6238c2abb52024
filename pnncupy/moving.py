"""NumPy arrays on a GPU: there and back, where the engine that was named works there."""

import dataclasses
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import numpy as np

from pnncupy import engine_table

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def to_the_engine(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Let a public function move its NumPy arrays to the device of ``engine=``, its results back.

    That is only done where the engine was named: "auto" follows the arrays. Arrays of two libraries
    in one call are left for the function to refuse.
    """

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        name = options.get("engine")
        libraries = _libraries([*arguments, *options.values()])
        if not isinstance(name, str) or libraries != {"numpy"} or not engine_table.on_device(name):
            return function(*arguments, **options)
        engine_table.check(name)
        cupy = import_module("cupy")
        if callable(callback := options.get("callback")):
            options["callback"] = _with_host_events(callback, cupy)
        result = function(
            *(_moved(value, np.ndarray, cupy.asarray) for value in arguments),
            **{key: _moved(value, np.ndarray, cupy.asarray) for key, value in options.items()},
        )
        moved: Returned = _moved(result, cupy.ndarray, cupy.asnumpy)
        return moved

    return call


def _libraries(values: Any) -> set[str]:
    """Roots of the modules that the arrays among these values come from."""
    found = set()
    for value in values:
        if isinstance(value, (list, tuple)):
            found |= _libraries(value)
        elif getattr(value, "ndim", 0) >= 2:
            found.add(type(value).__module__.partition(".")[0])
    return found


def _moved(value: Any, kind: Any, move: Callable[[Any], Any]) -> Any:
    """Arrays moved, also those in lists and named tuples; shapes and seeds (1-D) stay."""
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
