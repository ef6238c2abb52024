"""Lists of work in TOML, and the lines of them that messages point to."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of a file, for messages about it.

    Attributes
    ----------
    file : Path
    text : str
        What the file holds.
    line : int
        Where the table begins; 0 for what stands before all tables.
    """

    file: Path
    text: str
    line: int

    def told(self, message: object, entry: str = "") -> str:
        """A message that begins with the file, the line that it is about, and a name."""
        words = f"{entry}: {message}" if entry else f"{message}"
        return f"{self.file}, line {line_of_message(self.text, self.line, f'{message}')}: {words}"


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """Content and text of a file; what cannot be read is a ValueError that names the file."""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}") from error


def line_of_table(text: str, name: str, number: int = 0) -> int:
    """The line where a table of that name begins: the first, or the one after so many others."""
    header = rf"^\s*\[+\s*{_name(name)}\s*\]"
    return _line_of(text, header, number) or _line_of_top_key(text, name) or 1


def line_of_key(text: str, name: str) -> int:
    """The line where something of that name stands at the top level: a table, or a key."""
    header = rf"^\s*\[+\s*{_name(name)}\s*[\].]"
    return _line_of(text, header) or _line_of_top_key(text, name) or 1


def line_of_message(text: str, start: int, message: str) -> int:
    """The line of a table that a message is about: of the name it quotes, or the table's first."""
    names = re.findall(r"`(\w+)[`\[]", message)
    lines = text.splitlines()
    for number in range(start, len(lines)):
        if re.match(r"^\s*\[", lines[number]):
            break
        if any(re.match(_key(name), lines[number]) for name in names):
            return number + 1
    return max(1, start)


def _line_of_top_key(text: str, name: str) -> int:
    """The line of a key before all tables; 0 if there is none."""
    return _line_of(re.split(r"(?m)^\s*\[", text, maxsplit=1)[0], _key(name))


def _line_of(text: str, pattern: str, skip: int = 0) -> int:
    """Number of the line that matches, the first one after so many others; 0 if none does."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(pattern, line):
            if skip == 0:
                return number
            skip -= 1
    return 0


def _key(name: str) -> str:
    return rf"^\s*{_name(name)}\s*[=.]"


def _name(name: str) -> str:
    """What matches a name as TOML writes it: bare, or in quotes."""
    return rf"""["']?{re.escape(name)}["']?"""
