"""Engines that cannot run, or give wrong answers, are found out and say why."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import engine_table

IMAGE = np.random.default_rng(0).random((20, 24, 3))
GREY = IMAGE[..., 0]


def test_an_engine_that_cannot_be_loaded_says_why(monkeypatch):
    monkeypatch.setitem(engine_table._MODULES, "numba", "pnncupy.kernels.missing")
    engine_table._failure.cache_clear()
    try:
        with pytest.raises(pnn.EngineUnavailable, match="'numba' cannot run here: No module"):
            pnn.generate(IMAGE)
        states = {engine.name: engine.available for engine in pnn.engines()}
        assert states["numpy"]
        assert not states["numba"]
    finally:
        engine_table._failure.cache_clear()


def test_an_engine_with_wrong_answers_is_found_out(monkeypatch):
    from pnncupy.kernels import reference

    monkeypatch.setattr(reference, "lower_nearest", lambda *arguments, **options: None)
    assert "wrong answer" in {engine.name: engine for engine in pnn.engines()}["numpy"].detail
    assert engine_table.pick("numba", GREY)[0] == "numba"
