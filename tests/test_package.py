"""What is installed and what importing it costs."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

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


def test_without_a_place_for_compiled_code_kernels_still_run():
    code = (
        "import numba.core.caching as caching; caching.CacheImpl._locator_classes = [];"
        "import numpy, pnncupy as pnn; image = numpy.random.default_rng(0).random((9, 9));"
        "print(*pnn.nearest_patches(image, image).index[2, 2])"
    )
    assert run_python(code) == ["2", "2"]


def test_the_version_is_one():
    assert importlib.metadata.version("pnncupy") == pnn.__version__


def test_the_wheel_holds_every_file_and_nothing_else(tmp_path):
    copy = tmp_path / "source"
    copy.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    code = (
        "import os, sys, setuptools.build_meta as build; os.chdir(sys.argv[1]);"
        "build.build_wheel(sys.argv[2])"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, copy, tmp_path], check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {name for name in tracked if name.startswith("pnncupy/")}
    expected |= {f"pnncupy/{name}" for name in tracked if name.startswith("kernels/")}
    assert found == expected


def test_documented_parameters_are_those_of_the_signature():
    import inspect
    import re

    for name in pnn.__all__:
        function = getattr(pnn, name)
        if not inspect.isfunction(function):
            continue
        text = inspect.getdoc(function)
        section = re.search(r"Parameters\n-+\n(.*?)\n\n(?=\w+\n-)", text + "\n\nEnd\n---", re.S)
        documented = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", section[1], re.M) if section else []
        names = [each for entry in documented for each in entry.split(", ")]
        assert names == list(inspect.signature(function).parameters) or set(names) == set(
            inspect.signature(function).parameters
        ), name
        assert "Examples" in text or name == "key_minimum" or name == "pyramid", name
