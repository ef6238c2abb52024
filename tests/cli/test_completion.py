"""Completion in real shells, as docs/command-line.md sets it up."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from shell_keys import START, Shell

from pnncupy.cli.app import commands
from pnncupy.cli.completion import files_or_words, words

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
# Words before Tab, and after it; what has several endings is completed as far as they agree.
COMPLETED = {
    "pnncupy gen": "pnncupy generate",
    "pnncupy eng": "pnncupy engines",
    "pnncupy ci": "pnncupy cite",
    "pnncupy cite --format bi": "pnncupy cite --format bibtex",
    "pnncupy batch --ro": "pnncupy batch --ro-crate",
    "pnncupy generate --iter": "pnncupy generate --iterations",
    "pnncupy generate --vote trim": "pnncupy generate --vote trimmed_mean",
    "pnncupy generate --periodic r": "pnncupy generate --periodic rows",
    "pnncupy generate --sample g": "pnncupy generate --sample gravel",
    "pnncupy generate --levels a": "pnncupy generate --levels auto",
    "pnncupy generate --method patch": "pnncupy generate --method patchmatch",
    "pnncupy generate pho": "pnncupy generate photo.png",
    "pnncupy generate two": "pnncupy generate two words.png",
    "pnncupy inpaint photo.png --mask no": "pnncupy inpaint photo.png --mask nodata",
    "pnncupy inpaint photo.png --mask two": "pnncupy inpaint photo.png --mask two words.png",
    "pnncupy batch --verb ret": "pnncupy batch --verb retarget",
    "pnncupy batch --verb inpaint --mask-v": "pnncupy batch --verb inpaint --mask-values",
}  # fmt: skip


def setup_of(shell):
    """The command of the page that sets completion up."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    (line,) = [text for kind, text in blocks if kind == shell]
    return line.partition("#")[0].strip()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("shell", START)
def test_a_shell_completes_commands_options_words_and_files(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for name in ("photo.png", "two words.png"):
        (tmp_path / name).touch()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        "PATH": path, "HOME": str(tmp_path), "TERM": "xterm", "LANG": "C.UTF-8",
        "COLUMNS": "200",
    }  # fmt: skip
    with Shell(shell, tmp_path, environment) as opened:
        opened.run(setup_of(shell))
        found = {each: opened.completed(each) for each in COMPLETED}
    assert found == COMPLETED


def completions(monkeypatch, capsys, line):
    """What click answers to bash: type and value of each completion."""
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setenv("_PNNCUPY_COMPLETE", "bash_complete")
    with pytest.raises(SystemExit) as ended:
        commands.main(args=[], prog_name="pnncupy")
    assert ended.value.code == 0
    return capsys.readouterr().out.split()


def test_what_a_shell_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert completions(monkeypatch, capsys, "pnncupy gen") == ["plain,generate"]
    found = completions(monkeypatch, capsys, "pnncupy generate --vote m")
    assert found == ["plain,mean", "plain,median"]
    assert completions(monkeypatch, capsys, "pnncupy generate -o x") == ["file,x"]
    assert completions(monkeypatch, capsys, "pnncupy samples -o x") == ["dir,x"]
    # While the task is being typed, and of one that has no batches.
    assert completions(monkeypatch, capsys, "pnncupy batch --verb vol") == []
    for task in ("volume", "nonsense"):
        found = completions(monkeypatch, capsys, f"pnncupy batch --verb {task} --noise")
        assert found == ["plain,--noise-std"]


def test_files_beside_words(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("alps.png", "a b.png", ".hidden", "$x.png"):
        (tmp_path / name).touch()
    (tmp_path / "all").mkdir()
    complete = files_or_words("alpha", "nodata")

    def items(start):
        return [(each.type, each.value) for each in complete(None, None, start)]

    assert items("al") == [("plain", "alpha"), ("plain", "all/"), ("plain", "alps.png")]
    assert items("a b") == [("file", "a b")]
    assert items("alps") == [("file", "alps")]
    assert [each.value for each in words("nan", "none")(None, None, "no")] == ["none"]
