"""The command, or the Python call, that makes a picture of a report again."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnncupy.report.spec import Entry
from pnncupy.tasks.registry import PERIODIC_WORDS, TASKS
from pnncupy.terminal import visible

# Options that take any number of values, joined by commas.
_ONE_WORD = ("channel_weights", "downscale", "mask_values", "patch_size")


def command_of(entry: Entry, folder: Path, shape: tuple[int, ...] = ()) -> str:
    """The command line; files are named relative to a folder where they lie in it.

    `shape` is that of the result, which a command for a volume needs if its depth was scaled.
    """
    job = entry.job
    spec = TASKS[job.verb]
    words = ["pnncupy", job.verb]
    options: list[str] = []
    for name, given in job.inputs.items():
        files = [
            _file(each.path, folder) for each in (given if isinstance(given, tuple) else (given,))
        ]
        if name == spec.images[0].name or spec.image(name).positional:
            words += files
        else:
            options += [f"--{name}", *files]
    words += ["--volume"] if job.volume else []
    words += [*options, "-o", "results"]
    if spec.realisations:
        words += ["-n", str(entry.count)]
    if job.seed is not None and spec.draws(job.arguments):
        words += ["--seed", str(job.seed)]
    for name, value in job.arguments.items():
        if job.volume and name in ("shape", "scale") and len(value) == 3:
            depth, *sides = value if name == "shape" else shape
            words += [*_option("shape", sides), "--depth", str(depth)]
        elif job.volume and name in ("periodic", "source_periodic") and value is True:
            words += _option(name, [True] * 3)
        else:
            words += _option(name, value)
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word for a shell: in quotes if needed, those of Bash where it would not be visible."""
    if visible(word) == word:
        return shlex.quote(word)
    letters = []
    for letter in word:
        code = "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
        plain = f"\\{letter}" if letter in "\\'" else letter
        letters.append(plain if visible(letter) == letter else code)
    return f"$'{''.join(letters)}'"


def _file(path: str, folder: Path) -> str:
    """A file's name, never one that looks like an option."""
    file = Path(path)
    name = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
    return f"./{name}" if name.startswith("-") else name


def _option(name: str, value: Any) -> list[str]:
    if name == "keep_known":
        return [] if value else ["--remake-known"]
    option = f"--{name.replace('_', '-')}"
    if name in ("periodic", "source_periodic"):
        word = periodic_word(value)
        return [option, word] if word else []
    if isinstance(value, bool):
        return [option] if value else []
    values = value if isinstance(value, (list, tuple)) else [value]
    words = list(map(str, values))
    return [option, ",".join(words)] if name in _ONE_WORD else [option, *words]


def periodic_word(value: Any) -> str:
    """The word of the command line for axes that wrap around; empty for none."""
    flags = [value] * 2 if isinstance(value, bool) else list(value)
    if len(flags) == 3 and all(flags):
        return "all"
    found = [word for word, each in PERIODIC_WORDS.items() if each == tuple(flags[-2:])]
    return found[0] if found else ""


def baseline_call(entry: Entry, shape: tuple[int, ...], shared: Mapping[str, Any]) -> str:
    """The Python call of the classical method."""
    arguments = "".join(f", {name}={value!r}" for name, value in shared.items())
    first = next(iter(entry.job.inputs.values()))
    image = "[image, ...]" if isinstance(first, tuple) else "image"
    return f"pnncupy.baselines.bidirectional_similarity({image}, {tuple(shape)}{arguments})"
