"""What is installed and what importing it costs."""

import ast
import importlib.metadata
import inspect
import math
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

import pnncupy as pnn

ROOT = Path(__file__).parents[1]


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split()


def test_every_public_name_is_there():
    assert set(pnn.__all__) == set(pnn._MODULE_OF_NAME)
    for name in pnn.__all__:
        assert getattr(pnn, name).__doc__, name
        assert name in dir(pnn)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pnn.nothing  # noqa: B018


def test_public_modules_are_attributes():
    code = "import pnncupy as pnn; print(pnn.io.read_image.__name__, pnn.metrics.psnr.__name__)"
    assert run_python(code) == ["read_image", "psnr"]


def test_importing_loads_no_heavy_library():
    loaded = run_python("import pnncupy, sys; print(*sys.modules)")
    for heavy in ("numpy", "numba", "cupy", "array_api_compat", "tifffile", "imagecodecs", "rich"):
        assert heavy not in loaded


def test_using_numpy_only_loads_no_numba():
    code = (
        "import numpy, sys, pnncupy as pnn; image = numpy.zeros((9, 9));"
        "pnn.generate(image, engine='numpy', iterations=1); print('numba' in sys.modules)"
    )
    assert run_python(code) == ["False"]


@pytest.mark.slow
def test_without_a_place_for_compiled_code_kernels_still_run():
    code = (
        "import numba.core.caching as caching; caching.CacheImpl._locator_classes = [];"
        "import numpy, pnncupy as pnn; image = numpy.random.default_rng(0).random((9, 9));"
        "print(*pnn.nearest_patches(image, image).index[2, 2])"
    )
    assert run_python(code) == ["2", "2"]


def test_the_version_is_one():
    assert importlib.metadata.version("pnncupy") == pnn.__version__


def tracked_files():
    """Names of the files that git tracks, or why it cannot tell."""
    if not (ROOT / ".git").exists():
        return None, "this is no clone: only git knows which files belong to the repository"
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return None, "git is not installed"
    if listed.returncode:
        return None, f"git cannot list the files: {listed.stderr.strip()}"
    return listed.stdout.split("\0")[:-1], ""


def source_files():
    """Names of all files: those that git tracks, or those that an sdist lists."""
    tracked, reason = tracked_files()
    listed = ROOT / "pnncupy.egg-info" / "SOURCES.txt"
    if tracked is None and not listed.is_file():
        pytest.skip(f"{reason}, and there is no list of an sdist")
    return listed.read_text().splitlines() if tracked is None else tracked


def built(kind, names, folder):
    """Build a "wheel" or an "sdist" of a copy of some files; its path."""
    copy = folder / "source"
    copy.mkdir()
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    code = (
        "import os, sys, setuptools.build_meta as build; os.chdir(sys.argv[1]);"
        f"print('made', build.build_{kind}(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, copy, folder],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return folder / done.stdout.splitlines()[-1].removeprefix("made ")


def test_the_wheel_holds_every_file_and_nothing_else(tmp_path):
    names = source_files()
    with zipfile.ZipFile(built("wheel", names, tmp_path)) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {name for name in names if name.startswith("pnncupy/")}
    expected |= {f"pnncupy/{name}" for name in names if name.startswith("kernels/")}
    assert found == expected
    assert len(found) > 100


def test_the_sdist_holds_every_file_and_nothing_else(tmp_path):
    tracked, reason = tracked_files()
    if tracked is None:
        pytest.skip(reason)
    with tarfile.open(built("sdist", tracked, tmp_path)) as archive:
        found = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    generated = {name for name in found if name.startswith("pnncupy.egg-info/")}
    assert found - generated - {"PKG-INFO", "setup.cfg"} == set(tracked)
    assert "pnncupy.egg-info/SOURCES.txt" in generated


def public_functions():
    """All functions and classes with parameters that users call, by name."""
    found = {f"pnncupy.{name}": getattr(pnn, name) for name in pnn.__all__}
    for module_name in pnn._PUBLIC_MODULES:
        module = getattr(pnn, module_name)
        names = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
        for name in names:
            value = getattr(module, name)
            if getattr(value, "__module__", "").startswith(f"pnncupy.{module_name}") or hasattr(
                module, "__all__"
            ):
                found[f"pnncupy.{module_name}.{name}"] = value
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) or "\nParameters\n---" in (inspect.getdoc(value) or "")
    }


FUNCTIONS = public_functions()


