"""What the command line prints of names, titles and messages that come from elsewhere."""

import ast
import io
import logging
import os
import re
import subprocess
import sys
import threading
import tty
import unicodedata
import warnings
from pathlib import Path

import click
import pytest

import pnncupy
from pnncupy.batch import Progress
from pnncupy.batch.job import Job
from pnncupy.cli import progress_bars
from pnncupy.cli.app import run
from pnncupy.engine import registry
from pnncupy.io import write_image
from pnncupy.terminal import guarded_output, say, unguarded, visible

FAST = ["--iterations", "1", "--levels", "0", "--patch-size", "3"]
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# What a terminal obeys, with letters around it so that a trace of it can be found.
OBEYED = {
    "title": "a\x1b]0;b\x07c", "clear": "a\x1b[2Jb", "newline": "aa\nbb", "return": "aa\rbb",
    "delete": "a\x7fb", "c1": "a\x9b2Jb", "next line": "a\x85b", "override": "a\u202egnp.b",
    "isolate": "a\u2066b\u2069", "separator": "a\u2028b", "tab": "a\tb", "bytes": "a\udcff\udc9bb",
}  # fmt: skip
PLAIN = {
    "markup": "[red]x", "link": "[link=u]x[!]", "emoji": "a:smile:b", "numbers": "x 12 True 'q'",
    "letters": "ä日本語é", "joined": "क्\u200dष",
}  # fmt: skip
END = b"\0the end"
# What the progress bar itself sends: colours, moves of the cursor, and hiding it.
OF_THE_BAR = re.compile(r"\r?\x1b\[[\d;]*[mKAG]|\x1b\[\?25[hl]")


def obeyed(text):
    """The characters of a text, but line breaks, that a terminal obeys or that are no text."""
    return {
        letter for letter in text
        if letter != "\n"
        and (unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in BIDIRECTIONAL)
    }  # fmt: skip


def escaped(name):
    return "".join(
        letter.encode("unicode_escape").decode() if obeyed(letter) or letter == "\n" else letter
        for letter in name
    )


