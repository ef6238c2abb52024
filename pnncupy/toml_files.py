"""Lists of work in TOML, and the lines of them that messages point to."""

import re
import tomllib
from pathlib import Path
from typing import Any


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """Content and text of a file; what cannot be read is a ValueError that names the file."""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}") from error


def line_of_table(text: str, name: str, number: int = 0) -> int:
    """The line where a table of that name begins: the first, or the one after so many others."""
    return line_of(text, rf"^\s*\[+\s*{re.escape(name)}\s*\]+", number)


def line_of_key(text: str, name: str) -> int:
    """The line where a name, or a table of that name, stands."""
    return line_of(text, rf"^\s*\[*\s*{re.escape(name)}\b")


def line_of(text: str, pattern: str, skip: int = 0) -> int:
    """Number of the line that matches, the first one after so many others; 1 if none does."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(pattern, line):
            if skip == 0:
                return number
            skip -= 1
    return 1


def line_of_message(text: str, start: int, message: str) -> int:
    """The line of a table that a message is about: of the name it quotes, or the table's first."""
    names = re.findall(r"`(\w+)`", message)
    lines = text.splitlines()
    for number in range(start, len(lines)):
        if re.match(r"^\s*\[", lines[number]):
            break
        if any(re.match(rf"^\s*{name}\s*=", lines[number]) for name in names):
            return number + 1
    return start
