"""Imports point downward: a package knows those on the floors below, and none beside or above."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.text

ROOT = Path(__file__).parents[1]
# From the ground up. Names are modules or packages of pnncupy; those of one floor do not know each
# other. A package's own modules may import each other without a circle.
FLOORS = (
    (
        "_version",
        "validation",
        "errors",
        "arrays",
        "memory_limit",
        "terminal",
        "display",
        "parameter_hints",
    ),
    ("rng", "atomic_files", "citation", "patch_shape", "axis_sums", "panel_figure"),
    ("file_locks", "slice_sliders", "curve_figure"),
    ("images", "parallel", "kernels"),
    ("io", "engine"),
    ("samples", "search"),
    ("figure_inputs", "ensemble_maps"),
    ("ensemble_figure",),
    ("synthesis", "metrics", "plot"),
    ("tasks",),
    ("baselines",),
    ("batch", "napari_plugin"),
    ("report",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS) for name in floor}


def modules():
    """Every module's dotted name inside pnncupy, and its file."""
    found = {}
    for folder, prefix in ((ROOT / "pnncupy", ""), (ROOT / "kernels", "kernels.")):
        for file in sorted(folder.rglob("*.py")):
            if file.is_symlink() or "kernels" in file.relative_to(folder).parts:
                continue
            parts = file.relative_to(folder).with_suffix("").parts
            name = (prefix + ".".join(parts)).removesuffix("__init__").rstrip(".")
            found[name or "__init__"] = file
    return found


MODULES = modules()


def imported(name):
    """The modules of pnncupy that a module imports, also inside functions and for types."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            given = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            given = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        else:
            continue
        for each in given:
            inside = each.removeprefix("pnncupy.")
            if inside != each and inside in MODULES:
                found.add(inside)
    return found - {name}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_imports_point_downward(name):
    """`pnncupy/__init__` only names what is loaded at first use."""
    top = name.partition(".")[0]
    for other in imported(name):
        other_top = other.partition(".")[0]
        if other_top != top:
            assert FLOOR_OF[other_top] < FLOOR_OF[top], f"{name} imports {other}"


def test_every_module_has_a_floor():
    assert {name.partition(".")[0] for name in MODULES} - {"__init__"} == set(FLOOR_OF)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("kernels")])
def test_only_engine_imports_kernels(name):
    kernels = {other for other in imported(name) if other.partition(".")[0] == "kernels"}
    assert not kernels or name.partition(".")[0] == "engine"


def test_modules_of_a_package_import_each_other_without_a_circle():
    edges = {
        name: {
            other for other in imported(name) if other.partition(".")[0] == name.partition(".")[0]
        }
        for name in MODULES
    }
    # The face of a package may name what its modules define.
    edges = {
        name: {other for other in others if not name.startswith(other + ".")}
        for name, others in edges.items()
    }
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, " -> ".join([*under_way, name])
        if name in done:
            return
        under_way.append(name)
        for other in edges[name]:
            visit(other)
        under_way.pop()
        done.add(name)

    for name in edges:
        visit(name)


@pytest.mark.parametrize("name", MODULES)
def test_only_arrays_and_kernels_import_cupy(name):
    text = MODULES[name].read_text(encoding="utf-8")
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    modules = {
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
    }
    if "cupy" in names | modules:
        assert name == "arrays" or name.startswith("kernels.")
