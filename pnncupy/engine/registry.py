"""The engines: one table from name to kernel module; which can run here, and why not."""

import sys
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from typing import Any, cast

import numpy as np

from pnncupy import arrays, errors, validation
from pnncupy.kernels.protocol import COMPILER_OFF, Engine, SearchRequest


@dataclass(frozen=True)
class EngineSpec:
    """Description of an engine before it is loaded.

    Attributes
    ----------
    module : str
        Module with the functions of `protocol.Engine`.
    description : str
    library : str
        Array library whose arrays it takes; arrays of "cupy" are on a GPU.
    package : str
        What to install where its array library is missing; empty for that by its own name.
    approximate_from : float
        Pairs of patches in one search from which on ``method="auto"`` is approximate: about where
        that becomes several times faster than comparing them.
    """

    module: str
    description: str
    library: str = "numpy"
    package: str = ""
    # Images of some 350 x 350 pixels.
    approximate_from: float = 1.5e10


ENGINES = {
    "numpy": EngineSpec(
        "pnncupy.kernels.reference", "plain NumPy on one CPU core: slow, for checking the others"
    ),
    "numba": EngineSpec(
        "pnncupy.kernels.numba_cpu.engine", "compiled and vectorised, on all CPU cores"
    ),
    "cupy": EngineSpec(
        "pnncupy.kernels.cupy_raw.engine", "CUDA kernels on a GPU, for CuPy arrays", "cupy",
        "'pnncupy[gpu]'", 1e12,
    ),
    "numba-cuda": EngineSpec(
        "pnncupy.kernels.numba_cuda.engine",
        "the same steps in Numba's CUDA Python, for reading and changing", "cupy",
        "'pnncupy[gpu]'", 1e12,
    ),
}  # fmt: skip
NAMES = ("auto", *ENGINES)

# What `engine="auto"` takes for the arrays of each library.
_AUTOMATIC = {"numpy": "numba", "cupy": "cupy"}
# What helps against failures of a GPU, by a word of their messages.
_REMEDIES = {
    "InsufficientDriver": "install NVIDIA's driver, or a newer one",
    "NoDevice": "no GPU is visible: see `nvidia-smi` and CUDA_VISIBLE_DEVICES",
    "InvalidDevice": "see `nvidia-smi` for the devices there are",
    # CuPy before 14 does not find the compiler of NVIDIA's wheels.
    "nvrtc": "install NVIDIA's compiler, and a CuPy that finds it, with "
    "`pip install -U 'pnncupy[gpu]'`",
    "row_stack": "this numba-cuda does not know NumPy 2.5: `pip install -U numba-cuda`, or "
    "`pip install 'numpy<2.5'`",
}


@dataclass(frozen=True)
class EngineStatus:
    """Availability of one engine.

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
    return tuple(status(name) for name in ENGINES)


def pick(name: Any, array: Any) -> tuple[str, Engine]:
    """Name and kernel module of the engine for an array; a named engine runs or raises."""
    validation.choice("engine", name, NAMES)
    library = arrays.library("array", array)
    if name == "auto":
        name = automatic(library)
    check(name)
    if ENGINES[name].library != library:
        raise TypeError(
            f"engine {name!r} takes {ENGINES[name].library} arrays, got {library}; convert them "
            "with `cupy.asnumpy`, or use engine='auto'"
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
    reason = _failure(name) or _device_failure(name, _current_device(name))
    if reason:
        raise errors.EngineUnavailable(f"engine {name!r} cannot run here: {reason}")


def on_device(name: str) -> bool:
    """Test whether an engine's arrays live on a GPU."""
    return name in ENGINES and ENGINES[name].library == "cupy"


def load(name: str) -> Engine:
    """The kernel module of an engine, which must be there."""
    # A module offers the protocol's methods as functions.
    return cast(Engine, import_module(ENGINES[name].module))


def compilation_seconds() -> float:
    """Seconds that this process has compiled kernels which later ones load from the disk."""
    loaded = [sys.modules.get(spec.module) for spec in ENGINES.values()]
    measures = [getattr(module, "compilation_seconds", None) for module in loaded]
    return float(sum(measure() for measure in measures if measure is not None))


@cache
def _failure(name: str) -> str:
    """Reason why an engine's module cannot be loaded, and the remedy; empty if it can."""
    try:
        with warnings.catch_warnings():
            # CuPy's own words about several packages of it take many lines; see `_rivals`.
            warnings.filterwarnings("ignore", "(?s).*multiple CuPy packages", UserWarning)
            import_module(ENGINES[name].library)
        load(name)
    except ModuleNotFoundError as error:
        own = ENGINES[name].package
        package = own if own and error.name == "cupy" else error.name
        return f"{error}; install it with `pip install {package}`"
    except Exception as error:  # whatever a compiler or driver meets when it is loaded
        if str(error) == COMPILER_OFF:
            return COMPILER_OFF
        return "; ".join([_in_one_line(error), *_rivals(name)])
    return ""


def _current_device(name: str) -> int:
    """Number of the GPU that an engine would use now; -1 on the CPU, or where none can be asked."""
    if ENGINES[name].library == "numpy":
        return -1
    try:
        return int(import_module("cupy").cuda.Device().id)
    except Exception:  # no driver, no device: a search says more of it
        return -1


@cache
def _device_failure(name: str, device: int) -> str:
    """Reason why the current GPU cannot be used, tested by using it; empty if it can.

    Each device is tried once: one may fail where another works.
    """
    return "" if ENGINES[name].library == "numpy" else _wrong_answer(name)


def status(name: str) -> EngineStatus:
    """Find out whether one engine can run here, by running a small search."""
    reason = _failure(name) or _wrong_answer(name)
    detail = reason or "; ".join([ENGINES[name].description, *_rivals(name)])
    return EngineStatus(name, not reason, detail)


def _rivals(name: str) -> list[str]:
    """A warning where several packages are installed that each bring CuPy."""
    if ENGINES[name].library != "cupy":
        return []
    packages = sorted(set(packages_distributions().get("cupy", [])))
    if len(packages) < 2:
        return []
    return [f"{' and '.join(packages)} conflict: `pip uninstall` all but one"]


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _wrong_answer(name: str) -> str:
    """Fault of the result of a small search; empty if it is right."""
    image = np.arange(3 * 8 * 9, dtype=np.float32).reshape(3, 8, 9) % 11
    numbers = np.arange(6, dtype=np.int32)[:, None] * 9 + np.arange(7, dtype=np.int32)
    expected = _first_equal_patch(image, numbers)
    try:
        xp = import_module(ENGINES[name].library)
        pixels = xp.asarray(image)
        score = xp.full((6, 7, 1), np.inf, np.float32)
        index = xp.full((6, 7, 1), -1, np.int32)
        request = SearchRequest(pixels, pixels, 3, None, score, index, index_stride=9)
        load(name).update_nearest(request, threads=1, tick=lambda pairs: None)
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
