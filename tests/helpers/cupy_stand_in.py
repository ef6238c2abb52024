"""A stand-in for CuPy on the host, as strict as a device about what is mixed with what.

Its arrays wrap NumPy arrays that nothing but the stand-in may touch: NumPy's functions and
operators refuse them, and its functions refuse NumPy's arrays. Its operators take subnormal float32
for zero, as CuPy's do. Kernels are those of the package, compiled by g++. It counts the memory that
its arrays take, and fails where it is told to. It also counts what the host asks of the device:
operations (each a launch), copies from the host, and synchronisations, where the host waits for a
value.
"""

import operator
import sys
import types
import weakref
from collections import Counter

import array_api_compat.numpy
import host_cuda
import numpy as np


class OutOfMemoryError(MemoryError):
    """What CuPy raises."""


class CUDARuntimeError(RuntimeError):
    """What CuPy raises where a launch failed."""

    __module__ = "cupy_backends.cuda.api.runtime"


class Device:
    """The only device, unless arrays are said to lie on another."""

    current = 0

    def __init__(self, number=None):
        self.id = Device.current if number is None else number

    def __enter__(self):
        self._outer, Device.current = Device.current, self.id

    def __exit__(self, *error):
        Device.current = self._outer


class Memory:
    """The device's memory: what is allocated, and what may be."""

    ROUNDING = 512  # of the blocks of CuPy's pool

    def __init__(self):
        self.used = self.peak = self.allocations = self.held = 0
        self.limit = float("inf")
        self.failing = None  # number of the allocation that fails

    def allocate(self, host):
        size = -(-host.nbytes // self.ROUNDING) * self.ROUNDING
        self.allocations += 1
        if self.allocations == self.failing or self.used + size > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self.used += size
        self.peak = max(self.peak, self.used)
        self.held = max(self.held, self.used)
        weakref.finalize(host, self._release, size)

    def _release(self, size):
        self.used -= size

    # CuPy's memory pool, of which a limit of 0 is none.

    def get_limit(self):
        return 0 if self.limit == float("inf") else self.limit

    def set_limit(self, size):
        self.limit = size or float("inf")

    def used_bytes(self):
        return self.used

    def total_bytes(self):
        return self.held

    def malloc(self, size):
        raise AssertionError("only the stand-in's own arrays are allocated")

    def free_all_blocks(self):
        self.held = self.used


memory = Memory()

# Operations, uploads, and synchronisations, and of each what and where.
counts = Counter()
places = Counter()
# What makes another view of an array, or asks for what the host knows.
_FREE = {
    "reshape", "ravel", "view", "moveaxis", "broadcast_to", "expand_dims", "squeeze", "isdtype",
    "result_type", "can_cast", "finfo", "iinfo", "transpose", "permute_dims", "empty", "empty_like",
}  # fmt: skip
# Functions whose result has a size that only the device knows.
_SIZED = {"nonzero", "flatnonzero", "argwhere", "unique", "unique_values", "unique_all"}


def note(kind, what):
    """Count something that the host asks of the device, and which line of the package did."""
    counts[kind] += 1
    frame = sys._getframe(2)
    while frame and "/pnncupy/" not in frame.f_code.co_filename.replace("kernels/", "/pnncupy/"):
        frame = frame.f_back
    where = f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}" if frame else ""
    places[kind, what, where] += 1


def _note_index(index):
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray):
            note("operation", "index")
            if part.dtype == bool:
                note("synchronisation", "index by bool")


class ndarray:  # noqa: N801 - CuPy's name
    """An array "on the device"."""

    __array_ufunc__ = None

    def __init__(self, host):
        self.host = host
        self.device = Device()
        if host.base is None:
            memory.allocate(host)

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use cupy.asnumpy")

    @property
    def __cuda_array_interface__(self):
        return self.host.__array_interface__

    def __getattr__(self, name):
        if name.startswith("__"):  # such as __array_interface__, a way around the device
            raise AttributeError(name)
        value = getattr(self.host, name)
        if name == "flags" or isinstance(value, (int, tuple, np.dtype)):
            return value
        return on_device(value)

    def __getitem__(self, index):
        _note_index(index)
        return wrapped(self.host[unwrapped(index)])

    def __setitem__(self, index, value):
        note("operation", "assign")
        self.host[unwrapped(index)] = unwrapped(value)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (wrapped(part) for part in self.host)

    def __bool__(self):
        note("synchronisation", "bool")
        return bool(self.host)

    def __int__(self):
        note("synchronisation", "int")
        return int(self.host)

    def __float__(self):
        note("synchronisation", "float")
        return float(self.host)

    __index__ = __int__


def flushed(value):
    """The value with zeros for subnormal numbers: CuPy compiles its kernels with -ftz=true."""
    if getattr(value, "dtype", None) != np.float32:
        return value
    return np.where(
        abs(value) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), value), value
    )


def _operator(function, reflected=False):
    def apply(self, other):
        note("operation", function.__name__)
        pair = (unwrapped(other), self.host) if reflected else (self.host, unwrapped(other))
        return wrapped(flushed(function(*map(flushed, pair))))

    return apply


