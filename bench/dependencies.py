"""Do the quick tests pass with these releases of what pnncupy depends on?

Each run makes a fresh virtual environment, so that nothing installed here matters:

    python -m bench dependencies                             the newest releases of everything
    python -m bench dependencies --pre                       with release candidates
    python -m bench dependencies --with tifffile==2026.5.15  this release, the newest of the rest
    python -m bench dependencies --floors --python python3.11  the oldest releases declared
"""

import json
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

OPTIONS = ("python", "packages", "floors", "pre")
ROOT = Path(__file__).parents[1]
FLOORS = ROOT / ".ci" / "floors.txt"
QUICK = "not slow and not exhaustive and not process and not browser and not gpu"


def measure(
    threads: int, python: str, packages: list[str] | None, floors: bool, pre: bool
) -> list[dict[str, Any]]:
    rows = []
    for package in packages or [""]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_tried(Path(folder), threads, python, package, floors=floors, pre=pre))
    return rows


def _tried(
    folder: Path, threads: int, python: str, package: str, *, floors: bool, pre: bool
) -> dict[str, Any]:
    """The outcome of the quick tests in one fresh environment."""
    interpreter = _environment(folder / "venv", python)
    wanted = ["-e", f"{ROOT}[test]", *([package] if package else [])]
    options = [*(["-c", FLOORS] if floors else []), *(["--pre"] if pre else [])]
    start = time.perf_counter()
    install = [interpreter, "-m", "pip", "install", "-q", *options, *wanted]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        reason = installed.stderr.strip().splitlines() or ["no reason given"]
        return {"tried": package or "newest", "cannot be installed": reason[-1]}
    report = folder / "report.xml"
    tests = subprocess.run(
        [interpreter, "-m", "pytest", "-q", "-n", str(threads), "--dist", "loadfile", "-m", QUICK,
         "--junitxml", report],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    row = {"tried": package or ("floors" if floors else "newest"), **_versions(interpreter)}
    if not report.exists():
        return {**row, "pytest": tests.stderr.strip()[-300:] or tests.stdout.strip()[-300:]}
    passed, broken = _outcome(report)
    for name, message in broken:
        print(f"BREAKS {name}: {message}", flush=True)
    seconds = round(time.perf_counter() - start)
    return {**row, "passed": passed, "broken": len(broken), "seconds": seconds}


def _environment(folder: Path, python: str) -> Path:
    """A fresh environment of this or another Python, and its interpreter."""
    if python:
        subprocess.run([python, "-m", "venv", folder], check=True)
    else:
        venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def _versions(interpreter: Path) -> dict[str, str]:
    """Python's version and those of all packages that pnncupy needs at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [text.partition(">")[0].strip() for text in project["dependencies"]]
    code = (
        "import importlib.metadata as m, json, platform, sys;"
        "print(json.dumps({'python': platform.python_version(),"
        "**{name: m.version(name) for name in sys.argv[1:]}}))"
    )
    found = subprocess.run(
        [interpreter, "-c", code, *names], capture_output=True, text=True, check=True
    )
    versions: dict[str, str] = json.loads(found.stdout)
    return versions


def _outcome(report: Path) -> tuple[int, list[tuple[str, str]]]:
    """The number of tests that passed, and the others that ran with the first line of why."""
    passed, broken = 0, []
    for case in ElementTree.parse(report).iter("testcase"):
        problem = next((each for each in case if each.tag in ("failure", "error")), None)
        if problem is not None:
            message = (problem.get("message") or "").strip().partition("\n")[0][:200]
            broken.append((f"{case.get('classname')}::{case.get('name')}", message))
        elif case.find("skipped") is None:
            passed += 1
    return passed, broken
