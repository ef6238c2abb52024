"""The engines: one table from name to kernel module; which can run here, and why not."""

import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from typing import Any, cast

import numpy as np

from pnncupy import arrays, errors, validation
from pnncupy.kernels.protocol import COMPILER_OFF, Engine

_MODULES = {
    "numpy": "pnncupy.kernels.reference",
    "numba": "pnncupy.kernels.numba_cpu.engine",
    "cupy": "pnncupy.kernels.cupy_raw.engine",
    "numba-cuda": "pnncupy.kernels.numba_cuda.engine",
}
# The array library whose arrays each engine takes.
_LIBRARIES = {"numpy": "numpy", "numba": "numpy", "cupy": "cupy", "numba-cuda": "cupy"}
# What `engine="auto"` takes for the arrays of each library.
_AUTOMATIC = {"numpy": "numba", "cupy": "cupy"}
# What to install where a module is missing, if not the module by its own name.
_PACKAGES = {"cupy": "'pnncupy[gpu]'"}
# What helps against failures of a GPU, by a word of their messages.
_REMEDIES = {
    "InsufficientDriver": "install NVIDIA's driver, or a newer one",
    "NoDevice": "no GPU is visible: see `nvidia-smi` and CUDA_VISIBLE_DEVICES",
    "InvalidDevice": "see `nvidia-smi` for the devices there are",
    "nvrtc": "install NVIDIA's compiler with `pip install 'pnncupy[gpu]'`",
}
_DESCRIPTIONS = {
    "numpy": "plain NumPy on one CPU core: slow, for checking the others",
    "numba": "compiled and vectorised, on all CPU cores",
    "cupy": "CUDA kernels on a GPU, for CuPy arrays",
    "numba-cuda": "the same steps in Numba's CUDA Python, for reading and changing",
}

NAMES = ("auto", *_MODULES)


@dataclass(frozen=True)
class EngineStatus:
    """Whether one engine can run here.

    Attributes
    ----------
    name : str
        What to pass as ``engine=``.
    available : bool
        Whether a small search ran and gave the right answer just now.
    detail : str
        What the engine is, or why it cannot run and what would help.
    """

    name: str
    available: bool
    detail: str


def engines() -> tuple[EngineStatus, ...]:
    """Find out which engines can run here, by running a small search on each.

    Returns
    -------
    tuple of EngineStatus
        One per engine, in a fixed order. The first call on a machine compiles the Numba kernels,
        which takes a few seconds.

    Examples
    --------
    >>> import pnncupy as pnn
    >>> [engine.name for engine in pnn.engines() if engine.available]
    ['numpy', 'numba']
    """
    return tuple(_status(name) for name in _MODULES)


def pick(name: Any, array: Any) -> tuple[str, Engine]:
    """Name and kernel module of the engine for an array; a named engine runs or raises."""
    validation.choice("engine", name, NAMES)
    library = arrays.library("array", array)
    if name == "auto":
        name = automatic(library)
    check(name)
    if _LIBRARIES[name] != library:
        raise TypeError(
            f"engine {name!r} takes {_LIBRARIES[name]} arrays, got {library}; convert them with "
            "`cupy.asnumpy`, or use engine='auto'"
        )
    return name, load(name)


def automatic(library: str) -> str:
    """Return the engine of "auto" for a library's arrays; warns if that is the slow one."""
    name = _AUTOMATIC[library]
    if _failure(name) != COMPILER_OFF:
        return name
    warnings.warn(f"engine 'auto' takes the slow 'numpy': {COMPILER_OFF}", RuntimeWarning, 1)
    return "numpy"


def check(name: str) -> None:
    """Raise EngineUnavailable, with the reason and the remedy, if an engine cannot run here."""
    reason = _failure(name) or _device_failure(name)
    if reason:
        raise errors.EngineUnavailable(f"engine {name!r} cannot run here: {reason}")


def on_device(name: str) -> bool:
    """Whether an engine's arrays live on a GPU."""
    return _LIBRARIES.get(name) == "cupy"


def load(name: str) -> Engine:
    """The kernel module of an engine, which must be there."""
    # A module offers the protocol's methods as functions.
    return cast(Engine, import_module(_MODULES[name]))


@cache
def _failure(name: str) -> str:
    """Why an engine's module cannot be loaded, and the remedy; empty if it can."""
    try:
        with warnings.catch_warnings():
            # CuPy's own words about several packages of it take many lines; see `_rivals`.
            warnings.filterwarnings("ignore", "(?s).*multiple CuPy packages", UserWarning)
            import_module(_LIBRARIES[name])
        load(name)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "", error.name)
        return f"{error}; install it with `pip install {package}`"
    except Exception as error:  # whatever a compiler or driver meets when it is loaded
        if str(error) == COMPILER_OFF:
            return COMPILER_OFF
        return "; ".join([_in_one_line(error), *_rivals(name)])
    return ""


@cache
def _device_failure(name: str) -> str:
    """Why a GPU cannot be used, found out by using it; empty if it can, or none is needed."""
    return "" if _LIBRARIES[name] == "numpy" else _wrong_answer(name)


def _status(name: str) -> EngineStatus:
    reason = _failure(name) or _wrong_answer(name)
    detail = reason or "; ".join([_DESCRIPTIONS[name], *_rivals(name)])
    return EngineStatus(name, not reason, detail)


def _rivals(name: str) -> list[str]:
    """A warning where several packages are installed that each bring CuPy."""
    if _LIBRARIES[name] != "cupy":
        return []
    packages = sorted(set(packages_distributions().get("cupy", [])))
    if len(packages) < 2:
        return []
    return [f"{' and '.join(packages)} are in each other's way: `pip uninstall` all but one"]


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _wrong_answer(name: str) -> str:
    """What is wrong with the result of a small search; empty if nothing."""
    image = np.arange(3 * 8 * 9, dtype=np.float32).reshape(3, 8, 9) % 11
    numbers = np.arange(6, dtype=np.int32)[:, None] * 9 + np.arange(7, dtype=np.int32)
    expected = _first_equal_patch(image, numbers)
    try:
        xp = import_module(_LIBRARIES[name])
        pixels = xp.asarray(image)
        score = xp.full((6, 7, 1), np.inf, np.float32)
        index = xp.full((6, 7, 1), -1, np.int32)
        load(name).update_nearest(
            pixels, pixels, 3, None, score, index,
            first_index=0, index_stride=9, active=None, threads=1, tick=lambda pairs: None,
        )  # fmt: skip
        right = not bool(score.any()) and bool((index[..., 0] == xp.asarray(expected)).all())
    except Exception as error:
        told = _in_one_line(error)
        remedies = [remedy for word, remedy in _REMEDIES.items() if word.lower() in told.lower()]
        return "; ".join([f"a small search failed with {told}", *remedies, *_rivals(name)])
    if right:
        return ""
    return "a small search gave a wrong answer; reinstall pnncupy, or report this processor"


def _first_equal_patch(image: Any, numbers: Any) -> Any:
    """The number of the first patch that equals each patch of the probe image."""
    patches = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
    rows = np.moveaxis(patches, 0, 2).reshape(numbers.size, -1)
    first = np.array([np.flatnonzero((rows == row).all(axis=1))[0] for row in rows])
    return numbers.ravel()[first].reshape(numbers.shape)