def _in_place(function):
    def apply(self, other):
        note("operation", function.__name__)
        other = flushed(unwrapped(other))
        if self.host.dtype == np.float32:
            self.host[...] = flushed(function(flushed(self.host), other))
        else:
            self.host = function(self.host, other)
        return self

    return apply


def _unary(function):
    def apply(self):
        note("operation", function.__name__)
        return wrapped(function(self.host))

    return apply


for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift",
    "rshift", "lt", "le", "gt", "ge", "eq", "ne",
):  # fmt: skip
    _plain = _name.strip("_")
    setattr(ndarray, f"__{_plain}__", _operator(getattr(operator, _name)))
    setattr(ndarray, f"__r{_plain}__", _operator(getattr(operator, _name), reflected=True))
    if hasattr(operator, f"i{_plain}"):
        setattr(ndarray, f"__i{_plain}__", _in_place(getattr(operator, f"i{_plain}")))
for _name in ("neg", "invert", "abs"):
    setattr(ndarray, f"__{_name}__", _unary(getattr(operator, _name)))


def wrapped(value):
    """What a computation returns: arrays stay on the device, also those without axes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if isinstance(value, (list, tuple)):
        return type(value)(wrapped(part) for part in value)
    return value


def unwrapped(value):
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrapped(part) for part in value)
    return value


def on_device(function):
    name = getattr(function, "__name__", "")

    def call(*arguments, **options):
        if name == "ascontiguousarray" and unwrapped(arguments[0]).flags.c_contiguous:
            return arguments[0]
        if name not in _FREE:
            note("operation", name)
        if name in _SIZED:
            note("synchronisation", name)
        options = {name: unwrapped(value) for name, value in options.items()}
        return wrapped(function(*unwrapped(arguments), **options))

    return call


def asarray(value, dtype=None):
    """The one way in."""
    if not isinstance(value, ndarray):
        note("upload", "asarray")
    return ndarray(np.array(value.host if isinstance(value, ndarray) else value, dtype=dtype))


def asnumpy(value):
    """The one way out."""
    note("synchronisation", "asnumpy")
    return value.host.copy()


class RawModule:
    """Compiles for the host what it is given."""

    failing = None  # name of the kernel whose launches fail

    def __init__(self, code, options):
        self.code, self.options = code, options

    def get_function(self, name):
        launch = host_cuda.build(self.code, name, self.options)

        def kernel(grid, block, arguments):
            values = [value.host if isinstance(value, ndarray) else value for value in arguments]
            for value in values:
                assert not isinstance(value, np.ndarray) or value.flags.c_contiguous
                assert isinstance(value, (np.ndarray, np.generic))
            assert block[1:] == (1, 1)
            note("operation", name)
            if RawModule.failing == name:
                raise CUDARuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
            launch(grid, block[0], values)

        return kernel


class Event:
    def record(self):
        pass

    def synchronize(self):
        note("synchronisation", "event")


class _Module(types.ModuleType):
    """The functions of a library of host arrays, for device arrays only."""

    def __init__(self, name, library):
        super().__init__(name)
        self._library = library

    def __getattr__(self, name):
        value = getattr(self._library, name)
        return on_device(value) if callable(value) and not isinstance(value, type) else value


def _refused(name, reason):
    def call(*arguments, **options):
        raise AssertionError(f"`{name}` {reason}")

    return call


def modules():
    """What to put into `sys.modules`."""
    cupy, compat = _Module("cupy", np), _Module("array_api_compat.cupy", array_api_compat.numpy)
    compat.clip = _refused("clip", "waits for the device; see `pnncupy.arrays.clipped`")
    compat.asarray, compat.fft = asarray, _Module("fft", np.fft)
    cupy.ndarray, cupy.generic, cupy.RawModule, cupy.asarray = ndarray, (), RawModule, asarray
    cupy.asnumpy = asnumpy
    cupy.get_default_memory_pool = lambda: memory
    cupy.cuda = types.SimpleNamespace(
        Event=Event, Device=Device,
        get_current_stream=lambda: types.SimpleNamespace(ptr=0),
        get_allocator=lambda: memory.malloc,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=types.SimpleNamespace(CUDARuntimeError=CUDARuntimeError),
        driver=types.SimpleNamespace(CUDADriverError=CUDARuntimeError),
    )  # fmt: skip
    ndarray.__module__ = "cupy"
    return {"cupy": cupy, "array_api_compat.cupy": compat}


def install(monkeypatch):
    """Let the package find the stand-in, as if CuPy and a device were there."""
    from pnncupy import arrays

    made = modules()
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    forget()
    known = arrays.namespace
    monkeypatch.setattr(
        arrays, "namespace",
        lambda value: made["array_api_compat.cupy"] if isinstance(value, ndarray) else known(value),
    )  # fmt: skip
    return made["cupy"]


def forget():
    """Let the engine be loaded and tried anew."""
    import pnncupy.kernels
    from pnncupy.engine import registry

    for name in [name for name in sys.modules if name.startswith("pnncupy.kernels.cupy_raw")]:
        if not name.endswith(".sources"):
            del sys.modules[name]
    vars(pnncupy.kernels).pop("cupy_raw", None)
    for cached in (registry._failure, registry._device_failure):
        cached.cache_clear()
