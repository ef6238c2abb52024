"""Words of docstrings, help texts and messages: the rules are in CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

import click
import pytest

from pnncupy.cli.app import commands

pytestmark = pytest.mark.text

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "pnncupy").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])
# Nothing begins with a question: "What a call costs" is "Estimated cost of a call".
QUESTIONS = re.compile(r"(What|How|Whether|Where|Which|Why|Who|When)\b")
# One word for one thing, and the field's own.
AVOIDED = {
    "told": "reported, returned, learns", "asked for": "requested", "anew": "again", "lies": "is",
    "stands": "is", "so many": "this number of", "shall": "must, may", "at the most": "at most",
    "hardly": "nearly", "is none": "without", "by itself": "alone", "goes on": "continues",
}  # fmt: skip
AVOIDED_WORDS = re.compile(rf"\b({'|'.join(AVOIDED)})\b")
PICTURE = re.compile(r"\bpictures?\b", re.IGNORECASE)
# What a report calls a picture is what its page shows.
SPEAKS_OF_PICTURES = ("report/", "tasks/registry.py", "cli/report_command.py")
# The name of an array in checkpoints that older versions wrote.
NAMES = ("picture",)


def inside(file):
    return str(file.relative_to(ROOT))


def strings(file):
    """(line, text, whether it is a docstring) of all strings of a module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value, id(node) in docstrings


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_docstrings_begin_with_a_verb_or_a_noun(file):
    begins = [
        f"{line}: {text.split()[0]}"
        for line, text, documents in strings(file)
        if documents and QUESTIONS.match(text.strip())
    ]
    assert begins == []


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_words_are_those_of_the_field(file):
    found = [
        f"{line}: {match[0]!r}, say {AVOIDED[match[0]]}"
        for line, text, _ in strings(file)
        for match in AVOIDED_WORDS.finditer(text)
    ]
    if not any(part in inside(file) for part in SPEAKS_OF_PICTURES):
        found += [
            f"{line}: {match[0]!r}, say image"
            for line, text, _ in strings(file)
            if text not in NAMES
            for match in PICTURE.finditer(text)
        ]
    assert found == []


def help_texts(command, name=""):
    context = click.Context(command)
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from help_texts(command.get_command(context, each), f"{name} {each}".strip())


def test_help_texts_use_the_same_words():
    found = [
        f"{name}: {text}"
        for name, text in help_texts(commands)
        if AVOIDED_WORDS.search(text) or QUESTIONS.match(text.strip())
    ]
    assert found == []


# Gerunds that are names of the field.
GERUNDS = {
    "voting", "tiling", "padding", "reading", "writing", "inpainting", "retargeting", "editing",
    "intensity_encoding", "label_encoding", "tiff_encoding", "tiff_reading", "missing",
}  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_modules_are_nouns(file):
    assert not file.stem.endswith("ing") or file.stem in GERUNDS


PAGES = [
    file
    for pattern in ("*.md", "examples/*.py")
    for file in sorted((ROOT / "docs").rglob(pattern))
    if "_build" not in file.parts
]


@pytest.mark.parametrize("page", ["README.md", *map(inside, PAGES)])
def test_pages_use_the_same_words(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [match[0] for match in AVOIDED_WORDS.finditer(text)] == []
