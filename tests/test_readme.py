"""What README.md and the pages print runs as printed, in order, in a folder of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.io import read_image

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Blocks that make an environment: installation, and the test command.
INSTALLATION = "-m venv"
TASKS = "generate|retarget|inpaint|analogy|collage|edit|simulate"
# What runs with smaller numbers than are printed: pattern and replacement. One step at a level
# instead of ten, of two images instead of four, and large images of 200 x 250.
SMALLER = {
    rf"\bpnncupy ({TASKS}) (?!.*diffusion)": r"\g<0>--iterations 1 ",
    rf"\bpnn\.(?:{TASKS})\((?!.*diffusion)[^#\n]*(?=\)\s*(?:#.*)?$)": r"\g<0>, iterations=1",
    r'(sampler="diffusion")(?:, steps=8)?': r"\1, steps=4, patch_sizes=5",
    r"--sampler diffusion": r"\g<0> --steps 4 --patch-sizes 5",
    r"^(pnncupy report \S+\.png) -n 2": r"\1 -n 1",
    r"\bimage, 4, ": "image, 2, ",
    r"-n 4 ": "-n 2 ",
    r"\b800(,?) 1000\b": r"200\1 250",
    r"^pnncupy report my_report\.toml": "awk '{print} /^\\\\[\\\\[/ {print \"iterations = 1\"}' "
    r"my_report.toml > quick.toml && pnncupy report quick.toml",
}
# Pages whose blocks use the names of README's Python, after it.
PAGES = (
    "index-maps", "periodic", "scientific-data", "files", "xarray", "quality", "large-images",
    "defects", "volumes", "command-line", "hard-data", "descriptors", "microstructure",
    "cross-validation", "diffusion",
)  # fmt: skip
# Commands of these pages that are not cheap: the demo of reports takes minutes.
NOT_CHEAP = "report --demo"


def blocks(page):
    """(language, text) of all blocks of a page but those of installation."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [(kind, text) for kind, text in found if INSTALLATION not in text]


def smaller(text):
    for pattern, replacement in SMALLER.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def block_runner():
    """Run a block: Python in one namespace, commands by a shell that stops at the first error."""
    folder = Path(sys.executable).parent
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    assert shutil.which("pnncupy", path=path)
    names = {}

    def run_block(kind, text):
        text = smaller(text)
        if kind == "python":
            exec(compile(text, "README.md", "exec"), names)
        else:
            shell = ["bash", "-euo", "pipefail", "-c", text]
            done = subprocess.run(
                shell, env={**os.environ, "PATH": path}, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"
        return names

    return run_block


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run blocks in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return block_runner()


@pytest.fixture(scope="module")
def after_readme(tmp_path_factory):
    """Run blocks in the folder, and with the names, that those of the README leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("readme"))
        run_block = block_runner()
        for kind, text in blocks("README.md"):
            run_block(kind, text)
        yield run_block


@pytest.mark.process
@pytest.mark.slow
def test_the_readme_runs_as_printed(after_readme):
    names = after_readme("python", "")
    for name in ("tile", "narrow", "filled", "cat_of_gravel", "merged", "seamless"):
        np.testing.assert_array_equal(names[name], read_image(f"{name}.png"), name)


# A test for each page, so that workers do not begin with this file last of all.
@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_pages_run_after_the_readme(after_readme, page):
    for kind, text in blocks(f"docs/{page}.md"):
        if NOT_CHEAP not in text:
            after_readme(kind, text)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["getting-started/first-steps", "explanation/memory", "publishing"]
)
def test_other_pages_run_alone(run, page):
    found = blocks(f"docs/{page}.md")
    assert found
    for kind, text in found:
        run(kind, text)


def test_substitutions_change_numbers_only():
    """Each is used, and the README is printed with the numbers that its pictures have."""
    text = "".join(text for page in ("README.md", *(f"docs/{page}.md" for page in PAGES))
                   for _, text in blocks(page))  # fmt: skip
    assert all(re.search(pattern, text, re.MULTILINE) for pattern in SMALLER)
    assert len(smaller(text).splitlines()) == len(text.splitlines())
    assert "iterations" not in "".join(text for _, text in blocks("README.md"))


def test_every_command_of_the_readme_is_one_that_runs():
    """No block is left out but installation, and every task has a snippet and a command."""
    found = blocks("README.md")
    for task in ("generate", "retarget", "inpaint", "analogy", "collage", "edit"):
        assert any(kind == "python" and f"pnn.{task}(" in text for kind, text in found), task
        assert any(kind == "sh" and f"pnncupy {task} " in text for kind, text in found), task
        assert hasattr(pnn, task)
