"""`pnncupy simulate TRAINING GRID`, and the same in lists of jobs and in reports."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image


@pytest.fixture
def files(tmp_path):
    """A training image of labels, and a grid with NaN."""
    random = np.random.default_rng(0)
    training = (random.random((24, 26)) > 0.6).astype(np.uint8)
    grid = np.full((15, 18), np.nan, np.float32)
    grid[3, 4], grid[9, 11:13] = 1, 0
    write_image(tmp_path / "training.png", training)
    write_image(tmp_path / "grid.tif", grid)
    return tmp_path, training, grid


def test_the_last_file_is_the_grid(files):
    folder, training, grid = files
    words = [
        "simulate", folder / "training.png", folder / "grid.tif", "-o", folder / "out", "-n", 2,
        "--categorical", "--iterations", 1, "--seed", 3, "--data-weight", 9, "--quiet",
    ]  # fmt: skip
    assert run([str(word) for word in words]) == 0
    expected = pnn.simulate(
        training, grid, 2, categorical=True, iterations=1, rng=3, data_weight=9.0
    )
    for number, each in enumerate(expected):
        name = f"training_simulate_grid_seed3_{number:03}.png"
        np.testing.assert_array_equal(read_image(folder / "out" / name), each)


def test_unknown_training_pixels_are_those_that_are_nan(files):
    folder, training, grid = files
    unknown = training.astype(np.float32)
    unknown[0, 0] = np.nan
    write_image(folder / "unknown.tif", unknown)
    words = ["simulate", folder / "unknown.tif", folder / "grid.tif", "-o", folder / "made.tif",
             "--iterations", 1, "--seed", 3, "--quiet"]  # fmt: skip
    assert run([str(word) for word in words]) == 0
    made = read_image(folder / "made.tif")
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made[np.isfinite(grid)], grid[np.isfinite(grid)])


def test_a_grid_is_required(files, capsys):
    folder = files[0]
    assert run(["simulate", str(folder / "grid.tif"), "-o", str(folder / "made.tif")]) != 0
    assert "give either IMAGE or --sample NAME" in capsys.readouterr().err
    assert run(["simulate", "-o", str(folder / "made.tif")]) != 0
    assert "takes GRID as the last file, got 0" in capsys.readouterr().err


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_lists_of_jobs_and_reports_have_it(files, capsys):
    pytest.importorskip("jinja2")
    folder, training, grid = files
    lines = 'training = "training.png"\ngrid = "grid.tif"\ncategorical = true\niterations = 1\n'
    (folder / "jobs.toml").write_text(f'[[job]]\nverb = "simulate"\noutput = "a.png"\n{lines}')
    jobs = batch.jobs_of_toml(folder / "jobs.toml")
    assert batch.run(jobs, folder / "results", workers=1).made == 1
    made = read_image(folder / "results" / "a.png")
    expected = pnn.simulate(training, grid, categorical=True, iterations=1, rng=0)
    np.testing.assert_array_equal(made, expected)
    (folder / "report.toml").write_text(f"[[simulate]]\nn = 2\n{lines}")
    assert run(["report", str(folder / "report.toml"), "-o", str(folder / "page")]) == 0
    page = (folder / "page" / "index.html").read_text(encoding="utf-8")
    assert "pnncupy simulate training.png grid.tif -o results -n 2" in page
