"""What several test files share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cupy_stand_in
import numpy as np
import pytest
from engines import ENGINES
from hypothesis import settings

# `--hypothesis-profile exhaustive` tries more.
settings.register_profile("short", max_examples=20)
settings.register_profile("exhaustive", max_examples=250)
settings.load_profile("short")

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that open a browser or a whole report, before some are chosen by marks."""
    marks = {"browser": pytest.mark.browser, "page": pytest.mark.slow}
    for item in items:
        for name in marks.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(marks[name])


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def random():
    return np.random.default_rng(20220103)


@pytest.fixture(scope="session")
def shared():
    """Folder of files beside the checkout."""
    if not REFERENCE.is_dir():
        pytest.skip("the files to compare with do not lie beside this checkout")
    return REFERENCE.parent


@pytest.fixture(scope="session")
def reference():
    """Arrays computed by the release of the paper's authors, by file name."""
    if not REFERENCE.is_dir():
        pytest.skip("the reference outputs do not lie beside this checkout")

    def load(name):
        with np.load(REFERENCE / f"{name}.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def photograph():
    """A small natural image, uint8."""
    from pnncupy.samples import load_sample

    return load_sample("chelsea")[::4, ::4][:40, 6:62].copy()


@pytest.fixture
def jobs_in_a_thread(monkeypatch):
    """Do the jobs of batches here: a process takes a second to import what it needs."""
    monkeypatch.setattr(
        "pnncupy.batch.runner.ProcessPool", lambda workers, threads: ThreadPoolExecutor(1)
    )


@pytest.fixture
def cupy(monkeypatch):
    """CuPy's stand-in, as if a device were there."""
    yield cupy_stand_in.install(monkeypatch)
    cupy_stand_in.forget()
