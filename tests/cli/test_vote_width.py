"""`--vote-width` of the commands, and of entries of reports."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.report.spec import read_spec

FAST = ["--iterations", "1", "--levels", "1", "--quiet"]
SMALL = {"iterations": 1, "levels": 1}


@pytest.fixture
def image(photograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("a.png", photograph)
    return photograph


def test_commands_pass_it_on(image):
    narrow = ["--vote-width", "0.4"]
    assert run(["generate", "a.png", "-o", "b.png", "--seed", "3", *narrow, *FAST]) == 0
    expected = pnn.generate(image, rng=3, vote_width=0.4, **SMALL)
    np.testing.assert_array_equal(read_image("b.png"), expected)
    assert run(["retarget", "a.png", "--shape", "30", "40", "-o", "c.png", *narrow, *FAST]) == 0
    expected = pnn.retarget(image, (30, 40), vote_width=0.4, **SMALL)
    np.testing.assert_array_equal(read_image("c.png"), expected)


def test_a_volume_has_it_too(image):
    write_image("grey.png", np.ascontiguousarray(image[..., 0]))
    words = ["volume", "grey.png", "--shape", "8", "9", "10", "-o", "v.npy", "--seed", "2"]
    words += ["--patch-size", "3"]
    assert run([*words, "--vote-width", "0.4", *FAST]) == 0
    expected = pnn.grow_volume(
        image[..., 0], (8, 9, 10), rng=2, patch_size=3, vote_width=0.4, **SMALL
    )
    np.testing.assert_array_equal(np.load("v.npy"), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vote-width", "0.1"], "--vote-width must be at least 0.15, got 0.1"),
        (["--vote-width", "nan"], "--vote-width must be a finite number above 0, got nan"),
        (["--vote-width", "0.4", "--vote", "median"], "--vote-width must be 1.7 with --vote 'med"),
        (["--vote-width", "0.4", "--sampler", "diffusion"], "--vote-width must be 1.7 with --samp"),
    ],
)
def test_what_does_not_fit_is_refused(words, message, image, capsys):
    assert run(["generate", "a.png", "-o", "b.png", *words]) == 2
    assert message in capsys.readouterr().err


def test_entries_of_a_report_take_it(image, tmp_path):
    text = "[[generate]]\nimage = 'a.png'\nvote_width = 0.4\n"
    (tmp_path / "spec.toml").write_text(text)
    (entry,) = read_spec(tmp_path / "spec.toml").entries
    assert entry.job.arguments["vote_width"] == 0.4
