"""The words of `pnncupy report` about what is kept when it ends early."""

import os
import signal

import numpy as np
import pytest

from pnncupy.cli.app import run
from pnncupy.io import write_image

SPEC = "[[generate]]\nimage = 'a.png'\niterations = 1\nlevels = 0\npatch_size = 3\nseed = 1\n"
NOTHING = "nothing of the page is kept, page is as it was"
PART = "page holds a part of the page; the same command with --force completes it"
WORDS = ["report", "spec.toml", "-o", "page", "--force", "--quiet"]


@pytest.fixture(params=["", "page/mine.txt"], ids=["new", "with files"])
def folder(request, tmp_path, monkeypatch):
    """The current folder, with a spec; the page's own is missing or holds a file."""
    monkeypatch.chdir(tmp_path)
    write_image("a.png", np.random.default_rng(0).integers(0, 256, (12, 14), np.uint8))
    (tmp_path / "spec.toml").write_text(SPEC)
    if request.param:
        (tmp_path / "page").mkdir()
        (tmp_path / request.param).write_text("mine")
    return tmp_path


def failing(error):
    def fail(*given, **options):
        raise error

    return fail


def interrupting(number):
    return lambda *given, **options: signal.raise_signal(number)


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None
        for file in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OSError(28, "No space left on device", "page/x"), 1, "No space left"),
        (ValueError("`alpha` is wrong"), 2, "`alpha` is wrong"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("a mistake"), 1, "RuntimeError: a mistake"),
        (EOFError("no more"), 1, "EOFError: no more"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_before_the_page_is_moved(error, code, told, folder, capsys, monkeypatch):
    monkeypatch.setattr("pnncupy.report.builder.write_page", failing(error))
    before = contents(folder)
    assert run(WORDS) == code
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.splitlines()[-1] == NOTHING
    assert contents(folder) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_page_is_moved(number, folder, capsys, monkeypatch):
    monkeypatch.setattr("pnncupy.report.builder.write_page", interrupting(number))
    before = contents(folder)
    assert run(WORDS) == 128 + number
    word = "Interrupted" if number == signal.SIGINT else "Terminated"
    assert capsys.readouterr().err == f"{word}; {NOTHING}.\n"
    assert contents(folder) == before


def test_a_page_that_is_moved_in_part(folder, capsys, monkeypatch):
    monkeypatch.setattr("pnncupy.report.builder.write_text", failing(OSError(5, "broken", "x")))
    assert run(WORDS) == 1
    assert capsys.readouterr().err.splitlines()[-1] == PART
    monkeypatch.setattr("pnncupy.report.builder.write_text", interrupting(signal.SIGINT))
    assert run(WORDS) == 130
    assert capsys.readouterr().err == f"Interrupted; {PART}.\n"
    monkeypatch.undo()
    os.chdir(folder)
    assert run(WORDS) == 0
    assert (folder / "page" / "index.html").is_file()


def test_other_commands_speak_of_images_again(folder, capsys, monkeypatch):
    monkeypatch.setattr("pnncupy.report.builder.write_page", interrupting(signal.SIGINT))
    assert run(WORDS) == 130
    monkeypatch.setattr("pnncupy.engine.registry.engines", interrupting(signal.SIGINT))
    capsys.readouterr()
    assert run(["engines"]) == 130
    assert capsys.readouterr().err == "Interrupted; images that were finished are kept.\n"


def test_names_are_visible(folder, capsys, monkeypatch):
    monkeypatch.setattr("pnncupy.report.builder.write_page", interrupting(signal.SIGINT))
    assert run([*WORDS[:3], "a\x1b[2Jb", *WORDS[4:]]) == 130
    assert r"a\x1b[2Jb is as it was" in capsys.readouterr().err
