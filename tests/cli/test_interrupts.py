"""Ctrl-C and SIGTERM end every command soon and leave nothing half; so do callbacks that raise."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from signalled import Signalled, children
from waiting import wait_until

import pnncupy as pnn
from pnncupy import batch
from pnncupy.batch.job import file_digest
from pnncupy.cli import signals
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.search import blocks

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals"),
]

# Two seconds are promised; a machine that is busy with other tests gets more.
MOST_SECONDS = 4
BOTH = (signal.SIGINT, signal.SIGTERM)
JOBS = "".join(f'[[job]]\nimage = "noise.png"\nseed = {seed}\n' for seed in range(9))
SPEC = '[[retarget]]\nimage = "noise.png"\ntitle = "Narrow"\nscale = [1.0, 0.6]\n'
VERBS = {
    "generate": ["noise.png", "-n", 3],
    "retarget": ["noise.png", "--scale", 1, 0.6],
    "inpaint": ["noise.png", "--mask", "mask.png"],
    "analogy": ["noise.png", "--structure", "noise.png", "--alpha", 0.01],
    "collage": ["noise.png", "noise.png"],
    "edit": ["noise.png", "--edited", "noise.png"],
    "batch": ["jobs.toml", "--workers", 2],
    "report": ["spec.toml"],
}
LONG = ["generate", "noise.png", "--seed", 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images that take long, and lists of work with them."""
    folder = tmp_path_factory.mktemp("in")
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
    write_image(folder / "noise.png", noise)
    mask = np.zeros((800, 800), np.uint8)
    mask[200:600, 200:600] = 255
    write_image(folder / "mask.png", mask)
    (folder / "jobs.toml").write_text(JOBS)
    (folder / "spec.toml").write_text(SPEC)
    return folder


def check(ended, *folders):
    assert not ended.wrong(*folders)
    assert ended.seconds < MOST_SECONDS, ended


def interrupt(commands, folder, moments, group=False, times=1, variables=None):
    """Start the commands together, and end each at its moment by one of the signals in turn."""
    running = [Signalled(words, folder, variables) for words in commands]
    start, ended = time.monotonic(), []
    for number, (process, moment) in enumerate(zip(running, moments, strict=True)):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        ended.append(process.end_by(BOTH[number % 2], group, times))
    return ended


# Each verb at two of these moments, and exhaustively at the others.
MOMENTS = ((0.3, 1.5), (0.6, 1.0))


@pytest.mark.parametrize(
    ("verb", "moments"),
    [
        pytest.param(
            verb, moments, marks=() if (place + other) % 2 == 0 else pytest.mark.exhaustive
        )
        for place, verb in enumerate(VERBS)
        for other, moments in enumerate(MOMENTS)
    ],
)
def test_every_verb_ends_at_any_moment(verb, moments, folder, tmp_path):
    commands = [[verb, *VERBS[verb], "-o", tmp_path / f"out_{number}"] for number in range(2)]
    # A terminal interrupts all processes of the command.
    for each in interrupt(commands, folder, moments, group=True):
        check(each, tmp_path)


def test_engines_ends(folder):
    for each in interrupt([["engines"]] * 2, folder, [0.4, 0.6]):
        assert each.finished or not each.wrong()


