"""Searches shared by workers, checkpoints, and a real Dask cluster on this machine."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from signalled import Signalled
from waiting import wait_until

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.parallel import executors
from pnncupy.search import blocks

FAST = {"iterations": 3, "levels": 2, "rng": 1}


@pytest.fixture
def every_search(monkeypatch):
    """Also small searches are shared, in small blocks."""
    monkeypatch.setattr(blocks, "_FEWEST_PAIRS", 0)
    monkeypatch.setattr(blocks, "_FEWEST_PIXELS", 0)
    monkeypatch.setattr(blocks, "_MOST_PAIRS", 3e5)
    monkeypatch.setattr(blocks, "_MOST_BYTES", 15_000)


def check_same(mine, other):
    for one, two in zip(mine, other, strict=True):
        np.testing.assert_array_equal(one, two)


def test_blocks_begin_with_scores_and_indices_that_belong_together(
    every_search, random, monkeypatch
):
    def slowly(score, index, new_score, new_index):
        found = score.copy(), index.copy()
        reduce(*found, new_score, new_index)
        score[...] = found[0]
        time.sleep(0.002)  # while a block is copied by its worker
        index[...] = found[1]

    reduce = blocks._reduce
    query = random.integers(0, 3, (31, 27, 1)).astype(np.float32)  # many ties
    expected = pnn.nearest_patches(query, query[:, ::-1], patch_size=3)
    monkeypatch.setattr(blocks, "_reduce", slowly)
    monkeypatch.setattr(blocks, "_MOST_BYTES", 500)  # several blocks of keys for each query
    with ThreadPoolExecutor(2) as executor:
        for _ in range(5):
            made = pnn.nearest_patches(query, query[:, ::-1], patch_size=3, executor=executor)
            check_same(made, expected)


@pytest.mark.parametrize("alpha", [math.inf, 0.3])
@pytest.mark.parametrize("workers", [1, 3])
def test_shared_searches_have_the_same_bits(alpha, workers, every_search, random):
    query = random.integers(0, 4, (31, 27, 2)).astype(np.float32)  # many ties
    keys = [random.integers(0, 4, (26, 30, 2)).astype(np.float32), query[:15, 4:]]
    mask = random.random((26, 30)) > 0.02
    options = {"alpha": alpha, "patch_size": 5, "key_mask": [mask, None]}
    with ThreadPoolExecutor(workers) as executor:
        found = pnn.nearest_patches(query, keys, executor=executor, **options)
    check_same(found, pnn.nearest_patches(query, keys, **options))


@pytest.mark.parametrize("how", ["mean", "median", "trimmed_mean"])
@pytest.mark.parametrize("masked", [False, True])
def test_shared_votes_have_the_same_bits(how, masked, every_search, random):
    value = random.random((2, 30, 33), np.float32)
    index = (random.integers(0, 26, (21, 18)) * 33 + random.integers(0, 29, (21, 18))).astype("i4")
    active = random.random((25, 22)) > 0.8 if masked else None
    if masked:
        active[:9] = False
    weight = [0.5, 0.7, 1.0, 0.7, 0.5] if how == "mean" else None
    given = (value, index, 5, how, weight)
    outs = [np.full((2, 25, 22), 7, np.float32) for _ in range(2)]
    numba_cpu.vote(*given, outs[0], active=active, threads=1)
    for count in (1, 3, 40):
        outs[1][...] = 7
        with ThreadPoolExecutor(count) as executor:
            engine = blocks.BlockEngine("numba", numba_cpu, executor)
            engine.vote(*given, outs[1], active=active, threads=1)
        np.testing.assert_array_equal(*outs)


def test_any_plan_covers_every_pair_once():
    for rows, key_rows, row_bytes, count in ((100, 90, 10, 3), (7, 1000, 2**20, 2), (1, 1, 1, 9)):
        seen = np.zeros((rows, key_rows), int)
        for (top, bottom), (first, end) in blocks.block_plan(
            (rows, 10**5), (key_rows, 10**4), row_bytes, count
        ):
            seen[top:bottom, first:end] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize("alpha", [math.inf, 0.01])
def test_tasks_may_share_their_searches(alpha, every_search, photograph):
    expected = pnn.generate(photograph, 2, alpha=alpha, return_index=True, **FAST)
    with ThreadPoolExecutor(2) as executor:
        made = pnn.generate(
            photograph, 2, alpha=alpha, return_index=True, executor=executor, **FAST
        )
        check_same(made[:2], expected[:2])
        mask = np.zeros(photograph.shape[:2], bool)
        mask[10:15, 20:30] = True
        options = {"iterations": 2, "fill": "mean"}
        check_same(
            pnn.inpaint(photograph, mask, executor=executor, **options),
            pnn.inpaint(photograph, mask, **options),
        )


def test_processes_may_share_a_search_and_be_killed(random):
    image = random.random((170, 180, 3), np.float32)
    expected = pnn.nearest_patches(image, image[::-1], alpha=0.1)
    with batch.ProcessPool(2, 1) as pool:
        pool.submit(os.getpid).result()

        def kill():
            killed = set()
            for _ in range(3):
                (pid, *_) = wait_until(lambda: set(pool.pids()) - killed)
                killed.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        found = pnn.nearest_patches(image, image[::-1], alpha=0.1, executor=pool)
        thread.join()
    check_same(found, expected)


def test_failures_of_workers_are_raised(every_search, photograph, monkeypatch):
    def fail(*arguments):
        raise MemoryError("no room on the worker")

    monkeypatch.setattr(blocks, "search_block", fail)
    with ThreadPoolExecutor(2) as executor, pytest.raises(MemoryError, match="no room on the"):
        pnn.generate(photograph, executor=executor, **FAST)
    with pytest.raises(TypeError, match=r"`executor` must be a concurrent\.futures\.Executor"):
        pnn.generate(photograph, executor="processes")


# Checkpoints


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.01}, {"method": "patchmatch"}, {"keys": "sharp", "vote": "median"}]
)
def test_a_cancelled_run_goes_on_to_the_same_picture(options, photograph, tmp_path, monkeypatch):
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    options = {**FAST, **options}
    expected = pnn.generate(photograph, return_index=True, **options)
    file = tmp_path / "state.npz"
    for stop in (2, 3, 2):
        ends = []

        def cancel(event, ends=ends, stop=stop):
            ends.append(event.finished)
            return sum(ends) < stop

        with pytest.raises(pnn.Cancelled):
            pnn.generate(photograph, checkpoint=file, callback=cancel, **options)
    seen = []
    made = pnn.generate(
        photograph, checkpoint=file, return_index=True,
        callback=lambda event: seen.append(event.fraction), **options,
    )  # fmt: skip
    check_same(made[:2], expected[:2])
    assert not list(tmp_path.iterdir())
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_checkpoints_of_other_calls_are_refused(photograph, tmp_path):
    file = tmp_path / "state.npz"

    ends = []

    def cancel(event):
        ends.append(event.finished)
        return sum(ends) < 2

    with pytest.raises(pnn.Cancelled):
        pnn.retarget(photograph, (40, 40), checkpoint=file, callback=cancel, iterations=2)
    for call in (
        lambda: pnn.retarget(photograph, (40, 44), checkpoint=file, iterations=2),
        lambda: pnn.retarget(photograph, (40, 40), checkpoint=file, iterations=3),
        lambda: pnn.retarget(photograph[::-1], (40, 40), checkpoint=file, iterations=2),
    ):
        with pytest.raises(
            ValueError, match="does not fit: it belongs to another call, with other im"
        ):
            call()
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is no checkpoint of pnncupy"):
        pnn.retarget(photograph, (40, 40), checkpoint=file, iterations=2)
    file.unlink()
    with pytest.raises(ValueError, match="`checkpoint` must be None with several images"):
        pnn.generate(photograph, 2, checkpoint=file)
    with pytest.raises(ValueError, match="or `gradual`"):
        pnn.retarget(photograph, (40, 20), gradual=True, checkpoint=file)
    with pytest.raises(TypeError, match="`checkpoint` must be a path or None, got 3"):
        pnn.generate(photograph, checkpoint=3)


# Dask: a scheduler and worker processes on the loopback interface


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
]  # fmt: skip


def test_a_batch_on_dask(cluster, photograph, tmp_path, monkeypatch):
    from distributed.protocol import dumps

    sent = []
    send = cluster._send_to_scheduler

    def counted(message):
        sent.append(sum(len(frame) for frame in dumps(message)))
        send(message)

    monkeypatch.setattr(cluster, "_send_to_scheduler", counted)
    jobs, arrays = batch.make_jobs(
        "generate", 5, image=photograph, output="cat", seed=3, iterations=2
    )
    report = batch.run(jobs, tmp_path, arrays=arrays, executor=cluster)
    assert (report.made, report.failures) == (5, [])
    expected = pnn.generate(photograph, 5, rng=3, iterations=2)
    for number, picture in enumerate(expected):
        np.testing.assert_array_equal(read_image(tmp_path / f"cat_00{number}.png"), picture)
    # The source does not pass the scheduler with every item.
    assert len(sent) >= 5
    assert 0 < sum(sent) / 5 < 20_000


def test_a_search_on_dask_while_a_worker_dies(cluster, random):
    image = random.random((170, 180, 3), np.float32)
    expected = pnn.nearest_patches(image, image[::-1], alpha=0.1)
    pid = next(iter(cluster.run(os.getpid).values()))
    timer = threading.Timer(0.4, os.kill, (pid, signal.SIGKILL))
    timer.start()
    found = pnn.nearest_patches(image, image[::-1], alpha=0.1, executor=cluster)
    timer.join()
    check_same(found, expected)
    cluster.wait_for_workers(2, timeout=120)


def test_calls_outlive_more_workers_than_the_scheduler_allows(cluster, tmp_path):
    folder = str(tmp_path)

    def die_at_first(number):
        """Kills the first processes that work on it."""
        import os
        import pathlib
        import signal

        place = pathlib.Path(folder)
        if len(list(place.iterdir())) < 5:
            (place / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    found = list(executors.completed(cluster, die_at_first, [(7, (7,))], 2))
    assert found == [(7, 7)]
    assert len(list(tmp_path.iterdir())) == 5
    cluster.wait_for_workers(2, timeout=120)


@pytest.mark.parametrize(
    ("process", "package", "other", "told"),
    [
        ("workers", "python", "3.99.0.final.0", r"worker tcp.* has Python 3\.99, this .* Python 3"),
        ("workers", "pnncupy", "9.9", r"worker .* has pnncupy 9\.9, this process pnncupy 0\."),
        ("workers", "numpy", "9.9", r"worker .* has numpy 9\.9, this process numpy "),
        (
            "workers",
            "numba",
            None,
            r"worker .* has no numba, this process numba 0\..*; install the",
        ),
        ("scheduler", "python", "2.7.18.final.0", r"the scheduler tcp.* has Python 2\.7, this"),
    ],
)
def test_other_versions_are_refused_before_anything_is_sent(
    process, package, other, told, cluster, photograph, tmp_path, monkeypatch
):
    found = cluster.get_versions(packages=["pnncupy", "numba"])
    last = list(found["workers"].values())[-1]
    (last if process == "workers" else found["scheduler"])["packages"][package] = other

    def fail(*arguments, **options):
        pytest.fail("something was sent")

    monkeypatch.setattr(cluster, "get_versions", lambda packages: found)
    for name in ("run", "submit", "scatter", "_send_to_scheduler"):
        monkeypatch.setattr(cluster, name, fail)
    jobs, arrays = batch.make_jobs("generate", image=photograph, output="a")
    for call in (
        lambda: pnn.generate(photograph, executor=cluster),
        lambda: batch.run(jobs, tmp_path, arrays=arrays, executor=cluster),
    ):
        with pytest.raises(pnn.EngineUnavailable, match=told):
            call()


def test_versions_are_asked_for_without_sending_functions(cluster, monkeypatch):
    def fail(*arguments, **options):
        pytest.fail("a function was pickled by value")

    monkeypatch.setattr("cloudpickle.dumps", fail)
    monkeypatch.setattr("distributed.protocol.pickle.cloudpickle.dumps", fail)
    executors.check_versions(cluster)
    monkeypatch.setattr(executors, "__version__", "9.9")
    with pytest.raises(pnn.EngineUnavailable, match=r"has pnncupy 0\..*this process pnncupy 9\.9"):
        executors.check_versions(cluster)


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and a worker in processes of their own, and the scheduler's address."""
    distributed = pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    running = [start("scheduler", "--port", "0", *common)]
    try:
        wait_until(file.exists)
        running.append(start("worker", "--nthreads", "1", "--no-nanny", *common))
        with distributed.Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(1, timeout=60)
            address = client.scheduler.address
        yield running[0], address
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_a_scheduler_that_dies_is_told_in_one_line(scheduler, random, tmp_path):
    process, address = scheduler
    folder, out, state = tmp_path / "in", tmp_path / "out", tmp_path / "state.npz"
    folder.mkdir()
    write_image(folder / "cat.png", random.integers(0, 256, (60, 60, 3), np.uint8))
    write_image(tmp_path / "big.png", random.integers(0, 256, (300, 300, 3), np.uint8))
    commands = [
        ["batch", folder, "-n", 5000, "-o", out],
        ["generate", tmp_path / "big.png", "-o", tmp_path / "made.png", "--checkpoint", state],
    ]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "pnncupy", *map(str, words), "--seed", "1", "--scheduler",
             address], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for words in commands
    ]  # fmt: skip
    wait_until(lambda: state.exists() and len(list(out.glob("cat*"))) > 2)
    process.kill()
    for each in running:
        _, told = each.communicate(timeout=60)
        assert each.returncode == 1, told
        assert len(told.splitlines()) == 1, told
        assert f"the Dask scheduler at {address} does not answer any more; start it again" in told
        assert "that were written are kept" in told
    assert state.exists()
    assert not [*out.glob(".*.lock"), *tmp_path.glob(".*")]
    # The same command goes on, here without a cluster.
    made = len((out / "manifest.jsonl").read_text().splitlines())
    words = ["batch", str(folder), "-n", str(made), "-o", str(out), "--seed", "1", "--dry-run"]
    assert made >= 1
    assert run(words) == 0


