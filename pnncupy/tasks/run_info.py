"""Statistics of a run, with the call that it was: arguments, and digests of its images."""

import inspect
import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cached_property, wraps
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy._version import __version__
from pnncupy.tasks.methods_section import methods_section

# Parameters that no bit of a result depends on, or whose values other entries have.
NOT_RECORDED = frozenset({
    "callback", "channel_axis", "checkpoint", "engine", "executor", "first_sample", "incremental",
    "max_memory", "n", "progress", "return_index", "return_info", "rng", "threads",
})  # fmt: skip


class RunInfo(dict[str, Any]):
    """Statistics of a run and its call: a dictionary of plain types, see `Result.info`.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((24, 32))
    >>> made = pnn.generate(image, 2, rng=1, iterations=2, return_info=True)
    >>> made.info["arguments"]
    {'iterations': 2}
    >>> made.info.methods_text()[:72]
    'Two images of 24 × 32 pixels were synthesised by diverse generation from'
    """

    def methods_text(self) -> str:
        """Return sentences on the run for the methods section of a publication.

        They name the version, the task, its images with their SHA-256, all parameters that are not
        the defaults, and the seed; the engine is left out, as results do not depend on it.
        """
        return methods_section(self)

    def copy(self) -> "RunInfo":
        """Return a shallow copy."""
        return RunInfo(self)


class _Call:
    """A call of a public function; nothing of it is looked at before it is needed."""

    def __init__(
        self, function: Callable[..., Any], given: tuple[Any, ...], options: Mapping[str, Any]
    ):
        self._function, self._given, self._options = function, given, options

    @property
    def is_reported(self) -> bool:
        """Test whether the caller sees statistics, or a callback does with each result."""
        return bool(self._options.get("return_info")) or "callback" in self._options

    @cached_property
    def entries(self) -> dict[str, Any]:
        """Entries of the statistics that say what the call was."""
        signature = inspect.signature(self._function)
        bound = signature.bind(*self._given, **self._options).arguments
        known = plain_defaults(self._function)
        inputs: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for name, value in bound.items():
            if name in NOT_RECORDED:
                continue
            if name != "label_costs" and _holds_arrays(value):
                inputs[name] = _described(value)
            elif name not in known or plain(value) != known[name]:
                arguments[name] = plain(value)
        found: dict[str, Any] = {"version": __version__, "inputs": inputs, "arguments": arguments}
        if "rng" in signature.parameters:
            found["seed_drawn"] = bound.get("rng") is None
        return found


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)


def recorded[**Parameters, Returned](
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Returned]:
    """Let the statistics of a task say what the caller gave."""

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        token = _CALL.set(_Call(function, arguments, options))
        try:
            return function(*arguments, **options)
        finally:
            _CALL.reset(token)

    return call


def with_call(info: Mapping[str, Any]) -> RunInfo:
    """Add what the call was to statistics that are seen; images are read once for their digests."""
    call = _CALL.get()
    return RunInfo({**info, **call.entries} if call and call.is_reported else info)


def _holds_arrays(value: Any) -> bool:
    """Test whether an argument is an image, or a list with some in it."""
    if isinstance(value, list | tuple):
        return any(map(_holds_arrays, value))
    dimensions = getattr(value, "ndim", 0)
    return isinstance(dimensions, int) and dimensions >= 2


def _described(value: Any) -> Any:
    """Shape, dtype and digest of an array; of lists those of their arrays."""
    if isinstance(value, list | tuple):
        return [_described(each) for each in value]
    if not _holds_arrays(value):
        return plain(value)
    if isinstance(value, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(value)
        count = int(np.count_nonzero(masked))
        more = {"masked": count, "mask_sha256": arrays.array_digest(masked)}
        return {**_described(value.data), **more}
    host = np.from_dlpack(value) if arrays.is_of_standard(value) else arrays.on_host(value)
    return {
        "shape": list(host.shape), "dtype": str(host.dtype), "sha256": arrays.array_digest(host),
    }  # fmt: skip


def plain_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults of parameters in types that JSON has."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: plain(each.default) for each in parameters if each.default is not each.empty}


def plain(value: Any) -> Any:
    """A value in types that JSON has."""
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