class Entry(NamedTuple):
    """One entry of a section of parameters."""

    names: list[str]
    kind: str
    text: str


def documented(function):
    """The entries of the section, and the whole text."""
    text = inspect.getdoc(function)
    section = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n\w[\w ]*\n-+\n|\Z)", text, re.S)
    entries = []
    for line in section[1].splitlines() if section else ():
        if line and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            entries.append(Entry([name.strip("* ") for name in names.split(",")], kind, ""))
        elif line:
            entries[-1] = entries[-1]._replace(text=f"{entries[-1].text} {line.strip()}".strip())
    return entries


def defaults_said(entry):
    """What the type of an entry says of the defaults, one for each name; None if nothing."""
    if match := re.search(r"(?:^|, |\) )default (.+)$", entry.kind):
        words = match[1].split(" and ")
        values = [value_of(word) for word in words]
        return values if len(values) > 1 else values * len(entry.names)
    if entry.kind.endswith("optional") or entry.kind.startswith("None, "):
        return [None] * len(entry.names)
    if entry.kind.startswith("{"):
        return [value_of(entry.kind[1:].partition(",")[0])] * len(entry.names)
    return [inspect.Parameter.empty] * len(entry.names)


def value_of(word):
    """A default as it is written: a number, a fraction, a word in quotes."""
    if re.fullmatch(r"\d+/\d+", word):
        return float(Fraction(word))
    return math.inf if word == "infinity" else ast.literal_eval(word)


def referred(entry, name):
    """The default of a parameter in the function that "As in" names."""
    match = re.match(r"As (?:`(\w+)` )?in `([\w.]+)`", entry.text)
    if match is None:
        return None
    function = next(
        value for full, value in FUNCTIONS.items()
        if full == match[2] or full.endswith(f".{match[2]}")
    )  # fmt: skip
    return inspect.signature(function).parameters[match[1] or name].default


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documented_parameters_are_those_of_the_signature(name):
    entries = documented(FUNCTIONS[name])
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    order = list(parameters)
    names = [each for entry in entries for each in entry.names]
    assert sorted(names) == sorted(order)
    for entry in entries:
        places = [order.index(each) for each in entry.names]
        assert places == sorted(places), entry
    own = [order.index(entry.names[0]) for entry in entries if not entry.text.startswith("As ")]
    assert own == sorted(own)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documented_defaults_are_those_of_the_signature(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    checked = 0
    for entry in documented(FUNCTIONS[name]):
        for each, said in zip(entry.names, defaults_said(entry), strict=True):
            default = parameters[each].default
            if entry.text.startswith("As ") and not entry.kind:
                said = referred(entry, each)
            if entry.kind.startswith("{") and default is inspect.Parameter.empty:
                said = default  # a choice without a default
            assert (type(default), default) == (type(said), said) or (
                isinstance(default, float) and default == said
            ), (each, entry)
            checked += 1
    assert checked == len(parameters)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.count(".") == 1])
def test_functions_of_the_package_have_examples(name):
    assert "Examples\n--------" in inspect.getdoc(FUNCTIONS[name]) or name in (
        "pnncupy.key_minimum", "pnncupy.pyramid",
    )  # fmt: skip


def test_the_pinned_floors_are_the_declared_ones():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {}
    for text in project["dependencies"] + project["optional-dependencies"]["test"]:
        name, floor = re.match(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)", text).groups()
        declared[name] = floor
    # Dask's extra is a package of its own, of the same version; CUDA's compilers are not Python's.
    declared["distributed"] = declared["dask"]
    wanted = {
        name: floor for name, floor in declared.items() if not name.startswith(("nvidia", "cuda"))
    }
    own, _, _ = (ROOT / ".ci" / "floors.txt").read_text().partition("# Of others")
    lines = own.splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pinned == wanted


def test_the_recipe_has_the_dependencies_and_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (ROOT / "recipe" / "recipe.yaml").read_text()
    _, _, run = recipe.partition("  run:\n")
    listed = re.findall(r"^    - (.*)$", run.partition("\ntests:")[0], re.M)
    wanted = {text.replace(">=", " >=") for text in project["dependencies"]}
    assert set(listed) - {"python >=${{ python_min }}"} == wanted
    assert f'  version: "{project["version"]}"\n' in recipe
    assert f'  python_min: "{project["requires-python"].removeprefix(">=")}"\n' in recipe


def test_the_citation_names_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nrepository-code: {project['urls']['Source']}\n" in citation
