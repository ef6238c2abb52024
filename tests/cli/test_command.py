"""Groups of options in help texts, and suggestions for near misses."""

import re
import subprocess
import sys

import click
import pytest

from pnncupy.cli.app import commands, run
from pnncupy.cli.command import GROUPS, meant_command
from pnncupy.tasks.registry import TASKS

NAMES = commands.list_commands(click.Context(commands))
# What is in the first group of some command.
BASIC = {
    "sample_names", "count", "noise_std", "variety", "distinct", "shape", "scale", "seed", "alpha",
    "levels", "output", "mask", "fill", "mask_values", "mask_above", "structure", "edited", "axes",
    "verb", "recursive", "help", "demo", "as_json", "init", "tasks", "quantiles", "data_weight",
    "training_share",
    "form",
}  # fmt: skip


def help_of(capsys, *words, columns=80, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


def sections(text):
    """Lines of a help text by title."""
    found = re.split(r"^(\w[\w ]*):\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def test_every_option_has_one_place():
    titles = [name for names in GROUPS.values() for name in names]
    assert len(titles) == len(set(titles))
    there = set()
    for name in NAMES:
        command = commands.get_command(click.Context(commands), name)
        context = click.Context(command)
        options = [
            each for each in command.get_params(context)
            if isinstance(each, click.Option) and "--help" not in each.opts
        ]  # fmt: skip
        there |= {each.name for each in options}
        for each in options:
            assert (each.name in titles) != (each.name in BASIC), each.name
    assert there >= set(titles)


@pytest.mark.parametrize("verb", TASKS)
def test_groups_of_a_task(verb, capsys):
    found = sections(help_of(capsys, verb))
    titles = [title for title in found if title in ("Options", *GROUPS)]
    order = ["Options", *GROUPS]
    assert titles == sorted(titles, key=order.index)
    assert {"Options", "Search", "Scientific data", "Files", "Running"} <= set(titles)
    assert re.search(r"^  -o, --output ", found["Options"], re.MULTILINE)
    assert re.search(r"^  --engine ", found["Search"], re.MULTILINE)
    assert re.search(r"^  --nodata ", found["Scientific data"], re.MULTILINE)
    flags = re.findall(r"^  (-[\w-]+)", "".join(found.values()), re.MULTILINE)
    assert len(flags) == len(set(flags))
    command = commands.get_command(click.Context(commands), verb)
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert len(flags) == len(options) + 1


def test_groups_of_batches_are_those_of_the_task_and_their_own(capsys):
    found = sections(help_of(capsys, "batch", "--verb", "inpaint"))
    assert {"Options", "Options of inpaint", "Synthesis", "Search", "Running"} <= set(found)
    assert "--recursive" in found["Options"]
    assert "--mask" in found["Options of inpaint"]
    assert "--workers" in found["Running"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_fits_the_terminal(columns, capsys, monkeypatch):
    for name in NAMES:
        text = help_of(capsys, name, columns=columns, monkeypatch=monkeypatch)
        widest = max(text.splitlines(), key=len)
        # Examples and choices are not broken.
        allowed = max(columns, 80) if widest.lstrip().startswith(("pnncupy", "--")) else columns
        assert len(widest) <= allowed, (name, widest)
    text = help_of(capsys, columns=columns, monkeypatch=monkeypatch)
    assert list(sections(text)) == ["Options", "Tasks", "Other commands"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["generat"], "generate"), (["synthesize"], "generate"), (["fill"], "inpaint"),
        (["resize"], "retarget"), (["blend"], "collage"), (["engine"], "engines"),
        (["Reprot"], "report"), (["doktor"], "doctor"), (["info"], "doctor"),
    ],
)  # fmt: skip
def test_a_command_that_there_is_not(words, meant, capsys):
    if meant not in NAMES:
        pytest.skip("there is no such command yet")
    assert run(words) == 2
    assert f"No such command '{words[0]}'. Did you mean {meant}?" in capsys.readouterr().err


def test_a_command_like_none(capsys):
    assert run(["quux"]) == 2
    assert "No such command 'quux'. pnncupy --help lists all." in capsys.readouterr().err
    assert meant_command("quux", NAMES) == ""


@pytest.mark.parametrize(
    ("verb", "flag", "meant"),
    [
        ("generate", "--random-state", "--seed"), ("generate", "--rng", "--seed"),
        ("generate", "--num-samples", "-n"), ("generate", "--size", "--shape"),
        ("generate", "--patchsize", "--patch-size"), ("generate", "--device", "--engine"),
        ("generate", "--iteration", "--iterations"), ("inpaint", "--hole", "--mask"),
        ("retarget", "--factor", "--scale"), ("generate", "--factor", "--downscale"),
        ("volume", "--n-jobs", "--threads"), ("samples", "--outptu", "--output"),
    ],
)  # fmt: skip
def test_an_option_that_there_is_not(verb, flag, meant, capsys):
    assert run([verb, flag, "3"]) == 2
    told = capsys.readouterr().err
    assert "No such option" in told
    assert re.search(rf"Did you mean '?{meant}'?\?", told), told


def test_an_option_that_batches_do_not_have(capsys, tmp_path):
    assert run(["batch", str(tmp_path), "-o", "out", "--patchsize", "3"]) == 2
    assert "No such option '--patchsize'. Did you mean '--patch-size'?" in capsys.readouterr().err


@pytest.mark.process
def test_help_loads_nothing_that_works():
    code = (
        "import sys; from pnncupy.cli.app import run; run(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr)"
    )
    for words in (["--help"], ["report", "--help"], ["samples", "--help"], ["generat"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        loaded = set(done.stderr.split())
        assert "pnncupy.cli.command" in loaded
        assert not {"numba", "scipy", "tifffile", "imagecodecs", "rich", "jinja2"} & loaded, words