@pytest.fixture
def in_terminal(monkeypatch):
    """Runs something with both streams on a pseudo-terminal; its result and what came out."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "400")

    def call(function, *arguments):
        here, there = os.openpty()
        tty.setraw(there)
        received = bytearray()

        def read():
            # Not until the other end is closed: processes of a pool may keep it open.
            while not received.endswith(END):
                received.extend(os.read(here, 65536))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with (
            os.fdopen(there, "w", encoding="utf-8", errors="surrogateescape") as stream,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            try:
                result = function(*arguments)
            finally:
                stream.flush()
                os.write(there, END)
                reader.join()
        os.close(here)
        text = received.removesuffix(END).decode("utf-8", "surrogateescape")
        return result, OF_THE_BAR.sub("", text)

    return call


@pytest.fixture
def folder(tmp_path, photograph, monkeypatch):
    """The current folder, with an image called plain.png."""
    monkeypatch.chdir(tmp_path)
    write_image("plain.png", photograph[:12, :12])
    return tmp_path


def test_everything_obeyed_is_escaped_and_everything_else_is_kept():
    every = "".join(map(chr, [*range(0x3000), *range(0xD700, 0xE100), *range(0xE0000, 0xE0100)]))
    shown = visible(every)
    assert not obeyed(shown)
    assert "\n" not in shown
    kept = "".join(letter for letter in every if visible(letter) == letter)
    assert kept == "".join(
        letter for letter in every
        if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or letter in "\u200c\u200d"
    )  # fmt: skip
    assert visible("a\x1b\n\x9b\u202e\udcff") == r"a\x1b\n\x9b\u202e\udcff"
    assert visible(visible(every)) == visible(every)


@pytest.mark.parametrize("name", [*OBEYED.values(), *PLAIN.values()], ids=[*OBEYED, *PLAIN])
def test_names_of_files_are_shown(name, folder, in_terminal):
    Path(f"{name}.png").write_bytes(Path("plain.png").read_bytes())
    Path(f"bad {name}.png").write_bytes(b"\x89PNG")
    Path(f"text {name}.toml").write_text("=")
    calls = [
        (["generate", f"{name}.png", "-o", "out", "--seed", "1", *FAST], 0),
        (["retarget", "plain.png", "--scale", "1", "1.2", "-o", f"{name}_.png", *FAST], 0),
        (["generate", f"bad {name}.png", "-o", "out"], 1),
        (["collage", f"bad {name}.png", "plain.png", "-o", "out"], 1),
        (["edit", "plain.png", "--edited", f"bad {name}.png", "-o", "out"], 1),
        (["inpaint", "plain.png", "--mask", f"no {name}.png", "-o", "out"], 2),
        (["generate", "plain.png", "-o", f"{name}.png"], 2),
        (["batch", f"text {name}.toml", "-o", "out"], 2),
        (["report", f"text {name}.toml", "-o", "page"], 2),
    ]
    for words, code in calls:
        given, text = in_terminal(run, words)
        assert given == code, text
        assert not obeyed(text), (words, text)
        assert escaped(name) in text, (words, text)


@pytest.mark.parametrize("name", [*OBEYED.values(), *PLAIN.values()], ids=[*OBEYED, *PLAIN])
def test_words_that_are_refused_are_shown(name, folder, in_terminal):
    calls = [
        [f"x{name}"],
        ["generate", f"none {name}.png", "-o", "out"],
        ["generate", f"--{name}", "-o", "out"],
        ["generate", "--sample", name, "-o", "out"],
        ["generate", "plain.png", "--nodata", name, "-o", "out"],
        ["generate", "plain.png", "--max-memory", name, "-o", "out"],
        ["generate", "plain.png", "--save-index", f"{name}.png", "-o", "out"],
        ["batch", f"none {name}", "-o", "out"],
    ]
    for words in calls:
        code, text = in_terminal(run, words)
        assert code == 2, text
        assert not obeyed(text), (words, text)
        assert text.count("Error: ") == 1
        assert "\n" not in text.partition("Error: ")[2][:-1], (words, text)


@pytest.mark.parametrize(
    "name",
    ["50 % [/i] off", *(name for key, name in {**OBEYED, **PLAIN}.items() if key != "bytes")],
    ids=["closing", *(key for key in {**OBEYED, **PLAIN} if key != "bytes")],
)
def test_progress_bars_show_names_as_they_are(name, in_terminal):
    def bars():
        with progress_bars.counting_bar(False) as show:
            show(Progress(Job("generate", {}, {}, output=name), "", 1, 2))
        with progress_bars.report_bar(False) as show:
            show(progress_step(f"generate {name}"))

    _, text = in_terminal(bars)
    assert not obeyed(text)
    assert text.count("━") > 10
    lines = [line for line in text.split("\n") if escaped(name) in line]
    assert len(lines) >= 2, text


def test_no_time_is_estimated_before_much_is_done():
    clock = iter(range(0, 10_000, 10))
    bar = progress_bars.ProgressBar(progress_bars._Remaining(), get_time=lambda: next(clock))
    bar.add_task("", total=1.0)
    (task,) = bar.tasks
    shown = []
    for share in (1e-5, 2e-5, 0.04, 0.2, 0.5):
        bar.update(task.id, completed=share)
        shown.append(str(progress_bars._Remaining().render(task)))
    assert shown[:3] == ["-:--:--"] * 3
    assert "-:--:--" not in shown[3:]


def progress_step(title):
    from pnncupy.report.results import Step

    return Step(title, 0.5)


def test_a_report_with_markup_in_its_titles_is_made(folder, in_terminal):
    Path("page.toml").write_text(
        "[[generate]]\nimage = 'plain.png'\niterations = 1\ntitle = '50 % [/i] off'\n"
    )
    code, text = in_terminal(run, ["report", "page.toml", "-o", "out"])
    assert code == 0, text
    assert "generate 50 % [/i] off" in text


def test_lists_of_a_batch_show_names(folder, in_terminal):
    Path("bad[i]:smile:.png").write_bytes(b"\x89PNG")
    Path("jobs.toml").write_text(
        '[[job]]\nimage = "bad[i]:smile:.png"\n'
        '[[job]]\nimage = "plain.png"\noutput = "a[/i]b"\niterations = 1\n'
    )
    code, text = in_terminal(run, ["batch", "jobs.toml", "-o", "out", "--workers", "1"])
    assert code == 1
    assert "a[/i]b.png" in text  # in the bar
    assert "failed: bad[i]:smile:_generate_seed0.png" in text
    assert not obeyed(text)
    Path("jobs.toml").write_text('[[job]]\nimage = "bad\\u001b[2J.png"\n')
    code, text = in_terminal(run, ["batch", "jobs.toml", "-o", "out", "--workers", "1"])
    assert code == 2
    assert r"bad\x1b[2J.png" in text
    assert not obeyed(text)


def test_what_libraries_print_while_a_bar_is_shown_is_guarded(in_terminal):
    def work():
        with guarded_output(), progress_bars.report_bar(False) as show:
            show(progress_step("x"))
            handler = logging.StreamHandler()
            handler.handle(logging.LogRecord("n", 40, "", 1, "log a\x1b[2Jb", None, None))
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn("warn a\x1b[2Jb\nc", RuntimeWarning, stacklevel=1)
            print("print [/i]a\x1b]0;b\x07c", end="", flush=True)

    _, text = in_terminal(work)
    assert not obeyed(text)
    for words in (r"log a\x1b[2Jb", r"warn a\x1b[2Jb\nc", r"print [/i]a\x1b]0;b\x07c"):
        assert words in text


def test_the_traceback_of_a_mistake_is_guarded(in_terminal, monkeypatch):
    def fail():
        raise RuntimeError("a\x1b[2Jb")

    monkeypatch.setattr(registry, "engines", fail)
    code, text = in_terminal(run, ["engines"])
    assert code == 1
    assert not obeyed(text)
    assert "Traceback" in text
    assert r"RuntimeError: a\x1b[2Jb" in text


def test_streams_are_as_before_afterwards():
    before = sys.stdout, sys.stderr, warnings.showwarning
    with guarded_output(), guarded_output():
        assert unguarded(sys.stdout) is before[0]
    assert (sys.stdout, sys.stderr, warnings.showwarning) == before


def test_closed_streams_are_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(["engines", "nothing"]) == 2
    with guarded_output():
        say("a")
        say("b", error=True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_standard_output_will_do(encoding, monkeypatch):
    bytes_out = io.BytesIO()
    stream = io.TextIOWrapper(bytes_out, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with guarded_output():
        say("é日\udcff\x1b")
        sys.stdout.writelines(["日\n", "\udcff\n"])
        stream.flush()
    shown = {"ascii": r"\xe9\u65e5", "latin-1": r"é\u65e5", "utf-8": "é日"}[encoding]
    assert bytes_out.getvalue().decode(encoding).split("\n") == [
        rf"{shown}\udcff\x1b", shown[-1] if encoding == "utf-8" else r"\u65e5", r"\udcff", "",
    ]  # fmt: skip


def test_a_process_whose_streams_are_ascii(folder):
    name = os.fsencode("日\udcff\x1b")
    (folder / os.fsdecode(name + b".png")).write_bytes(Path("plain.png").read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    words = ["generate", name + b".png", "-o", name + b"_made", "--seed", "1", *FAST]
    done = subprocess.run(
        [sys.executable, "-m", "pnncupy", *words], env=environment, capture_output=True, check=True
    )
    assert done.stderr.strip() == b""
    assert rb"wrote \u65e5\udcff\x1b_made/\u65e5\udcff\x1b_generate_seed1_000.png" in done.stdout
    assert re.fullmatch(rb"[\n -~]+", done.stdout)


def test_the_help_is_printed_where_no_command_is_named(capsys):
    code = run([])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert code in (0, 2)
    assert "Other commands:\n" in text
    assert "\\n" not in text


def test_nothing_else_prints():
    package = Path(pnncupy.__file__).parent
    prints = [
        f"{file.name}:{node.lineno}"
        for file in sorted(package.rglob("*.py"))
        if file.name not in ("terminal.py", "signals.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "click.echo", "click.secho", "click.style")
    ]
    assert prints == []
    assert callable(click.echo)


@pytest.fixture
def closed_pipe():
    """A stream into a pipe that nobody reads."""
    here, there = os.pipe()
    os.close(here)
    with os.fdopen(there, "w", encoding="utf-8") as stream:
        yield stream


PRINTING = {
    "help": (["--help"], {0}), "help of a command": (["retarget", "--help"], {0}),
    "version": (["--version"], {0}), "engines": (["engines"], {0}),
    "no command": (["nothing"], {2}), "no words": ([], {0, 2}),
    "result": (["generate", "plain.png", "-n", "2", "-o", "out", "--seed", "1", *FAST], {0}),
    "estimate": (["generate", "plain.png", "--dry-run", *FAST], {0}),
    "batch": (["batch", ".", "--dry-run", "-o", "out"], {0}),
    "report": (["report", "none.toml", "-o", "out"], {2}),
}  # fmt: skip


@pytest.mark.parametrize(("words", "codes"), PRINTING.values(), ids=PRINTING)
def test_a_closed_pipe_ends_no_command(words, codes, folder, closed_pipe, monkeypatch):
    monkeypatch.setattr(sys, "stdout", closed_pipe)
    monkeypatch.setattr(sys, "stderr", closed_pipe)
    assert run(words) in codes
    assert len(list(Path().glob("out/*"))) == (3 if "-n" in words else 0)
    closed_pipe.write("as the interpreter does at its end")
    closed_pipe.flush()


@pytest.mark.process
def test_head_ends_a_process_quietly(tmp_path):
    here, there = os.pipe()
    command = [sys.executable, "-m", "pnncupy", "engines"]
    process = subprocess.Popen(command, stdout=there, stderr=subprocess.PIPE)
    os.close(there)
    os.close(here)
    assert process.communicate()[1] == b""
    assert process.returncode == 0
