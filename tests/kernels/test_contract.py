"""One suite for every engine; a new one is a line in `ENGINES`."""

import sys
import types
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from contract import CHECKS

import pnncupy as pnn
from pnncupy.engine.registry import ENGINES as SPECS
from pnncupy.engine.registry import EngineSpec
from pnncupy.kernels import protocol, reference


def delegating():
    """An engine that lets plain NumPy do everything: one module, one entry."""
    module = types.ModuleType("delegating")
    for name in (*FUNCTIONS, *PROPERTIES):
        setattr(module, name, getattr(reference, name))
    return module


FUNCTIONS = (
    "update_nearest", "pair_sums", "patchmatch_pass", "scatter_minimum", "vote", "add_slice_votes",
)  # fmt: skip
PROPERTIES = (
    "SUPPORTS_TOP_K", "LEAST_PAIRS_FOR_LISTS", "TREE_AXES", "STEPS_ON_DEVICE",
    "QUERIES_PER_SEARCH",
)  # fmt: skip
OPTIONAL = {
    "add_listed_values", "add_values", "add_weights", "build_tree", "lower_least", "search_tree",
    "step_search", "update_lists", "vote_step",
}  # fmt: skip
# Name -> module, and whether it works on the stand-in for a device. `numba-cuda` goes through the
# same checks in Numba's simulator, in a process of its own: see test_numba_cuda.py.
ENGINES = {
    "numpy": ("pnncupy.kernels.reference", False),
    "numba": ("pnncupy.kernels.numba_cpu.engine", False),
    "cupy": ("pnncupy.kernels.cupy_raw.engine", True),
    "delegating": ("delegating", False),
}


@pytest.fixture(
    params=[
        # Threads of a device take their turns on the host.
        pytest.param(name, marks=pytest.mark.slow) if on_device else name
        for name, (_, on_device) in ENGINES.items()
    ]
)
def engine(request, monkeypatch):
    """A module and the array library that it works with."""
    module, on_device = ENGINES[request.param]
    monkeypatch.setitem(sys.modules, "delegating", delegating())
    xp = request.getfixturevalue("cupy") if on_device else np
    return import_module(module), xp


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_engine_fulfils_the_contract(check, engine):
    check(*engine, np.random.default_rng(20220103))


def test_the_protocol_asks_for_nothing_else(engine):
    module, _ = engine
    wanted = {name for name in vars(protocol.Engine) if name[0] != "_"} - OPTIONAL
    assert wanted <= {*FUNCTIONS, *PROPERTIES}
    assert not [name for name in wanted | set(FUNCTIONS) if not hasattr(module, name)]


def test_an_engine_is_one_module_and_one_entry(monkeypatch, random):
    from pnncupy.engine import registry

    monkeypatch.setitem(sys.modules, "delegating", delegating())
    monkeypatch.setitem(SPECS, "delegating", EngineSpec("delegating", "lets NumPy do everything"))
    monkeypatch.setattr(registry, "NAMES", ("auto", *SPECS))
    image = random.random((20, 24))
    assert {each.name: each.available for each in pnn.engines()}["delegating"]
    options = {"rng": 1, "iterations": 2, "levels": 1, "return_info": True}
    for method in ("exact", "patchmatch", "auto"):
        made = pnn.generate(image, engine="delegating", method=method, **options)
        assert made.info["engine"] == "delegating"
        expected = pnn.generate(image, engine="numpy", method=method, **options)
        np.testing.assert_array_equal(made.image, expected.image)
    monkeypatch.setitem(SPECS, "delegating", replace(SPECS["delegating"], approximate_from=0))
    made = pnn.generate(image, engine="delegating", method="auto", **options)
    assert made.info["method"] == "patchmatch"
