"""State of an installation for a report of a fault: nothing private, and no failures of its own."""

import getpass
import importlib.metadata
import locale
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from pnncupy._version import __version__
from pnncupy.memory_limit import ENVIRONMENT_VARIABLE, in_words, limit_from_environment

Section = dict[str, Any]
Diagnosis = dict[str, Section]

# Settings of others that change what runs; what else an environment holds is private.
_VARIABLES = (
    ENVIRONMENT_VARIABLE, "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR",
    "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_CUDASIM", "OMP_NUM_THREADS",
    "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUDA_PATH", "CUDA_HOME",
    "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONPATH", "LANG", "LC_ALL", "TERM", "COLUMNS",
)  # fmt: skip
_HOMES = re.compile(r"(/home/|/Users/|[A-Za-z]:\\+Users\\+)[^/\\\s:;,'\"]+")


def diagnosis() -> Diagnosis:
    """Find out all that a report of a fault needs.

    Returns
    -------
    dict
        Sections of values by name: text, numbers, flags, None, or lists of text. Names of users
        and their folders are replaced by "~".
    """
    sections: dict[str, Callable[[], Section]] = {
        "pnncupy": _package, "python": _python, "system": _system, "processor": _processor,
        "threads": _threads, "dependencies": _dependencies, "engines": _engines,
        "devices": _devices, "cache": _cache, "limits": _limits, "environment": _environment,
    }  # fmt: skip
    return {name: _without_names(_answer(find)) for name, find in sections.items()}


def _answer(find: Callable[[], Any]) -> Any:
    """Answer of a function, or the reason why it failed."""
    try:
        return find()
    except Exception as error:
        return {"unknown": " ".join(f"{type(error).__name__}: {error}".split())}


def _value(find: Callable[[], Any]) -> Any:
    """One value, or why it is not known."""
    found = _answer(find)
    return f"unknown: {found['unknown']}" if isinstance(found, dict) else found