@pytest.mark.parametrize(
    "options",
    [
        ["--dry-run"],
        ["--method", "patchmatch"],
        ["--engine", "numpy", "--vote", "median"],
        ["--scheduler", "tcp://127.0.0.1:9"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_long_paths_end(options, folder, tmp_path):
    commands = [[*LONG, *options, "-o", tmp_path / name] for name in ("out", "other")]
    for each in interrupt(commands, folder, [0.8, 1.4]):
        check(each, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_first_run_ends_while_it_compiles(folder, tmp_path):
    commands = [[*LONG, "-o", tmp_path / name] for name in ("out", "other")]
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for each in interrupt(commands, folder, [1.8, 2.8], variables=variables):
        check(each, tmp_path)


def test_reading_and_writing_large_pictures_end(folder, tmp_path):
    write_image(tmp_path / "large.png", np.zeros((9_000, 9_000), np.uint8))
    words = ["retarget", "large.png", "--scale", 1, 0.999, "--levels", 0, "--iterations", 1]
    words += ["--method", "patchmatch", "-o"]
    for each in interrupt([[*words, "out"], [*words, "other"]], tmp_path, [0.7, 2.0]):
        check(each, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["large.png"]


def test_what_was_finished_is_kept(folder, tmp_path):
    write_image(tmp_path / "tiny.png", read_image(folder / "noise.png")[:30, :40])
    out = tmp_path / "out"
    process = Signalled(
        ["generate", "tiny.png", "-n", 5000, "--iterations", 1, "-o", "out", "--save-index",
         out / "index.tif"], tmp_path,
    )  # fmt: skip
    wait_until(lambda: len(list(out.glob("tiny*"))) > 5)
    check(process.end_by(signal.SIGTERM), tmp_path)
    made = list(out.iterdir())
    assert len(made) > 10
    for file in made:
        assert read_image(file).shape[:2] == (30, 40)


def test_a_checkpoint_stays_whole_and_is_gone_on_with(folder, tmp_path):
    write_image(tmp_path / "tiny.png", read_image(folder / "noise.png")[:60, :60])
    words = ["generate", "tiny.png", "--seed", 1, "--alpha", 0.005, "--iterations", 20]
    state = tmp_path / "state.npz"
    process = Signalled([*words, "-o", "made.png", "--checkpoint", state], tmp_path)
    wait_until(state.exists)
    check(process.end_by(signal.SIGINT), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.npz", "tiny.png"]
    words[1] = tmp_path / words[1]
    common = [str(word) for word in words]
    assert run([*common, "-o", str(tmp_path / "made.png"), "--checkpoint", str(state)]) == 0
    assert run([*common, "-o", str(tmp_path / "other.png")]) == 0
    assert (tmp_path / "made.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_batch_keeps_a_whole_manifest(folder, tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "tiny[1].png", read_image(folder / "noise.png")[:30, :40])
    outs = [tmp_path / "out_0", tmp_path / "out_1"]
    words = ["batch", "in", "-n", 2000, "--workers", 1, "-o"]
    running = [Signalled([*words, out], tmp_path) for out in outs]
    for process, out, number in zip(running, outs, BOTH, strict=True):
        wait_until(lambda out=out: len(list(out.glob("*.png"))) > 3)
        check(process.end_by(number, group=number == signal.SIGINT), out)
        lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
        assert lines
        for line in lines:
            assert file_digest(out / line["output"]) == line["sha256"]
        for file in out.glob("*.png"):
            read_image(file)


def test_more_signals_change_nothing(folder, tmp_path):
    commands = [[*LONG, "-o", tmp_path / "out"], ["batch", *VERBS["batch"], "-o", tmp_path / "out"]]
    for each in interrupt(commands, folder, [2.0, 2.5], group=True, times=5):
        check(each, tmp_path)


# Within one process


def test_handlers_are_as_before_afterwards(capsys):
    before = [signal.getsignal(number) for number in BOTH]
    assert run(["engines"]) == 0
    assert [signal.getsignal(number) for number in BOTH] == before
    for number, word in zip(BOTH, ("Interrupted", "Terminated"), strict=True):

        def work(number=number):
            signal.raise_signal(number)
            return 0

        assert signals.exit_code(work) == 128 + number
        assert capsys.readouterr().err == f"{word}; images that were finished are kept.\n"
        assert [signal.getsignal(number) for number in BOTH] == before


DROPPED = """
import ctypes, signal, time
from pnncupy.cli import signals

@ctypes.CFUNCTYPE(None)
def callback():
    signal.raise_signal(signal.SIGTERM)

def work():
    callback()
    try:
        time.sleep(0.5)
    except:
        pass
    try:
        time.sleep(10)
    finally:
        time.sleep(0.3)
        print("unwound", flush=True)
    return 0

signals.guard_process()
signals.PATIENCE = 5
raise SystemExit(signals.exit_code(work))
"""


def test_a_signal_that_is_dropped_comes_again():
    start = time.monotonic()
    made = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True)
    assert time.monotonic() - start < 4
    assert made.returncode == 143
    assert made.stdout == "unwound\n"
    assert made.stderr == "Terminated; images that were finished are kept.\n"


def test_a_process_that_cannot_unwind_is_ended(tmp_path):
    program = (
        "import pathlib, threading, time\n"
        "from pnncupy.cli import signals\n"
        "from pnncupy import atomic_files\n"
        "def work():\n"
        "    with atomic_files.whole_file(pathlib.Path('a.txt')) as stream:\n"
        "        stream.write(b'half')\n"
        "        try:\n"
        "            print(flush=True)\n"
        "            time.sleep(20)\n"
        "        finally:\n"
        "            time.sleep(20)\n"
        "signals.guard_process()\n"
        "raise SystemExit(signals.exit_code(work))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    assert len(list(tmp_path.glob(".a.txt.*"))) == 1
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    told = process.communicate()[1]
    assert time.monotonic() - start < MOST_SECONDS
    assert process.returncode == 143
    assert told == "Terminated; images that were finished are kept.\n"
    assert not list(tmp_path.iterdir())


def test_a_signal_that_becomes_another_error_is_told_as_one():
    def work():
        try:
            signal.raise_signal(signal.SIGINT)
        except signals.Interrupted:
            raise ImportError("numpy failed to import") from None

    assert signals.exit_code(work) == 130
    with pytest.raises(ImportError, match="really"):
        signals.exit_code(lambda: exec("raise ImportError('really')"))


def test_commands_run_in_other_threads_too(capsys):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run(["--version"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert signals.exit_code(lambda: signal.raise_signal(signal.SIGINT) or 0) == 0
    finally:
        signal.signal(signal.SIGINT, before)


# Callbacks


class Wrong(Exception):  # noqa: N818
    pass


def failing(after):
    """A callback that raises at its call of that number."""
    calls = []

    def callback(event):
        calls.append(event)
        if len(calls) == after:
            raise Wrong(f"call {after}")

    return callback


CALLS = {
    "generate": lambda image, **options: pnn.generate(image, 2, rng=1, **options),
    "normalised": lambda image, **options: pnn.generate(image, rng=1, alpha=0.01, **options),
    "gradual": lambda image, **options: pnn.retarget(image, (40, 30), gradual=True, **options),
    "collage": lambda image, **options: pnn.collage([image, image], gradual=True, **options),
}


@pytest.mark.parametrize("after", [1, 4])
@pytest.mark.parametrize("name", CALLS)
def test_what_a_callback_raises_comes_out(name, after, photograph):
    with pytest.raises(Wrong, match=f"^call {after}$"):
        CALLS[name](photograph, iterations=2, callback=failing(after))


@pytest.mark.parametrize("name", CALLS)
def test_what_a_callback_raises_comes_out_with_an_executor(name, photograph, monkeypatch):
    monkeypatch.setattr(blocks, "_FEWEST_PAIRS", 0)
    monkeypatch.setattr(blocks, "_MOST_PAIRS", 3e5)
    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(Wrong, match=r"^call 4$") as caught:
            CALLS[name](photograph, iterations=2, callback=failing(4), executor=executor)
        assert caught.traceback
        # The blocks that wait were given up, though the traceback still holds their frame.
        assert executor.submit(int, 7).result(timeout=10) == 7


def test_what_a_callback_raises_ends_the_processes(photograph, tmp_path):
    jobs, arrays = batch.make_jobs("generate", 9, image=photograph, output="cat", iterations=1)
    with pytest.raises(Wrong):
        batch.run(jobs, tmp_path, arrays=arrays, workers=2, callback=failing(1))
    assert not [line for line in children() if "spawn_main" in line]
    assert not list(tmp_path.glob(".*"))
    with ThreadPoolExecutor(1) as executor:
        assert batch.run(jobs, tmp_path, arrays=arrays, executor=executor).kept >= 1
