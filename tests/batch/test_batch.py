"""Batches: the same images whatever works on them, and after whatever went wrong."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import killed_batch
import numpy as np
import pytest
from waiting import wait_until

import pnncupy as pnn
from pnncupy import batch
from pnncupy.batch.job import execute, file_digest
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image

pytestmark = pytest.mark.process

FAST = {"iterations": 1, "levels": 1}


@pytest.fixture
def pictures(tmp_path, photograph):
    """A folder of two small images."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "cat.png", photograph)
    write_image(folder / "dog.tif", photograph[::-1].astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def pool():
    pool = batch.ProcessPool(2, 1)
    yield pool
    pool.shutdown()


def digests(folder):
    return {
        file.name: file_digest(file) for file in folder.iterdir() if file.name != "manifest.jsonl"
    }


def records(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_samples_are_those_of_one_call(photograph, tmp_path, pool):
    jobs, arrays = batch.make_jobs(
        "generate", 3, image=photograph, output="cat", seed=5, suffix=".tif", alpha=0.01, **FAST
    )
    report = batch.run(jobs, tmp_path, arrays=arrays, executor=pool)
    assert (report.made, report.kept, report.failures) == (3, 0, [])
    expected = pnn.generate(photograph, 3, rng=5, alpha=0.01, **FAST)
    for number, picture in enumerate(expected):
        np.testing.assert_array_equal(read_image(tmp_path / f"cat_00{number}.tif"), picture)


def test_a_run_can_be_resumed(pictures, tmp_path, pool):
    jobs = batch.jobs_of_folder(pictures, 2, 7, FAST)
    out = tmp_path / "out"
    assert batch.run(jobs, out, executor=pool).made == 4
    clean, lines = digests(out), records(out)
    assert sorted(clean) == sorted(job.output for job in jobs)
    assert {line["sha256"] for line in lines} == set(clean.values())
    assert lines[0]["versions"]["pnncupy"] == pnn.__version__
    # One is missing, one was damaged, and the last line was cut off.
    (out / jobs[0].output).unlink()
    (out / jobs[1].output).write_bytes(b"x")
    manifest = out / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    seen = []
    report = batch.run(jobs, out, executor=pool, callback=seen.append)
    cut_off = lines[-1]["output"] not in (jobs[0].output, jobs[1].output)
    assert (report.made, report.kept) == (3, 1) if cut_off else (2, 2)
    assert [progress.done for progress in seen] == list(range(1, report.made + 1))
    assert digests(out) == clean
    assert batch.run(jobs, out, executor=pool).kept == 4
    # Other arguments, or another source, are other images.
    other = batch.jobs_of_folder(pictures, 2, 7, FAST | {"noise_std": 2.0})
    assert batch.run(other, out, executor=pool).made == 4
    write_image(pictures / "cat.png", read_image(pictures / "cat.png")[::-1], overwrite=True)
    assert batch.run(batch.jobs_of_folder(pictures, 2, 7, FAST), out, executor=pool).made == 4


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_works(kind, pictures, tmp_path):
    import multiprocessing

    options = {} if kind is ThreadPoolExecutor else {
        "mp_context": multiprocessing.get_context("spawn")
    }  # fmt: skip
    jobs = batch.jobs_of_folder(pictures, 1, 7, FAST)
    with kind(2, **options) as executor:
        assert batch.run(jobs, tmp_path / "out", executor=executor).made == 2
    with batch.ProcessPool(1) as executor:
        assert batch.run(jobs, tmp_path / "other", executor=executor).made == 2
    assert digests(tmp_path / "out") == digests(tmp_path / "other")


@pytest.mark.exhaustive
def test_killed_workers_cost_nothing_but_time():
    (clean, disturbed), report, killed = killed_batch.compare(30, 4)
    assert killed >= 1
    assert not report.failures
    assert clean == disturbed


def die(marker):
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_kills_every_worker_fails_at_last():
    with batch.ProcessPool(1) as pool:
        with pytest.raises(batch.WorkerDied, match="10 processes that worked on it were killed"):
            pool.submit(die, 1).result()
        assert pool.submit(os.getpid).result() > 0


def test_workers_end_with_their_parent():
    program = (
        "import os, time\n"
        "from pnncupy.batch import ProcessPool\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPool(1)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def is_gone():
        try:
            return Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(is_gone, 5)
    assert is_gone()


def test_one_bad_input_does_not_stop_the_others(pictures, tmp_path, pool):
    (pictures / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    write_image(pictures / "tiny.png", np.zeros((3, 4), np.uint8))
    jobs = batch.jobs_of_folder(pictures, 1, 0, FAST)
    report = batch.run(jobs, tmp_path / "out", executor=pool)
    assert report.made == 2
    told = {job.output.partition("_")[0]: error for job, error in report.failures}
    assert "bad.png: damaged " in told["bad"]
    assert "at least `patch_size` = 7 pixels" in told["tiny"]
    assert sorted(digests(tmp_path / "out")) == [
        "cat_generate_seed0_000.png", "dog_generate_seed0_000.tif"
    ]  # fmt: skip


def limited(job, folder, threads, arrays):
    """Writes fail as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        made = execute(job, folder, threads, arrays)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    # A limit is told as EFBIG.
    return type(made)(made.digest, made.seconds, made.error, 28 if made.number == 27 else None)


def test_a_full_disk_ends_the_batch_and_leaves_nothing_half(pictures, tmp_path, pool, monkeypatch):
    jobs = batch.jobs_of_folder(pictures, 2, 7, FAST)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("pnncupy.batch.runner.execute", limited)
        told = r"the disk is full .*free space and run the same again"
        with ThreadPoolExecutor(1) as executor, pytest.raises(OSError, match=told):
            batch.run(jobs, out, executor=executor)
    assert digests(out) == {}
    assert batch.run(jobs, out, executor=pool).made == 4


JOBS = """
[defaults]
iterations = 1
levels = 1

[[job]]
image = "in/cat.png"
n = 2
seed = 3

[[job]]
verb = "retarget"
image = "in/cat.png"
scale = [1.0, 0.75]
output = "narrow.tif"

[[job]]
verb = "retarget"
image = "in/cat.png"
scale = 0.75
output = "small.tif"

[[job]]
verb = "inpaint"
image = "in/cat.png"
mask = "mask.png"
fill = "mean"

[[job]]
verb = "analogy"
source = "in/cat.png"
structure = "in/cat.png"

[[job]]
verb = "collage"
images = ["in/cat.png", "in/cat.png"]
shape = [30, 50]

[[job]]
verb = "edit"
source = "in/cat.png"
edited = "in/cat.png"
"""


def test_a_list_of_jobs_of_all_tasks(pictures, tmp_path, capsys, photograph):
    mask = np.zeros(photograph.shape[:2], np.uint8)
    mask[10:20, 15:30] = 255
    write_image(tmp_path / "mask.png", mask)
    (tmp_path / "jobs.toml").write_text(JOBS)
    out = tmp_path / "out"
    words = ["batch", str(tmp_path / "jobs.toml"), "-o", str(out), "--workers", "2"]
    assert run(words) == 0
    assert f"made 8 images in {out}" in capsys.readouterr().out
    made = {name: read_image(out / name).shape for name in digests(out)}
    assert made == {
        "cat_generate_seed3_000.png": (40, 56, 3), "cat_generate_seed3_001.png": (40, 56, 3),
        "narrow.tif": (40, 42, 3), "small.tif": (30, 42, 3), "cat_inpaint_seed0.png": (40, 56, 3),
        "cat_analogy.png": (40, 56, 3), "cat_collage.png": (30, 50, 3),
        "cat_edit.png": (40, 56, 3),
    }  # fmt: skip
    filled = pnn.inpaint(photograph, mask > 0, fill="mean", rng=0, **FAST)
    np.testing.assert_array_equal(read_image(out / "cat_inpaint_seed0.png"), filled)
    assert run(words) == 0
    assert "made 0 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[job]]\nverb = 'paint'\nimage = 'in/cat.png'", r"line 2: `verb` must be one of 'gen"),
        ("\n[[job]]\nimage = 'in/cat.png'\nsigma = 2", "line 4: generate has no argument `sigma`"),
        ("[[job]]\nimage = 'in/cow.png'", "line 2: `image`: there is no file .*cow.png"),
        ("[[job]]\nn = 2", "line 1: generate needs `image`"),
        ("[[job]]\nimage = 'in/cat.png'\n[[job]]\nimage = 'in/cat.png'\nn = 0", "line 5: `n` must"),
        (
            "[[job]]\nimage = 'in/cat.png'\n\n[[job]]\nimage = 'in/cat.png'",
            "line 4: cat_generate_seed0.png is written by the job in line 1 too",
        ),
        ("[[job]]\nimage = 'in/cat.png'\noutput = '../up'", "line 3: `output` must be a name in"),
        ("[[jobs]]\nimage = 'in/cat.png'", "line 1: unknown `jobs`; use"),
        ("[[job]]\nimage = ", r"Invalid value \(at end of document\)"),
        ("x = 1", "line 1: unknown `x`"),
        ("", r"it has no \[\[job\]\]"),
        (
            "[[job]]\nverb = 'edit'\nsource = 'in/cat.png'\nedited = 5",
            "line 4: `edited` must be a s",
        ),
        (
            "[[job]]\nverb = 'retarget'\nimage = 'in/cat.png'",
            "line 1: retarget needs either `shape`",
        ),
        ("[[job]]\nimage = 'in/cat.png'\nshape = 50", r"line 3: `shape` must be \(height, width\)"),
        ("[[job]]\nimage = 'in/cat.png'\ndata_range = 5", "line 3: `data_range` must be None or"),
        ("[[job]]\nimage = 'in/cat.png'\nguides = []", "line 3: generate has no argument `guides`"),
        (
            "[[job]]\nverb = 'retarget'\nimage = 'in/cat.png'\nscale = [1]",
            "line 4: `scale` must be one factor, or factors of",
        ),
        (
            "[[job]]\nverb = 'collage'\nimages = 'in/cat.png'",
            "line 3: `images` must be a list of files",
        ),
        (
            "[[job]]\nverb = 'inpaint'\nimage = ['in/cat.png']\nmask = 'in/cat.png'",
            "line 3: `image` of inpaint must be one file",
        ),
        ("[job]\nimage = 'in/cat.png'\n[image]", "line 3: unknown `image`"),
        (
            "[[job]]\nverb = 'edit'\nn = 2\nsource = 'in/cat.png'\nedited = 'in/cat.png'",
            "line 3: `n` is",
        ),
    ],
)
def test_wrong_lists_say_where(text, message, pictures, tmp_path, capsys):
    (tmp_path / "jobs.toml").write_text(text)
    assert run(["batch", str(tmp_path / "jobs.toml"), "-o", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert re.search(message, told), told
    assert not (tmp_path / "out").exists()


def test_scales_are_those_of_the_first_of_several(pictures, tmp_path, pool):
    write_image(pictures / "small.png", np.full((30, 20, 3), 90, np.uint8))
    (tmp_path / "jobs.toml").write_text(
        "[[job]]\nverb = 'retarget'\nimage = ['in/cat.png', 'in/small.png']\nscale = [1, 0.5]\n"
        "iterations = 1\nlevels = 1\n"
    )
    jobs = batch.jobs_of_toml(tmp_path / "jobs.toml")
    assert batch.run(jobs, tmp_path / "out", executor=pool).failures == []
    assert read_image(tmp_path / "out" / jobs[0].output).shape == (40, 28, 3)


def test_nan_as_nodata_is_resumed(tmp_path, pool, random):
    image = random.random((20, 24))
    image[3, 4] = np.nan
    write_image(tmp_path / "a.tif", image)
    (tmp_path / "jobs.toml").write_text(
        "[[job]]\nimage = 'a.tif'\nnodata = nan\niterations = 1\nlevels = 1\n"
    )
    for kept in (0, 1):
        jobs = batch.jobs_of_toml(tmp_path / "jobs.toml")
        assert batch.run(jobs, tmp_path / "out", executor=pool).kept == kept


def test_wrong_calls(pictures, tmp_path, photograph, pool, capsys):
    with pytest.raises(ValueError, match="generate has no argument `sigma`"):
        batch.make_jobs("generate", image=photograph, output="x", sigma=1)
    with pytest.raises(TypeError, match="the arguments of a job must be numbers, words or lists"):
        batch.make_jobs("generate", image=photograph, output="x", alpha=np.float32(1))
    with pytest.raises(ValueError, match="`n` must be 1 for edit"):
        batch.make_jobs("edit", 2, source=photograph, edited=photograph, output="x")
    jobs, arrays = batch.make_jobs("generate", image=photograph, output="x")
    with pytest.raises(ValueError, match=r"two jobs write x\.png"):
        batch.run([*jobs, *jobs], tmp_path, arrays=arrays)
    with pytest.raises(ValueError, match="`arrays` must hold the arrays of all jobs, 1 are"):
        batch.run(jobs, tmp_path, executor=pool)
    with pytest.raises(TypeError, match=r"`executor` must be a concurrent\.futures\.Executor"):
        batch.run(jobs, tmp_path, arrays=arrays, executor=4)
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "out")
    assert run(["batch", str(tmp_path / "empty"), "-o", out]) == 2
    assert "holds no images (.avif" in capsys.readouterr().err
    (tmp_path / "jobs.toml").write_text("[[job]]")
    assert run(["batch", str(tmp_path / "jobs.toml"), "-o", out, "-n", "3"]) == 2
    assert "are for folders; set them in the list" in capsys.readouterr().err


def test_the_command_goes_on_with_the_seed_of_the_folder(pictures, tmp_path, capsys):
    words = ["batch", str(pictures), "-o", str(tmp_path / "out"), "--workers", "2"]
    (pictures / "dog.tif").unlink()
    assert run(words) == 0
    assert run([*words, "-n", "2"]) == 0
    out = capsys.readouterr().out
    assert "made 1 images" in out.splitlines()[0]
    assert "made 1 images" in out.splitlines()[1]
    assert "1 were there already" in out.splitlines()[1]


def test_ctrl_c_ends_a_batch_with_130_and_a_whole_manifest(pictures, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", "from pnncupy.cli.app import main; main()", "batch", str(pictures),
         "-o", str(out), "-n", "400", "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: len(list(out.glob("*.png"))) > 3)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, told = process.communicate(timeout=20)
    assert time.monotonic() - start < 3
    assert process.returncode == 130, told
    for record in records(out):
        assert file_digest(out / record["output"]) == record["sha256"]
    wait_until(lambda: not list(out.glob(".*")), 5)


def test_a_seed_is_named_where_diffusion_draws_numbers(pictures, tmp_path):
    (pictures / "jobs.toml").write_text(
        "[defaults]\nverb = 'retarget'\nimage = 'cat.png'\nscale = [1, 0.75]\nlevels = 0\n"
        "[[job]]\niterations = 1\ncoarse_iterations = 1\nseed = 4\n"
        "[[job]]\nsampler = 'diffusion'\npatch_sizes = 7\nsteps = 2\nseed = 4\n"
    )
    out = tmp_path / "out"
    report = batch.run(batch.jobs_of_toml(pictures / "jobs.toml"), out, workers=1)
    assert report.failures == []
    made = read_image(out / "cat_retarget_seed4.png")
    image = read_image(pictures / "cat.png")
    again = pnn.retarget(
        image, made.shape[:2], sampler="diffusion", patch_sizes=7, steps=2, levels=0, rng=4
    )
    np.testing.assert_array_equal(made, again)
    assert (out / "cat_retarget.png").exists()