def _without_names(value: Any) -> Any:
    """A value without names of users and their folders."""
    if isinstance(value, dict):
        return {name: _without_names(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_names(each) for each in value]
    return private_parts_hidden(value) if isinstance(value, str) else value


def private_parts_hidden(text: str) -> str:
    """Return a text with "~" for folders and names of users."""
    homes = {os.environ.get("HOME", ""), os.environ.get("USERPROFILE", ""), _home_of_process()}
    for home in sorted(homes - {"", "/"}, key=len, reverse=True):
        text = re.sub(re.escape(home.rstrip("/\\")) + r"(?=$|[/\\\s:;,'\"])", "~", text)
    text = _HOMES.sub("~", text)
    user = str(_value(getpass.getuser))
    if not user.startswith("unknown: "):
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=$|[/\\\s:;,'\"])", "~", text)
    return text


def _home_of_process() -> str:
    """The home folder by the system's list of users, whatever HOME says."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError, AttributeError):  # Windows, or a user without an entry
        return ""


def _package() -> Section:
    return {
        "version": __version__,
        "folder": str(Path(__file__).parents[1]),
        "installed": _value(lambda: importlib.metadata.version("pnncupy")),
    }


def _python() -> Section:
    is_locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "version": platform.python_version(), "implementation": platform.python_implementation(),
        "program": sys.executable, "virtual_environment": sys.prefix != sys.base_prefix,
        "global_lock": is_locked,
    }  # fmt: skip


def _system() -> Section:
    return {
        "platform": _value(platform.platform), "machine": platform.machine(),
        "libc": _value(lambda: " ".join(platform.libc_ver()).strip() or None),
        "encoding": getattr(sys.stdout, "encoding", None),
        "file_encoding": sys.getfilesystemencoding(),
        "locale": _value(lambda: locale.getlocale()[0]),
        "terminal": bool(sys.stdout is not None and sys.stdout.isatty()),
        "columns": shutil.get_terminal_size().columns,
    }  # fmt: skip


def _processor() -> Section:
    found = _processor_probe()
    level = found.get("level")
    return {
        "name": _value(_processor_name), "compiled_for": found.get("name"),
        "vectors": f"{level}, {found['bits']} bits" if level else f"unknown: {found['fault']}",
        "cores": os.cpu_count(), "memory": _value(_memory),
    }  # fmt: skip


@cache
def _processor_probe() -> Section:
    from pnncupy.engine.probe import probe

    return probe("processor")


def _processor_name() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    return in_words(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _threads() -> Section:
    from pnncupy.parallel.threads import thread_count

    usable = getattr(os, "sched_getaffinity", None)
    return {
        "default": _value(lambda: thread_count(None)),
        "usable_cores": _value(lambda: len(usable(0))) if usable else None,
    }


def _dependencies() -> Section:
    """Versions of what this package requires, and of what its extras for users do."""
    extras = {"llvmlite": ""}
    for line in importlib.metadata.requires("pnncupy") or []:
        required, _, condition = line.partition(";")
        named = re.search(r"extra == [\"']([\w-]+)", condition)
        if named is None or named[1] not in ("test", "lint", "bench", "docs"):
            extras.setdefault(re.split(r"[^\w.-]", required)[0], named[1] if named else "")
    found: Section = {}
    for name, extra in sorted(extras.items(), key=lambda pair: (pair[1] != "", pair[0])):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = f"not installed (extra {extra})" if extra else "not installed"
    return found


def _engines() -> Section:
    from pnncupy.engine.probe import probe
    from pnncupy.engine.registry import ENGINES

    found = {name: probe("engine", name) for name in ENGINES}
    return {
        name: "runs" if each.get("available") else
        f"cannot run: {each.get('detail') or each['fault']}"
        for name, each in found.items()
    }  # fmt: skip


def _devices() -> Section:
    from pnncupy.engine.probe import probe

    found = probe("devices")
    driver = _value(_driver)
    if "fault" in found:
        return {"gpus": f"none that CuPy sees: {found['fault']}", "nvidia_driver": driver}
    gpus = [
        f"{each['name']}, compute capability {each['compute_capability']}, "
        f"{in_words(each['memory'])}, {in_words(each['free'])} free"
        for each in found["devices"]
    ]
    return {
        "gpus": gpus, "nvidia_driver": driver, "driver": found["driver"],
        "runtime": found["runtime"],
    }  # fmt: skip


def _driver() -> str | None:
    """Version of NVIDIA's driver by the kernel."""
    file = Path("/proc/driver/nvidia/version")
    if not file.is_file():
        return None
    found = re.search(r"(\d+\.\d+(?:\.\d+)?)", file.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "unknown"


def _cache() -> Section:
    folder = _processor_probe().get("code_folder") or ""
    if not folder:
        return {"folder": None, "writable": False, "effect": "kernels are compiled in each run"}
    return {
        "folder": folder, "writable": _is_writable(Path(folder)),
        "files": sum(1 for each in Path(folder).iterdir() if each.suffix in (".nbi", ".nbc")),
    }  # fmt: skip


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _limits() -> Section:
    found: Section = {
        "max_memory": _value(lambda: _size(limit_from_environment())),
        "temporary_folder": tempfile.gettempdir(),
        "free_disk": _value(lambda: in_words(shutil.disk_usage(tempfile.gettempdir()).free)),
    }
    try:
        import resource
    except ImportError:  # Windows
        return found
    for name, kind in (("address_space", "RLIMIT_AS"), ("open_files", "RLIMIT_NOFILE"),
                       ("processes", "RLIMIT_NPROC")):  # fmt: skip
        if hasattr(resource, kind):
            soft = resource.getrlimit(getattr(resource, kind))[0]
            found[name] = None if soft == resource.RLIM_INFINITY else soft
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        path = Path("/sys/fs/cgroup", file)
        if path.is_file():
            found["container_memory"] = _value(partial(_first_line, path))
    return found


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").splitlines()[0]


def _size(number: int | None) -> str | None:
    return None if number is None else in_words(number)


def _environment() -> Section:
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}
