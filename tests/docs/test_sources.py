"""What the sources of the site promise, without building it."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import pnncupy as pnn

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))


def extension(name):
    """A module of the site's own extensions that needs no Sphinx."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented_names():
    """Full names in the lists of the reference."""
    found = []
    for file in sorted((DOCS / "reference").glob("*.rst")):
        module = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif re.fullmatch(r"   \w+", line):
                found.append(f"{module}.{line.strip()}")
    return found


def test_the_reference_lists_every_public_name_once():
    assert sorted(documented_names()) == sorted(extension("reference_names").reference_names())


def test_public_names_are_those_of_the_modules():
    names = set(extension("reference_names").reference_names())
    assert {f"pnncupy.{name}" for name in pnn.__all__} <= names
    for module in (pnn.metrics, pnn.batch, pnn.io, pnn.plot, pnn.samples, pnn.baselines):
        assert {f"{module.__name__}.{name}" for name in module.__all__} <= names


def test_every_task_has_an_example():
    text = "".join(file.read_text(encoding="utf-8") for file in EXAMPLES)
    for task in ("generate", "retarget", "inpaint", "analogy", "collage", "edit", "grow_volume"):
        assert f"pnn.{task}(" in text, task
    assert len(EXAMPLES) >= 14


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_have_a_heading_and_a_figure(file):
    text = file.read_text(encoding="utf-8")
    heading = re.match(r'"""\n([^\n]+)\n(=+)\n', text)
    assert heading is not None
    assert len(heading[2]) >= len(heading[1])
    assert re.search(r"^figure = ", text, re.MULTILINE)
    compile(text, file.name, "exec")


def test_installation_lists_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (DOCS / "getting-started" / "installation.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(project["optional-dependencies"])


def test_examples_are_in_the_order_of_the_gallery():
    ordered = re.findall(
        r'^    "(\w+\.py)",$', (DOCS / "_extensions" / "gallery_order.py").read_text(), re.MULTILINE
    )
    assert sorted(ordered) == [file.name for file in EXAMPLES]


# Sections that the package's docstrings do without, and forms that its own rules allow: parameters
# that refer to another function have no type, and classes describe their attributes.
ALLOWED = {"ES01", "EX01", "SA01", "GL02", "PR01", "PR04", "PR06", "PR07", "RT03", "SS05"}


@pytest.mark.parametrize("name", extension("reference_names").reference_names())
def test_numpydoc_finds_nothing_wrong(name):
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed")
    if not callable(resolved(name)):
        pytest.skip("a constant has no docstring of its own")
    found = validate.validate(name)["errors"]
    assert [error for error in found if error[0] not in ALLOWED] == []


def resolved(name):
    """The object of a full name."""
    value = pnn
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value