def test_the_command_line_takes_a_scheduler(cluster, photograph, tmp_path, capsys):
    write_image(tmp_path / "cat.png", photograph)
    address = cluster.scheduler.address
    words = ["generate", str(tmp_path / "cat.png"), "-o", str(tmp_path / "a.png"), "--seed", "1"]
    assert run([*words, "--iterations", "1", "--scheduler", address]) == 0
    expected = pnn.generate(photograph, rng=1, iterations=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "cat.png", photograph)
    words = ["batch", str(folder), "-o", str(tmp_path / "out"), "--scheduler", address]
    assert run(words) == 0
    assert "made 1 images" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["generate", "batch"])
def test_commands_with_a_scheduler_end_soon(verb, cluster, random, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "noise.png", random.integers(0, 256, (200, 200, 3), np.uint8))
    source = folder / "noise.png" if verb == "generate" else folder
    words = [verb, source, "-n", 50, "--scheduler", cluster.scheduler.address, "-o"]
    running = [Signalled([*words, tmp_path / name], tmp_path) for name in "ab"]
    for process, name, number in zip(running, "ab", (signal.SIGINT, signal.SIGTERM), strict=True):
        wait_until(lambda: any(cluster.processing().values()))
        ended = process.end_by(number)
        assert not ended.wrong(tmp_path / name)
        assert ended.seconds < 4
    assert cluster.submit(int, 7).result(timeout=30) == 7


def test_a_scheduler_that_does_not_answer_is_told(photograph, tmp_path):
    write_image(tmp_path / "cat.png", photograph)
    start = time.monotonic()
    made = subprocess.run(
        [sys.executable, "-c", "from pnncupy.cli.app import main; main()", "batch", str(tmp_path),
         "-o", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert time.monotonic() - start < 15
    assert made.returncode == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in made.stderr
    assert "Traceback" not in made.stderr
