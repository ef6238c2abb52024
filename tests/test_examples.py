"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import pnncupy

MODULES = [
    module.name
    for module in pkgutil.walk_packages(pnncupy.__path__, "pnncupy.")
    if not module.name.startswith("pnncupy.kernels")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    if name.startswith("pnncupy.napari_plugin."):
        pytest.importorskip("magicgui")
        pytest.importorskip("qtpy")
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_task_has_an_example():
    finder = doctest.DocTestFinder()
    for task in ("generate", "retarget", "inpaint", "analogy", "collage", "edit"):
        assert any(test.examples for test in finder.find(getattr(pnncupy, task)))
