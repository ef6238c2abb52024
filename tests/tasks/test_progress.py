"""Progress bars of tasks: where, when and for whom they appear."""

import inspect
import io
import multiprocessing
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest
from waiting import wait_until

import pnncupy as pnn
from pnncupy import baselines
from pnncupy.batch import make_jobs
from pnncupy.batch.job import execute
from pnncupy.cli.app import run
from pnncupy.io import write_image
from pnncupy.tasks import progress_bar, progress_display
from pnncupy.tasks.registry import TASKS, task_function

QUICK = {"iterations": 1, "levels": 0, "patch_size": 3, "rng": 1}
SHOWN = re.compile(r"level 0 step 1/1.*100 %")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def image(random):
    return random.random((16, 18))


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    # pytest sets the stream itself once more before a test.
    monkeypatch.setattr(progress_bar, "sys", types.SimpleNamespace(stderr=stream))
    return stream


@pytest.fixture
def prompt(monkeypatch):
    """An interactive session, whose calls are long after a twentieth of a second."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    # pytest sets its variable once more before a test.
    monkeypatch.setattr(progress_display, "os", types.SimpleNamespace(environ={}))
    monkeypatch.setattr(progress_display, "SECONDS_BEFORE_AUTO", 0.05)


def plain(stream):
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", stream.getvalue())


def generate_slowly(image, **options):
    """A call of about half a second that sees its own events; these."""
    events = []

    def watch(event):
        events.append(event)
        time.sleep(0.3)

    pnn.generate(image, callback=watch, **QUICK, **options)
    return events


def test_a_bar_and_a_callback_work_together(image, terminal):
    events = []
    plainly = pnn.generate(image, progress=False, **QUICK)
    made = pnn.generate(image, progress=True, callback=events.append, **QUICK)
    np.testing.assert_array_equal(made, plainly)
    assert SHOWN.search(plain(terminal))
    assert events[-1].result is not None


@pytest.mark.parametrize("verb", TASKS)
def test_every_task_shows_it(verb, image, terminal):
    calls = {
        "generate": (image,), "retarget": (image, (16, 14)), "inpaint": (image, image > 0.9),
        "analogy": (image, image), "collage": ([image, image],), "edit": (image, image),
        "volume": (image, (8, 8, 8)), "simulate": (image, np.full((12, 12), np.nan)),
    }  # fmt: skip
    task = task_function(verb)
    assert inspect.signature(task).parameters["progress"].default == "auto"
    task(*calls[verb], patch_size=3, iterations=1, levels=0, progress=True)
    assert "level 0" in plain(terminal)


def test_the_baseline_shows_it(image, terminal):
    baselines.bidirectional_similarity(image, (16, 14), patch_size=3, levels=0, progress=True)
    assert "level 0" in plain(terminal)


def test_nothing_is_shown_where_there_is_no_terminal(image, capfd):
    pnn.generate(image, progress=True, **QUICK)
    assert capfd.readouterr() == ("", "")


def test_long_calls_of_a_session_show_it(image, terminal, prompt):
    assert generate_slowly(image)
    assert "level 0 step 1/1" in plain(terminal)


def test_short_calls_of_a_session_show_nothing(image, terminal, prompt, monkeypatch):
    monkeypatch.setattr(progress_display, "SECONDS_BEFORE_AUTO", 2.0)
    threads = threading.active_count()
    pnn.generate(image, **QUICK)
    assert plain(terminal) == ""
    wait_until(lambda: threading.active_count() <= threads, seconds=1)  # no timer is left


def test_scripts_and_tests_show_nothing(image, terminal, prompt, monkeypatch):
    progress_display.os.environ["PYTEST_CURRENT_TEST"] = "here"
    generate_slowly(image)
    progress_display.os.environ.clear()
    monkeypatch.delattr(sys, "ps1")
    generate_slowly(image)
    assert plain(terminal) == ""


def test_threads_and_workers_show_nothing(image, terminal, prompt, monkeypatch):
    thread = threading.Thread(target=generate_slowly, args=(image,))
    thread.start()
    thread.join()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "another process")
    generate_slowly(image)
    assert plain(terminal) == ""


def test_batches_and_commands_have_their_own(image, tmp_path, monkeypatch):
    """They ask for no bar, rather than that none fits."""

    def fail():
        raise AssertionError("a task decides where its progress is shown")

    monkeypatch.setattr(progress_display, "is_interactive", fail)
    image = (image * 255).astype(np.uint8)
    write_image(tmp_path / "image.png", image)
    monkeypatch.chdir(tmp_path)
    options = {"iterations": 1, "levels": 0, "patch_size": 3}
    (job,), inputs = make_jobs("generate", output="made", image=image, **options)
    assert execute(job, str(tmp_path), 1, inputs).error == ""
    words = ["--iterations", "1", "--levels", "0", "--patch-size", "3", "-o"]
    assert run(["generate", "image.png", *words, "out"]) == 0
    assert run(["generate", "image.png", "--dry-run", *words, "out"]) == 0
    assert run(["volume", "image.png", "--shape", "8", "8", "8", *words, "made.tif"]) == 0


def test_a_cancelled_call_leaves_the_streams_as_they_were(image, terminal):
    before, threads = (sys.stdout, sys.stderr), threading.active_count()
    with pytest.raises(pnn.Cancelled):
        pnn.generate(image, progress=True, callback=lambda event: False, **QUICK)
    with pytest.raises(ZeroDivisionError):
        pnn.generate(image, progress=True, callback=lambda event: 1 / 0, **QUICK)
    assert (sys.stdout, sys.stderr) == before
    wait_until(lambda: threading.active_count() <= threads)


def test_a_script_does_not_load_rich():
    code = (
        "import numpy, sys, pnncupy as pnn; image = numpy.zeros((9, 9));"
        "pnn.generate(image, engine='numpy', iterations=1); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


LONG = """
import numpy, pnncupy as pnn
pnn.generate(numpy.random.default_rng(0).random((700, 700)), progress=True)
"""


@pytest.mark.process
def test_a_call_with_a_bar_ends_at_once():
    here, there = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", LONG], stdout=there, stderr=there, env=variables, close_fds=True
    )
    os.close(there)
    received = b""
    while b"preparing" not in received:
        received += os.read(here, 65536)
    time.sleep(2)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        while block := os.read(here, 65536):
            received += block
    except OSError:  # the other end is closed
        pass
    assert process.wait() in (1, -signal.SIGINT, 130)
    assert time.monotonic() - start < 4
    assert b"KeyboardInterrupt" in received
    assert b"\x1b[?25h" in received.rpartition(b"preparing")[2]  # the cursor is back
    os.close(here)
