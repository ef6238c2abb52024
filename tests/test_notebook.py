"""A notebook: results are shown, progress appears below the cell, and interrupts end a cell."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from waiting import wait_until

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

pytestmark = [pytest.mark.process, pytest.mark.slow]

MOST_SECONDS = 4
CELLS = [
    """
import os
import numpy as np
import pnncupy as pnn

image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
large = np.tile(image, (20, 15, 1))
os.environ.pop("PYTEST_CURRENT_TEST", None)  # of the test that starts the kernel
print(os.getpid())
""",
    "made = pnn.generate(image, 2, rng=1, return_index=True, return_info=True, progress=True)",
    "made",
    "pnn.generate(image, rng=1).shape",
    """
def note(event):
    if event.level < event.levels - 1:
        open("begun", "w").close()

pnn.generate(large, rng=1, callback=note)
""",
    "made.image.shape",
]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A client of a running kernel; a notebook's folder is where it was started."""
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells), timeout=120, kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}},
    )  # fmt: skip
    with client.setup_kernel():
        yield client


def executed(kernel, number):
    """Outputs of a cell."""
    return kernel.execute_cell(kernel.nb.cells[number], number).outputs


def pages(outputs):
    return [each.data["text/html"] for each in outputs if "text/html" in each.get("data", {})]


def test_a_notebook(kernel):
    folder = Path(kernel.resources["metadata"]["path"])
    (printed,) = executed(kernel, 0)
    process = int(printed.text)
    (bar,) = pages(executed(kernel, 1))  # all updates are one output
    assert "image 2/2 level 0" in bar
    assert "100 %" in bar
    (shown,) = executed(kernel, 2)
    assert shown.data["text/plain"].startswith("Result(image=<uint8 array of shape (2, 30, 40, 3)>")
    assert shown.data["text/html"].count('src="data:image/png;base64,') == 2
    assert "2 images of 30 × 40" in shown.data["text/html"]
    (short,) = executed(kernel, 3)  # and no bar
    assert short.data["text/plain"] == "(30, 40, 3)"
    moments = []

    def interrupt():
        wait_until((folder / "begun").exists)
        time.sleep(2.5)  # the bar of "auto" appears after two
        moments.append(time.monotonic())
        os.kill(process, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="KeyboardInterrupt"):
        executed(kernel, 4)
    assert time.monotonic() - moments[0] < MOST_SECONDS
    (bar,) = pages(kernel.nb.cells[4].outputs)
    assert "left" in bar
    thread.join()
    (after,) = executed(kernel, 5)
    assert after.data["text/plain"] == "(2, 30, 40, 3)"
