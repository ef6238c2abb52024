"""Lists of work in TOML, and the lines of them that messages point to."""

import datetime
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Numbers that no parameter needs; Python refuses to print them, too.
_MOST_BITS = 128
_MOST_NESTED = 8
# Names in a message may be as long as the file.
_LONGEST_MESSAGE = 1000
_TIMES = (datetime.date, datetime.time)


@dataclass(frozen=True)
class Table:
    """A table of a file, for messages about it.

    Attributes
    ----------
    file : Path
    text : str
        Content of the file.
    line : int
        First line of the table; 0 for what is before all tables.
    """

    file: Path
    text: str
    line: int

    def told(self, message: object, entry: str = "") -> str:
        """A message that begins with the file, the line that it is about, and a name."""
        words = f"{entry}: {message}" if entry else f"{message}"
        return at_line(self.file, line_of_message(self.text, self.line, f"{message}"), words)


def at_line(file: Path, line: int, message: object) -> str:
    """A message about a line of a file, in one line without control characters."""
    words = f"{message}"
    if len(words) > _LONGEST_MESSAGE:
        words = f"{words[:_LONGEST_MESSAGE]} ..."
    words = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)
    return f"{file}, line {line}: {words}"


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """Read content and text of a file.

    Raises
    ------
    ValueError
        It is no TOML, or has a value that nothing in pnncupy takes; the message says where.
    """
    if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe may wait for ever
        raise ValueError(f"{file}: not a regular file; save the list to one first")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(at_line(file, line, f"not in UTF-8 ({error.reason})")) from error
    return parse_toml(file, text), text


def parse_toml(file: Path, text: str) -> dict[str, Any]:
    """Parse the text of a file; errors as in `read_toml`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # it names the line
        raise ValueError(f"{file}: {error}") from error
    except RecursionError as error:
        message = "brackets are nested too deeply"
        raise ValueError(at_line(file, _line_of_depth(text), message)) from error
    except ValueError as error:  # Python's limit of digits
        line = _line_of(text, r".*?[0-9][0-9_]{4000,}") or 1
        message = "a number has too many digits; write a smaller one"
        raise ValueError(at_line(file, line, message)) from error
    for name, value in content.items():
        _check_tables(file, text, name, value)
    return content


def _check_tables(file: Path, text: str, name: str, value: Any) -> None:
    """Check a top-level value, or all values of a table or of tables."""
    tables = value if isinstance(value, list) else [value]
    are_tables = all(isinstance(table, dict) for table in tables)
    for number, table in enumerate(tables if are_tables else [{name: value}]):
        for key, each in table.items():
            try:
                _check(key, each)
            except (TypeError, ValueError) as error:
                line = lines_of_tables(text, name, number + 1)[-1] if are_tables else 0
                raise ValueError(Table(file, text, line).told(error)) from error


def _check(name: str, value: Any) -> None:
    """Refuse values of TOML that no parameter takes, however deep they are in lists and tables."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > _MOST_NESTED:
            raise ValueError(f"`{name}` must not be nested more than {_MOST_NESTED} deep")
        if isinstance(each, _TIMES):
            raise TypeError(
                f"`{name}` must not be a date or time, got {each}; write text in quotes"
            )
        if isinstance(each, int) and each.bit_length() > _MOST_BITS:
            raise ValueError(
                f"`{name}` must be a number of at most {_MOST_BITS} bits, got one of "
                f"{each.bit_length()}; write a smaller one"
            )
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting += [(value, depth + 1) for value in inner]


def lines_of_tables(text: str, name: str, count: int) -> list[int]:
    """The lines where the tables of a name begin, of which the count is given.

    Tables without a header of their own have the line of the key before all tables.
    """
    header = re.compile(rf"\s*\[+\s*{_name(name)}\s*\]")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if header.match(line)]
    return (lines + [_line_of_top_key(text, name) or 1] * count)[:count]


def line_of_key(text: str, name: str) -> int:
    """The line where something of that name is at the top level: a table, or a key."""
    header = rf"^\s*\[+\s*{_name(name)}\s*[\].]"
    return _line_of(text, header) or _line_of_top_key(text, name) or 1


def line_of_message(text: str, start: int, message: str) -> int:
    """The line of a table that a message is about: of the name it quotes, or the table's first."""
    names = re.findall(r"`(\w+)[`\[]", message)
    lines = text.split("\n")
    for number in range(start, len(lines)):
        if re.match(r"^\s*\[", lines[number]):
            break
        if any(re.match(_key(name), lines[number]) for name in names):
            return number + 1
    return max(1, start)


def _line_of_depth(text: str) -> int:
    """The line with the most brackets inside each other, about: strings may hold some too."""
    depth = deepest = 0
    found = 1
    for number, line in enumerate(text.split("\n"), 1):
        for letter in line:
            depth += (letter in "[{") - (letter in "]}")
            if depth > deepest:
                deepest, found = depth, number
    return found


def _line_of_top_key(text: str, name: str) -> int:
    """The line of a key before all tables; 0 without one."""
    return _line_of(re.split(r"(?m)^[ \t]*\[", text, maxsplit=1)[0], _key(name))


def _line_of(text: str, pattern: str) -> int:
    """Number of the first line that matches; 0 if none does."""
    lines = enumerate(text.split("\n"), 1)
    return next((number for number, line in lines if re.match(pattern, line)), 0)


def _key(name: str) -> str:
    return rf"^\s*{_name(name)}\s*[=.]"


def _name(name: str) -> str:
    """Pattern of a name as TOML writes it: bare, or in quotes."""
    return rf"""["']?{re.escape(name)}["']?"""
