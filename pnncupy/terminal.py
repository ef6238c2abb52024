"""Text for the terminal: whatever a file name or a message contains is shown, never obeyed.

A terminal obeys control characters: they clear the screen, set its title, or reverse the order of
letters. Names, titles and metadata come from elsewhere, so all that the command line prints passes
`visible`: its own lines in `say`, and what libraries print, log or warn in `guarded_output`.
"""

import os
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# Control and format characters, lone surrogates (undecodable bytes of file names), line breaks.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Format characters that spell words: zero-width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


def visible(text: str, keep: str = "") -> str:
    r"""Replace characters that a terminal obeys or hides by escape sequences of Python.

    Parameters
    ----------
    text : str
    keep : str, default ""
        Control characters to leave as they are.

    Examples
    --------
    >>> visible("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _HIDDEN and letter not in _JOINERS + keep
        else letter
        for letter in text
    )


def say(message: str, *, error: bool = False) -> None:
    """Print one line to standard output, or to standard error."""
    stream = sys.stderr if error else sys.stdout
    if stream is not None:  # it was not closed before the start
        print(visible(message), file=stream, flush=True)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Make visible whatever is printed within the block, also warnings and logs of libraries.

    What a stream cannot encode is escaped, too.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning
    sys.stdout, sys.stderr = (
        cast(TextIO, stream and _Guarded(stream)) for stream in (sys.stdout, sys.stderr)
    )
    show_warnings_in_one_line()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, warnings.showwarning = before


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream itself, for a program that controls the terminal."""
    return unguarded(stream.guarded) if isinstance(stream, _Guarded) else stream


class _Guarded:
    """A text stream that makes everything but line breaks and tabs visible.

    It may end in a closed pipe.
    """

    def __init__(self, stream: TextIO):
        self.guarded = stream

    def write(self, text: str) -> int:
        encoding = self.guarded.encoding or "utf-8"
        shown = visible(text, keep="\n\t").encode(encoding, "backslashreplace").decode(encoding)
        with _unread_output_dropped(self.guarded):
            self.guarded.write(shown)
        return len(text)

    def flush(self) -> None:
        with _unread_output_dropped(self.guarded):
            self.guarded.flush()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.guarded, name)


@contextmanager
def _unread_output_dropped(stream: TextIO) -> Iterator[None]:
    """Drop what nobody reads any more, as in ``pnncupy engines | head -1``; the work continues."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # what is buffered will go there, too
        os.close(nowhere)


def show_warnings_in_one_line() -> None:
    """Show warnings without the place in the code that they come from, each of them once."""
    shown = set()

    def show(message: Any, *details: Any, **options: Any) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            say(f"Warning: {text}", error=True)

    show.in_one_line = True  # type: ignore[attr-defined]
    if not hasattr(warnings.showwarning, "in_one_line"):
        warnings.showwarning = show
