"""The table of tasks: it agrees with the functions, and one entry is all that a task needs."""

import inspect
import re
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.tasks.execute import execute, synthesis
from pnncupy.tasks.options import TaskOptions
from pnncupy.tasks.prepare import prepare_task
from pnncupy.tasks.registry import TASKS, ImageParameter, OwnOption, TaskSpec, task_function
from pnncupy.tasks.source_images import SourceImages


@pytest.mark.parametrize("verb", TASKS)
def test_entries_agree_with_the_functions(verb):
    spec, function = TASKS[verb], task_function(verb)
    assert function is getattr(pnn, spec.function or verb)
    parameters = inspect.signature(function).parameters
    assert (
        list(parameters)[: len(spec.images) - 1] == list(spec.image_names)[: len(spec.images) - 1]
    )
    assert set(spec.image_names) <= set(parameters)
    for image in spec.images:
        assert image.required == (parameters[image.name].default is inspect.Parameter.empty)
    assert {option.parameter for option in spec.options} <= set(parameters)
    for name in ("guides", "rng", "shape"):
        assert (name in spec.takes) == (name in parameters or (name == "shape" and spec.scalable))
    assert spec.realisations == ("n" in parameters)


def echo(
    image, *, weaken=1.0, alpha=np.inf, patch_size=7, downscale=4 / 3, levels=None, iterations=10,
    coarse_iterations=1, keys="blurred", vote="weighted_mean", method="exact", engine="auto",
    channel_axis=-1, data_range=None, return_index=False, return_info=False, callback=None,
    progress="auto",
    threads=None, executor=None, nodata=None,
):  # fmt: skip
    """Rebuild a weakened image by its own patches."""
    options = TaskOptions(
        alpha=alpha, patch_size=patch_size, downscale=downscale, levels=levels,
        iterations=iterations, coarse_iterations=coarse_iterations, keys=keys, vote=vote,
        method=method, engine=engine, channel_axis=channel_axis, data_range=data_range,
        return_index=return_index, return_info=return_info, callback=callback, progress=progress,
        threads=threads,
        executor=executor, nodata=nodata,
    )  # fmt: skip
    task = prepare_task(SourceImages.of("image", image, options), None, options)
    guess = task.pyramid(task.planes[0] * np.float32(weaken))[-1]
    work = synthesis(task, task.problem(task.sources()), guess[None])
    return execute(task, lambda numbers: work, {"task": "echo"})


@pytest.fixture
def echo_task(monkeypatch):
    """One entry in the table, for a function in a module of its own."""
    module = types.ModuleType("echoes")
    module.echo = echo
    monkeypatch.setitem(sys.modules, "echoes", module)
    spec = TaskSpec(
        "echoes", (ImageParameter("image"),), "Echo", "An image by its own patches.",
        "Rebuild IMAGE by its own patches.",
        options=(OwnOption("--weaken", "weaken", "Factor of the first guess."),),
    )  # fmt: skip
    monkeypatch.setitem(TASKS, "echo", spec)


@pytest.fixture
def file(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    write_image(tmp_path / "in.png", image)
    return tmp_path / "in.png"


def test_a_task_is_one_entry_for_the_command_line(echo_task, file, tmp_path, capsys):
    assert run(["--help"]) == 0
    assert re.search(r"^  echo +Rebuild IMAGE by its own patches\.$", capsys.readouterr().out, re.M)
    out = tmp_path / "made.png"
    assert run(["echo", str(file), "-o", str(out), "--weaken", "0.5", "--iterations", "2"]) == 0
    expected = echo(read_image(file), weaken=0.5, iterations=2)
    np.testing.assert_array_equal(read_image(out), expected)
    assert run(["echo", str(file), "-o", str(out), "--dry-run", "--iterations", "2"]) == 0
    assert "time: about" in capsys.readouterr().out


def test_a_task_is_one_entry_for_batches(echo_task, file, tmp_path):
    image = read_image(file)
    jobs, arrays = batch.make_jobs("echo", image=image, output="made", iterations=2)
    with ThreadPoolExecutor(1) as executor:  # other processes do not know the module
        report = batch.run(jobs, tmp_path / "results", arrays=arrays, executor=executor)
    assert (report.made, report.failures) == (1, [])
    np.testing.assert_array_equal(
        read_image(tmp_path / "results" / "made.png"), echo(image, iterations=2)
    )
    (tmp_path / "jobs.toml").write_text('[[job]]\nverb = "echo"\nimage = "in.png"\nweaken = 0.5\n')
    (job,) = batch.jobs_of_toml(tmp_path / "jobs.toml")
    assert (job.verb, dict(job.arguments), job.output) == ("echo", {"weaken": 0.5}, "in_echo.png")


def test_a_task_is_one_entry_for_reports(echo_task, file, tmp_path, capsys):
    pytest.importorskip("jinja2")
    (tmp_path / "report.toml").write_text('[[echo]]\nimage = "in.png"\niterations = 2\n')
    assert run(["report", str(tmp_path / "report.toml"), "-o", str(tmp_path / "page")]) == 0
    page = next((tmp_path / "page").glob("*.html")).read_text(encoding="utf-8")
    assert "Echo</h2>" in page
    assert "An image by its own patches." in page
    assert "pnncupy echo in.png -o results --iterations 2" in page
